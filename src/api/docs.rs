//! Swagger UI with the description in it: one page that loads nothing, from this server or elsewhere.

use bytes::Bytes;
use poem::{IntoResponse, Response, endpoint::make_sync};
use serde_json::{Value, json};

/// poem-openapi's head has neither a doctype nor a viewport: phones would show the page as wide as a desk's, and the
/// tab of every server would be called "Swagger UI". `data:,` spares a request for an icon. Long paths and ids break
/// where they must, so that nothing is wider than the window.
const HEAD: &str = r#"<meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Tern: the API</title>
    <link rel="icon" href="data:,">
    <style>
        body { margin: 0; }
        .swagger-ui .opblock .opblock-summary-path, .swagger-ui table td { overflow-wrap: anywhere; }
        @media (max-width: 640px) {
            .swagger-ui .wrapper { padding: 0 8px; }
            .swagger-ui table.responses-table .response-col_links, .swagger-ui .col_header.response-col_links { display: none; }
        }
    </style>"#;

/// The page of poem-openapi, made fit for phones.
pub(crate) fn page(swagger_ui: &str) -> String {
    let title = "<title>Swagger UI</title>";
    format!("<!doctype html>{}", swagger_ui.replacen(title, HEAD, 1))
}

/// The description as it is given out: with what keys there are, and with null where it is allowed as OpenAPI 3.0 writes it.
///
/// poem-openapi would want the keys at every operation. That none is needed where the server has none is the first choice.
pub(crate) fn finished(description: &str) -> String {
    let Ok(mut description) = serde_json::from_str::<Value>(description) else { return description.to_owned() };
    let header =
        |name: &str, about: &str| json!({"type": "apiKey", "in": "header", "name": name, "description": about});
    description["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key of this server (`tern serve --api-key`)."},
        "x-api-key": header("x-api-key", "The same key, as Anthropic's clients send it."),
        "api-key": header("api-key", "The same key, as Azure's clients send it."),
    });
    description["security"] = json!([{}, {"bearer": []}, {"x-api-key": []}, {"api-key": []}]);
    spell_null(&mut description);
    serde_json::to_string_pretty(&description).unwrap_or_default()
}

/// `nullable` counts only beside a `type`, and poem-openapi writes it without one. A schema that allows anything allows null
/// as it is; one that refers to another becomes a choice between that one and null.
fn spell_null(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(spell_null),
        Value::Object(schema) => {
            if schema.get("nullable") == Some(&Value::Bool(true)) && !schema.contains_key("type") {
                schema.remove("nullable");
                if let Some(Value::Array(parts)) = schema.remove("allOf") {
                    // Beside the reference stands a repetition of the description.
                    let mut choices: Vec<_> = parts.into_iter().filter(|part| part.get("$ref").is_some()).collect();
                    choices.push(json!({"type": "string", "nullable": true, "enum": [null]}));
                    schema.insert("anyOf".into(), choices.into());
                }
            }
            schema.values_mut().for_each(spell_null);
        }
        _ => {}
    }
}

/// Serves the page; all requests share its megabytes.
pub(crate) fn endpoint(page: String) -> impl poem::Endpoint<Output = Response> {
    let page = Bytes::from(page);
    make_sync(move |_| Response::builder().content_type("text/html; charset=utf-8").body(page.clone()).into_response())
}
