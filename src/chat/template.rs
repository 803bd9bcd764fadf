//! Jinja as Hugging Face runs it for chat templates, on minijinja: block trimming, no escaping, Python's methods on
//! values, `tojson` like `json.dumps`, `raise_exception`, `strftime_now`, loop controls, generation marks.
//!
//! A template comes with a model file and is not trusted: instructions, recursion and the length of the output are
//! bounded, and there is no loader, so it cannot include anything.

use std::{fmt, io};

use jiff::{Zoned, civil::DateTime, fmt::strtime};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Value,
    syntax::SyntaxConfig,
    value::{Kwargs, Serde},
};

use crate::{TemplateError, generation, pyjson};

/// Instructions of one rendering. A message takes some hundreds; nested loops made to hang take all of it in about a
/// second.
const FUEL: u64 = 10_000_000;
/// Bytes of one rendering. Twice the largest request body the server takes by default.
const MAX_OUTPUT_BYTES: usize = 64 << 20;
/// Bytes of a template's source. The longest known one has about 30 KiB.
const MAX_SOURCE_BYTES: usize = 1 << 20;
/// Longest message that a template's `raise_exception` is quoted with, in characters.
const MAX_RAISED_CHARS: usize = 500;
const NAME: &str = "chat_template";

/// What `strftime_now` reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clock {
    /// The machine's local time.
    #[default]
    System,
    /// Always this time: prompts are reproducible, and the cached prefix outlives midnight.
    Fixed(DateTime),
}

/// A compiled chat template. Shared between threads.
pub struct Template {
    env: Environment<'static>,
    source: String,
}

/// Why a rendering failed, without any part of the dialogue except what the template itself put in its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The template called `raise_exception`.
    #[error("{0}")]
    Raised(String),
    /// The template failed.
    #[error("{0}")]
    Failed(String),
}

impl Template {
    /// Compiles `source`.
    ///
    /// # Errors
    /// `TemplateError::Syntax` with the line.
    pub fn compile(source: &str, clock: Clock) -> Result<Self, TemplateError> {
        if source.len() > MAX_SOURCE_BYTES {
            let message = format!("it has {} bytes, at most {MAX_SOURCE_BYTES} are allowed", source.len());
            return Err(TemplateError::Unusable { message });
        }
        let mut env = environment(clock);
        env.add_template_owned(NAME, generation::without_marks(source)).map_err(|error| TemplateError::Syntax {
            line: error.line().unwrap_or(0),
            message: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
        })?;
        Ok(Self { env, source: source.to_owned() })
    }

    /// The source as given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders with the variables in `context`, a JSON object.
    ///
    /// # Errors
    /// `Raised` when the template refuses, `Failed` when it fails or exceeds a limit.
    pub fn render(&self, context: &serde_json::Value) -> Result<String, RenderError> {
        let mut output = Bounded { bytes: Vec::new(), full: false };
        let result = self
            .env
            .get_template(NAME)
            .and_then(|template| template.render_captured_to(Value::from(Serde(context)), &mut output).map(drop));
        if output.full {
            return Err(RenderError::Failed(format!("its output exceeds {MAX_OUTPUT_BYTES} bytes")));
        }
        result.map_err(|error| describe(&error))?;
        String::from_utf8(output.bytes).map_err(|_| RenderError::Failed("its output is not UTF-8".to_owned()))
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("source_bytes", &self.source.len()).finish_non_exhaustive()
    }
}

fn environment(clock: Clock) -> Environment<'static> {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    env.set_syntax(syntax.expect("the default delimiters are valid; anything else is a bug"));
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.set_fuel(Some(FUEL));
    // The debug text of an error quotes variables, which are the dialogue.
    env.set_debug(false);
    env.add_filter("tojson", tojson);
    env.add_filter("length", length);
    env.add_filter("count", length);
    env.add_function("raise_exception", |message: Value| -> Result<String, Error> {
        let message: String = message.to_string().chars().take(MAX_RAISED_CHARS).collect();
        Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(message)))
    });
    env.add_function("strftime_now", move |format: String| strftime(clock, &format));
    env
}

fn strftime(clock: Clock, format: &str) -> Result<String, Error> {
    let text = match clock {
        Clock::System => strtime::format(format, &Zoned::now()),
        Clock::Fixed(time) => strtime::format(format, time),
    };
    text.map_err(|_| Error::new(ErrorKind::InvalidOperation, "strftime_now: unknown time format"))
}

/// `json.dumps(value, ensure_ascii=False, ...)`.
fn tojson(value: Value, options: Kwargs) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::new(ErrorKind::UndefinedError, "tojson"));
    }
    let mut style = pyjson::Style::new(options.get("indent")?);
    if let Some(separators) = options.get::<Option<Vec<String>>>("separators")? {
        let [item, key] = <[String; 2]>::try_from(separators)
            .map_err(|_| Error::new(ErrorKind::InvalidOperation, "tojson: separators must be two texts"))?;
        (style.item_separator, style.key_separator) = (item, key);
    }
    style.sort_keys = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    style.ensure_ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    options.assert_all_used()?;
    let json = serde_json::to_value(&value).map_err(|_| Error::new(ErrorKind::BadSerialization, "tojson"))?;
    Ok(style.dumps(&json))
}

/// Jinja2's undefined has length 0, minijinja's has none; and templates ask for the length of tools that are absent.
fn length(value: Value) -> Result<usize, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(0);
    }
    value.len().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("no length: {}", value.kind())))
}

/// What a template said with `raise_exception`.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

fn describe(error: &Error) -> RenderError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(raised) = cause.downcast_ref::<Raised>() {
            return RenderError::Raised(raised.0.clone());
        }
        source = cause.source();
    }
    RenderError::Failed(match (error.kind(), error.line()) {
        (ErrorKind::OutOfFuel, _) => format!("it takes more than {FUEL} instructions"),
        (kind, Some(line)) => format!("{kind} (line {line} of the template)"),
        (kind, None) => kind.to_string(),
    })
}

/// Collects output up to [`MAX_OUTPUT_BYTES`].
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT_BYTES {
            self.full = true;
            return Err(io::Error::other("output limit"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
