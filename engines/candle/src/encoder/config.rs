//! What `config.json` says of an encoder, in one form for all of them.

use tern_engine::EngineError;
use tern_folder::{Json, shown};

use super::kernels::Activation;

/// Longest sequence and widest layer that are believed.
const MOST: u32 = 1 << 18;

/// Which of the architectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bert,
    DistilBert,
    /// Also XLM-RoBERTa and CamemBERT.
    Roberta,
    Mpnet,
    ModernBert,
}

/// What stands on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Nothing, or what only its training needed: vectors of texts.
    Embed,
    /// A label for each token.
    Tag,
    /// A score for two texts.
    Score,
}

/// Names in `architectures`, with what they are.
const KNOWN: [(&str, Kind, Task); 24] = [
    ("BertModel", Kind::Bert, Task::Embed),
    ("BertForMaskedLM", Kind::Bert, Task::Embed),
    ("BertForPreTraining", Kind::Bert, Task::Embed),
    ("BertForTokenClassification", Kind::Bert, Task::Tag),
    ("BertForSequenceClassification", Kind::Bert, Task::Score),
    ("DistilBertModel", Kind::DistilBert, Task::Embed),
    ("DistilBertForMaskedLM", Kind::DistilBert, Task::Embed),
    ("DistilBertForTokenClassification", Kind::DistilBert, Task::Tag),
    ("DistilBertForSequenceClassification", Kind::DistilBert, Task::Score),
    ("RobertaModel", Kind::Roberta, Task::Embed),
    ("RobertaForMaskedLM", Kind::Roberta, Task::Embed),
    ("RobertaForTokenClassification", Kind::Roberta, Task::Tag),
    ("RobertaForSequenceClassification", Kind::Roberta, Task::Score),
    ("XLMRobertaModel", Kind::Roberta, Task::Embed),
    ("XLMRobertaForTokenClassification", Kind::Roberta, Task::Tag),
    ("XLMRobertaForSequenceClassification", Kind::Roberta, Task::Score),
    ("MPNetModel", Kind::Mpnet, Task::Embed),
    ("MPNetForMaskedLM", Kind::Mpnet, Task::Embed),
    ("MPNetForTokenClassification", Kind::Mpnet, Task::Tag),
    ("MPNetForSequenceClassification", Kind::Mpnet, Task::Score),
    ("ModernBertModel", Kind::ModernBert, Task::Embed),
    ("ModernBertForMaskedLM", Kind::ModernBert, Task::Embed),
    ("ModernBertForTokenClassification", Kind::ModernBert, Task::Tag),
    ("ModernBertForSequenceClassification", Kind::ModernBert, Task::Score),
];

/// The names alone.
pub(super) const ARCHITECTURES: [&str; KNOWN.len()] = {
    let mut names = [""; KNOWN.len()];
    let mut i = 0;
    while i < KNOWN.len() {
        names[i] = KNOWN[i].0;
        i += 1;
    }
    names
};

/// How a layer knows where its tokens are, for ModernBERT.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reach {
    /// Of the rotary positions.
    pub theta: f64,
    /// Keys further away are not seen.
    pub window: Option<usize>,
}

/// An encoder.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub architecture: &'static str,
    pub kind: Kind,
    pub task: Task,
    pub vocab_size: usize,
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    pub intermediate: usize,
    pub activation: Activation,
    pub eps: f32,
    /// Rows of the table of positions; for rotary ones, as many as are computed.
    pub positions: usize,
    /// The position of the first token.
    pub first_position: usize,
    /// 0: there are none.
    pub types: usize,
    /// For each layer; empty but for ModernBERT.
    pub reach: Vec<Reach>,
    /// Names of the outputs; empty for [`Task::Embed`].
    pub labels: Vec<String>,
    /// Whether scores are taken from the mean of all tokens, not from the first.
    pub mean_pooled: bool,
    /// Of the head of ModernBERT.
    pub head_activation: Activation,
}

impl Config {
    /// Reads it.
    pub fn read(json: &Json) -> Result<Self, EngineError> {
        let named = json.at("architectures").as_array().into_iter().flatten().filter_map(|name| name.as_str());
        let known = named.into_iter().find_map(|name| KNOWN.iter().find(|(known, ..)| *known == name));
        let &(architecture, kind, task) =
            known.ok_or_else(|| json.wrong::<EngineError>("architectures", ARCHITECTURES.join(", ")))?;
        let field = |usual, distil| if kind == Kind::DistilBert { distil } else { usual };
        let size = |name: &str| -> Result<usize, EngineError> {
            match json.size(name)? {
                size if size <= MOST => Ok(size as usize),
                _ => Err(json.wrong(name, format!("at most {MOST}"))),
            }
        };
        let vocab_size = json.size("vocab_size")? as usize;
        let hidden = size(field("hidden_size", "dim"))?;
        let layers = size(field("num_hidden_layers", "n_layers"))?;
        let heads_field = field("num_attention_heads", "n_heads");
        let heads = size(heads_field)?;
        if !hidden.is_multiple_of(heads) {
            return Err(json.wrong(heads_field, format!("a divisor of the hidden size {hidden}")));
        }
        if layers > 1000 {
            return Err(json.wrong(field("num_hidden_layers", "n_layers"), "at most 1000"));
        }
        let activation = |name: &str, usual: Option<Activation>| -> Result<Activation, EngineError> {
            match (json.at(name).as_str(), usual) {
                (None, Some(usual)) if json.at(name).is_null() => Ok(usual),
                (Some(text), _) if Activation::named(text).is_some() => {
                    Activation::named(text).ok_or_else(|| json.wrong(name, "an activation"))
                }
                _ => Err(json.wrong(name, "gelu, gelu_new, relu, silu or tanh")),
            }
        };
        let act_field = match kind {
            Kind::DistilBert => "activation",
            Kind::ModernBert => "hidden_activation",
            _ => "hidden_act",
        };
        let position_kind = json.at("position_embedding_type");
        if !position_kind.is_null() && position_kind != "absolute" {
            return Err(json.wrong("position_embedding_type", "absolute"));
        }
        let eps_field = if kind == Kind::ModernBert { "norm_eps" } else { "layer_norm_eps" };
        let usual_eps = if kind == Kind::ModernBert { 1e-5 } else { 1e-12 };
        let offset = match kind {
            Kind::Roberta => json.at("pad_token_id").as_u64().unwrap_or(1).min(u64::from(MOST)) as usize + 1,
            Kind::Mpnet => 2,
            _ => 0,
        };
        let positions = size("max_position_embeddings")?;
        if offset >= positions {
            return Err(json.wrong("max_position_embeddings", format!("more than {offset}, the first position")));
        }
        let types = match kind {
            Kind::Bert | Kind::Roberta => json.size_if_there("type_vocab_size")?.unwrap_or(2) as usize,
            _ => 0,
        };
        Ok(Self {
            architecture,
            kind,
            task,
            vocab_size,
            hidden,
            layers,
            heads,
            intermediate: size(field("intermediate_size", "hidden_dim"))?,
            activation: activation(act_field, Some(Activation::Gelu))?,
            eps: json.at(eps_field).as_f64().unwrap_or(usual_eps) as f32,
            positions,
            first_position: offset,
            types,
            reach: if kind == Kind::ModernBert { reach(json, layers)? } else { Vec::new() },
            labels: if task == Task::Embed { Vec::new() } else { labels(json)? },
            mean_pooled: json.at("classifier_pooling") == "mean",
            head_activation: activation("classifier_activation", Some(Activation::Gelu))?,
        })
    }

    /// Most tokens of a sequence.
    pub fn max_tokens(&self) -> usize {
        self.positions - self.first_position
    }
}

/// Which layers of a ModernBERT see everything, and the base of their positions; both spellings of transformers.
fn reach(json: &Json, layers: usize) -> Result<Vec<Reach>, EngineError> {
    let base = |old: &str, kind: &str, usual: f64| {
        let new = format!("rope_parameters.{kind}.rope_theta");
        json.at(&new).as_f64().or(json.at(old).as_f64()).unwrap_or(usual)
    };
    let global = Reach { theta: base("global_rope_theta", "full_attention", 160_000.0), window: None };
    let theta = match json.at("local_rope_theta") {
        theta if theta.is_null() => base("", "sliding_attention", 10_000.0),
        theta => theta.as_f64().unwrap_or(global.theta),
    };
    let width = json.size_if_there("local_attention")?.unwrap_or(128) as usize;
    let local = Reach { theta, window: Some(width / 2) };
    if let Some(types) = json.at("layer_types").as_array() {
        let reach: Vec<_> = types.iter().map(|kind| if kind == "full_attention" { global } else { local }).collect();
        return if reach.len() == layers {
            Ok(reach)
        } else {
            Err(json.wrong("layer_types", format!("{layers} entries")))
        };
    }
    let every = json.size_if_there("global_attn_every_n_layers")?.unwrap_or(3) as usize;
    Ok((0..layers).map(|layer| if layer % every == 0 { global } else { local }).collect())
}

/// The names of the outputs in their order; `LABEL_n` where there are none, as transformers calls them.
fn labels(json: &Json) -> Result<Vec<String>, EngineError> {
    let Some(named) = json.at("id2label").as_object() else {
        let count = json.size_if_there("num_labels")?.unwrap_or(2);
        return Ok((0..count.min(1 << 16)).map(|i| format!("LABEL_{i}")).collect());
    };
    (0..named.len())
        .map(|i| {
            let name = named.get(&i.to_string());
            name.and_then(|name| name.as_str()).map(str::to_owned).ok_or_else(|| {
                let got = name.map_or_else(|| "nothing".into(), shown);
                json.wrong("id2label", format!("a name for each of 0 to {}, not {got} for {i}", named.len() - 1))
            })
        })
        .collect()
}
