//! A GGUF file, mapped, and its tensors as the model asks for them.
//!
//! Every tensor is asked for by name and shape; one that nobody asked for would silently be left out of the computation,
//! so it is an error too.

use std::{borrow::Cow, cell::RefCell, collections::HashSet, ops::Range, path::Path, sync::Arc};

use tern_gguf::{
    Header, TensorInfo, TensorType,
    blocks::{
        self,
        ternary::{I2s, Matrix, Order, TernaryError},
    },
};

use crate::{error::Refusal, raw::Map};

/// An open model file.
pub(crate) struct ModelFile {
    header: Header,
    map: Arc<Map>,
    order: Order,
    asked: RefCell<HashSet<String>>,
}

/// The codes of a ternary matrix in the I2_S layout of blocks of 128, and its scale.
pub(crate) struct Ternary<'a> {
    /// `k / 4` bytes a row.
    pub codes: Cow<'a, [u8]>,
    /// What a product is multiplied by.
    pub scale: f32,
    /// Where it lies in the file, to give its pages back after packing.
    pub place: Range<usize>,
}

/// A matrix whose rows are read one by one or streamed: the embedding and the head.
#[derive(Clone)]
pub(crate) struct Rows {
    /// How a row is packed.
    pub kind: TensorType,
    /// Number of rows.
    pub count: usize,
    /// Values of a row.
    pub width: usize,
    data: Data,
}

#[derive(Clone)]
enum Data {
    Mapped(Arc<Map>, Range<usize>),
    Owned(Arc<[u8]>),
}

impl Rows {
    /// Rows that were made, not read.
    pub fn owned(kind: TensorType, count: usize, width: usize, data: Vec<u8>) -> Self {
        Self { kind, count, width, data: Data::Owned(data.into()) }
    }

    /// All rows.
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Mapped(map, range) => &map.bytes()[range.clone()],
            Data::Owned(data) => data,
        }
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.bytes().len() / self.count
    }

    /// Gives back the memory of rows that are not needed soon, if it is the file's.
    pub fn release(&self, rows: Range<usize>) {
        if let Data::Mapped(map, range) = &self.data {
            let stride = self.row_bytes();
            map.release(range.start + rows.start * stride..range.start + rows.end * stride);
        }
    }

    /// The values of row `row` into `out` `[width]`.
    pub fn read(&self, row: usize, out: &mut [f32]) {
        let stride = self.row_bytes();
        let packed = &self.bytes()[row * stride..][..stride];
        blocks::dequantize(self.kind, packed, out).expect("the type and the shape were checked at load");
    }
}

impl ModelFile {
    /// Reads the header and maps the file.
    ///
    /// # Errors
    /// What is wrong with the header, or what the system says.
    pub fn open(path: &Path, order: Order) -> Result<Self, Refusal> {
        let header = Header::read(path).map_err(|error| Refusal::Invalid(error.to_string()))?;
        let map = Map::open(path).map_err(|error| Refusal::Invalid(format!("cannot be mapped: {error}")))?;
        let end = header.tensors().iter().map(TensorInfo::end).max().unwrap_or(0);
        if (map.bytes().len() as u64) < end {
            return Err(Refusal::Invalid(format!("the file ends at {} and its tensors at {end}", map.bytes().len())));
        }
        Ok(Self { header, map: Arc::new(map), order, asked: RefCell::default() })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Gives back the pages of a part that has been read.
    pub fn release(&self, place: Range<usize>) {
        self.map.release(place);
    }

    /// The tensor of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<&TensorInfo> {
        self.asked.borrow_mut().insert(name.into());
        self.header.tensor(name)
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<&TensorInfo, Refusal> {
        let found = self.find(name).ok_or_else(|| Refusal::Invalid(format!("{name}: missing, expected {shape:?}")))?;
        if found.shape.iter().map(|&n| n as usize).ne(shape.iter().copied()) {
            return Err(Refusal::Invalid(format!("{name}: shape {:?}, expected {shape:?}", found.shape)));
        }
        Ok(found)
    }

    fn bytes(&self, tensor: &TensorInfo) -> &[u8] {
        // `open` has compared the end of every tensor with the mapping.
        &self.map.bytes()[tensor.range()]
    }

    /// A vector of `len` floats.
    pub fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, Refusal> {
        let tensor = self.tensor(name, &[len])?;
        if !matches!(tensor.kind, TensorType::F32 | TensorType::F16 | TensorType::BF16) {
            return Err(Refusal::Unsupported(format!("{name}: type {}, expected F32, F16 or BF16", tensor.kind)));
        }
        let mut values = vec![0.0; len];
        blocks::dequantize(tensor.kind, self.bytes(tensor), &mut values)
            .expect("plain types have values of any number");
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                Err(Refusal::Invalid(format!("{name}: value {at} is {}, expected a finite number", values[at])))
            }
            None => Ok(values),
        }
    }

    /// The factor beside a matrix that some converters write.
    pub fn factor(&self, name: &str) -> Result<f32, Refusal> {
        if self.find(name).is_none() {
            return Ok(1.0);
        }
        Ok(self.vector(name, 1)?[0])
    }

    /// A ternary matrix of `rows` outputs and `columns` inputs.
    pub fn ternary(&self, name: &str, rows: usize, columns: usize) -> Result<Ternary<'_>, Refusal> {
        let tensor = self.tensor(name, &[columns, rows])?;
        let data = self.bytes(tensor);
        let wrong = |error: TernaryError| match &error {
            TernaryError::Kind { .. } => Refusal::Unsupported(error.to_string()),
            _ => Refusal::Invalid(error.to_string()),
        };
        let place = tensor.range();
        if tensor.kind == TensorType::I2_S && self.order == Order::Blocks128 {
            let checked = I2s::check(name, &tensor.shape, data, self.order).map_err(wrong)?;
            return Ok(Ternary { codes: Cow::Borrowed(checked.codes), scale: checked.scale, place });
        }
        let matrix = Matrix::read(name, tensor.kind, &tensor.shape, data, self.order).map_err(wrong)?;
        let mut codes = matrix.to_i2_s(name).map_err(wrong)?;
        codes.truncate(rows * columns / 4);
        Ok(Ternary { codes: Cow::Owned(codes), scale: matrix.scale, place })
    }

    /// The embedding or a head: `count` rows of `width`.
    pub fn rows(&self, name: &str, count: usize, width: usize) -> Result<Rows, Refusal> {
        let tensor = self.tensor(name, &[width, count])?;
        if !blocks::can_dequantize(tensor.kind) {
            let why = if tensor.kind == TensorType::I2_S { ": ternary embeddings destroy a model" } else { "" };
            return Err(Refusal::Unsupported(format!("{name}: type {}{why}", tensor.kind)));
        }
        let place = tensor.range();
        Ok(Rows { kind: tensor.kind, count, width, data: Data::Mapped(Arc::clone(&self.map), place) })
    }

    /// Fails if the file has a tensor that nobody asked for.
    pub fn nothing_left(&self) -> Result<(), Refusal> {
        let asked = self.asked.borrow();
        match self.header.tensors().iter().find(|tensor| !asked.contains(&tensor.name)) {
            None => Ok(()),
            Some(tensor) => Err(Refusal::Unsupported(format!(
                "{}: type {}, shape {:?}: this graph has no such tensor, and leaving it out would give wrong text",
                tensor.name, tensor.kind, tensor.shape
            ))),
        }
    }
}
