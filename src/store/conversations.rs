//! Conversations inside a transaction.

use redb::{ReadableTable, WriteTransaction};

use crate::{
    Conversation, Message, StoreError,
    disk::{Failure, now_ms},
    messages, places,
    tables::{
        ATTACHMENTS, Below, CONVERSATIONS, ConversationRecord, GENERATING, MESSAGES, META, META_GENERATION,
        META_NEXT_NUMBER, decode, encode,
    },
};

pub(crate) fn missing(id: &str) -> StoreError {
    StoreError::NotFound { what: "conversation", id: id.to_owned() }
}

pub(crate) fn get(transaction: &WriteTransaction, id: &str) -> Result<ConversationRecord, Failure> {
    let table = transaction.open_table(CONVERSATIONS)?;
    let value = table.get(id)?.ok_or_else(|| missing(id))?;
    decode(value.value())
}

pub(crate) fn put(transaction: &WriteTransaction, record: &ConversationRecord) -> Result<(), Failure> {
    let mut table = transaction.open_table(CONVERSATIONS)?;
    table.insert(record.conversation.id.as_str(), encode(record).as_slice())?;
    Ok(())
}

/// Raises a number of the store and gives what it was before.
fn raise(transaction: &WriteTransaction, name: &str) -> Result<u64, Failure> {
    let mut meta = transaction.open_table(META)?;
    let before = meta.get(name)?.map_or(0, |value| value.value());
    meta.insert(name, before + 1)?;
    Ok(before)
}

/// The generation of this transaction, which changes what a search finds.
pub(crate) fn next_generation(transaction: &WriteTransaction) -> Result<u64, Failure> {
    Ok(raise(transaction, META_GENERATION)? + 1)
}

pub(crate) fn create(
    transaction: &WriteTransaction,
    conversation: &Conversation,
    messages: &[Message],
) -> Result<ConversationRecord, Failure> {
    if transaction.open_table(CONVERSATIONS)?.get(conversation.id.as_str())?.is_some() {
        return Err(StoreError::Conflict { what: "conversation", id: conversation.id.clone() }.into());
    }
    let mut record = ConversationRecord {
        number: raise(transaction, META_NEXT_NUMBER)?,
        changed: next_generation(transaction)?,
        conversation: Conversation { messages: 0, ..conversation.clone() },
        ..Default::default()
    };
    messages::put(transaction, &mut record, messages)?;
    show(transaction, &record, conversation.current.as_deref())?;
    put(transaction, &record)?;
    Ok(record)
}

pub(crate) fn update(
    transaction: &WriteTransaction,
    id: &str,
    change: &mut dyn FnMut(&mut Conversation),
) -> Result<ConversationRecord, Failure> {
    let mut record = get(transaction, id)?;
    let before = record.conversation.clone();
    change(&mut record.conversation);
    let after = &mut record.conversation;
    after.id.clone_from(&before.id);
    after.messages = before.messages;
    if after.updated_ms == before.updated_ms {
        after.updated_ms = now_ms();
    }
    if after.current != before.current {
        let current = after.current.clone();
        show(transaction, &record, current.as_deref())?;
    }
    if record.conversation.title != before.title {
        record.changed = next_generation(transaction)?;
    }
    put(transaction, &record)?;
    Ok(record)
}

/// Checks that the branch to be shown exists.
pub(crate) fn show(
    transaction: &WriteTransaction,
    record: &ConversationRecord,
    current: Option<&str>,
) -> Result<(), Failure> {
    let Some(current) = current else { return Ok(()) };
    let table = transaction.open_table(MESSAGES)?;
    match table.get((record.conversation.id.as_str(), current))? {
        Some(_) => Ok(()),
        None => Err(messages::missing(current).into()),
    }
}

/// Removes a conversation with all that belongs to it. Gives whether it was there.
pub(crate) fn delete(transaction: &WriteTransaction, id: &str) -> Result<bool, Failure> {
    if transaction.open_table(CONVERSATIONS)?.remove(id)?.is_none() {
        return Ok(false);
    }
    let keys = Below::new(id);
    let mut gone = Vec::new();
    transaction.open_table(MESSAGES)?.retain_in::<(&str, &str), _>(keys.range(), |key, _| {
        gone.push(key.1.to_owned());
        false
    })?;
    places::remove(transaction, gone.iter().map(String::as_str), id)?;
    transaction.open_table(ATTACHMENTS)?.retain_in::<(&str, &str), _>(keys.range(), |_, _| false)?;
    transaction.open_table(GENERATING)?.retain_in::<(&str, &str), _>(keys.range(), |_, ()| false)?;
    Ok(true)
}

/// Adds or replaces messages and shows the branch of `current`.
pub(crate) fn put_messages(
    transaction: &WriteTransaction,
    id: &str,
    messages: &[Message],
    current: Option<&str>,
) -> Result<ConversationRecord, Failure> {
    let mut record = get(transaction, id)?;
    messages::put(transaction, &mut record, messages)?;
    show(transaction, &record, current)?;
    if let Some(current) = current {
        record.conversation.current = Some(current.to_owned());
    }
    record.conversation.updated_ms = now_ms();
    record.changed = next_generation(transaction)?;
    put(transaction, &record)?;
    Ok(record)
}

/// Removes a message with everything below it.
pub(crate) fn delete_message(
    transaction: &WriteTransaction,
    id: &str,
    message: &str,
) -> Result<ConversationRecord, Failure> {
    let mut record = get(transaction, id)?;
    messages::delete(transaction, &mut record, message)?;
    record.conversation.updated_ms = now_ms();
    record.changed = next_generation(transaction)?;
    put(transaction, &record)?;
    Ok(record)
}
