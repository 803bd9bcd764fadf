//! What a path needs. The one table: a test asks it about every operation of the description.

use poem::http::Method;

use super::KeyScope;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: the page's files, the description, `/health`.
    Nothing,
    /// A key of this scope; whether the request counts against its limits.
    Key { scope: KeyScope, counts: bool },
}

/// Beginnings of paths that are no files of the page.
const GUARDED: [&str; 5] = ["v1", "v2", "api", "rerank", "metrics"];

/// What only an admin may do, by method and segments; `*` is any one.
const ADMIN: [(Method, &[&str]); 11] = [
    (Method::POST, &["api", "models", "load"]),
    (Method::POST, &["api", "models", "unload"]),
    (Method::POST, &["api", "models", "pull"]),
    (Method::DELETE, &["api", "models", "*"]),
    (Method::GET, &["api", "keys", "usage"]),
    (Method::GET, &["metrics"]),
    // Ollama's names for the same.
    (Method::POST, &["api", "pull"]),
    (Method::POST, &["api", "push"]),
    (Method::POST, &["api", "create"]),
    (Method::POST, &["api", "copy"]),
    (Method::DELETE, &["api", "delete"]),
];

/// What a request needs, by its method and its path as the router sees it.
pub(crate) fn need(method: &Method, path: &str) -> Need {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if !segments.first().is_some_and(|first| GUARDED.contains(first)) {
        return Need::Nothing;
    }
    let fits = |wanted: &[&str]| {
        wanted.len() == segments.len() && wanted.iter().zip(&segments).all(|(w, s)| *w == "*" || w == s)
    };
    // A HEAD asks for what a GET gives.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    if ADMIN.iter().any(|(of, wanted)| of == method && fits(wanted)) {
        return Need::Key { scope: KeyScope::Admin, counts: false };
    }
    let counts = *method == Method::POST
        && match segments.as_slice() {
            // Only what is answered: a title or a branch costs nothing.
            ["api", "conversations", rest @ ..] => matches!(rest.last(), Some(&("messages" | "answer" | "continue"))),
            ["api", "compare", rest @ ..] => matches!(rest.last(), None | Some(&"rerun")),
            _ => !matches!(segments.last(), Some(&("cancel" | "stop" | "show"))),
        };
    Need::Key { scope: KeyScope::Chat, counts }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of(method: &str, path: &str) -> Need {
        need(&method.parse().unwrap(), path)
    }

    #[test]
    fn every_operation_needs_a_key_but_health_and_these_need_an_admins() {
        let description: serde_json::Value = serde_json::from_str(&crate::openapi_json()).unwrap();
        let (mut open, mut admin) = (BTreeSet::new(), BTreeSet::new());
        for (path, item) in description["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
                match of(&method, path) {
                    Need::Nothing => open.insert(format!("{method} {path}")),
                    Need::Key { scope: KeyScope::Admin, .. } => admin.insert(format!("{method} {path}")),
                    Need::Key { scope: KeyScope::Chat, .. } => false,
                };
            }
        }
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(open, list(&["GET /health"]));
        let admins = [
            "GET /metrics",
            "GET /api/keys/usage",
            "POST /api/models/load",
            "POST /api/models/unload",
            "POST /api/models/pull",
            "DELETE /api/models/{model}",
        ];
        let ollama = |operation: &&String| {
            let path = operation.split_once(' ').map(|(_, path)| path).unwrap_or_default();
            ["/api/pull", "/api/push", "/api/create", "/api/copy", "/api/delete"].contains(&path)
        };
        let ours: BTreeSet<_> = admin.iter().filter(|operation| !ollama(operation)).cloned().collect();
        assert_eq!(ours, list(&admins));
    }

    #[test]
    fn files_of_the_page_need_nothing_and_unknown_paths_of_the_api_a_key() {
        for path in ["/", "/assets/index-1f.js", "/docs/", "/openapi.json", "/health", "/nothing"] {
            assert_eq!(of("GET", path), Need::Nothing, "{path}");
        }
        for path in ["/v1", "/v1/nothing", "/api/nothing/at/all", "/v2/rerank"] {
            assert!(matches!(of("GET", path), Need::Key { .. }), "{path}");
        }
        assert_eq!(of("HEAD", "/metrics"), of("GET", "/metrics"));
    }

    #[test]
    fn only_what_asks_a_model_counts() {
        let counts = |method: &str, path: &str| matches!(of(method, path), Need::Key { counts: true, .. });
        for path in [
            "/v1/chat/completions",
            "/v1/embeddings",
            "/rerank",
            "/api/ocr",
            "/api/chat",
            "/api/compare",
            "/api/conversations/c/messages",
            "/api/conversations/c/messages/m/answer",
            "/api/conversations/c/messages/m/continue",
        ] {
            assert!(counts("POST", path), "{path}");
            assert!(!counts("GET", path), "{path}");
        }
        for path in [
            "/api/conversations",
            "/api/conversations/c/title",
            "/api/compare/x/stop",
            "/v1/responses/r/cancel",
            "/api/show",
        ] {
            assert!(!counts("POST", path), "{path}");
        }
        assert!(!counts("PATCH", "/api/conversations/c"));
    }
}
