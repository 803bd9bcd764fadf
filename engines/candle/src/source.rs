//! A model folder: its settings, its weights, and the way from these to candle's tensors.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};
use tern_engine::{EngineError, Progress};
use tern_folder::{Dtype, Json, Weights};

/// A folder that was opened: headers are read, weights are not.
pub(crate) struct Source {
    pub path: PathBuf,
    pub config: Json,
    pub weights: Weights,
}

impl Source {
    /// Reads `config.json` and the headers of the weights.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let config = Json::read(path, "config.json")?;
        let weights = Weights::open(path)?;
        Ok(Self { path: path.to_owned(), config, weights })
    }

    /// Number of weights.
    pub fn parameters(&self) -> u64 {
        self.weights.tensors().map(|tensor| tensor.values() as u64).sum()
    }

    /// Bytes of the weights on disk.
    pub fn bytes(&self) -> u64 {
        self.weights.tensors().map(|tensor| tensor.values() as u64 * tensor.dtype.bytes()).sum()
    }

    /// An error about the folder.
    pub fn invalid(&self, message: impl Into<String>) -> EngineError {
        EngineError::InvalidModel { path: self.path.clone(), message: message.into() }
    }

    /// Builds a model from the tensors of the folder, each converted to `dtype` as it is asked for. `build` gets the
    /// builder; a shape that is not the expected one and a tensor that is not there are errors that name it.
    pub fn build<M>(
        &self,
        dtype: DType,
        device: &Device,
        progress: Progress<'_>,
        build: impl FnOnce(VarBuilder<'_>) -> candle_core::Result<M>,
    ) -> Result<M, EngineError> {
        let cancelled = AtomicBool::new(false);
        let backend = Backend {
            source: self,
            total: self.bytes().max(1),
            done: AtomicU64::new(0),
            progress: Mutex::new(progress),
            cancelled: &cancelled,
        };
        let model = build(VarBuilder::from_backend(Box::new(backend), dtype, device.clone()));
        if cancelled.load(Ordering::Relaxed) {
            return Err(EngineError::Cancelled);
        }
        model.map_err(|error| self.invalid(plain(&error)))
    }
}

/// An error of candle without its backtrace.
pub(crate) fn plain(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => plain(inner),
        candle_core::Error::Context { inner, context } => format!("{context}: {}", plain(inner)),
        other => other.to_string(),
    }
}

/// The folder's tensors, for candle's builders.
struct Backend<'a> {
    source: &'a Source,
    total: u64,
    done: AtomicU64,
    progress: Mutex<Progress<'a>>,
    cancelled: &'a AtomicBool,
}

impl SimpleBackend for Backend<'_> {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        let tensor = self.get_unchecked(name, dtype, device)?;
        if tensor.shape() != &shape {
            candle_core::bail!("tensor {name} has the shape {:?}, expected {shape:?} by config.json", tensor.shape());
        }
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        let weights = &self.source.weights;
        let Some(tensor) = weights.get(name) else { candle_core::bail!("no tensor {name}, which this model has") };
        let kind = match tensor.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::U8 => DType::U8,
            Dtype::I64 => DType::I64,
        };
        let bytes = weights.bytes(tensor, 0, tensor.values()).map_err(candle_core::Error::wrap)?;
        let value = Tensor::from_raw_buffer(&bytes, kind, &tensor.shape, device)?;
        let done = self.done.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64;
        drop(bytes);
        let share = (done as f64 / self.total as f64).min(1.0) as f32;
        let go_on = self.progress.lock().is_ok_and(|mut progress| progress(share));
        if !go_on {
            self.cancelled.store(true, Ordering::Relaxed);
            candle_core::bail!("cancelled");
        }
        value.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.source.weights.get(name).is_some()
    }
}
