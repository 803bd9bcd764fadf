//! From any rate to 16 kHz, a chunk at a time, so that only the result is held.

use rubato::{Fft, FixedSync, Indexing, Resampler, WindowFunction, audioadapter_buffers::direct::InterleavedSlice};
use tern_engine::tasks::SAMPLE_RATE;

/// Input samples of one transform, about: its window falls off within 1/100 of the band.
const CHUNK: usize = 4096;

/// Takes mono samples at one rate, gives them at [`SAMPLE_RATE`].
pub(super) struct Resample {
    fft: Option<Fft<f32>>,
    /// Samples that do not fill a chunk yet.
    input: Vec<f32>,
    scratch: Vec<f32>,
    /// Samples at the beginning that are the transform's delay.
    delay: usize,
    taken: u64,
    rate: u32,
    out: Vec<f32>,
}

impl Resample {
    /// `rate` is within bounds that the caller has checked.
    pub fn new(rate: u32) -> Result<Self, String> {
        let fft = if rate == SAMPLE_RATE {
            None
        } else {
            let (from, to) = (rate as usize, SAMPLE_RATE as usize);
            let fft = Fft::new_custom(from, to, CHUNK, 1, 1, WindowFunction::BlackmanHarris2, FixedSync::Input);
            Some(fft.map_err(|error| error.to_string())?)
        };
        let delay = fft.as_ref().map_or(0, Resampler::output_delay);
        let scratch = vec![0.0; fft.as_ref().map_or(0, Resampler::output_frames_max)];
        Ok(Self { fft, input: Vec::new(), scratch, delay, taken: 0, rate, out: Vec::new() })
    }

    /// Samples taken so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Adds samples.
    pub fn push(&mut self, samples: impl Iterator<Item = f32>) -> Result<(), String> {
        // A decoder may give infinities for damaged data, and they would spread through the whole transform.
        let samples = samples.map(|sample| if sample.is_finite() { sample.clamp(-8.0, 8.0) } else { 0.0 });
        let Some(fft) = &mut self.fft else {
            let before = self.out.len();
            self.out.extend(samples);
            self.taken += (self.out.len() - before) as u64;
            return Ok(());
        };
        let before = self.input.len();
        self.input.extend(samples);
        self.taken += (self.input.len() - before) as u64;
        let mut at = 0;
        loop {
            let need = fft.input_frames_next();
            if self.input.len() - at < need {
                break;
            }
            pass(fft, &self.input[at..at + need], None, &mut self.scratch, &mut self.out)?;
            at += need;
        }
        self.input.drain(..at);
        Ok(())
    }

    /// All samples.
    pub fn finish(mut self) -> Result<Vec<f32>, String> {
        let Some(fft) = &mut self.fft else { return Ok(self.out) };
        let expected = (self.taken as f64 * f64::from(SAMPLE_RATE) / f64::from(self.rate)).ceil() as usize;
        let mut rest = self.input.len();
        while self.out.len() < self.delay + expected {
            self.input.resize(fft.input_frames_next(), 0.0);
            pass(fft, &self.input, Some(rest), &mut self.scratch, &mut self.out)?;
            rest = 0;
        }
        self.out.drain(..self.delay);
        self.out.truncate(expected);
        Ok(self.out)
    }
}

fn pass(
    fft: &mut Fft<f32>,
    input: &[f32],
    partial: Option<usize>,
    scratch: &mut [f32],
    out: &mut Vec<f32>,
) -> Result<(), String> {
    let frames = scratch.len();
    let from = InterleavedSlice::new(input, 1, input.len()).map_err(|error| error.to_string())?;
    let mut to = InterleavedSlice::new_mut(scratch, 1, frames).map_err(|error| error.to_string())?;
    let indexing = partial.map(|frames| Indexing::new().partial_len(frames));
    let (_, written) = fft.process_into_buffer(&from, &mut to, indexing.as_ref()).map_err(|error| error.to_string())?;
    out.extend_from_slice(&scratch[..written]);
    Ok(())
}
