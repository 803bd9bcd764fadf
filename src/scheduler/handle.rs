//! The door to a scheduler: [`Scheduler`] submits, [`Events`] receives. Everything here may be called from any thread
//! and returns at once, except where a name says `blocking` or `join`.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tern_engine::{Decoder, DecoderLimits, Tokenizer};
use tern_grammar::Compiled;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{Event, GenerateError, GenerateRequest, forms::Forms, stats::Stats, validate::validate, worker::Worker};

/// How a scheduler runs its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulerConfig {
    /// Name of the model, for the log and the thread.
    pub name: String,
    /// Most answers decoded at once. More than the decoder has sequences is the same as that many.
    /// Higher gives more tokens a second in all and fewer to each.
    pub parallel: u32,
    /// Most requests waiting for a place; beyond it `submit` answers `QueueFull`.
    pub queue: usize,
    /// Most prompt tokens in a forward pass. Higher computes prompts a little faster and makes running streams pause
    /// longer when a prompt arrives.
    pub prefill_chunk: usize,
}

/// What the handles and the thread share. The lock is held for moments only, never across a forward pass.
pub(crate) struct Shared {
    pub(crate) limits: DecoderLimits,
    pub(crate) parallel: usize,
    queue_limit: usize,
    inbox: Mutex<Inbox>,
    wake: Condvar,
    finished: Condvar,
    stats: Mutex<Stats>,
}

/// What waits for the thread.
pub(crate) struct Inbox {
    pub(crate) queue: VecDeque<Submitted>,
    /// Answers that hold a place, as the thread last said.
    pub(crate) running: usize,
    /// Requests accepted and not ended.
    open: usize,
    idle_since: Option<Instant>,
    pub(crate) closing: bool,
    pub(crate) aborting: bool,
    /// Someone cancelled since the thread last looked.
    pub(crate) nudged: bool,
    thread_ended: bool,
}

/// An accepted request on its way to the thread.
pub(crate) struct Submitted {
    pub(crate) request: GenerateRequest,
    /// Its form, compiled for this model.
    pub(crate) form: Option<Compiled>,
    pub(crate) reply: Reply,
    pub(crate) at: Instant,
}

/// The thread's end of a request.
pub(crate) struct Reply {
    events: UnboundedSender<Event>,
    cancelled: Arc<AtomicBool>,
}

impl Reply {
    pub(crate) fn send(&self, event: Event) {
        // A send fails only when the receiver is gone, which also set the cancel flag.
        let _ = self.events.send(event);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while holding these locks; if it did, counters may be off by one, which is no reason to stop.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        lock(&self.inbox)
    }

    pub(crate) fn stats(&self) -> MutexGuard<'_, Stats> {
        lock(&self.stats)
    }

    /// Sleeps until there is something new in the inbox.
    pub(crate) fn wait_for_work(&self) {
        let mut inbox = self.inbox();
        while inbox.queue.is_empty() && !inbox.closing && !inbox.aborting && !inbox.nudged {
            inbox = self.wake.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A request has ended. Called before its last event is sent, so that who has seen that event sees it counted.
    pub(crate) fn request_ended(&self) {
        let mut inbox = self.inbox();
        inbox.open = inbox.open.saturating_sub(1);
        if inbox.open == 0 {
            inbox.idle_since = Some(Instant::now());
        }
    }

    pub(crate) fn thread_ended(&self) {
        self.inbox().thread_ended = true;
        self.finished.notify_all();
    }

    fn set_closing(&self, abort: bool) {
        let mut inbox = self.inbox();
        inbox.closing = true;
        inbox.aborting |= abort;
        drop(inbox);
        self.wake.notify_one();
    }
}

/// A running model. Clones are handles to the same thread; when the last one is dropped the model finishes what it
/// has accepted and its thread ends.
#[derive(Clone)]
pub struct Scheduler {
    shared: Arc<Shared>,
    tokenizer: Arc<dyn Tokenizer>,
    forms: Arc<Forms>,
    _last: Arc<CloseOnDrop>,
}

struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.set_closing(false);
    }
}

impl Scheduler {
    /// Starts the thread that owns `decoder`.
    ///
    /// # Panics
    /// If the system refuses a thread.
    pub fn start(decoder: Box<dyn Decoder>, tokenizer: Arc<dyn Tokenizer>, config: SchedulerConfig) -> Self {
        let mut limits = decoder.limits();
        // A sequence can never hold more than there are cells; said here once, so that every message agrees.
        limits.context_length = limits.context_length.min(limits.kv_cells);
        let shared = Arc::new(Shared {
            limits,
            // A batch has room for all of them and a token of someone's prompt.
            parallel: (config.parallel.min(limits.max_sequences) as usize)
                .min(limits.max_batch_tokens.saturating_sub(1))
                .max(1),
            queue_limit: config.queue,
            inbox: Mutex::new(Inbox {
                queue: VecDeque::new(),
                running: 0,
                open: 0,
                idle_since: Some(Instant::now()),
                closing: false,
                aborting: false,
                nudged: false,
                thread_ended: false,
            }),
            wake: Condvar::new(),
            finished: Condvar::new(),
            stats: Mutex::new(Stats { kv_cells: limits.kv_cells, ..Stats::default() }),
        });
        let worker = Worker::new(shared.clone(), decoder, tokenizer.clone(), &config);
        std::thread::Builder::new()
            .name(format!("model {}", config.name))
            .spawn(move || worker.run())
            .expect("the system gives a thread to each loaded model");
        Self { _last: Arc::new(CloseOnDrop(shared.clone())), shared, tokenizer, forms: Arc::default() }
    }

    /// Hands a request to the model. Does not wait for it; compiling a form takes some milliseconds, the first one for
    /// a model up to a second.
    ///
    /// # Errors
    /// `InvalidParameter` and `ContextLengthExceeded` by looking at the request alone; `QueueFull` when too many
    /// wait; `ShuttingDown` after [`Scheduler::close`] or [`Scheduler::abort`].
    pub fn submit(&self, request: GenerateRequest) -> Result<Events, GenerateError> {
        validate(&request, &self.shared.limits, self.tokenizer.as_ref())?;
        let form = request.grammar.as_ref().map(|grammar| self.forms.compile(self.tokenizer.as_ref(), grammar));
        let form = form.transpose()?;
        let (sender, receiver) = unbounded_channel();
        let cancelled = Arc::new(AtomicBool::new(false));
        let mut inbox = self.shared.inbox();
        if inbox.closing {
            return Err(GenerateError::ShuttingDown);
        }
        // A request that finds a free place passes through the queue without waiting in it.
        let free = self.shared.parallel.saturating_sub(inbox.running);
        if inbox.queue.len() >= self.shared.queue_limit + free {
            // Those who left while the thread was busy do not count.
            let gone = inbox.queue.iter().filter(|waiting| waiting.reply.is_cancelled()).count();
            let waiting = inbox.queue.len() - gone;
            if waiting >= self.shared.queue_limit + free {
                self.shared.stats().refused += 1;
                return Err(GenerateError::QueueFull { waiting });
            }
        }
        let reply = Reply { events: sender, cancelled: cancelled.clone() };
        inbox.queue.push_back(Submitted { request, form, reply, at: Instant::now() });
        inbox.open += 1;
        inbox.idle_since = None;
        self.shared.stats().requests += 1;
        drop(inbox);
        self.shared.wake.notify_one();
        Ok(Events { receiver, cancelled, shared: self.shared.clone(), ended: false })
    }

    /// The limits of the model. `context_length` is what one request can really use: never more than the KV cells.
    pub fn limits(&self) -> DecoderLimits {
        self.shared.limits
    }

    /// A snapshot of gauges, counters and times.
    pub fn stats(&self) -> Stats {
        let inbox = self.shared.inbox();
        let mut stats = self.shared.stats().clone();
        stats.waiting = inbox.queue.iter().filter(|waiting| !waiting.reply.is_cancelled()).count();
        stats
    }

    /// Refuses new requests; those accepted are finished, then the thread ends and the model's memory is freed.
    pub fn close(&self) {
        self.shared.set_closing(false);
    }

    /// Refuses new requests and ends those accepted with `ShuttingDown`, at the end of the forward pass under way.
    pub fn abort(&self) {
        self.shared.set_closing(true);
    }

    /// Whether no request is waiting or running.
    pub fn is_idle(&self) -> bool {
        self.shared.inbox().open == 0
    }

    /// Since when no request is waiting or running; `None` while one is.
    pub fn idle_since(&self) -> Option<Instant> {
        self.shared.inbox().idle_since
    }

    /// Whether the thread has ended and the decoder is dropped.
    pub fn is_finished(&self) -> bool {
        self.shared.inbox().thread_ended
    }

    /// Blocks until the thread has ended and the decoder is dropped: after `close`, when all accepted requests are
    /// answered. Not for async code; use it on a blocking thread.
    pub fn join(&self) {
        let mut inbox = self.shared.inbox();
        while !inbox.thread_ended {
            inbox = self.shared.finished.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// As [`Scheduler::join`], but for `timeout` at most; returns whether the thread has ended.
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        let inbox = self.shared.inbox();
        let waited = self.shared.finished.wait_timeout_while(inbox, timeout, |inbox| !inbox.thread_ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.thread_ended
    }
}

/// The events of one request, in the order of [`Event`]. Dropping it before the end cancels the request: the model
/// stops working on it at the end of the forward pass under way.
///
/// The channel is unbounded so that a slow reader never stalls the others; what it can hold is bounded by the
/// request's own `n` and `max_tokens` (or the context length).
pub struct Events {
    receiver: UnboundedReceiver<Event>,
    cancelled: Arc<AtomicBool>,
    shared: Arc<Shared>,
    ended: bool,
}

impl Events {
    /// The next event; `None` after `End` or `Failed`. Safe to drop and call again (cancel safe).
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.receiver.recv().await;
        self.note(event)
    }

    /// As [`Events::next`], blocking the thread.
    ///
    /// # Panics
    /// Inside an async runtime.
    pub fn blocking_next(&mut self) -> Option<Event> {
        let event = self.receiver.blocking_recv();
        self.note(event)
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        let event = self.receiver.try_recv().ok()?;
        self.note(Some(event))
    }

    fn note(&mut self, event: Option<Event>) -> Option<Event> {
        self.ended |= matches!(event, None | Some(Event::End(_) | Event::Failed(_)));
        event
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.cancelled.store(true, Ordering::Release);
        self.shared.inbox().nudged = true;
        self.shared.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_and_events_may_go_to_any_thread() {
        fn check<T: Send + Sync>() {}
        check::<Scheduler>();
        check::<Events>();
    }
}
