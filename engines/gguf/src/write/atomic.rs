//! A file that appears under its name only when it is whole.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Written under another name beside its own; given its own at the end, and deleted when that never comes.
#[derive(Debug)]
pub struct Atomic {
    file: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
    done: bool,
}

impl Atomic {
    /// Begins a file. One that is there already stays as it is until the end.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let partial = path.with_file_name(name);
        let file = BufWriter::with_capacity(1 << 20, File::create(&partial)?);
        Ok(Self { file, partial, path: path.into(), done: false })
    }

    /// Waits until the bytes are on the disk, then gives the file its name.
    ///
    /// # Errors
    /// When the disk is full, or the name cannot be taken; nothing is left behind then.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        self.done = true;
        Ok(())
    }
}

impl Write for Atomic {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Atomic {
    fn drop(&mut self) {
        if !self.done {
            // Nothing can be done about a failure here, and what failed before is being told already.
            let _ = fs::remove_file(&self.partial);
        }
    }
}
