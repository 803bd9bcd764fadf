//! A file mapped into memory, read only.

use std::{fs::File, io, ops::Range, path::Path};

use memmap2::{Mmap, UncheckedAdvice};

/// The bytes of a file. Pages are read when they are touched.
pub(crate) struct Map(Mmap);

impl Map {
    /// Maps a file.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the slice is only valid while no one changes the file. Replacing or deleting a model leaves the mapped
        // file as it is; writing into it in place is as wrong as patching a running program, and can end the process
        // or give wrong text, but every value read from it is checked or is a number that may be anything.
        Ok(Self(unsafe { Mmap::map(&file)? }))
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives back the memory of a part that was read and is not needed soon.
    pub fn release(&self, range: Range<usize>) {
        // SAFETY: the mapping is of a file and read only, so a page that is given back is read from the file again.
        let _ = unsafe { self.0.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
    }
}
