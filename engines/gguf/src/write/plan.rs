//! A file that is written piece by piece: everything but the data of the tensors is known first.

use std::io::{self, Write};

use super::{
    ALIGNMENT, VERSION,
    value::{MetaValue, string},
};
use crate::{TensorType, tensors::data_bytes};

/// Metadata and the table of tensors of a file to be written.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    metadata: Vec<(String, MetaValue)>,
    tensors: Vec<Tensor>,
}

#[derive(Debug, Clone)]
struct Tensor {
    name: String,
    kind: TensorType,
    shape: Vec<u64>,
    bytes: u64,
}

impl Plan {
    /// A file of this architecture with nothing else in it.
    pub fn new(architecture: &str) -> Self {
        let mut plan = Self::default();
        plan.key("general.architecture", architecture);
        plan
    }

    /// Adds a key.
    pub fn key(&mut self, key: &str, value: impl Into<MetaValue>) {
        self.metadata.push((key.into(), value.into()));
    }

    /// Adds a tensor behind the others; `shape` is fastest first. Gives the bytes of its data, or says what its shape
    /// should be.
    ///
    /// # Errors
    /// A text for the middle of a message: "expected ...".
    pub fn tensor(&mut self, name: &str, kind: TensorType, shape: &[u64]) -> Result<u64, String> {
        let bytes = data_bytes(kind, shape)?;
        self.tensors.push(Tensor { name: name.into(), kind, shape: shape.into(), bytes });
        Ok(bytes)
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        let aligned = |bytes: u64| bytes.next_multiple_of(ALIGNMENT);
        aligned(self.header().len() as u64) + self.tensors.iter().map(|tensor| aligned(tensor.bytes)).sum::<u64>()
    }

    /// Writes the header. What follows is the data of the tensors, in order.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn begin<W: Write>(self, mut out: W) -> io::Result<Sink<W>> {
        let header = self.header();
        out.write_all(&header)?;
        let mut sink = Sink { out, tensors: self.tensors, at: 0, written: 0 };
        sink.pad(header.len() as u64)?;
        Ok(sink)
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
        let mut offset = 0_u64;
        for tensor in &self.tensors {
            string(&mut out, tensor.name.as_bytes());
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            tensor.shape.iter().for_each(|size| out.extend(size.to_le_bytes()));
            out.extend(tensor.kind.number().to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset = (offset + tensor.bytes).next_multiple_of(ALIGNMENT);
        }
        out
    }
}

/// Where the data of a plan's tensors goes, one after the other.
#[derive(Debug)]
pub struct Sink<W> {
    out: W,
    tensors: Vec<Tensor>,
    // The tensor being written, and how much of it is.
    at: usize,
    written: u64,
}

impl<W: Write> Sink<W> {
    /// Writes the next bytes of the tensor of this name, all of them or a part.
    ///
    /// # Errors
    /// Those of the file.
    ///
    /// # Panics
    /// If it is another tensor's turn, or these are more bytes than it has left: bugs of the caller.
    pub fn data(&mut self, name: &str, data: &[u8]) -> io::Result<()> {
        let tensor = self.tensors.get(self.at).unwrap_or_else(|| panic!("{name}: all tensors are written already"));
        assert_eq!(tensor.name, name, "it is the turn of another tensor");
        let (bytes, written) = (tensor.bytes, self.written + data.len() as u64);
        assert!(written <= bytes, "{name}: {written} bytes of data, expected {bytes}");
        self.out.write_all(data)?;
        self.written = written;
        if written == bytes {
            // ggml reads the data section as one piece that ends at a multiple of the alignment.
            self.pad(bytes)?;
            (self.at, self.written) = (self.at + 1, 0);
        }
        Ok(())
    }

    /// Ends the file, and gives back what it was written to.
    ///
    /// # Errors
    /// Those of the file.
    ///
    /// # Panics
    /// If a tensor lacks data: a bug of the caller.
    pub fn finish(mut self) -> io::Result<W> {
        let missing = self.tensors.get(self.at).map(|tensor| &tensor.name);
        assert_eq!(missing, None, "the data of a tensor is missing");
        self.out.flush()?;
        Ok(self.out)
    }

    fn pad(&mut self, written: u64) -> io::Result<()> {
        let padding = written.next_multiple_of(ALIGNMENT) - written;
        self.out.write_all(&[0; ALIGNMENT as usize][..padding as usize])
    }
}
