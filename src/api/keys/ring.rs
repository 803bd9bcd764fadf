//! All keys of a server: finding that of a request, and letting it in or not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use poem::{
    Body, Request, Response,
    http::{HeaderMap, HeaderValue, Method, header},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Caller, KeyHash, KeyScope, KeySettings,
    limits::{Limit, Remaining},
    routes::{Need, need},
};
use crate::error::ApiError;

/// The cookie in which the page puts its key for what the browser itself fetches: pictures and downloads.
const COOKIE: &str = "tern_key";

/// A key, its limits and what was used with it.
#[derive(Debug)]
pub(crate) struct Key {
    pub settings: KeySettings,
    requests: Option<Limit>,
    tokens: Option<Limit>,
    concurrent: Option<Arc<Semaphore>>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    refused: AtomicU64,
    prompt_tokens: AtomicU64,
    completion_tokens: AtomicU64,
}

/// What was used with a key since the server started.
#[derive(Debug, Clone)]
pub(crate) struct KeyUse {
    pub name: Arc<str>,
    pub scope: KeyScope,
    pub requests: u64,
    pub refused: u64,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub requests_left: Option<Remaining>,
    pub tokens_left: Option<Remaining>,
}

/// All keys of a server.
#[derive(Debug, Default)]
pub(crate) struct KeyRing(Vec<Arc<Key>>);

/// A request that was let in.
#[derive(Default)]
pub(crate) struct Admission {
    /// Who asks.
    pub caller: Caller,
    /// Whether it counts against the limits.
    counts: bool,
}

impl Key {
    fn new(settings: KeySettings) -> Self {
        Self {
            requests: settings.requests_per_minute.map(Limit::new),
            tokens: settings.tokens_per_minute.map(Limit::new),
            concurrent: settings.max_concurrent.map(|n| Arc::new(Semaphore::new(n as usize))),
            counts: Counts::default(),
            settings,
        }
    }

    /// Adds tokens that were computed.
    pub fn count(&self, prompt: u32, completion: u32) {
        self.counts.prompt_tokens.fetch_add(prompt.into(), Ordering::Relaxed);
        self.counts.completion_tokens.fetch_add(completion.into(), Ordering::Relaxed);
        if let Some(tokens) = &self.tokens {
            tokens.spend(prompt.saturating_add(completion));
        }
    }

    /// Lets a request to a model in.
    fn enter(&self) -> Result<Option<OwnedSemaphorePermit>, Box<Response>> {
        let name = &self.settings.name;
        if let Some(Err(wait)) = self.tokens.as_ref().map(Limit::check) {
            let limit = self.settings.tokens_per_minute.unwrap_or_default();
            return Err(self.refuse(wait, format!("the key \"{name}\" has used its {limit} tokens a minute")));
        }
        let place = match self.concurrent.as_ref().map(|places| places.clone().try_acquire_owned()) {
            None => None,
            Some(Ok(place)) => Some(place),
            Some(Err(_)) => {
                let limit = self.settings.max_concurrent.unwrap_or_default();
                let message = format!("the key \"{name}\" has {limit} requests running, which is its limit");
                return Err(self.refuse(Duration::from_secs(1), message));
            }
        };
        if let Some(Err(wait)) = self.requests.as_ref().map(Limit::take) {
            let limit = self.settings.requests_per_minute.unwrap_or_default();
            return Err(self.refuse(wait, format!("the key \"{name}\" has used its {limit} requests a minute")));
        }
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        Ok(place)
    }

    fn refuse(&self, wait: Duration, why: String) -> Box<Response> {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        let ms = wait.as_millis().max(1) as u64;
        let message = format!("{why}; try again in {:.1} s", ms as f64 / 1000.0);
        let mut response = ApiError::new(429, "rate_limit_exceeded", message).response();
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, ms.div_ceil(1000).into());
        headers.insert("retry-after-ms", ms.into());
        self.show(headers);
        response.into()
    }

    /// The limits in headers, under OpenAI's names.
    fn show(&self, headers: &mut HeaderMap) {
        let limits = [("requests", &self.requests), ("tokens", &self.tokens)];
        for (what, limit) in limits.into_iter().filter_map(|(what, limit)| Some((what, limit.as_ref()?))) {
            let Remaining { limit, remaining, reset } = limit.remaining();
            let values = [
                ("limit", limit.to_string()),
                ("remaining", remaining.to_string()),
                ("reset", format!("{:.3}s", reset.as_secs_f64())),
            ];
            for (kind, value) in values {
                let name = header::HeaderName::try_from(format!("x-ratelimit-{kind}-{what}"));
                if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                    headers.insert(name, value);
                }
            }
        }
    }

    fn used(&self) -> KeyUse {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        KeyUse {
            name: self.settings.name.clone(),
            scope: self.settings.scope,
            requests: count(&self.counts.requests),
            refused: count(&self.counts.refused),
            prompt_tokens: count(&self.counts.prompt_tokens),
            completion_tokens: count(&self.counts.completion_tokens),
            requests_left: self.requests.as_ref().map(Limit::remaining),
            tokens_left: self.tokens.as_ref().map(Limit::remaining),
        }
    }
}

impl KeyRing {
    pub fn new(keys: Vec<KeySettings>) -> Self {
        Self(keys.into_iter().map(|settings| Arc::new(Key::new(settings))).collect())
    }

    /// What was used with each key.
    pub fn used(&self) -> Vec<KeyUse> {
        self.0.iter().map(|key| key.used()).collect()
    }

    /// Lets a request in, or answers it.
    pub fn admit(&self, request: &Request) -> Result<Admission, Box<Response>> {
        let need = need(request.method(), request.uri().path());
        let (false, Need::Key { scope, counts }) = (self.0.is_empty(), need) else {
            return Ok(Admission::default());
        };
        let key = match self.find(request) {
            Found::Key(key) => key,
            Found::Wrong => return Err(challenge("the key is not one of this server's", true)),
            Found::Nothing => {
                let message = "this server wants a key: Authorization: Bearer KEY, x-api-key or api-key";
                return Err(challenge(message, false));
            }
        };
        let mut caller = Caller { key: Some(key.clone()), place: None };
        if scope == KeyScope::Admin {
            caller.check_admin("this").map_err(|error| insufficient(&error))?;
        }
        if counts {
            caller.place = key.enter()?.map(Arc::new);
        }
        Ok(Admission { caller, counts })
    }

    /// The key of a request. Every key is compared with all that was sent, so that the time tells nothing.
    fn find(&self, request: &Request) -> Found {
        let sent = sent(request);
        let hashes: Vec<KeyHash> = sent.iter().map(|key| KeyHash::of(key)).collect();
        let mut found = if hashes.is_empty() { Found::Nothing } else { Found::Wrong };
        for key in &self.0 {
            for hash in &hashes {
                if *hash == key.settings.hash {
                    found = Found::Key(key.clone());
                }
            }
        }
        found
    }
}

enum Found {
    Key(Arc<Key>),
    Wrong,
    Nothing,
}

/// Every key in a request: some clients send one in each header. A cookie counts for reading only, so that no page
/// elsewhere can make a browser do something with it.
fn sent(request: &Request) -> Vec<&str> {
    let bearer = request.header("authorization").and_then(|value| {
        let (scheme, key) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key)
    });
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let cookies = request.header("cookie").filter(|_| reads).into_iter().flat_map(|all| all.split(';'));
    let cookie = cookies.filter_map(|one| one.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
    let found = [bearer, request.header("x-api-key"), request.header("api-key"), cookie.map(|(_, key)| key)];
    found.into_iter().flatten().map(str::trim).filter(|key| !key.is_empty()).collect()
}

/// 401, with what is wanted.
fn challenge(message: &str, invalid: bool) -> Box<Response> {
    let value = if invalid { "Bearer realm=\"tern\", error=\"invalid_token\"" } else { "Bearer realm=\"tern\"" };
    let mut response = ApiError::new(401, "invalid_api_key", message).response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(value));
    response.into()
}

/// 403, with the scope that is wanted.
fn insufficient(error: &ApiError) -> Box<Response> {
    let mut response = error.response();
    let value = "Bearer realm=\"tern\", error=\"insufficient_scope\", scope=\"admin\"";
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(value));
    response.into()
}

impl Admission {
    /// Shows the limits in the headers of an answer, and keeps the request's place until a stream is over.
    pub fn finish(self, mut response: Response) -> Response {
        let Caller { key, place } = self.caller;
        let Some(key) = key.filter(|_| self.counts) else { return response };
        key.show(response.headers_mut());
        let is_whole = response.content_type().is_some_and(|kind| kind.starts_with("application/json"));
        let Some(place) = place.filter(|_| !is_whole) else { return response };
        let body = response.take_body().into_bytes_stream().map(move |piece| {
            let _until_the_end = &place;
            piece
        });
        response.set_body(Body::from_bytes_stream(body));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(headers: &[(&str, &str)], method: Method) -> Request {
        headers.iter().fold(Request::builder().method(method), |r, (name, value)| r.header(*name, *value)).finish()
    }

    #[test]
    fn a_key_is_found_wherever_clients_put_it() {
        for headers in [
            ("authorization", "Bearer k-1"),
            ("Authorization", "bearer  k-1 "),
            ("authorization", "BEARER k-1"),
            ("x-api-key", "k-1"),
            ("api-key", "k-1"),
            ("cookie", "a=b; tern_key=k-1; c=d"),
        ] {
            assert_eq!(sent(&asking(&[headers], Method::GET)), ["k-1"], "{headers:?}");
        }
        for headers in [("authorization", "Basic k-1"), ("authorization", "k-1"), ("x-api-key", " ")] {
            assert!(sent(&asking(&[headers], Method::GET)).is_empty(), "{headers:?}");
        }
        let both = [("authorization", "Bearer x"), ("x-api-key", "k-1")];
        assert_eq!(sent(&asking(&both, Method::POST)), ["x", "k-1"]);
        assert!(sent(&asking(&[("cookie", "tern_key=k-1")], Method::POST)).is_empty(), "a cookie must not write");
    }
}
