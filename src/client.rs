//! A client of OpenAI's API, as far as `tern chat --url` and `tern bench --url` need one. It works with any server
//! that speaks the dialect.

use std::{collections::VecDeque, sync::Once};

use reqwest::{Response, Url};
use serde_json::Value;

/// What can go wrong between this client and a server.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an address.
    #[error("--url \"{url}\": expected http://HOST:PORT or https://HOST, without user, query or fragment")]
    Url {
        /// What was given.
        url: String,
    },
    /// No answer, or it broke off.
    #[error("{url}: {}", chain(.source))]
    Connection {
        /// The address that was asked.
        url: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// The server says no.
    #[error("{url} answered {status}: {message}")]
    Status {
        /// The address that was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// The error's message, or the beginning of the body.
        message: String,
    },
    /// The stream carried an error.
    #[error("{0}")]
    Stream(String),
    /// The stream ended before its end.
    #[error("the server ended the stream before [DONE]")]
    CutOff,
}

/// A server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

/// Something that arrived in a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Text of the answer.
    Text(String),
    /// Text of the reasoning before it.
    Reasoning(String),
    /// Token counts, near the end.
    Usage {
        /// Tokens of the prompt.
        prompt: u64,
        /// Of these, taken from the server's cache.
        cached: u64,
        /// Tokens generated.
        completion: u64,
    },
}

/// An answer that is being written. Dropping it closes the connection, which stops the server.
#[derive(Debug)]
pub struct Stream {
    response: Response,
    url: String,
    lines: Lines,
    ready: VecDeque<Piece>,
    done: bool,
}

impl Client {
    /// A client for the server at `url`, which may end in `/v1`.
    ///
    /// # Errors
    /// `Url` when it is no address.
    pub fn new(url: &str, key: Option<String>) -> Result<Self, ClientError> {
        let wrong = || ClientError::Url { url: url.to_owned() };
        let parsed = Url::parse(url).map_err(|_| wrong())?;
        let plain = parsed.username().is_empty() && parsed.query().is_none() && parsed.fragment().is_none();
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() || !plain {
            return Err(wrong());
        }
        // reqwest is built without a choice of cryptography; the process makes it once.
        static CRYPTOGRAPHY: Once = Once::new();
        CRYPTOGRAPHY.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let local = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        let mut builder = reqwest::Client::builder().tcp_nodelay(true);
        if local {
            // A proxy of the environment could not reach this machine's own loopback.
            builder = builder.no_proxy();
        }
        let base = url.trim_end_matches('/').trim_end_matches("/v1").to_owned();
        let http = builder.build().map_err(|source| ClientError::Connection { url: base.clone(), source })?;
        Ok(Self { http, base, key })
    }

    /// Ids of the server's models.
    ///
    /// # Errors
    /// `Connection` and `Status`.
    pub async fn models(&self) -> Result<Vec<String>, ClientError> {
        let url = format!("{}/v1/models", self.base);
        let response = self.send(self.http.get(&url), &url).await?;
        let text = response.text().await.map_err(|source| ClientError::Connection { url, source })?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let ids = value["data"].as_array().into_iter().flatten().filter_map(|model| model["id"].as_str());
        Ok(ids.map(str::to_owned).collect())
    }

    /// Starts a chat completion; `body` must ask for a stream.
    ///
    /// # Errors
    /// `Connection` and `Status`.
    pub async fn chat(&self, body: &Value) -> Result<Stream, ClientError> {
        let url = format!("{}/v1/chat/completions", self.base);
        let request = self.http.post(&url).header("content-type", "application/json").body(body.to_string());
        let response = self.send(request, &url).await?;
        Ok(Stream { response, url, lines: Lines::default(), ready: VecDeque::new(), done: false })
    }

    /// Lets the server compare, and gives the comparison when it has ended. `tell` hears every event on the way.
    ///
    /// # Errors
    /// `Connection`, `Status`, and `CutOff` when the stream ends before the comparison.
    pub async fn compare(&self, body: &Value, mut tell: impl FnMut(&Value)) -> Result<Value, ClientError> {
        let url = format!("{}/api/compare", self.base);
        let request = self.http.post(&url).header("content-type", "application/json").body(body.to_string());
        let mut response = self.send(request, &url).await?;
        let mut lines = Lines::default();
        loop {
            let failed = |source| ClientError::Connection { url: url.clone(), source };
            let chunk = response.chunk().await.map_err(failed)?.ok_or(ClientError::CutOff)?;
            lines.push(&chunk);
            while let Some(line) = lines.pop() {
                let Some(data) = line.strip_prefix("data:").map(str::trim) else { continue };
                let mut event = event(data)?;
                if event["type"] == "end" {
                    return Ok(event["comparison"].take());
                }
                tell(&event);
            }
        }
    }

    async fn send(&self, mut request: reqwest::RequestBuilder, url: &str) -> Result<Response, ClientError> {
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let failed = |source| ClientError::Connection { url: url.to_owned(), source };
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default();
        let message = message_of(&serde_json::from_str(&body).unwrap_or_default());
        let message = message.unwrap_or_else(|| body.chars().take(200).collect());
        Err(ClientError::Status { url: url.to_owned(), status: status.as_u16(), message })
    }
}

impl Stream {
    /// The next piece; `None` after `[DONE]`.
    ///
    /// # Errors
    /// `Connection`, `Stream` when the server reports an error, `CutOff` when it ends without `[DONE]`.
    pub async fn next(&mut self) -> Result<Option<Piece>, ClientError> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if self.done {
                return Ok(None);
            }
            let failed = |source| ClientError::Connection { url: self.url.clone(), source };
            let chunk = self.response.chunk().await.map_err(failed)?.ok_or(ClientError::CutOff)?;
            self.lines.push(&chunk);
            while let Some(line) = self.lines.pop() {
                match line.strip_prefix("data:").map(str::trim) {
                    Some("[DONE]") => self.done = true,
                    Some(data) => read(data, &mut self.ready)?,
                    // Comments, event names and the blank lines between events.
                    None => {}
                }
            }
        }
    }
}

/// Bytes become lines; a line may arrive in parts.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn pop(&mut self) -> Option<String> {
        let end = self.0.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.0.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// One event's data.
fn event(data: &str) -> Result<Value, ClientError> {
    let value: Value = serde_json::from_str(data)
        .map_err(|error| ClientError::Stream(format!("the server sent an event that is not JSON ({error}): {data}")))?;
    if value.get("error").is_some_and(|error| !error.is_null()) {
        return Err(ClientError::Stream(message_of(&value).unwrap_or_else(|| data.to_owned())));
    }
    Ok(value)
}

/// Takes apart one event's data.
fn read(data: &str, ready: &mut VecDeque<Piece>) -> Result<(), ClientError> {
    let value = event(data)?;
    let delta = &value["choices"][0]["delta"];
    let text = |name: &str| delta[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(text) = text("reasoning_content").or_else(|| text("reasoning")) {
        ready.push_back(Piece::Reasoning(text));
    }
    if let Some(text) = text("content") {
        ready.push_back(Piece::Text(text));
    }
    if let Some(usage) = value.get("usage").filter(|usage| usage.is_object()) {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        ready.push_back(Piece::Usage {
            prompt: number(&usage["prompt_tokens"]),
            cached: number(&usage["prompt_tokens_details"]["cached_tokens"]),
            completion: number(&usage["completion_tokens"]),
        });
    }
    Ok(())
}

fn message_of(value: &Value) -> Option<String> {
    let error = &value["error"];
    error["message"].as_str().or_else(|| error.as_str()).map(str::to_owned)
}

/// An error with its causes: reqwest's own text says only that a request failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(data: &str) -> Result<Vec<Piece>, ClientError> {
        let mut ready = VecDeque::new();
        read(data, &mut ready).map(|()| ready.into())
    }

    #[test]
    fn text_reasoning_and_usage_are_found() {
        let text = r#"{"choices":[{"delta":{"content":"hi","reasoning_content":null}}]}"#;
        assert_eq!(pieces(text).unwrap(), [Piece::Text("hi".into())]);
        let both = r#"{"choices":[{"delta":{"reasoning_content":"hm","reasoning":"hm"}}]}"#;
        assert_eq!(pieces(both).unwrap(), [Piece::Reasoning("hm".into())]);
        let usage = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":3}}}"#;
        assert_eq!(pieces(usage).unwrap(), [Piece::Usage { prompt: 5, cached: 3, completion: 2 }]);
        assert_eq!(pieces(r#"{"choices":[{"delta":{"role":"assistant","content":""}}],"usage":null}"#).unwrap(), []);
    }

    #[test]
    fn an_error_in_the_stream_is_an_error() {
        let error = pieces(r#"{"error":{"message":"out of luck","type":"server_error"}}"#).unwrap_err();
        assert_eq!(error.to_string(), "out of luck");
        assert!(pieces("{").unwrap_err().to_string().contains("not JSON"));
    }

    #[test]
    fn lines_may_arrive_in_parts_also_within_a_character() {
        let mut lines = Lines::default();
        lines.push("data: grü".as_bytes().split_last().unwrap().1);
        assert_eq!(lines.pop(), None);
        lines.push(b"\xbcn\r\n\nda");
        assert_eq!(lines.pop().as_deref(), Some("data: grün"));
        assert_eq!(lines.pop().as_deref(), Some(""));
        assert_eq!(lines.pop(), None);
    }

    #[test]
    fn addresses_are_checked_and_may_end_in_v1() {
        assert_eq!(Client::new("http://127.0.0.1:8080/v1/", None).unwrap().base, "http://127.0.0.1:8080");
        for url in ["127.0.0.1:8080", "ftp://x", "http://", "http://u@h", "http://h?q=1"] {
            assert!(matches!(Client::new(url, None), Err(ClientError::Url { .. })), "{url}");
        }
    }
}
