//! Single requests: who gets the token, what a redirect may do, how an answer is judged, and when to try again.

use std::{sync::OnceLock, time::Duration};

use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER},
    redirect::Policy,
};
use tokio::time::{sleep, timeout};

use super::{
    error::PullError,
    settings::{Retry, Settings},
};
use crate::reference::HubFile;

/// Redirects that are followed: branch to commit, commit to storage, and two to spare.
pub(crate) const MAX_HOPS: usize = 5;

/// Sends requests by the settings.
pub(crate) struct Http {
    pub settings: Settings,
    client: OnceLock<Result<Client, String>>,
}

/// An attempt that did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Another attempt would fail as well.
    Final(PullError),
    /// Another attempt may succeed.
    Passing(Passing),
}

/// A failure that may pass.
#[derive(Debug)]
pub(crate) struct Passing {
    pub url: String,
    pub cause: Cause,
    /// What the server asks for by `Retry-After`.
    pub after: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum Cause {
    Status(u16),
    Connection(reqwest::Error),
    Silence(Duration),
    /// The answer ended early, and its framing did not show it.
    Short {
        file: String,
        got: u64,
        expected: u64,
    },
}

impl From<PullError> for Failure {
    fn from(error: PullError) -> Self {
        Self::Final(error)
    }
}

impl Failure {
    pub fn passing(url: &Url, cause: Cause) -> Self {
        Self::Passing(Passing { url: shown(url), cause, after: None })
    }
}

impl Http {
    pub fn new(settings: Settings) -> Self {
        Self { settings, client: OnceLock::new() }
    }

    /// `ENDPOINT/org/name/resolve/REVISION/path/file`, every part encoded.
    pub fn file_url(&self, file: &HubFile, revision: &str) -> Url {
        let mut url = self.settings.endpoint.clone();
        url.path_segments_mut()
            .expect("an http address has a path; otherwise a bug")
            .pop_if_empty()
            .extend(file.repo().split('/'))
            .extend(["resolve", revision])
            .extend(file.file().split('/'));
        url
    }

    /// Whether `url` is on the hub itself: same scheme, host and port.
    pub fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.settings.endpoint.origin()
    }

    /// One request, no redirect followed. The token goes along only to the hub itself.
    pub async fn hop(&self, method: Method, url: &Url, mut headers: HeaderMap) -> Result<Response, Failure> {
        // A compressed answer would have another length than the file.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(token) = self.settings.token.as_ref().filter(|_| self.is_own(url)) {
            let mut value = HeaderValue::from_str(&token.bearer()).expect("tokens are printable; otherwise a bug");
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let idle = self.settings.idle_timeout;
        match timeout(idle, self.client()?.request(method, url.clone()).headers(headers).send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(Failure::passing(url, Cause::Connection(error.without_url()))),
            Err(_) => Err(Failure::passing(url, Cause::Silence(idle))),
        }
    }

    /// Where an answer sends us. `None`: nowhere.
    pub fn redirect(&self, response: &Response) -> Result<Option<Url>, Failure> {
        use StatusCode as S;
        let moved = [S::MOVED_PERMANENTLY, S::FOUND, S::SEE_OTHER, S::TEMPORARY_REDIRECT, S::PERMANENT_REDIRECT];
        if !moved.contains(&response.status()) {
            return Ok(None);
        }
        let (from, target) = (response.url(), text(response, LOCATION.as_str()));
        let target = target.ok_or(PullError::MissingHeader { url: shown(from), header: "Location" })?;
        match from.join(&target) {
            Ok(to) if to.scheme() == "https" || (to.scheme() == "http" && from.scheme() == "http") => Ok(Some(to)),
            _ => Err(self.bad_redirect(from, target).into()),
        }
    }

    pub fn bad_redirect(&self, url: &Url, value: String) -> PullError {
        let expected = "at most five redirects, none from https to http";
        PullError::Unsafe { url: shown(url), what: "redirect", value, expected }
    }

    /// Turns an answer that is no success into what can be said about it.
    pub fn refuse(&self, response: &Response, file: &HubFile) -> Failure {
        let (url, status) = (response.url(), response.status());
        let own = self.is_own(url);
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if own => Failure::Final(PullError::Forbidden {
                file: file.to_string(),
                status: status.as_u16(),
                page: format!("{}/{}", self.settings.endpoint.as_str().trim_end_matches('/'), file.repo()),
                token_sent: self.settings.token.is_some(),
            }),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                let what = match text(response, "x-error-code").as_deref() {
                    Some("RepoNotFound") => "repository",
                    Some("RevisionNotFound") => "revision",
                    _ => "file",
                };
                let (file, url) = (file.to_string(), shown(url));
                Failure::Final(PullError::NotFound { file, what, url, available: Vec::new() })
            }
            // A signed link to the storage may have run out; the hub hands out a new one.
            StatusCode::FORBIDDEN
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                let seconds = text(response, RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
                let after = seconds.map(Duration::from_secs);
                Failure::Passing(Passing { url: shown(url), cause: Cause::Status(status.as_u16()), after })
            }
            _ => Failure::Final(PullError::Status { url: shown(url), status: status.as_u16(), attempts: 1 }),
        }
    }

    fn client(&self) -> Result<&Client, PullError> {
        let made = self.client.get_or_init(|| client(&self.settings));
        made.as_ref().map_err(|reason| PullError::Client { reason: reason.clone() })
    }
}

/// Made at the first request: a server that never downloads reads no certificates.
fn client(settings: &Settings) -> Result<Client, String> {
    let mut builder = Client::builder()
        .user_agent(concat!("tern/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls()?)
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(settings.connect_timeout);
    let host = settings.endpoint.host_str().unwrap_or_default().trim_matches(['[', ']']);
    if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
        // A proxy's loopback is not ours.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| error.to_string())
}

/// How TLS is done: ring, and the system's certificates.
///
/// # Errors
/// What rustls said.
pub fn tls() -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    // The system's certificates, so that a company's own authority counts; a bare container has none.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Waits between attempts, and ends them.
pub(crate) struct Backoff {
    retry: Retry,
    attempts: u32,
    wait: Duration,
}

impl Backoff {
    pub fn new(retry: Retry) -> Self {
        Self { retry, attempts: 0, wait: retry.first_wait }
    }

    /// The last attempt brought something: what failed before no longer counts.
    pub fn progressed(&mut self) {
        *self = Self::new(self.retry);
    }

    /// Waits for the next attempt.
    ///
    /// # Errors
    /// The failure, when it is final or the attempts are used up.
    pub async fn pause(&mut self, failure: Failure) -> Result<(), PullError> {
        let passing = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Passing(passing) => passing,
        };
        self.attempts += 1;
        if self.attempts >= self.retry.attempts {
            return Err(passing.into_error(self.attempts));
        }
        let (wait, longest) = (passing.after.unwrap_or(self.wait), self.retry.longest_wait);
        if wait > longest {
            return Err(PullError::RateLimited { url: passing.url, wait, longest });
        }
        tracing::info!(url = passing.url, cause = ?passing.cause, ?wait, "trying again");
        sleep(wait).await;
        self.wait = self.wait.saturating_mul(2).min(longest);
        Ok(())
    }
}

impl Passing {
    fn into_error(self, attempts: u32) -> PullError {
        let url = self.url;
        match self.cause {
            Cause::Status(status) => PullError::Status { url, status, attempts },
            Cause::Connection(source) => PullError::Connection { url, attempts, source },
            Cause::Silence(idle) => PullError::Timeout { url, idle, attempts },
            Cause::Short { file, got, expected } => PullError::Size { file, got, expected },
        }
    }
}

/// A header as text.
pub(crate) fn text(response: &Response, header: &str) -> Option<String> {
    Some(response.headers().get(header)?.to_str().ok()?.to_owned())
}

/// An address without its query: a signed link is a secret.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}
