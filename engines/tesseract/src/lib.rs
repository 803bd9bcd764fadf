//! Text in images, read by the `tesseract` program.
//!
//! It runs as a child process, one for each page: an image that crashes it, or that it never finishes, ends that page and
//! nothing else. What it is given has been decoded here and is written to its standard input as plain pixels, so that none of
//! its own image readers ever sees a byte that a client chose; nothing touches the disk.
//!
//! In reading order: [`engine`] (the factory), `program` (which one, its version and languages), `reader` (a page), `process`
//! (a child within limits), `tsv` (its answer), `turned` (pages that lie on their side).

pub mod engine;
mod process;
mod program;
mod reader;
mod tsv;
mod turned;

pub use engine::TesseractEngine;
pub use program::{install_hint, language_hint};
