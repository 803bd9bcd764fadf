//! The header of a GGUF file: read, checked, and asked.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | magic `GGUF` |
//! | 4 | version, 2 or 3 |
//! | 8 | number of tensors |
//! | 8 | number of metadata keys |
//! | ... | for each key: name, value type (4), value |
//! | ... | for each tensor: name, number of dimensions (4), dimensions (8 each), type (4), offset in the data section (8) |
//! | ... | zeros up to the next multiple of the alignment (`general.alignment`, 32 by default) |
//! | ... | data section |
//!
//! All numbers are little-endian. A name or string is a length (8) and bytes, without a closing zero.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::{
    Array, GgufError, TensorInfo, Value, ValueType,
    cursor::{Cursor, Place},
    limits, tensors,
};

const MAGIC: &[u8; 4] = b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;
// The first read of a file: the whole header of a model without a large vocabulary.
const FIRST_READ_BYTES: u64 = 1 << 20;
// The fewest bytes that a key with its value, and a tensor's description, can have.
const MIN_KEY_BYTES: u64 = 8 + 1 + 4 + 1;
const MIN_TENSOR_BYTES: u64 = 8 + 1 + 4 + 8 + 4 + 8;

/// A checked header. Holds the header's bytes; large arrays are read from them when asked for.
#[derive(Debug, Clone)]
pub struct Header {
    version: u32,
    // In the order of the file.
    metadata: Vec<(String, Value)>,
    // Indices into `metadata`, sorted by key.
    by_key: Vec<u32>,
    tensors: Vec<TensorInfo>,
    alignment: u64,
    data_offset: u64,
    file_len: Option<u64>,
    bytes: Box<[u8]>,
}

impl Header {
    /// Reads the header of a file. Reads no weights; memory is bounded by the header's true length.
    ///
    /// # Errors
    /// Everything in [`GgufError`] but `Incomplete`.
    pub fn read(path: &Path) -> Result<Self, GgufError> {
        let io = |source| GgufError::Io { path: path.into(), source };
        let mut file = File::open(path).map_err(io)?;
        let about = file.metadata().map_err(io)?;
        if !about.is_file() {
            return Err(io(io::Error::new(io::ErrorKind::InvalidInput, "not a file")));
        }
        Self::read_from(&mut file, about.len(), path)
    }

    /// Reads the header of a file of `file_len` bytes from its beginning, and a little further. `path` is for messages.
    ///
    /// # Errors
    /// As [`Header::read`].
    pub fn read_from(reader: &mut dyn Read, file_len: u64, path: &Path) -> Result<Self, GgufError> {
        let mut bytes = Vec::new();
        let mut wanted = FIRST_READ_BYTES;
        loop {
            let missing = wanted.min(file_len).saturating_sub(bytes.len() as u64);
            let got = (&mut *reader).take(missing).read_to_end(&mut bytes);
            let got = got.map_err(|source| GgufError::Io { path: path.into(), source })?;
            // A file that became shorter since it was opened ends where reading ended.
            let file_len = if (got as u64) < missing { bytes.len() as u64 } else { file_len };
            match Self::parse_of(&bytes, Some(file_len)) {
                Err(GgufError::Incomplete { have, needed_hint }) => wanted = needed_hint.max(have.saturating_mul(2)),
                other => return other,
            }
        }
    }

    /// Reads a header from the first bytes of a file, of unknown length: where the tensors' data ends is not checked.
    ///
    /// # Errors
    /// `Incomplete` when the header goes on after `bytes`; otherwise as [`Header::read`].
    pub fn parse(bytes: &[u8]) -> Result<Self, GgufError> {
        Self::parse_of(bytes, None)
    }

    /// As [`Header::parse`], of a file of this many bytes, which must hold all data.
    ///
    /// # Errors
    /// As [`Header::parse`].
    pub fn parse_prefix(bytes: &[u8], file_len: u64) -> Result<Self, GgufError> {
        Self::parse_of(bytes, Some(file_len))
    }

    fn parse_of(bytes: &[u8], file_len: Option<u64>) -> Result<Self, GgufError> {
        let mut cursor = Cursor::new(bytes, file_len);
        let version = preamble(&mut cursor, bytes)?;
        let tensor_count = count(&mut cursor, "number of tensors", limits::TENSORS)?;
        let key_count = count(&mut cursor, "number of keys", limits::KEYS)?;
        let least = tensor_count * MIN_TENSOR_BYTES + key_count * MIN_KEY_BYTES;
        cursor.expect_room(least, 1, Place::Preamble)?;

        // Vectors grow with what was really read, not by the counts.
        let mut metadata = Vec::new();
        for number in 0..key_count {
            let key = cursor.name(limits::KEY_BYTES, Place::Key(number))?;
            metadata.push((key.to_owned(), value(&mut cursor, key)?));
        }
        let by_key = sorted_keys(&metadata)?;
        let alignment = alignment(&metadata, &by_key)?;

        let mut tensors = Vec::new();
        for number in 0..tensor_count {
            tensors.push(tensors::read(&mut cursor, number)?);
        }
        let architecture = find(&metadata, &by_key, "general.architecture").and_then(Value::as_str);
        tensors::refuse_tl2(&tensors, architecture.unwrap_or_default())?;
        let header_len = cursor.at();
        let data_offset = (header_len as u64).next_multiple_of(alignment);
        tensors::place(&mut tensors, data_offset, alignment, file_len)?;
        let bytes = bytes[..header_len].into();
        Ok(Self { version, metadata, by_key, tensors, alignment, data_offset, file_len, bytes })
    }

    /// Version of the format: 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The table of tensors, in the order of the file.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor of this name. Cost: linear.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Where the data section begins, in bytes from the start of the file.
    pub fn data_offset(&self) -> u64 {
        self.data_offset
    }

    /// Bytes that the data of each tensor begins at a multiple of.
    pub fn alignment(&self) -> u64 {
        self.alignment
    }

    /// Length of the file, when it was known.
    pub fn file_len(&self) -> Option<u64> {
        self.file_len
    }

    /// Bytes of the header, without the padding before the data section.
    pub fn header_len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// All keys with their values, in the order of the file.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.metadata.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of a key.
    pub fn metadata(&self, key: &str) -> Option<&Value> {
        find(&self.metadata, &self.by_key, key)
    }

    /// A non-negative integer of any width that fits.
    pub fn u32(&self, key: &str) -> Option<u32> {
        self.metadata(key)?.as_u32()
    }

    /// A non-negative integer of any width.
    pub fn u64(&self, key: &str) -> Option<u64> {
        self.metadata(key)?.as_u64()
    }

    /// A float of either width.
    pub fn f32(&self, key: &str) -> Option<f32> {
        self.metadata(key)?.as_f32()
    }

    /// A boolean.
    pub fn bool(&self, key: &str) -> Option<bool> {
        self.metadata(key)?.as_bool()
    }

    /// A string.
    pub fn str(&self, key: &str) -> Option<&str> {
        self.metadata(key)?.as_str()
    }

    /// The number of elements of an array of any type.
    pub fn array_len(&self, key: &str) -> Option<usize> {
        Some(self.metadata(key)?.as_array()?.len)
    }

    /// The elements of an array of strings, in order. Tokens need not be UTF-8, so these are bytes.
    pub fn strings(&self, key: &str) -> Option<impl Iterator<Item = &[u8]>> {
        let array = self.array(key, ValueType::String)?;
        let mut rest = &self.bytes[array.range.clone()];
        Some((0..array.len).map(move |_| {
            // The lengths were checked when the array was read.
            let (length, tail) = rest.split_at(8);
            let length = u64::from_le_bytes(length.try_into().expect("split at 8 bytes"));
            let (text, tail) = tail.split_at(length as usize);
            rest = tail;
            text
        }))
    }

    /// The elements of an array of numbers or booleans, in order.
    pub fn values(&self, key: &str) -> Option<impl ExactSizeIterator<Item = Value>> {
        let array = self.metadata(key)?.as_array().filter(|array| array.kind != ValueType::String)?;
        let elements = self.bytes[array.range.clone()].chunks_exact(array.kind.min_bytes() as usize);
        Some(elements.map(|bytes| {
            Value::scalar(array.kind, bytes).expect("arrays of arrays are refused and strings are excluded above")
        }))
    }

    /// The elements of an array as they are in the file.
    #[cfg(feature = "write")]
    pub(crate) fn array_bytes(&self, array: &Array) -> &[u8] {
        &self.bytes[array.range.clone()]
    }

    fn array(&self, key: &str, kind: ValueType) -> Option<&Array> {
        self.metadata(key)?.as_array().filter(|array| array.kind == kind)
    }
}

fn preamble(cursor: &mut Cursor<'_>, bytes: &[u8]) -> Result<u32, GgufError> {
    let common = bytes.len().min(MAGIC.len());
    if bytes[..common] != MAGIC[..common] {
        return Err(GgufError::NotGguf { got: bytes[..common].escape_ascii().to_string() });
    }
    cursor.take(MAGIC.len() as u64, Place::Preamble)?;
    match cursor.u32(Place::Preamble)? {
        version @ 2..=3 => Ok(version),
        swapped if (1..=3).contains(&swapped.swap_bytes()) => {
            Err(GgufError::BigEndian { version: swapped.swap_bytes() })
        }
        got => Err(GgufError::Version { got }),
    }
}

fn count(cursor: &mut Cursor<'_>, what: &'static str, most: u64) -> Result<u64, GgufError> {
    match cursor.u64(Place::Preamble)? {
        count if count <= most => Ok(count),
        got => Err(cursor.too_large(Place::Preamble, what, got, most)),
    }
}

fn value(cursor: &mut Cursor<'_>, key: &str) -> Result<Value, GgufError> {
    let place = Place::Value(key);
    match value_type(cursor, key)? {
        ValueType::String => {
            let bytes = cursor.string(limits::STRING_BYTES, place)?;
            Ok(Value::String(String::from_utf8_lossy(bytes).into_owned()))
        }
        ValueType::Array => array(cursor, key).map(Value::Array),
        kind => {
            let bytes = cursor.take(kind.min_bytes(), place)?;
            Ok(Value::scalar(kind, bytes).expect("strings and arrays are read above"))
        }
    }
}

fn value_type(cursor: &mut Cursor<'_>, key: &str) -> Result<ValueType, GgufError> {
    let offset = cursor.at() as u64;
    let got = cursor.u32(Place::Value(key))?;
    ValueType::from_number(got).ok_or_else(|| GgufError::ValueType { key: key.into(), got, offset })
}

fn array(cursor: &mut Cursor<'_>, key: &str) -> Result<Array, GgufError> {
    let place = Place::Value(key);
    let offset = cursor.at() as u64;
    let kind = value_type(cursor, key)?;
    if kind == ValueType::Array {
        return Err(GgufError::NestedArray { key: key.into(), offset });
    }
    let len = cursor.u64(place)?;
    cursor.expect_room(len, kind.min_bytes(), place)?;
    let begin = cursor.at();
    if kind == ValueType::String {
        for done in 1..=len {
            cursor.string(limits::STRING_BYTES, place)?;
            // Whoever must fetch more should fetch enough for the rest of the array, not only for its next string.
            cursor.expect_room(len - done, kind.min_bytes(), place)?;
        }
    } else {
        cursor.take(len * kind.min_bytes(), place)?;
    }
    Ok(Array { kind, len: len as usize, range: begin..cursor.at() })
}

fn sorted_keys(metadata: &[(String, Value)]) -> Result<Vec<u32>, GgufError> {
    let mut by_key: Vec<u32> = (0..metadata.len() as u32).collect();
    by_key.sort_unstable_by(|&a, &b| metadata[a as usize].0.cmp(&metadata[b as usize].0));
    let twice = by_key.windows(2).find(|pair| metadata[pair[0] as usize].0 == metadata[pair[1] as usize].0);
    match twice {
        Some(pair) => Err(GgufError::DuplicateKey { key: metadata[pair[0] as usize].0.clone() }),
        None => Ok(by_key),
    }
}

fn find<'a>(metadata: &'a [(String, Value)], by_key: &[u32], key: &str) -> Option<&'a Value> {
    let found = by_key.binary_search_by(|&index| metadata[index as usize].0.as_str().cmp(key)).ok()?;
    Some(&metadata[by_key[found] as usize].1)
}

fn alignment(metadata: &[(String, Value)], by_key: &[u32]) -> Result<u64, GgufError> {
    const KEY: &str = "general.alignment";
    match find(metadata, by_key, KEY) {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(value) => match value.as_u32() {
            Some(alignment) if alignment.is_power_of_two() => Ok(alignment.into()),
            _ => Err(GgufError::Value {
                key: KEY.into(),
                got: value.as_u64().map_or_else(|| format!("{:?}", value.kind()), |number| number.to_string()),
                expected: "a power of two below 2^32".into(),
            }),
        },
    }
}
