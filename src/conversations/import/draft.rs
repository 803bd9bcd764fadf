//! What was read of a file, and the sound tree that is made of it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use tern_store::{Conversation, Message, Millis, Status};

use crate::{ids, title};

/// Longest title, in characters; what is longer is cut.
const MAX_TITLE: usize = 500;
/// Most messages of a conversation.
pub(super) const MAX_MESSAGES: usize = 100_000;

/// A conversation as a file has it: ids and parents are whatever the file says.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub conversation: Conversation,
    pub messages: Vec<Message>,
    pub files: Vec<(String, Vec<u8>)>,
}

/// A conversation that a store takes.
#[derive(Debug)]
pub(super) struct Sound {
    pub conversation: Conversation,
    pub messages: Vec<Message>,
    pub files: Vec<(String, Vec<u8>)>,
}

impl Draft {
    /// Makes a tree: parents before children, every id once, every parent there, no circles. Ids that are not of our
    /// form become new ones.
    pub fn finish(self) -> Sound {
        let Draft { mut conversation, messages, files } = self;
        let now = ids::now();
        if !ids::is_ours("conv_", &conversation.id) {
            conversation.id = ids::new("conv_");
        }
        let messages = in_order(messages);
        // A message keeps its id only if it has one of ours.
        let names: HashMap<String, String> = messages
            .iter()
            .map(|message| {
                let ours = ids::is_ours("msg_", &message.id);
                (message.id.clone(), if ours { message.id.clone() } else { ids::new("msg_") })
            })
            .collect();
        let rename = |id: Option<String>| id.and_then(|id| names.get(&id).cloned());
        let mut sound = Sound { conversation, messages: Vec::with_capacity(messages.len()), files };
        let known: HashMap<&str, usize> = sound.files.iter().map(|(id, bytes)| (id.as_str(), bytes.len())).collect();
        for mut message in messages {
            message.id = names[&message.id].clone();
            message.parent = rename(message.parent);
            message.conversation.clone_from(&sound.conversation.id);
            message.created_ms = message.created_ms.min(now);
            if message.status == Status::Generating {
                message.status = Status::Interrupted;
            }
            message.attachments.retain(|file| known.contains_key(file.id.as_str()));
            for file in &mut message.attachments {
                file.bytes = known[file.id.as_str()] as u64;
            }
            sound.messages.push(message);
        }
        let last = sound.messages.last().map(|message| message.id.clone());
        let conversation = &mut sound.conversation;
        conversation.current = rename(conversation.current.take()).or(last);
        conversation.title = conversation.title.chars().take(MAX_TITLE).collect();
        if conversation.title.trim().is_empty() {
            let first = sound.messages.iter().find(|message| message.role == tern_store::Role::User);
            conversation.title = title::suggest(first.map_or("", |message| &message.content));
            conversation.title_is_given = false;
        }
        conversation.tags = crate::service::tags(std::mem::take(&mut conversation.tags));
        conversation.created_ms = if conversation.created_ms == 0 { now } else { conversation.created_ms.min(now) };
        conversation.updated_ms = conversation.updated_ms.clamp(conversation.created_ms, now);
        conversation.messages = sound.messages.len() as u64;
        // Attachments have ids that the store uses as names.
        if sound.files.iter().any(|(id, _)| !ids::is_ours("file_", id)) {
            sound.renew_files();
        }
        sound
    }
}

impl Sound {
    /// Gives everything new ids.
    pub fn renew(&mut self) {
        self.conversation.id = ids::new("conv_");
        let names: HashMap<String, String> =
            self.messages.iter().map(|message| (message.id.clone(), ids::new("msg_"))).collect();
        let rename = |id: Option<String>| id.and_then(|id| names.get(&id).cloned());
        for message in &mut self.messages {
            message.conversation.clone_from(&self.conversation.id);
            message.parent = rename(message.parent.take());
            message.id = names[&message.id].clone();
        }
        self.conversation.current = rename(self.conversation.current.take());
        self.renew_files();
    }

    fn renew_files(&mut self) {
        let names: HashMap<String, String> = self.files.iter().map(|(id, _)| (id.clone(), ids::new("file_"))).collect();
        for file in self.messages.iter_mut().flat_map(|message| &mut message.attachments) {
            if let Some(name) = names.get(&file.id) {
                file.id.clone_from(name);
            }
        }
        for (id, _) in &mut self.files {
            *id = names[id].clone();
        }
    }
}

/// Parents before children and siblings in the order of the file; of a circle one link is cut.
fn in_order(messages: Vec<Message>) -> Vec<Message> {
    let mut seen = HashSet::new();
    let mut messages: Vec<Message> = messages;
    // Of two messages with one id the first is meant; the second is kept under another.
    for message in &mut messages {
        if !seen.insert(message.id.clone()) {
            message.id = ids::new("msg_");
            seen.insert(message.id.clone());
        }
    }
    for message in &mut messages {
        if message.parent.as_ref().is_some_and(|parent| !seen.contains(parent)) {
            message.parent = None;
        }
    }
    let mut children: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        match &message.parent {
            Some(parent) => children.entry(parent).or_default().push(place),
            None => roots.push(place),
        }
    }
    let mut order = Vec::with_capacity(messages.len());
    let mut placed = vec![false; messages.len()];
    let mut cut = HashSet::new();
    // What no root leads to is a circle: it is entered at its first message.
    for start in roots.into_iter().chain(0..messages.len()) {
        if !placed[start] && messages[start].parent.is_some() {
            cut.insert(start);
        }
        let mut waiting = vec![start];
        while let Some(place) = waiting.pop() {
            if !std::mem::replace(&mut placed[place], true) {
                order.push(place);
                let below = children.get(messages[place].id.as_str());
                waiting.extend(below.into_iter().flatten().rev());
            }
        }
    }
    let mut messages: Vec<Option<Message>> = messages.into_iter().map(Some).collect();
    let take = |place: usize| {
        let message = messages[place].take()?;
        Some(if cut.contains(&place) { Message { parent: None, ..message } } else { message })
    };
    order.into_iter().filter_map(take).collect()
}

/// A text of a file.
pub(super) fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(ToOwned::to_owned)
}

/// Seconds since 1970, perhaps with a fraction, as milliseconds; 0 where it is no time.
pub(super) fn seconds(value: Option<&Value>) -> Millis {
    let ms = value.and_then(Value::as_f64).filter(|s| s.is_finite() && *s > 0.0).map_or(0.0, |s| s * 1000.0);
    // Some write milliseconds where others write seconds, and nanoseconds are met as well.
    let ms = [1.0, 1e3, 1e6, 1e9].into_iter().map(|by| ms / by).find(|ms| *ms < 1e14).unwrap_or(0.0);
    ms as Millis
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, parent: Option<&str>) -> Message {
        Message { id: id.into(), parent: parent.map(Into::into), ..Message::default() }
    }

    #[test]
    fn circles_orphans_and_twins_become_a_tree() {
        let messages = vec![
            message("c", Some("b")),
            message("b", Some("a")),
            message("a", Some("c")),
            message("x", Some("nobody")),
            message("y", Some("x")),
            message("x", None),
            message("me", Some("me")),
        ];
        let order = in_order(messages);
        assert_eq!(order.len(), 7);
        for (at, message) in order.iter().enumerate() {
            if let Some(parent) = &message.parent {
                assert!(order[..at].iter().any(|before| before.id == *parent), "{}", message.id);
            }
        }
    }

    #[test]
    fn a_very_long_chain_needs_no_stack() {
        let chain = (0..50_000).rev().map(|n| message(&n.to_string(), (n > 0).then(|| (n - 1).to_string()).as_deref()));
        let order = in_order(chain.collect());
        assert_eq!(order.last().unwrap().id, "49999");
    }

    #[test]
    fn times_of_any_unit_and_nonsense() {
        let time = |value: Value| seconds(Some(&value));
        assert_eq!(time(1_700_000_000.5.into()), 1_700_000_000_500);
        assert_eq!(time(1_700_000_000_000_u64.into()), 1_700_000_000_000);
        assert_eq!(time(1_700_000_000_000_000_000_u64.into()), 1_700_000_000_000);
        for nonsense in [Value::Null, (-5).into(), 1e300.into(), "now".into()] {
            assert_eq!(seconds(Some(&nonsense)), 0, "{nonsense}");
        }
    }
}
