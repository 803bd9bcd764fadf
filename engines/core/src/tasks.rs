//! Tasks without a dialogue: names in text, relevance, text in images, descriptions of images, speech.
//!
//! Each is a small trait that one thread owns. Calls block; `cancelled` is asked between forward passes, and a call that was
//! told so ends with [`EngineError::Cancelled`]. What a call is given has been decoded and bounded before (`src/media`), but an
//! engine trusts no length all the same. After an error the model can be used again.

use serde::{Deserialize, Serialize};

use crate::EngineError;

/// Asked between forward passes; true ends the call.
pub type Cancelled<'a> = &'a dyn Fn() -> bool;

/// How the labels of a word's pieces become the label of the word; the names are those of transformers' pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// Neighbouring pieces of one group belong together; a word may be cut.
    Simple,
    /// A word has the label of its first piece.
    First,
    /// A word has the label with the highest mean score over its pieces.
    Average,
    /// A word has the label of its piece with the highest score.
    Max,
}

/// A name found in a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// `PER`, `ORG`, `LOC`, `MISC`, or what the model calls it, without `B-` and `I-`.
    pub group: String,
    /// Mean probability over its pieces, 0 to 1.
    pub score: f32,
    /// First byte in the text.
    pub start: usize,
    /// Byte behind the last.
    pub end: usize,
}

/// What was found in one text.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tagged {
    /// In the order of the text; they do not overlap.
    pub entities: Vec<Entity>,
    /// Tokens that the model has read.
    pub tokens: usize,
}

/// Finds names in texts (token classification).
pub trait EntityTagger: Send {
    /// The groups that it knows, without `O`.
    fn groups(&self) -> Vec<String>;

    /// Tags each text, of any length; one result each, in order.
    ///
    /// # Errors
    /// `Cancelled`, `Failed`.
    fn tag(&mut self, texts: &[String], how: Aggregation, cancelled: Cancelled<'_>)
    -> Result<Vec<Tagged>, EngineError>;
}

/// How well a document answers a query.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Relevance {
    /// 0 to 1: the logistic function of the model's output, where it has one output.
    pub score: f32,
    /// Tokens of query and document together, as the model has read them.
    pub tokens: usize,
}

impl Relevance {
    /// Refuses the query with the document at `index` if they have more tokens together than the model reads.
    ///
    /// # Errors
    /// `InvalidInput`, with both numbers.
    pub fn check_length(index: usize, tokens: usize, most: usize) -> Result<(), EngineError> {
        if tokens <= most {
            return Ok(());
        }
        Err(EngineError::InvalidInput(format!(
            "the query and document {index} have {tokens} tokens together, the model reads at most {most}"
        )))
    }
}

/// Scores documents for a query (cross-encoder).
pub trait Reranker: Send {
    /// Most tokens of query and document together.
    fn max_tokens(&self) -> usize;

    /// Scores each document; one result each, in order.
    ///
    /// # Errors
    /// `Cancelled`; `Failed`; `InvalidInput` for a pair longer than `max_tokens`, which is never cut in silence.
    fn score(
        &mut self,
        query: &str,
        documents: &[String],
        cancelled: Cancelled<'_>,
    ) -> Result<Vec<Relevance>, EngineError>;
}

/// A decoded image: rows from the top, 3 bytes (red, green, blue; sRGB) a pixel.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Image {
    /// `None` when a side is 0 or `rgb` is not `width * height * 3` bytes.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let bytes = u64::from(width).checked_mul(height.into())?.checked_mul(3)?;
        (bytes > 0 && bytes == rgb.len() as u64).then_some(Self { width, height, rgb })
    }

    /// In pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// In pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// `[height][width][3]`
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}x{})", self.width, self.height)
    }
}

/// A point of an image in pixels, from the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// To the right.
    pub x: i32,
    /// Downwards.
    pub y: i32,
}

/// How to read the text of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadOptions {
    /// Languages that may occur, likeliest first, as the engine names them (`eng`, `deu`); none means its default.
    pub languages: Vec<String>,
    /// Whether the page may be turned by 90, 180 or 270 degrees and shall be turned back first.
    pub find_orientation: bool,
    /// What is on the page; `None`: a page of text whose layout is to be found.
    pub layout: Option<PageLayout>,
}

/// What is on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageLayout {
    /// One column.
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

/// A word that was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadWord {
    /// What it says.
    pub text: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Its corners in the image as it was given, from the upper left of the upright word, clockwise.
    pub polygon: [Point; 4],
}

/// A line that was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadLine {
    /// From the left to the right, or as the script runs.
    pub words: Vec<ReadWord>,
    /// As of words.
    pub polygon: [Point; 4],
    /// Lines with the same number are one paragraph.
    pub paragraph: usize,
    /// Lines with the same number are one block.
    pub block: usize,
}

/// What an image says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ReadPage {
    /// In reading order.
    pub lines: Vec<ReadLine>,
    /// Degrees (0, 90, 180, 270) by which the image was turned clockwise to stand upright; `None` when it was not asked for, or
    /// could not be told.
    pub rotation: Option<u16>,
}

/// Reads text in images (OCR).
pub trait TextReader: Send {
    /// Languages whose data is there.
    fn languages(&self) -> Vec<String>;

    /// Reads a page.
    ///
    /// # Errors
    /// `Cancelled`; `Failed`, also for a language that is not there.
    fn read(&mut self, image: &Image, options: &ReadOptions, cancelled: Cancelled<'_>)
    -> Result<ReadPage, EngineError>;
}

/// What to say about an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// A caption; it begins with these words, if there are some.
    Caption(Option<String>),
    /// An answer to a question.
    Answer(String),
}

/// What was said about an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The caption, or the answer.
    pub text: String,
    /// Tokens that were generated.
    pub tokens: usize,
}

/// Describes images, and answers questions about them.
pub trait Describer: Send {
    /// Whether it can be asked for a caption, and for an answer.
    fn can(&self, wish: &Wish) -> bool;

    /// Describes an image in at most `max_tokens` tokens.
    ///
    /// # Errors
    /// `Cancelled`; `Failed`, also for what it cannot do.
    fn describe(
        &mut self,
        image: &Image,
        wish: &Wish,
        max_tokens: usize,
        cancelled: Cancelled<'_>,
    ) -> Result<Description, EngineError>;
}

/// How to transcribe.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TranscribeOptions {
    /// ISO 639-1 code of the language spoken; `None` finds it out.
    pub language: Option<String>,
    /// Translate into English.
    pub translate: bool,
    /// Words that may occur, or the text before: steers spelling and style.
    pub prompt: Option<String>,
    /// Of sampling; `None` begins at 0 and rises where an answer repeats itself or is unlikely.
    pub temperature: Option<f32>,
    /// Whether times of words are wanted.
    pub words: bool,
}

/// A word with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpokenWord {
    /// With its punctuation.
    pub text: String,
    /// Seconds from the beginning of the recording.
    pub start: f32,
    /// Seconds.
    pub end: f32,
    /// Mean probability of its tokens.
    pub probability: f32,
}

/// A stretch of speech.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// What is said.
    pub text: String,
    /// Seconds from the beginning of the recording.
    pub start: f32,
    /// Seconds.
    pub end: f32,
    /// Sampling temperature that it was decoded with.
    pub temperature: f32,
    /// Mean log-probability of its tokens.
    pub avg_logprob: f32,
    /// Length of the text by the length of the text compressed: repetition is above 2.4.
    pub compression_ratio: f32,
    /// Probability that nothing is said.
    pub no_speech_prob: f32,
    /// The model's tokens.
    pub tokens: Vec<u32>,
    /// Position in the recording, in frames of 10 ms, of the window in which it was decoded.
    pub seek: u32,
    /// Its words, where they were asked for.
    pub words: Vec<SpokenWord>,
}

/// What was said in a recording.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Transcript {
    /// ISO 639-1 code of the language, given or found.
    pub language: String,
    /// In order.
    pub segments: Vec<Segment>,
}

/// Samples a second that a [`Transcriber`] expects.
pub const SAMPLE_RATE: u32 = 16_000;

/// Turns speech into text.
pub trait Transcriber: Send {
    /// ISO 639-1 codes of the languages that it knows; one that is English only knows only that.
    fn languages(&self) -> Vec<String>;

    /// Whether it can translate into English.
    fn can_translate(&self) -> bool;

    /// Transcribes mono samples (-1 to 1) at [`SAMPLE_RATE`]. `on_segment` gets each segment as soon as it is decoded, with the
    /// share of the recording done.
    ///
    /// # Errors
    /// `Cancelled`; `Failed`, also for a language it does not know.
    fn transcribe(
        &mut self,
        samples: &[f32],
        options: &TranscribeOptions,
        on_segment: &mut dyn FnMut(&Segment, f32),
        cancelled: Cancelled<'_>,
    ) -> Result<Transcript, EngineError>;
}
