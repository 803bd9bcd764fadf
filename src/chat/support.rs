//! What a template can express, found by rendering small dialogues with it when the model is loaded.
//!
//! A template may refuse a dialogue (`raise_exception`) or quietly leave a message out. Both are found the same way:
//! each probe has a word of its own in every message, and is supported if all words are in the output.

use serde_json::{Map, Value, json};

use crate::{
    Message, Role, TemplateError, ToolCall,
    control::{ControlSpellings, Escaper},
    dialogue,
    template::{RenderError, Template},
};

/// What a template can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Support {
    /// System messages.
    pub system: SystemSupport,
    /// Whether a dialogue may consist of system messages only.
    pub system_alone: bool,
    /// Whether neighbours of one role must be merged.
    pub alternation: bool,
    /// Whether the assistant may speak first.
    pub assistant_first: bool,
    /// How content is given.
    pub content: ContentShape,
    /// How tool calls and results are given; `None` if the template leaves them out.
    pub tools: Option<CallShape>,
}

/// Which system messages a template takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemSupport {
    /// None at all.
    None,
    /// One at the beginning.
    Leading {
        /// Also several at the beginning.
        several: bool,
        /// Also one in the middle.
        late: bool,
    },
}

/// How a template reads `content`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentShape {
    /// A text.
    Text,
    /// A list of parts.
    Parts,
}

/// How a template reads tool calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallShape {
    /// Ids must have nine letters or digits.
    pub short_ids: bool,
    /// Content beside calls is null (and not an empty text).
    pub null_content: bool,
    /// Arguments are an object (and not JSON text).
    pub object_arguments: bool,
}

impl Default for CallShape {
    fn default() -> Self {
        Self { short_ids: false, null_content: true, object_arguments: true }
    }
}

impl Support {
    /// Everything, for a form that takes any messages; tools as text.
    pub const PLAIN: Self = Self {
        system: SystemSupport::Leading { several: true, late: true },
        system_alone: true,
        alternation: false,
        assistant_first: true,
        content: ContentShape::Text,
        tools: None,
    };

    /// What to try, in this order, when the template refuses or drops something in a dialogue of a form that no probe
    /// had: everything merged that can be merged, system text in the first user message, tools as text, both.
    pub fn stricter(self) -> [Self; 4] {
        let merged = match self.system {
            SystemSupport::None => SystemSupport::None,
            SystemSupport::Leading { .. } => SystemSupport::Leading { several: false, late: false },
        };
        let strict = |system, tools| Self {
            system,
            tools,
            system_alone: false,
            alternation: true,
            assistant_first: false,
            content: self.content,
        };
        [
            strict(merged, self.tools),
            strict(SystemSupport::None, self.tools),
            strict(merged, None),
            strict(SystemSupport::None, None),
        ]
    }

    /// Tries `template`. `variables` are those every rendering has (BOS, EOS).
    ///
    /// # Errors
    /// `TemplateError::Unusable` if it does not render a single user message.
    pub fn of(template: &Template, variables: &Map<String, Value>) -> Result<Self, TemplateError> {
        let probe = Probe { template, variables };
        let content = probe.content()?;
        let mut support = Self { content, system: SystemSupport::Leading { several: true, late: true }, ..Self::PLAIN };
        support.system = if probe.renders(support, &[SYSTEM, USER]) {
            SystemSupport::Leading {
                several: probe.renders(support, &[SYSTEM, SYSTEM, USER]),
                late: probe.renders(support, &[SYSTEM, USER, ASSISTANT, SYSTEM, USER])
                    && probe.renders(support, &[USER, ASSISTANT, SYSTEM, USER]),
            }
        } else {
            SystemSupport::None
        };
        support.system_alone = probe.renders(support, &[SYSTEM]);
        support.alternation =
            !probe.renders(support, &[USER, USER]) || !probe.renders(support, &[USER, ASSISTANT, ASSISTANT, USER]);
        support.assistant_first = probe.renders(support, &[ASSISTANT, USER]);
        support.tools = probe.tools(support);
        Ok(support)
    }
}

const SYSTEM: Role = Role::System;
const USER: Role = Role::User;
const ASSISTANT: Role = Role::Assistant;
/// The arguments of the probe's tool call; the value is the word looked for.
const ARGUMENT: &str = "zeppelin";

struct Probe<'a> {
    template: &'a Template,
    variables: &'a Map<String, Value>,
}

impl Probe<'_> {
    fn content(&self) -> Result<ContentShape, TemplateError> {
        let render = |content| {
            let support = Support { content, ..Support::PLAIN };
            self.render(support, &[Message::text(USER, word(0))], &[]).map(|text| text.contains(&word(0)))
        };
        match (render(ContentShape::Text), render(ContentShape::Parts)) {
            (Ok(true), _) => Ok(ContentShape::Text),
            (_, Ok(true)) => Ok(ContentShape::Parts),
            (Err(error), _) => Err(TemplateError::Unusable { message: error.to_string() }),
            (Ok(false), _) => {
                Err(TemplateError::Unusable { message: "the message's text is not in its output".to_owned() })
            }
        }
    }

    fn renders(&self, support: Support, roles: &[Role]) -> bool {
        let messages: Vec<_> = roles.iter().enumerate().map(|(i, role)| Message::text(*role, word(i))).collect();
        self.render(support, &messages, &[]).is_ok_and(|text| (0..messages.len()).all(|i| text.contains(&word(i))))
    }

    /// The first shape in which call, arguments and result all appear.
    fn tools(&self, support: Support) -> Option<CallShape> {
        let tools = [json!({"type": "function", "function": {
            "name": "probe_tool", "description": "A probe.",
            "parameters": {"type": "object", "properties": {"q": {"type": "string", "description": "What."}},
                           "required": ["q"]},
        }})];
        let shapes = [false, true].into_iter().flat_map(|short_ids| {
            [true, false].into_iter().flat_map(move |object_arguments| {
                [true, false].map(|null_content| CallShape { short_ids, null_content, object_arguments })
            })
        });
        shapes.into_iter().find(|shape| {
            let id = "call_0123456789abcdef".to_owned();
            let call = ToolCall {
                id: id.clone(),
                name: "probe_tool".to_owned(),
                arguments: json!({"q": ARGUMENT}).to_string(),
            };
            let messages = [
                Message::text(USER, word(0)),
                Message { content: None, tool_calls: vec![call], ..Message::text(ASSISTANT, "") },
                Message {
                    tool_call_id: Some(id),
                    name: Some("probe_tool".to_owned()),
                    ..Message::text(Role::Tool, word(1))
                },
            ];
            self.render(Support { tools: Some(*shape), ..support }, &messages, &tools).is_ok_and(|text| {
                let called = text.find(ARGUMENT).map(|at| text[..at].contains("probe_tool"));
                called == Some(true) && text.contains(&word(0)) && text.contains(&word(1))
            })
        })
    }

    fn render(&self, support: Support, messages: &[Message], tools: &[Value]) -> Result<String, RenderError> {
        let spellings = ControlSpellings::none();
        let mut escaper = Escaper::new(&spellings);
        let mut context = self.variables.clone();
        context.insert("messages".to_owned(), dialogue::to_json(messages, &support, &mut escaper, &[]));
        context.insert("tools".to_owned(), if tools.is_empty() { Value::Null } else { tools.into() });
        context.insert("documents".to_owned(), Value::Null);
        context.insert("add_generation_prompt".to_owned(), Value::Bool(true));
        self.template.render(&Value::Object(context))
    }
}

/// A word that stands in no template.
fn word(index: usize) -> String {
    format!("qvortex{}", char::from(b'a' + index as u8))
}
