//! Writes GGUF files, version 3: metadata and tensors in the order given, each tensor at a multiple of 32 bytes.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use crate::{TensorType, ValueType, tensors::data_bytes};

const VERSION: u32 = 3;
const ALIGNMENT: usize = 32;

/// A file to be written.
#[derive(Debug, Clone, Default)]
pub struct Writer<'a> {
    metadata: Vec<(String, MetaValue)>,
    tensors: Vec<Tensor<'a>>,
}

#[derive(Debug, Clone)]
struct Tensor<'a> {
    name: String,
    kind: TensorType,
    shape: Vec<u64>,
    data: Cow<'a, [u8]>,
}

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

impl<'a> Writer<'a> {
    /// A file of this architecture with nothing else in it.
    pub fn new(architecture: &str) -> Self {
        Self::default().with("general.architecture", architecture)
    }

    /// Adds a key.
    pub fn with(mut self, key: &str, value: impl Into<MetaValue>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Adds a tensor. `shape` is fastest first; `data` is the packed data of `kind`.
    ///
    /// # Panics
    /// If `data` has not exactly the bytes that `kind` and `shape` ask for: this is a bug of the caller.
    pub fn with_tensor(mut self, name: &str, kind: TensorType, shape: &[u64], data: impl Into<Cow<'a, [u8]>>) -> Self {
        let data = data.into();
        assert_eq!(Ok(data.len() as u64), data_bytes(kind, shape), "{name}: bytes of data for {kind} {shape:?}");
        self.tensors.push(Tensor { name: name.into(), kind, shape: shape.into(), data });
        self
    }

    /// The whole file in memory.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_to(&mut out).expect("writing to memory does not fail");
        out
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Those of `out`; what was written until then is no valid file.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let header = self.header();
        out.write_all(&header)?;
        let mut written = header.len();
        for tensor in &self.tensors {
            pad(out, &mut written)?;
            out.write_all(&tensor.data)?;
            written += tensor.data.len();
        }
        // ggml reads the data section as one piece that ends at a multiple of the alignment.
        pad(out, &mut written)
    }

    fn header(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(b"GGUF");
        out.extend(VERSION.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            string(&mut out, key.as_bytes());
            value.write(&mut out);
        }
        let mut offset = 0_usize;
        for tensor in &self.tensors {
            string(&mut out, tensor.name.as_bytes());
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            tensor.shape.iter().for_each(|size| out.extend(size.to_le_bytes()));
            out.extend(tensor.kind.number().to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset = (offset + tensor.data.len()).next_multiple_of(ALIGNMENT);
        }
        out
    }
}

impl MetaValue {
    fn write(&self, out: &mut Vec<u8>) {
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
        }
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

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

fn pad(out: &mut dyn Write, written: &mut usize) -> io::Result<()> {
    let padding = written.next_multiple_of(ALIGNMENT) - *written;
    out.write_all(&[0; ALIGNMENT][..padding])?;
    *written += padding;
    Ok(())
}
