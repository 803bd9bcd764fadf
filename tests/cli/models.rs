use super::support::Home;

/// The built-in model's file, which any build can find.
const GUIDE: &[u8] = include_bytes!("../../models/guide/tern-guide.gguf");

#[test]
fn models_lists_the_catalogue_and_what_is_on_disk_as_json() {
    let home = Home::new();
    std::fs::create_dir(home.path().join("models")).unwrap();
    home.file("models/damaged.gguf", b"GGUF");
    let list = home.run(&["models", "--json", "--data-dir", "."]).json();
    let on_disk = list["on_disk"].as_array().unwrap();
    assert_eq!(on_disk[0]["id"], "tern-guide");
    let damaged = on_disk.iter().find(|model| model["id"] == "damaged").unwrap();
    assert!(damaged["error"].as_str().is_some_and(|error| !error.is_empty()), "{damaged}");
    let names: Vec<_> = list["catalogue"].as_array().unwrap().iter().filter_map(|m| m["name"].as_str()).collect();
    assert!(names.contains(&"qwen2.5-0.5b") && names.contains(&"bitnet-2b-4t"), "{names:?}");
}

#[test]
fn models_shows_the_folder_to_put_files_into() {
    let text = Home::new().run(&["models", "--models-dir", "/my/models"]).ok();
    assert!(text.contains("/my/models") && text.contains("tern-guide") && text.contains("llama3.1-8b"), "{text}");
}

#[test]
fn inspect_of_a_missing_file_names_it() {
    Home::new().run(&["inspect", "none.gguf"]).fails(1, &["none.gguf"]);
    Home::new().run(&["inspect", "no-such-model"]).fails(1, &["no-such-model", "tern models"]);
}

#[test]
#[cfg(feature = "llama")]
fn inspect_of_a_truncated_file_says_so() {
    let home = Home::new();
    let file = home.file("short.gguf", &GUIDE[..GUIDE.len() / 2]);
    home.run(&["inspect", &file]).fails(1, &["short.gguf", "truncated"]);
}

#[test]
#[cfg(feature = "llama")]
fn inspect_shows_header_types_and_memory_of_the_built_in_model() {
    let home = Home::new();
    let text = home.run(&["inspect", "tern-guide", "--metadata", "--tensors"]).ok();
    for part in ["architecture", "parameters", "KV cache", "token_embd.weight", "tokenizer.chat_template"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let json = home.run(&["inspect", "tern-guide", "--json", "--tensors"]).json();
    let sum =
        |list: &serde_json::Value, key| list.as_array().unwrap().iter().filter_map(|t| t[key].as_u64()).sum::<u64>();
    assert_eq!(sum(&json["tensor_types"], "bytes"), sum(&json["tensors"], "bytes"));
    assert!(json["memory"]["total_bytes"].as_u64() > json["memory"]["weights_bytes"].as_u64());
}

#[test]
fn doctor_reports_checks_and_fails_only_on_problems() {
    let home = Home::new();
    let report = home.run(&["doctor", "--json", "--port", "0"]).json();
    assert_eq!(report["ok"], true, "{report}");
    let names: Vec<_> = report["checks"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    for name in ["processor", "engine llama", "threads", "memory", "data folder", "port", "disk", "hub"] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    let occupied = home.file("occupied", GUIDE);
    let broken = home.run(&["doctor", "--port", "0", "--data-dir", &occupied]);
    assert_eq!(broken.code, Some(1));
    assert!(broken.stdout.contains("PROBLEM") && broken.stdout.contains("--data-dir"), "{}", broken.stdout);
}

#[test]
fn doctor_reports_settings_that_cannot_be_read() {
    let home = Home::new();
    home.file("tern.toml", b"port = \"web\"\n");
    let report = home.run(&["doctor"]);
    assert_eq!(report.code, Some(1));
    assert!(report.stdout.contains("tern.toml") && report.stdout.contains("from 0 to 65535"), "{}", report.stdout);
}

#[test]
fn openapi_prints_the_description() {
    let description = Home::new().run(&["openapi"]).json();
    assert!(description["paths"]["/v1/chat/completions"]["post"].is_object());
}

#[test]
fn pull_does_not_fetch_what_is_here_or_what_it_may_not() {
    let home = Home::new();
    assert!(home.run(&["pull", "tern-guide"]).ok().contains("here already"));
    home.run(&["pull", "qwen2.5-0.5b"]).fails(1, &["HF_HUB_OFFLINE"]);
    home.run(&["pull", "qwen2.5-0.5c"]).fails(1, &["qwen2.5-0.5c", "qwen2.5-0.5b"]);
}
