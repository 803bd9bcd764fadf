//! Writes GGUF files, version 3: metadata and tensors in the order given, each tensor at a multiple of 32 bytes.
//!
//! [`Writer`] holds all data and is for small files; [`Plan`] takes the data of one tensor after the other.

mod atomic;
mod plan;
mod value;

use std::{
    borrow::Cow,
    io::{self, Write},
};

pub use self::{
    atomic::Atomic,
    plan::{Plan, Sink},
    value::MetaValue,
};
use crate::TensorType;

const VERSION: u32 = 3;
const ALIGNMENT: u64 = 32;

/// A file to be written.
#[derive(Debug, Clone, Default)]
pub struct Writer<'a> {
    plan: Plan,
    data: Vec<(String, Cow<'a, [u8]>)>,
}

impl<'a> Writer<'a> {
    /// A file of this architecture with nothing else in it.
    pub fn new(architecture: &str) -> Self {
        Self { plan: Plan::new(architecture), data: Vec::new() }
    }

    /// Adds a key.
    pub fn with(mut self, key: &str, value: impl Into<MetaValue>) -> Self {
        self.plan.key(key, value);
        self
    }

    /// Adds a tensor. `shape` is fastest first; `data` is the packed data of `kind`.
    ///
    /// # Panics
    /// If `data` has not exactly the bytes that `kind` and `shape` ask for: this is a bug of the caller.
    pub fn with_tensor(mut self, name: &str, kind: TensorType, shape: &[u64], data: impl Into<Cow<'a, [u8]>>) -> Self {
        let data = data.into();
        let expected = self.plan.tensor(name, kind, shape);
        assert_eq!(Ok(data.len() as u64), expected, "{name}: bytes of data for {kind} {shape:?}");
        self.data.push((name.into(), data));
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
        let mut sink = self.plan.clone().begin(out)?;
        self.data.iter().try_for_each(|(name, data)| sink.data(name, data))?;
        sink.finish().map(drop)
    }
}
