//! The unfinished file: grows, is hashed while it grows, and gets its name only when size and hash are right.
//!
//! Everything here blocks and is called off the async threads.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{
    error::PullError,
    remote::{EtagKind, Remote},
};

/// A file on its way.
pub(crate) struct Partial {
    file: File,
    path: PathBuf,
    hash: Hash,
    /// Bytes in it.
    pub len: u64,
    remote: Arc<Remote>,
    /// Kept until the last write has happened, also when the task that asked for it is gone.
    _lock: Option<Arc<File>>,
}

enum Hash {
    Sha256(Sha256),
    GitBlob(Sha1),
    None,
}

impl Hash {
    fn new(remote: &Remote) -> Self {
        match remote.etag.kind() {
            EtagKind::Sha256 => Self::Sha256(Sha256::new()),
            // git hashes a header in front of the bytes.
            EtagKind::GitBlob => Self::GitBlob(Sha1::new_with_prefix(format!("blob {}\0", remote.size))),
            EtagKind::Opaque => Self::None,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::GitBlob(hash) => hash.update(bytes),
            Self::None => {}
        }
    }

    /// Name and value in hex. `None`: nothing is known to compare with.
    fn finish(self) -> Option<(&'static str, String)> {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
        match self {
            Self::Sha256(hash) => Some(("sha256", hex(&hash.finalize()))),
            Self::GitBlob(hash) => Some(("git blob sha1", hex(&hash.finalize()))),
            Self::None => None,
        }
    }
}

impl Partial {
    /// Opens what an earlier attempt left, or a new file. Bytes that are there are hashed, which reads them.
    ///
    /// # Errors
    /// [`PullError::Io`] and [`PullError::NoSpace`].
    pub fn open(path: PathBuf, remote: Arc<Remote>, lock: Option<Arc<File>>) -> Result<Self, PullError> {
        let size = remote.size;
        let fail = |doing| {
            let path = path.clone();
            move |error| PullError::disk(doing, path, size, error)
        };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(fail("open"))?;
        let hash = Hash::new(&remote);
        let mut partial = Self { file, path: path.clone(), hash, len: 0, remote, _lock: lock };
        let mut buffer = vec![0; 1 << 20];
        loop {
            let n = partial.file.read(&mut buffer).map_err(fail("read"))?;
            if n == 0 {
                return Ok(partial);
            }
            partial.len += n as u64;
            if partial.len > size {
                // Bytes of something else.
                partial.restart()?;
                return Ok(partial);
            }
            partial.hash.update(&buffer[..n]);
        }
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`PullError::NoSpace`] with what is missing, and [`PullError::Io`]; what was written stays for the next time.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), PullError> {
        let missing = self.remote.size - self.len;
        self.file.write_all(bytes).map_err(|error| PullError::disk("write", &self.path, missing, error))?;
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Begins again from nothing.
    pub fn restart(&mut self) -> Result<(), PullError> {
        let emptied = self.file.set_len(0).and_then(|()| io::Seek::rewind(&mut self.file));
        emptied.map_err(|error| PullError::disk("empty", &self.path, self.remote.size, error))?;
        self.len = 0;
        self.hash = Hash::new(&self.remote);
        Ok(())
    }

    /// Removes it: its bytes are of no use.
    pub fn discard(self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Compares the hash, makes the bytes durable and gives them their name.
    ///
    /// # Errors
    /// [`PullError::Checksum`]: the file is removed. [`PullError::Io`] and [`PullError::NoSpace`]: it stays.
    pub fn finish(self, blob: &Path) -> Result<(), PullError> {
        let Self { file, path, hash, remote, _lock, .. } = self;
        if let Some((algorithm, got)) = hash.finish().filter(|(_, got)| got != remote.etag.as_str()) {
            let (file, expected) = (remote.file.to_string(), remote.etag.as_str().to_owned());
            fs::remove_file(&path).map_err(|error| PullError::disk("remove", &path, 0, error))?;
            return Err(PullError::Checksum { file, algorithm, got, expected });
        }
        let durable = || {
            file.sync_all()?;
            fs::rename(&path, blob)?;
            blob.parent().map_or(Ok(()), sync_folder)
        };
        durable().map_err(|error| PullError::disk("finish", blob, 0, error))
    }
}

/// The new name survives a power failure only when its folder is durable too.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Windows keeps names by itself, and does not open folders.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::{hub::remote::Etag, reference::HubFile};

    #[test]
    fn a_disk_that_fills_up_is_reported_as_such() {
        let file = HubFile::new("org/name", "main", "a.gguf").unwrap();
        let etag = Etag::read("e").unwrap();
        let remote = Arc::new(Remote { file, commit: "0".repeat(40), etag, size: 1000 });
        // Writing to this device fails as on a full disk.
        let path = PathBuf::from("/dev/full");
        let device = OpenOptions::new().write(true).open(&path).unwrap();
        let mut partial = Partial { file: device, path, hash: Hash::None, len: 400, remote, _lock: None };
        let error = partial.append(&[0; 100]).unwrap_err();
        assert!(matches!(error, PullError::NoSpace { needed: 600, free: None, .. }), "{error:?}");
        assert_eq!(partial.len, 400);
    }
}
