//! What can be wrong with a GGUF file: what, where, got, expected.

use std::path::PathBuf;

/// Errors of reading a header. Offsets are bytes from the start of the file.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The bytes given end inside the header; the file may go on. Give more.
    #[error("the header goes on after the {have} bytes given; at least {needed_hint} are needed")]
    Incomplete {
        /// Bytes given.
        have: u64,
        /// A length that will get the reader further, perhaps not to the end of the header.
        needed_hint: u64,
    },
    /// The file itself ends too early.
    #[error(
        "{place}: needs {needed} bytes at offset {offset:#x}, but the file ends at {file_len:#x}; it is truncated or damaged"
    )]
    Truncated {
        /// What was being read.
        place: String,
        /// Where.
        offset: u64,
        /// Bytes that should be there.
        needed: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// It is some other kind of file.
    #[error("not a GGUF file: it begins with {got:?}, expected \"GGUF\"")]
    NotGguf {
        /// The first bytes, unprintable ones escaped.
        got: String,
    },
    /// It was written for big-endian machines.
    #[error("big-endian GGUF (version {version}); convert it to little-endian")]
    BigEndian {
        /// Its version.
        version: u32,
    },
    /// A version that this reader does not know.
    #[error("GGUF version {got}, expected 2 or 3")]
    Version {
        /// What the file says.
        got: u32,
    },
    /// A count or length beyond [`crate::limits`].
    #[error("{place}: {what} {got} at offset {offset:#x}, expected at most {most}")]
    TooLarge {
        /// What was being read.
        place: String,
        /// Which number.
        what: &'static str,
        /// Its value.
        got: u64,
        /// Its limit.
        most: u64,
        /// Where.
        offset: u64,
    },
    /// An empty or unreadable key or tensor name.
    #[error("{place}: name is {problem} (offset {offset:#x})")]
    Name {
        /// Which key or tensor, by number.
        place: String,
        /// What is wrong.
        problem: &'static str,
        /// Where.
        offset: u64,
    },
    /// An unknown type of a metadata value.
    #[error("{key}: value type {got} at offset {offset:#x}, expected 0 to 12")]
    ValueType {
        /// Which key.
        key: String,
        /// The number.
        got: u32,
        /// Where.
        offset: u64,
    },
    /// An array of arrays, which no model uses and which could nest for ever.
    #[error("{key}: array of arrays at offset {offset:#x}; only arrays of numbers, booleans and strings are read")]
    NestedArray {
        /// Which key.
        key: String,
        /// Where.
        offset: u64,
    },
    /// A key that occurs twice.
    #[error("{key}: the key occurs twice")]
    DuplicateKey {
        /// Which key.
        key: String,
    },
    /// A metadata value of the wrong type or out of range.
    #[error("{key}: got {got}, expected {expected}")]
    Value {
        /// Which key.
        key: String,
        /// What it is.
        got: String,
        /// What it should be.
        expected: String,
    },
    /// A tensor's name that occurs twice.
    #[error("{tensor}: the tensor occurs twice")]
    DuplicateTensor {
        /// Which tensor.
        tensor: String,
    },
    /// A tensor's type that this reader does not know.
    #[error("{tensor}: tensor type {got} at offset {offset:#x} {why}")]
    TensorType {
        /// Which tensor.
        tensor: String,
        /// The number.
        got: u32,
        /// Whether it was removed from the format or is unknown.
        why: &'static str,
        /// Where.
        offset: u64,
    },
    /// A tensor of type 39 in a BitNet model.
    #[error(
        "{tensor}: tensor type 39 in a BitNet model is TL2 of bitnet.cpp, whose layout depends on the build that made it; \
         use the i2_s file of the model"
    )]
    Tl2 {
        /// Which tensor.
        tensor: String,
    },
    /// Dimensions that no tensor can have.
    #[error("{tensor}: shape {shape:?}, expected {expected}")]
    Shape {
        /// Which tensor.
        tensor: String,
        /// Its dimensions, fastest first.
        shape: Vec<u64>,
        /// What it should be.
        expected: String,
    },
    /// A tensor that does not begin at a multiple of the alignment.
    #[error("{tensor}: data at {offset:#x} of the data section, expected a multiple of {alignment}")]
    Misaligned {
        /// Which tensor.
        tensor: String,
        /// Bytes from the start of the data section.
        offset: u64,
        /// Bytes.
        alignment: u64,
    },
    /// A tensor that ends behind the end of the file.
    #[error("{tensor}: data at {begin:#x} to {end:#x}, but the file ends at {file_len:#x}; it is truncated or damaged")]
    OutOfFile {
        /// Which tensor.
        tensor: String,
        /// First byte.
        begin: u64,
        /// One past the last byte.
        end: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// Two tensors that share bytes.
    #[error("{tensor}: data at {begin:#x} overlaps {other}, which ends at {other_end:#x}")]
    Overlap {
        /// The later tensor.
        tensor: String,
        /// Its first byte.
        begin: u64,
        /// The earlier tensor.
        other: String,
        /// One past its last byte.
        other_end: u64,
    },
}
