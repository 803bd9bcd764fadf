//! `POST /api/ner` and `POST /v1/ner`.

use std::time::Instant;

use poem_openapi::{Enum, Object, OpenApi};
use serde::{Deserialize, Serialize};
use tern_engine::{
    Capability,
    tasks::{Aggregation, Entity, Tagged},
};

use crate::{
    error::{ApiError, ErrorReply},
    http::{
        body::{ApiBody, ApiJson},
        union::any_of,
    },
    routes::ApiTags,
    state::State,
    tasks::{Needed, TaskTimings},
};

/// Most texts of one request.
const MAX_INPUTS: usize = 2048;

/// One text or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of strings")]
pub enum NerInput {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
}

any_of!(NerInput { String, Vec<String> });

/// How the labels of a word's pieces become the label of the word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum AggregationStrategy {
    /// Neighbouring pieces of one group belong together; a word may be cut.
    Simple,
    /// A word has the label of its first piece.
    #[default]
    First,
    /// A word has the label with the highest mean score over its pieces.
    Average,
    /// A word has the label of its piece with the highest score.
    Max,
}

impl From<AggregationStrategy> for Aggregation {
    fn from(strategy: AggregationStrategy) -> Self {
        match strategy {
            AggregationStrategy::Simple => Self::Simple,
            AggregationStrategy::First => Self::First,
            AggregationStrategy::Average => Self::Average,
            AggregationStrategy::Max => Self::Max,
        }
    }
}

/// Texts to find names in.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct NerRequest {
    /// Model id, as `GET /v1/models` lists them. Without: a loaded one that can, or the smallest.
    #[oai(nullable)]
    pub model: Option<String>,
    /// A text of any length, or several.
    #[oai(nullable)]
    pub input: Option<NerInput>,
    /// `simple`, `first`, `average` or `max`, as in transformers. Default `first`, which cuts no word.
    #[oai(nullable)]
    pub aggregation_strategy: Option<AggregationStrategy>,
    /// Leave out names with a lower score, 0 to 1.
    #[oai(nullable)]
    pub min_score: Option<f64>,
}

impl poem_openapi::types::Example for NerRequest {
    fn example() -> Self {
        Self { input: Some(NerInput::Text("Ada Lovelace worked in London.".into())), ..Self::default() }
    }
}

/// What was found.
#[derive(Debug, Object, Serialize)]
pub struct NerList {
    /// `list`.
    pub object: String,
    /// Model that read.
    pub model: String,
    /// One entry a text, in their order.
    pub data: Vec<NerResult>,
    /// Token counts.
    pub usage: NerUsage,
    /// Times.
    pub timings: TaskTimings,
}

/// What was found in one text.
#[derive(Debug, Object, Serialize)]
pub struct NerResult {
    /// Which text, from 0.
    pub index: u32,
    /// Its names, in their order. They do not overlap.
    pub entities: Vec<NerEntity>,
}

/// A name.
#[derive(Debug, Object, Serialize)]
pub struct NerEntity {
    /// `PER`, `ORG`, `LOC`, `MISC`, or what the model calls it.
    pub entity_group: String,
    /// As the text has it.
    pub word: String,
    /// Mean probability, 0 to 1.
    pub score: f64,
    /// First character in the text, counted in Unicode code points.
    pub start: u32,
    /// Character behind the last.
    pub end: u32,
    /// First byte in the text, counted in UTF-8.
    pub byte_start: u32,
    /// Byte behind the last.
    pub byte_end: u32,
}

/// Token counts.
#[derive(Debug, Object, Serialize)]
pub struct NerUsage {
    /// Tokens that the model has read; where windows overlap they count twice.
    pub prompt_tokens: u32,
    /// The same.
    pub total_tokens: u32,
}

const NAMES: Needed = Needed {
    capability: Capability::Ner,
    what: "named-entity recognition",
    hint: "`tern pull bert-base-ner` gets one",
};

pub(crate) struct NerApi(pub State);

#[OpenApi(tag = "ApiTags::Tasks")]
impl NerApi {
    /// Find names in texts
    ///
    /// People, organisations, places and other names, with their places in the text. Texts of any length: long ones are
    /// read in windows that overlap.
    #[oai(path = "/api/ner", method = "post", operation_id = "findNames")]
    async fn ner(&self, request: ApiBody<NerRequest>) -> Result<ApiJson<NerList>, ErrorReply> {
        Ok(ApiJson(find(&self.0, request.0).await?))
    }

    /// Find names in texts, beside OpenAI's paths
    ///
    /// The same as `POST /api/ner`.
    #[oai(path = "/v1/ner", method = "post", operation_id = "findNamesV1")]
    async fn ner_v1(&self, request: ApiBody<NerRequest>) -> Result<ApiJson<NerList>, ErrorReply> {
        Ok(ApiJson(find(&self.0, request.0).await?))
    }
}

async fn find(state: &State, request: NerRequest) -> Result<NerList, ApiError> {
    let began = Instant::now();
    let texts = match request.input {
        None => return Err(ApiError::invalid("input", "input is missing")),
        Some(NerInput::Text(text)) => vec![text],
        Some(NerInput::Texts(texts)) => texts,
    };
    if texts.is_empty() || texts.len() > MAX_INPUTS {
        let message = format!("input has {} entries; 1 to {MAX_INPUTS} are allowed", texts.len());
        return Err(ApiError::invalid("input", message));
    }
    let least = request.min_score.unwrap_or(0.0);
    if !(0.0..=1.0).contains(&least) {
        return Err(ApiError::invalid("min_score", format!("min_score is {least}; the range is 0 to 1")));
    }
    let (lease, load) = state.acquire_able(request.model.as_deref(), NAMES).await?;
    let how = request.aggregation_strategy.unwrap_or_default().into();
    let work = lease.tagger()?.run(move |tagger, cancelled| {
        let tagged = tagger.tag(&texts, how, cancelled)?;
        let tokens: usize = tagged.iter().map(|text| text.tokens).sum();
        let data = texts.iter().zip(tagged).zip(0..);
        let data = data.map(|((text, tagged), index)| NerResult { index, entities: places(text, tagged, least) });
        Ok((data.collect(), tokens as u32))
    });
    let (data, prompt_tokens) = work.await?;
    Ok(NerList {
        object: "list".into(),
        model: lease.entry.id.clone(),
        data,
        usage: NerUsage { prompt_tokens, total_tokens: prompt_tokens },
        timings: TaskTimings::since(began, load),
    })
}

/// Names with their places, counted once from the beginning of the text to its end.
fn places(text: &str, tagged: Tagged, least: f64) -> Vec<NerEntity> {
    let (mut byte, mut char) = (0, 0);
    let mut count = |to: usize| {
        char += text[byte..to].chars().count() as u32;
        byte = to;
        char
    };
    let named = tagged.entities.into_iter().filter(|entity| f64::from(entity.score) >= least);
    named
        .map(|Entity { group, score, start, end }| NerEntity {
            entity_group: group,
            word: text[start..end].to_owned(),
            score: score.into(),
            start: count(start),
            end: count(end),
            byte_start: start as u32,
            byte_end: end as u32,
        })
        .collect()
}
