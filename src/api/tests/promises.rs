//! What holds for every response: error shape, request ids, hosts, origins, retry headers. (The shape of every error
//! in these tests is checked by `support::schema` as well.)

use poem::http::Method;
use serde_json::{Value, json};

use crate::support::{App, Exchange, ask, schema, with};

async fn with_headers(app: &App, headers: &[(&str, &str)]) -> Exchange {
    app.send(Method::POST, "/v1/chat/completions", headers, ask("echo", "hi").to_string()).await
}

#[tokio::test]
async fn a07_every_response_has_a_request_id() {
    let app = App::with(|_, api| api.body_limit = 2000);
    let mut ids = Vec::new();
    let paths = schema::DESCRIPTION["paths"].as_object().unwrap();
    for path in paths.keys().map(String::as_str).chain(["/", "/docs/", "/openapi.json", "/unknown"]) {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::HEAD, Method::OPTIONS] {
            let exchange = app.send(method, &path.replace("{model}", "echo"), &[], "{}").await;
            let id = exchange.header("x-request-id").unwrap_or_else(|| panic!("no id: {exchange}"));
            ids.push(id.to_owned());
        }
    }
    let large = "x".repeat(3000);
    for exchange in [
        app.chat(with(ask("echo", "hi"), json!({"stream": true}))).await,
        app.chat(ask("echo-panic", "hi")).await,
        app.chat(ask("echo", &large)).await,
        app.send(Method::GET, "/health", &[("host", "evil.example")], "").await,
        app.send(Method::GET, "/health", &[("origin", "https://evil.example")], "").await,
    ] {
        ids.push(exchange.header("x-request-id").unwrap_or_else(|| panic!("no id: {exchange}")).to_owned());
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "ids are unique");
}

#[tokio::test]
async fn a_sane_id_of_the_client_is_kept_and_any_other_replaced() {
    let app = App::start();
    for id in ["abc-123", "7f3c:a.b_c", &"x".repeat(128)] {
        let exchange = with_headers(&app, &[("x-request-id", id)]).await;
        assert_eq!(exchange.header("x-request-id"), Some(id), "{exchange}");
    }
    for id in ["", "two words", "a\"b", "<script>", &"x".repeat(129)] {
        let exchange = with_headers(&app, &[("x-request-id", id)]).await;
        assert!(exchange.header("x-request-id").unwrap().starts_with("req_"), "{exchange}");
    }
}

#[tokio::test]
async fn every_error_of_the_description_has_the_one_shape_of_its_dialect() {
    let operations = schema::DESCRIPTION["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object().unwrap().values().map(move |operation| (path, operation["responses"].as_object().unwrap()))
    });
    let responses = operations.flat_map(|(path, responses)| responses.iter().map(move |response| (path, response)));
    let errors: Vec<_> = responses.filter(|(_, (status, _))| !status.starts_with('2')).collect();
    assert!(errors.len() > 50, "{}", errors.len());
    for (path, (status, response)) in errors {
        let content = response["content"].as_object().unwrap();
        let media: Vec<_> = content.keys().collect();
        assert_eq!(media, ["application/json"], "{path}: {status}");
        let schema = format!("#/components/schemas/{}", schema::error_of(path));
        assert_eq!(content["application/json"]["schema"]["$ref"], schema, "{path}: {status}");
    }
}

#[tokio::test]
async fn methods_and_routes_of_every_kind_answer_in_json_when_they_refuse() {
    let app = App::start();
    let paths = schema::DESCRIPTION["paths"].as_object().unwrap();
    for (path, item) in paths {
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            if item.get(method.as_str().to_lowercase()).is_some() {
                continue;
            }
            let exchange = app.send(method, &path.replace("{model}", "echo"), &[], "").await;
            // What is no path of its own may be an id in another: /api/conversations/tags.
            match exchange.status {
                405 if !matches!(schema::error_of(path), "OllamaError" | "MessagesError") => {
                    exchange.refused(405, "method_not_allowed", None)
                }
                405 => String::new(),
                _ => exchange.json()["error"]["message"].to_string(),
            };
        }
        app.get(&format!("{}/no/such", path.replace("{model}", "echo"))).await.json();
    }
    for path in ["/%ff", "/v1/models/%ff", "/v1/%2e%2e/%2e%2e/etc/passwd", "/v1/models/%00"] {
        let exchange = app.get(path).await;
        assert!((400..500).contains(&exchange.status), "{exchange}");
    }
}

#[tokio::test]
async fn only_hosts_that_lead_here_honestly_are_answered() {
    let app = App::with(|_, api| api.allowed_hosts = vec!["my.box".into()]);
    for host in ["localhost:8080", "127.0.0.1", "[::1]:8080", "192.168.1.5:80", "my.box", "MY.BOX:1"] {
        assert_eq!(with_headers(&app, &[("host", host)]).await.text(), "hi", "{host}");
    }
    for host in ["evil.example", "localhost.evil.example:8080", "my.box.evil.example", "127.0.0.1.evil.example", ""] {
        let exchange = with_headers(&app, &[("host", host)]).await;
        let message = exchange.refused(403, "host_not_allowed", None);
        assert!(message.contains("--allowed-host"), "{message}");
        assert_eq!(exchange.json()["error"]["type"], "permission_error");
    }
    let open = App::with(|_, api| api.allowed_hosts = vec!["*".into()]);
    with_headers(&open, &[("host", "anything.example")]).await.ok();
}

#[tokio::test]
async fn pages_elsewhere_get_nothing_and_no_work_is_done_for_them() {
    let app = App::with(|_, api| api.cors_origins = vec!["https://ok.example".into()]);
    for origin in ["https://evil.example", "null", "http://localhost.evil.example", "https://ok.example.evil.example"] {
        let exchange = with_headers(&app, &[("origin", origin)]).await;
        exchange.refused(403, "origin_not_allowed", None);
        let preflight = [("origin", origin), ("access-control-request-method", "POST")];
        app.send(Method::OPTIONS, "/v1/chat/completions", &preflight, "").await.refused(
            403,
            "origin_not_allowed",
            None,
        );
    }
    assert!(app.registry.loaded().is_empty(), "no model was loaded for them");
    for origin in ["http://localhost:3000", "http://127.0.0.1:8080", "https://ok.example"] {
        let exchange = with_headers(&app, &[("origin", origin)]).await;
        assert_eq!(exchange.text(), "hi");
        assert_eq!(exchange.header("access-control-allow-origin"), Some(origin), "{exchange}");
        assert_eq!(exchange.header("access-control-allow-credentials"), None, "{exchange}");
        assert!(exchange.header("vary").unwrap().contains("origin"), "{exchange}");
        assert!(exchange.header("access-control-expose-headers").is_some(), "{exchange}");
    }
    assert_eq!(with_headers(&app, &[]).await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_wildcard_origin_is_never_answered_with_credentials() {
    let app = App::with(|_, api| api.cors_origins = vec!["*".into()]);
    let exchange = with_headers(&app, &[("origin", "https://any.example")]).await;
    assert_eq!(exchange.header("access-control-allow-origin"), Some("https://any.example"), "{exchange}");
    assert_eq!(exchange.header("access-control-allow-credentials"), None, "{exchange}");
}

#[tokio::test]
async fn a04_and_a05_what_may_be_retried_says_when_and_what_may_not_says_so() {
    let app = App::start();
    let permanent = app.chat(ask("echo-noload", "hi")).await;
    assert_eq!((permanent.status, permanent.header("x-should-retry")), (500, Some("false")), "{permanent}");
    for body in [json!({"model": "echo", "messages": []}), ask("gpt-9", "hi")] {
        let wrong = app.chat(body).await;
        assert!(wrong.status < 500 && wrong.status != 429 && wrong.status != 409, "clients retry those: {wrong}");
    }
    app.registry.close();
    let passing: Value = json!({"model": "echo", "messages": [{"role": "user", "content": "x"}]});
    let passing = app.chat(passing).await;
    assert_eq!((passing.status, passing.header("x-should-retry")), (503, None), "{passing}");
    assert!(passing.header("retry-after").unwrap().parse::<u64>().unwrap() <= 120, "{passing}");
}
