//! Calls of tools: how families of models write them, how they are found in an answer, and how an answer is held to
//! them.
//!
//! [`format`] is the table of families, `probe` finds the form of a template that is not in it. `head`, `json` and
//! `parser` read calls as they come. `grammar` says what an answer may look like, so that arguments are valid under
//! their schemas. `offer` has the tools of one request.

mod format;
mod grammar;
mod head;
mod json;
mod offer;
mod parser;
mod probe;
#[cfg(test)]
mod tests;

pub use format::CallFormat;
pub use grammar::{Before, Frame, Spelled, Trust, answer_grammar};
pub use offer::{Offer, instructions, shown, written};
use offer::{Tool, is_text};
pub use parser::{CallParser, Said};
pub use probe::{ToolSupport, tool_support};
