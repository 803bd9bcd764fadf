//! What the encoder hears: the logarithm of the energy in bands of the mel scale, 100 frames a second.
//!
//! The same numbers as transformers' `WhisperFeatureExtractor` (its tests are goldens here): Hann windows of 400 samples every
//! 160, reflected at the beginning; bands by Slaney; at most 8 (decades) below the loudest value of the whole recording.

use std::{f64::consts::TAU, sync::Arc};

use realfft::{RealFftPlanner, RealToComplex};

const FFT: usize = 400;
/// Samples between two frames.
pub(super) const HOP: usize = 160;
const BINS: usize = FFT / 2 + 1;
const RATE: f64 = 16_000.0;

/// Computes frames.
pub(super) struct Mel {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// For each band its first bin and the weights from there: bands are narrow.
    bands: Vec<(usize, Vec<f32>)>,
}

impl Mel {
    pub fn new(bands: usize) -> Self {
        let window = (0..FFT).map(|at| (0.5 - 0.5 * (TAU * at as f64 / FFT as f64).cos()) as f32).collect();
        Self { fft: RealFftPlanner::new().plan_fft_forward(FFT), window, bands: filters(bands) }
    }

    /// Number of bands.
    pub fn bands(&self) -> usize {
        self.bands.len()
    }

    /// Frames that lie in the recording.
    pub fn frames(samples: &[f32]) -> usize {
        samples.len() / HOP
    }

    /// The loudest value in the recording, in decades: everything is clamped to 8 below.
    pub fn loudest(&self, samples: &[f32], cancelled: &dyn Fn() -> bool) -> Option<f32> {
        // Beyond its end there is silence.
        let mut loudest = -10f32;
        let mut frame = vec![0.0; self.bands()];
        let mut scratch = Scratch::new(self);
        for at in 0..Self::frames(samples) + 2 {
            if at % 3000 == 0 && cancelled() {
                return None;
            }
            self.frame(samples, at, &mut scratch, &mut frame);
            loudest = frame.iter().copied().fold(loudest, f32::max);
        }
        Some(loudest)
    }

    /// `frames` frames from frame `first` on, `[frames][bands]`; those behind frame `end` are 0.
    pub fn window(&self, samples: &[f32], first: usize, frames: usize, end: usize, loudest: f32) -> Vec<f32> {
        let bands = self.bands();
        let mut out = vec![0.0; frames * bands];
        let mut scratch = Scratch::new(self);
        for (at, frame) in (first..end).zip(out.chunks_exact_mut(bands)) {
            self.frame(samples, at, &mut scratch, frame);
            frame.iter_mut().for_each(|value| *value = (value.max(loudest - 8.0) + 4.0) / 4.0);
        }
        out
    }

    /// Decades of energy in each band.
    fn frame(&self, samples: &[f32], at: usize, scratch: &mut Scratch, out: &mut [f32]) {
        let first = (at * HOP) as i64 - (FFT / 2) as i64;
        for ((value, window), at) in scratch.input.iter_mut().zip(&self.window).zip(first..) {
            // Reflected at the beginning; silence behind the end.
            let at = at.unsigned_abs() as usize;
            *value = samples.get(at).copied().unwrap_or(0.0) * window;
        }
        // The only error is a wrong length, and all three come from the same plan.
        if self.fft.process_with_scratch(&mut scratch.input, &mut scratch.output, &mut scratch.work).is_err() {
            out.fill(-10.0);
            return;
        }
        for (power, value) in scratch.power.iter_mut().zip(&scratch.output) {
            *power = value.norm_sqr();
        }
        for (value, (first, weights)) in out.iter_mut().zip(&self.bands) {
            let energy: f32 = weights.iter().zip(&scratch.power[*first..]).map(|(weight, power)| weight * power).sum();
            *value = energy.max(1e-10).log10();
        }
    }
}

struct Scratch {
    input: Vec<f32>,
    output: Vec<realfft::num_complex::Complex<f32>>,
    work: Vec<realfft::num_complex::Complex<f32>>,
    power: Vec<f32>,
}

impl Scratch {
    fn new(mel: &Mel) -> Self {
        Self {
            input: mel.fft.make_input_vec(),
            output: mel.fft.make_output_vec(),
            work: mel.fft.make_scratch_vec(),
            power: vec![0.0; BINS],
        }
    }
}

/// Slaney's mel scale: linear to 1 kHz, logarithmic above.
fn to_mel(hertz: f64) -> f64 {
    if hertz < 1000.0 { 3.0 * hertz / 200.0 } else { 15.0 + (hertz / 1000.0).ln() * 27.0 / 6.4f64.ln() }
}

fn to_hertz(mel: f64) -> f64 {
    if mel < 15.0 { 200.0 * mel / 3.0 } else { 1000.0 * ((mel - 15.0) * 6.4f64.ln() / 27.0).exp() }
}

/// Triangles between neighbouring points of the mel scale from 0 to 8 kHz, each of area one.
fn filters(bands: usize) -> Vec<(usize, Vec<f32>)> {
    let top = to_mel(RATE / 2.0);
    let points: Vec<f64> = (0..bands + 2).map(|at| to_hertz(top * at as f64 / (bands + 1) as f64)).collect();
    let bin = |at: usize| at as f64 * RATE / FFT as f64;
    points
        .windows(3)
        .map(|points| {
            let weight = |at: usize| {
                let rising = (bin(at) - points[0]) / (points[1] - points[0]);
                let falling = (points[2] - bin(at)) / (points[2] - points[1]);
                (rising.min(falling).max(0.0) * 2.0 / (points[2] - points[0])) as f32
            };
            let first = (0..BINS).find(|&at| weight(at) > 0.0).unwrap_or(0);
            let weights: Vec<f32> = (first..BINS).map(weight).take_while(|&weight| weight > 0.0).collect();
            (first, weights)
        })
        .collect()
}
