//! Images for the decoder: prepared on any thread, encoded on the model's.

use std::{collections::VecDeque, sync::Arc};

use sha2::{Digest, Sha256};
use tern_engine::{EngineError, ImageChunk, ImageEncoder, PromptPart, tasks::Image};

use crate::ffi::{Chunk, Piece, Vision};

/// Longest side over shortest side. Beyond it an image is a line, and tiles and patches of it are none.
const MAX_RATIO: u32 = 100;

/// Bytes of embeddings that are kept: a hundred images of a small model.
const KEPT_BYTES: usize = 128 << 20;

/// Prepares images of one model.
pub(crate) struct Eyes {
    pub(crate) vision: Arc<Vision>,
    /// Most tokens of a batch.
    pub(crate) max_batch_tokens: u32,
}

impl ImageEncoder for Eyes {
    fn prepare(&self, image: &Image) -> Result<Vec<PromptPart>, EngineError> {
        let (width, height) = (image.width(), image.height());
        if width.max(height) / width.min(height) > MAX_RATIO {
            let message = format!("{width}x{height} pixels; one side is more than {MAX_RATIO} times the other");
            return Err(EngineError::Failed(message));
        }
        let mut digest = Sha256::new();
        digest.update(width.to_le_bytes());
        digest.update(height.to_le_bytes());
        digest.update(image.rgb());
        let whole = digest.finalize();
        let pieces = self.vision.tokenize(image).map_err(EngineError::Failed)?;
        let part = |(index, piece): (u64, Piece)| {
            let chunk = match piece {
                Piece::Tokens(tokens) => return Ok(PromptPart::Tokens(tokens)),
                Piece::Image(chunk) => chunk,
            };
            if self.vision.is_non_causal(&chunk) && chunk.n_tokens > self.max_batch_tokens {
                return Err(EngineError::Failed(format!(
                    "it takes {} tokens, which must be computed together; --batch-size allows {}",
                    chunk.n_tokens, self.max_batch_tokens
                )));
            }
            let mut digest = Sha256::new();
            digest.update(whole);
            digest.update(index.to_le_bytes());
            let mut hash = [0; 8];
            hash.copy_from_slice(&digest.finalize()[..8]);
            Ok(PromptPart::Image(ImageChunk::new(chunk.n_tokens, u64::from_le_bytes(hash), Arc::new(chunk))))
        };
        (0..).zip(pieces).map(part).collect()
    }
}

/// What was encoded lately, by the hash of its chunk: the same picture in another conversation costs the vision tower nothing.
pub(crate) struct Encoded {
    vision: Arc<Vision>,
    kept: VecDeque<(u64, Arc<Vec<f32>>)>,
    bytes: usize,
}

impl Encoded {
    pub(crate) fn new(vision: Arc<Vision>) -> Self {
        Self { vision, kept: VecDeque::new(), bytes: 0 }
    }

    pub(crate) fn vision(&self) -> &Vision {
        &self.vision
    }

    /// The embeddings of `chunk`, whose hash is `hash`.
    ///
    /// # Errors
    /// llama.cpp's words.
    pub(crate) fn get(&mut self, hash: u64, chunk: &Chunk) -> Result<Arc<Vec<f32>>, String> {
        if let Some(place) = self.kept.iter().position(|(known, _)| *known == hash)
            && let Some(entry) = self.kept.remove(place)
        {
            let embeddings = entry.1.clone();
            self.kept.push_back(entry);
            return Ok(embeddings);
        }
        let embeddings = Arc::new(self.vision.encode(chunk)?);
        self.bytes += size_of_val(embeddings.as_slice());
        self.kept.push_back((hash, embeddings.clone()));
        while self.bytes > KEPT_BYTES
            && let Some((_, oldest)) = self.kept.pop_front()
        {
            self.bytes -= size_of_val(oldest.as_slice());
        }
        Ok(embeddings)
    }
}
