//! Pages drawn here with fonts of the system, read by the program of the system. `scripts/setup.sh test` installs both.

mod accuracy;
mod draw;
mod limits;
mod turning;

use tern_engine::{
    Engine, Image, LoadOptions, ModelSource, TextReader,
    tasks::{ReadOptions, ReadPage},
};
use tern_tesseract::TesseractEngine;

/// The program, as the server would use it.
fn reader() -> Box<dyn TextReader> {
    let source = ModelSource::Script("tesseract".into());
    let loaded = TesseractEngine.load(&source, &LoadOptions::default(), &mut |_| true);
    loaded.unwrap_or_else(|error| panic!("{error}; scripts/setup.sh test installs it")).reader.unwrap()
}

fn read(image: &Image, options: &ReadOptions) -> ReadPage {
    reader().read(image, options, &|| false).unwrap()
}

/// All words, a line each line.
fn text(page: &ReadPage) -> String {
    let line = |line: &tern_engine::tasks::ReadLine| {
        line.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    };
    page.lines.iter().map(line).collect::<Vec<_>>().join("\n")
}
