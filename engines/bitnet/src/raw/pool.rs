//! The threads of a forward pass: one closure, run by all of them at once, over and over.
//!
//! A pass has about five such phases a layer, of 10 to 300 µs each, so a thread that waits for the next one spins a
//! little before it sleeps. Between passes all sleep: a chat spends its time there, and the server needs the processor.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr::NonNull,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle, Thread},
};

/// How often a thread looks for work before it sleeps: some 20 µs. A norm between two phases takes a few.
const SPINS: u32 = 2_000;

type Task = dyn Fn(usize) + Sync;

/// A phase: the closure, which the caller of [`Pool::run`] keeps alive until all have finished it.
#[derive(Clone, Copy)]
struct Phase(NonNull<Task>);

// SAFETY: the pointer is only followed between the start and the end of `run`, during which the closure is borrowed; it
// is `Sync`, so any thread may call it.
unsafe impl Send for Phase {}

struct Shared {
    /// Counts phases. A thread works when it sees a number it has not seen.
    number: AtomicU32,
    phase: Mutex<Option<Phase>>,
    /// Threads that have not finished the current phase.
    busy: AtomicUsize,
    panicked: AtomicBool,
    closing: AtomicBool,
    /// The thread in `run`, to be woken when it sleeps.
    caller: Mutex<Option<Thread>>,
}

impl Shared {
    fn phase(&self) -> MutexGuard<'_, Option<Phase>> {
        self.phase.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn caller(&self) -> MutexGuard<'_, Option<Thread>> {
        self.caller.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Threads that run phases together with the thread that asks for them.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    others: Vec<JoinHandle<()>>,
}

impl Pool {
    /// A pool of `threads` threads, the caller of [`Pool::run`] among them.
    ///
    /// # Errors
    /// When the system grants no thread.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            number: AtomicU32::new(0),
            phase: Mutex::new(None),
            busy: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            caller: Mutex::new(None),
        });
        let mut pool = Self { shared, others: Vec::new() };
        for worker in 1..threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            let other = thread::Builder::new().name(format!("bitnet {worker}")).spawn(move || work(&shared, worker))?;
            pool.others.push(other);
        }
        Ok(pool)
    }

    /// How many threads take part.
    pub fn threads(&self) -> usize {
        self.others.len() + 1
    }

    /// Calls `task(worker)` on every thread, `worker` from 0 to [`Pool::threads`], and returns when all have returned.
    ///
    /// # Panics
    /// If a task panicked, after all others have returned.
    pub fn run(&mut self, task: &(dyn Fn(usize) + Sync)) {
        if self.others.is_empty() {
            return task(0);
        }
        let shared = &*self.shared;
        *shared.caller() = Some(thread::current());
        // SAFETY: only the lifetime changes. The pointer is taken back below before this function returns, and no
        // thread follows it after it has counted itself out of `busy`, for which this function waits, panic or not.
        let task: NonNull<Task> = unsafe { std::mem::transmute(NonNull::from(task)) };
        *shared.phase() = Some(Phase(task));
        shared.busy.store(self.others.len(), Ordering::Relaxed);
        // Release: whoever sees the number sees the phase and the count.
        shared.number.fetch_add(1, Ordering::Release);
        for other in &self.others {
            other.thread().unpark();
        }
        // SAFETY: `task` is the closure borrowed above.
        let own = catch_unwind(AssertUnwindSafe(|| unsafe { task.as_ref()(0) }));
        // Acquire: what the others wrote is visible here.
        wait(|| shared.busy.load(Ordering::Acquire) == 0);
        *shared.phase() = None;
        if let Err(payload) = own {
            shared.panicked.store(false, Ordering::Relaxed);
            resume_unwind(payload);
        }
        assert!(!shared.panicked.swap(false, Ordering::Relaxed), "a thread of the forward pass panicked");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        for other in self.others.drain(..) {
            other.thread().unpark();
            // It catches the panics of its tasks, so it ends by returning.
            let _ = other.join();
        }
    }
}

fn work(shared: &Shared, worker: usize) {
    let mut seen = 0;
    loop {
        wait(|| shared.number.load(Ordering::Acquire) != seen || shared.closing.load(Ordering::Acquire));
        if shared.closing.load(Ordering::Acquire) {
            return;
        }
        seen = seen.wrapping_add(1);
        let Some(Phase(task)) = *shared.phase() else { continue };
        // SAFETY: `run` keeps the closure borrowed until this thread has counted itself out below.
        if catch_unwind(AssertUnwindSafe(|| unsafe { task.as_ref()(worker) })).is_err() {
            shared.panicked.store(true, Ordering::Relaxed);
        }
        // Cloned before the count: after it `run` may return and begin anew.
        let caller = shared.caller().clone();
        if shared.busy.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(caller) = caller
        {
            caller.unpark();
        }
    }
}

/// Waits until `done`: spins first, then sleeps between wake-ups.
fn wait(done: impl Fn() -> bool) {
    for _ in 0..SPINS {
        if done() {
            return;
        }
        std::hint::spin_loop();
    }
    while !done() {
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_runs_every_phase_once() {
        let mut pool = Pool::new(3).unwrap();
        let counts = [const { AtomicUsize::new(0) }; 3];
        for _ in 0..2000 {
            pool.run(&|worker| {
                counts[worker].fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(counts.map(AtomicUsize::into_inner), [2000; 3]);
    }

    #[test]
    fn a_panic_in_any_thread_reaches_the_caller_and_the_pool_goes_on() {
        let mut pool = Pool::new(2).unwrap();
        for bad in 0..2 {
            let outcome = catch_unwind(AssertUnwindSafe(|| pool.run(&|worker| assert_ne!(worker, bad))));
            assert!(outcome.is_err());
            pool.run(&|_| {});
        }
    }

    #[test]
    fn sleepers_are_woken() {
        let mut pool = Pool::new(2).unwrap();
        let count = AtomicUsize::new(0);
        for _ in 0..5 {
            thread::sleep(std::time::Duration::from_millis(5));
            pool.run(&|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(count.into_inner(), 10);
    }
}
