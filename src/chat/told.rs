//! A model is told which form its answer must have: it cannot see the grammar that holds it, and who expects a question
//! to be answered in prose writes other things into the fields of a schema than who knows what they are for.

use std::borrow::Cow;

use tern_grammar::Grammar;

use crate::{Message, Role, TurnRequest};

/// The turn, with the JSON schema of the answer in its system message. Other forms have no words that a model would
/// understand.
pub fn told(turn: &TurnRequest) -> Cow<'_, TurnRequest> {
    let sentence = match &turn.generation.grammar {
        Some(Grammar::JsonObject) => "Answer with a JSON object and nothing else.".to_owned(),
        Some(Grammar::JsonSchema(schema)) => {
            format!("Answer with JSON that is valid under this schema, and nothing else: {schema}")
        }
        Some(Grammar::Regex(_) | Grammar::Lark(_) | Grammar::Gbnf(_)) | None => return Cow::Borrowed(turn),
    };
    let mut turn = turn.clone();
    match turn.messages.first_mut() {
        Some(Message { role: Role::System, content, .. }) => {
            let content = content.get_or_insert_default();
            if !content.is_empty() {
                content.push_str("\n\n");
            }
            content.push_str(&sentence);
        }
        _ => {
            let told = Message {
                role: Role::System,
                content: Some(sentence),
                reasoning: None,
                name: None,
                tool_calls: Vec::new(),
                tool_call_id: None,
                images: Vec::new(),
            };
            turn.messages.insert(0, told);
        }
    }
    Cow::Owned(turn)
}
