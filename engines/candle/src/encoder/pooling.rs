//! From the states of a text's tokens to one vector: what `modules.json` of a sentence-transformers folder lists.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use tern_engine::{EngineError, Progress};
use tern_folder::Json;

use super::{kernels::Activate, kernels::Activation, weights::Linear};
use crate::source::Source;

/// Which vector stands for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    First,
    Mean,
    Max,
    Last,
    /// Later tokens weigh more, in proportion to their position.
    WeightedMean,
    /// The sum divided by the square root of the length.
    RootMean,
}

/// The fields of `1_Pooling/config.json`, in the order in which their vectors are joined.
const FIELDS: [(&str, Pooling); 6] = [
    ("pooling_mode_cls_token", Pooling::First),
    ("pooling_mode_max_tokens", Pooling::Max),
    ("pooling_mode_mean_tokens", Pooling::Mean),
    ("pooling_mode_mean_sqrt_len_tokens", Pooling::RootMean),
    ("pooling_mode_weightedmean_tokens", Pooling::WeightedMean),
    ("pooling_mode_lasttoken", Pooling::Last),
];

/// The names of newer files.
const NAMES: [(&str, Pooling); 6] = [
    ("cls", Pooling::First),
    ("max", Pooling::Max),
    ("mean", Pooling::Mean),
    ("mean_sqrt_len_tokens", Pooling::RootMean),
    ("weightedmean", Pooling::WeightedMean),
    ("lasttoken", Pooling::Last),
];

/// A layer on the pooled vector.
#[derive(Debug)]
pub(super) struct Dense {
    linear: Linear,
    activation: Option<Activation>,
    outputs: usize,
}

/// How a folder's vectors are made.
#[derive(Debug)]
pub(super) struct Recipe {
    /// Joined behind each other, if there are several.
    pub pooling: Vec<Pooling>,
    pub dense: Vec<Dense>,
    /// Most tokens of a text that the folder wants, if it says so.
    pub max_tokens: Option<usize>,
    /// Names of prompts that the model was trained with. They are never put before a text here: a client does that.
    pub prompts: Vec<String>,
}

impl Recipe {
    /// Reads `modules.json` and what it names; the mean of all tokens where there is none.
    pub fn read(folder: &Path, hidden: usize) -> Result<Self, EngineError> {
        let modules = Json::read_if_there(folder, "modules.json")?;
        let mut recipe =
            Self { pooling: vec![Pooling::Mean], dense: Vec::new(), max_tokens: None, prompts: Vec::new() };
        let about = Json::read_if_there(folder, "sentence_bert_config.json")?;
        recipe.max_tokens = about.size_if_there("max_seq_length")?.map(|most| most as usize);
        let prompts = Json::read_if_there(folder, "config_sentence_transformers.json")?;
        if let Some(named) = prompts.at("prompts").as_object() {
            recipe.prompts = named.iter().filter(|(_, text)| *text != "").map(|(name, _)| name.clone()).collect();
        }
        let mut width = hidden;
        for (index, module) in modules.value.as_array().into_iter().flatten().enumerate() {
            let kind = module["type"].as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default();
            let path = module["path"].as_str().unwrap_or_default();
            let inside = Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if !inside {
                return Err(modules.wrong("", format!("folders below it as paths, not {path:?}")));
            }
            let path = folder.join(path);
            match kind {
                "Transformer" if index == 0 => {}
                "Pooling" => {
                    recipe.pooling = pooling(&path, hidden)?;
                    width = hidden * recipe.pooling.len();
                }
                "Dense" => {
                    let dense = Dense::read(&path, width)?;
                    width = dense.outputs;
                    recipe.dense.push(dense);
                }
                // All vectors are brought to length one here.
                "Normalize" => {}
                _ => return Err(modules.wrong("", format!("Transformer, Pooling, Dense and Normalize, not {kind:?}"))),
            }
        }
        Ok(recipe)
    }

    /// Length of a vector.
    pub fn dimensions(&self, hidden: usize) -> usize {
        self.dense.last().map_or(hidden * self.pooling.len(), |dense| dense.outputs)
    }

    /// The vector of a text, from the states `[tokens][hidden]` of its tokens.
    pub fn apply(&self, states: &[f32], hidden: usize) -> candle_core::Result<Vec<f32>> {
        let mut vector = vec![0.0f32; hidden * self.pooling.len()];
        for (pooling, out) in self.pooling.iter().zip(vector.chunks_exact_mut(hidden)) {
            pooling.apply(states, hidden, out);
        }
        for dense in &self.dense {
            let width = vector.len();
            let y = dense.linear.product(&Tensor::from_vec(vector, (1, width), &Device::Cpu)?)?;
            y.inplace_op1(&Activate { bias: &dense.linear.bias, activation: dense.activation })?;
            vector = y.flatten_all()?.to_vec1()?;
        }
        Ok(vector)
    }
}

fn pooling(folder: &Path, hidden: usize) -> Result<Vec<Pooling>, EngineError> {
    let config = Json::read(folder, "config.json")?;
    for field in ["word_embedding_dimension", "embedding_dimension"] {
        if config.size_if_there(field)?.is_some_and(|size| size as usize != hidden) {
            return Err(config.wrong(field, format!("{hidden}, the hidden size of the model")));
        }
    }
    let mut chosen: Vec<_> =
        FIELDS.iter().filter(|(field, _)| config.at(field) == true).map(|(_, pooling)| *pooling).collect();
    for name in tern_folder::one_or_many(config.at("pooling_mode")).iter().filter_map(|name| name.as_str()) {
        match NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, pooling)) => chosen.push(*pooling),
            None => return Err(config.wrong("pooling_mode", NAMES.map(|(name, _)| name).join(", "))),
        }
    }
    if chosen.is_empty() {
        return Err(config.wrong("pooling_mode", "one of the known modes switched on"));
    }
    Ok(chosen)
}

impl Dense {
    fn read(folder: &Path, inputs: usize) -> Result<Self, EngineError> {
        let source = Source::open(folder)?;
        let config = &source.config;
        let outputs = config.size("out_features")? as usize;
        if config.size("in_features")? as usize != inputs {
            return Err(config.wrong("in_features", format!("{inputs}, what comes before it")));
        }
        let named = config.at("activation_function").as_str().unwrap_or("torch.nn.modules.activation.Tanh");
        let activation = match named.rsplit('.').next().unwrap_or_default() {
            "Identity" => None,
            name => Some(Activation::named(&name.to_lowercase()).ok_or_else(|| {
                config.wrong::<EngineError>("activation_function", "Identity, Tanh, GELU, ReLU or SiLU")
            })?),
        };
        let mut go_on = |_: f32| true;
        let progress: Progress<'_> = &mut go_on;
        let linear = source.build(DType::F32, &Device::Cpu, progress, |vb| {
            let weight = vb.get((outputs, inputs), "linear.weight")?.t()?.contiguous()?;
            let bias =
                if vb.contains_tensor("linear.bias") { vb.get(outputs, "linear.bias")?.to_vec1()? } else { Vec::new() };
            Ok(Linear { weight, bias })
        })?;
        Ok(Self { linear, activation, outputs })
    }
}

impl Pooling {
    fn apply(self, states: &[f32], hidden: usize, out: &mut [f32]) {
        let count = states.len() / hidden;
        match self {
            Self::First => out.copy_from_slice(&states[..hidden]),
            Self::Last => out.copy_from_slice(&states[(count - 1) * hidden..]),
            Self::Mean => mean(states, hidden, out),
            Self::RootMean => {
                mean(states, hidden, out);
                out.iter_mut().for_each(|x| *x *= (count as f32).sqrt());
            }
            Self::Max => {
                out.fill(f32::NEG_INFINITY);
                for row in states.chunks_exact(hidden) {
                    out.iter_mut().zip(row).for_each(|(most, x)| *most = most.max(*x));
                }
            }
            Self::WeightedMean => {
                let total = (count * (count + 1) / 2) as f32;
                for (i, row) in states.chunks_exact(hidden).enumerate() {
                    let weight = (i + 1) as f32 / total;
                    out.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * weight);
                }
            }
        }
    }
}

/// The mean of the rows.
pub(super) fn mean(states: &[f32], hidden: usize, out: &mut [f32]) {
    out.fill(0.0);
    for row in states.chunks_exact(hidden) {
        out.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    let count = (states.len() / hidden).max(1) as f32;
    out.iter_mut().for_each(|x| *x /= count);
}
