//! A model that hears, without ears: each second of a recording is a segment that says how loud it was, so that a test can say
//! what must come out, and that the samples came through whole.

use std::{thread, time::Duration};

use tern_engine::{
    EngineError, Transcriber,
    tasks::{Cancelled, SAMPLE_RATE, Segment, SpokenWord, TranscribeOptions, Transcript},
};

/// Says how loud each second is.
pub struct EchoTranscriber {
    pub(crate) step: Duration,
}

impl Transcriber for EchoTranscriber {
    fn languages(&self) -> Vec<String> {
        vec!["en".into(), "de".into()]
    }

    fn can_translate(&self) -> bool {
        true
    }

    /// ` loud N` or ` translated N` for each second, N being the greatest sample in hundredths; the prompt before the first.
    fn transcribe(
        &mut self,
        samples: &[f32],
        options: &TranscribeOptions,
        on_segment: &mut dyn FnMut(&Segment, f32),
        cancelled: Cancelled<'_>,
    ) -> Result<Transcript, EngineError> {
        let mut segments = Vec::new();
        let rate = SAMPLE_RATE as usize;
        let seconds = samples.chunks(rate).enumerate();
        for (at, chunk) in seconds {
            thread::sleep(self.step);
            if cancelled() {
                return Err(EngineError::Cancelled);
            }
            let peak = chunk.iter().fold(0f32, |most, sample| most.max(sample.abs()));
            let prompt = options.prompt.as_deref().filter(|_| at == 0).map(|prompt| format!(" {prompt}"));
            let verb = if options.translate { "translated" } else { "loud" };
            let text = format!("{} {verb} {:.0}", prompt.unwrap_or_default(), peak * 100.0);
            let (start, end) = (at as f32, at as f32 + chunk.len() as f32 / rate as f32);
            let parts: Vec<&str> = text.split_whitespace().collect();
            let length = (end - start) / parts.len() as f32;
            let word = |(place, part): (usize, &&str)| SpokenWord {
                text: format!(" {part}"),
                start: start + length * place as f32,
                end: start + length * (place + 1) as f32,
                probability: 0.5,
            };
            let segment = Segment {
                words: if options.words { parts.iter().enumerate().map(word).collect() } else { Vec::new() },
                text,
                start,
                end,
                temperature: options.temperature.unwrap_or(0.0),
                avg_logprob: -0.25,
                compression_ratio: 1.0,
                no_speech_prob: 0.0,
                tokens: vec![1, 2, 3],
                seek: at as u32 * 100,
            };
            on_segment(&segment, ((at + 1) * rate) as f32 / samples.len().max(rate) as f32);
            segments.push(segment);
        }
        Ok(Transcript { language: options.language.clone().unwrap_or_else(|| "en".into()), segments })
    }
}
