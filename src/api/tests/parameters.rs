//! Values out of range, prompts that do not fit, models that cannot do what is asked.

use serde_json::{Value, json};

use crate::support::{App, ask, with};

#[tokio::test]
async fn values_out_of_range_are_refused_with_their_name_and_the_range() {
    let app = App::start();
    let cases = [
        (json!({"max_tokens": 0}), "max_tokens", "least is 1"),
        (json!({"max_completion_tokens": 0, "max_tokens": 5}), "max_completion_tokens", "least is 1"),
        (json!({"n": 0}), "n", "1 to 128"),
        (json!({"n": 129}), "n", "1 to 128"),
        (json!({"n": 4_000_000_000_u64}), "n", "1 to 128"),
        (json!({"temperature": -0.1}), "temperature", "0 to 100"),
        (json!({"temperature": 1e300}), "temperature", "0 to 100"),
        (json!({"top_p": 1.1}), "top_p", "0 to 1"),
        (json!({"min_p": -0.5}), "min_p", "0 to 1"),
        (json!({"typical_p": 2}), "typical_p", "0 to 1"),
        (json!({"presence_penalty": 2.1}), "presence_penalty", "-2 to 2"),
        (json!({"frequency_penalty": -2.1}), "frequency_penalty", "-2 to 2"),
        (json!({"repeat_penalty": 0}), "repeat_penalty", "0.01 to 100"),
        (json!({"repeat_last_n": -2}), "repeat_last_n", "-1"),
        (json!({"logprobs": true, "top_logprobs": 21}), "top_logprobs", "20"),
        (json!({"top_logprobs": 2}), "top_logprobs", "needs logprobs"),
        (json!({"logit_bias": {"x": 1}}), "logit_bias.x", "no token id"),
        (json!({"logit_bias": {"99999999": 1}}), "logit_bias.99999999", "no token id"),
        (json!({"logit_bias": {"5": 101}}), "logit_bias.5", "-100 to 100"),
        (json!({"stop": vec!["x"; 33]}), "stop", "most is 32"),
    ];
    for (more, param, part) in cases {
        for stream in [false, true] {
            let body = with(with(ask("echo", "hi"), more.clone()), json!({"stream": stream}));
            let message = app.chat(body).await.refused(400, "invalid_value", param);
            assert!(message.contains(part), "{part:?} in {message}");
        }
    }
}

#[tokio::test]
async fn values_at_the_ends_of_their_ranges_are_taken() {
    let app = App::start();
    let least = json!({"n": 1, "max_tokens": 1, "temperature": 0, "top_p": 0, "min_p": 0, "typical_p": 0,
        "presence_penalty": -2, "frequency_penalty": -2, "repeat_penalty": 0.01, "repeat_last_n": -1, "top_k": -1});
    let most = json!({"n": 128, "max_tokens": 1, "temperature": 100, "top_p": 1, "min_p": 1, "typical_p": 1,
        "presence_penalty": 2, "frequency_penalty": 2, "repeat_penalty": 100, "top_k": 1_000_000,
        "logprobs": true, "top_logprobs": 20, "logit_bias": {"5": -100, "6": 100}, "stop": vec!["x"; 32]});
    for (more, answers) in [(least, 1), (most, 128)] {
        let json = app.chat(with(ask("echo-pieces", "hi"), more)).await.ok();
        assert_eq!(json["choices"].as_array().unwrap().len(), answers);
    }
}

#[tokio::test]
async fn a_dialogue_without_messages_is_refused() {
    let app = App::start();
    for body in [json!({"model": "echo", "messages": []}), json!({"model": "echo"})] {
        for path in ["/v1/chat/completions", "/v1/chat/render"] {
            app.post(path, body.clone()).await.refused(400, "invalid_value", "messages");
        }
    }
    let body = json!({"model": "echo", "messages": [{"role": "user"}]});
    app.chat(body).await.refused(400, "invalid_value", "messages[0].content");
}

#[tokio::test]
async fn an_unknown_model_is_a_404_that_lists_what_there_is() {
    let app = App::start();
    for (path, body) in [
        ("/v1/chat/completions", ask("gpt-9", "hi")),
        ("/v1/chat/completions", with(ask("gpt-9", "hi"), json!({"stream": true}))),
        ("/v1/chat/render", ask("gpt-9", "hi")),
        ("/v1/completions", json!({"model": "gpt-9", "prompt": "x"})),
        ("/v1/embeddings", json!({"model": "gpt-9", "input": "x"})),
        ("/v1/tokenize", json!({"model": "gpt-9", "text": "x"})),
        ("/v1/detokenize", json!({"model": "gpt-9", "tokens": [1]})),
        ("/api/models/load", json!({"model": "gpt-9"})),
        ("/api/models/unload", json!({"model": "gpt-9"})),
    ] {
        let message = app.post(path, body).await.refused(404, "model_not_found", "model");
        assert!(message.contains("`gpt-9`") && message.contains("`echo-pieces`"), "{message}");
    }
}

#[tokio::test]
async fn a_request_without_a_model_says_where_the_models_are_listed() {
    let app = App::start();
    for model in [json!(null), json!(""), json!("  ")] {
        let body = with(ask("echo", "hi"), json!({"model": model}));
        let message = app.chat(body).await.refused(400, "missing_required_parameter", "model");
        assert!(message.contains("/v1/models"), "{message}");
    }
}

#[tokio::test]
async fn the_fallback_model_answers_for_unknown_names_and_none() {
    let app = App::with(|_, api| api.fallback_model = Some("echo-pieces".into()));
    for model in [json!("gpt-9"), json!(null)] {
        let json = app.chat(with(ask("echo", "hi"), json!({"model": model}))).await.ok();
        assert_eq!(json["model"], "echo-pieces");
    }
    assert_eq!(app.chat(ask("echo", "still me")).await.text(), "still me");
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_refused_with_both_numbers() {
    let app = App::start();
    let long = "x".repeat(100);
    let chat = ask("echo-tiny", &long);
    let count = app.post("/v1/chat/render", chat.clone()).await.ok()["count"].as_u64().unwrap();
    assert!(count > 100);
    for stream in [false, true] {
        let body = with(chat.clone(), json!({"stream": stream}));
        let message = app.chat(body).await.refused(400, "context_length_exceeded", "messages");
        assert!(message.contains("maximum context length is 64 tokens"), "{message}");
        assert!(message.contains(&format!("{count} tokens")), "{message}");
        let body = json!({"model": "echo-tiny", "prompt": long, "stream": stream});
        let message = app.post("/v1/completions", body).await.refused(400, "context_length_exceeded", "prompt");
        assert!(message.contains("maximum context length is 64 tokens"), "{message}");
    }
}

#[tokio::test]
async fn an_answer_that_meets_the_end_of_the_context_ends_by_length() {
    let json = App::start().chat(ask("echo-tiny", "go on")).await.ok();
    assert_eq!(json["choices"][0]["finish_reason"], "length");
    assert_eq!(json["usage"]["total_tokens"], 64);
}

#[tokio::test]
async fn a_model_is_refused_what_it_cannot_do() {
    let app = App::start();
    let message = app.chat(ask("echo-embed", "hi")).await.refused(400, "unsupported_model", "model");
    assert!(message.contains("embedding"), "{message}");
    let body = json!({"model": "echo", "input": "x"});
    let message = app.post("/v1/embeddings", body).await.refused(400, "unsupported_model", "model");
    assert!(message.contains("chat"), "{message}");
}

#[tokio::test]
async fn a_file_that_is_no_model_is_refused_by_name() {
    let message = App::start().chat(ask("org/name:tag", "hi")).await.refused(400, "model_unusable", "model");
    assert!(message.contains("org/name:tag"), "{message}");
}

#[tokio::test]
async fn an_engine_that_does_not_exist_is_named_with_those_that_do() {
    let app = App::start();
    let message = app.chat(ask("echo@vllm", "hi")).await.refused(404, "model_not_found", "model");
    assert!(message.contains("\"vllm\"") && message.contains("echo") && message.contains("llama"), "{message}");
    assert_eq!(app.chat(ask("echo@echo", "hi")).await.text(), "hi");
}

#[tokio::test]
async fn completions_refuse_what_they_cannot_honour() {
    let app = App::start();
    let cases: [(Value, &str, &'static str); 7] = [
        (json!({"prompt": null}), "invalid_value", "prompt"),
        (json!({"prompt": vec!["x"; 257]}), "invalid_value", "prompt"),
        (json!({"prompt": [99_999_999]}), "invalid_value", "prompt"),
        (json!({"logprobs": 21}), "invalid_value", "logprobs"),
        (json!({"suffix": "end"}), "unsupported_parameter", "suffix"),
        (json!({"best_of": 2}), "unsupported_parameter", "best_of"),
        (json!({"n": 0}), "invalid_value", "n"),
    ];
    for (more, code, param) in cases {
        for stream in [false, true] {
            let body = json!({"model": "echo", "prompt": "x", "stream": stream});
            app.post("/v1/completions", with(body, more.clone())).await.refused(400, code, param);
        }
    }
}
