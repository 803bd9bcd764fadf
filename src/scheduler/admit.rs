//! Who gets a place, a sequence and cells; and who gives them up again.

use crate::{
    GenerateError,
    answer::{Answer, Job, Key},
    sequences::common_prefix,
    worker::Worker,
};

/// A prefix that another answer is computing is waited for when it is at least this much longer than what is cached:
/// below that a round of waiting costs more than it saves.
const WORTH_WAITING: usize = 16;

impl Worker {
    /// Gives places to answers set aside and then to waiting requests, strictly by age, as long as there are places
    /// and cells.
    pub(crate) fn admit(&mut self) {
        while self.active.len() < self.shared.parallel && (!self.crowded || self.active.is_empty()) {
            // Further choices wait for the prompt they share; everything else set aside may run.
            let ready = self.parked.iter().position(|answer| {
                answer.key.1 == 0 || self.jobs.get(&answer.key.0).is_some_and(|job| job.prompt_done.is_some())
            });
            if let Some(place) = ready {
                if !self.fits(&self.parked[place]) {
                    return;
                }
                let answer = self.parked.remove(place);
                self.activate(answer);
            } else if !self.admit_from_queue() {
                return;
            }
        }
    }

    /// Returns whether a request was admitted.
    fn admit_from_queue(&mut self) -> bool {
        // Places are kept for the further choices of requests that run already.
        if self.active.len() + self.parked.len() >= self.shared.parallel {
            return false;
        }
        let Some(submitted) = self.shared.inbox().queue.pop_front() else { return false };
        let (prompt, use_cache) = (&submitted.request.prompt, submitted.request.use_cache);
        let length = prompt.len() as u32;
        let reserve = self.reserve(submitted.request.max_tokens, self.limits.context_length - length);
        if !self.fits_cells(prompt.len() - self.shared_with_running(prompt, use_cache) + reserve) {
            self.shared.inbox().queue.push_front(submitted);
            return false;
        }
        let job = Job::new(submitted);
        self.shared.stats().queue_time.record((job.admitted - job.submitted).as_secs_f64());
        let choices = job.request.n;
        let number = self.add_job(job);
        for choice in 0..choices {
            let answer = Answer::new((number, choice), &self.jobs[&number], self.limits.context_length);
            if choice == 0 {
                self.activate(answer);
            } else {
                self.park(answer);
            }
        }
        true
    }

    fn activate(&mut self, mut answer: Answer) {
        let use_cache = self.jobs.get(&answer.key.0).is_some_and(Job::may_reuse);
        answer.shared = self.shared_with_running(&answer.tokens, use_cache);
        let place = self.active.partition_point(|other| other.key < answer.key);
        self.active.insert(place, answer);
    }

    fn park(&mut self, answer: Answer) {
        let place = self.parked.partition_point(|other| other.key < answer.key);
        self.parked.insert(place, answer);
    }

    /// How much of `tokens` a running answer has computed or will compute.
    fn shared_with_running(&self, tokens: &[u32], use_cache: bool) -> usize {
        if !use_cache || !self.limits.partial_sequences {
            return 0;
        }
        let longest = self.active.iter().map(|answer| common_prefix(&answer.tokens, tokens)).max();
        longest.unwrap_or(0).min(tokens.len() - 1)
    }

    /// Cells set aside for what an answer may still generate: all of it up to a fair share of the cells when the
    /// request says how much that is, and a quarter of that when it does not, since most answers are short. What goes
    /// beyond is found by giving up idle sequences and, if need be, by preemption.
    fn reserve(&self, max_tokens: Option<u32>, left: u32) -> usize {
        let fair = self.limits.kv_cells as usize / self.shared.parallel;
        let most = max_tokens.map_or(fair / 4, |most| fair.min(most as usize));
        (left as usize).min(most.max(1))
    }

    fn reserve_of(&self, answer: &Answer) -> usize {
        let max_tokens = self.jobs.get(&answer.key.0).and_then(|job| job.request.max_tokens);
        self.reserve(max_tokens, answer.most - answer.generated)
    }

    /// Whether an answer set aside can run: its tokens and its reserve beside what the running ones need.
    pub(crate) fn fits(&self, answer: &Answer) -> bool {
        let use_cache = self.jobs.get(&answer.key.0).is_some_and(Job::may_reuse);
        let shared = self.shared_with_running(&answer.tokens, use_cache);
        self.fits_cells(answer.tokens.len() - shared + self.reserve_of(answer))
    }

    fn fits_cells(&self, needed: usize) -> bool {
        if self.active.is_empty() {
            // Alone everything fits that was accepted: no prompt reaches the number of cells.
            return true;
        }
        let outstanding = self.active.iter().map(|answer| {
            let computed = answer.seq.map_or(answer.shared, |seq| self.sequences.len(seq));
            answer.tokens.len() - computed + self.reserve_of(answer)
        });
        self.sequences.pinned_cells() + outstanding.sum::<usize>() + needed <= self.limits.kv_cells as usize
    }

    /// Gives sequences to admitted answers, with what others have computed for them already.
    pub(crate) fn start_admitted(&mut self) {
        let keys: Vec<Key> = self.active.iter().filter(|a| a.seq.is_none()).map(|a| a.key).collect();
        for key in keys {
            let Some(place) = self.active.iter().position(|answer| answer.key == key) else { continue };
            let Some(job) = self.jobs.get_mut(&key.0) else { continue };
            let reuse = job.may_reuse();
            let target = &self.active[place].tokens;
            if reuse && self.limits.partial_sequences {
                let have = self.sequences.longest_prefix(target);
                let prefilling = self
                    .active
                    .iter()
                    .filter(|other| other.seq.is_some_and(|seq| other.tokens.len() > self.sequences.len(seq) + 1));
                let coming = prefilling.map(|other| common_prefix(&other.tokens, target)).max().unwrap_or(0);
                if coming.min(target.len() - 1) >= have + WORTH_WAITING {
                    continue;
                }
            }
            let Some(placed) = self.sequences.place(self.decoder.as_mut(), target, reuse) else {
                self.fail_job(key.0, GenerateError::Engine("no sequence is free; this is a bug".into()));
                continue;
            };
            self.active[place].seq = Some(placed.seq);
            if job.cached.is_none() {
                job.cached = Some(placed.cached);
                job.prompt_reached = placed.cached;
                self.shared.stats().prompt_tokens_cached += placed.cached as u64;
            }
        }
    }

    /// Sets the youngest answer that holds a sequence aside, to be computed again when there are cells; its client
    /// sees a pause. Returns whether there was one beside the oldest, which always stays.
    pub(crate) fn preempt_youngest(&mut self) -> bool {
        let mut holders = self.active.iter().filter(|answer| answer.seq.is_some());
        holders.next();
        let Some(key) = holders.next_back().map(|answer| answer.key) else { return false };
        self.shared.stats().preemptions += 1;
        self.crowded = true;
        self.set_aside(key);
        true
    }

    /// Takes an answer's place and sequence away and lets it wait for new ones.
    pub(crate) fn set_aside(&mut self, key: Key) {
        let Some(place) = self.active.iter().position(|answer| answer.key == key) else { return };
        let mut answer = self.active.remove(place);
        if let Some(seq) = answer.seq.take() {
            self.sequences.drop_sequence(self.decoder.as_mut(), seq);
        }
        self.park(answer);
    }
}
