//! `/api/conversations`: the list, and everything about a conversation but its messages.

use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    types::MaybeUndefined,
};
use serde::{Deserialize, Serialize};
use tern_conversations::{Change, NewConversation};
use tern_store::{Hit, ListQuery, Order};

use super::conversation_types::{AnswerParameters, Conversation, WholeConversation};
use crate::{
    error::{ApiError, ErrorReply},
    http::body::{ApiBody, ApiJson},
    routes::ApiTags,
    state::State,
};

/// Most conversations of one page of a list.
const MAX_LIMIT: u32 = 1000;
/// Most characters of a title.
const MAX_TITLE: usize = 500;
/// Most tags of a conversation.
const MAX_TAGS: usize = 50;
/// Most characters of a tag.
const MAX_TAG: usize = 100;

/// A part of the list of conversations.
#[derive(Debug, Object, Serialize)]
pub struct ConversationList {
    /// `list`.
    pub object: String,
    /// The part.
    pub data: Vec<Conversation>,
    /// Whether more follow: ask again with `after` set to the last id.
    pub has_more: bool,
    /// How many there are in all parts.
    pub total: u64,
}

/// An order of conversations.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ConversationOrder {
    /// Last changed first.
    Updated,
    /// Newest first.
    Created,
    /// A to Z.
    Title,
}

/// Tags in use.
#[derive(Debug, Object, Serialize)]
pub struct TagList {
    /// Most used first.
    pub data: Vec<TagCount>,
}

/// A tag in use.
#[derive(Debug, Object, Serialize)]
pub struct TagCount {
    /// The tag.
    pub tag: String,
    /// How many conversations have it.
    pub count: u64,
}

/// Conversations that were found.
#[derive(Debug, Object, Serialize)]
pub struct SearchResults {
    /// Best first.
    pub data: Vec<SearchHit>,
}

/// A conversation that was found.
#[derive(Debug, Object, Serialize)]
pub struct SearchHit {
    /// The conversation.
    pub conversation: Conversation,
    /// The message that has the words; null if the title has them.
    #[oai(nullable)]
    pub message: Option<String>,
    /// Text around the words.
    pub snippet: String,
    /// Where in `snippet` the words are: pairs of from and to, in UTF-16 units, as JavaScript counts.
    pub highlights: Vec<Vec<u32>>,
}

/// A conversation to create.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct NewConversationRequest {
    /// A title; without one, one is suggested after the first answer.
    #[oai(nullable)]
    pub title: Option<String>,
    /// Labels.
    #[oai(nullable)]
    pub tags: Option<Vec<String>>,
    /// Instructions in front of every exchange.
    #[oai(nullable)]
    pub system_prompt: Option<String>,
    /// Model of its answers.
    #[oai(nullable)]
    pub model: Option<String>,
    /// Parameters of its answers.
    #[oai(nullable)]
    pub parameters: Option<AnswerParameters>,
}

impl poem_openapi::types::Example for NewConversationRequest {
    fn example() -> Self {
        Self {
            model: Some("tern-guide".into()),
            system_prompt: Some("Answer in one sentence.".into()),
            ..Self::default()
        }
    }
}

/// What changes of a conversation; what is absent stays.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct ConversationChange {
    /// A title; an empty one makes room for a suggestion.
    #[oai(nullable)]
    pub title: Option<String>,
    /// Labels, all of them.
    #[oai(nullable)]
    pub tags: Option<Vec<String>>,
    /// List it first.
    #[oai(nullable)]
    pub pinned: Option<bool>,
    /// List it only when asked for.
    #[oai(nullable)]
    pub archived: Option<bool>,
    /// Instructions in front of every exchange; null takes them away.
    #[oai(nullable)]
    pub system_prompt: MaybeUndefined<String>,
    /// Model of the next answer; null takes it away.
    #[oai(nullable)]
    pub model: MaybeUndefined<String>,
    /// Parameters of the next answer, all of them.
    #[oai(nullable)]
    pub parameters: Option<AnswerParameters>,
    /// The last message of the branch to be shown.
    #[oai(nullable)]
    pub current: Option<String>,
}

impl poem_openapi::types::Example for ConversationChange {
    fn example() -> Self {
        Self { title: Some("Which quantization?".into()), pinned: Some(true), ..Self::default() }
    }
}

/// Conversations to delete.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(example)]
pub struct DeleteRequest {
    /// Their ids; unknown ones are skipped.
    pub ids: Vec<String>,
}

impl poem_openapi::types::Example for DeleteRequest {
    fn example() -> Self {
        Self { ids: vec!["conv_0123456789abcdef01234567".into()] }
    }
}

/// What was deleted.
#[derive(Debug, Object, Serialize)]
pub struct Deleted {
    /// How many.
    pub deleted: u64,
}

/// Where to branch.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(example)]
pub struct BranchRequest {
    /// The last message of the copy.
    pub message: String,
}

impl poem_openapi::types::Example for BranchRequest {
    fn example() -> Self {
        Self { message: "msg_0123456789abcdef01234567".into() }
    }
}

/// How to suggest a title.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct TitleRequest {
    /// Replace also a title that a person gave. Default false.
    #[oai(nullable)]
    pub force: Option<bool>,
}

impl poem_openapi::types::Example for TitleRequest {
    fn example() -> Self {
        Self { force: Some(true) }
    }
}

/// An id to try the description with.
pub(crate) fn an_id() -> String {
    "conv_0123456789abcdef01234567".into()
}

fn check_title(title: Option<&String>) -> Result<(), ApiError> {
    match title.map(|title| title.chars().count()) {
        Some(length) if length > MAX_TITLE => {
            Err(ApiError::invalid("title", format!("title has {length} characters; the most is {MAX_TITLE}")))
        }
        _ => Ok(()),
    }
}

fn check_tags(tags: Option<&Vec<String>>) -> Result<(), ApiError> {
    let tags = tags.map(Vec::as_slice).unwrap_or_default();
    if tags.len() > MAX_TAGS {
        return Err(ApiError::invalid("tags", format!("tags has {} entries; the most is {MAX_TAGS}", tags.len())));
    }
    match tags.iter().position(|tag| tag.chars().count() > MAX_TAG) {
        Some(index) => {
            let message = format!("tags[{index}] is too long; the most is {MAX_TAG} characters");
            Err(ApiError::invalid(format!("tags[{index}]"), message))
        }
        None => Ok(()),
    }
}

/// The limit of a list, checked.
pub(crate) fn limit(limit: Option<u32>, default: u32) -> Result<usize, ApiError> {
    match limit.unwrap_or(default) {
        limit @ 1..=MAX_LIMIT => Ok(limit as usize),
        limit => Err(ApiError::invalid("limit", format!("limit is {limit}; the range is 1 to {MAX_LIMIT}"))),
    }
}

/// Byte ranges as UTF-16 units, as JavaScript counts.
fn utf16(hit: &Hit) -> Vec<Vec<u32>> {
    let units = |to: usize| hit.snippet.get(..to).map_or(0, |text| text.encode_utf16().count() as u32);
    hit.highlights.iter().map(|range| vec![units(range.start), units(range.end)]).collect()
}

pub(crate) struct ConversationsApi(pub State);

#[OpenApi(prefix_path = "/api/conversations", tag = "ApiTags::Conversations")]
impl ConversationsApi {
    /// List conversations
    ///
    /// Pinned ones first. Archived ones are listed only with `archived=true`, and then alone.
    #[oai(path = "/", method = "get", operation_id = "listConversations")]
    #[allow(clippy::too_many_arguments)] // One argument a parameter of the query.
    async fn list(
        &self,
        /// At most this many, 1 to 1000. Default 50.
        limit: Query<Option<u32>>,
        /// Go on behind this id.
        after: Query<Option<String>>,
        /// Only those with this tag.
        tag: Query<Option<String>>,
        /// Only pinned ones, or only others.
        pinned: Query<Option<bool>>,
        /// Only archived ones. Default false.
        archived: Query<Option<bool>>,
        /// Only those answered by this model, or set to it.
        model: Query<Option<String>>,
        /// In this order. Default `updated`.
        order: Query<Option<ConversationOrder>>,
        /// Turn the order round.
        reverse: Query<Option<bool>>,
    ) -> Result<ApiJson<ConversationList>, ErrorReply> {
        let query = ListQuery {
            tag: tag.0.filter(|tag| !tag.is_empty()),
            pinned: pinned.0,
            archived: archived.0,
            model: model.0.filter(|model| !model.is_empty()),
            order: match order.0 {
                None | Some(ConversationOrder::Updated) => Order::Updated,
                Some(ConversationOrder::Created) => Order::Created,
                Some(ConversationOrder::Title) => Order::Title,
            },
            reverse: reverse.0.unwrap_or(false),
            after: after.0.filter(|after| !after.is_empty()),
            limit: self::limit(limit.0, 50)?,
        };
        let page = self.0.conversations.with_store(move |store| Ok(store.list(&query)?)).await?;
        Ok(ApiJson(ConversationList {
            object: "list".into(),
            data: page.data.into_iter().map(Into::into).collect(),
            has_more: page.has_more,
            total: page.total,
        }))
    }

    /// List tags
    #[oai(path = "/tags", method = "get", operation_id = "listTags")]
    async fn tags(&self) -> Result<ApiJson<TagList>, ErrorReply> {
        let tags = self.0.conversations.with_store(|store| Ok(store.tags()?)).await?;
        Ok(ApiJson(TagList { data: tags.into_iter().map(|(tag, count)| TagCount { tag, count }).collect() }))
    }

    /// Search titles and messages
    ///
    /// For all the words; the last may be the beginning of one.
    #[oai(path = "/search", method = "get", operation_id = "searchConversations")]
    async fn search(
        &self,
        /// The words.
        q: Query<Option<String>>,
        /// At most this many, 1 to 1000. Default 20.
        limit: Query<Option<u32>>,
    ) -> Result<ApiJson<SearchResults>, ErrorReply> {
        let (text, limit) = (q.0.unwrap_or_default(), self::limit(limit.0, 20)?);
        let hits = self.0.conversations.with_store(move |store| Ok(store.search(&text, limit)?)).await?;
        let hit = |hit: Hit| SearchHit {
            highlights: utf16(&hit),
            conversation: hit.conversation.into(),
            message: hit.message,
            snippet: hit.snippet,
        };
        Ok(ApiJson(SearchResults { data: hits.into_iter().map(hit).collect() }))
    }

    /// Create a conversation
    #[oai(path = "/", method = "post", operation_id = "createConversation")]
    async fn create(&self, request: ApiBody<NewConversationRequest>) -> Result<ApiJson<Conversation>, ErrorReply> {
        let request = request.0;
        check_title(request.title.as_ref())?;
        check_tags(request.tags.as_ref())?;
        let new = NewConversation {
            title: request.title,
            tags: request.tags.unwrap_or_default(),
            system_prompt: request.system_prompt,
            model: request.model,
            parameters: request.parameters.unwrap_or_default().given(),
        };
        Ok(ApiJson(self.0.conversations.create(new).await?.into()))
    }

    /// Show a conversation with its messages
    #[oai(path = "/:id", method = "get", operation_id = "retrieveConversation")]
    async fn retrieve(
        &self,
        /// Its id.
        #[oai(example = "an_id")]
        id: Path<String>,
    ) -> Result<ApiJson<WholeConversation>, ErrorReply> {
        let read =
            move |store: &dyn tern_store::ConversationStore| Ok((store.conversation(&id.0)?, store.messages(&id.0)?));
        let (conversation, messages) = self.0.conversations.with_store(read).await?;
        let tree = messages.into_iter().map(Into::into).collect();
        Ok(ApiJson(WholeConversation { conversation: conversation.into(), tree }))
    }

    /// Change a conversation
    #[oai(path = "/:id", method = "patch", operation_id = "changeConversation")]
    async fn change(
        &self,
        /// Its id.
        #[oai(example = "an_id")]
        id: Path<String>,
        request: ApiBody<ConversationChange>,
    ) -> Result<ApiJson<Conversation>, ErrorReply> {
        let request = request.0;
        check_title(request.title.as_ref())?;
        check_tags(request.tags.as_ref())?;
        let change = Change {
            title: request.title,
            tags: request.tags,
            pinned: request.pinned,
            archived: request.archived,
            system_prompt: request.system_prompt.into(),
            model: request.model.into(),
            parameters: request.parameters.map(|parameters| parameters.given()),
            current: request.current,
        };
        Ok(ApiJson(self.0.conversations.change(id.0, change).await?.into()))
    }

    /// Delete a conversation
    ///
    /// An answer that is being written in it ends.
    #[oai(path = "/:id", method = "delete", operation_id = "deleteConversation")]
    async fn delete(
        &self,
        /// Its id.
        #[oai(example = "an_id")]
        id: Path<String>,
    ) -> Result<ApiJson<Deleted>, ErrorReply> {
        match self.0.conversations.delete(vec![id.0.clone()]).await? {
            0 => Err(tern_store::StoreError::NotFound { what: "conversation", id: id.0 }.into()),
            deleted => Ok(ApiJson(Deleted { deleted })),
        }
    }

    /// Delete several conversations
    #[oai(path = "/delete", method = "post", operation_id = "deleteConversations")]
    async fn delete_all(&self, request: ApiBody<DeleteRequest>) -> Result<ApiJson<Deleted>, ErrorReply> {
        Ok(ApiJson(Deleted { deleted: self.0.conversations.delete(request.0.ids).await? }))
    }

    /// Copy the path to a message into a new conversation
    #[oai(path = "/:id/branch", method = "post", operation_id = "branchConversation")]
    async fn branch(
        &self,
        /// Its id.
        #[oai(example = "an_id")]
        id: Path<String>,
        request: ApiBody<BranchRequest>,
    ) -> Result<ApiJson<Conversation>, ErrorReply> {
        Ok(ApiJson(self.0.conversations.branch(id.0, request.0.message).await?.into()))
    }

    /// Suggest a title
    ///
    /// The first sentence of the first message, at most about 48 characters. No model is asked. A title that a person
    /// gave stays unless `force` is true.
    #[oai(path = "/:id/title", method = "post", operation_id = "suggestTitle")]
    async fn title(
        &self,
        /// Its id.
        #[oai(example = "an_id")]
        id: Path<String>,
        request: ApiBody<TitleRequest>,
    ) -> Result<ApiJson<Conversation>, ErrorReply> {
        let force = request.0.force.unwrap_or(false);
        Ok(ApiJson(self.0.conversations.suggest_title(id.0, force).await?.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highlights_are_counted_as_javascript_counts() {
        let snippet = "👋 héllo".to_owned();
        let from = snippet.find('h').unwrap();
        let hit = Hit {
            conversation: tern_store::Conversation::default(),
            message: None,
            highlights: std::iter::once(from..snippet.len()).collect(),
            snippet,
        };
        assert_eq!(utf16(&hit), [[3, 8]]);
    }
}
