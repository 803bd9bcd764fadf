//! What is asked of text recognition, and what it answers.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use tern_engine::tasks::{PageLayout, Point, ReadLine, ReadPage, ReadWord};

use crate::{
    app::picture::EXAMPLE,
    error::ApiError,
    http::{
        union::any_of,
        upload::{Form, FromForm, Upload},
        upload_fields::{FieldKind, FormField},
    },
    tasks::{TaskTimings, rounded},
};

/// Most languages of a request: each makes reading slower.
const MAX_LANGUAGES: usize = 10;

/// What is on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum OcrLayout {
    /// A page whose layout is to be found: columns, blocks, lines.
    Page,
    /// One column of text.
    Column,
    /// One block of text.
    Block,
    /// One line.
    Line,
    /// One word.
    Word,
    /// Words here and there.
    Sparse,
}

impl OcrLayout {
    const WORDS: &[&str] = &["page", "column", "block", "line", "word", "sparse"];

    pub(crate) fn of_engine(self) -> Option<PageLayout> {
        match self {
            Self::Page => None,
            Self::Column => Some(PageLayout::Column),
            Self::Block => Some(PageLayout::Block),
            Self::Line => Some(PageLayout::Line),
            Self::Word => Some(PageLayout::Word),
            Self::Sparse => Some(PageLayout::Sparse),
        }
    }
}

/// One language or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of strings")]
pub enum OcrLanguages {
    /// `eng`, or `eng+deu`.
    One(String),
    /// Likeliest first.
    Many(Vec<String>),
}

any_of!(OcrLanguages { String, Vec<String> });

/// The languages of a request, each once.
pub(crate) fn languages(asked: Option<OcrLanguages>) -> Result<Vec<String>, ApiError> {
    let asked = match asked {
        None => return Ok(Vec::new()),
        Some(OcrLanguages::One(one)) => vec![one],
        Some(OcrLanguages::Many(many)) => many,
    };
    let mut languages: Vec<String> = Vec::new();
    for name in asked.iter().flat_map(|name| name.split(['+', ','])).map(str::trim).filter(|name| !name.is_empty()) {
        if !languages.iter().any(|known| known == name) {
            languages.push(name.to_owned());
        }
    }
    if languages.len() > MAX_LANGUAGES {
        let message = format!("language names {} languages; {MAX_LANGUAGES} are read at once", languages.len());
        return Err(ApiError::invalid("language", message));
    }
    Ok(languages)
}

/// An image to read.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct OcrRequest {
    /// Model id; without it one in memory, or the smallest that can do this: most often `tesseract`.
    #[oai(nullable)]
    pub model: Option<String>,
    /// The image as a data URL: `data:image/png;base64,...`. PNG, JPEG, WebP, GIF, TIFF and BMP; up to 20 MiB and 50
    /// megapixels.
    #[oai(nullable)]
    pub image: Option<String>,
    /// Languages on the page as the engine names them, likeliest first: `eng`, `eng+deu` or an array. `GET /api/ocr`
    /// lists those that are installed. Default: English, where it is installed.
    #[oai(nullable)]
    pub language: Option<OcrLanguages>,
    /// Find out whether the page lies on its side or upside down, and read it upright. Default false.
    #[oai(nullable)]
    pub detect_orientation: Option<bool>,
    /// What is on the page. Default `page`.
    #[oai(nullable)]
    pub layout: Option<OcrLayout>,
    #[oai(skip)]
    #[serde(skip)]
    pub(crate) file: Option<Upload>,
}

impl poem_openapi::types::Example for OcrRequest {
    fn example() -> Self {
        Self { image: Some(EXAMPLE.into()), language: Some(OcrLanguages::One("eng".into())), ..Self::default() }
    }
}

impl FromForm for OcrRequest {
    const FIELDS: &'static [FormField] = &[
        FormField {
            name: "file",
            kind: FieldKind::File,
            required: true,
            about: "The image: PNG, JPEG, WebP, GIF, TIFF or BMP.",
        },
        FormField { name: "model", kind: FieldKind::Text, required: false, about: "Model id." },
        FormField {
            name: "language",
            kind: FieldKind::Texts,
            required: false,
            about: "Languages on the page: `eng`, `eng+deu`, or the field several times.",
        },
        FormField {
            name: "detect_orientation",
            kind: FieldKind::Boolean,
            required: false,
            about: "Find out whether the page lies on its side or upside down, and read it upright.",
        },
        FormField {
            name: "layout",
            kind: FieldKind::Word(OcrLayout::WORDS),
            required: false,
            about: "What is on the page. Default `page`.",
        },
    ];

    fn from_form(form: &mut Form) -> Result<Self, ApiError> {
        let languages = form.texts("language")?;
        Ok(Self {
            file: form.file("file"),
            image: None,
            model: form.text("model")?,
            language: (!languages.is_empty()).then_some(OcrLanguages::Many(languages)),
            detect_orientation: form.value("detect_orientation")?,
            layout: form.value("layout")?,
        })
    }
}

/// The text of an image.
#[derive(Debug, Object, Serialize)]
pub struct OcrResult {
    /// Model that read it.
    pub model: String,
    /// All of it: lines apart by newlines, paragraphs by empty lines.
    pub text: String,
    /// Of the image, in pixels.
    pub width: u32,
    /// Of the image, in pixels.
    pub height: u32,
    /// Degrees (0, 90, 180, 270) by which the image was turned clockwise to be read; null when that was not asked for,
    /// or could not be told.
    #[oai(nullable)]
    pub rotation: Option<u16>,
    /// In reading order.
    pub lines: Vec<OcrLine>,
    /// How long it took.
    pub timings: TaskTimings,
}

/// A line of text.
#[derive(Debug, Object, Serialize)]
pub struct OcrLine {
    /// What it says.
    pub text: String,
    /// 0 to 1: the mean of its words.
    pub confidence: f64,
    /// Its four corners `[x, y]` in the image as it was sent, from the upper left of the upright line, clockwise.
    pub polygon: Vec<Vec<i32>>,
    /// The upright rectangle around them.
    #[oai(rename = "box")]
    #[serde(rename = "box")]
    pub around: OcrBox,
    /// Lines with the same number are one block.
    pub block: u32,
    /// Lines with the same number are one paragraph.
    pub paragraph: u32,
    /// Its words.
    pub words: Vec<OcrWord>,
}

/// A word.
#[derive(Debug, Object, Serialize)]
pub struct OcrWord {
    /// What it says.
    pub text: String,
    /// 0 to 1.
    pub confidence: f64,
    /// As of lines.
    pub polygon: Vec<Vec<i32>>,
    /// As of lines.
    #[oai(rename = "box")]
    #[serde(rename = "box")]
    pub around: OcrBox,
}

/// A rectangle in pixels, from the upper left corner of the image.
#[derive(Debug, PartialEq, Eq, Object, Serialize)]
pub struct OcrBox {
    /// Left side.
    pub x: i32,
    /// Upper side.
    pub y: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

/// Whether text can be read.
#[derive(Debug, Object, Serialize)]
pub struct OcrStatus {
    /// Whether there is a model for it.
    pub available: bool,
    /// Its id.
    #[oai(nullable)]
    pub model: Option<String>,
    /// What it calls itself: `Tesseract 5.3.0`.
    #[oai(nullable)]
    pub version: Option<String>,
    /// Languages that are installed.
    pub languages: Vec<String>,
    /// How to get it, for people; null when it is there.
    #[oai(nullable)]
    pub install: Option<String>,
}

impl OcrResult {
    pub(crate) fn of(model: String, page: &ReadPage, (width, height): (u32, u32), timings: TaskTimings) -> Self {
        let mut text = String::new();
        for (index, line) in page.lines.iter().enumerate() {
            match index.checked_sub(1).map(|before| page.lines[before].paragraph == line.paragraph) {
                None => {}
                Some(true) => text.push('\n'),
                Some(false) => text.push_str("\n\n"),
            }
            text.push_str(&joined(&line.words));
        }
        let lines = page.lines.iter().map(OcrLine::of).collect();
        Self { model, text, width, height, rotation: page.rotation, lines, timings }
    }
}

impl OcrLine {
    fn of(line: &ReadLine) -> Self {
        let sum: f32 = line.words.iter().map(|word| word.confidence).sum();
        Self {
            text: joined(&line.words),
            confidence: rounded(sum / line.words.len().max(1) as f32),
            polygon: corners(&line.polygon),
            around: OcrBox::around(&line.polygon),
            block: line.block as u32,
            paragraph: line.paragraph as u32,
            words: line.words.iter().map(OcrWord::of).collect(),
        }
    }
}

impl OcrWord {
    fn of(word: &ReadWord) -> Self {
        Self {
            text: word.text.clone(),
            confidence: rounded(word.confidence),
            polygon: corners(&word.polygon),
            around: OcrBox::around(&word.polygon),
        }
    }
}

impl OcrBox {
    fn around(polygon: &[Point; 4]) -> Self {
        let range = |of: fn(&Point) -> i32| {
            let values = polygon.map(|point| of(&point));
            let least = values.into_iter().fold(i32::MAX, i32::min);
            (least, values.into_iter().fold(i32::MIN, i32::max).saturating_sub(least))
        };
        let ((x, width), (y, height)) = (range(|point| point.x), range(|point| point.y));
        Self { x, y, width, height }
    }
}

fn corners(polygon: &[Point; 4]) -> Vec<Vec<i32>> {
    polygon.iter().map(|point| vec![point.x, point.y]).collect()
}

/// The words of a line: spaces between them, but none between two of a script that has none.
fn joined(words: &[ReadWord]) -> String {
    let mut text = String::new();
    for word in words {
        let between = text.chars().next_back().zip(word.text.chars().next());
        if between.is_some_and(|(last, next)| !(without_spaces(last) && without_spaces(next))) {
            text.push(' ');
        }
        text.push_str(&word.text);
    }
    text
}

/// Chinese characters, kana, and their punctuation.
fn without_spaces(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{FF00}'..='\u{FFEF}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str]) -> Vec<ReadWord> {
        let polygon = [Point { x: 0, y: 0 }; 4];
        texts.iter().map(|text| ReadWord { text: (*text).to_owned(), confidence: 1.0, polygon }).collect()
    }

    #[test]
    fn words_are_joined_as_their_script_has_it() {
        assert_eq!(joined(&words(&["two", "words."])), "two words.");
        assert_eq!(joined(&words(&["日本", "語。", "Tern", "は"])), "日本語。 Tern は");
    }

    #[test]
    fn languages_come_in_every_spelling_and_once_each() {
        let of = |asked| languages(Some(asked)).map_err(|error| error.param);
        assert_eq!(of(OcrLanguages::One("eng+deu, eng".into())), Ok(vec!["eng".into(), "deu".into()]));
        assert_eq!(of(OcrLanguages::Many(vec!["eng".into(), "script/Latin+fra".into()])).unwrap().len(), 3);
        assert_eq!(of(OcrLanguages::One(" ".into())), Ok(vec![]));
        let many = (0..20).map(|i| format!("x{i}")).collect();
        assert_eq!(of(OcrLanguages::Many(many)), Err(Some("language".into())));
    }
}
