//! Model folders become GGUF files. `folders/make.py` makes two of them with Hugging Face's own code; the others are made
//! here, from the golden models of engines/bitnet.

mod files;
mod from_golden;
mod published;
mod refusals;
mod support;
