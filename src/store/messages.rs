//! Messages and attachments inside a transaction.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use redb::{ReadableTable, Table, WriteTransaction};

use crate::{
    Message, Status, StoreError,
    disk::Failure,
    places,
    tables::{ATTACHMENTS, Below, ConversationRecord, GENERATING, MESSAGES, MessageRecord, decode, encode},
};

type Messages<'t> = Table<'t, (&'static str, &'static str), &'static [u8]>;

pub(crate) fn missing(id: &str) -> StoreError {
    StoreError::NotFound { what: "message", id: id.to_owned() }
}

/// All messages of a conversation, oldest first, thus parents before children.
pub(crate) fn all(
    table: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    conversation: &str,
) -> Result<Vec<MessageRecord>, Failure> {
    let mut records = Vec::new();
    for item in table.range::<(&str, &str)>(Below::new(conversation).range())? {
        records.push(decode::<MessageRecord>(item?.1.value())?);
    }
    records.sort_unstable_by_key(|record| record.seq);
    Ok(records)
}

pub(crate) fn one(
    table: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    conversation: &str,
    id: &str,
) -> Result<Option<MessageRecord>, Failure> {
    table.get((conversation, id))?.map(|value| decode(value.value())).transpose()
}

/// Adds or replaces messages and counts them in `record`, which the caller writes.
pub(crate) fn put(
    transaction: &WriteTransaction,
    record: &mut ConversationRecord,
    messages: &[Message],
) -> Result<(), Failure> {
    let conversation = record.conversation.id.clone();
    let mut table = transaction.open_table(MESSAGES)?;
    let mut generating = transaction.open_table(GENERATING)?;
    for message in parents_first(messages)? {
        let seq = match one(&table, &conversation, &message.id)? {
            Some(old) if old.message.parent != message.parent => {
                return Err(StoreError::Misplaced { id: message.id.clone() }.into());
            }
            Some(old) => {
                count_model(record, &old.message, false);
                old.seq
            }
            None => {
                if let Some(parent) = message.parent.as_deref()
                    && table.get((conversation.as_str(), parent))?.is_none()
                {
                    return Err(missing(parent).into());
                }
                places::add(transaction, &message.id, &conversation)?;
                record.next_seq += 1;
                record.conversation.messages += 1;
                record.next_seq - 1
            }
        };
        count_model(record, message, true);
        write(&mut table, &conversation, seq, message)?;
        let key = (conversation.as_str(), message.id.as_str());
        if message.status == Status::Generating {
            generating.insert(key, ())?;
        } else {
            generating.remove(key)?;
        }
    }
    Ok(())
}

fn write(table: &mut Messages<'_>, conversation: &str, seq: u64, message: &Message) -> Result<(), Failure> {
    let message = if message.conversation == conversation {
        Cow::Borrowed(message)
    } else {
        Cow::Owned(Message { conversation: conversation.to_owned(), ..message.clone() })
    };
    let bytes = encode(&MessageRecord { seq, message: &*message });
    table.insert((conversation, message.id.as_str()), bytes.as_slice())?;
    Ok(())
}

fn count_model(record: &mut ConversationRecord, message: &Message, add: bool) {
    let Some(answer) = &message.answer else { return };
    let count = record.models.entry(answer.model.clone()).or_default();
    *count = if add { *count + 1 } else { count.saturating_sub(1) };
    if *count == 0 {
        record.models.remove(&answer.model);
    }
}

/// The messages in an order in which each stands behind its parent, if that is among them; otherwise as given.
fn parents_first(messages: &[Message]) -> Result<Vec<&Message>, StoreError> {
    let mut waiting = HashMap::with_capacity(messages.len());
    for message in messages {
        if waiting.insert(message.id.as_str(), message).is_some() {
            return Err(StoreError::Conflict { what: "message", id: message.id.clone() });
        }
    }
    let mut ordered = Vec::with_capacity(messages.len());
    let mut climb_of = HashMap::new();
    for (climb, message) in messages.iter().enumerate() {
        // Up to the first ancestor that stands already, or is none of these.
        let mut line = Vec::new();
        let mut next = waiting.remove(message.id.as_str());
        while let Some(message) = next {
            line.push(message);
            climb_of.insert(message.id.as_str(), climb);
            let parent = message.parent.as_deref();
            if parent.is_some_and(|parent| climb_of.get(parent) == Some(&climb)) {
                return Err(StoreError::Misplaced { id: message.id.clone() });
            }
            next = parent.and_then(|parent| waiting.remove(parent));
        }
        ordered.extend(line.into_iter().rev());
    }
    Ok(ordered)
}

/// Replaces a message that is still being generated.
pub(crate) fn progress(transaction: &WriteTransaction, message: &Message) -> Result<(), Failure> {
    let conversation = message.conversation.as_str();
    let mut table = transaction.open_table(MESSAGES)?;
    let old = one(&table, conversation, &message.id)?.ok_or_else(|| missing(&message.id))?;
    if old.message.status != Status::Generating {
        return Ok(());
    }
    let message = Message { parent: old.message.parent, status: Status::Generating, ..message.clone() };
    write(&mut table, conversation, old.seq, &message)
}

/// Removes a message with everything below it and what only they name; counts in `record`, which the caller writes.
pub(crate) fn delete(transaction: &WriteTransaction, record: &mut ConversationRecord, id: &str) -> Result<(), Failure> {
    let conversation = record.conversation.id.clone();
    let mut table = transaction.open_table(MESSAGES)?;
    let all = all(&table, &conversation)?;
    let top = all.iter().find(|one| one.message.id == id).ok_or_else(|| missing(id))?;
    let mut gone = HashSet::from([id]);
    for MessageRecord { message, .. } in &all {
        if message.parent.as_deref().is_some_and(|parent| gone.contains(parent)) {
            gone.insert(&message.id);
        }
    }
    let (removed, kept): (Vec<_>, Vec<_>) =
        all.iter().map(|one| &one.message).partition(|message| gone.contains(message.id.as_str()));
    let files = |messages: &[&Message]| -> HashSet<String> {
        messages.iter().flat_map(|message| &message.attachments).map(|file| file.id.clone()).collect()
    };
    let (mut generating, mut attachments) = (transaction.open_table(GENERATING)?, transaction.open_table(ATTACHMENTS)?);
    for file in files(&removed).difference(&files(&kept)) {
        attachments.remove((conversation.as_str(), file.as_str()))?;
    }
    places::remove(transaction, removed.iter().map(|message| message.id.as_str()), &conversation)?;
    for message in &removed {
        let key = (conversation.as_str(), message.id.as_str());
        table.remove(key)?;
        generating.remove(key)?;
        count_model(record, message, false);
    }
    if record.conversation.current.as_deref().is_some_and(|current| gone.contains(current)) {
        // Where the whole branch is gone, the newest message of another one, which is a last one.
        let newest = || kept.last().map(|message| message.id.clone());
        record.conversation.current = top.message.parent.clone().or_else(newest);
    }
    record.conversation.messages = kept.len() as u64;
    Ok(())
}
