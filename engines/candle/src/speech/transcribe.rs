//! A recording, one window after the other: each begins where the last whole segment of the one before ends.

use tern_engine::{
    EngineError, Segment, Token, Tokenizer, Transcriber,
    tasks::{Cancelled, TranscribeOptions, Transcript},
};
use tern_tokenizer::HfTokenizer;

use super::{
    config::{Config, Special},
    mel::Mel,
    model::{Model, State},
    window::{Answer, Opening, Random, Speaker, text},
    words,
};

/// Frames a second.
const FRAMES: f32 = 100.0;
/// Frames of a step of timestamps.
const STEP: usize = 2;
/// Above this temperature an answer is no guide for the next.
const GUESSED: f32 = 0.5;

/// A loaded model.
pub(super) struct Whisper {
    config: Config,
    special: Special,
    tokenizer: HfTokenizer,
    mel: Mel,
    model: Model,
}

impl Whisper {
    pub fn new(config: Config, special: Special, tokenizer: HfTokenizer, mel: Mel, model: Model) -> Self {
        Self { config, special, tokenizer, mel, model }
    }

    /// Start, language and task.
    fn start(&self, language: Option<Token>, translate: bool) -> Vec<Token> {
        let task = if translate { self.special.translate } else { self.special.transcribe };
        let spoken = language.map(|language| [Some(language), task]);
        [self.special.start].into_iter().chain(spoken.into_iter().flatten().flatten()).collect()
    }

    /// The language that was asked for.
    fn known(&self, code: &str) -> Result<Option<Token>, EngineError> {
        if self.special.languages.is_empty() {
            return if code == "en" {
                Ok(None)
            } else {
                Err(EngineError::Failed(format!("this model knows English only, not {code:?}")))
            };
        }
        let token = self.special.language(code);
        token.map(Some).ok_or_else(|| EngineError::Failed(format!("this model does not know the language {code:?}")))
    }
}

impl Transcriber for Whisper {
    fn languages(&self) -> Vec<String> {
        if self.special.languages.is_empty() {
            return vec!["en".into()];
        }
        self.special.languages.iter().map(|(code, _)| code.clone()).collect()
    }

    fn can_translate(&self) -> bool {
        self.special.translate.is_some()
    }

    fn transcribe(
        &mut self,
        samples: &[f32],
        options: &TranscribeOptions,
        on_segment: &mut dyn FnMut(&Segment, f32),
        cancelled: Cancelled<'_>,
    ) -> Result<Transcript, EngineError> {
        if options.translate && !self.can_translate() {
            return Err(EngineError::Failed("this model knows English only and cannot translate".into()));
        }
        let this = &*self;
        let mut language = match &options.language {
            Some(code) => Some((code.clone(), this.known(code)?)),
            None if this.special.languages.is_empty() => Some(("en".into(), None)),
            None => None,
        };
        let loudest = this.mel.loudest(samples, cancelled).ok_or(EngineError::Cancelled)?;
        let speaker = Speaker {
            config: &this.config,
            special: &this.special,
            tokenizer: &this.tokenizer,
            model: &this.model,
            cancelled,
        };
        let end = Mel::frames(samples);
        let mut run = Run { speaker, options, said: Vec::new(), forgotten: 0, last_speech: 0.0, random: Random(0) };
        if let Some(prompt) = options.prompt.as_deref().map(str::trim).filter(|prompt| !prompt.is_empty()) {
            run.said = this.tokenizer.encode(&format!(" {prompt}"), false, false)?;
        }
        let mut segments = Vec::new();
        let mut seek = 0;
        while seek < end {
            let mel = this.mel.window(samples, seek, this.config.frames(), end, loudest);
            let mut state = this.model.hear(mel, cancelled)?;
            let (code, token) = match &language {
                Some(known) => known,
                None => {
                    let found = run.speaker.language(&mut state)?;
                    &*language.insert(found.map_or(("en".into(), None), |(code, token)| (code, Some(token))))
                }
            };
            let window = Window {
                seek,
                frames: this.config.frames().min(end - seek),
                start: this.start(*token, options.translate),
                language: code,
            };
            let (found, next) = run.window(&mut state, &window)?;
            seek = if next > seek { next } else { seek + window.frames };
            let share = (seek as f32 / end as f32).min(1.0);
            found.iter().for_each(|segment| on_segment(segment, share));
            segments.extend(found);
        }
        let language = language.map_or_else(String::new, |(code, _)| code);
        Ok(Transcript { language, segments })
    }
}

/// What goes from window to window.
struct Run<'a> {
    speaker: Speaker<'a>,
    options: &'a TranscribeOptions,
    /// The prompt and all tokens said.
    said: Vec<Token>,
    /// Of these so many are no longer given to the model.
    forgotten: usize,
    /// Seconds.
    last_speech: f32,
    random: Random,
}

struct Window<'a> {
    seek: usize,
    /// Of the recording.
    frames: usize,
    start: Vec<Token>,
    language: &'a str,
}

impl Window<'_> {
    fn offset(&self) -> f32 {
        self.seek as f32 / FRAMES
    }
}

impl Run<'_> {
    /// The segments of a window that say something, and where the next begins.
    fn window(&mut self, state: &mut State, window: &Window<'_>) -> Result<(Vec<Segment>, usize), EngineError> {
        let opening = Opening { start: &window.start, before: &self.said[self.forgotten..] };
        let answer = self.speaker.answer(state, &opening, self.options.temperature, &mut self.random)?;
        if answer.says_nothing() {
            return Ok((Vec::new(), window.seek + window.frames));
        }
        let special = self.speaker.special;
        let cut = cut(&answer.tokens, special.timestamp_begin(), window.frames);
        let mut next = window.seek + cut.frames;
        let mut segments: Vec<Segment> = cut.parts.iter().map(|part| self.segment(part, &answer, window)).collect();
        if self.options.words {
            let said: Vec<Vec<Token>> = segments.iter().map(|segment| text_tokens(segment, special)).collect();
            let times = self.speaker.times(state, &window.start, &said, window.language, window.frames / STEP)?;
            self.last_speech = words::assign(&mut segments, times, window.offset(), self.last_speech);
            let last = segments.iter().rev().find_map(|segment| segment.words.last()).map(|word| word.end);
            if let Some(last) = last.filter(|&last| !cut.ends_with_time && last > window.offset()) {
                next = (last * FRAMES).round() as usize;
            }
        }
        segments.retain(|segment| segment.start != segment.end && !segment.text.trim().is_empty());
        self.said.extend(segments.iter().flat_map(|segment| &segment.tokens));
        if answer.temperature > GUESSED {
            self.forgotten = self.said.len();
        }
        Ok((segments, next))
    }

    fn segment(&self, part: &Part, answer: &Answer, window: &Window<'_>) -> Segment {
        let seconds = |frames: usize| window.offset() + frames as f32 / FRAMES;
        Segment {
            text: text(&part.tokens, self.speaker.special, self.speaker.tokenizer),
            start: seconds(part.start),
            end: seconds(part.end),
            temperature: answer.temperature,
            avg_logprob: answer.avg_logprob,
            compression_ratio: answer.compression_ratio,
            no_speech_prob: answer.no_speech_prob,
            tokens: part.tokens.clone(),
            seek: window.seek as u32,
            words: Vec::new(),
        }
    }
}

fn text_tokens(segment: &Segment, special: &Special) -> Vec<Token> {
    segment.tokens.iter().copied().filter(|&token| token < special.end).collect()
}

/// Tokens between two timestamps; frames from the beginning of the window.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    pub tokens: Vec<Token>,
    pub start: usize,
    pub end: usize,
}

/// An answer in parts.
#[derive(Debug, PartialEq)]
pub(super) struct Cut {
    pub parts: Vec<Part>,
    /// Frames that are done with.
    pub frames: usize,
    /// One timestamp alone at the end: nothing is said behind it in this window.
    pub ends_with_time: bool,
}

/// Cuts an answer between neighbouring timestamps. What follows the last pair is heard again in the next window.
pub(super) fn cut(tokens: &[Token], timestamps: Token, frames: usize) -> Cut {
    let time = |token: Token| token.checked_sub(timestamps).map(|step| step as usize * STEP);
    let is_time = |back: usize| tokens.len().checked_sub(back).is_some_and(|at| tokens[at] >= timestamps);
    let ends_with_time = tokens.len() >= 2 && is_time(1) && !is_time(2);
    let pairs = tokens.windows(2).zip(1..).filter(|(pair, _)| pair.iter().all(|&token| token >= timestamps));
    let mut borders: Vec<usize> = pairs.map(|(_, at)| at).collect();
    if borders.is_empty() {
        let last = tokens.iter().rev().find_map(|&token| time(token)).filter(|&last| last > 0);
        let part = Part { tokens: tokens.to_vec(), start: 0, end: last.unwrap_or(frames) };
        return Cut { parts: vec![part], frames, ends_with_time };
    }
    if ends_with_time {
        borders.push(tokens.len());
    }
    let mut from = 0;
    let parts = borders
        .iter()
        .map(|&to| {
            let tokens = &tokens[from..to];
            from = to;
            let edge = |token: Option<&Token>| token.and_then(|&token| time(token)).unwrap_or(0);
            Part { tokens: tokens.to_vec(), start: edge(tokens.first()), end: edge(tokens.last()) }
        })
        .collect();
    let done = if ends_with_time { frames } else { time(tokens[from - 1]).unwrap_or(frames) };
    Cut { parts, frames: done, ends_with_time }
}
