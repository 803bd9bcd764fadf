//! Sound files: what is written is read back, from disk and from a prefix.

mod support;

use std::io::Write;

use support::{TOKENS, key, raw, small};
use tern_gguf::{GgufError, Header, TensorType, Value, write::MetaValue, write::Writer};

#[test]
fn a_written_file_is_read_back_whole() {
    let bytes = small().to_bytes();
    let header = Header::parse_prefix(&bytes, bytes.len() as u64).unwrap();
    assert_eq!(header.version(), 3);
    assert_eq!(header.str("general.name"), Some("Small"));
    assert_eq!(header.u32("llama.context_length"), Some(128));
    assert_eq!(header.f32("llama.rope.freq_base"), Some(10_000.0));
    assert_eq!(header.bool("tokenizer.ggml.add_bos_token"), Some(true));
    let tokens: Vec<_> = header.strings("tokenizer.ggml.tokens").unwrap().collect();
    assert_eq!(tokens, TOKENS.map(str::as_bytes));
    assert_eq!(header.values("tokenizer.ggml.scores").unwrap().len(), TOKENS.len());
    assert_eq!(header.entries().next(), Some(("general.architecture", &Value::String("llama".into()))));

    let [embedding, norm] = header.tensors() else { panic!("{:?}", header.tensors()) };
    assert_eq!((embedding.kind, &embedding.shape[..], embedding.bytes), (TensorType::Q8_0, &[64, 6][..], 408));
    assert_eq!(embedding.offset, header.data_offset());
    assert_eq!(bytes[embedding.range()], [1; 408]);
    assert_eq!(bytes[norm.range()], [2; 256]);
}

#[test]
fn a_prefix_says_how_much_more_it_needs_until_the_header_is_there() {
    let bytes = small().to_bytes();
    let (mut have, mut rounds) = (0, 0);
    let header = loop {
        match Header::parse_prefix(&bytes[..have], bytes.len() as u64) {
            Err(GgufError::Incomplete { have: said, needed_hint }) => {
                assert_eq!(said, have as u64);
                assert!(needed_hint as usize > have && needed_hint as usize <= bytes.len());
                have = needed_hint as usize;
                rounds += 1;
            }
            other => break other.unwrap(),
        }
    };
    assert!(rounds > 1);
    assert_eq!(have as u64, header.header_len());
}

#[test]
fn files_larger_than_the_first_read_are_read() {
    let tokens: Vec<_> = (0..200_000_u32).map(|i| format!("token{i}").into_bytes()).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let writer = Writer::new("llama").with("tokenizer.ggml.tokens", MetaValue::Strings(tokens));
    file.write_all(&writer.to_bytes()).unwrap();
    let header = Header::read(file.path()).unwrap();
    assert!(header.header_len() > 2 << 20);
    assert_eq!(header.strings("tokenizer.ggml.tokens").unwrap().last(), Some(&b"token199999"[..]));
}

#[test]
fn getters_give_nothing_for_another_type() {
    let header = Header::parse(&small().to_bytes()).unwrap();
    assert_eq!(header.u32("general.name"), None);
    assert_eq!(header.str("llama.context_length"), None);
    assert!(header.strings("tokenizer.ggml.scores").is_none());
    assert!(header.values("tokenizer.ggml.tokens").is_none());
    assert_eq!(header.metadata("no.such.key"), None);
}

#[test]
fn version_2_is_read() {
    let mut bytes = small().to_bytes();
    bytes[4] = 2;
    assert_eq!(Header::parse(&bytes).unwrap().version(), 2);
}

#[test]
fn integers_of_every_width_are_numbers() {
    for (kind, value) in
        [(0, &[7][..]), (1, &[7]), (2, &[7, 0]), (3, &[7, 0]), (5, &[7, 0, 0, 0]), (11, &[7, 0, 0, 0, 0, 0, 0, 0])]
    {
        let bytes = raw(0, 1, &[key("n", kind, value)]);
        assert_eq!(Header::parse(&bytes).unwrap().u32("n"), Some(7), "value type {kind}");
    }
    let negative = raw(0, 1, &[key("n", 5, &(-1_i32).to_le_bytes())]);
    assert_eq!(Header::parse(&negative).unwrap().u32("n"), None);
}

#[test]
fn tokens_that_are_not_utf8_are_kept_as_bytes() {
    let writer =
        Writer::new("llama").with("tokenizer.ggml.tokens", MetaValue::Strings(vec![vec![0xC3], vec![0xFF, 0]]));
    let header = Header::parse(&writer.to_bytes()).unwrap();
    assert_eq!(header.strings("tokenizer.ggml.tokens").unwrap().collect::<Vec<_>>(), [&[0xC3][..], &[0xFF, 0]]);
}

#[test]
fn an_alignment_of_the_files_own_is_kept() {
    let bytes = raw(0, 1, &[key("general.alignment", 4, &64_u32.to_le_bytes())]);
    let header = Header::parse(&bytes).unwrap();
    assert_eq!(header.alignment(), 64);
    assert!(header.data_offset().is_multiple_of(64));
}

#[test]
fn a_folder_or_missing_file_is_an_io_error_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing.gguf")] {
        let error = Header::read(&path).unwrap_err();
        assert!(matches!(error, GgufError::Io { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()));
    }
}
