//! What the file of a reranker must have: the classifier behind its last layer, and the prompt of a pair.
//!
//! llama.cpp builds the classifier out of the tensors it finds, of an architecture that has one, and then reads as many
//! numbers as the file has labels. With a tensor too few it reads something else without a word, or beyond the end, which
//! aborts (`build_pooling` and `decode` as of llama-cpp-sys-2 0.1.161).

use tern_engine::ModelInfo;
use tern_gguf::{Header, TensorInfo};

use crate::{
    check::Problem::{self, Invalid, Unsupported},
    pairs::Prompt,
    reranker::Score,
};

/// The architectures whose classifier llama.cpp computes as their authors do, and the tensors that it is made of. Not
/// `jina-bert-v2`: llama.cpp computes its classifier without the pooler before it.
const CLASSIFIERS: &[(&str, &[&str])] = &[
    ("bert", &["cls.weight", "cls.output.weight"]),
    ("modern-bert", &["cls.weight", "cls.norm.weight", "cls.output.weight"]),
    ("neo-bert", &["cls.weight", "cls.output.weight"]),
    ("qwen3", &["cls.output.weight"]),
];

/// The prompt of a pair, in llama.cpp's files (`{query}` and `{document}` stand in it).
const PROMPT: &str = "tokenizer.chat_template.rerank";

/// How a reranker is run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ranker {
    /// A token sees only those before it.
    pub(crate) causal: bool,
    pub(crate) score: Score,
    pub(crate) prompt: Prompt,
    /// The model tells a document from a query by a vector that is added to its tokens (BERT's token types), and llama.cpp
    /// adds the query's to all.
    pub(crate) segments: bool,
}

/// Reads it from the headers of a model's files, of which the first has the metadata.
pub(crate) fn read(parts: &[Header], info: &ModelInfo, causal: bool) -> Result<Ranker, Problem> {
    let Some(header) = parts.first() else { return Err(Invalid("no file".into())) };
    let architecture = info.architecture.as_str();
    let key = |name: &str| format!("{architecture}.{name}");
    let Some((_, needed)) = CLASSIFIERS.iter().find(|(name, _)| *name == architecture) else {
        let known = CLASSIFIERS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        return Err(Unsupported(format!("a reranker of architecture {architecture}; this version runs {known}")));
    };
    if header.u32(&key("decision.block_count")).is_some_and(|blocks| blocks > 0) {
        return Err(Unsupported(format!("{}: a model of decisions, not a reranker", key("decision.block_count"))));
    }
    let labels = key("classifier.output_labels");
    if header.metadata(&labels).is_some() && header.strings(&labels).is_none() {
        return Err(Invalid(format!("{labels}: expected a list of strings")));
    }
    // As llama.cpp counts.
    let outputs = header.array_len(&labels).filter(|&count| count > 0).unwrap_or(1);
    let tensor = |name: &str| parts.iter().find_map(|part| part.tensor(name));
    if let Some(missing) = needed.iter().find(|name| tensor(name).is_none()) {
        let pooler = match (architecture, *missing) {
            // Of `BertForSequenceClassification`; RoBERTa's classifier has both tensors of its own.
            ("bert", "cls.weight") => {
                " (llama.cpp's converter drops BERT's pooler; the candle engine runs the original)"
            }
            _ => "",
        };
        return Err(Invalid(format!("{missing} is missing, and without it a score is not the model's{pooler}")));
    }
    let (hidden, count) = (u64::from(info.hidden_size), outputs as u64);
    for (name, expected) in [
        ("cls.weight", [hidden, hidden]),
        ("cls.bias", [hidden, 1]),
        ("cls.norm.weight", [hidden, 1]),
        ("cls.output.weight", [hidden, count]),
        ("cls.output.bias", [count, 1]),
    ] {
        if let Some(found) = tensor(name).filter(|found| !has_shape(found, expected)) {
            return Err(Invalid(format!(
                "{name}: shape {:?}, expected {expected:?} for {outputs} outputs",
                found.shape
            )));
        }
    }
    let score = match (architecture, outputs) {
        ("qwen3", 2) => Score::Share(yes(header, &labels)),
        ("qwen3", _) => return Err(Unsupported(format!("{labels}: {outputs} labels, expected 2, yes and no"))),
        (_, 1) => Score::Logistic,
        (_, 2) => Score::SecondOfTwo,
        _ => return Err(Unsupported(format!("{labels}: {outputs} labels, a reranker has 1 or 2"))),
    };
    Ok(Ranker {
        causal,
        score,
        prompt: prompt(header, architecture)?,
        segments: tensor("token_types.weight").is_some_and(|types| types.shape.get(1).is_some_and(|&rows| rows > 1)),
    })
}

/// Whether a tensor has these two dimensions; what is not said is 1.
fn has_shape(tensor: &TensorInfo, expected: [u64; 2]) -> bool {
    let of = |i: usize| tensor.shape.get(i).copied().unwrap_or(1);
    [of(0), of(1)] == expected && tensor.shape.iter().skip(2).all(|&size| size == 1)
}

/// Which of the labels says that the document answers.
fn yes(header: &Header, labels: &str) -> usize {
    let mut labels = header.strings(labels).into_iter().flatten();
    labels.position(|label| label.eq_ignore_ascii_case(b"yes")).unwrap_or(0)
}

fn prompt(header: &Header, architecture: &str) -> Result<Prompt, Problem> {
    if let Some(text) = header.str(PROMPT) {
        return Prompt::words(text).map_err(|problem| Invalid(format!("{PROMPT}: {problem}")));
    }
    match (architecture, header.str("tokenizer.ggml.model")) {
        ("qwen3", _) => Err(Invalid(format!("{PROMPT} is missing, and this model was trained with an instruction"))),
        ("bert", model) if model != Some("bert") => Ok(Prompt::Roberta),
        _ => Ok(Prompt::Bert),
    }
}
