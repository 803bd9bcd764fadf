//! The bytes under the database: as they are, or under an overlay that keeps what is written in memory.
//!
//! The overlay is for a full disk. redb repairs a file when it is opened after a failure, which writes; with the overlay
//! a file that cannot be written can still be repaired in memory and read.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{BackendError, StorageBackend};

/// Piece of the file that the overlay copies when a byte of it is written.
const PAGE: u64 = 4096;

#[derive(Debug)]
pub(crate) struct Backend {
    inner: Box<dyn StorageBackend>,
    overlay: Option<Mutex<Overlay>>,
}

#[derive(Debug)]
struct Overlay {
    length: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Backend {
    pub(crate) fn direct(inner: Box<dyn StorageBackend>) -> Self {
        Self { inner, overlay: None }
    }

    pub(crate) fn overlaid(inner: Box<dyn StorageBackend>) -> Self {
        // A length that cannot be read is reported by the first read.
        let length = inner.len().unwrap_or(0);
        Self { inner, overlay: Some(Mutex::new(Overlay { length, pages: BTreeMap::new() })) }
    }

    fn overlay(&self) -> Option<MutexGuard<'_, Overlay>> {
        Some(self.overlay.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Overlay {
    /// Calls `visit` for each piece of `offset..offset + length`: number of the page, offset in it, range of the bytes.
    fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = offset + done as u64;
            let inside = usize::try_from(at % PAGE).expect("less than a page");
            let take = (length - done).min(PAGE as usize - inside);
            let range = done..done + take;
            done += take;
            (take > 0).then_some((at / PAGE, inside, range))
        })
    }

    /// A page as the file has it, zeros behind its end.
    fn original(inner: &dyn StorageBackend, page: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; PAGE as usize];
        let there = inner.len()?.saturating_sub(page * PAGE).min(PAGE);
        inner.read(page * PAGE, &mut bytes[..usize::try_from(there).expect("at most a page")])?;
        Ok(bytes)
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.overlay().map_or_else(|| self.inner.len(), |overlay| Ok(overlay.length))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let Some(overlay) = self.overlay() else { return self.inner.read(offset, out) };
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > overlay.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (page, inside, range) in Overlay::pieces(offset, out.len()) {
            let length = range.len();
            let out = &mut out[range];
            match overlay.pages.get(&page) {
                Some(bytes) => out.copy_from_slice(&bytes[inside..inside + length]),
                None => out.copy_from_slice(&Overlay::original(&*self.inner, page)?[inside..inside + length]),
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let Some(mut overlay) = self.overlay() else { return self.inner.set_len(len) };
        if len < overlay.length {
            // What is cut off must be zeros if it grows again.
            for page in len / PAGE..overlay.length.div_ceil(PAGE) {
                let mut bytes = match overlay.pages.remove(&page) {
                    Some(bytes) => bytes,
                    None => Overlay::original(&*self.inner, page)?,
                };
                let keep = usize::try_from(len.saturating_sub(page * PAGE).min(PAGE)).expect("at most a page");
                bytes[keep..].fill(0);
                overlay.pages.insert(page, bytes);
            }
        }
        overlay.length = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.overlay.is_some() { Ok(()) } else { self.inner.sync_data() }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let Some(mut overlay) = self.overlay() else { return self.inner.write(offset, data) };
        for (page, inside, range) in Overlay::pieces(offset, data.len()) {
            let data = &data[range];
            let bytes = match overlay.pages.entry(page) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(Overlay::original(&*self.inner, page)?),
            };
            bytes[inside..inside + data.len()].copy_from_slice(data);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
