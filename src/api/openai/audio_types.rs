//! What is sent for a transcription, and what comes back.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use tern_engine::{Segment, SpokenWord};

use crate::{
    error::{ApiError, shortened},
    http::{
        upload::{Form, FromForm, Upload},
        upload_fields::{FieldKind, FormField},
    },
};

/// How the answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    #[default]
    Json,
    Text,
    Srt,
    Vtt,
    VerboseJson,
}

const FORMATS: &[&str] = &["json", "text", "srt", "vtt", "verbose_json"];

/// Of what times are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Granularity {
    /// Of each word.
    Word,
    /// Of each segment.
    Segment,
}

/// A recording and how to transcribe it.
#[derive(Debug, Default)]
pub(crate) struct AudioRequest {
    pub file: Option<Upload>,
    pub model: Option<String>,
    pub language: Option<String>,
    pub prompt: Option<String>,
    pub format: Format,
    pub temperature: Option<f32>,
    pub granularities: Vec<Granularity>,
    pub stream: bool,
}

const FILE: FormField = FormField {
    name: "file",
    kind: FieldKind::File,
    required: true,
    about: "The recording: WAV, MP3, FLAC, Ogg (Vorbis or Opus), M4A (AAC) or WebM (Opus); at most two hours. Told by its \
            content, whatever its name is.",
};
const MODEL: FormField = FormField {
    name: "model",
    kind: FieldKind::Text,
    required: false,
    about: "Model id; without it one in memory, or the smallest that transcribes.",
};
const PROMPT: FormField = FormField {
    name: "prompt",
    kind: FieldKind::Text,
    required: false,
    about: "Words that may occur, or the text before: steers spelling and style.",
};
const FORMAT: FormField = FormField {
    name: "response_format",
    kind: FieldKind::Word(FORMATS),
    required: false,
    about: "How the answer is written; `json` when nothing is said.",
};
const TEMPERATURE: FormField = FormField {
    name: "temperature",
    kind: FieldKind::Number,
    required: false,
    about: "Of sampling, 0 to 1. At 0 it rises by itself where an answer repeats itself or is unlikely.",
};

impl AudioRequest {
    fn read(form: &mut Form) -> Result<Self, ApiError> {
        let temperature: Option<f32> = form.value("temperature")?;
        if let Some(temperature) = temperature.filter(|temperature| !(0.0..=1.0).contains(temperature)) {
            let message = format!("temperature is {temperature}; the range is 0 to 1");
            return Err(ApiError::invalid("temperature", message));
        }
        Ok(Self {
            file: form.file("file"),
            model: form.text("model")?,
            prompt: form.text("prompt")?,
            format: form.value("response_format")?.unwrap_or_default(),
            temperature,
            ..Self::default()
        })
    }
}

impl FromForm for AudioRequest {
    const FIELDS: &'static [FormField] = &[
        FILE,
        MODEL,
        FormField {
            name: "language",
            kind: FieldKind::Text,
            required: false,
            about: "Language spoken, as `de` or `german`; without it the first 30 seconds tell.",
        },
        PROMPT,
        FORMAT,
        TEMPERATURE,
        FormField {
            name: "timestamp_granularities",
            kind: FieldKind::Words(&["word", "segment"]),
            required: false,
            about: "With `verbose_json`: of what times are wanted; segments when nothing is said. Words take longer.",
        },
        FormField {
            name: "stream",
            kind: FieldKind::Boolean,
            required: false,
            about: "Send each segment as an event when it is understood; with `json`, `text` and `verbose_json`, which adds times.",
        },
        FormField {
            name: "include",
            kind: FieldKind::Texts,
            required: false,
            about: "Accepted for clients that send it; nothing is added.",
        },
        FormField {
            name: "chunking_strategy",
            kind: FieldKind::Text,
            required: false,
            about: "Accepted for clients that send it: windows always begin where a sentence ends.",
        },
    ];

    fn from_form(form: &mut Form) -> Result<Self, ApiError> {
        let granularities = form.texts("timestamp_granularities")?.into_iter().map(|text| match text.as_str() {
            "word" => Ok(Granularity::Word),
            "segment" => Ok(Granularity::Segment),
            other => {
                let other = shortened(other);
                let message = format!("timestamp_granularities: \"{other}\"; known are word and segment");
                Err(ApiError::invalid("timestamp_granularities", message))
            }
        });
        let request = Self {
            granularities: granularities.collect::<Result<_, _>>()?,
            language: form.text("language")?,
            stream: form.value("stream")?.unwrap_or(false),
            ..Self::read(form)?
        };
        if !request.granularities.is_empty() && request.format != Format::VerboseJson {
            let message = "timestamp_granularities takes response_format verbose_json, which has a place for times";
            return Err(ApiError::invalid("timestamp_granularities", message));
        }
        if request.stream && matches!(request.format, Format::Srt | Format::Vtt) {
            return Err(ApiError::invalid("stream", "stream takes response_format json, text or verbose_json"));
        }
        Ok(request)
    }
}

/// A recording and how to translate it.
pub(crate) struct TranslationRequest(pub AudioRequest);

impl FromForm for TranslationRequest {
    const FIELDS: &'static [FormField] = &[FILE, MODEL, PROMPT, FORMAT, TEMPERATURE];

    fn from_form(form: &mut Form) -> Result<Self, ApiError> {
        AudioRequest::read(form).map(Self)
    }
}

/// What was said.
#[derive(Debug, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct Transcription {
    /// `transcribe` or `translate`, with `verbose_json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Name of the language spoken, with `verbose_json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Seconds of the recording, with `verbose_json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// The text.
    pub text: String,
    /// With `verbose_json`, unless times of words alone are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<Vec<TranscriptionSegment>>,
    /// With `verbose_json`, where times of words are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<TranscriptionWord>>,
    /// Seconds of the recording.
    pub usage: DurationUsage,
}

/// How much was heard.
#[derive(Debug, Object, Serialize)]
pub struct DurationUsage {
    /// `duration`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// Seconds of the recording.
    pub seconds: f64,
}

impl DurationUsage {
    pub(crate) fn new(seconds: f64) -> Self {
        Self { kind: "duration".into(), seconds }
    }
}

/// A stretch of speech.
#[derive(Debug, Object, Serialize)]
pub struct TranscriptionSegment {
    /// Its place, from 0.
    pub id: u32,
    /// Where its window began, in frames of 10 ms.
    pub seek: u32,
    /// Seconds.
    pub start: f64,
    /// Seconds.
    pub end: f64,
    /// What is said.
    pub text: String,
    /// The model's tokens.
    pub tokens: Vec<u32>,
    /// Temperature that it was decoded with.
    pub temperature: f64,
    /// Mean log-probability of its tokens; below -1 it is a guess.
    pub avg_logprob: f64,
    /// Above 2.4 it repeats itself.
    pub compression_ratio: f64,
    /// Probability that nothing is said.
    pub no_speech_prob: f64,
}

impl TranscriptionSegment {
    pub(crate) fn new(segment: &Segment, id: u32) -> Self {
        Self {
            id,
            seek: segment.seek,
            start: hundredths(segment.start),
            end: hundredths(segment.end),
            text: segment.text.clone(),
            tokens: segment.tokens.clone(),
            temperature: hundredths(segment.temperature),
            avg_logprob: segment.avg_logprob.into(),
            compression_ratio: segment.compression_ratio.into(),
            no_speech_prob: segment.no_speech_prob.into(),
        }
    }
}

/// A word with its time.
#[derive(Debug, Object, Serialize)]
pub struct TranscriptionWord {
    /// Without the space before it.
    pub word: String,
    /// Seconds.
    pub start: f64,
    /// Seconds.
    pub end: f64,
}

impl From<&SpokenWord> for TranscriptionWord {
    fn from(word: &SpokenWord) -> Self {
        let text = word.text.trim().to_owned();
        Self { word: text, start: hundredths(word.start), end: hundredths(word.end) }
    }
}

/// As a number with two digits behind the point, which a widened f32 would not be.
pub(crate) fn hundredths(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}

/// An event of a streamed transcription.
#[derive(Debug, Default, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct TranscriptEvent {
    /// `transcript.text.delta` or `transcript.text.done`; with `verbose_json` also `transcript.text.segment`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// Text to append.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<String>,
    /// The whole text, at the end; of a segment, what is said in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of a segment: its place, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// Of a segment, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// Of a segment, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<f64>,
    /// At the end, with `verbose_json`: name of the language spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// At the end, with `verbose_json`: seconds of the recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// At the end, with `verbose_json`, unless times of words alone are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<Vec<TranscriptionSegment>>,
    /// At the end, with `verbose_json`, where times of words are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<TranscriptionWord>>,
    /// Token counts, at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<TokenUsage>,
}

/// Token counts.
#[derive(Debug, Object, Serialize)]
pub struct TokenUsage {
    /// `tokens`.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// What was heard: 50 positions of the encoder a second.
    pub input_tokens: u32,
    /// Tokens of the text.
    pub output_tokens: u32,
    /// Both.
    pub total_tokens: u32,
}
