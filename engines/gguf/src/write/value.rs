//! Metadata values to be written.

use crate::{Header, Value, ValueType};

/// A metadata value to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum MetaValue {
    /// Unsigned, 32 bits.
    U32(u32),
    /// Signed, 32 bits.
    I32(i32),
    /// Unsigned, 64 bits.
    U64(u64),
    /// Float, 32 bits.
    F32(f32),
    /// One byte.
    Bool(bool),
    /// Text.
    String(String),
    /// Texts; they need not be UTF-8.
    Strings(Vec<Vec<u8>>),
    /// Unsigned, 32 bits each.
    U32s(Vec<u32>),
    /// Signed, 32 bits each.
    I32s(Vec<i32>),
    /// Floats, 32 bits each.
    F32s(Vec<f32>),
    /// Any type: the bytes that follow the type in the file.
    Raw(ValueType, Vec<u8>),
}

impl From<u32> for MetaValue {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl From<f32> for MetaValue {
    fn from(value: f32) -> Self {
        Self::F32(value)
    }
}

impl From<bool> for MetaValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for MetaValue {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<&[&str]> for MetaValue {
    fn from(values: &[&str]) -> Self {
        Self::Strings(values.iter().map(|value| value.as_bytes().to_vec()).collect())
    }
}

impl MetaValue {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::U32(value) => number(out, ValueType::U32, &value.to_le_bytes()),
            Self::I32(value) => number(out, ValueType::I32, &value.to_le_bytes()),
            Self::U64(value) => number(out, ValueType::U64, &value.to_le_bytes()),
            Self::F32(value) => number(out, ValueType::F32, &value.to_le_bytes()),
            Self::Bool(value) => number(out, ValueType::Bool, &[(*value).into()]),
            Self::String(value) => {
                out.extend((ValueType::String as u32).to_le_bytes());
                string(out, value.as_bytes());
            }
            Self::Strings(values) => {
                array(out, ValueType::String, values.len());
                values.iter().for_each(|value| string(out, value));
            }
            Self::U32s(values) => {
                array(out, ValueType::U32, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Self::I32s(values) => {
                array(out, ValueType::I32, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Self::F32s(values) => {
                array(out, ValueType::F32, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Self::Raw(kind, bytes) => number(out, *kind, bytes),
        }
    }

    /// The value of a key of another file, as it is there; bytes of a string that are not UTF-8 are replaced.
    pub fn of(header: &Header, key: &str) -> Option<Self> {
        let value = header.metadata(key)?;
        Some(match value {
            Value::U8(n) => Self::Raw(value.kind(), n.to_le_bytes().into()),
            Value::I8(n) => Self::Raw(value.kind(), n.to_le_bytes().into()),
            Value::U16(n) => Self::Raw(value.kind(), n.to_le_bytes().into()),
            Value::I16(n) => Self::Raw(value.kind(), n.to_le_bytes().into()),
            Value::I64(n) => Self::Raw(value.kind(), n.to_le_bytes().into()),
            Value::F64(n) => Self::Raw(value.kind(), n.to_le_bytes().into()),
            Value::U32(n) => Self::U32(*n),
            Value::I32(n) => Self::I32(*n),
            Value::U64(n) => Self::U64(*n),
            Value::F32(n) => Self::F32(*n),
            Value::Bool(value) => Self::Bool(*value),
            Value::String(text) => Self::String(text.clone()),
            Value::Array(array) => {
                let mut bytes = (array.kind as u32).to_le_bytes().to_vec();
                bytes.extend((array.len as u64).to_le_bytes());
                bytes.extend(header.array_bytes(array));
                Self::Raw(ValueType::Array, bytes)
            }
        })
    }
}

fn number(out: &mut Vec<u8>, kind: ValueType, bytes: &[u8]) {
    out.extend((kind as u32).to_le_bytes());
    out.extend(bytes);
}

fn array(out: &mut Vec<u8>, kind: ValueType, len: usize) {
    out.extend((ValueType::Array as u32).to_le_bytes());
    out.extend((kind as u32).to_le_bytes());
    out.extend((len as u64).to_le_bytes());
}

pub(super) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}
