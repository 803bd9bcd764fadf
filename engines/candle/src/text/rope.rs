//! Rotary angles. Tables are f32 whatever the weights are: in 16 bits neighbouring positions become the same.

use candle_core::{Device, Result, Tensor};

/// How angles grow with the position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rope {
    /// Base of the frequencies.
    pub base: f64,
    /// How they are stretched for contexts longer than those of training.
    pub scaling: Scaling,
}

/// How frequencies are stretched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scaling {
    /// Not at all.
    None,
    /// All by `factor`.
    Linear { factor: f64 },
    /// Llama 3: slow ones by `factor`, fast ones not at all, those between by a share.
    Llama3 { factor: f64, low: f64, high: f64, original: f64 },
}

impl Rope {
    /// Angle a position adds, for each pair of a head of `size` numbers. Rounded to f32, as models are trained with.
    fn frequencies(&self, size: usize) -> Vec<f32> {
        let plain = (0..size / 2).map(|i| self.base.powf(-((2 * i) as f64) / size as f64));
        plain.map(|frequency| self.scaled(frequency) as f32).collect()
    }

    fn scaled(&self, frequency: f64) -> f64 {
        match self.scaling {
            Scaling::None => frequency,
            Scaling::Linear { factor } => frequency / factor,
            Scaling::Llama3 { factor, low, high, original } => {
                let wave = std::f64::consts::TAU / frequency;
                if wave < original / high {
                    frequency
                } else if wave > original / low {
                    frequency / factor
                } else {
                    let smooth = (original / wave - low) / (high - low);
                    (1.0 - smooth) * frequency / factor + smooth * frequency
                }
            }
        }
    }

    /// Cosines and sines `[positions][size / 2]`.
    pub fn tables(&self, size: usize, positions: usize, device: &Device) -> Result<(Tensor, Tensor)> {
        let frequencies = self.frequencies(size);
        let angles = || (0..positions).flat_map(|pos| frequencies.iter().map(move |f| pos as f32 * f));
        let table = |of: fn(f32) -> f32| {
            let values: Vec<f32> = angles().map(of).collect();
            Tensor::from_vec(values, (positions, frequencies.len()), device)
        };
        Ok((table(f32::cos)?, table(f32::sin)?))
    }
}
