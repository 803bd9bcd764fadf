//! Fetching bytes: from where the last attempt ended, and only if they are still the same file's.

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue, IF_RANGE, RANGE},
};
use tokio::time::timeout;

use super::{
    error::PullError,
    http::{Cause, Failure, Http, MAX_HOPS, text},
    remote::{EtagKind, Remote, differs},
};

/// An answer to a request for bytes from `offset` on.
pub(crate) enum Opened {
    /// Bytes of the file from `start` on, up to its end.
    Body { response: Response, start: u64 },
    /// The server cannot go on from there: ask from 0.
    Restart,
}

impl Http {
    /// Asks for the bytes of `remote` from `offset` on, at the commit it was described at.
    pub async fn open(&self, remote: &Remote, offset: u64) -> Result<Opened, Failure> {
        let mut url = self.file_url(&remote.file, &remote.commit);
        let mut left_hub = false;
        for _ in 0..MAX_HOPS {
            left_hub |= !self.is_own(&url);
            if left_hub && offset > 0 && remote.etag.kind() == EtagKind::Opaque {
                // Elsewhere the hub's ETag means nothing, so nothing could tell a file that was replaced meanwhile:
                // neither If-Range before nor a hash after.
                return Ok(Opened::Restart);
            }
            let response = self.hop(Method::GET, &url, range(remote, offset, left_hub)).await?;
            let next = self.redirect(&response)?;
            if !left_hub && let Some(changed) = differs(&response, remote, next.is_some()) {
                return Err(changed.into());
            }
            match next {
                Some(next) => url = next,
                None => return self.judge(response, remote, offset),
            }
        }
        Err(self.bad_redirect(&url, format!("{MAX_HOPS} in a row")).into())
    }

    fn judge(&self, response: Response, remote: &Remote, offset: u64) -> Result<Opened, Failure> {
        let size = |got| PullError::Size { file: remote.file.to_string(), got, expected: remote.size };
        match response.status() {
            StatusCode::PARTIAL_CONTENT if offset > 0 => match content_range(&response) {
                Some((_, Some(total))) if total != remote.size => Err(size(total).into()),
                Some((start, _)) if start == offset => Ok(Opened::Body { response, start }),
                _ => Ok(Opened::Restart),
            },
            StatusCode::OK => match text(&response, "content-length").and_then(|length| length.parse().ok()) {
                Some(length) if length != remote.size => Err(size(length).into()),
                _ => Ok(Opened::Body { response, start: 0 }),
            },
            StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => Ok(Opened::Restart),
            _ => Err(self.refuse(&response, &remote.file)),
        }
    }

    /// The next piece of a body. `None`: it ended.
    pub async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Failure> {
        let idle = self.settings.idle_timeout;
        match timeout(idle, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(Failure::passing(response.url(), Cause::Connection(error.without_url()))),
            Err(_) => Err(Failure::passing(response.url(), Cause::Silence(idle))),
        }
    }

    /// Adds the file's bytes up to `len` to `have`, by a request for just these.
    pub async fn extend_prefix(&self, remote: &Remote, have: &mut Vec<u8>, len: u64) -> Result<(), Failure> {
        let len = len.min(remote.size);
        let offset = have.len() as u64;
        if offset >= len {
            return Ok(());
        }
        let mut url = self.file_url(&remote.file, &remote.commit);
        for _ in 0..MAX_HOPS {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, header(format!("bytes={offset}-{}", len - 1)));
            let mut response = self.hop(Method::GET, &url, headers).await?;
            if let Some(next) = self.redirect(&response)? {
                url = next;
                continue;
            }
            match response.status() {
                StatusCode::PARTIAL_CONTENT if content_range(&response).is_some_and(|(start, _)| start == offset) => {}
                // The server sends everything from the start: what is not wanted is not read.
                StatusCode::OK => have.clear(),
                _ => return Err(self.refuse(&response, &remote.file)),
            }
            while (have.len() as u64) < len {
                let Some(chunk) = self.chunk(&mut response).await? else { return Err(short(&url, remote, have.len())) };
                let wanted = (len - have.len() as u64).min(chunk.len() as u64) as usize;
                have.extend_from_slice(&chunk[..wanted]);
            }
            return Ok(());
        }
        Err(self.bad_redirect(&url, format!("{MAX_HOPS} in a row")).into())
    }
}

pub(crate) fn short(url: &Url, remote: &Remote, got: usize) -> Failure {
    let file = remote.file.to_string();
    Failure::passing(url, Cause::Short { file, got: got as u64, expected: remote.size })
}

/// `Range`, and `If-Range` where the hub's ETag has a meaning: a storage behind it knows the file by another one, would
/// find the condition false and send everything anew. There, what was fetched is known by its hash instead.
fn range(remote: &Remote, offset: u64, left_hub: bool) -> HeaderMap {
    let mut headers: HeaderMap = HeaderMap::new();
    let mut set = |name: HeaderName, value: String| headers.insert(name, header(value));
    if offset > 0 {
        set(RANGE, format!("bytes={offset}-"));
        if !left_hub {
            set(IF_RANGE, format!("\"{}\"", remote.etag.as_str()));
        }
    }
    headers
}

fn header(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect("numbers and checked ETags are printable; otherwise a bug")
}

/// First byte and total of `bytes FIRST-LAST/TOTAL`.
fn content_range(response: &Response) -> Option<(u64, Option<u64>)> {
    let value = text(response, CONTENT_RANGE.as_str())?;
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, total.parse().ok()))
}
