use super::support::Home;

#[test]
fn one_question_is_answered_on_stdout_alone() {
    let answer =
        Home::new().run(&["chat", "echo", "--echo", "--temperature", "0", "--log", "error", "--prompt", "hello there"]);
    assert_eq!(answer.stderr, "");
    assert_eq!(answer.ok(), "hello there\n");
}

#[test]
fn each_line_of_a_pipe_is_a_turn_until_quit() {
    let answer = Home::new()
        .run_with_input(&["chat", "echo", "--echo", "--temperature", "0"], "one\n\ntwo\n/reset\nthree\n/quit\nfour\n");
    assert_eq!(answer.ok(), "one\ntwo\nthree\n");
}

#[test]
fn a_running_server_can_answer_instead() {
    let home = Home::new();
    let server = home.serve(&[]);
    let answer = home.run(&["chat", "echo", "--url", &server.url(), "--temperature", "0", "-p", "over the wire"]).ok();
    assert_eq!(answer, "over the wire\n");
    let unknown = home.run(&["chat", "nobody", "--url", &server.url(), "-p", "hi"]);
    unknown.fails(1, &["404", "nobody", "echo"]);
}

#[test]
fn reasoning_is_not_part_of_a_piped_answer() {
    let answer = Home::new().run(&["chat", "echo-reasoning", "--echo", "--temperature", "0", "-p", "hi"]).ok();
    assert!(!answer.contains("think") && !answer.trim().is_empty(), "{answer}");
}

#[test]
fn a_failing_model_and_a_missing_one_give_an_error_and_a_code() {
    let home = Home::new();
    home.run(&["chat", "echo-error", "--echo", "-p", "hi"]).fails(1, &["error: "]);
    home.run(&["chat", "qwen2.5-0.5b", "-p", "hi"]).fails(1, &["qwen2.5-0.5b", "tern pull"]);
    home.run(&["chat", "--url", "127.0.0.1:8080", "-p", "hi"]).fails(2, &["--url", "http://HOST:PORT"]);
}

#[test]
#[cfg(feature = "llama")]
fn the_built_in_model_answers_without_any_set_up() {
    let answer = Home::new().run(&["chat", "-p", "Which port does Tern use by default?"]).ok();
    assert!(answer.contains("8080"), "{answer}");
}
