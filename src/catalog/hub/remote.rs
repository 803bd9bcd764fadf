//! What the hub says about a file before any of it is fetched: commit, hash, size.

use reqwest::{Method, Response, Url, header::HeaderMap};

use super::{
    error::PullError,
    http::{Backoff, Failure, Http, MAX_HOPS, shown, text},
};
use crate::reference::{HubFile, is_commit};

/// More text than any listing of a repository has.
const LONGEST_LISTING: usize = 8 << 20;

/// A file as the hub describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub file: HubFile,
    pub commit: String,
    pub etag: Etag,
    pub size: u64,
}

/// The hub's name for the bytes of a file. Safe as a file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Etag(String);

/// What an [`Etag`] tells about the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EtagKind {
    /// 64 hex digits: sha256 of a large file.
    Sha256,
    /// 40 hex digits: git's hash of a small file.
    GitBlob,
    /// Anything else, from a mirror or another kind of hub.
    Opaque,
}

impl Etag {
    /// Takes the quotes off. `None`: not usable as a file name, so not usable at all.
    pub fn read(header: &str) -> Option<Self> {
        let name = header.trim().trim_start_matches("W/").trim_matches('"');
        let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (!name.is_empty() && name.len() <= 128 && name.bytes().all(safe)).then(|| Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn kind(&self) -> EtagKind {
        let hex = self.0.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match self.0.len() {
            64 if hex => EtagKind::Sha256,
            40 if hex => EtagKind::GitBlob,
            _ => EtagKind::Opaque,
        }
    }
}

impl Http {
    /// Asks about a file, without fetching it.
    pub async fn describe(&self, file: &HubFile, attempts: u32) -> Result<Remote, PullError> {
        let mut backoff = Backoff::new(super::Retry { attempts, ..self.settings.retry });
        loop {
            match self.describe_once(file).await {
                Ok(remote) => return Ok(remote),
                Err(Failure::Final(PullError::NotFound { file: name, what: "file", url, .. })) => {
                    let available = self.models(file).await.unwrap_or_default();
                    return Err(PullError::NotFound { file: name, what: "file", url, available });
                }
                Err(failure) => backoff.pause(failure).await?,
            }
        }
    }

    async fn describe_once(&self, file: &HubFile) -> Result<Remote, Failure> {
        let mut url = self.file_url(file, file.revision());
        let mut commit = None;
        for _ in 0..MAX_HOPS {
            let response = self.hop(Method::HEAD, &url, HeaderMap::new()).await?;
            commit = commit.or_else(|| text(&response, "x-repo-commit"));
            let next = self.redirect(&response)?;
            match next {
                // The hub's own answer about a file that lies elsewhere is complete; the storage would know less.
                Some(_) if response.headers().contains_key("x-linked-etag") => {}
                Some(next) if self.is_own(&next) || !response.headers().contains_key("etag") => {
                    url = next;
                    continue;
                }
                Some(_) => {}
                None if response.status().is_success() => {}
                None => return Err(self.refuse(&response, file)),
            }
            return Ok(read(file, &response, commit)?);
        }
        Err(self.bad_redirect(&url, format!("{MAX_HOPS} in a row")).into())
    }

    /// Models in the repository, to help with a wrong file name.
    async fn models(&self, file: &HubFile) -> Result<Vec<String>, Failure> {
        let names = self.listing_once(file).await?;
        Ok(names.into_iter().filter(|name| name.ends_with(".gguf") && !name.contains("mmproj")).collect())
    }

    /// Names of all files of the repository.
    pub async fn listing(&self, file: &HubFile) -> Result<Vec<String>, PullError> {
        let mut backoff = Backoff::new(self.settings.retry);
        loop {
            match self.listing_once(file).await {
                Ok(names) => return Ok(names),
                Err(failure) => backoff.pause(failure).await?,
            }
        }
    }

    async fn listing_once(&self, file: &HubFile) -> Result<Vec<String>, Failure> {
        let mut url = self.settings.endpoint.clone();
        url.path_segments_mut()
            .expect("an http address has a path; otherwise a bug")
            .pop_if_empty()
            .extend(["api", "models"])
            .extend(file.repo().split('/'))
            .extend(["revision", file.revision()]);
        let mut response = self.hop(Method::GET, &url, HeaderMap::new()).await?;
        if !response.status().is_success() {
            return Err(self.refuse(&response, file));
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_LISTING {
                return Ok(Vec::new());
            }
        }
        let listing: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let names = listing["siblings"].as_array().into_iter().flatten();
        let names = names.filter_map(|entry| entry["rfilename"].as_str());
        Ok(names.map(Into::into).collect())
    }
}

fn read(file: &HubFile, response: &Response, commit: Option<String>) -> Result<Remote, PullError> {
    let url = response.url();
    let missing = |header| PullError::MissingHeader { url: shown(url), header };
    let commit = commit.ok_or_else(|| missing("X-Repo-Commit"))?;
    if !is_commit(&commit) {
        return Err(refused(url, "commit", commit, "40 hex digits"));
    }
    let etag = text(response, "x-linked-etag").or_else(|| text(response, "etag")).ok_or_else(|| missing("ETag"))?;
    let etag = Etag::read(&etag)
        .ok_or_else(|| refused(url, "ETag", etag.clone(), "at most 128 of letters, digits, '-' and '_'"))?;
    let own_length = || text(response, "content-length").filter(|_| response.status().is_success());
    let size = text(response, "x-linked-size").or_else(own_length).and_then(|size| size.parse().ok());
    let size = size.ok_or_else(|| missing("X-Linked-Size or Content-Length"))?;
    Ok(Remote { file: file.clone(), commit, etag, size })
}

fn refused(url: &Url, what: &'static str, value: String, expected: &'static str) -> PullError {
    PullError::Unsafe { url: shown(url), what, value, expected }
}

/// Whether an answer is about other bytes than `remote`. Only the hub's own headers count: a storage has ETags of
/// its own making.
pub(crate) fn differs(response: &Response, remote: &Remote, linked_only: bool) -> Option<PullError> {
    let plain = || text(response, "etag").filter(|_| !linked_only);
    let now = text(response, "x-linked-etag").or_else(plain)?;
    let same = Etag::read(&now).is_some_and(|etag| etag == remote.etag);
    let (file, was) = (remote.file.to_string(), remote.etag.as_str().to_owned());
    (!same).then_some(PullError::Changed { file, was, now })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_that_could_be_a_path_is_no_etag() {
        for bad in ["\"../../x\"", "\"a/b\"", "\"\"", "\"a.b\"", "W/\"a b\"", "\"..\"", &"a".repeat(129)] {
            assert_eq!(Etag::read(bad), None, "{bad}");
        }
        assert_eq!(Etag::read("W/\"abc-1_2\"").unwrap().as_str(), "abc-1_2");
    }

    #[test]
    fn an_etag_tells_which_hash_it_is() {
        assert_eq!(Etag::read(&"a1".repeat(32)).unwrap().kind(), EtagKind::Sha256);
        assert_eq!(Etag::read(&"a1".repeat(20)).unwrap().kind(), EtagKind::GitBlob);
        assert_eq!(Etag::read(&"z1".repeat(32)).unwrap().kind(), EtagKind::Opaque);
    }
}
