//! From a request to a running turn: what is said, behind what, by which model.

use std::sync::Arc;

use serde_json::{Map, Value};
use tern_chat::{self as chat, TurnRequest};
use tern_conversations::{ConversationError, attachments::for_the_blind};
use tern_engine::{Capability, tasks::Image};
use tern_registry::{Lease, ModelStatus};

use super::{
    continued, ids,
    input::{self, Dialogue},
    items::InputItem,
    names::{Names, Source},
    object::Settings,
    request::{ResponseInput, ResponseRequest},
    settings::{Translated, translate},
    stored,
};
use crate::{
    error::{ApiError, shortened},
    openai::{
        chat::{check, turn},
        chat_types::{ChatMessage, ChatRequest, ChatRole, Content},
        forms::form_fields,
        images,
        thinking::thinks,
    },
    state::State,
};

/// A request that was understood.
pub(crate) struct Asked {
    pub model: ModelStatus,
    pub settings: Settings,
    /// Parameters that were accepted and change nothing.
    pub ignored: Vec<String>,
    /// The conversation that it goes on in, and its last message there.
    pub behind: Option<(String, Option<String>)>,
    /// What is said now.
    pub said: Vec<ChatMessage>,
    /// The parameters of the answer, in the words of the page.
    pub parameters: Map<String, Value>,
    pub names: Arc<Names>,
    pub prompt: Prompt,
}

/// What the model is to be given, once it is in memory.
pub(crate) struct Prompt {
    chat: ChatRequest,
    pictures: Vec<Arc<Image>>,
    history: Vec<chat::Message>,
    /// How many messages come before the history: the instructions.
    before: usize,
    names: Arc<Names>,
}

impl Prompt {
    /// The turn. Errors are in the client's words.
    pub fn turn(self, lease: &Lease, id: String) -> Result<TurnRequest, ApiError> {
        let turn = turn(&self.chat, self.pictures, lease, id);
        let mut turn = turn.map_err(|error| self.names.rename(error))?;
        turn.messages.splice(self.before..self.before, self.history);
        Ok(turn)
    }
}

/// What was said before.
#[derive(Default)]
struct Before {
    behind: Option<(String, Option<String>)>,
    dialogue: Vec<chat::Message>,
    system_prompt: Option<String>,
    model: Option<String>,
}

/// Understands a request; refuses what can be refused before a model is loaded for it.
pub(crate) async fn understand(state: &State, request: ResponseRequest) -> Result<Asked, ApiError> {
    let mut names = Names::default();
    let translated = translate(&request).map_err(|error| names.rename(error))?;
    let Translated { mut chat, tools, mut ignored } = translated;
    names.tools = tools;
    let before = before(state, &request).await?;
    let named = continued::last_named(&request).filter(|_| request.store.unwrap_or(true));
    let Dialogue { messages, sources, .. } = match request.input.clone() {
        Some(input) => input::dialogue(follow(state, input).await?)?,
        None => Dialogue::default(),
    };
    let instructions = request.instructions.clone().or(before.system_prompt).filter(|text| !text.trim().is_empty());
    if messages.is_empty() && instructions.is_none() && before.dialogue.is_empty() {
        return Err(ApiError::invalid("input", "input is empty; a text or at least one item is needed"));
    }
    if let Some(text) = &instructions {
        let content = Some(Content::Text(text.clone()));
        chat.messages.push(ChatMessage { role: ChatRole::System, content, ..ChatMessage::default() });
        names.messages.push(Source { place: "instructions".into(), field: "" });
    }
    let first = chat.messages.len();
    chat.messages.extend(messages);
    names.messages.extend(sources);
    let names = Arc::new(names);
    let in_their_words = |error| names.rename(error);
    if chat.messages.is_empty() {
        // Nothing new is said: the dialogue before is answered once more, and a message stands for it meanwhile.
        let content = Some(Content::Text(String::new()));
        chat.messages.push(ChatMessage { content, ..ChatMessage::default() });
        check(&chat, state).map_err(in_their_words)?;
        chat.messages.clear();
    } else {
        check(&chat, state).map_err(in_their_words)?;
    }
    form_fields!(chat).check().await.map_err(in_their_words)?;
    if chat.model.is_none() {
        chat.model = before.model;
    }
    let model = state.find(chat.model.as_deref()).await?;
    if chat.reasoning_effort.is_some() && !thinks(&model) {
        ignored.push("reasoning.effort".into());
    }
    images::check_model(state, &chat.messages, &model).map_err(in_their_words)?;
    if request.store.unwrap_or(true) {
        images::inline(state, &mut chat.messages).await.map_err(in_their_words)?;
    }
    let pictures = images::load(state, &chat.messages).await.map_err(in_their_words)?;
    let mut history = before.dialogue;
    if !model.entry.info.capabilities.contains(&Capability::Vision) {
        for_the_blind(&mut history);
    }
    let (mut behind, mut known) = (before.behind, first);
    if let Some(named) = named.filter(|_| behind.is_none())
        && let Some(found) = continued::find(state, &named, &chat.messages[first..]).await?
    {
        known += found.known;
        behind = Some((found.conversation, Some(found.message)));
    }
    let previous = behind.as_ref().and_then(|(_, message)| message.clone());
    let settings = Settings { previous, ..Settings::of(&request) };
    Ok(Asked {
        model,
        settings,
        ignored,
        behind,
        said: chat.messages[known..].to_vec(),
        parameters: parameters(&request),
        prompt: Prompt { chat, pictures, history, before: first, names: names.clone() },
        names,
    })
}

/// The parameters of the answer as the page writes them, so that it can go on with it.
fn parameters(request: &ResponseRequest) -> Map<String, Value> {
    let given = [
        ("temperature", serde_json::json!(request.temperature)),
        ("top_p", serde_json::json!(request.top_p)),
        ("top_k", serde_json::json!(request.top_k)),
        ("min_p", serde_json::json!(request.min_p)),
        ("max_tokens", serde_json::json!(request.max_output_tokens)),
        ("seed", serde_json::json!(request.seed)),
        ("stop", serde_json::json!(request.stop)),
        ("presence_penalty", serde_json::json!(request.presence_penalty)),
        ("frequency_penalty", serde_json::json!(request.frequency_penalty)),
        ("chat_template_kwargs", serde_json::json!(request.chat_template_kwargs)),
    ];
    given.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What was said before, as the request names it.
async fn before(state: &State, request: &ResponseRequest) -> Result<Before, ApiError> {
    let conversations = &state.conversations;
    let (message, param, instead) = match (&request.previous_response_id, &request.conversation) {
        (Some(response), _) => {
            let unknown = || ApiError {
                code: Some("previous_response_not_found"),
                ..ApiError::invalid(
                    "previous_response_id",
                    format!("Previous response with id '{response}' not found."),
                )
            };
            match conversations.find(ids::message_of(response)).await {
                Ok(message) if stored::is_response(&message) => (message, "previous_response_id", unknown()),
                Ok(_) => return Err(unknown()),
                Err(error) => return Err(or_not_found(error, unknown())),
            }
        }
        (None, Some(conversation)) => {
            let id = conversation.id().to_owned();
            let unknown = ApiError {
                param: Some("conversation".into()),
                ..ApiError::new(404, "not_found", format!("there is no conversation {id}"))
            };
            let found = conversations.with_store(move |store| {
                let conversation = store.conversation(&id)?;
                let last = conversation.current.as_deref().map(|last| store.message(&id, last)).transpose()?;
                Ok((conversation, last))
            });
            match found.await {
                Err(error) => return Err(or_not_found(error, unknown)),
                Ok((conversation, None)) => {
                    return Ok(Before {
                        behind: Some((conversation.id, None)),
                        system_prompt: conversation.system_prompt,
                        model: conversation.model,
                        ..Before::default()
                    });
                }
                Ok((_, Some(last))) => (last, "conversation", unknown),
            }
        }
        (None, None) => return Ok(Before::default()),
    };
    let (id, conversation) = (message.id.clone(), message.conversation.clone());
    let branch = conversations.branch_to(message).await.map_err(|error| match error {
        ConversationError::Running { .. } => {
            let message = format!(
                "{param}: the response {} is still in progress; wait for it, or cancel it first",
                ids::response_of(&id)
            );
            ApiError { code: Some("response_in_progress"), ..ApiError::invalid(param, message) }
        }
        error => or_not_found(error, instead),
    })?;
    let model = branch.path.iter().rev().find_map(|message| message.answer.as_ref()).map(|a| a.model.clone());
    Ok(Before {
        behind: Some((conversation, Some(id))),
        dialogue: branch.dialogue,
        system_prompt: branch.conversation.system_prompt,
        model,
    })
}

/// `instead` where something is not there.
pub(crate) fn or_not_found(error: ConversationError, instead: ApiError) -> ApiError {
    match ApiError::from(error) {
        error if error.status == 404 => instead,
        error => error,
    }
}

/// Puts the items in the place of references to them.
async fn follow(state: &State, input: ResponseInput) -> Result<ResponseInput, ApiError> {
    let ResponseInput::Items(items) = input else { return Ok(input) };
    let mut followed = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        if item.kind.as_deref() != Some("item_reference") {
            followed.push(item);
            continue;
        }
        followed.push(referenced(state, index, item).await?);
    }
    Ok(ResponseInput::Items(followed))
}

async fn referenced(state: &State, index: usize, item: InputItem) -> Result<InputItem, ApiError> {
    let param = format!("input[{index}].id");
    let Some(id) = item.id else {
        let missing = ApiError::invalid(&param, format!("{param} is missing"));
        return Err(ApiError { code: Some("missing_required_parameter"), ..missing });
    };
    let shown = shortened(&id);
    let unknown = ApiError {
        code: Some("item_not_found"),
        ..ApiError::invalid(
            &param,
            format!("{param}: Item with id '{shown}' not found; only items of stored responses can be named"),
        )
    };
    let wanted = id.clone();
    let found = state.conversations.with_store(move |store| {
        let message = ids::message_of_item(&wanted);
        let message = store.message(&store.place(&message)?, &message)?;
        Ok(stored::items(&message, store)?.into_iter().find(|item| item.id.as_ref() == Some(&wanted)))
    });
    match found.await {
        Ok(Some(item)) => Ok(item),
        Ok(None) => Err(unknown),
        Err(error) => Err(or_not_found(error, unknown)),
    }
}
