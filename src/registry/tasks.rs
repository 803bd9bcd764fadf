//! One thread owns a model that does one task; calls come through a bounded queue.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use tern_engine::{EngineError, tasks::Cancelled};
use tokio::sync::oneshot;

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// Why a task was not taken or not finished.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Too many requests are waiting.
    #[error("the queue of this model is full ({0} requests waiting); retry in a moment")]
    QueueFull(usize),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The way to a model that does a task. The thread ends when the last handle is dropped.
pub struct TaskHandle<T: ?Sized> {
    queue: SyncSender<Job<T>>,
    waiting: Arc<AtomicUsize>,
}

/// Sets the flag when the caller goes away, so that the thread stops between forward passes.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<T: ?Sized + Send + 'static> TaskHandle<T> {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system grants no thread.
    pub(crate) fn start(name: &str, mut model: Box<T>, queue: usize) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel::<Job<T>>(queue.max(1));
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = waiting.clone();
        thread::Builder::new().name(format!("task {name}")).spawn(move || {
            for job in receiver {
                count.fetch_sub(1, Ordering::Relaxed);
                job(&mut model);
            }
        })?;
        Ok(Self { queue: sender, waiting })
    }

    /// Runs `job` on the model's thread, after those that came before. Dropping the future cancels.
    ///
    /// # Errors
    /// `QueueFull`, or what the engine said; a panic of the engine is a failure of this job alone.
    pub async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T, Cancelled<'_>) -> Result<R, EngineError> + Send + 'static,
    ) -> Result<R, TaskError> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let guard = CancelOnDrop(cancelled.clone());
        let (reply, answer) = oneshot::channel();
        let job: Job<T> = Box::new(move |model| {
            let cancelled = || cancelled.load(Ordering::Relaxed);
            if cancelled() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(|| job(model, &cancelled)))
                .unwrap_or_else(|_| Err(EngineError::Failed("the engine panicked; see the log".into())));
            // Nobody waits any more: fine.
            let _ = reply.send(result);
        });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.queue.try_send(job) {
            let waiting = self.waiting.fetch_sub(1, Ordering::Relaxed) - 1;
            return Err(match error {
                TrySendError::Full(_) => TaskError::QueueFull(waiting),
                TrySendError::Disconnected(_) => EngineError::Failed("the model's thread has ended".into()).into(),
            });
        }
        let result = answer.await.unwrap_or(Err(EngineError::Cancelled));
        drop(guard);
        Ok(result?)
    }
}
