use std::path::Path;

use super::support::Home;

/// A tiny model's folder, as Hugging Face has them.
fn folder() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/convert/tests/folders/packed").to_str().unwrap().to_owned()
}

#[test]
fn convert_makes_a_file_that_inspect_reads() {
    let home = Home::new();
    let ended = home.run(&["convert", &folder(), "new.gguf", "--head", "q8_0"]);
    for part in ["7 ternary matrices, 13 tensors", "13 of 13 tensors (output_norm.weight)", "tern chat new.gguf"] {
        assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
    }
    ended.ok();
    let header = tern_gguf::Header::read(&home.path().join("new.gguf")).unwrap();
    assert_eq!(header.str("general.architecture"), Some("bitnet-b1.58"));
    assert_eq!(header.tensor("token_embd.weight").unwrap().kind, tern_gguf::TensorType::Q8_0);
}

#[test]
fn convert_refuses_a_name_that_is_taken_and_leaves_the_file() {
    let home = Home::new();
    let taken = home.file("taken.gguf", b"precious");
    home.run(&["convert", &folder(), &taken]).fails(1, &["taken.gguf: exists already; --force replaces it"]);
    assert_eq!(std::fs::read(&taken).unwrap(), b"precious");
    home.run(&["convert", &folder(), &taken, "--force"]).ok();
}

#[test]
fn convert_says_what_it_expected() {
    let home = Home::new();
    home.run(&["convert", "nothing", "new.gguf"]).fails(1, &["nothing: expected a folder with config.json"]);
    home.run(&["convert", ".", "new.gguf"]).fails(1, &["config.json: No such file"]);
    home.run(&["convert", &folder(), "no/such/new.gguf"]).fails(1, &["cannot write no/such/new.gguf"]);
    home.run(&["convert", &folder(), "new.gguf", "--to", "q4_0"]).fails(2, &["q4_0", "i2_s", "tq2_0"]);
}
