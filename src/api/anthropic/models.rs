//! The list of models as Anthropic's clients read it.

use poem_openapi::Object;
use serde::Serialize;
use tern_registry::ModelStatus;

/// The models of this server, for clients that send `anthropic-version`.
#[derive(Debug, Object, Serialize)]
pub struct AnthropicModels {
    /// The models, in a stable order.
    pub data: Vec<AnthropicModel>,
    /// Always false: all are listed.
    pub has_more: bool,
    /// Id of the first.
    #[oai(nullable)]
    pub first_id: Option<String>,
    /// Id of the last.
    #[oai(nullable)]
    pub last_id: Option<String>,
}

/// A model.
#[derive(Debug, Clone, Object, Serialize)]
pub struct AnthropicModel {
    /// `model`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// What requests call it.
    pub id: String,
    /// Its own name, or its id.
    pub display_name: String,
    /// When its file was last changed.
    pub created_at: String,
    /// `active`.
    pub lifecycle: String,
    /// Most tokens of a prompt, with this server's settings.
    pub max_input_tokens: u32,
    /// Most tokens of an answer: what the prompt leaves of the same.
    pub max_tokens: u32,
}

impl From<ModelStatus> for AnthropicModel {
    fn from(status: ModelStatus) -> Self {
        let entry = status.entry;
        Self {
            kind: "model".into(),
            display_name: entry.info.name.unwrap_or_else(|| entry.id.clone()),
            created_at: crate::ids::timestamp(entry.modified),
            id: entry.id,
            lifecycle: "active".into(),
            max_input_tokens: status.context_length,
            max_tokens: status.context_length,
        }
    }
}

impl AnthropicModels {
    pub(crate) fn new(models: Vec<ModelStatus>) -> Self {
        let data: Vec<AnthropicModel> = models.into_iter().map(Into::into).collect();
        let id = |model: Option<&AnthropicModel>| model.map(|model| model.id.clone());
        Self { has_more: false, first_id: id(data.first()), last_id: id(data.last()), data }
    }
}
