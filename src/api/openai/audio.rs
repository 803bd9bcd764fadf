//! `POST /v1/audio/transcriptions` and `/v1/audio/translations`.

use bytes::Bytes;
use futures_util::{FutureExt, Stream, future::BoxFuture, stream};
use poem_openapi::{ApiResponse, OpenApi, ResponseContent, payload::PlainText};
use tern_engine::{
    Capability, EngineError, Transcriber,
    tasks::{Cancelled, SAMPLE_RATE, Segment, TranscribeOptions, Transcript},
};
use tern_media::audio::{self, AudioError, AudioLimits};
use tern_registry::Lease;
use tokio::sync::mpsc;

use super::{
    audio_types::{
        AudioRequest, DurationUsage, Format, Granularity, TokenUsage, TranscriptEvent, Transcription,
        TranscriptionSegment, TranslationRequest,
    },
    languages, subtitles,
};
use crate::{
    error::{ApiError, ErrorReply, shortened},
    http::{
        body::ApiJson,
        sse::{EventStream, data, failure},
        upload::FormBody,
    },
    routes::ApiTags,
    state::{State, beside},
    tasks::Needed,
};

/// Positions of the encoder in a second of sound.
const TOKENS_A_SECOND: f64 = 50.0;
const TRANSCRIPTION: Needed =
    Needed { capability: Capability::Transcription, what: "transcription", hint: "`tern pull whisper-base` gets one" };

#[derive(ResponseContent)]
pub(crate) enum AudioContent {
    Json(ApiJson<Transcription>),
    Text(PlainText<String>),
    Stream(EventStream<TranscriptEvent>),
}

#[derive(ApiResponse)]
pub(crate) enum AudioReply {
    /// What was said
    #[oai(status = 200)]
    Ok(AudioContent),
}

pub(crate) struct AudioApi(pub State);

#[OpenApi(prefix_path = "/v1", tag = "ApiTags::Audio")]
impl AudioApi {
    /// Turn speech into text
    ///
    /// `json` and `verbose_json` are answered as JSON, `text`, `srt` and `vtt` as text, and with `stream` come events:
    /// `transcript.text.delta` for each segment, then `transcript.text.done`. With `verbose_json` a
    /// `transcript.text.segment` follows each delta, and the last event has what the answer in one piece would have.
    /// The recording is held in memory and kept nowhere.
    #[oai(path = "/audio/transcriptions", method = "post", operation_id = "createTranscription")]
    async fn transcriptions(&self, request: FormBody<AudioRequest>) -> Result<AudioReply, ErrorReply> {
        Ok(AudioReply::Ok(transcribe(&self.0, request.0, false).await?))
    }

    /// Turn speech into English text
    ///
    /// As transcriptions, from any language the model knows. English-only models cannot.
    #[oai(path = "/audio/translations", method = "post", operation_id = "createTranslation")]
    async fn translations(&self, request: FormBody<TranslationRequest>) -> Result<AudioReply, ErrorReply> {
        Ok(AudioReply::Ok(transcribe(&self.0, request.0.0, true).await?))
    }
}

async fn transcribe(state: &State, request: AudioRequest, translate: bool) -> Result<AudioContent, ApiError> {
    let Some(file) = request.file else {
        return Err(ApiError::invalid("file", "file is missing; a recording is needed"));
    };
    let bytes = file.bytes;
    let samples = beside(move || audio::decode(bytes.into(), &AudioLimits::default()).map_err(refused)).await?;
    let seconds = samples.len() as f64 / f64::from(SAMPLE_RATE);
    let (lease, _) = state.acquire_able(request.model.as_deref(), TRANSCRIPTION).await?;
    let language = request.language.as_deref().map(languages::code);
    check(&lease, language.as_deref(), translate).await?;
    let options = TranscribeOptions {
        language,
        translate,
        prompt: request.prompt,
        temperature: request.temperature,
        words: request.granularities.contains(&Granularity::Word),
    };
    if request.stream {
        let verbose = (request.format == Format::VerboseJson).then_some((request.granularities, translate));
        return Ok(AudioContent::Stream(EventStream::new(events(lease, samples, options, seconds, verbose))));
    }
    let run = lease
        .transcriber()?
        .run(move |model, cancelled| model.transcribe(&samples, &options, &mut |_, _| {}, cancelled));
    Ok(written(&run.await?, request.format, &request.granularities, seconds, translate))
}

/// 413 for what is too much, 400 for what cannot be read.
fn refused(error: AudioError) -> ApiError {
    let message = format!("file: {error}");
    match error {
        AudioError::TooLarge { .. } | AudioError::TooLong { .. } => {
            ApiError { param: Some("file".into()), ..ApiError::new(413, "file_too_large", message) }
        }
        AudioError::Empty | AudioError::UnknownFormat | AudioError::Unsupported { .. } | AudioError::Damaged { .. } => {
            ApiError::invalid("file", message)
        }
    }
}

/// What the model does not know is the client's mistake, and is said before anything is computed.
async fn check(lease: &Lease, language: Option<&str>, translate: bool) -> Result<(), ApiError> {
    let knows = lease.transcriber()?.run(|model, _| Ok((model.languages(), model.can_translate())));
    let (known, can_translate) = knows.await?;
    let id = &lease.entry.id;
    if translate && !can_translate {
        let message = format!("model \"{id}\" knows English only and cannot translate");
        return Err(ApiError::unsupported("model", message));
    }
    match language.filter(|&code| !known.iter().any(|known| known == code)) {
        Some(code) => {
            let code = shortened(code);
            let message = format!("language: model \"{id}\" does not know \"{code}\"; it knows {}", known.join(", "));
            Err(ApiError::invalid("language", message))
        }
        None => Ok(()),
    }
}

fn whole(transcript: &Transcript) -> String {
    let text: String = transcript.segments.iter().map(|segment| segment.text.as_str()).collect();
    text.trim().to_owned()
}

fn written(
    transcript: &Transcript,
    format: Format,
    granularities: &[Granularity],
    seconds: f64,
    translate: bool,
) -> AudioContent {
    let text = whole(transcript);
    match format {
        Format::Json => AudioContent::Json(ApiJson(Transcription {
            task: None,
            language: None,
            duration: None,
            text,
            segments: None,
            words: None,
            usage: DurationUsage::new(hundredths_of(seconds)),
        })),
        Format::Text => AudioContent::Text(PlainText(text + "\n")),
        Format::Srt => AudioContent::Text(PlainText(subtitles::srt(&transcript.segments))),
        Format::Vtt => AudioContent::Text(PlainText(subtitles::vtt(&transcript.segments))),
        Format::VerboseJson => AudioContent::Json(ApiJson(verbose_json(transcript, granularities, seconds, translate))),
    }
}

fn hundredths_of(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

fn verbose_json(
    transcript: &Transcript,
    granularities: &[Granularity],
    seconds: f64,
    translate: bool,
) -> Transcription {
    let words = granularities.contains(&Granularity::Word);
    let segments = !words || granularities.contains(&Granularity::Segment);
    let each = transcript.segments.iter();
    let seconds = hundredths_of(seconds);
    Transcription {
        task: Some(if translate { "translate" } else { "transcribe" }.into()),
        language: Some(languages::name(&transcript.language).into()),
        duration: Some(seconds),
        text: whole(transcript),
        segments: segments.then(|| each.clone().zip(0..).map(|(one, id)| TranscriptionSegment::new(one, id)).collect()),
        words: words.then(|| each.flat_map(|segment| &segment.words).map(Into::into).collect()),
        usage: DurationUsage::new(seconds),
    }
}

/// The events of a transcription, which runs as long as someone takes them. `verbose`: with times, of these
/// granularities, and whether it is a translation.
fn events(
    lease: Lease,
    samples: Vec<f32>,
    options: TranscribeOptions,
    seconds: f64,
    verbose: Option<(Vec<Granularity>, bool)>,
) -> impl Stream<Item = Bytes> + Send + 'static {
    // As many as there are segments, of a recording whose length is bounded.
    let (send, frames) = mpsc::unbounded_channel();
    let job = move |model: &mut (dyn Transcriber + 'static), cancelled: Cancelled<'_>| -> Result<(), EngineError> {
        let mut count = 0;
        let transcript = model.transcribe(
            &samples,
            &options,
            &mut |segment, _| {
                let text = if count > 0 { segment.text.as_str() } else { segment.text.trim_start() };
                // Nobody listens any more: the next look at `cancelled` ends it.
                let _ = send.send(data(&event("transcript.text.delta", Some(text.into()), None, None)));
                if verbose.is_some() {
                    let _ = send.send(data(&segment_event(segment, count)));
                }
                count += 1;
            },
            cancelled,
        )?;
        let input_tokens = (seconds * TOKENS_A_SECOND).ceil() as u32;
        let output_tokens = transcript.segments.iter().map(|segment| segment.tokens.len() as u32).sum();
        let usage = TokenUsage {
            kind: "tokens".into(),
            input_tokens,
            output_tokens,
            total_tokens: input_tokens + output_tokens,
        };
        let mut done = event("transcript.text.done", None, Some(whole(&transcript)), Some(usage));
        if let Some((granularities, translate)) = &verbose {
            let all = verbose_json(&transcript, granularities, seconds, *translate);
            (done.language, done.duration) = (all.language, all.duration);
            (done.segments, done.words) = (all.segments, all.words);
        }
        let _ = send.send(data(&done));
        Ok(())
    };
    let work = async move { Ok(lease.transcriber()?.run(job).await?) };
    stream::unfold(Some(Running { work: work.boxed(), result: None, frames }), next)
}

struct Running {
    work: BoxFuture<'static, Result<(), ApiError>>,
    result: Option<Result<(), ApiError>>,
    frames: mpsc::UnboundedReceiver<Bytes>,
}

/// The next frame; an error is the last one.
async fn next(running: Option<Running>) -> Option<(Bytes, Option<Running>)> {
    let mut running = running?;
    loop {
        tokio::select! {
            biased;
            frame = running.frames.recv() => match frame {
                Some(frame) => return Some((frame, Some(running))),
                None => {
                    let result = match running.result {
                        Some(result) => result,
                        None => running.work.await,
                    };
                    return result.err().map(|error| (failure(&error), None));
                }
            },
            result = &mut running.work, if running.result.is_none() => running.result = Some(result),
        }
    }
}

fn event(kind: &str, delta: Option<String>, text: Option<String>, usage: Option<TokenUsage>) -> TranscriptEvent {
    TranscriptEvent { kind: kind.into(), delta, text, usage, ..TranscriptEvent::default() }
}

fn segment_event(segment: &Segment, id: u32) -> TranscriptEvent {
    let TranscriptionSegment { start, end, text, .. } = TranscriptionSegment::new(segment, id);
    TranscriptEvent {
        kind: "transcript.text.segment".into(),
        text: Some(text),
        id: Some(id),
        start: Some(start),
        end: Some(end),
        ..TranscriptEvent::default()
    }
}
