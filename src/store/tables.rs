//! What lies in the file: names of tables, types of keys, records and their version. `README.md` beside this file has
//! the layout to the byte; change both together, raise [`SCHEMA`] and add a step to `upgrade.rs`.

use std::collections::BTreeMap;

use redb::TableDefinition;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Conversation, Message, disk::Failure};

/// Version of the layout. A file of a lower one is upgraded when it is opened, one of a higher one is refused.
pub(crate) const SCHEMA: u32 = 2;

/// Numbers of the store as a whole, by the names below.
pub(crate) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// Version of the layout.
pub(crate) const META_SCHEMA: &str = "schema";
/// Drawn once for a file, so that the index of another one is not taken for its own.
pub(crate) const META_IDENTITY: &str = "identity";
/// Raised by every transaction that changes what a search finds.
pub(crate) const META_GENERATION: &str = "generation";
/// Number of the next conversation.
pub(crate) const META_NEXT_NUMBER: &str = "next_number";

/// Conversation id -> [`ConversationRecord`].
pub(crate) const CONVERSATIONS: TableDefinition<&str, &[u8]> = TableDefinition::new("conversations.v1");
/// (Conversation id, message id) -> [`MessageRecord`].
pub(crate) const MESSAGES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("messages.v1");
/// (Conversation id, attachment id) -> its bytes, nothing in front.
pub(crate) const ATTACHMENTS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("attachments.v1");
/// Comparison id -> [`crate::Comparison`].
pub(crate) const COMPARISONS: TableDefinition<&str, &[u8]> = TableDefinition::new("comparisons.v1");
/// What is being generated: (conversation id, message id), or ("", comparison id). So that opening a file after a
/// crash need not look at every message.
pub(crate) const GENERATING: TableDefinition<(&str, &str), ()> = TableDefinition::new("generating.v1");

/// (Message id, conversation id) -> nothing: which conversation a message is in. An import may bring an id a second time.
pub(crate) const PLACES: TableDefinition<(&str, &str), ()> = TableDefinition::new("places.v2");

/// A conversation with what is known about its messages. `C` is a reference where one is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub(crate) struct ConversationRecord {
    /// Names it in the index in eight bytes. Never used again.
    pub number: u64,
    /// Generation of its last change that a search should see.
    pub changed: u64,
    /// `seq` of its next message.
    pub next_seq: u64,
    /// How many of its messages name each model.
    pub models: BTreeMap<String, u64>,
    pub conversation: Conversation,
}

/// A message with its place. `M` is `Message`, or a reference where one is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MessageRecord<M = Message> {
    /// Counts up in a conversation, so that parents have a lower one than their children.
    pub seq: u64,
    pub message: M,
}

/// Version of a record, its first byte. The rest is JSON.
const RECORD: u8 = 1;

pub(crate) fn encode(record: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![RECORD];
    serde_json::to_writer(&mut bytes, record).expect("maps have string keys and memory does not fail: this is a bug");
    bytes
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    match bytes.split_first() {
        Some((&RECORD, json)) => {
            serde_json::from_slice(json).map_err(|error| Failure::Damaged(format!("a record cannot be read: {error}")))
        }
        Some((version, _)) => Err(Failure::Damaged(format!("a record has version {version}, not {RECORD}"))),
        None => Err(Failure::Damaged("a record is empty".to_owned())),
    }
}

/// The bounds of all keys whose first part is `first`. Nothing sorts between a string and itself with a NUL behind.
pub(crate) struct Below(String);

impl Below {
    pub(crate) fn new(first: &str) -> Self {
        Self(format!("{first}\0"))
    }

    pub(crate) fn range(&self) -> std::ops::Range<(&str, &str)> {
        (&self.0[..self.0.len() - 1], "")..(&self.0, "")
    }
}
