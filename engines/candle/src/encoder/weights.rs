//! Weights of every spelling that published folders have.

use candle_core::{DType, Device, Result, Tensor, bail};
use candle_nn::VarBuilder;
use tern_engine::{EngineError, Progress};

use super::kernels::Norm;
use crate::source::Source;

/// A product with its bias.
#[derive(Debug)]
pub(super) struct Linear {
    /// `[inputs, outputs]`: turned around at load, so that a product reads rows.
    pub weight: Tensor,
    /// `[outputs]`, or empty.
    pub bias: Vec<f32>,
}

impl Linear {
    /// `x [rows, inputs]` to `[rows, outputs]`, without the bias: whoever comes next adds it.
    pub fn product(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight)
    }

    /// With the bias.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.product(x)?;
        y.inplace_op1(&super::kernels::Activate { bias: &self.bias, activation: None })?;
        Ok(y)
    }
}

/// Finds tensors below the prefix that a folder has.
pub(super) struct Finder<'a> {
    vb: VarBuilder<'a>,
    /// `bert.`, `roberta.`, ..., or nothing.
    prefix: String,
}

impl<'a> Finder<'a> {
    fn new(vb: VarBuilder<'a>, prefix: String) -> Self {
        Self { vb, prefix }
    }

    /// The same without the prefix, for heads.
    pub fn root(&self) -> Self {
        Self { vb: self.vb.clone(), prefix: String::new() }
    }

    /// Below a folder of names.
    pub fn at(&self, name: &str) -> Self {
        Self { vb: self.vb.clone(), prefix: format!("{}{name}.", self.prefix) }
    }

    pub fn has(&self, name: &str) -> bool {
        self.vb.contains_tensor(&format!("{}{name}", self.prefix))
    }

    fn tensor(&self, shape: &[usize], name: &str) -> Result<Tensor> {
        self.vb.get(shape, &format!("{}{name}", self.prefix))
    }

    /// A list of numbers.
    pub fn row(&self, length: usize, name: &str) -> Result<Vec<f32>> {
        self.tensor(&[length], name)?.to_vec1()
    }

    /// A table of numbers, row after row.
    pub fn table(&self, rows: usize, columns: usize, name: &str) -> Result<Vec<f32>> {
        self.tensor(&[rows, columns], name)?.flatten_all()?.to_vec1()
    }

    /// Several linear layers on the same input as one.
    pub fn joined(&self, inputs: usize, outputs: usize, names: &[&str]) -> Result<Linear> {
        let mut weights = Vec::with_capacity(names.len());
        let mut bias = Vec::new();
        for name in names {
            weights.push(self.tensor(&[outputs, inputs], &format!("{name}.weight"))?);
            if self.has(&format!("{name}.bias")) {
                bias.extend(self.row(outputs, &format!("{name}.bias"))?);
            }
        }
        if !bias.is_empty() && bias.len() != outputs * names.len() {
            bail!("some of {} have a bias, some have none", names.join(", "));
        }
        let weight = Tensor::cat(&weights, 0)?.t()?.contiguous()?;
        Ok(Linear { weight, bias })
    }

    /// A linear layer, with or without bias.
    pub fn linear(&self, inputs: usize, outputs: usize, name: &str) -> Result<Linear> {
        self.joined(inputs, outputs, &[name])
    }

    /// Layer normalisation, also under the names of TensorFlow's days (`gamma`, `beta`).
    pub fn norm(&self, size: usize, name: &str, eps: f32) -> Result<Norm> {
        let old = self.has(&format!("{name}.gamma"));
        let (weight, bias) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        let weight = self.row(size, &format!("{name}.{weight}"))?;
        let bias = format!("{name}.{bias}");
        let bias = if self.has(&bias) { self.row(size, &bias)? } else { Vec::new() };
        Ok(Norm { weight, bias, eps })
    }
}

/// Builds a model from the folder's tensors in float32; `anchor` is the end of the name that tells the prefix.
pub(super) fn build<M>(
    source: &Source,
    anchor: &str,
    progress: Progress<'_>,
    build: impl FnOnce(&Finder<'_>) -> Result<M>,
) -> std::result::Result<M, EngineError> {
    let found = source.weights.names().find_map(|name| name.strip_suffix(anchor));
    let prefix =
        found.ok_or_else(|| source.invalid(format!("no tensor {anchor}, with or without a prefix")))?.to_owned();
    source.build(DType::F32, &Device::Cpu, progress, |vb| build(&Finder::new(vb, prefix)))
}
