//! Ollama's API, as ollama-js, ollama-python, Open WebUI and LangChain use it.

use poem::http::Method;
use serde_json::{Value, json};

use crate::support::{App, Exchange, until, with};

const PIECES: &str = "Hello from the echo engine: one, two, three.";

/// A dialogue of one message, in one piece.
fn chat(model: &str, text: &str) -> Value {
    let options = json!({"temperature": 0});
    json!({"model": model, "messages": [{"role": "user", "content": text}], "stream": false, "options": options})
}

/// A text to answer, in one piece.
fn generate(model: &str, prompt: &str) -> Value {
    json!({"model": model, "prompt": prompt, "stream": false, "options": {"temperature": 0}})
}

async fn ask(app: &App, body: Value) -> Exchange {
    app.post("/api/chat", body).await
}

fn joined(lines: &[Value], pointer: &str) -> String {
    lines.iter().filter_map(|line| line.pointer(pointer)?.as_str()).collect()
}

#[tokio::test]
async fn a_dialogue_is_a_stream_of_lines_unless_asked_otherwise() {
    let app = App::start();
    let mut body = chat("echo-pieces", "hi");
    body.as_object_mut().unwrap().remove("stream");
    let exchange = ask(&app, body).await;
    let lines = exchange.lines();
    assert_eq!(joined(&lines, "/message/content"), PIECES, "{exchange}");
    let (end, rest) = lines.split_last().unwrap();
    assert!(rest.len() > 5 && rest.iter().all(|line| line["done"] == false), "{exchange}");
    assert!(
        rest.iter().all(|line| line.get("done_reason").is_none() && line.get("eval_count").is_none()),
        "{exchange}"
    );
    assert_eq!((&end["done"], &end["done_reason"]), (&json!(true), &json!("stop")), "{exchange}");
    assert_eq!(end["message"], json!({"role": "assistant", "content": ""}));
    assert_eq!(end["model"], "echo-pieces");
    for field in ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"] {
        assert!(end[field].is_u64(), "{field}: {exchange}");
    }
    let whole = ask(&app, chat("echo-pieces", "hi")).await.ok();
    assert_eq!(whole["message"], json!({"role": "assistant", "content": PIECES}));
    assert_eq!((&whole["done"], &whole["load_duration"]), (&json!(true), &json!(0)));
    assert_eq!((&whole["eval_count"], &whole["prompt_eval_count"]), (&end["eval_count"], &end["prompt_eval_count"]));
    let total = whole["total_duration"].as_u64().unwrap();
    assert!(total >= whole["eval_duration"].as_u64().unwrap(), "nanoseconds, both: {whole}");
}

#[tokio::test]
async fn thinking_stands_beside_the_content() {
    let app = App::start();
    let whole = ask(&app, with(chat("echo-reasoning", "2 + 2?"), json!({"think": true}))).await.ok();
    assert_eq!(whole["message"]["content"], "The answer is 4.");
    assert_eq!(whole["message"]["thinking"].as_str().unwrap().trim(), "The user wants a sum: 2 + 2.");
    let lines = ask(&app, with(chat("echo-reasoning", "2 + 2?"), json!({"stream": true}))).await.lines();
    assert_eq!(joined(&lines, "/message/thinking"), whole["message"]["thinking"]);
    assert_eq!(joined(&lines, "/message/content"), "The answer is 4.");
    let text = app.post("/api/generate", generate("echo-reasoning", "2 + 2?")).await.ok();
    assert_eq!((&text["response"], &text["thinking"]), (&json!("The answer is 4."), &whole["message"]["thinking"]));
}

#[tokio::test]
async fn options_reach_the_model_and_idle_ones_are_named() {
    let app = App::start();
    let with_options = |options: Value| with(chat("echo-pieces", "hi"), json!({"options": options}));
    let cut = ask(&app, with_options(json!({"temperature": 0, "num_predict": 3}))).await.ok();
    assert_eq!((&cut["message"]["content"], &cut["done_reason"]), (&json!("Hello from the"), &json!("length")));
    assert_eq!(cut["eval_count"], 3);
    let stopped = ask(&app, with_options(json!({"temperature": 0, "stop": ["two"]}))).await.ok();
    assert_eq!(stopped["message"]["content"], "Hello from the echo engine: one, ");
    let idle = json!({"temperature": 0, "num_ctx": 2048, "num_gpu": 0, "num_predict": -1, "seed": -1});
    let exchange = ask(&app, with(with_options(idle), json!({"keep_alive": "5m"}))).await;
    assert_eq!(exchange.ok()["message"]["content"], PIECES);
    assert_eq!(exchange.header("x-ignored-params"), Some("options.num_ctx, options.num_gpu, keep_alive"));
    for (options, message) in [
        (json!({"top_p": 2}), "options.top_p is 2"),
        (json!({"temperature": -1}), "options.temperature is -1"),
        (json!({"repeat_last_n": -5}), "options.repeat_last_n is -5"),
        (json!({"top_k": "x"}), "options.top_k"),
    ] {
        let error = ask(&app, with_options(options)).await.ollama_error(400);
        assert!(error.starts_with(message), "{error}");
    }
}

#[tokio::test]
async fn without_options_answers_vary_by_ollamas_defaults_and_a_seed_repeats_them() {
    let app = App::start();
    let with_seed = |seed: i64| with(chat("echo-random", "hi"), json!({"options": {"seed": seed}}));
    let said = async |seed| ask(&app, with_seed(seed)).await.ok()["message"]["content"].clone();
    assert_eq!(said(7).await, said(7).await);
    assert_ne!(said(7).await, said(8).await);
}

#[tokio::test]
async fn names_are_taken_with_and_without_latest() {
    let app = App::start();
    for name in ["echo", "echo:latest"] {
        let answer = ask(&app, chat(name, "hi")).await.ok();
        assert_eq!((&answer["message"]["content"], &answer["model"]), (&json!("hi"), &json!(name)));
    }
    let unknown = ask(&app, chat("nobody:latest", "hi")).await.ollama_error(404);
    assert!(unknown.contains("nobody"), "{unknown}");
    ask(&app, json!({"messages": [{"role": "user", "content": "hi"}]})).await.ollama_error(400);
}

#[tokio::test]
async fn nothing_to_answer_loads_the_model_and_a_keep_alive_of_zero_unloads_it() {
    let app = App::start();
    let is_loaded = || !app.registry.loaded().is_empty();
    let loaded = ask(&app, json!({"model": "echo", "stream": false})).await.ok();
    assert_eq!((&loaded["done"], &loaded["done_reason"]), (&json!(true), &json!("load")));
    assert!(is_loaded());
    let unloaded = app.post("/api/generate", json!({"model": "echo", "keep_alive": 0})).await.lines();
    assert_eq!((unloaded.len(), &unloaded[0]["done_reason"]), (1, &json!("unload")), "{unloaded:?}");
    assert!(!is_loaded());
    let lines = app.post("/api/generate", json!({"model": "echo", "prompt": ""})).await.lines();
    assert_eq!((lines.len(), &lines[0]["response"], &lines[0]["done_reason"]), (1, &json!(""), &json!("load")));
    for stream in [false, true] {
        let exchange = ask(&app, with(chat("echo", "hi"), json!({"keep_alive": "0", "stream": stream}))).await;
        assert_eq!(exchange.status, 200, "{exchange}");
        until("the model is unloaded behind the answer", || !is_loaded()).await;
    }
    let wrong = ask(&app, with(chat("echo", "hi"), json!({"keep_alive": "soon"}))).await.ollama_error(400);
    assert!(wrong.starts_with("keep_alive is \"soon\""), "{wrong}");
}

#[tokio::test]
async fn a_text_is_a_message_or_with_raw_or_a_template_continued_as_it_is() {
    let app = App::start();
    let text = |more: Value| with(generate("echo", "say this"), more);
    let answer = app.post("/api/generate", text(json!({"system": "Be brief."}))).await.ok();
    assert_eq!((&answer["response"], &answer["done_reason"]), (&json!("say this"), &json!("stop")));
    let tokens = |answer: &Value| answer["prompt_eval_count"].as_u64().unwrap();
    let raw = app.post("/api/generate", text(json!({"raw": true}))).await.ok();
    assert_eq!(raw["response"], "say this", "the last line of a text is repeated");
    assert!(tokens(&raw) < tokens(&answer), "without a template there is less: {raw} {answer}");
    let lines = app.post("/api/generate", text(json!({"raw": true, "stream": true}))).await.lines();
    assert_eq!(joined(&lines, "/response"), "say this");
    assert_eq!(lines.last().unwrap()["prompt_eval_count"], raw["prompt_eval_count"]);
    let own = app.post("/api/generate", text(json!({"template": "{{ .System }}\nQ: {{ .Prompt }}"}))).await.ok();
    assert_eq!(own["response"], "Q: say this");
    for (more, message) in [
        (json!({"template": "{{ range .Messages }}"}), "template: {{ range .Messages }} is not known"),
        (json!({"suffix": "x"}), "suffix is not supported"),
        (json!({"raw": true, "images": ["QUJD"]}), "images are not supported"),
        (json!({"images": ["QUJD"]}), "The model `echo` cannot see images"),
        (json!({"format": "xml"}), "format is \"xml\""),
        (json!({"think": "much"}), "think is \"much\""),
        (json!({"raw": true, "options": {"top_p": 5}}), "options.top_p is 5"),
    ] {
        let error = app.post("/api/generate", text(more)).await.ollama_error(400);
        assert!(error.starts_with(message), "{error}");
    }
}

#[tokio::test]
async fn images_are_seen_and_broken_ones_named() {
    let app = App::start();
    let with_image = |image: &str| {
        let messages = json!([{"role": "user", "content": "What?", "images": [image]}]);
        json!({"model": "echo-vision", "stream": false, "messages": messages, "options": {"temperature": 0}})
    };
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
    let seen = ask(&app, with_image(png)).await.ok();
    assert!(seen["message"]["content"].as_str().unwrap().contains("1x1"), "{seen}");
    let error = ask(&app, with_image("QUJD")).await.ollama_error(400);
    assert!(error.starts_with("messages[0].images[0] is refused"), "{error}");
}

#[tokio::test]
async fn errors_are_a_text_whoever_makes_them_also_in_a_stream() {
    let app = App::with(|_, api| api.body_limit = 4000);
    app.send(Method::POST, "/api/chat", &[], "{\"model\"").await.ollama_error(400);
    app.send(Method::POST, "/api/chat", &[], "x".repeat(5000)).await.ollama_error(413);
    app.send(Method::POST, "/api/chat", &[("host", "evil.example")], "{}").await.ollama_error(403);
    app.get("/api/chat").await.ollama_error(405);
    ask(&app, json!({"model": "echo", "messages": 5})).await.ollama_error(400);
    ask(&app, chat("echo-error", "hi")).await.ollama_error(500);
    let exchange = ask(&app, with(chat("echo-error", "hi"), json!({"stream": true}))).await;
    let lines = exchange.lines();
    assert!(lines.last().unwrap()["error"].is_string(), "{exchange}");
    assert!(lines.len() > 1 && lines.iter().all(|line| line["done"] != true), "{exchange}");
    // What Ollama has and this server does not is refused in its shape too.
    for path in ["/api/create", "/api/push", "/api/copy"] {
        let missing = app.send(Method::POST, path, &[], "{}").await;
        assert_eq!(missing.status, 404, "{missing}");
        assert!(missing.json()["error"].is_string(), "{missing}");
    }
    // Our own paths beside them keep their own.
    app.post("/api/models/pull", json!({})).await.refused(400, "invalid_value", "model");
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_refused_with_both_numbers() {
    let error = ask(&App::start(), chat("echo-tiny", &" the".repeat(100))).await.ollama_error(400);
    assert!(error.contains("64 tokens"), "{error}");
}

#[tokio::test]
async fn the_version_is_one_that_clients_can_compare() {
    let version = App::start().get("/api/version").await.ok();
    let numbers: Vec<u32> = version["version"].as_str().unwrap().split('.').map(|n| n.parse().unwrap()).collect();
    assert!(numbers.len() == 3 && numbers >= vec![0, 6, 4], "{version}");
    assert!(version["server"].as_str().unwrap().starts_with("tern "), "{version}");
}

#[tokio::test]
async fn models_are_listed_shown_and_seen_in_memory() {
    let app = App::start();
    let tags = app.get("/api/tags").await.ok();
    let models = tags["models"].as_array().unwrap();
    let tiny = models.iter().find(|model| model["name"] == "echo-tiny:latest").unwrap_or_else(|| panic!("{tags}"));
    assert_eq!((&tiny["model"], &tiny["details"]["format"]), (&json!("echo-tiny:latest"), &json!("echo")));
    assert_eq!(tiny["digest"].as_str().unwrap().len(), 64, "{tiny}");
    assert!(tiny["modified_at"].as_str().unwrap().ends_with('Z') && tiny["size"].is_u64(), "{tiny}");
    assert_eq!(app.get("/api/ps").await.ok(), json!({"models": []}));
    ask(&app, json!({"model": "echo-tiny", "stream": false})).await.ok();
    let running = app.get("/api/ps").await.ok();
    let running = &running["models"][0];
    assert_eq!((&running["name"], &running["digest"]), (&tiny["name"], &tiny["digest"]));
    assert_eq!((&running["size_vram"], &running["context_length"]), (&json!(0), &json!(64)));
    assert!(running["expires_at"].as_str().unwrap() > tiny["modified_at"].as_str().unwrap(), "{running}");
    for body in [json!({"model": "echo-tiny:latest"}), json!({"name": "echo-tiny", "verbose": true})] {
        let shown = app.post("/api/show", body).await.ok();
        assert_eq!(shown["details"], tiny["details"]);
        assert_eq!(shown["capabilities"], json!(["completion", "tools"]));
        assert!(shown["template"].as_str().unwrap().contains("messages"), "{shown}");
        assert!(shown["modelfile"].as_str().unwrap().contains("FROM echo-tiny:latest"), "{shown}");
        let info = &shown["model_info"];
        let architecture = info["general.architecture"].as_str().unwrap();
        assert_eq!(info[format!("{architecture}.context_length")], 64, "{shown}");
    }
    let embed = app.post("/api/show", json!({"model": "echo-embed"})).await.ok();
    assert_eq!(embed["capabilities"], json!(["embedding"]));
    app.post("/api/show", json!({"model": "nobody"})).await.ollama_error(404);
    app.post("/api/show", json!({})).await.ollama_error(400);
}

#[tokio::test]
async fn texts_become_vectors_in_both_forms() {
    let app = App::start();
    let body = json!({"model": "echo-embed", "input": ["the word", "hot"]});
    let list = app.post("/api/embed", body).await.ok();
    let vectors = list["embeddings"].as_array().unwrap();
    assert_eq!((vectors.len(), vectors[0].as_array().unwrap().len()), (2, 64));
    assert!(list["prompt_eval_count"].as_u64().unwrap() >= 3, "{list}");
    let openai = app.post("/v1/embeddings", json!({"model": "echo-embed", "input": "the word"})).await.ok();
    assert_eq!(openai["data"][0]["embedding"], vectors[0]);
    let one = app.post("/api/embeddings", json!({"model": "echo-embed:latest", "prompt": "hot"})).await.ok();
    assert_eq!(one["embedding"], vectors[1]);
    let none = app.post("/api/embeddings", json!({"model": "echo-embed", "prompt": ""})).await.ok();
    assert_eq!(none["embedding"], json!([]));
    let short = app.post("/api/embed", json!({"model": "echo-embed", "input": "hot", "dimensions": 16})).await.ok();
    assert_eq!(short["embeddings"][0].as_array().unwrap().len(), 16);
    app.post("/api/embed", json!({"model": "echo-embed"})).await.ollama_error(400);
    app.post("/api/embed", json!({"model": "echo", "input": "x"})).await.ollama_error(400);
    app.post("/api/embed", json!({"model": "nobody", "input": "x"})).await.ollama_error(404);
}

#[tokio::test]
async fn a_text_that_is_too_long_to_embed_is_cut_only_for_who_says_so() {
    let app = App::start();
    let long = json!({"model": "echo-embed?context=16", "input": " the".repeat(100)});
    let error = app.post("/api/embed", long.clone()).await.ollama_error(400);
    assert!(error.contains("16 tokens"), "{error}");
    let cut = app.post("/api/embed", with(long, json!({"truncate": true}))).await.ok();
    assert_eq!((cut["embeddings"].as_array().unwrap().len(), &cut["prompt_eval_count"]), (1, &json!(16)));
}

#[tokio::test]
async fn a_pull_names_what_it_cannot_find_and_says_why_it_cannot_begin() {
    let app = App::start();
    app.post("/api/pull", json!({})).await.ollama_error(400);
    let unknown = app.post("/api/pull", json!({"model": "qwen-nobody"})).await.ollama_error(404);
    assert!(unknown.contains("qwen-nobody"), "{unknown}");
    // Known by Ollama's spelling, and no hub to ask: the stream has begun.
    let exchange = app.post("/api/pull", json!({"name": "qwen2.5:0.5b"})).await;
    let lines = exchange.lines();
    assert_eq!(lines[0], json!({"status": "pulling manifest"}), "{exchange}");
    assert!(lines.last().unwrap()["error"].as_str().unwrap().contains("OFFLINE"), "{exchange}");
    let offline = app.post("/api/pull", json!({"model": "qwen2.5-0.5b:latest", "stream": false})).await;
    assert!(offline.ollama_error(400).contains("OFFLINE"), "{offline}");
    let hub = app.post("/api/pull", json!({"model": "hf.co/org/name:Q4_K_M"})).await.ollama_error(400);
    assert!(hub.contains("OFFLINE"), "{hub}");
    app.post("/api/pull", json!({"model": "hf.co/../name:Q4_K_M"})).await.ollama_error(400);
}

#[tokio::test]
async fn a_model_is_deleted_by_its_name_and_never_another_in_its_place() {
    let app = App::with(|_, api| api.fallback_model = Some("echo".into()));
    let delete = async |body: Value| app.send(Method::DELETE, "/api/delete", &[], body.to_string()).await;
    delete(json!({"model": "nobody"})).await.ollama_error(404);
    delete(json!({})).await.ollama_error(400);
    // A model without a file that came through this server.
    delete(json!({"name": "echo:latest"})).await.ollama_error(409);
}

#[tokio::test]
async fn a_client_that_looks_whether_a_server_is_there_finds_one() {
    let app = App::start();
    assert_eq!(app.send(Method::HEAD, "/", &[], "").await.status, 200);
}
