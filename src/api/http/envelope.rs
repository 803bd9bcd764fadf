//! What holds for every request: an id, the Host check, CORS, tolerant paths, the key, panics that end one request
//! only, and a line in the log.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use poem::{
    Endpoint, IntoResponse, Request, Response, Result,
    http::{HeaderMap, HeaderValue, Method, Uri, header},
};
use tracing::Instrument;

use crate::{
    ApiConfig,
    error::{ApiError, shape},
    http::{body::BodyLimit, dialect::Dialect},
    keys::KeyRing,
    page,
};

/// The id of a request, for handlers.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub String);

/// Wraps the routes with everything that holds for all of them.
pub(crate) struct Envelope<E> {
    routes: E,
    config: Arc<ApiConfig>,
    keys: Arc<KeyRing>,
}

impl<E: Endpoint> Envelope<E> {
    pub fn new(routes: E, config: Arc<ApiConfig>, keys: Arc<KeyRing>) -> Self {
        Self { routes, config, keys }
    }

    async fn answer(&self, mut request: Request, origin: Option<HeaderValue>) -> Response {
        if let Err(error) = check_host(&request, &self.config.allowed_hosts) {
            return error.response();
        }
        if let Some(origin) = &origin
            && !origin_allowed(origin, request.header("host"), &self.config.cors_origins)
        {
            // A page elsewhere must not drive this server, not even blindly: answering without CORS headers would
            // hide the answer but still do the work.
            let message = "this origin may not use the server; allow it with --cors-origin";
            return ApiError::new(403, "origin_not_allowed", message).response();
        }
        if request.method() == Method::OPTIONS && request.header("access-control-request-method").is_some() {
            return preflight(request.headers());
        }
        // A view of the page, or a path as it was meant.
        if let Some(uri) = page::view(&request).or_else(|| tolerant(request.uri())) {
            *request.uri_mut() = uri;
        }
        // Of the path as the router will see it.
        let admitted = match self.keys.admit(&request) {
            Ok(admitted) => admitted,
            Err(refusal) => return *refusal,
        };
        request.set_data(BodyLimit(self.config.body_limit));
        let work = admitted.caller.clone().scope(self.routes.call(request));
        let answer = AssertUnwindSafe(work).catch_unwind().await;
        let response = match answer {
            Ok(Ok(response)) => response.into_response(),
            Ok(Err(error)) => shape(error).await,
            Err(_) => {
                // The panic itself is in the log, by the panic hook.
                let message = "internal error; the log has the details under this request id";
                ApiError::new(500, "internal_error", message).response()
            }
        };
        admitted.finish(response)
    }
}

impl<E: Endpoint> Endpoint for Envelope<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let id = request_id(request.headers());
        let span = tracing::info_span!("request", id = %id);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let origin = request.headers().get(header::ORIGIN).cloned();
        let started = Instant::now();
        let dialect = Dialect::of(&request);
        request.set_data(RequestId(id.clone()));
        let response = self.answer(request, origin.clone()).instrument(span.clone()).await;
        let mut response = dialect.shape(response, &id).await;
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&id) {
            if dialect == Dialect::Anthropic {
                headers.insert("request-id", value.clone());
            }
            headers.insert("x-request-id", value);
        }
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        let (status, ms) = (response.status().as_u16(), started.elapsed().as_millis() as u64);
        span.in_scope(|| match status {
            // Probes ask these many times a minute.
            200 if matches!(path.as_str(), "/health" | "/metrics") => tracing::debug!(%method, %path, status, ms),
            _ => tracing::info!(%method, %path, status, ms),
        });
        Ok(response)
    }
}

/// The client's own id if it is a sane one, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let sane = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    let given = headers.get("x-request-id").and_then(|id| id.to_str().ok()).filter(sane);
    given.map_or_else(|| crate::ids::new("req_"), ToOwned::to_owned)
}

/// Refuses names that only a hostile DNS entry would lead here (DNS rebinding). IP addresses and localhost are fine.
fn check_host(request: &Request, allowed: &[String]) -> Result<(), ApiError> {
    let authority = request.header("host").or_else(|| request.uri().authority().map(|a| a.as_str()));
    // HTTP/1.0 and in-process callers send none; a browser always does.
    let Some(authority) = authority else { return Ok(()) };
    let host = host_of(authority);
    let known = host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok()
        || allowed.iter().any(|name| name == "*" || name.eq_ignore_ascii_case(host));
    if known {
        return Ok(());
    }
    let message = format!("the host name \"{}\" is not allowed; allow it with --allowed-host", printable(host));
    Err(ApiError::new(403, "host_not_allowed", message))
}

/// `name` of `name:port`, `1.2.3.4:port` or `[::1]:port`.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(host, _)| host);
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// Pages of this server itself, of localhost at any port, and the listed origins.
fn origin_allowed(origin: &HeaderValue, host: Option<&str>, allowed: &[String]) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let local = authority.map(host_of).is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    local || (authority.is_some() && authority == host) || allowed.iter().any(|a| a == "*" || a == origin)
}

/// Answers a browser that asks whether it may ask. The origin was checked before.
fn preflight(headers: &HeaderMap) -> Response {
    let wanted = headers.get("access-control-request-headers").cloned();
    let wanted = wanted.unwrap_or(HeaderValue::from_static("authorization, content-type"));
    Response::builder()
        .status(poem::http::StatusCode::NO_CONTENT)
        .header("access-control-allow-methods", "GET, POST, PATCH, DELETE, HEAD, OPTIONS")
        .header("access-control-allow-headers", wanted)
        .header("access-control-max-age", "600")
        .finish()
}

/// Routes that people call without `/v1`.
const PREFIXED: [&str; 8] =
    ["chat", "completions", "embeddings", "models", "tokenize", "detokenize", "tokenizer_info", "messages"];

/// The path as it was meant: no double or trailing slash, `/v1` where it was forgotten or doubled, and a model id with
/// slashes as one segment. `None` when it is fine.
fn tolerant(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.first().copied() {
        // The documentation's own page relies on its trailing slash.
        None | Some("docs") => return None,
        Some("v1") if segments.get(1) == Some(&"v1") => drop(segments.remove(0)),
        Some(first) if PREFIXED.contains(&first) => segments.insert(0, "v1"),
        _ => {}
    }
    let path_now = match segments.as_slice() {
        ["v1", "models", id @ ..] if id.len() > 1 => format!("/v1/models/{}", id.join("%2F")),
        segments => format!("/{}", segments.join("/")),
    };
    if path_now == path {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("{path_now}{query}").parse().ok();
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn path(given: &str, meant: &str) {
        let uri: Uri = given.parse().unwrap();
        assert_eq!(tolerant(&uri).unwrap_or(uri).to_string(), meant);
    }

    #[test]
    fn paths_are_taken_as_they_were_meant() {
        path("/chat/completions", "/v1/chat/completions");
        path("/v1/chat/completions/", "/v1/chat/completions");
        path("/v1/v1/models", "/v1/models");
        path("//v1//models?x=1", "/v1/models?x=1");
        path("/v1/models/org/name:tag", "/v1/models/org%2Fname:tag");
        path("/v1/models/org%2Fname", "/v1/models/org%2Fname");
        path("/docs/", "/docs/");
        path("/health", "/health");
        path("/", "/");
    }

    #[test]
    fn only_names_that_lead_here_honestly_are_hosts() {
        let ask = |host: &str| check_host(&Request::builder().header("host", host).finish(), &["my.box".into()]);
        for host in ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "192.168.1.5", "My.Box:1"] {
            assert!(ask(host).is_ok(), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "localhost.evil.example"] {
            assert_eq!(ask(host).unwrap_err().status, 403, "{host}");
        }
    }

    #[test]
    fn pages_elsewhere_are_refused() {
        let allowed = ["https://ok.example".to_owned()];
        let may = |origin: &'static str| origin_allowed(&HeaderValue::from_static(origin), Some("box:8080"), &allowed);
        assert!(may("http://localhost:3000") && may("http://127.0.0.1:8080") && may("http://box:8080"));
        assert!(may("https://ok.example"));
        assert!(!may("https://evil.example") && !may("null") && !may("http://localhost.evil.example"));
    }
}
