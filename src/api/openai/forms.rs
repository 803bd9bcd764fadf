//! What an answer must look like, in all the ways in which clients ask for it.
//!
//! OpenAI's `response_format`; llama.cpp's `grammar` and `json_schema`; `regex`; and vLLM's `guided_json`,
//! `guided_regex`, `guided_choice`, `guided_grammar` and `structured_outputs`. At most one of them may be given.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tern_grammar::{Grammar, GrammarError};

use crate::{error::ApiError, http::union::any_of, state::beside};

/// Most choices of `guided_choice`.
const MAX_CHOICES: usize = 10_000;

/// The form of an answer.
#[derive(Debug, Clone, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub struct ResponseFormat {
    /// `text`: any form. `json_object`: any JSON object. `json_schema`: JSON that is valid under a schema.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: FormatKind,
    /// The schema of `json_schema`.
    #[oai(nullable)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<JsonSchemaFormat>,
    /// A schema for `json_object`, as llama.cpp takes it; also for `json_schema`, instead of the field above.
    #[oai(nullable)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

impl ResponseFormat {
    /// Any JSON object.
    pub(crate) fn json_object() -> Self {
        Self { kind: FormatKind::JsonObject, json_schema: None, schema: None }
    }

    /// JSON of a schema, as the other dialects ask for it: without a name.
    pub(crate) fn json_schema(schema: Value) -> Self {
        let format = JsonSchemaFormat { schema: Some(schema), ..JsonSchemaFormat::default() };
        Self { kind: FormatKind::JsonSchema, json_schema: Some(format), schema: None }
    }
}

/// A kind of form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum FormatKind {
    /// Any text.
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON of a schema.
    JsonSchema,
}

/// A schema with a name.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct JsonSchemaFormat {
    /// A name; it changes nothing.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for; it changes nothing.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema. Every keyword in it is enforced, or the request is refused with the path of the one that cannot be.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// It changes nothing: schemas are always enforced, and the subset that OpenAI demands with it is not.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// A grammar: a text in GBNF (with a rule `root ::=`) or in llguidance's dialect of Lark (with a rule `start:`), or an
/// object that says which it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string or an object with type and value")]
pub enum GrammarInput {
    /// Its language is found out.
    Text(String),
    /// Its language is said.
    Named(NamedGrammar),
}

any_of!(GrammarInput { String, NamedGrammar });

/// A grammar and its language.
#[derive(Debug, Clone, PartialEq, Object, Serialize, Deserialize)]
pub struct NamedGrammar {
    /// The language.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: GrammarKind,
    /// The grammar. Also as `definition`.
    #[serde(alias = "definition")]
    pub value: String,
}

/// A language of grammars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum GrammarKind {
    /// llguidance's dialect of Lark.
    Lark,
    /// llama.cpp's notation.
    Gbnf,
    /// A regular expression in Rust's syntax, for the whole answer.
    Regex,
}

/// vLLM's way to ask for a form: one of these fields.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
#[serde(default)]
pub struct StructuredOutputs {
    /// A JSON schema, or one as text.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// A regular expression.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// One of these texts.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<Vec<String>>,
    /// A grammar in GBNF or Lark.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    /// Any JSON object.
    #[oai(nullable)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_object: Option<bool>,
}

/// The fields of a request that ask for a form.
pub(crate) struct FormFields<'a> {
    pub response_format: &'a Option<ResponseFormat>,
    pub grammar: &'a Option<GrammarInput>,
    pub json_schema: &'a Option<Value>,
    pub regex: &'a Option<String>,
    pub guided_json: &'a Option<Value>,
    pub guided_regex: &'a Option<String>,
    pub guided_choice: &'a Option<Vec<String>>,
    pub guided_grammar: &'a Option<String>,
    pub structured_outputs: &'a Option<StructuredOutputs>,
}

/// The fields that ask for a form: of chat or of completions, whose types both have them.
macro_rules! form_fields {
    ($request:expr) => {
        $crate::openai::forms::FormFields {
            response_format: &$request.response_format,
            grammar: &$request.grammar,
            json_schema: &$request.json_schema,
            regex: &$request.regex,
            guided_json: &$request.guided_json,
            guided_regex: &$request.guided_regex,
            guided_choice: &$request.guided_choice,
            guided_grammar: &$request.guided_grammar,
            structured_outputs: &$request.structured_outputs,
        }
    };
}

pub(crate) use form_fields;

/// A form, and the field that asks for it.
#[derive(Debug, PartialEq)]
pub(crate) struct Form {
    pub grammar: Grammar,
    /// Path of the field, for errors.
    pub field: String,
}

impl FormFields<'_> {
    /// The form that is asked for, if any.
    ///
    /// # Errors
    /// When there are several, or one is not complete.
    pub fn form(&self) -> Result<Option<Form>, ApiError> {
        let mut found: Vec<Form> = Vec::new();
        let mut add = |field: &str, grammar: Grammar| found.push(Form { grammar, field: field.to_owned() });
        if let Some(format) = self.response_format {
            response_format(format, &mut add)?;
        }
        match self.grammar {
            None => {}
            Some(GrammarInput::Text(text)) => add("grammar", grammar("grammar", text)?),
            Some(GrammarInput::Named(named)) => add("grammar.value", named.grammar()),
        }
        let schemas = [("json_schema", self.json_schema), ("guided_json", self.guided_json)];
        for (field, schema) in schemas {
            if let Some(schema) = schema {
                add(field, json_schema(field, schema)?);
            }
        }
        for (field, regex) in [("regex", self.regex), ("guided_regex", self.guided_regex)] {
            if let Some(regex) = regex {
                add(field, Grammar::Regex(regex.clone()));
            }
        }
        if let Some(choices) = self.guided_choice {
            add("guided_choice", choice("guided_choice", choices)?);
        }
        if let Some(text) = self.guided_grammar {
            add("guided_grammar", grammar("guided_grammar", text)?);
        }
        if let Some(outputs) = self.structured_outputs {
            structured_outputs(outputs, &mut add)?;
        }
        if let [first, second, ..] = found.as_slice() {
            let message = format!("{} and {} both ask for a form; at most one can be given", first.field, second.field);
            return Err(ApiError::invalid(second.field.as_str(), message));
        }
        Ok(found.pop())
    }

    /// Checks that the form can be enforced, before a model is loaded for it.
    ///
    /// # Errors
    /// 400 with the path of what cannot be.
    pub async fn check(&self) -> Result<(), ApiError> {
        let Some(Form { grammar, field }) = self.form()? else { return Ok(()) };
        beside(move || tern_grammar::check(&grammar).map_err(|error| refusal(&field, error))).await
    }
}

fn refusal(field: &str, GrammarError { path, message }: GrammarError) -> ApiError {
    let param = if path.is_empty() { field.to_owned() } else { format!("{field}.{path}") };
    ApiError::invalid(param.as_str(), format!("{param}: {message}"))
}

impl NamedGrammar {
    fn grammar(&self) -> Grammar {
        let text = self.value.clone();
        match self.kind {
            GrammarKind::Lark => Grammar::Lark(text),
            GrammarKind::Gbnf => Grammar::Gbnf(text),
            GrammarKind::Regex => Grammar::Regex(text),
        }
    }
}

fn response_format(format: &ResponseFormat, add: &mut impl FnMut(&str, Grammar)) -> Result<(), ApiError> {
    let nested = format.json_schema.as_ref().and_then(|named| named.schema.as_ref());
    match (format.kind, &format.schema) {
        (FormatKind::Text, _) => {}
        (FormatKind::JsonObject, None) => add("response_format", Grammar::JsonObject),
        (FormatKind::JsonObject, Some(schema)) => add("response_format.schema", Grammar::JsonSchema(schema.clone())),
        (FormatKind::JsonSchema, other) => match (nested, other) {
            (Some(schema), _) => add("response_format.json_schema.schema", Grammar::JsonSchema(schema.clone())),
            (None, Some(schema)) => add("response_format.schema", Grammar::JsonSchema(schema.clone())),
            (None, None) => {
                let field = "response_format.json_schema.schema";
                return Err(ApiError::invalid(field, format!("{field} is missing; json_schema needs a schema")));
            }
        },
    }
    Ok(())
}

fn structured_outputs(outputs: &StructuredOutputs, add: &mut impl FnMut(&str, Grammar)) -> Result<(), ApiError> {
    if let Some(schema) = &outputs.json {
        add("structured_outputs.json", json_schema("structured_outputs.json", schema)?);
    }
    if let Some(regex) = &outputs.regex {
        add("structured_outputs.regex", Grammar::Regex(regex.clone()));
    }
    if let Some(choices) = &outputs.choice {
        add("structured_outputs.choice", choice("structured_outputs.choice", choices)?);
    }
    if let Some(text) = &outputs.grammar {
        add("structured_outputs.grammar", grammar("structured_outputs.grammar", text)?);
    }
    if outputs.json_object == Some(true) {
        add("structured_outputs.json_object", Grammar::JsonObject);
    }
    Ok(())
}

/// A schema, or one as text, as vLLM takes it.
fn json_schema(field: &str, schema: &Value) -> Result<Grammar, ApiError> {
    let Value::String(text) = schema else { return Ok(Grammar::JsonSchema(schema.clone())) };
    let parsed = serde_json::from_str(text);
    parsed
        .map(Grammar::JsonSchema)
        .map_err(|error| ApiError::invalid(field, format!("{field} is a text that is no JSON: {error}")))
}

fn choice(field: &str, choices: &[String]) -> Result<Grammar, ApiError> {
    if choices.is_empty() || choices.len() > MAX_CHOICES {
        let message = format!("{field} has {} texts; 1 to {MAX_CHOICES} are allowed", choices.len());
        return Err(ApiError::invalid(field, message));
    }
    Ok(Grammar::one_of(choices))
}

/// Finds out the language of a grammar by the rule where it begins.
fn grammar(field: &str, text: &str) -> Result<Grammar, ApiError> {
    let begins = |name: &str, define: &str| {
        text.lines()
            .any(|line| line.trim_start().strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(define)))
    };
    if begins("root", "::=") {
        Ok(Grammar::Gbnf(text.to_owned()))
    } else if begins("start", ":") {
        Ok(Grammar::Lark(text.to_owned()))
    } else {
        let message = format!("{field} is neither GBNF (it has no rule \"root ::=\") nor Lark (no rule \"start:\")");
        Err(ApiError::invalid(field, message))
    }
}
