//! One thread owns an embedder; requests come through a bounded queue.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use tern_engine::{Embedder, EngineError, Token, Tokenizer};
use tokio::sync::oneshot;

type Vectors = Result<Vec<Vec<f32>>, EngineError>;

struct Job {
    inputs: Vec<Vec<Token>>,
    cancelled: Arc<AtomicBool>,
    reply: oneshot::Sender<Vectors>,
}

/// Why an embedding request was not taken or not finished.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// Too many requests are waiting.
    #[error("the queue of this model is full ({0} requests waiting); retry in a moment")]
    QueueFull(usize),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

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
    queue: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
}

/// Sets the flag when the caller goes away, so that the thread stops between forward passes.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl EmbedHandle {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system grants no thread.
    pub(crate) fn start(
        name: &str,
        tokenizer: Arc<dyn Tokenizer>,
        mut embedder: Box<dyn Embedder>,
        queue: usize,
    ) -> std::io::Result<Self> {
        let (dimensions, max_tokens) = (embedder.dimensions(), embedder.max_tokens());
        let min_dimensions = embedder.min_dimensions();
        let (sender, receiver) = sync_channel::<Job>(queue.max(1));
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = waiting.clone();
        thread::Builder::new().name(format!("embed {name}")).spawn(move || {
            for job in receiver {
                count.fetch_sub(1, Ordering::Relaxed);
                if job.cancelled.load(Ordering::Relaxed) {
                    continue;
                }
                let cancelled = || job.cancelled.load(Ordering::Relaxed);
                let result = catch_unwind(AssertUnwindSafe(|| embedder.embed(&job.inputs, &cancelled)))
                    .unwrap_or_else(|_| Err(EngineError::Failed("the engine panicked; see the log".into())));
                // Nobody waits any more: fine.
                let _ = job.reply.send(result);
            }
        })?;
        Ok(Self { tokenizer, dimensions, min_dimensions, max_tokens, queue: sender, waiting })
    }

    /// Embeds `inputs`; one vector each, in order. Dropping the future cancels.
    ///
    /// # Errors
    /// `QueueFull`, or what the engine said.
    pub async fn embed(&self, inputs: Vec<Vec<Token>>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let guard = CancelOnDrop(cancelled.clone());
        let (reply, answer) = oneshot::channel();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.queue.try_send(Job { inputs, cancelled, reply }) {
            let waiting = self.waiting.fetch_sub(1, Ordering::Relaxed) - 1;
            return Err(match error {
                TrySendError::Full(_) => EmbedError::QueueFull(waiting),
                TrySendError::Disconnected(_) => EngineError::Failed("the embedding thread has ended".into()).into(),
            });
        }
        let result = answer.await.unwrap_or(Err(EngineError::Cancelled));
        drop(guard);
        Ok(result?)
    }
}
