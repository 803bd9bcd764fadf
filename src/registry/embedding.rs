//! An embedder with what is known about its vectors.

use std::sync::Arc;

use tern_engine::{Embedder, Token, Tokenizer};

use crate::{TaskError, TaskHandle};

/// The way to a loaded embedding model. The thread ends when the last handle is dropped.
pub struct EmbedHandle {
    /// Tokenizer of the model.
    pub tokenizer: Arc<dyn Tokenizer>,
    /// Length of a vector.
    pub dimensions: usize,
    /// Fewest dimensions a vector may be cut to; `None` when it may not be cut.
    pub min_dimensions: Option<usize>,
    /// Most tokens of one input.
    pub max_tokens: usize,
    embedder: TaskHandle<dyn Embedder>,
}

impl EmbedHandle {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system grants no thread.
    pub(crate) fn start(
        name: &str,
        tokenizer: Arc<dyn Tokenizer>,
        embedder: Box<dyn Embedder>,
        queue: usize,
    ) -> std::io::Result<Self> {
        let (dimensions, max_tokens) = (embedder.dimensions(), embedder.max_tokens());
        let min_dimensions = embedder.min_dimensions();
        let embedder = TaskHandle::start(name, embedder, queue)?;
        Ok(Self { tokenizer, dimensions, min_dimensions, max_tokens, embedder })
    }

    /// Embeds `inputs`; one vector each, in order. Dropping the future cancels.
    ///
    /// # Errors
    /// `QueueFull`, or what the engine said.
    pub async fn embed(&self, inputs: Vec<Vec<Token>>) -> Result<Vec<Vec<f32>>, TaskError> {
        self.embedder.run(move |embedder, cancelled| embedder.embed(&inputs, cancelled)).await
    }
}
