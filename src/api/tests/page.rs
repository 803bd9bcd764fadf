//! The page: its views, its headers, and that the API is never mistaken for it. (How its files are served is tested
//! beside them, in `page.rs`; here it may be built in or not.)

use poem::http::Method;

use crate::support::App;

const HTML: [(&str, &str); 1] = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];

#[tokio::test]
async fn every_view_is_the_page() {
    let app = App::start();
    let index = app.get("/").await;
    assert_eq!(index.status, 200, "{index}");
    assert!(index.header("content-type").unwrap().starts_with("text/html"), "{index}");
    assert_eq!(index.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(index.header("referrer-policy"), Some("no-referrer"));
    let policy = index.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-eval"), "{policy}");
    for path in ["/chat", "/chat/conv_1", "/chat/conv_1/", "/compare", "/compare/cmp_1?x=1", "/models", "/models/"] {
        let view = app.send(Method::GET, path, &HTML, "").await;
        assert_eq!((view.status, &view.body), (200, &index.body), "{path}: {view}");
    }
    let etag = index.header("etag").unwrap().to_owned();
    let again = app.send(Method::GET, "/chat/conv_1", &[("if-none-match", etag.as_str())], "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}

#[tokio::test]
async fn what_is_not_the_page_is_never_answered_with_it() {
    let app = App::start();
    for path in ["/nothing", "/v1/nothing", "/v1/chat/x", "/api/nothing", "/chat/a/b", "/assets/gone.js", "/index.php"]
    {
        app.send(Method::GET, path, &HTML, "").await.refused(404, "unknown_url", None);
    }
    // Clients that leave out /v1 get the API.
    assert_eq!(app.send(Method::GET, "/models", &[("accept", "application/json")], "").await.ok()["object"], "list");
    assert_eq!(app.get("/models/echo").await.ok()["id"], "echo");
    let wrong = app.send(Method::GET, "/chat/completions", &HTML, "").await;
    wrong.refused(405, "method_not_allowed", None);
    app.send(Method::POST, "/chat/conv_1", &HTML, "{}").await.refused(404, "unknown_url", None);
}
