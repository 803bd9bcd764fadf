//! The service: conversations with their store and the answers that are being written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Map, Value};
use tern_chat::parameters;
use tern_registry::Registry;
use tern_store::{Conversation, ConversationStore, Message, RedbStore, Role, StoreError};

use crate::{
    AnswerEvent, ConversationError, Saved, export, ids,
    import::{self, Import},
    kept::Kept,
    log::{Log, Reader},
    running::{Ending, Running},
    title,
    tree::Tree,
};

/// How long running answers may take to be written when the server ends.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// What holds for all conversations.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Answers where neither the request nor the conversation names a model.
    pub default_model: Option<String>,
    /// Temperature of answers for which none is given.
    pub temperature: f64,
    /// Models that answer at temperature 0 instead: tiny ones, which chance leads astray.
    pub greedy_models: Vec<String>,
    /// Why nothing is kept when the server ends, if that is so.
    pub not_kept: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { default_model: None, temperature: 0.7, greedy_models: Vec::new(), not_kept: None }
    }
}

/// Conversations, their answers, and where they are kept. Cheap to clone.
#[derive(Clone)]
pub struct Conversations(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub store: Arc<Kept>,
    pub registry: Registry,
    pub settings: Settings,
    pub running: Running,
    closing: AtomicBool,
}

impl Inner {
    pub fn check_open(&self) -> Result<(), ConversationError> {
        if self.closing.load(Ordering::Acquire) { Err(ConversationError::ShuttingDown) } else { Ok(()) }
    }
}

impl Conversations {
    /// A service over `store`. Reads nothing and starts nothing yet.
    pub fn new(store: Arc<dyn ConversationStore>, registry: Registry, settings: Settings) -> Self {
        Self(Arc::new(Inner {
            store: Kept::new(store),
            registry,
            settings,
            running: Running::default(),
            closing: AtomicBool::new(false),
        }))
    }

    /// A service that forgets everything when it ends.
    pub fn in_memory(registry: Registry) -> Self {
        Self::new(Arc::new(RedbStore::temporary()), registry, Settings::default())
    }

    /// The store, which goes on over a full disk.
    pub fn store(&self) -> Arc<dyn ConversationStore> {
        self.0.store.clone()
    }

    /// Whether everything is on the disk.
    pub fn saved(&self) -> Saved {
        self.0.store.saved()
    }

    /// Why nothing is kept when the server ends, if that is so.
    pub fn not_kept(&self) -> Option<String> {
        self.0.settings.not_kept.clone()
    }

    /// Works with the store on a thread that may block.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn ConversationStore) -> Result<T, ConversationError> + Send + 'static,
    ) -> Result<T, ConversationError> {
        let store = self.0.store.clone();
        let result = tokio::task::spawn_blocking(move || work(&*store)).await;
        result.map_err(|_| ConversationError::Internal)?
    }

    /// A new conversation.
    ///
    /// # Errors
    /// A parameter out of range.
    pub async fn create(&self, new: NewConversation) -> Result<Conversation, ConversationError> {
        self.0.check_open()?;
        parameters::read(&new.parameters)?;
        let title = new.title.map(|title| title.trim().to_owned()).filter(|title| !title.is_empty());
        let now = ids::now();
        let conversation = Conversation {
            id: ids::new("conv_"),
            title_is_given: title.is_some(),
            title: title.unwrap_or_default(),
            tags: tags(new.tags),
            system_prompt: new.system_prompt.filter(|text| !text.is_empty()),
            model: new.model.filter(|model| !model.is_empty()),
            parameters: parameters::merge(&Map::new(), &new.parameters),
            created_ms: now,
            updated_ms: now,
            ..Conversation::default()
        };
        self.with_store(move |store| {
            store.create(&conversation, &[])?;
            Ok(store.conversation(&conversation.id)?)
        })
        .await
    }

    /// Changes what is given.
    ///
    /// # Errors
    /// A parameter out of range, a `current` that is no message of the conversation, `NotFound`.
    pub async fn change(&self, id: String, change: Change) -> Result<Conversation, ConversationError> {
        if let Some(parameters) = &change.parameters {
            parameters::read(parameters)?;
        }
        self.with_store(move |store| {
            if let Some(current) = &change.current {
                store.message(&id, current).map_err(|error| match error {
                    StoreError::NotFound { what: "message", .. } => {
                        let message = format!("current is \"{current}\", which is no message of this conversation");
                        ConversationError::invalid("current", message)
                    }
                    error => error.into(),
                })?;
            }
            let conversation = store.update(&id, &mut |kept| change.apply(kept))?;
            Ok(conversation)
        })
        .await
    }

    /// Removes conversations; answers that are being written in them end. Gives how many there were.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete(&self, ids: Vec<String>) -> Result<u64, ConversationError> {
        let running = self.0.running.all(|answering| ids.contains(&answering.conversation));
        running.iter().for_each(|answering| answering.end(Ending::Discarded));
        for answering in running {
            answering.wait().await;
        }
        self.with_store(move |store| Ok(store.delete(&ids)?)).await
    }

    /// Removes a message and all below it; answers that are being written there end.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete_message(&self, conversation: String, id: String) -> Result<Conversation, ConversationError> {
        let (conversation_id, message) = (conversation.clone(), id.clone());
        let below = self
            .with_store(move |store| {
                let messages = store.messages(&conversation_id)?;
                let tree = Tree::of(&messages);
                tree.require(&message)?;
                Ok(tree.below(&message))
            })
            .await?;
        let running = self.0.running.all(|a| a.conversation == conversation && below.contains(&a.message));
        running.iter().for_each(|answering| answering.end(Ending::Discarded));
        for answering in running {
            answering.wait().await;
        }
        self.with_store(move |store| Ok(store.delete_message(&conversation, &id)?)).await
    }

    /// Changes the text of a message in its place.
    ///
    /// # Errors
    /// `Running` while it is being written; those of the store.
    pub async fn rewrite(
        &self,
        conversation: String,
        id: String,
        content: String,
    ) -> Result<Message, ConversationError> {
        if self.0.running.running(&conversation, &id).is_some() {
            return Err(ConversationError::Running { id });
        }
        self.with_store(move |store| {
            let message = Message { content, ..store.message(&conversation, &id)? };
            store.put_messages(&conversation, std::slice::from_ref(&message), None)?;
            Ok(message)
        })
        .await
    }

    /// A new conversation with a copy of the path to a message.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn branch(&self, conversation: String, message: String) -> Result<Conversation, ConversationError> {
        self.0.check_open()?;
        self.with_store(move |store| {
            let from = store.conversation(&conversation)?;
            let messages = store.messages(&conversation)?;
            let tree = Tree::of(&messages);
            tree.require(&message)?;
            let now = ids::now();
            let id = ids::new("conv_");
            let (mut parent, mut copies, mut files) = (None, Vec::new(), Vec::new());
            for original in tree.path(&message) {
                let mut copy = Message { id: ids::new("msg_"), conversation: id.clone(), parent, ..original.clone() };
                if copy.status == tern_store::Status::Generating {
                    copy.status = tern_store::Status::Interrupted;
                }
                for file in &mut copy.attachments {
                    let bytes = store.attachment(&conversation, &file.id)?;
                    file.id = ids::new("file_");
                    files.push((file.id.clone(), bytes));
                }
                parent = Some(copy.id.clone());
                copies.push(copy);
            }
            let branch = Conversation {
                id: id.clone(),
                created_ms: now,
                updated_ms: now,
                current: parent,
                pinned: false,
                archived: false,
                ..from
            };
            store.create(&branch, &copies)?;
            for (file, bytes) in files {
                store.put_attachment(&id, &file, &bytes)?;
            }
            Ok(store.conversation(&id)?)
        })
        .await
    }

    /// Suggests a title from the first message and takes it; one that a person gave stays unless `force`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn suggest_title(&self, id: String, force: bool) -> Result<Conversation, ConversationError> {
        self.with_store(move |store| {
            let conversation = store.conversation(&id)?;
            if conversation.title_is_given && !force {
                return Ok(conversation);
            }
            let messages = store.messages(&id)?;
            let tree = Tree::of(&messages);
            let shown = conversation.current.as_deref().map(|current| tree.path(current)).unwrap_or_default();
            let first = shown.into_iter().chain(&messages).find(|message| message.role == Role::User);
            let title = title::suggest(first.map_or("", |message| &message.content));
            Ok(store.update(&id, &mut |kept| {
                if !kept.title_is_given || force {
                    kept.title.clone_from(&title);
                    kept.title_is_given = false;
                }
            })?)
        })
        .await
    }

    /// Ends an answer that is being written; its text is kept. One that is not is left as it is.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn stop(&self, conversation: String, id: String) -> Result<Message, ConversationError> {
        if let Some(answering) = self.0.running.running(&conversation, &id) {
            answering.end(Ending::Stopped);
            answering.wait().await;
        }
        self.with_store(move |store| Ok(store.message(&conversation, &id)?)).await
    }

    /// Follows an answer from behind event `after`. Of one that ended long ago there is only the end.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn join(&self, conversation: String, id: String, after: u64) -> Result<Reader, ConversationError> {
        if let Some(reader) = self.0.running.read(&conversation, &id, after) {
            return Ok(reader);
        }
        self.with_store(move |store| {
            let message = store.message(&conversation, &id)?;
            let conversation = store.conversation(&conversation)?;
            let log = Log::new(after);
            log.push(AnswerEvent::End { message: Box::new(message), conversation: Box::new(conversation) });
            Ok(log.read(after))
        })
        .await
    }

    /// All conversations, or one, in a format; `write` gets the pieces and may refuse them to end early.
    ///
    /// # Errors
    /// Those of the store.
    pub fn export(
        &self,
        one: Option<&str>,
        format: export::Format,
        write: &mut dyn FnMut(String) -> bool,
    ) -> Result<(), StoreError> {
        export::export(&*self.0.store, one, format, write)
    }

    /// Takes conversations of a file.
    ///
    /// # Errors
    /// `File` if the file is none of the known kinds; those of the store if nothing could be taken.
    pub async fn import(&self, document: String) -> Result<Import, ConversationError> {
        self.0.check_open()?;
        self.with_store(move |store| import::import(store, &document)).await
    }

    /// Ends running answers, which keep what they have, and writes what is not yet written. New ones are refused.
    pub async fn shut_down(&self) {
        self.0.closing.store(true, Ordering::Release);
        let running = self.0.running.all(|_| true);
        running.iter().for_each(|answering| answering.end(Ending::Interrupted));
        let all = async {
            for answering in running {
                answering.wait().await;
            }
        };
        if tokio::time::timeout(LAST_WRITES, all).await.is_err() {
            tracing::error!("answers are lost that could not be written in {} s", LAST_WRITES.as_secs());
        }
        let store = self.0.store.clone();
        let written = tokio::task::spawn_blocking(move || store.retry()).await;
        if !written.unwrap_or(false) {
            tracing::error!("conversations are lost that the disk does not take: {:?}", self.saved().reason);
        }
    }
}

/// A conversation to create.
#[derive(Debug, Clone, Default)]
pub struct NewConversation {
    /// A title, if a person gives one.
    pub title: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// Instructions.
    pub system_prompt: Option<String>,
    /// Model of its answers.
    pub model: Option<String>,
    /// Parameters of its answers.
    pub parameters: Map<String, Value>,
}

/// Changes of a conversation; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// A title; an empty one makes room for a suggestion.
    pub title: Option<String>,
    /// Labels.
    pub tags: Option<Vec<String>>,
    /// Whether it is listed first.
    pub pinned: Option<bool>,
    /// Whether it is put away.
    pub archived: Option<bool>,
    /// Instructions; `Some(None)` takes them away.
    pub system_prompt: Option<Option<String>>,
    /// Model; `Some(None)` takes it away.
    pub model: Option<Option<String>>,
    /// Parameters, all of them.
    pub parameters: Option<Map<String, Value>>,
    /// The last message of the branch to be shown.
    pub current: Option<String>,
}

impl Change {
    fn apply(&self, kept: &mut Conversation) {
        if let Some(title) = &self.title {
            title.trim().clone_into(&mut kept.title);
            kept.title_is_given = !kept.title.is_empty();
        }
        if let Some(given) = &self.tags {
            kept.tags = tags(given.clone());
        }
        kept.pinned = self.pinned.unwrap_or(kept.pinned);
        kept.archived = self.archived.unwrap_or(kept.archived);
        if let Some(text) = &self.system_prompt {
            kept.system_prompt = text.clone().filter(|text| !text.is_empty());
        }
        if let Some(model) = &self.model {
            kept.model = model.clone().filter(|model| !model.is_empty());
        }
        if let Some(parameters) = &self.parameters {
            kept.parameters = parameters::merge(&Map::new(), parameters);
        }
        if let Some(current) = &self.current {
            kept.current = Some(current.clone());
        }
    }
}

/// Each label once, without white space around it, and no empty ones.
pub(crate) fn tags(given: Vec<String>) -> Vec<String> {
    let mut tags: Vec<String> = Vec::with_capacity(given.len());
    for tag in given {
        let tag = tag.trim();
        if !tag.is_empty() && !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    tags
}
