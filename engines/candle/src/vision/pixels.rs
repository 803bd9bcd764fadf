//! An image as the tower wants it: resized to a square without keeping its proportions, as the model was trained, by PIL's
//! bicubic filter to the last bit, then normalised.

use std::path::Path;

use tern_engine::{EngineError, Image};
use tern_folder::Json;

/// PIL keeps filter weights in so many bits behind the point.
const PRECISION: u32 = 32 - 8 - 2;
/// Reach of the bicubic filter at scale 1, in pixels.
const REACH: f64 = 2.0;
/// Longest side of an image: one that is a line is made wider before it is made shorter, which takes memory.
const MAX_SIDE: u32 = 65_535;
/// PIL's number for bicubic.
const BICUBIC: u64 = 3;

/// How pixels become numbers.
#[derive(Debug, Clone)]
pub(crate) struct Preprocessing {
    size: usize,
    mean: [f32; 3],
    std: [f32; 3],
}

impl Preprocessing {
    /// From `preprocessor_config.json`, which may be missing.
    pub fn read(folder: &Path, image_size: usize) -> Result<Self, EngineError> {
        let file = Json::read_if_there(folder, "preprocessor_config.json")?;
        let channels = |field: &str, default: [f32; 3]| -> Result<[f32; 3], EngineError> {
            let value = file.at(field);
            if value.is_null() {
                return Ok(default);
            }
            let numbers: Option<Vec<f32>> =
                value.as_array().and_then(|list| list.iter().map(|n| n.as_f64().map(|n| n as f32)).collect());
            numbers.and_then(|n| n.try_into().ok()).ok_or_else(|| file.wrong(field, "three numbers"))
        };
        // A number for both sides in old files.
        for field in ["size", "size.height", "size.width"] {
            if file.at(field).as_u64().is_some_and(|size| size != image_size as u64) {
                return Err(file.wrong(field, format!("{image_size}, as in config.json")));
            }
        }
        if file.at("resample").as_u64().is_some_and(|filter| filter != BICUBIC) {
            return Err(file.wrong("resample", "3 (bicubic)"));
        }
        let mean = channels("image_mean", [0.481_454_66, 0.457_827_5, 0.408_210_73])?;
        let std = channels("image_std", [0.268_629_54, 0.261_302_6, 0.275_777_1])?;
        if std.contains(&0.0) {
            return Err(file.wrong("image_std", "no zeros"));
        }
        Ok(Self { size: image_size, mean, std })
    }

    /// `[3][size][size]`
    ///
    /// # Errors
    /// `Failed` for an image that is too long or too wide.
    pub fn pixels(&self, image: &Image) -> Result<Vec<f32>, EngineError> {
        let (size, width, height) = (self.size, image.width(), image.height());
        if width.max(height) > MAX_SIDE {
            let message = format!("the image is {width}x{height} pixels; a side may have {MAX_SIDE}");
            return Err(EngineError::Failed(message));
        }
        let rgb = resized(image, size);
        let mut pixels = Vec::with_capacity(rgb.len());
        for channel in 0..3 {
            let (mean, std) = (self.mean[channel], self.std[channel]);
            pixels.extend(rgb[channel..].iter().step_by(3).map(|&byte| (f32::from(byte) / 255.0 - mean) / std));
        }
        Ok(pixels)
    }
}

/// The image squeezed into a square, `[size][size][3]`: one direction after the other, each rounded to bytes. Which comes first
/// is Pillow's choice (13.0; older ones always began with the rows).
fn resized(image: &Image, size: usize) -> Vec<u8> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    if height > width.max(size) {
        across(&down(image.rgb(), width, size), width, size)
    } else {
        down(&across(image.rgb(), width, size), size, size)
    }
}

/// Makes every row `size` pixels long.
fn across(rgb: &[u8], width: usize, size: usize) -> Vec<u8> {
    let filter = Filter::new(width, size);
    let mut made = Vec::with_capacity(rgb.len() / width * size);
    for row in rgb.chunks_exact(width * 3) {
        filter.apply(row, 3, 3, &mut made);
    }
    made
}

/// Makes every column `size` pixels long.
fn down(rgb: &[u8], width: usize, size: usize) -> Vec<u8> {
    let stride = width * 3;
    let filter = Filter::new(rgb.len() / stride, size);
    let mut made = vec![0; size * stride];
    let mut column = Vec::with_capacity(size);
    for x in 0..stride {
        column.clear();
        filter.apply(&rgb[x..], stride, 1, &mut column);
        for (y, &byte) in column.iter().enumerate() {
            made[y * stride + x] = byte;
        }
    }
    made
}

/// For each pixel of a line that is made: the first pixel that it sees, and the weights of those from there on.
struct Filter(Vec<(usize, Vec<i64>)>);

impl Filter {
    fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        // A line that shrinks is smoothed before.
        let stretch = scale.max(1.0);
        let reach = REACH * stretch;
        let weights = (0..to).map(|at| {
            if from == to {
                return (at, vec![1 << PRECISION]);
            }
            let centre = (at as f64 + 0.5) * scale;
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from);
            let weights: Vec<f64> =
                (first..end).map(|pixel| bicubic((pixel as f64 - centre + 0.5) / stretch)).collect();
            let sum: f64 = weights.iter().sum();
            let fixed = |weight: f64| (weight / sum * f64::from(1 << PRECISION)).round() as i64;
            (first, weights.into_iter().map(fixed).collect())
        });
        Self(weights.collect())
    }

    /// Appends a line made from pixels whose bytes are `stride` apart; each has `channels` bytes side by side.
    fn apply(&self, line: &[u8], stride: usize, channels: usize, made: &mut Vec<u8>) {
        for (first, weights) in &self.0 {
            for channel in 0..channels {
                let bytes = line[first * stride + channel..].iter().step_by(stride);
                let sum: i64 = bytes.zip(weights).map(|(&byte, weight)| i64::from(byte) * weight).sum();
                made.push(((sum + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8);
            }
        }
    }
}

/// Keys' cubic with a = -0.5.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_fits_changes_nothing_and_one_colour_stays_one() {
        let image = Image::new(4, 4, (0..48).map(|i| i * 5).collect()).unwrap();
        assert_eq!(resized(&image, 4), image.rgb());
        for (width, height) in [(1, 1), (3, 50), (100, 7)] {
            let grey = Image::new(width, height, vec![77; (width * height * 3) as usize]).unwrap();
            assert_eq!(resized(&grey, 5), vec![77; 75], "{width}x{height}");
        }
    }

    #[test]
    fn settings_that_are_not_understood_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            std::fs::write(dir.path().join("preprocessor_config.json"), text).unwrap();
            Preprocessing::read(dir.path(), 384).map(|_| ()).map_err(|error| error.to_string())
        };
        read(r#"{"size": {"height": 384, "width": 384}, "resample": 3}"#).unwrap();
        assert!(read(r#"{"size": 224}"#).unwrap_err().contains("384"));
        assert!(read(r#"{"resample": 2}"#).unwrap_err().contains("bicubic"));
        assert!(read(r#"{"image_std": [1, 0, 1]}"#).unwrap_err().contains("image_std"));
        assert!(read(r#"{"image_mean": [1]}"#).unwrap_err().contains("three numbers"));
    }
}
