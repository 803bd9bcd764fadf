//! Conversations as files: JSON that can be imported again, Markdown and plain text to read.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::{Map, Value};
use tern_store::{Conversation, ConversationStore, ListQuery, Message, Millis, Order, Role, StoreError};

use crate::{ids, tree::Tree};

/// What our JSON calls itself.
pub(crate) const FORMAT: &str = "tern-conversations";
/// Its version: raised when an older reader would misunderstand it.
pub(crate) const VERSION: u64 = 1;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Everything, all branches and files included.
    Json,
    /// The branch that is shown, as Markdown.
    Markdown,
    /// The branch that is shown, as plain text.
    Text,
}

impl Format {
    /// The ending of a file's name.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Markdown => "md",
            Self::Text => "txt",
        }
    }
}

/// A conversation in our JSON.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    conversation: &'a Conversation,
    tree: &'a [Message],
    /// Contents of attachments by their ids, in base64.
    files: Map<String, Value>,
}

/// Writes one conversation, or all from the oldest to the newest; one is in memory at a time.
pub(crate) fn export(
    store: &dyn ConversationStore,
    one: Option<&str>,
    format: Format,
    write: &mut dyn FnMut(String) -> bool,
) -> Result<(), StoreError> {
    let mut ids = match one {
        Some(id) => vec![store.conversation(id)?.id],
        None => all(store)?,
    }
    .into_iter();
    if format == Format::Json {
        let head = format!(
            "{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"exported_ms\":{},\"conversations\":[",
            ids::now()
        );
        if !write(head) {
            return Ok(());
        }
    }
    let mut first = true;
    let go_on = ids.try_for_each(|id| {
        let (conversation, messages) = match (store.conversation(&id), store.messages(&id)) {
            (Ok(conversation), Ok(messages)) => (conversation, messages),
            // Deleted since it was listed.
            (Err(StoreError::NotFound { .. }), _) | (_, Err(StoreError::NotFound { .. })) => return Ok(()),
            (Err(error), _) | (_, Err(error)) => return Err(Some(error)),
        };
        let text = match format {
            Format::Json => json(store, &conversation, &messages),
            Format::Markdown => markdown(&conversation, &messages),
            Format::Text => text(&conversation, &messages),
        };
        let between = match format {
            _ if std::mem::take(&mut first) => "",
            Format::Json => ",\n",
            Format::Markdown => "\n---\n\n",
            Format::Text => "\n\n\n",
        };
        if write(format!("{between}{text}")) { Ok(()) } else { Err(None) }
    });
    match go_on {
        Err(Some(error)) => return Err(error),
        Err(None) => return Ok(()),
        Ok(()) => {}
    }
    if format == Format::Json {
        write("]}\n".to_owned());
    }
    Ok(())
}

/// Ids of all conversations, archived ones too.
fn all(store: &dyn ConversationStore) -> Result<Vec<String>, StoreError> {
    let mut ids = Vec::new();
    for archived in [false, true] {
        let mut query = ListQuery {
            archived: Some(archived),
            order: Order::Created,
            reverse: true,
            limit: 500,
            ..ListQuery::default()
        };
        loop {
            let page = store.list(&query)?;
            query.after = page.data.last().map(|conversation| conversation.id.clone());
            ids.extend(page.data.into_iter().map(|conversation| conversation.id));
            if !page.has_more || query.after.is_none() {
                break;
            }
        }
    }
    Ok(ids)
}

fn json(store: &dyn ConversationStore, conversation: &Conversation, messages: &[Message]) -> String {
    let files = messages.iter().flat_map(|message| &message.attachments).filter_map(|file| {
        let bytes = store.attachment(&conversation.id, &file.id).ok()?;
        Some((file.id.clone(), BASE64_STANDARD.encode(bytes).into()))
    });
    serde_json::to_string(&Whole { conversation, tree: messages, files: files.collect() }).unwrap_or_default()
}

/// The branch that is shown; of a conversation that shows none, its last one.
fn shown<'a>(conversation: &Conversation, messages: &'a [Message]) -> Vec<&'a Message> {
    let last = conversation.current.as_deref().or(messages.last().map(|message| message.id.as_str()));
    last.map(|last| Tree::of(messages).path(last)).unwrap_or_default()
}

fn title(conversation: &Conversation) -> String {
    let title = conversation.title.split_whitespace().collect::<Vec<_>>().join(" ");
    if title.is_empty() { crate::title::NEW_CHAT.to_owned() } else { title }
}

/// Who speaks, and of an answer by which model.
fn speaker(message: &Message) -> String {
    match (message.role, &message.answer) {
        (Role::System, _) => "System".to_owned(),
        (Role::User, _) => "You".to_owned(),
        (Role::Assistant, Some(answer)) if !answer.model.is_empty() => answer.model.clone(),
        (Role::Assistant, _) => "Assistant".to_owned(),
        (Role::Tool, _) => "Tool".to_owned(),
    }
}

fn markdown(conversation: &Conversation, messages: &[Message]) -> String {
    let mut out = format!("# {}\n\n_{}_\n\n", title(conversation), date(conversation.created_ms));
    if let Some(instructions) = &conversation.system_prompt {
        out += &format!("## System\n\n{}\n\n", instructions.trim_end());
    }
    for message in shown(conversation, messages) {
        out += &format!("## {}\n\n", speaker(message));
        for file in &message.attachments {
            out += &format!("- {} ({} bytes)\n", file.name, file.bytes);
        }
        if let Some(reasoning) = message.reasoning.as_deref().filter(|text| !text.trim().is_empty()) {
            let text = reasoning.trim();
            out += &format!("<details>\n<summary>Reasoning</summary>\n\n{text}\n\n</details>\n\n");
        }
        for call in &message.tool_calls {
            out += &format!("- {}({})\n\n", call.name, call.arguments);
        }
        out += &format!("{}\n\n", message.content.trim_end());
    }
    out
}

fn text(conversation: &Conversation, messages: &[Message]) -> String {
    let title = title(conversation);
    let line = "=".repeat(title.chars().count());
    let mut out = format!("{title}\n{line}\n{}\n", date(conversation.created_ms));
    if let Some(instructions) = &conversation.system_prompt {
        out += &format!("\nSystem:\n{}\n", instructions.trim_end());
    }
    for message in shown(conversation, messages) {
        out += &format!("\n{}:\n", speaker(message));
        for call in &message.tool_calls {
            out += &format!("{}({})\n", call.name, call.arguments);
        }
        out += &format!("{}\n", message.content.trim_end());
    }
    out
}

/// A time as `2026-03-01 12:30 UTC`.
fn date(at: Millis) -> String {
    let minutes = at / 60_000;
    let (days, minute) = (minutes / 1440, minutes % 1440);
    // Howard Hinnant's calendar: years begin in March, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use tern_store::{Answer, RedbStore};

    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00 UTC");
        assert_eq!(date(951_868_800_000), "2000-03-01 00:00 UTC");
        assert_eq!(date(1_767_225_599_000), "2025-12-31 23:59 UTC");
    }

    fn store() -> RedbStore {
        let store = RedbStore::temporary();
        let message = |id: &str, parent: Option<&str>, role, content: &str| Message {
            id: id.into(),
            conversation: "c".into(),
            parent: parent.map(Into::into),
            role,
            content: content.into(),
            ..Message::default()
        };
        let answer = Answer { model: "echo".into(), ..Answer::default() };
        let messages = [
            message("1", None, Role::User, "Hi"),
            Message {
                answer: Some(answer),
                reasoning: Some("Hm.".into()),
                ..message("2", Some("1"), Role::Assistant, "Hello")
            },
            message("3", Some("1"), Role::Assistant, "not shown"),
        ];
        let conversation = Conversation {
            id: "c".into(),
            title: "A <b>title</b>\nin two lines".into(),
            current: Some("2".into()),
            ..Conversation::default()
        };
        store.create(&conversation, &messages).unwrap();
        store
    }

    fn exported(format: Format) -> String {
        let mut out = String::new();
        export(&store(), None, format, &mut |piece| {
            out += &piece;
            true
        })
        .unwrap();
        out
    }

    #[test]
    fn the_branch_that_is_shown_is_written_to_be_read() {
        assert_eq!(
            exported(Format::Markdown),
            "# A <b>title</b> in two lines\n\n_1970-01-01 00:00 UTC_\n\n## You\n\nHi\n\n## echo\n\n<details>\n\
             <summary>Reasoning</summary>\n\nHm.\n\n</details>\n\nHello\n\n"
        );
        let text = exported(Format::Text);
        assert!(text.ends_with("1970-01-01 00:00 UTC\n\nYou:\nHi\n\necho:\nHello\n"), "{text}");
    }

    #[test]
    fn json_has_every_branch() {
        let json: Value = serde_json::from_str(&exported(Format::Json)).unwrap();
        assert_eq!((&json["format"], &json["version"]), (&FORMAT.into(), &VERSION.into()));
        let conversation = &json["conversations"][0];
        assert_eq!(conversation["tree"].as_array().unwrap().len(), 3);
        assert_eq!(conversation["title"], "A <b>title</b>\nin two lines");
    }

    #[test]
    fn a_reader_that_leaves_ends_it() {
        let mut pieces = 0;
        export(&store(), None, Format::Json, &mut |_| {
            pieces += 1;
            false
        })
        .unwrap();
        assert_eq!(pieces, 1);
    }
}
