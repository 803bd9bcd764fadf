//! Answers that a program asks for. It has decided everything itself, and brings the events of the answer; here they
//! are kept as the answers of people are, in the same trees, so that either can go on where the other stopped.

use std::{future::Future, sync::Arc, time::Instant};

use futures_util::stream::BoxStream;
use tern_chat::{self as chat, TurnEvent};
use tern_store::{Conversation, ConversationStore, Message, Status, StoreError};

use crate::{
    AnswerEvent, ConversationError, Conversations,
    answering::{Job, Source},
    asking::first_words,
    ids, prompt,
    running::{Answering, Ending},
    tree::Tree,
};

/// What was said up to a message.
#[derive(Debug, Clone)]
pub struct Branch {
    /// Where.
    pub conversation: Conversation,
    /// From the first message to that one.
    pub path: Vec<Message>,
    /// The same as a model is given it, without the instructions of the conversation.
    pub dialogue: Vec<chat::Message>,
}

/// An answer to be kept with what it answers.
pub struct NewExchange {
    /// Id of the conversation; it is made if it is not there.
    pub conversation: String,
    /// The message before the first of these.
    pub parent: Option<String>,
    /// What was said, each below the one before it.
    pub messages: Vec<Message>,
    /// Contents of their attachments, by id.
    pub files: Vec<(String, Vec<u8>)>,
    /// The answer, which is yet empty.
    pub answer: Message,
    /// The answer's events.
    pub events: BoxStream<'static, TurnEvent>,
    /// Whether it goes on when nobody holds it any more.
    pub stays: bool,
}

/// Whoever holds this owns the answer: unless it stays, it ends when this is dropped, and what it has is kept.
pub struct Owned {
    answering: Arc<Answering>,
    stays: bool,
}

impl Owned {
    /// Waits for the end; gives the answer as it is then, or nothing if its task died.
    pub fn ended(&self) -> impl Future<Output = Option<Message>> + Send + use<> {
        let answering = self.answering.clone();
        async move {
            answering.wait().await;
            answering.log.end()
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if !self.stays {
            self.answering.end(Ending::Interrupted);
        }
    }
}

impl Conversations {
    /// A message by its id alone.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(&self, message: String) -> Result<Message, ConversationError> {
        self.with_store(move |store| Ok(store.message(&store.place(&message)?, &message)?)).await
    }

    /// What was said up to a message.
    ///
    /// # Errors
    /// `NotFound`, and `Running` while the message is being written.
    pub async fn branch_to(&self, message: Message) -> Result<Branch, ConversationError> {
        if self.0.running.running(&message.conversation, &message.id).is_some() {
            return Err(ConversationError::Running { id: message.id });
        }
        self.with_store(move |store| {
            let conversation = store.conversation(&message.conversation)?;
            let messages = store.messages(&message.conversation)?;
            let tree = Tree::of(&messages);
            tree.require(&message.id)?;
            let path = tree.path(&message.id);
            let dialogue = prompt::dialogue(None, &path, store)?;
            let path = path.into_iter().cloned().collect();
            Ok(Branch { conversation, path, dialogue })
        })
        .await
    }

    /// Stores an exchange, and writes its answer as its events come.
    ///
    /// # Errors
    /// `NotFound` if the conversation was to be gone on with and is not there (any more); those of the store.
    pub async fn keep(&self, exchange: NewExchange) -> Result<Owned, ConversationError> {
        self.0.check_open()?;
        let this = self.clone();
        // A task of its own, as for people: what it gives is dropped, and the answer ends, if nobody waits any more.
        tokio::spawn(async move { this.keep_here(exchange).await }).await.map_err(|_| ConversationError::Internal)?
    }

    async fn keep_here(&self, exchange: NewExchange) -> Result<Owned, ConversationError> {
        let NewExchange { conversation, parent, mut messages, files, mut answer, events, stays } = exchange;
        answer.status = Status::Generating;
        let words = first_words(messages.iter());
        messages.push(answer.clone());
        let mut before = parent;
        for message in &mut messages {
            message.conversation.clone_from(&conversation);
            message.parent = before.replace(message.id.clone());
        }
        let answer = messages.last().cloned().unwrap_or(answer);
        let begun = self.0.running.begin(&conversation, &answer.id);
        let answering = begun.ok_or_else(|| ConversationError::Running { id: answer.id.clone() })?;
        let store = self.0.store.clone();
        let is_new = messages[0].parent.is_none();
        let write = move || write(&*store, &conversation, is_new, messages, files);
        match tokio::task::spawn_blocking(write).await.map_err(|_| ConversationError::Internal).flatten() {
            Ok((conversation, messages)) => {
                answering.log.push(AnswerEvent::Messages { conversation: Box::new(conversation), messages });
            }
            Err(error) => {
                self.0.running.forget(&answering);
                return Err(error);
            }
        }
        let owned = Owned { answering: answering.clone(), stays };
        let source = Source::Given(events);
        let job = Job {
            service: self.clone(),
            answering,
            message: answer,
            source,
            first_words: words,
            asked: Instant::now(),
        };
        tokio::spawn(job.run());
        Ok(owned)
    }
}

/// Writes an exchange, and the conversation if `may_be_new` and it is not there.
fn write(
    store: &dyn ConversationStore,
    id: &str,
    may_be_new: bool,
    messages: Vec<Message>,
    files: Vec<(String, Vec<u8>)>,
) -> Result<(Conversation, Vec<Message>), ConversationError> {
    let current = messages.last().map(|message| message.id.clone());
    let is_new = may_be_new && matches!(store.conversation(id), Err(StoreError::NotFound { .. }));
    if is_new {
        let now = ids::now();
        let model = messages.last().and_then(|message| message.answer.as_ref()).map(|answer| answer.model.clone());
        let new =
            Conversation { id: id.to_owned(), model, created_ms: now, updated_ms: now, ..Conversation::default() };
        if files.is_empty() {
            store.create(&Conversation { current, ..new }, &messages)?;
            return Ok((store.conversation(id)?, messages));
        }
        store.create(&new, &[])?;
    }
    let written = files
        .iter()
        .try_for_each(|(file, bytes)| store.put_attachment(id, file, bytes))
        .and_then(|()| store.put_messages(id, &messages, current.as_deref()));
    if written.is_err() && is_new {
        // An empty conversation would say nothing to anyone.
        let _ = store.delete(&[id.to_owned()]);
    }
    Ok((written?, messages))
}
