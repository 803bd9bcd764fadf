//! The door of the crate: dialogues in, prompts and events out.

mod definitions; // tools as people publish them, called by random weights
mod golden; // templates render as Jinja2 renders them
mod nothing_dropped; // every message reaches the prompt, whatever the template forbids
mod prompts; // text and tokens of a prompt, and what is refused
mod support; // dialogues in few words, models of a template and the echo engine's tokenizer
mod tools;
mod turns; // whole turns on the echo engine
