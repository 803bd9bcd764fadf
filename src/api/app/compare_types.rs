//! What is asked about comparisons, described.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use tern_compare as compare;

use super::{
    conversation_types::AnswerParameters,
    messages::{SentFile, decode},
};
use crate::{error::ApiError, http::lenient};

/// A comparison to make: every prompt is put to every column, as often as there are repetitions.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct CompareRequest {
    /// Shown in lists. Default: the beginning of the first prompt.
    #[oai(nullable)]
    pub title: Option<String>,
    /// 1 to 50 prompts. With more than one the comparison is a grid.
    #[oai(nullable)]
    pub prompts: Option<Vec<String>>,
    /// One prompt, instead of `prompts`.
    #[oai(nullable)]
    pub prompt: Option<String>,
    /// Instructions in front of every prompt.
    #[oai(nullable)]
    pub system_prompt: Option<String>,
    /// Text files that come with every prompt, as with a message of a chat; 2 MiB in all.
    #[oai(nullable)]
    pub attachments: Option<Vec<SentFile>>,
    /// 1 to 6 columns.
    pub columns: Vec<CompareColumn>,
    /// Parameters of all columns. Where nothing is said, other than in a chat: temperature 0, so that repetitions
    /// repeat the answer and differ by the machine's noise alone; 512 tokens at most; and one seed for all, drawn once.
    #[oai(nullable)]
    pub parameters: Option<AnswerParameters>,
    /// Default `sequential`.
    #[oai(nullable)]
    pub mode: Option<CompareMode>,
    /// How often each cell is run, 1 to 20. Default 1. Repetitions are whole passes over all prompts and columns, so
    /// that a machine that grows warm or busy does so for all columns alike; each round begins one column further than
    /// the last.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub repetitions: Option<u32>,
    /// Let a model say a few words, untimed, whenever another model ran before it: its weights are in memory then.
    /// Default true.
    #[oai(nullable)]
    pub warmup: Option<bool>,
    /// Default `cold`.
    #[oai(nullable)]
    pub cache: Option<CompareCache>,
    /// Take all other models out of memory before a column runs, so that figures of memory compare. Default false. Only
    /// with `sequential`.
    #[oai(nullable)]
    pub unload_between: Option<bool>,
    /// Number of the column, from 0, that the others are compared with. Default 0.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub reference: Option<u32>,
    /// What must hold for every answer; 50 at most.
    #[oai(nullable)]
    pub assertions: Option<Vec<CompareAssertion>>,
    /// Score the answers when all are there: `perplexity`, `top1_agreement`, `kl`, `similarity`. Each text is read once
    /// more by its model, untimed. Default true.
    #[oai(nullable)]
    pub quality: Option<bool>,
    /// Embedding model for `similarity`. Default: one that is in memory, or else the smallest; without any there is no
    /// `similarity`.
    #[oai(nullable)]
    pub embedding_model: Option<String>,
}

/// A column: a model with its parameters.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct CompareColumn {
    /// Model id, as `GET /v1/models` lists them. The same model may be in several columns.
    pub model: String,
    /// What the column is called. Default: the model's id.
    #[oai(nullable)]
    pub label: Option<String>,
    /// Parameters of this column, over the shared ones field by field.
    #[oai(nullable)]
    pub parameters: Option<AnswerParameters>,
}

/// In which order cells run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum CompareMode {
    /// One cell at a time: figures are the model's own.
    Sequential,
    /// All columns of a prompt at once: figures say how they share the machine.
    Concurrent,
}

/// What the prefix cache holds of a prompt when a cell is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum CompareCache {
    /// Nothing: every prompt token is computed.
    Cold,
    /// All of it: the prompt was computed once before, untimed.
    Warm,
}

/// What must hold for every answer. Reasoning does not count.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub struct CompareAssertion {
    /// What kind.
    pub kind: CompareAssertionKind,
    /// What it is about; `json` needs none.
    #[oai(nullable)]
    #[serde(default)]
    pub value: Option<String>,
}

/// Kinds of assertions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum CompareAssertionKind {
    /// The value is somewhere in the answer, letter for letter.
    Contains,
    /// The value is nowhere in it.
    NotContains,
    /// The answer is the value; white space around both does not count.
    Equals,
    /// The regular expression (Rust's `regex`) matches somewhere in it.
    Regex,
    /// The answer is one JSON value and nothing else.
    Json,
    /// The answer is one JSON value that is valid under this JSON schema.
    Schema,
}

impl poem_openapi::types::Example for CompareRequest {
    fn example() -> Self {
        let column = |model: &str| CompareColumn { model: model.into(), ..CompareColumn::default() };
        Self {
            prompt: Some("How do I compare two quantizations?".into()),
            columns: vec![column("tern-guide"), column("tern-guide-q8_0")],
            parameters: Some(AnswerParameters { max_tokens: Some(40), ..AnswerParameters::default() }),
            repetitions: Some(2),
            assertions: Some(vec![CompareAssertion {
                kind: CompareAssertionKind::Contains,
                value: Some("Compare".into()),
            }]),
            ..Self::default()
        }
    }
}

impl TryFrom<CompareRequest> for compare::CompareRequest {
    type Error = ApiError;

    fn try_from(from: CompareRequest) -> Result<Self, ApiError> {
        let prompts = match (from.prompts, from.prompt) {
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid("prompt", "prompt and prompts are given; give one of them"));
            }
            (Some(prompts), None) => prompts,
            (None, prompt) => prompt.into_iter().collect(),
        };
        let given = |parameters: Option<AnswerParameters>| parameters.unwrap_or_default().given();
        let column = |column: CompareColumn| compare::Column {
            model: column.model,
            label: column.label,
            parameters: given(column.parameters),
        };
        let assertion = |assertion: CompareAssertion| compare::Assertion {
            kind: match assertion.kind {
                CompareAssertionKind::Contains => compare::AssertionKind::Contains,
                CompareAssertionKind::NotContains => compare::AssertionKind::NotContains,
                CompareAssertionKind::Equals => compare::AssertionKind::Equals,
                CompareAssertionKind::Regex => compare::AssertionKind::Regex,
                CompareAssertionKind::Json => compare::AssertionKind::Json,
                CompareAssertionKind::Schema => compare::AssertionKind::Schema,
            },
            value: assertion.value,
        };
        Ok(Self {
            title: from.title,
            prompts,
            system_prompt: from.system_prompt,
            attachments: attached(from.attachments.unwrap_or_default())?,
            columns: from.columns.into_iter().map(column).collect(),
            parameters: given(from.parameters),
            mode: match from.mode {
                Some(CompareMode::Concurrent) => compare::Mode::Concurrent,
                Some(CompareMode::Sequential) | None => compare::Mode::Sequential,
            },
            repetitions: from.repetitions.unwrap_or(1),
            warmup: from.warmup.unwrap_or(true),
            cache: match from.cache {
                Some(CompareCache::Warm) => compare::Cache::Warm,
                Some(CompareCache::Cold) | None => compare::Cache::Cold,
            },
            unload_between: from.unload_between.unwrap_or(false),
            reference: from.reference.unwrap_or(0) as usize,
            assertions: from.assertions.unwrap_or_default().into_iter().map(assertion).collect(),
            quality: from.quality.unwrap_or(true),
            embedding_model: from.embedding_model,
        })
    }
}

fn attached(files: Vec<SentFile>) -> Result<Vec<compare::AttachedFile>, ApiError> {
    let one = |(index, file)| {
        let file = decode(index, file)?;
        let data = BASE64_STANDARD.encode(&file.bytes);
        Ok(compare::AttachedFile { name: file.name, media_type: file.media_type, data })
    };
    files.into_iter().enumerate().map(one).collect()
}

/// Changes to what people say about a comparison; what is absent stays.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct ComparisonChange {
    /// A title.
    #[oai(nullable)]
    pub title: Option<String>,
    /// Votes and notes, all of them.
    #[oai(nullable)]
    pub judgement: Option<CompareJudgement>,
}

/// What people think of the answers.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[serde(default)]
pub struct CompareJudgement {
    /// At most one vote a prompt.
    pub votes: Vec<CompareVote>,
    /// Free text.
    pub notes: String,
}

/// Which answer to a prompt is best.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
pub struct CompareVote {
    /// Number of the prompt, from 0.
    pub prompt: u32,
    /// Number of the column as a text (`"0"` to `"5"`), `"tie"`, or `"bad"` for all.
    pub vote: String,
    /// Whether the models' names were hidden when it was given.
    #[serde(default)]
    pub blind: bool,
}

impl From<CompareJudgement> for compare::Judgement {
    fn from(from: CompareJudgement) -> Self {
        let vote =
            |vote: CompareVote| compare::Vote { prompt: vote.prompt as usize, vote: vote.vote, blind: vote.blind };
        Self { votes: from.votes.into_iter().map(vote).collect(), notes: from.notes }
    }
}

impl poem_openapi::types::Example for ComparisonChange {
    fn example() -> Self {
        let votes = vec![CompareVote { prompt: 0, vote: "1".into(), blind: true }];
        Self { title: None, judgement: Some(CompareJudgement { votes, notes: "Shorter, and right.".into() }) }
    }
}

/// What to stop.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct StopRequest {
    /// Number of a column, from 0. Default: everything.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub column: Option<u32>,
}

impl poem_openapi::types::Example for StopRequest {
    fn example() -> Self {
        Self { column: Some(1) }
    }
}

/// Which cell to run again.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(example)]
pub struct RerunRequest {
    /// Number of the prompt, from 0.
    pub prompt: u32,
    /// Number of the column, from 0.
    pub column: u32,
}

impl poem_openapi::types::Example for RerunRequest {
    fn example() -> Self {
        Self { prompt: 0, column: 1 }
    }
}
