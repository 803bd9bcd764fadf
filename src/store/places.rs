//! Which conversation a message is in, for whoever knows the message alone.

use redb::{ReadableTable, WriteTransaction};

use crate::{
    disk::Failure,
    tables::{Below, MESSAGES, PLACES},
};

/// The conversation of a message, if there is one.
pub(crate) fn find(
    table: &impl ReadableTable<(&'static str, &'static str), ()>,
    message: &str,
) -> Result<Option<String>, Failure> {
    let first = table.range::<(&str, &str)>(Below::new(message).range())?.next().transpose()?;
    Ok(first.map(|(key, _)| key.value().1.to_owned()))
}

pub(crate) fn add(transaction: &WriteTransaction, message: &str, conversation: &str) -> Result<(), Failure> {
    transaction.open_table(PLACES)?.insert((message, conversation), ())?;
    Ok(())
}

pub(crate) fn remove<'a>(
    transaction: &WriteTransaction,
    messages: impl IntoIterator<Item = &'a str>,
    conversation: &str,
) -> Result<(), Failure> {
    let mut table = transaction.open_table(PLACES)?;
    for message in messages {
        table.remove((message, conversation))?;
    }
    Ok(())
}

/// Notes every message of a file that has no such table yet.
pub(crate) fn note_all(transaction: &WriteTransaction) -> Result<(), Failure> {
    let (messages, mut places) = (transaction.open_table(MESSAGES)?, transaction.open_table(PLACES)?);
    for item in messages.iter()? {
        let key = item?.0;
        let (conversation, message) = key.value();
        places.insert((message, conversation), ())?;
    }
    Ok(())
}
