//! Tensors of safetensors files, read when asked for.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | length of the header, little-endian |
//! | ... | header: JSON, `{"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {...}}` |
//! | ... | data; offsets count from here |

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde_json::Value;
use tern_gguf::blocks::half;

use crate::{FolderError, Json, shown};

/// Longest header: what the format's own library allows.
const HEADER_MOST: u64 = 100_000_000;
const SINGLE: &str = "model.safetensors";
const PICKLE: &str = "pytorch_model.bin";
const INDEX: &str = "model.safetensors.index.json";

/// How values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 32-bit floats without their lower half.
    BF16,
    /// Bytes; also signed ones, as some writers call packed codes.
    U8,
    /// Whole numbers of 64 bits: positions that some models carry along.
    I64,
}

impl Dtype {
    /// Bytes of a value.
    pub fn bytes(self) -> u64 {
        match self {
            Self::I64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::U8 => 1,
        }
    }
}

/// A tensor: outputs first, as PyTorch has it.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// How its values are stored.
    pub dtype: Dtype,
    /// Its dimensions.
    pub shape: Vec<usize>,
    file: usize,
    begin: u64,
}

impl Tensor {
    /// Number of values; it fits, as the file holds them.
    pub fn values(&self) -> usize {
        self.shape.iter().product()
    }

    /// Where value `at` is in a matrix of `columns`, for a message.
    pub fn place(&self, at: usize, columns: usize) -> String {
        format!("{} row {} column {}", self.name, at / columns, at % columns)
    }

    /// For a message.
    pub fn shown(&self) -> String {
        format!("{:?} {:?}", self.dtype, self.shape)
    }
}

/// All tensors of a folder.
#[derive(Debug)]
pub struct Weights {
    files: Vec<(PathBuf, File)>,
    tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Reads the headers of `model.safetensors`, or of the files that the index names.
    ///
    /// # Errors
    /// When a file is missing, truncated, or its header says something else than it holds.
    pub fn open(folder: &Path) -> Result<Self, FolderError> {
        let mut names = vec![SINGLE.to_owned()];
        if !folder.join(SINGLE).exists() {
            let index = Json::read_if_there(folder, INDEX)?;
            let map = index.at("weight_map").as_object();
            names = map.into_iter().flatten().filter_map(|(_, file)| file.as_str().map(str::to_owned)).collect();
            names.sort_unstable();
            names.dedup();
            if names.is_empty() {
                // A pickle is a program: it is not opened.
                let (got, more) = match folder.join(PICKLE).exists() {
                    true => (PICKLE, "; save the model again with save_pretrained(FOLDER, safe_serialization=True)"),
                    false => ("none", ""),
                };
                return Err(FolderError::wrong(folder, "weights", got, format!("{SINGLE} or {INDEX}{more}")));
            }
        }
        let mut weights = Self { files: Vec::new(), tensors: BTreeMap::new() };
        for name in names {
            if Path::new(&name).components().count() != 1 || name.starts_with('.') {
                let index = folder.join(INDEX);
                return Err(FolderError::wrong(&index, "weight_map", format!("{name:?}"), "names of files beside it"));
            }
            weights.add(&folder.join(name))?;
        }
        Ok(weights)
    }

    fn add(&mut self, path: &Path) -> Result<(), FolderError> {
        let io = || FolderError::io("cannot read", path);
        let mut file = File::open(path).map_err(io())?;
        let file_len = file.metadata().map_err(io())?.len();
        let wrong = |got: String, expected: &str| FolderError::wrong(path, "header", got, expected);
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(io())?;
        let length = u64::from_le_bytes(length);
        if length > HEADER_MOST.min(file_len.saturating_sub(8)) {
            let expected = "a header within the file; it is truncated or no safetensors file";
            return Err(wrong(format!("{length} bytes in a file of {file_len}"), expected));
        }
        let mut text = vec![0; length as usize];
        file.read_exact(&mut text).map_err(io())?;
        let header: Value =
            serde_json::from_slice(&text).map_err(|source| FolderError::Json { path: path.into(), source })?;
        let header = header.as_object().ok_or_else(|| wrong("no object".into(), "names of tensors"))?;
        for (name, about) in header.iter().filter(|(name, _)| *name != "__metadata__") {
            let tensor = self
                .tensor(name, about, 8 + length, file_len)
                .map_err(|expected| FolderError::wrong(path, name.clone(), shown(about), expected))?;
            if self.tensors.insert(name.clone(), tensor).is_some() {
                return Err(FolderError::wrong(path, name.clone(), "a second one", "each tensor in one file only"));
            }
        }
        self.files.push((path.into(), file));
        Ok(())
    }

    /// One entry of a header, or what it should be.
    fn tensor(&self, name: &str, about: &Value, data: u64, file_len: u64) -> Result<Tensor, &'static str> {
        let dtype = match about["dtype"].as_str() {
            Some("F32") => Dtype::F32,
            Some("F16") => Dtype::F16,
            Some("BF16") => Dtype::BF16,
            Some("U8" | "I8" | "BOOL") => Dtype::U8,
            Some("I64" | "U64") => Dtype::I64,
            _ => return Err("dtype F32, F16, BF16, I64 or U8"),
        };
        let numbers = |value: &Value| -> Option<Vec<u64>> { value.as_array()?.iter().map(Value::as_u64).collect() };
        let shape = numbers(&about["shape"]).ok_or("a shape")?;
        let &[begin, end] = &numbers(&about["data_offsets"]).ok_or("two data_offsets")?[..] else {
            return Err("two data_offsets");
        };
        let bytes = shape.iter().try_fold(dtype.bytes(), |bytes, &size| bytes.checked_mul(size));
        let begin_in_file = data.checked_add(begin);
        let end_in_file = data.checked_add(end).filter(|&end| end <= file_len);
        let (Some(bytes), Some(begin_in_file), Some(_)) = (bytes, begin_in_file, end_in_file) else {
            return Err("data within the file; it is truncated or damaged");
        };
        if end.checked_sub(begin) != Some(bytes) {
            return Err("as many bytes as the shape asks for");
        }
        let shape = shape.into_iter().map(|size| size as usize).collect();
        Ok(Tensor { name: name.into(), dtype, shape, file: self.files.len(), begin: begin_in_file })
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The file of a tensor, for messages.
    pub fn path(&self, tensor: &Tensor) -> &Path {
        &self.files[tensor.file].0
    }

    /// All tensors, by name.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.tensors.values()
    }

    /// The bytes of `count` values from value `first` on.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn bytes(&self, tensor: &Tensor, first: usize, count: usize) -> Result<Vec<u8>, FolderError> {
        let (path, file) = &self.files[tensor.file];
        let io = || FolderError::io("cannot read", path);
        let size = tensor.dtype.bytes();
        let mut bytes = vec![0; count * size as usize];
        let mut file = file;
        file.seek(SeekFrom::Start(tensor.begin + first as u64 * size)).map_err(io())?;
        file.read_exact(&mut bytes).map_err(io())?;
        Ok(bytes)
    }

    /// `count` values from value `first` on, as floats.
    ///
    /// # Errors
    /// As [`Weights::bytes`], and for a tensor of whole numbers.
    pub fn floats(&self, tensor: &Tensor, first: usize, count: usize) -> Result<Vec<f32>, FolderError> {
        let bytes = self.bytes(tensor, first, count)?;
        let pair = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
        Ok(match tensor.dtype {
            Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => bytes.chunks_exact(2).map(|bytes| half::from_f16(pair(bytes))).collect(),
            Dtype::BF16 => bytes.chunks_exact(2).map(|bytes| half::from_bf16(pair(bytes))).collect(),
            Dtype::U8 | Dtype::I64 => {
                return Err(FolderError::wrong(self.path(tensor), &*tensor.name, tensor.shown(), "floats"));
            }
        })
    }
}
