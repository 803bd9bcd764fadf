use poem::Body;

use super::*;
use crate::http::{body::BodyLimit, upload_fields::FieldKind};

const FIELDS: &[FormField] = &[
    FormField { name: "file", kind: FieldKind::File, required: true, about: "" },
    FormField { name: "prompt", kind: FieldKind::Text, required: false, about: "" },
    FormField { name: "language", kind: FieldKind::Texts, required: false, about: "" },
    FormField { name: "max_tokens", kind: FieldKind::Integer, required: false, about: "" },
    FormField { name: "stream", kind: FieldKind::Boolean, required: false, about: "" },
];

fn part(name: &str, file: Option<&str>, content: &[u8]) -> Vec<u8> {
    let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
    let head = format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

fn end() -> Vec<u8> {
    b"--XX--\r\n".to_vec()
}

/// Sends it in pieces of 7 bytes, so that every boundary is cut.
async fn send(kind: &str, body: Vec<u8>, limit: usize) -> Result<Form, ApiError> {
    let pieces: Vec<_> = body.chunks(7).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
    let body = Body::from_bytes_stream(futures_util::stream::iter(pieces));
    let mut request = Request::builder().content_type(kind).body(body);
    request.set_data(BodyLimit(limit));
    let (request, mut body) = request.split();
    read(&request, &mut body, FIELDS).await
}

async fn form(parts: &[Vec<u8>]) -> Result<Form, ApiError> {
    send("multipart/form-data; boundary=XX", [parts.concat(), end()].concat(), 1 << 20).await
}

#[tokio::test]
async fn files_texts_and_repeated_fields_arrive_whole() {
    // What looks like a boundary in the middle of a file is none.
    let file: Vec<u8> = (0..5000u32).flat_map(|i| [(i % 80) as u8, b'\r', b'\n', b'-', b'-', b'X']).collect();
    let mut form = form(&[
        part("language", None, b"eng"),
        part("file", Some("a b.png"), &file),
        part("unknown", None, &[b'x'; 100_000]),
        part("language[]", None, "dänisch".as_bytes()),
        part("prompt", None, b""),
        part("max_tokens", None, b" 12 "),
        part("stream", None, b"True"),
    ])
    .await
    .unwrap();
    assert_eq!(form.texts("language").unwrap(), ["eng", "dänisch"]);
    assert_eq!(form.text("prompt").unwrap(), None);
    assert_eq!(form.value::<u32>("max_tokens").unwrap(), Some(12));
    assert_eq!(form.value::<bool>("stream").unwrap(), Some(true));
    assert_eq!(form.file("file").unwrap(), Upload { name: Some("a b.png".into()), bytes: file.into() });
    assert_eq!(form.file("file"), None);
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let error = form(&[part("prompt", None, b"a"), part("prompt", None, b"b")]).await.unwrap_err();
    assert_eq!((error.status, error.param.as_deref()), (400, Some("prompt")));
    let sent = form(&[part("max_tokens", None, b"many"), part("language", None, &[0xff])]).await.unwrap();
    let error = sent.value::<u32>("max_tokens").unwrap_err();
    assert_eq!((error.status, error.param.as_deref()), (400, Some("max_tokens")));
    assert_eq!(sent.texts("language").unwrap_err().status, 400);
    let many = vec![part("language", None, b"eng"); MAX_FIELDS + 1];
    assert_eq!(form(&many).await.unwrap_err().status, 400);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let error = form(&[part("prompt", None, &vec![b'x'; MAX_TEXT + 1])]).await.unwrap_err();
    assert_eq!((error.status, error.param.as_deref(), error.code), (413, Some("prompt"), Some("field_too_large")));
    for name in ["file", "unknown"] {
        let error = form(&[part(name, Some("f"), &vec![0; 1 << 20])]).await.unwrap_err();
        assert_eq!((error.status, error.code), (413, Some("request_too_large")), "{name}");
    }
    let head = [b"--XX\r\nContent-Disposition: form-data; name=\"".as_slice(), &vec![b'n'; 1 << 20]].concat();
    assert_eq!(send("multipart/form-data; boundary=XX", head, 1 << 20).await.unwrap_err().status, 413);
}

#[tokio::test]
async fn what_is_no_whole_form_is_refused() {
    let good = [part("file", Some("f"), b"bytes"), end()].concat();
    for kind in
        ["multipart/form-data", "multipart/mixed; boundary=XX", "application/json", "multipart/form-data; boundary="]
    {
        let error = send(kind, good.clone(), 1 << 20).await.unwrap_err();
        assert_eq!((error.status, error.code), (400, Some("invalid_body")), "{kind}");
    }
    for cut in 0..good.len() - 4 {
        let result = send("multipart/form-data; boundary=XX", good[..cut].to_vec(), 1 << 20).await;
        assert_eq!(result.unwrap_err().status, 400, "cut at {cut}: {:?}", String::from_utf8_lossy(&good[..cut]));
    }
    let other = send("multipart/form-data; boundary=YY", good, 1 << 20).await.unwrap_err();
    assert_eq!(other.status, 400);
}
