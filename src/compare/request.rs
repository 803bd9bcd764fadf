//! What is to be compared, and whether it can be.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tern_chat::parameters::{self, Checked};

use crate::{AttachedFile, CompareError, assertion::Check, attached::before_prompt};

/// Most columns side by side.
pub const MAX_COLUMNS: usize = 6;
/// Most prompts.
pub const MAX_PROMPTS: usize = 50;
/// Most repetitions of a cell.
pub const MAX_REPETITIONS: u32 = 20;
/// Most assertions.
pub const MAX_ASSERTIONS: usize = 50;
/// Longest title, in characters.
pub const MAX_TITLE: usize = 200;
/// Most tokens of an answer when nothing is said: a comparison runs unattended, and some models never end.
pub const DEFAULT_MAX_TOKENS: u32 = 512;

/// A comparison to make: every prompt is put to every column, as often as there are repetitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct CompareRequest {
    /// Shown in lists; `None` takes the beginning of the first prompt.
    pub title: Option<String>,
    /// The prompts, 1 to [`MAX_PROMPTS`].
    pub prompts: Vec<String>,
    /// Instructions in front of every prompt.
    pub system_prompt: Option<String>,
    /// Text files that come with every prompt, [`crate::MAX_ATTACHED`] bytes at most.
    pub attachments: Vec<AttachedFile>,
    /// What is compared, 1 to [`MAX_COLUMNS`].
    pub columns: Vec<Column>,
    /// Parameters of all columns, under their API names. Where nothing is said: temperature 0, a seed that is drawn once
    /// for the whole comparison, and [`DEFAULT_MAX_TOKENS`].
    pub parameters: Map<String, Value>,
    /// One cell after the other, or all columns at once.
    pub mode: Mode,
    /// How often each cell is run, 1 to [`MAX_REPETITIONS`].
    pub repetitions: u32,
    /// Whether a model says a few words before it is timed.
    pub warmup: bool,
    /// Whether prompts are computed from nothing, or are in the cache already.
    pub cache: Cache,
    /// Whether other models leave memory before a column runs.
    pub unload_between: bool,
    /// The column that the others are compared with.
    pub reference: usize,
    /// What must hold for every answer.
    pub assertions: Vec<Assertion>,
    /// Whether answers are scored when all are there.
    pub quality: bool,
    /// The embedding model that says how alike answers are; `None` takes one that is there, if any.
    pub embedding_model: Option<String>,
}

/// A column: a model with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Column {
    /// Model id.
    pub model: String,
    /// What the column is called; `None` is the model's id.
    pub label: Option<String>,
    /// Parameters over the shared ones, field by field.
    pub parameters: Map<String, Value>,
}

/// In which order cells run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One cell at a time: figures are the model's own.
    #[default]
    Sequential,
    /// All columns of a prompt at once: figures say how they share the machine.
    Concurrent,
}

/// What the prefix cache holds of a prompt when a cell is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Cache {
    /// Nothing: every prompt token is computed.
    #[default]
    Cold,
    /// All of it: the prompt was computed once, untimed.
    Warm,
}

/// What must hold for an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Assertion {
    /// What kind.
    pub kind: AssertionKind,
    /// What it is about; of no meaning for `Json`.
    pub value: Option<String>,
}

/// Kinds of assertions. All look at the text of the answer, not at its reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum AssertionKind {
    /// The value is somewhere in it, letter for letter.
    #[default]
    Contains,
    /// The value is nowhere in it.
    NotContains,
    /// It is the value; white space around both does not count.
    Equals,
    /// The regular expression matches somewhere in it.
    Regex,
    /// It is one JSON value and nothing else but white space.
    Json,
    /// It is one JSON value that is valid under the value, a JSON schema.
    Schema,
}

impl Column {
    /// What the column is called.
    pub fn name(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.model)
    }
}

/// A request that was checked, in the terms of those who run it.
pub(crate) struct Plan {
    /// The request with everything that was left out put in, so that it can be made again exactly.
    pub request: CompareRequest,
    /// The columns' parameters.
    pub columns: Vec<Checked>,
    pub checks: Vec<Check>,
    /// The files, written before each prompt.
    pub before_prompt: String,
}

fn within(name: &str, value: usize, most: usize) -> Result<(), CompareError> {
    let message = || format!("{name}: there are {value}; the range is 1 to {most}");
    if (1..=most).contains(&value) { Ok(()) } else { Err(CompareError::invalid(name, message())) }
}

/// A title as it may be kept.
pub(crate) fn title(text: &str) -> Result<String, CompareError> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > MAX_TITLE {
        let message = format!("title has {length} characters; the range is 1 to {MAX_TITLE}");
        return Err(CompareError::invalid("title", message));
    }
    Ok(text.to_owned())
}

impl Plan {
    /// Checks everything that can be known without the models.
    pub fn new(mut request: CompareRequest) -> Result<Self, CompareError> {
        within("prompts", request.prompts.len(), MAX_PROMPTS)?;
        if let Some(empty) = request.prompts.iter().position(|prompt| prompt.trim().is_empty()) {
            let place = format!("prompts[{empty}]");
            return Err(CompareError::invalid(&place, format!("{place} is empty")));
        }
        within("columns", request.columns.len(), MAX_COLUMNS)?;
        within("repetitions", request.repetitions as usize, MAX_REPETITIONS as usize)?;
        if request.reference >= request.columns.len() {
            let message = format!(
                "reference is {}; the columns are numbered 0 to {}",
                request.reference,
                request.columns.len() - 1
            );
            return Err(CompareError::invalid("reference", message));
        }
        if request.unload_between && request.mode == Mode::Concurrent {
            let message = "unload_between needs mode \"sequential\": columns that run at once are in memory together";
            return Err(CompareError::invalid("unload_between", message));
        }
        if request.assertions.len() > MAX_ASSERTIONS {
            let message = format!("there are {} assertions; the most is {MAX_ASSERTIONS}", request.assertions.len());
            return Err(CompareError::invalid("assertions", message));
        }
        request.title = match request.title.take().filter(|title| !title.trim().is_empty()) {
            Some(given) => Some(title(&given)?),
            None => Some(beginning(&request.prompts[0])),
        };
        request.embedding_model = request.embedding_model.filter(|model| !model.trim().is_empty());
        request.system_prompt = request.system_prompt.filter(|system| !system.trim().is_empty());
        let wrong = |place: &str, error: parameters::WrongParameter| {
            CompareError::invalid(format!("{place}.{}", error.name), format!("{place}: {error}"))
        };
        parameters::read(&request.parameters).map_err(|error| wrong("parameters", error))?;
        // 32 bits: a seed must survive JavaScript, and be typed.
        let seed = crate::random::number() >> 32;
        let defaults = json!({"temperature": 0, "max_tokens": DEFAULT_MAX_TOKENS, "seed": seed});
        let defaults = defaults.as_object().cloned().unwrap_or_default();
        request.parameters = parameters::merge(&defaults, &request.parameters);
        let mut columns = Vec::new();
        for (index, column) in request.columns.iter_mut().enumerate() {
            column.model = column.model.trim().to_owned();
            if column.model.is_empty() {
                let place = format!("columns[{index}].model");
                let message = format!("{place} is missing; GET /v1/models lists the models");
                return Err(CompareError::invalid(place, message));
            }
            column.label = column.label.take().map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
            let place = format!("columns[{index}].parameters");
            parameters::read(&column.parameters).map_err(|error| wrong(&place, error))?;
            let merged = parameters::merge(&request.parameters, &column.parameters);
            columns.push(parameters::read(&merged).map_err(|error| wrong(&place, error))?);
        }
        let checks = request.assertions.iter().enumerate().map(|(index, assertion)| {
            Check::new(assertion).map_err(|message| {
                let place = format!("assertions[{index}].value");
                CompareError::invalid(&place, format!("{place}: {message}"))
            })
        });
        let checks = checks.collect::<Result<_, _>>()?;
        let before_prompt = before_prompt(&request.attachments)?;
        Ok(Self { request, columns, checks, before_prompt })
    }
}

/// The beginning of a prompt's first line, as a title.
fn beginning(prompt: &str) -> String {
    const LENGTH: usize = 60;
    let line = prompt.trim().lines().next().unwrap_or_default().trim();
    let mut title: String = line.chars().take(LENGTH).collect();
    if title.len() < line.len() {
        if let Some((words, _)) = title.rsplit_once(' ').filter(|(words, _)| !words.is_empty()) {
            title = words.to_owned();
        }
        title.push('…');
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(columns: &[&str]) -> CompareRequest {
        let column = |model: &&str| Column { model: (*model).to_owned(), ..Column::default() };
        CompareRequest {
            prompts: vec!["Why?".into()],
            columns: columns.iter().map(column).collect(),
            repetitions: 1,
            ..CompareRequest::default()
        }
    }

    #[track_caller]
    fn refused(request: CompareRequest, expected: &str) -> String {
        match Plan::new(request) {
            Err(CompareError::Invalid { param, message }) => {
                assert_eq!(param, expected, "{message}");
                message
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("was accepted; expected {expected} to be refused"),
        }
    }

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn what_is_left_out_is_put_in_once_for_all_columns() {
        let mut asked = request(&["a", "b"]);
        asked.columns[1].parameters = map(json!({"temperature": 0.5, "max_tokens": null}));
        let plan = Plan::new(asked).ok().unwrap();
        let [a, b] = &plan.columns[..] else { panic!() };
        assert_eq!((a.generation.sampling.temperature, b.generation.sampling.temperature), (0.0, 0.5));
        assert_eq!((a.generation.max_tokens, b.generation.max_tokens), (Some(512), Some(512)));
        assert!(a.generation.sampling.seed.is_some());
        assert_eq!(a.generation.sampling.seed, b.generation.sampling.seed);
        // The plan of what is kept is the same plan.
        let again = Plan::new(plan.request.clone()).ok().unwrap();
        assert_eq!(again.request, plan.request);
    }

    #[test]
    fn a_wrong_field_is_named_by_its_path() {
        refused(CompareRequest { prompts: vec![], ..request(&["a"]) }, "prompts");
        refused(CompareRequest { prompts: vec!["x".into(); 51], ..request(&["a"]) }, "prompts");
        refused(CompareRequest { prompts: vec!["x".into(), " ".into()], ..request(&["a"]) }, "prompts[1]");
        refused(request(&[]), "columns");
        refused(request(&["a"; 7]), "columns");
        refused(request(&["a", " "]), "columns[1].model");
        refused(CompareRequest { repetitions: 0, ..request(&["a"]) }, "repetitions");
        refused(CompareRequest { repetitions: 21, ..request(&["a"]) }, "repetitions");
        refused(CompareRequest { reference: 1, ..request(&["a"]) }, "reference");
        let concurrent = CompareRequest { mode: Mode::Concurrent, unload_between: true, ..request(&["a"]) };
        refused(concurrent, "unload_between");
        refused(CompareRequest { title: Some("x".repeat(201)), ..request(&["a"]) }, "title");
        let parameters = map(json!({"temperature": -1}));
        refused(CompareRequest { parameters: parameters.clone(), ..request(&["a"]) }, "parameters.temperature");
        let mut wrong = request(&["a", "b"]);
        wrong.columns[1].parameters = parameters;
        refused(wrong, "columns[1].parameters.temperature");
        let assertion = |kind, value: &str| Assertion { kind, value: Some(value.into()) };
        let regex = vec![assertion(AssertionKind::Contains, "x"), assertion(AssertionKind::Regex, "(")];
        let message = refused(CompareRequest { assertions: regex, ..request(&["a"]) }, "assertions[1].value");
        assert!(message.contains("unclosed group"), "{message}");
    }

    #[test]
    fn a_title_is_the_beginning_of_the_prompt() {
        assert_eq!(beginning("  Why is it?\nBecause"), "Why is it?");
        let long = "word ".repeat(40);
        assert_eq!(beginning(&long), format!("{}…", "word ".repeat(11) + "word"));
        assert_eq!(beginning(&"x".repeat(70)), "x".repeat(60) + "…");
    }
}
