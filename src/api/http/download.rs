//! Files that a browser saves or shows.

use poem::{Body, IntoResponse, Response};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
};

/// Kinds that a browser may show in the page: nothing that can hold a script.
const SHOWN: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];
/// All kinds, as the description lists them.
const KINDS: [&str; 9] = [
    "application/json",
    "text/markdown; charset=utf-8",
    "text/csv; charset=utf-8",
    "text/plain; charset=utf-8",
    "application/octet-stream",
    SHOWN[0],
    SHOWN[1],
    SHOWN[2],
    SHOWN[3],
];
/// Longest name of a file, in characters.
const MAX_NAME: usize = 100;

/// A file on its way out.
pub(crate) struct Download {
    /// Its media type, one of [`KINDS`].
    pub kind: &'static str,
    /// What it is called.
    pub name: String,
    /// What is in it.
    pub body: Body,
}

/// How a file of this media type is sent: images as they are, text as plain text, and everything else as mere bytes,
/// which no browser runs.
pub(crate) fn kind_of(media_type: &str) -> &'static str {
    match SHOWN.into_iter().find(|shown| *shown == media_type) {
        Some(image) => image,
        None if media_type.starts_with("text/") => "text/plain; charset=utf-8",
        None => "application/octet-stream",
    }
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        let inline = SHOWN.contains(&self.kind);
        Response::builder()
            .content_type(self.kind)
            .header("content-disposition", disposition(inline, &self.name))
            .header("x-content-type-options", "nosniff")
            .header("content-security-policy", "sandbox; default-src 'none'")
            .header("cache-control", "no-store")
            .body(self.body)
    }
}

impl ApiResponse for Download {
    fn meta() -> MetaResponses {
        let schema = |kind: &str| match kind {
            "application/json" => MetaSchema::ANY,
            _ => MetaSchema::new_with_format("string", "binary"),
        };
        let content = KINDS
            .iter()
            .map(|kind| MetaMediaType { content_type: kind, schema: MetaSchemaRef::Inline(Box::new(schema(kind))) });
        let response = MetaResponse {
            description: "The file.",
            status: Some(200),
            status_range: None,
            content: content.collect(),
            headers: vec![],
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(_registry: &mut Registry) {}
}

/// The header with a name that any system can save: plain for old clients, and whole in RFC 8187's form.
fn disposition(inline: bool, name: &str) -> String {
    let harmless = |c: char| if c.is_control() || "/\\:*?\"<>|%;".contains(c) { '_' } else { c };
    // The ending says what it is and must stay.
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 10 => (stem, format!(".{ending}")),
        _ => (name, String::new()),
    };
    let name: String = stem.chars().take(MAX_NAME).chain(ending.chars()).map(harmless).collect();
    let name = name.trim().trim_start_matches('.');
    let plain: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() || b"-._".contains(&b) => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect();
    let kind = if inline { "inline" } else { "attachment" };
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_harmless_and_whole() {
        assert_eq!(
            disposition(false, "Käse \"1/2\"\r\nx: y.md"),
            "attachment; filename=\"K_se _1_2___x_ y.md\"; filename*=UTF-8''K%C3%A4se%20_1_2___x_%20y.md"
        );
        assert!(disposition(true, &format!("{}.json", "x".repeat(5000))).len() < 300);
        assert!(disposition(false, "../../etc/passwd").contains("filename=\"_.._etc_passwd\""));
    }

    #[test]
    fn nothing_that_could_run_keeps_its_kind() {
        for hostile in ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript", "application/pdf"] {
            let kind = kind_of(hostile);
            assert!(kind.starts_with("text/plain") || kind == "application/octet-stream", "{hostile}: {kind}");
        }
        assert_eq!(kind_of("image/png"), "image/png");
    }
}
