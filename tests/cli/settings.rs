use super::support::Home;

#[test]
fn help_explains_every_flag_with_its_variable_and_ends_with_examples() {
    let help = Home::new().run(&["serve", "--help"]).ok();
    let flags = [
        "host",
        "port",
        "data-dir",
        "models-dir",
        "model",
        "config",
        "parallel",
        "ctx-size",
        "threads",
        "batch-size",
        "kv-type",
        "flash-attn",
        "gpu-layers",
        "queue",
        "keep-alive",
        "memory-budget",
        "body-limit",
        "grace",
        "echo",
        "default-model",
        "fallback-model",
        "log-format",
        "log",
        "allowed-host",
        "cors-origin",
        "api-key-file",
        "tls-cert",
        "tls-key",
        "alias",
        "template",
    ];
    for flag in flags {
        let variable = format!("TERN_{}=", flag.to_uppercase().replace('-', "_"));
        assert!(help.contains(&format!("--{flag} <")) || help.contains(&format!("--{flag}[")), "no --{flag}: {help}");
        assert!(help.contains(&variable), "no {variable}");
    }
    assert!(help.contains("Examples:") && help.contains("[models]"), "{help}");
}

#[test]
fn the_overview_lists_the_commands_and_says_what_tern_alone_does() {
    let help = Home::new().run(&["--help"]).ok();
    for command in ["serve", "chat", "pull", "models", "inspect", "bench", "openapi", "doctor"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "no {command}: {help}");
    }
    assert!(help.contains("`tern` alone is `tern serve`"), "{help}");
}

#[test]
fn the_version_names_the_package_version() {
    let version = Home::new().run(&["--version"]).ok();
    assert!(version.starts_with(concat!("tern ", env!("CARGO_PKG_VERSION"))), "{version}");
}

#[test]
fn a_wrong_flag_is_told_the_allowed_range() {
    let home = Home::new();
    home.run(&["serve", "--parallel", "0"]).fails(2, &["--parallel", "'0'", "from 1 to 256"]);
    home.run(&["--port", "99999"]).fails(2, &["--port", "'99999'", "from 0 to 65535"]);
    home.run(&["serve", "--keep-alive", "30"]).fails(2, &["--keep-alive", "'30'", "30s, 5m or 2h"]);
    home.run(&["serve", "--model", "/x.gguf"]).fails(2, &["--model", "ID=PATH"]);
    home.run(&["serve", "--model", "a=/no/such.gguf"]).fails(2, &["--model a=/no/such.gguf", "no such file"]);
    home.run(&["serve", "--log", "verbose"]).fails(2, &["--log", "'verbose'", "debug"]);
}

#[test]
fn a_wrong_value_of_the_environment_is_traced_to_its_variable() {
    let home = Home::new();
    let output = home.tern(&["serve"]).env("TERN_PARALLEL", "many").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("from 1 to 256") && text.contains("TERN_PARALLEL=many"), "{text}");
}

#[test]
fn an_unknown_key_of_the_file_names_the_nearest() {
    let home = Home::new();
    home.file("tern.toml", b"ctx_size = 100\n");
    home.run(&["models"]).fails(2, &["tern.toml", "\"ctx_size\"", "did you mean \"ctx-size\"?"]);
    home.run(&["models", "--config", "none.toml"]).fails(2, &["--config none.toml"]);
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let home = Home::new();
    home.file("tern.toml", b"threads = 3\nmodels-dir = \"from-file\"\n");
    let models_dir = |args: &[&str], variable: Option<&str>| {
        let mut command = home.tern(&[&["models"], args].concat());
        variable.map(|value| command.env("TERN_MODELS_DIR", value));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(models_dir(&[], None).contains("from-file"));
    assert!(models_dir(&[], Some("/from-env")).contains("/from-env"));
    assert!(models_dir(&["--models-dir", "/from-flag"], Some("/from-env")).contains("/from-flag"));
}
