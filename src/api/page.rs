//! The page: files that build.rs has put into the binary.
//!
//! The address of a view (`/chat/ID`) gives the page itself, which then shows that view; its files are immutable where
//! their names have a hash. Nothing else may run in it: the policy allows scripts, styles, pictures and connections of
//! this server alone.

use poem::{
    Endpoint, IntoEndpoint, IntoResponse, Request, Response, Route,
    endpoint::make_sync,
    get,
    http::{Method, StatusCode, Uri},
};

/// A file of the page.
#[derive(Debug)]
pub(crate) struct PageFile {
    /// Its path from the root.
    pub name: &'static str,
    /// Changes with its bytes.
    pub etag: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
    /// The same, compressed.
    pub gzip: Option<&'static [u8]>,
}

/// The page as it was built into this binary.
pub(crate) static BUILT: &[PageFile] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What is shown where there is no page.
const WELCOME: PageFile =
    PageFile { name: "welcome.html", etag: "\"welcome\"", bytes: include_bytes!("welcome.html"), gzip: None };

/// What the page may do. No script and no style is allowed that did not come from a file of the page, style attributes
/// not either: what is placed by numbers (formulas, bars) is placed by its script. Pictures and recordings that a
/// person chose are shown from memory (`blob:`).
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; object-src 'none'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The welcome page has its style in it, and nothing else.
const WELCOME_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                              frame-ancestors 'none'";

/// Addresses of tabs that are one word (`TASKS` of `static/src/tabs.ts`). Some are also what clients call that leave
/// out `/v1`: they are the page only for who asks for HTML.
const TAB_PATHS: [&str; 5] = ["entities", "models", "ocr", "speech", "vision"];

/// Adds the page to the routes.
pub(crate) fn mount(routes: Route, files: &'static [PageFile]) -> Route {
    let index = files.iter().find(|file| file.name == "index.html").unwrap_or(&WELCOME);
    let routes = routes.at("/", endpoint(index));
    files.iter().fold(routes, |routes, file| routes.at(format!("/{}", file.name), endpoint(file)))
}

/// The address of a view as the address of the page, if the request is a browser's for one.
pub(crate) fn view(request: &Request) -> Option<Uri> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let wants_html = request.header("accept").is_some_and(|accept| accept.contains("text/html"));
    let mut segments = request.uri().path().split('/').filter(|segment| !segment.is_empty());
    let is_view = match (segments.next(), segments.next(), segments.next()) {
        (Some("chat"), Some("completions"), None) => false,
        (Some("chat" | "compare"), _, None) => true,
        (Some(tab), None, None) => wants_html && TAB_PATHS.contains(&tab),
        _ => false,
    };
    is_view.then(|| Uri::from_static("/"))
}

fn endpoint(file: &'static PageFile) -> impl IntoEndpoint<Endpoint: Endpoint<Output = Response> + 'static> {
    let answer = move |request: Request| respond(file, &request);
    get(make_sync(answer)).head(make_sync(answer))
}

fn respond(file: &PageFile, request: &Request) -> Response {
    let html = file.name.ends_with(".html");
    // The bundler puts a hash into the names of what lies here.
    let immutable = file.name.starts_with("assets/");
    let mut response = Response::builder()
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer")
        .header("cache-control", if immutable { "public, max-age=31536000, immutable" } else { "no-cache" })
        .header("etag", file.etag)
        .header("vary", "accept-encoding");
    if html {
        let policy = if file.name == WELCOME.name { WELCOME_POLICY } else { POLICY };
        response = response.header("content-security-policy", policy).header("x-frame-options", "DENY");
    }
    let has = |header: &str, word: &str| {
        let values = request.headers().get_all(header).iter().filter_map(|value| value.to_str().ok());
        let mut words = values.flat_map(|value| value.split(',')).map(str::trim);
        words.any(|found| found == word || found.strip_prefix("W/") == Some(word))
    };
    if has("if-none-match", file.etag) {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    response = response.content_type(content_type(file.name));
    let accepts_gzip = request.header("accept-encoding").is_some_and(|accepted| {
        let mut codings = accepted.split(',').map(|coding| coding.replace(' ', ""));
        codings.any(|coding| (coding == "gzip" || coding.starts_with("gzip;")) && !coding.ends_with(";q=0"))
    });
    match file.gzip {
        _ if request.method() == Method::HEAD => response.finish(),
        Some(gzip) if accepts_gzip => response.header("content-encoding", "gzip").body(gzip),
        _ => response.body(file.bytes),
    }
    .into_response()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use poem::{EndpointExt, http::HeaderMap, test::TestClient};

    use super::*;

    static FILES: &[PageFile] = &[
        PageFile { name: "index.html", etag: "\"i\"", bytes: b"<p>page", gzip: Some(b"zipped") },
        PageFile { name: "assets/a-1f.js", etag: "\"a\"", bytes: b"let a", gzip: None },
    ];

    async fn get(path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        let client = TestClient::new(mount(Route::new(), FILES).map_to_response());
        let request = headers.iter().fold(client.get(path), |request, (name, value)| request.header(*name, *value));
        let (parts, body) = request.send().await.0.into_parts();
        (parts.status.as_u16(), parts.headers, body.into_string().await.unwrap())
    }

    #[tokio::test]
    async fn the_page_is_asked_for_again_and_its_files_never() {
        let (status, headers, body) = get("/", &[]).await;
        assert_eq!((status, body.as_str()), (200, "<p>page"));
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("media-src 'self' blob:;"), "{policy}");
        assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let (_, headers, body) = get("/assets/a-1f.js", &[]).await;
        assert_eq!(body, "let a");
        assert!(headers["cache-control"].to_str().unwrap().contains("immutable"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_and_what_it_can_unpack_is_sent_small() {
        assert_eq!(get("/", &[("if-none-match", "W/\"x\", \"i\"")]).await.0, 304);
        assert_eq!(get("/", &[("if-none-match", "\"x\"")]).await.0, 200);
        let (_, headers, body) = get("/", &[("accept-encoding", "br, gzip;q=0.5")]).await;
        assert_eq!((headers["content-encoding"].to_str().unwrap(), body.as_str()), ("gzip", "zipped"));
        for other in ["br", "gzip;q=0", ""] {
            assert_eq!(get("/", &[("accept-encoding", other)]).await.2, "<p>page", "{other}");
        }
    }

    #[test]
    fn views_are_told_from_what_clients_call() {
        let is = |method: Method, path: &str, accept: &str| {
            view(&Request::builder().method(method).uri_str(path).header("accept", accept).finish()).is_some()
        };
        for path in ["/chat", "/chat/", "/chat/conv_1", "/compare", "/compare/cmp_1?x=1"] {
            assert!(is(Method::GET, path, "*/*"), "{path}");
        }
        for path in ["/models", "/entities", "/ocr", "/vision", "/speech"] {
            let (browser, client) = ("text/html,*/*;q=0.8", "application/json");
            assert!(is(Method::GET, path, browser) && !is(Method::GET, path, client), "{path}");
        }
        for path in ["/chat/completions", "/chat/a/b", "/v1/models", "/models/x", "/nothing", "/chats"] {
            assert!(!is(Method::GET, path, "text/html"), "{path}");
        }
        assert!(!is(Method::POST, "/chat/x", "text/html"));
    }
}
