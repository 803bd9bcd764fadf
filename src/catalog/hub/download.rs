//! A pull from beginning to end.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tern_gguf::{GgufError, Header};

use super::{
    Hub, PullError, Stage,
    cache::RepoCache,
    http::{Backoff, Failure},
    lock::lock,
    partial::Partial,
    progress::{Cancel, FileState, Meter, OnProgress},
    remote::Remote,
    transfer::{Opened, short},
};
use crate::reference::HubFile;

/// Progress is told after this many bytes,
const TELL_BYTES: u64 = 64 << 10;
/// or on a slow line with the first bytes after this time.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// An attempt that brought this much counts as progress.
const PROGRESS: u64 = 1 << 20;
/// Bytes of a header fetched at first: enough for a model with a vocabulary of 32 000.
const HEADER_FIRST: u64 = 1 << 20;
/// Longest header fetched. Vocabularies of 262 144 tokens with merges take about 20 MiB.
const HEADER_MOST: u64 = 64 << 20;
/// Longest settings of a folder fetched; published ones have some kB.
const JSON_MOST: u64 = 4 << 20;

/// Where a file is.
pub(crate) enum Located {
    /// In the cache, for good or as far as can be told.
    Cached(PathBuf),
    /// On the hub.
    Remote(Arc<Remote>),
}

impl Hub {
    /// Fetches files that are not in the cache yet, and returns where they all are.
    pub async fn download(
        &self,
        files: &[HubFile],
        on: OnProgress<'_>,
        cancel: &Cancel,
    ) -> Result<Vec<PathBuf>, PullError> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(PullError::Cancelled),
            result = self.download_all(files, on) => result,
        }
    }

    async fn download_all(&self, files: &[HubFile], on: OnProgress<'_>) -> Result<Vec<PathBuf>, PullError> {
        let state = |stage, done| FileState { stage, done, resumed: 0 };
        let mut found = Vec::with_capacity(files.len());
        for file in files {
            Meter::new(on, 0).report(&file.to_string(), state(Stage::Checking, 0));
            found.push(self.locate(file).await?);
        }
        let total = found.iter().map(located_size).sum();
        self.check_space(&found)?;
        let mut meter = Meter::new(on, total);
        let mut paths = Vec::with_capacity(files.len());
        for (file, located) in files.iter().zip(found) {
            let size = located_size(&located);
            let (path, resumed) = match located {
                Located::Cached(path) => (path, size),
                Located::Remote(remote) => self.obtain(remote, &meter).await?,
            };
            meter.add(size, resumed);
            meter.report(
                &file.to_string(),
                state(if paths.len() + 1 == files.len() { Stage::Done } else { Stage::Checking }, 0),
            );
            paths.push(path);
        }
        Ok(paths)
    }

    /// Looks in the cache and asks the hub, as far as that is allowed.
    pub async fn locate(&self, file: &HubFile) -> Result<Located, PullError> {
        let settings = self.settings();
        let cached = RepoCache::new(&settings.cache_dir, file.repo()).find(file);
        match cached {
            // A commit never changes.
            Some(path) if file.is_pinned() || settings.offline => return Ok(Located::Cached(path)),
            None if settings.offline => return Err(PullError::Offline { file: file.to_string() }),
            _ => {}
        }
        // With the file at hand there is no need to be patient with a hub that does not answer.
        let attempts = if cached.is_some() { 1 } else { settings.retry.attempts };
        match (self.http.describe(file, attempts).await, cached) {
            (Ok(remote), _) => Ok(Located::Remote(Arc::new(remote))),
            (Err(error @ (PullError::Connection { .. } | PullError::Timeout { .. })), Some(path)) => {
                tracing::warn!("{file} is taken from the cache as it is: {error}");
                Ok(Located::Cached(path))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Bytes of a file, from the cache or the hub.
    pub async fn size(&self, file: &HubFile) -> Result<u64, PullError> {
        Ok(located_size(&self.locate(file).await?))
    }

    /// Refuses before the first byte what the disk cannot hold.
    fn check_space(&self, found: &[Located]) -> Result<(), PullError> {
        let settings = self.settings();
        let needed: u64 = found.iter().map(|located| self.missing(located)).sum();
        match (settings.free_space)(&settings.cache_dir) {
            Some(free) if needed > free => {
                Err(PullError::NoSpace { needed, free: Some(free), path: settings.cache_dir.clone() })
            }
            _ => Ok(()),
        }
    }

    fn missing(&self, located: &Located) -> u64 {
        let Located::Remote(remote) = located else { return 0 };
        let cache = RepoCache::new(&self.settings().cache_dir, remote.file.repo());
        if is_complete(&cache.blob(remote.etag.as_str()), remote) {
            return 0;
        }
        let there = fs::metadata(cache.incomplete(remote.etag.as_str())).map_or(0, |data| data.len());
        remote.size.saturating_sub(there)
    }

    /// Fetches one file and names it. A file that is replaced on the hub meanwhile is asked for anew, once.
    async fn obtain(&self, remote: Arc<Remote>, meter: &Meter<'_>) -> Result<(PathBuf, u64), PullError> {
        let (remote, resumed) = match self.fetch(&remote, meter).await {
            Err(PullError::Changed { .. }) => {
                let again = self.http.describe(&remote.file, self.settings().retry.attempts).await?;
                let again = Arc::new(again);
                let resumed = self.fetch(&again, meter).await?;
                (again, resumed)
            }
            other => (remote, other?),
        };
        let cache = RepoCache::new(&self.settings().cache_dir, remote.file.repo());
        let path = blocking(move || {
            let path = cache.publish(&remote.file, &remote.commit, remote.etag.as_str());
            path.map_err(|error| PullError::disk("name", cache.blob(remote.etag.as_str()), 0, error))
        });
        Ok((path.await?, resumed))
    }

    /// Sees to it that the blob is complete. Returns how many of its bytes were there before.
    async fn fetch(&self, remote: &Arc<Remote>, meter: &Meter<'_>) -> Result<u64, PullError> {
        let cache = RepoCache::new(&self.settings().cache_dir, remote.file.repo());
        let etag = remote.etag.as_str();
        let (blob, incomplete, lock_file) = (cache.blob(etag), cache.incomplete(etag), cache.lock(etag));
        let name = remote.file.to_string();
        if is_complete(&blob, remote) {
            return Ok(remote.size);
        }
        for path in [&blob, &lock_file] {
            make_parent(path).map_err(|error| PullError::disk("make the folder of", path, 0, error))?;
        }
        let flight = self.flights.join(&blob);
        let _turn = flight.turn(|state| meter.report(&name, state)).await;
        let lock = lock(&lock_file).await?;
        if is_complete(&blob, remote) {
            return Ok(remote.size);
        }
        let mut first = None;
        loop {
            let open = (incomplete.clone(), Arc::clone(remote), lock.clone());
            let partial = blocking(move || Partial::open(open.0, open.1, open.2)).await?;
            let resumed = partial.len;
            let report = |stage, done| {
                let state = FileState { stage, done, resumed };
                flight.tell(state);
                meter.report(&name, state);
            };
            report(Stage::Downloading, resumed);
            let partial = self.fill(partial, remote, &|done| report(Stage::Downloading, done)).await?;
            report(Stage::Verifying, remote.size);
            let target = blob.clone();
            match blocking(move || partial.finish(&target)).await {
                // What an earlier attempt left was no good, after a power failure perhaps; that is worth a fresh one.
                Err(PullError::Checksum { .. }) if resumed > 0 && first.is_none() => first = Some(resumed),
                result => return result.map(|()| resumed),
            }
        }
    }

    /// Fetches what is missing, in as many attempts as it takes while they get anywhere.
    async fn fill(
        &self,
        mut partial: Partial,
        remote: &Remote,
        on: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Partial, PullError> {
        let mut backoff = Backoff::new(self.settings().retry);
        while partial.len < remote.size {
            let before = partial.len;
            let outcome;
            (partial, outcome) = self.attempt(partial, remote, on).await?;
            if partial.len >= before.saturating_add(PROGRESS) {
                backoff.progressed();
            }
            match outcome {
                Ok(()) => {}
                Err(Failure::Final(error @ (PullError::Size { .. } | PullError::Changed { .. }))) => {
                    partial.discard();
                    return Err(error);
                }
                Err(failure) => backoff.pause(failure).await?,
            }
        }
        Ok(partial)
    }

    /// One request and its body. The outer error is the disk's: the partial file is closed then, and stays.
    async fn attempt(
        &self,
        mut partial: Partial,
        remote: &Remote,
        on: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(Partial, Result<(), Failure>), PullError> {
        let mut opened = self.http.open(remote, partial.len).await;
        if matches!(opened, Ok(Opened::Restart)) {
            partial.restart()?;
            opened = self.http.open(remote, 0).await;
        }
        let mut response = match opened {
            Ok(Opened::Body { response, start }) => {
                if start != partial.len {
                    partial.restart()?;
                }
                response
            }
            Ok(Opened::Restart) => return Ok((partial, Ok(()))),
            Err(failure) => return Ok((partial, Err(failure))),
        };
        let (mut told, mut told_at) = (partial.len, Instant::now());
        let outcome = loop {
            let chunk = match self.http.chunk(&mut response).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break Ok(()),
                Err(failure) => break Err(failure),
            };
            let got = partial.len + chunk.len() as u64;
            if got > remote.size {
                let file = remote.file.to_string();
                break Err(Failure::Final(PullError::Size { file, got, expected: remote.size }));
            }
            // Written as it comes: what was received is kept whatever happens next.
            partial = blocking(move || partial.append(&chunk).map(|()| partial)).await?;
            if partial.len - told >= TELL_BYTES || told_at.elapsed() >= TELL_EVERY {
                (told, told_at) = (partial.len, Instant::now());
                on(told);
            }
        };
        if partial.len != told {
            on(partial.len);
        }
        let complete = partial.len == remote.size;
        let outcome = match outcome {
            Ok(()) if !complete => Err(short(response.url(), remote, partial.len as usize)),
            outcome => outcome,
        };
        Ok((partial, outcome))
    }

    /// Reads a small JSON file without keeping it, or from the cache when it is there.
    pub async fn json(&self, file: &HubFile) -> Result<serde_json::Value, PullError> {
        let unreadable = |reason: String| PullError::Header { file: file.to_string(), reason };
        let bytes = match self.locate(file).await? {
            Located::Cached(path) => {
                let read = blocking(move || fs::read(&path)).await;
                read.map_err(|error| unreadable(error.to_string()))?
            }
            Located::Remote(remote) if remote.size > JSON_MOST => {
                return Err(unreadable(format!("{} bytes, expected at most {JSON_MOST}", remote.size)));
            }
            Located::Remote(remote) => {
                let mut backoff = Backoff::new(self.settings().retry);
                let mut bytes = Vec::new();
                while let Err(failure) = self.http.extend_prefix(&remote, &mut bytes, remote.size).await {
                    backoff.pause(failure).await?;
                }
                bytes
            }
        };
        serde_json::from_slice(&bytes).map_err(|error| unreadable(format!("not JSON: {error}")))
    }

    /// Names of all files of a repository.
    pub async fn listing(&self, file: &HubFile) -> Result<Vec<String>, PullError> {
        if self.settings().offline {
            return Err(PullError::Offline { file: file.to_string() });
        }
        self.http.listing(file).await
    }

    /// Reads the header of a model without fetching it, or from the cache when it is there.
    pub async fn header(&self, file: &HubFile) -> Result<Header, PullError> {
        let unreadable = |error: GgufError| PullError::Header { file: file.to_string(), reason: error.to_string() };
        let remote = match self.locate(file).await? {
            Located::Cached(path) => return blocking(move || Header::read(&path)).await.map_err(unreadable),
            Located::Remote(remote) => remote,
        };
        let mut backoff = Backoff::new(self.settings().retry);
        let (mut bytes, mut wanted) = (Vec::new(), HEADER_FIRST.min(remote.size));
        loop {
            if let Err(failure) = self.http.extend_prefix(&remote, &mut bytes, wanted).await {
                backoff.pause(failure).await?;
                continue;
            }
            match Header::parse_prefix(&bytes, remote.size) {
                Err(GgufError::Incomplete { needed_hint, .. }) if wanted < remote.size.min(HEADER_MOST) => {
                    // By at least twice as much: a few requests reach the end of any header.
                    wanted = needed_hint.max(wanted * 4).min(HEADER_MOST).min(remote.size);
                }
                result => return result.map_err(unreadable),
            }
        }
    }
}

/// Runs what blocks off the async threads. It goes on to its end when nobody waits for it any more.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn located_size(located: &Located) -> u64 {
    match located {
        Located::Cached(path) => fs::metadata(path).map_or(0, |data| data.len()),
        Located::Remote(remote) => remote.size,
    }
}

/// A blob of another size is damaged: it is fetched again and replaced.
fn is_complete(blob: &Path, remote: &Remote) -> bool {
    fs::metadata(blob).is_ok_and(|data| data.is_file() && data.len() == remote.size)
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}
