//! The thread of a loaded model: takes requests in, runs rounds while there is work, sleeps otherwise.
//!
//! A round is: let go of what was cancelled, admit what fits (`admit.rs`), compute one step (`step.rs`).

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use tern_engine::{Batch, Decoder, DecoderLimits, Tokenizer};

use crate::{
    Event, FinishReason, GenerateError,
    answer::{Answer, Job, Key},
    cost::CostModel,
    handle::{SchedulerConfig, Shared},
    sampler::Workspace,
    sequences::Sequences,
    stats::StepCost,
};

pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) decoder: Box<dyn Decoder>,
    pub(crate) tokenizer: Arc<dyn Tokenizer>,
    pub(crate) limits: DecoderLimits,
    pub(crate) prefill_chunk: usize,
    name: String,
    /// Requests being answered, by age.
    pub(crate) jobs: BTreeMap<u64, Job>,
    next_job: u64,
    /// Answers that hold a place, oldest first.
    pub(crate) active: Vec<Answer>,
    /// Answers set aside, oldest first: preempted ones, and further choices of a request.
    pub(crate) parked: Vec<Answer>,
    /// Cells ran out: nobody is let in until an answer has ended, or it would be set aside again at once.
    pub(crate) crowded: bool,
    pub(crate) sequences: Sequences,
    pub(crate) cost: CostModel,
    pub(crate) workspace: Workspace,
    pub(crate) batch: Batch,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        decoder: Box<dyn Decoder>,
        tokenizer: Arc<dyn Tokenizer>,
        config: &SchedulerConfig,
    ) -> Self {
        let limits = shared.limits;
        Self {
            sequences: Sequences::new(limits),
            cost: CostModel::new(shared.parallel),
            batch: Batch::with_capacity(limits.max_batch_tokens.min(config.prefill_chunk.max(shared.parallel))),
            prefill_chunk: config.prefill_chunk.max(1),
            name: config.name.clone(),
            shared,
            decoder,
            tokenizer,
            limits,
            jobs: BTreeMap::new(),
            next_job: 0,
            active: Vec::new(),
            parked: Vec::new(),
            crowded: false,
            workspace: Workspace::default(),
        }
    }

    /// Runs until closed and drained, or aborted.
    pub(crate) fn run(mut self) {
        loop {
            // A panic of ours must not leave clients waiting: it ends what is running, and the thread goes on.
            match catch_unwind(AssertUnwindSafe(|| self.round())) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    tracing::error!(model = self.name, "a step of the scheduler panicked; its requests are ended");
                    self.fail_all(&GenerateError::Engine("the scheduler failed; see the log".into()));
                    self.sequences.drop_all(self.decoder.as_mut());
                }
            }
        }
        let Self { shared, decoder, .. } = self;
        // Whoever joins wants the model's memory back.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(decoder)));
        shared.thread_ended();
    }

    /// Returns whether there is another round.
    fn round(&mut self) -> bool {
        if self.jobs.is_empty() {
            let inbox = self.shared.inbox();
            if inbox.queue.is_empty() && inbox.closing {
                return false;
            }
            drop(inbox);
            self.shared.wait_for_work();
        }
        self.take_notice_of_cancels();
        if self.shared.inbox().aborting {
            self.fail_all(&GenerateError::ShuttingDown);
            return false;
        }
        self.admit();
        self.start_admitted();
        if !self.active.is_empty() {
            self.sequences.put_aside(self.decoder.as_mut());
        }
        self.publish();
        self.compute();
        self.publish();
        true
    }

    /// Removes a request that has just left the queue into the running ones. Returns its number.
    pub(crate) fn add_job(&mut self, job: Job) -> u64 {
        let number = self.next_job;
        self.next_job += 1;
        self.jobs.insert(number, job);
        number
    }

    /// Lets go of requests whose client went away, wherever they are.
    fn take_notice_of_cancels(&mut self) {
        let mut inbox = self.shared.inbox();
        inbox.nudged = false;
        let waiting = inbox.queue.len();
        inbox.queue.retain(|submitted| !submitted.reply.is_cancelled());
        let gone = waiting - inbox.queue.len();
        drop(inbox);
        for _ in 0..gone {
            self.shared.stats().cancelled += 1;
            self.shared.request_ended();
        }
        let cancelled: Vec<u64> =
            self.jobs.iter().filter(|(_, job)| job.reply.is_cancelled()).map(|(&number, _)| number).collect();
        for number in cancelled {
            self.shared.stats().cancelled += 1;
            if let Some(job) = self.remove_job(number) {
                tracing::debug!(model = self.name, request = job.request.id, generated = job.generated, "cancelled");
            }
            self.publish();
            self.shared.request_ended();
        }
    }

    /// Takes a request and its answers out; what they have computed stays as cached sequences.
    fn remove_job(&mut self, number: u64) -> Option<Job> {
        let (gone, stay): (Vec<_>, Vec<_>) = self.active.drain(..).partition(|answer| answer.key.0 == number);
        self.active = stay;
        for seq in gone.iter().filter_map(|answer| answer.seq) {
            self.sequences.leave(seq);
        }
        self.parked.retain(|answer| answer.key.0 != number);
        self.crowded = false;
        self.jobs.remove(&number)
    }

    /// Ends a request with an error.
    pub(crate) fn fail_job(&mut self, number: u64, error: GenerateError) {
        let Some(job) = self.remove_job(number) else { return };
        tracing::warn!(model = self.name, request = job.request.id, %error, "failed");
        self.shared.stats().failed += 1;
        self.publish();
        self.shared.request_ended();
        job.reply.send(Event::Failed(error));
    }

    fn fail_all(&mut self, error: &GenerateError) {
        let numbers: Vec<u64> = self.jobs.keys().copied().collect();
        for number in numbers {
            self.fail_job(number, error.clone());
        }
        let queue = std::mem::take(&mut self.shared.inbox().queue);
        for submitted in queue {
            self.shared.stats().failed += 1;
            self.shared.request_ended();
            submitted.reply.send(Event::Failed(error.clone()));
        }
    }

    /// An answer is complete; with the last one so is the request.
    pub(crate) fn finish_answer(&mut self, key: Key, reason: FinishReason) {
        let Some(place) = self.active.iter().position(|answer| answer.key == key) else { return };
        let answer = self.active.remove(place);
        self.crowded = false;
        if let Some(seq) = answer.seq {
            self.sequences.leave(seq);
        }
        let Some(job) = self.jobs.get_mut(&key.0) else { return };
        job.open -= 1;
        let done = job.open == 0;
        if done {
            let mut stats = self.shared.stats();
            stats.completed += 1;
            stats.request_time.record(job.submitted.elapsed().as_secs_f64());
        }
        // Counters first, so that who has seen the event sees it counted.
        self.publish();
        let finish = Event::Finish { choice: key.1, reason };
        if done {
            self.shared.request_ended();
            if let Some(job) = self.jobs.remove(&key.0) {
                let summary = job.summary(Instant::now());
                tracing::debug!(model = self.name, request = job.request.id, ?summary, "done");
                job.reply.send(finish);
                job.reply.send(Event::End(summary));
            }
        } else if let Some(job) = self.jobs.get(&key.0) {
            job.reply.send(finish);
        }
    }

    /// Brings the gauges up to date.
    pub(crate) fn publish(&self) {
        self.shared.inbox().running = self.active.len();
        let mut stats = self.shared.stats();
        stats.running = self.active.len();
        stats.parked = self.parked.len();
        stats.kv_cells_used = self.sequences.used_cells() as u32;
        stats.kv_cells_cached = (self.sequences.used_cells() - self.sequences.pinned_cells()) as u32;
        stats.saved_bytes = self.sequences.saved_bytes();
        stats.evictions = self.sequences.evictions;
        stats.step_costs.clear();
        stats.step_costs.extend(self.cost.known().map(|(sequences, seconds, measured)| StepCost {
            sequences: sequences as u32,
            ms: seconds * 1e3,
            measured,
        }));
    }
}
