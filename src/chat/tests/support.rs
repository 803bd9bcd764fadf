//! Dialogues in few words, and models made of a template and the echo engine's tokenizer.

use std::{path::Path, sync::Arc};

use tern_chat::{ChatModel, ChatModelConfig, Clock, Generation, Message, Rendered, Role, ToolCall, TurnRequest};
use tern_echo::Vocabulary;
use tern_scheduler::SamplingParams;

/// All templates beside the golden file.
pub const TEMPLATES: [&str; 8] = ["chatml", "llama3", "mistral", "gemma", "r1", "hermes", "thinking", "parts"];

/// Scripts of the echo engine whose templates write calls, each in its own form.
pub const FORMS: [&str; 9] = [
    "echo-tools",
    "echo-tools-smollm",
    "echo-tools-llama",
    "echo-tools-mistral",
    "echo-tools-mistral-list",
    "echo-tools-deepseek",
    "echo-tools-coder",
    "echo-tools-plain",
    "echo-tools-thinking",
];

pub fn source(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/templates").join(name).with_extension("jinja");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn config(template: Option<String>) -> ChatModelConfig {
    let clock = Clock::Fixed(jiff::civil::datetime(2026, 1, 2, 3, 4, 5, 0));
    ChatModelConfig { template, clock, ..ChatModelConfig::default() }
}

/// A model with one of our templates.
pub fn model(name: &str) -> ChatModel {
    custom(&source(name))
}

/// A model with this template.
pub fn custom(template: &str) -> ChatModel {
    ChatModel::new(config(Some(template.to_owned())), Vocabulary::shared().clone()).expect("the template is good")
}

/// A model without a template.
pub fn plain() -> ChatModel {
    ChatModel::with_fallback(config(None), Vocabulary::shared().clone())
}

pub fn system(text: &str) -> Message {
    Message::text(Role::System, text)
}

pub fn user(text: &str) -> Message {
    Message::text(Role::User, text)
}

pub fn assistant(text: &str) -> Message {
    Message::text(Role::Assistant, text)
}

pub fn call(id: &str, name: &str, arguments: &str) -> Message {
    let call = ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() };
    Message { content: None, tool_calls: vec![call], ..assistant("") }
}

pub fn result(id: &str, text: &str) -> Message {
    Message { tool_call_id: Some(id.to_owned()), ..Message::text(Role::Tool, text) }
}

pub fn turn(messages: Vec<Message>) -> TurnRequest {
    let sampling = SamplingParams { temperature: 0.0, ..SamplingParams::default() };
    TurnRequest { generation: Generation { sampling, ..Generation::default() }, ..TurnRequest::new("test", messages) }
}

pub fn render(model: &ChatModel, messages: Vec<Message>) -> Rendered {
    model.render(&turn(messages)).expect("the dialogue is rendered")
}

pub fn prompt(model: &ChatModel, messages: Vec<Message>) -> String {
    render(model, messages).prompt
}

/// The tokens as text, control tokens spelled; and how many of them are control tokens.
pub fn spelled(rendered: &Rendered) -> (String, usize) {
    use tern_engine::Tokenizer as _;
    let vocabulary: &Arc<Vocabulary> = Vocabulary::shared();
    let mut bytes = Vec::new();
    rendered.tokens.iter().for_each(|token| vocabulary.decode(*token, true, &mut bytes));
    let control = rendered.tokens.iter().filter(|token| vocabulary.is_control(**token)).count();
    (String::from_utf8(bytes).unwrap(), control)
}
