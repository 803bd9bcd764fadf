use super::support::Home;

#[test]
fn models_are_compared_here_and_the_result_is_markdown() {
    let home = Home::new();
    let found = home.run(&["compare", "echo", "echo-pieces", "--echo", "-p", "hello there", "--log", "error"]);
    assert_eq!(found.stderr, "");
    let text = found.ok();
    for part in ["# hello there\n", "| echo ", "### echo-pieces\n", "similarity ", "```text\nhello there\n```"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn a_running_server_can_compare_instead_and_files_come_along() {
    let home = Home::new();
    let server = home.serve(&[]);
    let file = tempfile::NamedTempFile::with_suffix(".txt").unwrap();
    std::fs::write(file.path(), "the word is walrus").unwrap();
    let path = file.path().to_str().unwrap();
    let url = server.url();
    let args =
        ["compare", "echo", "echo", "--url", &url, "-p", "one", "-p", "two", "--attach", path, "--format", "json"];
    let comparison: serde_json::Value = serde_json::from_str(&home.run(&args).ok()).unwrap();
    let cells = comparison["results"]["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 4);
    assert!(cells.iter().all(|cell| cell["text"].as_str().unwrap().contains("walrus")), "{comparison}");
}

#[test]
fn a_model_that_fails_is_told_with_the_others_and_gives_a_code() {
    let home = Home::new();
    let found = home.run(&["compare", "nowhere", "echo", "--echo", "-p", "hi", "--format", "csv"]);
    assert_eq!(found.code, Some(1), "{found:#?}");
    assert!(found.stdout.contains("nowhere") && found.stdout.lines().count() == 3, "{found:#?}");
    home.run(&["compare", "echo", "--echo", "-p", "hi", "--repetitions", "50"]).fails(2, &["--repetitions"]);
}
