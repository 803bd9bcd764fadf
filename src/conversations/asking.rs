//! Asking for an answer: what is checked, what is stored first, and how the task begins.
//!
//! What can be refused is refused before anything is stored, so that the person still has the text in the box. What
//! cannot be known before (a model that must be loaded first) is stored, and fails as an answer that says why.

use std::{sync::Arc, time::Instant};

use serde_json::{Map, Value};
use tern_chat::{self as chat, parameters};
use tern_engine::Capability;
use tern_registry::{Lease, ModelStatus, RegistryError};
use tern_store::{Answer, Conversation, ConversationStore, Message, Role, Status};

use crate::{
    AnswerEvent, ConversationError, Conversations, NewAttachment,
    answering::{self, Job, Source},
    attachments::{self, Taken},
    ids,
    log::Reader,
    prompt,
    running::Answering,
    service::Inner,
    tree::Tree,
};

/// A message of a person.
#[derive(Debug, Clone, Default)]
pub struct NewMessage {
    /// What is said.
    pub content: String,
    /// The message before it: `None` the end of the branch that is shown, `Some(None)` nothing, as it is a first one.
    pub parent: Option<Option<String>>,
    /// Files.
    pub attachments: Vec<NewAttachment>,
    /// How it shall be answered.
    pub with: AnswerWith,
}

/// How an answer is made.
#[derive(Debug, Clone, Default)]
pub struct AnswerWith {
    /// By this model instead of the conversation's.
    pub model: Option<String>,
    /// With these parameters over the conversation's.
    pub parameters: Map<String, Value>,
}

/// What is read and decided before anything is stored.
struct Plan {
    conversation: Conversation,
    /// The message of the person, if it is new, with its files.
    new: Option<(Message, Vec<Taken>)>,
    /// The answer to be written.
    answer: Message,
    /// The dialogue.
    messages: Vec<chat::Message>,
    goes_on: bool,
    first_words: String,
    /// The model to be remembered for the next answer.
    remember: Option<String>,
    model: ModelStatus,
    checked: parameters::Checked,
}

impl Plan {
    fn sees(&self) -> bool {
        self.model.entry.info.capabilities.contains(&Capability::Vision)
    }

    /// Takes the dialogue, as the model can read it.
    fn give(&mut self, mut dialogue: Vec<chat::Message>) {
        if !self.sees() {
            attachments::for_the_blind(&mut dialogue);
        }
        self.messages = dialogue;
    }
}

impl Conversations {
    /// Stores a message and starts its answer. Runs to its end though the caller goes away.
    ///
    /// # Errors
    /// What can be known before; see the module.
    pub async fn send(&self, conversation: String, message: NewMessage) -> Result<Reader, ConversationError> {
        self.begin(move |inner| plan_message(inner, &conversation, message)).await
    }

    /// Starts another answer to a message of the person.
    ///
    /// # Errors
    /// As [`Conversations::send`].
    pub async fn answer(
        &self,
        conversation: String,
        message: String,
        with: AnswerWith,
    ) -> Result<Reader, ConversationError> {
        self.begin(move |inner| plan_answer(inner, &conversation, &message, &with)).await
    }

    /// Goes on with an answer that is not complete.
    ///
    /// # Errors
    /// As [`Conversations::send`], and `Complete` or `Running`.
    pub async fn go_on(
        &self,
        conversation: String,
        message: String,
        parameters: Map<String, Value>,
    ) -> Result<Reader, ConversationError> {
        self.begin(move |inner| plan_continuation(inner, &conversation, &message, &parameters)).await
    }

    async fn begin(
        &self,
        plan: impl FnOnce(&Inner) -> Result<Plan, ConversationError> + Send + 'static,
    ) -> Result<Reader, ConversationError> {
        self.0.check_open()?;
        let this = self.clone();
        // A task of its own: a client that leaves in the middle must not leave half an exchange behind.
        let begun = tokio::spawn(async move { this.begin_here(plan).await }).await;
        begun.map_err(|_| ConversationError::Internal)?
    }

    async fn begin_here(
        &self,
        plan: impl FnOnce(&Inner) -> Result<Plan, ConversationError> + Send + 'static,
    ) -> Result<Reader, ConversationError> {
        let asked = Instant::now();
        let inner = self.0.clone();
        let plan =
            tokio::task::spawn_blocking(move || plan(&inner)).await.map_err(|_| ConversationError::Internal)??;
        let (conversation, answer) = (plan.conversation.id.clone(), plan.answer.id.clone());
        let answering =
            self.0.running.begin(&conversation, &answer).ok_or(ConversationError::Running { id: answer })?;
        match self.start(plan, &answering, asked).await {
            Ok(job) => {
                let reader = answering.log.read(0);
                tokio::spawn(job.run());
                Ok(reader)
            }
            Err(error) => {
                self.0.running.forget(&answering);
                Err(error)
            }
        }
    }

    /// Hands the dialogue to the model if that is in memory, then stores.
    async fn start(&self, plan: Plan, answering: &Arc<Answering>, asked: Instant) -> Result<Job, ConversationError> {
        let Plan { conversation, new, answer, messages, goes_on, first_words, remember, model, checked } = plan;
        let request = chat::TurnRequest {
            template_kwargs: checked.template_kwargs,
            continue_final_message: goes_on,
            generation: chat::Generation { return_progress: true, ..checked.generation },
            ..chat::TurnRequest::new(answer.id.clone(), messages)
        };
        let source = if answering::is_loaded(&model.state) {
            let lease: Lease = self.0.registry.acquire(&model.entry.id).await?;
            let (turn, lease) = answering::submit(lease, request).await?;
            Source::Turn(Box::new(turn), lease)
        } else {
            Source::Request(Box::new(request))
        };
        // From here on the model computes the prompt while the disk writes; a failure drops the turn.
        let (store, stored) = (self.0.store.clone(), answer.clone());
        let write = move || -> Result<_, ConversationError> {
            let id = &conversation.id;
            let mut messages = Vec::with_capacity(2);
            if let Some((message, files)) = new {
                for (file, bytes) in files {
                    store.put_attachment(id, &file.id, &bytes)?;
                }
                messages.push(message);
            }
            messages.push(stored);
            let current = messages.last().map(|message| message.id.clone());
            let mut conversation = store.put_messages(id, &messages, current.as_deref())?;
            if remember.is_some() && conversation.model != remember {
                conversation = store.update(id, &mut |kept| kept.model.clone_from(&remember))?;
            }
            Ok((conversation, messages))
        };
        let written = tokio::task::spawn_blocking(write).await.map_err(|_| ConversationError::Internal)?;
        let (conversation, messages) = written?;
        let conversation = Box::new(conversation);
        answering.log.push(AnswerEvent::Messages { conversation, messages });
        Ok(Job { service: self.clone(), answering: answering.clone(), message: answer, source, first_words, asked })
    }
}

fn plan_message(inner: &Inner, conversation: &str, new: NewMessage) -> Result<Plan, ConversationError> {
    let conversation = inner.store.conversation(conversation)?;
    if new.content.trim().is_empty() && new.attachments.is_empty() {
        return Err(ConversationError::invalid("content", "content is empty; a message needs words or a file"));
    }
    let files = attachments::take(new.attachments)?;
    let messages = inner.store.messages(&conversation.id)?;
    let tree = Tree::of(&messages);
    // One whose task died with a server is nobody's any more.
    let written = |message: &Message| {
        message.status == Status::Generating && inner.running.running(&conversation.id, &message.id).is_some()
    };
    let parent = parent_of(&tree, conversation.current.as_deref(), new.parent, written)?;
    let path = parent.as_deref().map(|parent| tree.path(parent)).unwrap_or_default();
    let message = Message {
        id: ids::new("msg_"),
        conversation: conversation.id.clone(),
        parent,
        role: Role::User,
        content: new.content,
        attachments: files.iter().map(|(file, _)| file.clone()).collect(),
        created_ms: ids::now(),
        ..Message::default()
    };
    let mut dialogue = prompt::dialogue(conversation.system_prompt.as_deref(), &path, &*inner.store)?;
    let contents: Vec<_> = files.iter().map(|(file, bytes)| (file.clone(), attachments::read(file, bytes))).collect();
    dialogue.push(attachments::written(&message.content, &contents));
    let first_words = first_words(path.iter().copied().chain([&message]));
    let remember = new.with.model.clone();
    let mut plan = plan(inner, conversation, &path, &message.id, &new.with)?;
    if let Some(index) = files.iter().position(|(file, _)| attachments::is_image(file))
        && !plan.sees()
    {
        let (file, id) = (&files[index].0.name, &plan.model.entry.id);
        let message = format!("the file \"{file}\" is an image, and the model `{id}` cannot see; choose one that can");
        return Err(ConversationError::Attachment { param: format!("attachments.{index}"), message });
    }
    plan.give(dialogue);
    plan.first_words = first_words;
    // The id as the registry has it, and not an alias that may mean another model tomorrow.
    plan.remember = remember.map(|_| plan.model.entry.id.clone());
    plan.new = Some((message, files));
    Ok(plan)
}

/// Below which message a new one comes. Whoever names none means the end of the branch that is shown; where an answer
/// is being written there, which another window asked for, the new message stands beside the one it answers.
fn parent_of(
    tree: &Tree<'_>,
    current: Option<&str>,
    given: Option<Option<String>>,
    is_written: impl Fn(&Message) -> bool,
) -> Result<Option<String>, ConversationError> {
    match given {
        Some(None) => Ok(None),
        Some(Some(parent)) => match tree.get(&parent) {
            None => {
                let message = format!("parent is \"{parent}\", which is no message of this conversation (any more)");
                Err(ConversationError::invalid("parent", message))
            }
            Some(message) if is_written(message) => Err(ConversationError::Running { id: parent }),
            Some(_) => Ok(Some(parent)),
        },
        None => {
            let Some(shown) = current.and_then(|current| tree.get(current)) else {
                return Ok(None);
            };
            if !is_written(shown) {
                return Ok(Some(shown.id.clone()));
            }
            let question = shown.parent.as_deref().and_then(|parent| tree.get(parent));
            Ok(question.and_then(|question| question.parent.clone()))
        }
    }
}

fn plan_answer(inner: &Inner, conversation: &str, id: &str, with: &AnswerWith) -> Result<Plan, ConversationError> {
    let conversation = inner.store.conversation(conversation)?;
    let messages = inner.store.messages(&conversation.id)?;
    let tree = Tree::of(&messages);
    if tree.require(id)?.role != Role::User {
        let message = format!("the message {id} is not a person's; ask for another answer to the message it answers");
        return Err(ConversationError::invalid("message", message));
    }
    let path = tree.path(id);
    let dialogue = prompt::dialogue(conversation.system_prompt.as_deref(), &path, &*inner.store)?;
    let first_words = first_words(path.iter().copied());
    let mut plan = plan(inner, conversation, &path, id, with)?;
    plan.give(dialogue);
    plan.first_words = first_words;
    Ok(plan)
}

fn plan_continuation(
    inner: &Inner,
    conversation: &str,
    id: &str,
    parameters: &Map<String, Value>,
) -> Result<Plan, ConversationError> {
    let conversation = inner.store.conversation(conversation)?;
    let messages = inner.store.messages(&conversation.id)?;
    let tree = Tree::of(&messages);
    let partial = tree.require(id)?;
    if partial.role != Role::Assistant {
        return Err(ConversationError::invalid("message", format!("the message {id} is not an answer")));
    }
    let cut_off = partial.answer.as_ref().is_some_and(|answer| answer.finish_reason.as_deref() == Some("length"));
    match partial.status {
        Status::Complete if !cut_off => return Err(ConversationError::Complete { id: id.to_owned() }),
        // One that is really being written is refused when it is begun.
        Status::Complete | Status::Stopped | Status::Failed | Status::Interrupted | Status::Generating => {}
    }
    let path = tree.path(id);
    let before = &path[..path.len().saturating_sub(1)];
    let first_words = first_words(before.iter().copied());
    let mut dialogue = prompt::dialogue(conversation.system_prompt.as_deref(), before, &*inner.store)?;
    let reasoning = partial.reasoning.clone().filter(|text| !text.is_empty());
    // Of one that was ended before its first word there is nothing to go on with: it begins anew, in its place.
    let goes_on = !partial.content.is_empty() || reasoning.is_some();
    if goes_on {
        let said = chat::Message::text(chat::Role::Assistant, &*partial.content);
        dialogue.push(chat::Message { reasoning, ..said });
    }
    // By the model that began it.
    let made = partial.answer.clone().unwrap_or_default();
    let with = AnswerWith {
        model: Some(made.model.clone()).filter(|model| !model.is_empty()),
        parameters: parameters::merge(&made.parameters, parameters),
    };
    let parent = partial.parent.clone().unwrap_or_default();
    let mut plan = plan(inner, conversation, before, &parent, &with)?;
    let Answer { model, engine, parameters, .. } = plan.answer.answer.unwrap_or_default();
    let answer = Answer { model, engine, parameters, finish_reason: None, error: None, ..made };
    plan.answer = Message { status: Status::Generating, answer: Some(answer), ..partial.clone() };
    plan.give(dialogue);
    plan.goes_on = goes_on;
    plan.first_words = first_words;
    Ok(plan)
}

/// What all three have in common: the model, the parameters, and an answer below `parent`.
fn plan(
    inner: &Inner,
    conversation: Conversation,
    path: &[&Message],
    parent: &str,
    with: &AnswerWith,
) -> Result<Plan, ConversationError> {
    let mut merged = parameters::merge(&conversation.parameters, &with.parameters);
    let mut checked = parameters::read(&merged)?;
    let model = find_model(inner, with.model.as_deref(), &conversation, path)?;
    if !merged.contains_key("temperature") {
        let greedy = inner.settings.greedy_models.contains(&model.entry.id);
        let temperature = if greedy { 0.0 } else { inner.settings.temperature };
        checked.generation.sampling.temperature = temperature as f32;
        // Written down, so that the figures of the answer can be had again.
        merged.insert("temperature".to_owned(), temperature.into());
    }
    let answer = Answer {
        model: model.entry.id.clone(),
        engine: model.entry.engine.to_owned(),
        parameters: merged,
        ..Answer::default()
    };
    let answer = Message {
        id: ids::new("msg_"),
        conversation: conversation.id.clone(),
        parent: Some(parent.to_owned()),
        role: Role::Assistant,
        created_ms: ids::now(),
        status: Status::Generating,
        answer: Some(answer),
        ..Message::default()
    };
    Ok(Plan {
        conversation,
        new: None,
        answer,
        messages: Vec::new(),
        goes_on: false,
        first_words: String::new(),
        remember: None,
        model,
        checked,
    })
}

/// The model asked for, else the conversation's, else the one that answered last, else the server's default.
fn find_model(
    inner: &Inner,
    asked: Option<&str>,
    conversation: &Conversation,
    path: &[&Message],
) -> Result<ModelStatus, ConversationError> {
    let last = path.iter().rev().find_map(|message| message.answer.as_ref()).map(|answer| answer.model.as_str());
    let named = [asked, conversation.model.as_deref(), last, inner.settings.default_model.as_deref()];
    let name = named.into_iter().flatten().find(|name| !name.is_empty()).ok_or(ConversationError::NoModel)?;
    let status = inner.registry.status(name)?;
    let has = &status.entry.info.capabilities;
    if !has.contains(&Capability::Chat) && !has.contains(&Capability::Completion) {
        let has = has.iter().map(|capability| format!("{capability:?}").to_lowercase()).collect::<Vec<_>>().join(", ");
        let id = status.entry.id;
        return Err(RegistryError::MissingCapability { id, wanted: "text generation", has }.into());
    }
    Ok(status)
}

pub(crate) fn first_words<'a>(mut path: impl Iterator<Item = &'a Message>) -> String {
    // A title needs no more, and a megabyte would stay in memory as long as the answer runs.
    let first = path.find(|message| message.role == Role::User);
    first.map_or(String::new(), |message| message.content.chars().take(8000).collect())
}
