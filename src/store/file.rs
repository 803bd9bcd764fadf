//! The database file in the data directory: made whole or not at all.
//!
//! redb writes the first pages of a new file in several steps, and refuses one whose making was interrupted. So a new
//! database is made under another name, and gets its own when it is complete.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    process,
};

use redb::{Database, backends::FileBackend};

use crate::disk::{Failure, Medium, guarded};

/// Ends the names of files that are being made.
const UNFINISHED: &str = ".new";

/// Makes an empty database if there is no file.
pub(crate) fn make(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let unfinished = PathBuf::from(format!("{}.{}{UNFINISHED}", path.display(), process::id()));
    let made = guarded(|| {
        drop(fs::remove_file(&unfinished));
        let backend = FileBackend::new(open(&unfinished, true).map_err(redb::StorageError::from)?)?;
        drop(Database::builder().create_with_backend(backend)?);
        name(&unfinished, path).map_err(redb::StorageError::from)?;
        Ok(())
    });
    drop(fs::remove_file(&unfinished));
    made
}

/// Gives a file its name, unless another process was faster: what that has written since must not be lost.
fn name(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        // Not every file system can give two names.
        Err(_) => fs::rename(from, to)?,
    }
    // The name must be on the disk before anything is acknowledged. Not every system can sync a folder.
    if let Some(folder) = to.parent() {
        drop(File::open(folder).and_then(|folder| folder.sync_all()));
    }
    Ok(())
}

/// Removes what processes left that ended while they made a database. Only whoever has the database open may do so.
pub(crate) fn tidy(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let name = format!("{}.", name.to_string_lossy());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let other = entry.file_name();
        let other = other.to_string_lossy();
        if other.starts_with(&name) && other.ends_with(UNFINISHED) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// The bytes of the file.
pub(crate) fn medium(path: PathBuf) -> Medium {
    Box::new(move || Ok(Box::new(FileBackend::new(open(&path, false)?).map_err(io::Error::other)?)))
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false);
    // Conversations are nobody else's business.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
