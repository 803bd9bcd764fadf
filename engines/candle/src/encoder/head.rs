//! What stands on an encoder: labels of tokens, scores of texts.

use candle_core::{Device, Result, Tensor};

use super::{
    config::{Config, Kind, Task},
    kernels::{Activate, Activation, Norm},
    model::{Encoder, Packed},
    weights::{Finder, Linear},
};

/// One or two layers on hidden states.
pub(super) struct Head {
    dense: Option<(Linear, Activation, Option<Norm>)>,
    out: Linear,
}

impl Head {
    /// The head that this architecture has for its task.
    pub fn load(finder: &Finder<'_>, config: &Config) -> Result<Self> {
        let (root, hidden, outputs) = (finder.root(), config.hidden, config.labels.len());
        let dense = |at: &Finder<'_>, name: &str, activation| -> Result<_> {
            Ok(Some((at.linear(hidden, hidden, name)?, activation, None)))
        };
        let (dense, out) = match (config.kind, config.task) {
            (Kind::ModernBert, _) => {
                let linear = root.linear(hidden, hidden, "head.dense")?;
                let norm = root.norm(hidden, "head.norm", config.eps)?;
                (Some((linear, config.head_activation, Some(norm))), "classifier")
            }
            (_, Task::Tag | Task::Embed) => (None, "classifier"),
            (Kind::Bert, Task::Score) => (dense(finder, "pooler.dense", Activation::Tanh)?, "classifier"),
            (Kind::DistilBert, Task::Score) => (dense(&root, "pre_classifier", Activation::Relu)?, "classifier"),
            (Kind::Roberta | Kind::Mpnet, Task::Score) => {
                (dense(&root, "classifier.dense", Activation::Tanh)?, "classifier.out_proj")
            }
        };
        Ok(Self { dense, out: root.linear(hidden, outputs, out)? })
    }

    /// `[rows, hidden]` to `[rows, outputs]`, row after row. Changes nothing in `states`.
    pub fn apply(&self, states: &Tensor) -> Result<Vec<f32>> {
        let inner = match &self.dense {
            None => states.clone(),
            Some((linear, activation, norm)) => {
                let inner = linear.product(states)?;
                inner.inplace_op1(&Activate { bias: &linear.bias, activation: Some(*activation) })?;
                if let Some(norm) = norm {
                    inner.inplace_op1(norm)?;
                }
                inner
            }
        };
        self.out.forward(&inner)?.flatten_all()?.to_vec1()
    }
}

impl Encoder {
    /// The outputs of each sequence of `packed`, one sequence after the other: its first token's, or its mean's.
    pub fn outputs(&self, head: &Head, packed: &Packed) -> Result<Vec<f32>> {
        let (states, hidden) = (self.forward(packed)?.flatten_all()?.to_vec1::<f32>()?, self.config.hidden);
        let mut rows = vec![0.0f32; packed.sequences.len() * hidden];
        for (row, sequence) in rows.chunks_exact_mut(hidden).zip(&packed.sequences) {
            let own = &states[sequence.start * hidden..sequence.end * hidden];
            if self.config.mean_pooled {
                super::pooling::mean(own, hidden, row);
            } else {
                row.copy_from_slice(&own[..hidden]);
            }
        }
        head.apply(&Tensor::from_vec(rows, (packed.sequences.len(), hidden), &Device::Cpu)?)
    }
}

/// Turns a row of outputs into probabilities.
pub(super) fn softmax(row: &mut [f32]) {
    let most = row.iter().fold(f32::NEG_INFINITY, |most, &x| most.max(x));
    row.iter_mut().for_each(|x| *x = (*x - most).exp());
    let total: f32 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= total);
}
