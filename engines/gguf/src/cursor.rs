//! A place in the bytes of a header. Every read is checked against the bytes present; the difference between "give me
//! more" and "the file lies" is made here.

use std::fmt::{self, Display};

use crate::{GgufError, limits};

/// What is being read, for the message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Magic, version and counts.
    Preamble,
    /// The name of a metadata key, by number.
    Key(u64),
    /// The value of a key.
    Value(&'a str),
    /// The name of a tensor, by number.
    Tensor(u64),
    /// The description of a tensor.
    TensorInfo(&'a str),
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preamble => f.write_str("GGUF preamble"),
            Self::Key(number) => write!(f, "metadata key {number}"),
            Self::Value(key) => f.write_str(key),
            Self::Tensor(number) => write!(f, "tensor {number}"),
            Self::TensorInfo(name) => f.write_str(name),
        }
    }
}

pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    file_len: Option<u64>,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8], file_len: Option<u64>) -> Self {
        Self { bytes, at: 0, file_len }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// An error unless `count` things of at least `min_bytes` each can still follow.
    pub fn expect_room(&self, count: u64, min_bytes: u64, place: Place<'_>) -> Result<(), GgufError> {
        let needed = count.saturating_mul(min_bytes);
        let end = (self.at as u64).saturating_add(needed);
        if let Some(file_len) = self.file_len
            && end > file_len
        {
            return Err(GgufError::Truncated { place: place.to_string(), offset: self.at as u64, needed, file_len });
        }
        if end > limits::HEADER_BYTES {
            let what = "header length";
            return Err(self.too_large(place, what, end, limits::HEADER_BYTES));
        }
        if end > self.bytes.len() as u64 {
            return Err(GgufError::Incomplete { have: self.bytes.len() as u64, needed_hint: end });
        }
        Ok(())
    }

    pub fn take(&mut self, count: u64, place: Place<'_>) -> Result<&'a [u8], GgufError> {
        self.expect_room(count, 1, place)?;
        let taken = &self.bytes[self.at..][..count as usize];
        self.at += taken.len();
        Ok(taken)
    }

    pub fn u32(&mut self, place: Place<'_>) -> Result<u32, GgufError> {
        let bytes = self.take(4, place)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("take gives as many bytes as asked")))
    }

    pub fn u64(&mut self, place: Place<'_>) -> Result<u64, GgufError> {
        let bytes = self.take(8, place)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("take gives as many bytes as asked")))
    }

    /// A string's bytes: length, then content of at most `most` bytes.
    pub fn string(&mut self, most: u64, place: Place<'_>) -> Result<&'a [u8], GgufError> {
        let length = self.u64(place)?;
        if length > most {
            return Err(self.too_large(place, "string length", length, most));
        }
        self.take(length, place)
    }

    /// A key or tensor name: not empty, UTF-8.
    pub fn name(&mut self, most: u64, place: Place<'_>) -> Result<&'a str, GgufError> {
        let offset = self.at as u64;
        let bytes = self.string(most, place)?;
        let problem = match std::str::from_utf8(bytes) {
            Ok("") => "empty",
            Ok(name) if name.contains('\0') => "interrupted by a zero byte",
            Ok(name) => return Ok(name),
            Err(_) => "not UTF-8",
        };
        Err(GgufError::Name { place: place.to_string(), problem, offset })
    }

    /// The error for a number just read.
    pub fn too_large(&self, place: Place<'_>, what: &'static str, got: u64, most: u64) -> GgufError {
        GgufError::TooLarge { place: place.to_string(), what, got, most, offset: self.at as u64 }
    }
}
