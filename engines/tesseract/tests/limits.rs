//! What is refused, and what ends a page.

use std::cell::Cell;

use tern_engine::{Engine, EngineError, Image, ModelSource, tasks::ReadOptions};
use tern_tesseract::TesseractEngine;

use crate::{
    draw::{Page, SANS},
    read, reader, text,
};

#[test]
fn a_language_that_is_not_there_is_named_with_its_package() {
    let options = ReadOptions { languages: vec!["eng".into(), "xyz_abc".into()], ..ReadOptions::default() };
    let image = Page::new(40, 40).image(0);
    let error = reader().read(&image, &options, &|| false).unwrap_err().to_string();
    assert!(error.contains("\"xyz_abc\"") && error.contains("tesseract-ocr-xyz-abc"), "{error}");
    // Nor does it become an option of the program.
    let options = ReadOptions { languages: vec!["--tessdata-dir=/tmp".into()], ..ReadOptions::default() };
    assert!(reader().read(&image, &options, &|| false).is_err());
    assert!(reader().languages().contains(&"eng".to_owned()) && !reader().languages().contains(&"osd".to_owned()));
}

#[test]
fn a_page_that_nobody_waits_for_ends() {
    let mut page = Page::new(1600, 1600);
    let much = "Words and more words to keep it busy for a while. ".repeat(60);
    page.write(&much, SANS, 24.0, (20.0, 20.0), 1500.0);
    let asked = Cell::new(0);
    let cancelled = || asked.replace(asked.get() + 1) > 4;
    let result = reader().read(&page.image(0), &ReadOptions::default(), &cancelled);
    assert!(matches!(result, Err(EngineError::Cancelled)), "{result:?}");
}

#[test]
fn images_of_strange_sizes_end_no_reader() {
    let mut reader = reader();
    for (width, height) in [(1, 1), (3, 2000), (2000, 1), (2, 2)] {
        let image = Image::new(width, height, vec![130; (width * height * 3) as usize]).unwrap();
        for find_orientation in [false, true] {
            let options = ReadOptions { find_orientation, ..ReadOptions::default() };
            // The program may refuse it; that ends this page alone.
            if let Ok(page) = reader.read(&image, &options, &|| false) {
                assert!(page.lines.len() <= 1, "{width}x{height}: {page:?}");
            }
        }
    }
    let wide = Image::new(40_000, 1, vec![0; 120_000]).unwrap();
    let error = reader.read(&wide, &ReadOptions::default(), &|| false).unwrap_err().to_string();
    assert!(error.contains("32767"), "{error}");
    let mut page = Page::new(300, 80);
    page.write("still there", SANS, 36.0, (20.0, 20.0), 280.0);
    assert_eq!(text(&read(&page.image(0), &ReadOptions::default())), "still there");
}

#[test]
fn only_a_program_is_run() {
    let path = ModelSource::Path("model.gguf".into());
    assert!(matches!(TesseractEngine.inspect(&path), Err(EngineError::Unsupported { .. })));
    let other = TesseractEngine.inspect(&ModelSource::Script("true".into())).unwrap_err().to_string();
    assert!(other.contains("--version"), "{other}");
    let info = TesseractEngine.inspect(&ModelSource::Script("tesseract".into())).unwrap();
    assert!(info.name.unwrap().starts_with("Tesseract "));
}
