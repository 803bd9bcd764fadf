//! Which part of an answer is reasoning: the marks around it, and where an answer starts.
//!
//! An answer is reasoning from its first word if the template has opened it (the prompt ends with the opening mark), or
//! if it begins with an opening mark, white space aside, whether or not the template mentions that mark. A mark later
//! in the text is text: people ask models about `<think>`. Only a mark that is a control token of the vocabulary opens
//! reasoning anywhere, since a model cannot write that by way of example.

use std::sync::Arc;

use crate::{Message, tools::Before};

/// How reasoning is found in answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ReasoningMode {
    /// By the marks known models use.
    #[default]
    Auto,
    /// Not at all: everything is text, marks included.
    Off,
    /// By these marks only.
    Marks {
        /// Opens reasoning.
        start: String,
        /// Closes it.
        end: String,
    },
}

/// The marks known models use: DeepSeek-R1, Qwen3 and most others; then prompted models; Cohere; Seed-OSS; MiniMax;
/// Mistral; gpt-oss; Gemma 4; Apertus.
const KNOWN: [(&str, &str); 11] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|channel|>analysis<|message|>", "<|end|>"),
    ("<|channel>thought", "<channel|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
];

/// Headers around gpt-oss's final answer. Each holds control tokens and words, and is hidden as a whole.
const HEADERS: [&str; 3] = ["<|start|>assistant", "<|channel|>final<|message|>", "<|channel|>commentary<|message|>"];

/// Whether a template shows that its model thinks before it answers.
pub fn template_thinks(template: &str) -> bool {
    KNOWN.iter().any(|(start, _)| template.contains(start))
}

/// A pair of marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Opens reasoning.
    pub start: String,
    /// Closes it.
    pub end: String,
    /// Whether the template mentions the opening mark.
    pub in_template: bool,
    /// Whether the opening mark contains a control token.
    pub control: bool,
}

/// How reasoning is found in the answers of one model. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reasoning(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pairs: Vec<Marks>,
    /// Spellings to hide, sorted, when control tokens are spelled in the text. They include no mark.
    hidden: Vec<String>,
}

/// Where an answer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// At its beginning: a mark may come.
    Start {
        /// Whether white space before the text belongs to the form of the prompt ("Assistant: ...").
        trim: bool,
    },
    /// In reasoning with these marks.
    Reasoning(usize),
    /// In the middle of the text.
    Text,
}

impl Reasoning {
    /// `controls` are the spellings of the vocabulary's control tokens, sorted.
    pub fn new(mode: &ReasoningMode, template: Option<&str>, controls: &[String]) -> Self {
        let template = template.unwrap_or_default();
        let is_control = |mark: &str| controls.iter().any(|spelling| mark.contains(spelling.as_str()));
        let marks = |start: &str, end: &str, in_template: bool| Marks {
            start: start.to_owned(),
            end: end.to_owned(),
            in_template,
            control: is_control(start),
        };
        let pairs: Vec<Marks> = match mode {
            ReasoningMode::Off => Vec::new(),
            ReasoningMode::Marks { start, end } => vec![marks(start, end, true)],
            ReasoningMode::Auto => {
                KNOWN.iter().map(|(start, end)| marks(start, end, template.contains(start))).collect()
            }
        };
        let needs_control = pairs.iter().any(|pair| pair.in_template && (pair.control || is_control(&pair.end)));
        let mut hidden = Vec::new();
        if needs_control {
            hidden.extend(controls.iter().cloned());
            hidden.extend(HEADERS.iter().filter(|header| is_control(header)).map(|header| (*header).to_owned()));
            hidden.retain(|spelling| !pairs.iter().any(|pair| pair.start == *spelling || pair.end == *spelling));
            hidden.sort_unstable();
        }
        Self(Arc::new(Inner { pairs, hidden }))
    }

    /// The same for answers in which `calls` are looked for: where those marks are control tokens, control tokens are
    /// spelled in the text, and all others are hidden. `controls` as in [`Reasoning::new`].
    pub fn with_calls(&self, calls: &[String], controls: &[String]) -> Self {
        let is_control = |mark: &String| controls.iter().any(|spelling| mark.contains(spelling.as_str()));
        let pairs = self.0.pairs.clone();
        if !self.needs_control() && !calls.iter().any(is_control) {
            return self.clone();
        }
        let mut hidden: Vec<String> = if self.needs_control() { self.0.hidden.clone() } else { controls.to_vec() };
        hidden.retain(|spelling| {
            !calls.iter().any(|mark| mark.contains(spelling.as_str()))
                && !pairs.iter().any(|pair| pair.start == *spelling || pair.end == *spelling)
        });
        // Something is hidden, or control tokens would not be spelled.
        if hidden.is_empty() {
            hidden.push(calls.concat());
        }
        Self(Arc::new(Inner { pairs, hidden }))
    }

    /// What may stand before an answer that starts at `opening`. `quiet` is a model that was told not to think.
    pub fn before(&self, opening: Opening, quiet: bool) -> Before {
        match opening {
            Opening::Reasoning(index) => Before::Opened(self.0.pairs[index].end.clone()),
            Opening::Start { .. } if !quiet => {
                let known = self.0.pairs.iter().filter(|pair| pair.in_template);
                let pairs: Vec<_> = known.map(|pair| (pair.start.clone(), pair.end.clone())).collect();
                if pairs.is_empty() { Before::Nothing } else { Before::Perhaps(pairs) }
            }
            Opening::Start { .. } | Opening::Text => Before::Nothing,
        }
    }

    /// Whether control tokens must be spelled in the text, because marks of this model are control tokens.
    pub fn needs_control(&self) -> bool {
        !self.0.hidden.is_empty()
    }

    /// The pairs of marks.
    pub fn pairs(&self) -> &[Marks] {
        &self.0.pairs
    }

    /// Spellings to hide, sorted.
    pub fn hidden(&self) -> &[String] {
        &self.0.hidden
    }

    /// All marks.
    pub fn marks(&self) -> Vec<String> {
        self.0.pairs.iter().flat_map(|pair| [pair.start.clone(), pair.end.clone()]).collect()
    }

    /// Where the answer to a rendered prompt starts.
    pub fn after_prompt(&self, prompt: &str, plain: bool) -> Opening {
        let prompt = prompt.trim_end();
        let open = |pair: &Marks| pair.in_template && prompt.ends_with(&pair.start);
        match self.0.pairs.iter().position(open) {
            Some(index) if !plain => Opening::Reasoning(index),
            _ => Opening::Start { trim: plain },
        }
    }

    /// Where the continuation of an assistant message starts.
    pub fn continuing(&self, message: &Message) -> Opening {
        let content = message.content.as_deref().unwrap_or_default();
        if content.is_empty() {
            let reasoning = message.reasoning.as_deref().unwrap_or_default();
            let index = self.0.pairs.iter().position(|pair| pair.in_template).unwrap_or(0);
            let known = index < self.0.pairs.len() && !reasoning.is_empty();
            return if known { Opening::Reasoning(index) } else { Opening::Start { trim: false } };
        }
        let open = |pair: &Marks| content.trim_start().starts_with(&pair.start) && !content.contains(&pair.end);
        self.0.pairs.iter().position(open).map_or(Opening::Text, Opening::Reasoning)
    }
}
