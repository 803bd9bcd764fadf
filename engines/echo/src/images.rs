//! What a script sees of an image: its size. An image takes a cell for each 32 by 32 pixels or part of it.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use tern_engine::{DecodeError, EngineError, IMAGE_PLACE, ImageChunk, ImageEncoder, PromptPart, Token, tasks::Image};

/// Side of the square of pixels that one cell stands for.
const CELL: u32 = 32;
/// Longest side of an image.
const LONGEST: u32 = 4096;

struct Size(u32, u32);

/// Prepares images for the scripts that see.
pub(crate) struct EchoEyes;

impl ImageEncoder for EchoEyes {
    fn prepare(&self, image: &Image) -> Result<Vec<PromptPart>, EngineError> {
        let (width, height) = (image.width(), image.height());
        if width.max(height) > LONGEST {
            let message = format!("{width}x{height} pixels; this script sees up to {LONGEST} on a side");
            return Err(EngineError::Failed(message));
        }
        let mut hasher = DefaultHasher::new();
        (width, height, image.rgb()).hash(&mut hasher);
        let cells = width.div_ceil(CELL) * height.div_ceil(CELL);
        let chunk = ImageChunk::new(cells, hasher.finish(), Arc::new(Size(width, height)));
        Ok(vec![PromptPart::Image(chunk)])
    }
}

/// The images that a decoder was given, by the first place of each.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<Token, (usize, String)>);

impl Seen {
    pub fn note(&mut self, image: &ImageChunk) -> Result<(), DecodeError> {
        let Some(Size(width, height)) = image.state().downcast_ref() else {
            return Err(DecodeError::InvalidBatch("another engine prepared this image".into()));
        };
        if let Some(first) = image.places().next() {
            self.0.insert(first, (image.cells(), format!("{width}x{height}")));
        }
        Ok(())
    }

    /// `2 images: 64x64, 10x20.`
    pub fn describe(&self, tokens: &[Token]) -> String {
        let mut sizes = Vec::new();
        let mut at = 0;
        while let Some(&token) = tokens.get(at) {
            match self.0.get(&token).filter(|_| token >= IMAGE_PLACE) {
                Some((cells, size)) => {
                    sizes.push(size.as_str());
                    at += cells;
                }
                None => at += 1,
            }
        }
        match sizes.len() {
            0 => "no image.".into(),
            1 => format!("1 image: {}.", sizes[0]),
            n => format!("{n} images: {}.", sizes.join(", ")),
        }
    }
}
