//! The door of the crate: dialogues in, prompts out.

mod golden; // templates render as Jinja2 renders them
