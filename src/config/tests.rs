//! The layers of the configuration, without touching the process's environment.

use std::path::Path;

use tern_api::{KeyHash, KeyScope};

use super::*;
use crate::values::{SpanOrNever, Whole};

fn parse(text: &str) -> Result<Layer, ConfigError> {
    Layer::parse(Path::new("/etc/tern.toml"), text)
}

fn complete(text: &str) -> Result<Config, ConfigError> {
    let Layer { mut places, models, server } = parse(text)?;
    places.data_dir.get_or_insert_with(|| "/data".into());
    Config::complete(None, places, models, server)
}

#[track_caller]
fn check_refused(text: &str, parts: &[&str]) {
    let message = complete(text).expect_err(text).to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not contain {part:?}");
    }
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let file = parse("port = 9000\nparallel = 4\n").unwrap();
    let flags = ServerArgs { port: Some("9001".parse().unwrap()), ..Default::default() };
    let places = PlaceArgs { data_dir: Some("/data".into()), ..Default::default() };
    let config = Config::complete(None, places, file.models, flags.or(file.server)).unwrap();
    assert_eq!((config.server.port, config.registry.parallel, config.registry.queue), (9001, 4, 64));
    assert_eq!((config.server.host.as_str(), config.models_dir), ("127.0.0.1", "/data/models".into()));
}

#[test]
fn every_flag_of_serve_is_a_key_of_the_file() {
    let values = [
        ("host", "\"0.0.0.0\""),
        ("port", "9000"),
        ("allowed-host", "[\"a.example\", \"b.example\"]"),
        ("cors-origin", "\"http://localhost:3000\""),
        ("api-key", "[\"tern-secret-1\", \"tern-secret-2\"]"),
        ("api-key-file", "\"keys.txt\""),
        ("no-api-key", "true"),
        ("tls-cert", "\"cert.pem\""),
        ("tls-key", "\"key.pem\""),
        ("aliases", "{ \"gpt-*\" = \"tern-guide\" }"),
        ("keys", "[{ name = \"a\", sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\" }]"),
        ("body-limit", "\"64MiB\""),
        ("grace", "\"5s\""),
        ("fallback-model", "true"),
        ("no-store", "true"),
        ("ctx-size", "4096"),
        ("parallel", "4"),
        ("queue", "8"),
        ("threads", "2"),
        ("batch-size", "256"),
        ("kv-type", "\"q8_0\""),
        ("cache-ram", "\"1GiB\""),
        ("flash-attn", "\"off\""),
        ("gpu-layers", "99"),
        ("head", "\"q6_k\""),
        ("i2s-block", "64"),
        ("kernels", "\"reference\""),
        ("keep-alive", "\"never\""),
        ("memory-budget", "\"80%\""),
        ("echo", "true"),
        ("default-model", "\"mine\""),
        ("templates", "{ mine = \"t.jinja\" }"),
        ("data-dir", "\"data\""),
        ("models-dir", "\"/models\""),
        ("models", "{ mine = \"m.gguf\" }"),
        ("mmprojs", "{ mine = \"p.gguf\" }"),
        ("allow-image-urls", "true"),
        ("tesseract", "\"off\""),
        ("log", "\"debug\""),
        ("log-format", "\"json\""),
    ];
    let mut keys = cli::keys();
    keys.sort();
    let mut tested: Vec<_> = values.iter().map(|(key, _)| (*key).to_owned()).collect();
    tested.sort();
    assert_eq!(tested, keys, "this test knows other keys than the command line has flags");
    for (key, value) in values {
        let layer = parse(&format!("{key} = {value}")).unwrap_or_else(|error| panic!("{error}"));
        let set = layer.places != PlaceArgs::default()
            || layer.models != ModelArgs::default()
            || layer.server != ServerArgs::default();
        assert!(set, "{key} = {value} changes nothing");
    }
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    check_refused("ctx_size = 10", &["/etc/tern.toml", "\"ctx_size\"", "did you mean \"ctx-size\"?"]);
    check_refused("prot = 10", &["\"prot\"", "did you mean \"port\"?"]);
    check_refused("xyz = 10", &["\"xyz\"", "keys are host, port"]);
}

#[test]
fn a_wrong_value_in_the_file_is_shown_with_its_line_and_the_allowed_range() {
    check_refused("\nparallel = 0", &["line 2", "invalid value '0'", "from 1 to 256"]);
    check_refused("keep-alive = 30", &["keep-alive", "invalid value '30'", "30s, 5m or 2h"]);
    check_refused("kv-type = \"q3\"", &["kv-type", "`f16`", "`q8_0`"]);
    check_refused("port = 99999", &["port", "from 0 to 65535"]);
    check_refused("port = [1]", &["port", "a text or a number"]);
    check_refused("port 9000", &["/etc/tern.toml", "line 1"]);
    check_refused("models = { \"a b\" = \"x\" }", &["model id", "a b"]);
}

#[test]
fn what_only_the_whole_shows_names_the_flag_and_the_variable() {
    check_refused("host = \"http://x\"", &["--host \"http://x\"", "TERN_HOST", "without http://"]);
    check_refused("allowed-host = \"a:80\"", &["--allowed-host \"a:80\"", "or a port"]);
    check_refused("cors-origin = \"http://x/\"", &["--cors-origin \"http://x/\"", "http://localhost:3000"]);
    check_refused("cors-origin = \"http://*.x\"", &["--cors-origin"]);
    check_refused("body-limit = \"2GiB\"", &["--body-limit", "1KiB to 1GiB"]);
    check_refused("models = { a = \"/no/such.gguf\" }", &["--model a=/no/such.gguf", "no such file"]);
}

#[test]
fn paths_in_the_file_are_relative_to_its_folder() {
    let layer = parse("data-dir = \"data\"\nmodels-dir = \"/m\"\n[models]\na = \"a.gguf\"").unwrap();
    assert_eq!(layer.places.data_dir, Some("/etc/data".into()));
    assert_eq!(layer.places.models_dir, Some("/m".into()));
    assert_eq!(layer.places.models, [Named { name: "a".into(), path: "/etc/a.gguf".into() }]);
}

#[test]
fn named_models_of_all_layers_are_kept_and_a_flag_wins() {
    let named = |name: &str, path: &str| Named { name: name.into(), path: path.into() };
    let flags = PlaceArgs { models: vec![named("a", "/flag")], ..Default::default() };
    let file = PlaceArgs { models: vec![named("a", "/file"), named("b", "/file")], ..Default::default() };
    assert_eq!(flags.or(file).models, [named("a", "/flag"), named("b", "/file")]);
}

#[test]
fn a_fallback_needs_to_be_asked_for() {
    assert_eq!(complete("default-model = \"a\"").unwrap().server.fallback_model, None);
    let both = complete("default-model = \"a\"\nfallback-model = true").unwrap();
    assert_eq!(both.server.fallback_model.as_deref(), Some("a"));
    let alone = complete("fallback-model = true").unwrap();
    assert_eq!(alone.server.fallback_model.as_deref(), Some("tern-guide"));
}

/// A key in the file.
fn listed(name: &str, key: &str, more: &str) -> String {
    format!("[[keys]]\nname = \"{name}\"\nsha256 = \"{}\"\n{more}\n", KeyHash::of(key))
}

#[test]
fn keys_of_flags_may_do_everything_and_those_of_the_file_what_they_say() {
    let file =
        listed("laptop", "tern-secret-2", "scopes = [\"chat\"]\nrequests-per-minute = 60\nmodels = [\"a\", \"b*\"]")
            + &listed(
                "owner",
                "tern-secret-3",
                "scopes = [\"chat\", \"admin\"]\ntokens_per_minute = 5\nmax-concurrent = 2",
            );
    let keys = complete(&format!("api-key = \"tern-secret-1\"\n{file}")).unwrap().server.all_keys().unwrap();
    let told: Vec<_> = keys.iter().map(|key| (&*key.name, key.scope, key.requests_per_minute)).collect();
    let expected =
        [("api-key", KeyScope::Admin, None), ("laptop", KeyScope::Chat, Some(60)), ("owner", KeyScope::Admin, None)];
    assert_eq!(told, expected);
    assert_eq!(keys[1].models, ["a", "b*"]);
    assert_eq!((keys[2].tokens_per_minute, keys[2].max_concurrent), (Some(5), Some(2)));
    assert!(keys[0].hash == KeyHash::of("tern-secret-1"));
}

#[test]
fn a_key_that_cannot_be_used_is_refused_without_being_shown() {
    for (text, parts) in [
        ("api-key = \"short\"".to_owned(), vec!["--api-key", "8 to 256"]),
        ("api-key = \"with spaces in it\"".to_owned(), vec!["--api-key", "letters"]),
        ("api-key = [\"tern-secret\", \"tern-secret\"]".to_owned(), vec!["same key as \"api-key\""]),
        (listed("a b", "x", ""), vec!["\"a b\"", "letters"]),
        (listed("a", "x", "") + &listed("a", "y", ""), vec!["two keys", "\"a\""]),
        (listed("a", "x", "") + &listed("b", "x", ""), vec!["same key as \"a\""]),
        (listed("a", "x", "limit = 5"), vec!["limit", "requests-per-minute"]),
        (listed("a", "x", "requests-per-minute = 0"), vec!["from 1 to"]),
        (listed("a", "x", "scopes = [\"all\"]"), vec!["all", "chat"]),
        ("[[keys]]\nname = \"a\"\nsha256 = \"tern-secret\"".to_owned(), vec!["64 hexadecimal digits"]),
        ("[[keys]]\nname = \"a\"".to_owned(), vec!["sha256"]),
    ] {
        let message = complete(&text).and_then(|config| config.server.all_keys()).expect_err(&text).to_string();
        for part in parts {
            assert!(message.contains(part), "{message:?} does not contain {part:?}");
        }
        assert!(!message.contains("spaces in"), "{message}");
    }
}

#[test]
fn an_address_that_others_reach_wants_a_key_or_a_plain_word() {
    let keys = |text: &str| complete(text).unwrap().server.all_keys();
    for open in ["host = \"0.0.0.0\"", "host = \"::\"", "host = \"box.lan\""] {
        let message = keys(open).unwrap_err().to_string();
        assert!(message.contains("tern key new") && message.contains("--no-api-key"), "{message}");
        assert_eq!(keys(&format!("{open}\napi-key = \"tern-secret\"")).unwrap().len(), 1);
        assert!(keys(&format!("{open}\nno-api-key = true")).unwrap().is_empty());
    }
    assert!(keys("").unwrap().is_empty() && keys("host = \"localhost\"").unwrap().is_empty());
    let message = keys("no-api-key = true\napi-key = \"tern-secret\"").unwrap_err().to_string();
    assert!(message.contains("--no-api-key") && message.contains("api-key"), "{message}");
}

#[test]
fn keys_of_a_file_of_their_own_stand_one_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        complete(&format!("api-key-file = {:?}", path.to_str().unwrap())).unwrap().server.all_keys()
    };
    let keys = read("# of the house\ntern-secret-1\n\n  tern-secret-2  \n").unwrap();
    assert_eq!(keys.iter().map(|key| &*key.name).collect::<Vec<_>>(), ["api-key-file", "api-key-file-2"]);
    let message = read("tern-secret-1\nno good\n").unwrap_err().to_string();
    assert!(message.contains("line 2") && !message.contains("no good"), "{message}");
    assert!(read("# nothing\n").unwrap_err().to_string().contains("no key in it"));
    std::fs::remove_file(&path).unwrap();
    let gone = complete(&format!("api-key-file = {:?}", path.to_str().unwrap())).unwrap().server.all_keys();
    assert!(gone.unwrap_err().to_string().contains("--api-key-file"));
}

#[test]
fn a_certificate_needs_its_key_and_files_are_relative_to_tern_toml() {
    check_refused("tls-cert = \"c.pem\"", &["--tls-cert", "--tls-key"]);
    check_refused("tls-key = \"k.pem\"", &["--tls-key", "--tls-cert"]);
    let both = complete("tls-cert = \"c.pem\"\ntls-key = \"/k.pem\"").unwrap().server.tls;
    assert_eq!(both, Some(("/etc/c.pem".into(), "/k.pem".into())));
}

#[test]
fn aliases_are_a_table_of_names_and_models() {
    let aliases = complete("[aliases]\n\"gpt-*\" = \"a\"\nclaude = \"b\"").unwrap().server.aliases;
    let told: Vec<_> = aliases.iter().map(|alias| (alias.name.as_str(), alias.model.as_str())).collect();
    assert_eq!(told, [("claude", "b"), ("gpt-*", "a")]);
    check_refused("aliases = { \"a b\" = \"x\" }", &["a b", "letters"]);
}

#[test]
fn times_and_budgets_reach_the_registry() {
    let config = complete("keep-alive = \"never\"\nmemory-budget = \"1GiB\"\nthreads = 3").unwrap().registry;
    assert_eq!((config.keep_alive, config.memory_budget, config.threads), (None, 1 << 30, 3));
    let flags = ModelArgs {
        keep_alive: Some(SpanOrNever(Some(Duration::from_secs(7)))),
        ctx_size: Some("512".parse::<Whole<16, 16_777_216>>().unwrap()),
        ..Default::default()
    };
    let config = complete_registry(flags, Path::new("data"));
    assert_eq!((config.keep_alive, config.ctx_size), (Some(Duration::from_secs(7)), Some(512)));
}
