//! Images inside a prompt.
//!
//! A prompt stays one list of tokens: each KV cell that an image takes is an entry of it, an id that no vocabulary has
//! ([`IMAGE_PLACE`] and above). These ids are made of the image's hash, so that two prompts are compared, and prefixes found,
//! as if there were words only: the same image is the same ids, another one is others. What computes them is an [`ImageChunk`],
//! which travels beside the tokens and is given to [`Decoder::decode_image`](crate::Decoder::decode_image) whole.

use std::{any::Any, fmt, sync::Arc};

use crate::{EngineError, Token, tasks::Image};

/// The first id that stands for a cell of an image. No vocabulary is as large.
pub const IMAGE_PLACE: Token = 1 << 31;

/// A part of what an image becomes in a prompt.
#[derive(Debug, Clone)]
pub enum PromptPart {
    /// Tokens of the vocabulary: what a model wants around and between images.
    Tokens(Vec<Token>),
    /// An image, or a tile of one.
    Image(ImageChunk),
}

/// An image, or a tile of one, as the engine that will compute it has prepared it. Cheap to clone.
#[derive(Clone)]
pub struct ImageChunk {
    cells: u32,
    hash: u64,
    state: Arc<dyn Any + Send + Sync>,
}

impl ImageChunk {
    /// A chunk that takes `cells` KV cells, 1 or more. `hash` says which image it is: with equal hashes the engine computes the
    /// same. `state` is what the engine needs; only the engine that made it can read it.
    pub fn new(cells: u32, hash: u64, state: Arc<dyn Any + Send + Sync>) -> Self {
        Self { cells, hash, state }
    }

    /// KV cells it takes, which is how many entries of a prompt it has.
    pub fn cells(&self) -> usize {
        self.cells as usize
    }

    /// Which image it is.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// What the engine keeps in it.
    pub fn state(&self) -> &(dyn Any + Send + Sync) {
        &*self.state
    }

    /// The entries of a prompt that stand for it, [`ImageChunk::cells`] of them. Each has 31 bits of a stream that follows from
    /// the hash, so that different images differ from the first entry on, but for one pair in two thousand millions.
    pub fn places(&self) -> impl Iterator<Item = Token> + use<> {
        let hash = self.hash;
        // SplitMix64 (Steele, Lea, Flood 2014).
        (1..=u64::from(self.cells)).map(move |index| {
            let x = hash.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            IMAGE_PLACE | ((x ^ (x >> 31)) >> 33) as Token
        })
    }
}

impl fmt::Debug for ImageChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageChunk").field("cells", &self.cells).field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl PartialEq for ImageChunk {
    fn eq(&self, other: &Self) -> bool {
        (self.cells, self.hash) == (other.cells, other.hash)
    }
}

/// Makes of an image what a prompt holds. Shared between threads; runs beside the model's own.
pub trait ImageEncoder: Send + Sync {
    /// What `image` becomes: resized, cut into tiles and counted, but not computed, which the decoder does when it must.
    /// Milliseconds a megapixel.
    ///
    /// # Errors
    /// `EngineError::Failed` when the model cannot take this image, with the reason for its sender.
    fn prepare(&self, image: &Image) -> Result<Vec<PromptPart>, EngineError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_outside_of_any_vocabulary_and_tell_images_apart() {
        let places = |hash| ImageChunk::new(5, hash, Arc::new(())).places().collect::<Vec<_>>();
        assert_eq!(places(7), places(7));
        assert!(places(7).iter().zip(places(8)).all(|(a, b)| *a >= IMAGE_PLACE && *a != b));
        let mut distinct = places(7);
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 5);
    }
}
