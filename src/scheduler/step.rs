//! One step: which tokens go into the next forward passes, and what becomes of their logits.

use std::time::{Duration, Instant};

use tern_engine::{BatchToken, DecodeError, Pos, SeqId, Wanted};

use crate::{
    Event, FinishReason, GenerateError, PlacedImage, PrefillProgress,
    answer::{Answer, Chosen, Key},
    plan::{Need, patience, prefill_budget, share},
    sequences::{CallError, guarded},
    worker::Worker,
};

/// Rows of logits in one pass when every token of a prompt wants them: 64 rows of a vocabulary of 152 k are 39 MB.
const ROWS_AT_ONCE: usize = 64;
/// How long running streams may pause for a chunk of prompts, if no more wait than run.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// After so many failed passes an answer is given up even if each had company.
const MOST_FAILURES: u32 = 3;

/// Tokens of one answer in a batch.
#[derive(Debug, Clone, Copy)]
struct Item {
    key: Key,
    count: usize,
    /// Whether it is the token chosen last, and nothing else is left to compute.
    decodes: bool,
    /// Row of its first logits, if it has any.
    row: Option<usize>,
    /// Whether it is one image, which is computed in a pass of its own.
    image: bool,
}

impl Item {
    /// What `answer` needs next from the entry at `from` on: an image, or the tokens up to the next one.
    fn next_of(answer: &Answer, images: &[PlacedImage], from: usize) -> Self {
        let next = images.iter().find(|image| image.end() > from);
        let (count, image) = match next {
            Some(image) if image.at <= from => (image.end() - from, true),
            Some(image) => (image.at - from, false),
            None => (answer.tokens.len() - from, false),
        };
        let decodes = answer.generated > 0 && from + 1 == answer.tokens.len();
        Self { key: answer.key, count, decodes, row: None, image }
    }
}

/// What a step computes.
struct Plan {
    decoding: Vec<Item>,
    prompts: Vec<Item>,
    image: Option<Item>,
}

/// How a forward pass ended.
enum Pass {
    Done,
    /// Nothing was computed; the plan no longer holds.
    PlanAgain,
}

impl Worker {
    /// Runs one step: all decoding answers by a token each, and at most one chunk of prompts.
    pub(crate) fn compute(&mut self) {
        self.run_suspects();
        let Some(Plan { decoding, prompts, image }) = self.plan_step() else { return };
        if let Some(image) = &image
            && matches!(self.image_pass(image), Pass::PlanAgain)
        {
            return;
        }
        if decoding.is_empty() && prompts.is_empty() {
            return;
        }
        if prompts.is_empty() {
            let parts = self.cost.plan(decoding.len());
            self.shared.stats().split_rounds += u64::from(parts.len() > 1);
            let mut rest = decoding.as_slice();
            for size in parts {
                let (part, after) = rest.split_at(size.min(rest.len()));
                rest = after;
                for part in part.chunks(self.limits.max_batch_tokens) {
                    if matches!(self.pass(part), Pass::PlanAgain) {
                        return;
                    }
                }
            }
        } else if self.cost.mixes(decoding.len()) {
            let together: Vec<Item> = decoding.into_iter().chain(prompts).collect();
            self.pass(&together);
        } else if matches!(self.pass(&decoding), Pass::Done) {
            self.pass(&prompts);
        }
    }

    /// Runs the answers under suspicion of making passes fail, each in a pass of its own.
    fn run_suspects(&mut self) {
        let suspects: Vec<Key> = self.active.iter().filter(|answer| answer.alone).map(|answer| answer.key).collect();
        for key in suspects {
            let Some(answer) = self.active.iter().find(|answer| answer.key == key) else { continue };
            let Some(seq) = answer.seq else { continue };
            let images = &self.jobs[&key.0].request.images;
            let mut item = Item::next_of(answer, images, self.sequences.len(seq));
            if item.image {
                self.image_pass(&item);
                continue;
            }
            item.count = item.count.min(ROWS_AT_ONCE).min(self.limits.max_batch_tokens);
            self.pass(&[item]);
        }
    }

    /// Chooses the tokens of the next step, after making sure of their cells. `None` if there is nothing to compute.
    fn plan_step(&mut self) -> Option<Plan> {
        loop {
            let (mut decoding, mut prompts, mut needs, mut image) = (Vec::new(), Vec::new(), Vec::new(), None);
            for answer in &self.active {
                let (Some(seq), false) = (answer.seq, answer.alone) else { continue };
                let job = &self.jobs[&answer.key.0];
                let item = Item::next_of(answer, &job.request.images, self.sequences.len(seq));
                if item.image {
                    // One a step, the oldest first: an image can take long, and the streams get a token between two.
                    image = image.or(Some(item));
                } else if item.decodes {
                    decoding.push(item);
                } else {
                    let rows = job.request.prompt_logprobs.is_some() && job.prompt_done.is_none();
                    needs.push(Need { remaining: item.count, limit: if rows { ROWS_AT_ONCE } else { usize::MAX } });
                    prompts.push(item);
                }
            }
            if decoding.is_empty() && prompts.is_empty() && image.is_none() {
                return None;
            }
            let needed = decoding.len() + image.as_ref().map_or(0, |item| item.count);
            let cells = self.sequences.available_cells();
            let mut budget =
                prefill_budget(self.prefill_chunk, decoding.len(), prompts.len(), self.limits.max_batch_tokens);
            if !decoding.is_empty() {
                let pause = LONGEST_PAUSE * patience(decoding.len(), prompts.len()) as u32;
                budget = budget.min(self.cost.prefill_within(pause, decoding.len()));
            }
            let budget = budget.min(cells.saturating_sub(needed));
            if cells < needed || (needed == 0 && budget == 0) {
                self.free_cells();
                continue;
            }
            for (item, count) in prompts.iter_mut().zip(share(budget, &needs)) {
                item.count = count;
            }
            prompts.retain(|item| item.count > 0);
            return Some(Plan { decoding, prompts, image });
        }
    }

    /// Runs one forward pass over `items` and handles what it gives.
    fn pass(&mut self, items: &[Item]) -> Pass {
        // Who left since the round began is not computed any more; the next round lets go of it.
        let mut items: Vec<Item> = items.iter().copied().filter(|item| self.is_wanted(item.key)).collect();
        if items.is_empty() {
            return Pass::Done;
        }
        self.fill_batch(&mut items);
        if !self.sequences.make_room(self.decoder.as_mut(), self.batch.len()) {
            self.free_cells();
            return Pass::PlanAgain;
        }
        let result = loop {
            let began = Instant::now();
            let (decoder, batch) = (&mut self.decoder, &self.batch);
            let result = guarded(|| {
                decoder.decode(batch)?;
                if batch.rows() > 0 {
                    // An engine may compute in the background until its logits are asked for.
                    decoder.logits(0);
                }
                Ok(())
            });
            self.shared.stats().steps += 1;
            match result {
                Ok(()) => {
                    self.learn(&items, began.elapsed());
                    break Ok(());
                }
                // The engine shares less than we count on; what is idle can go.
                Err(CallError::Engine(DecodeError::KvFull { .. })) if self.sequences.evict(self.decoder.as_mut()) => {}
                Err(error) => break Err(error),
            }
        };
        match result {
            Ok(()) => {
                self.take_results(&items);
                Pass::Done
            }
            Err(error) => {
                self.take_failure(&items, error);
                Pass::PlanAgain
            }
        }
    }

    /// Computes one image.
    fn image_pass(&mut self, item: &Item) -> Pass {
        if !self.is_wanted(item.key) {
            return Pass::Done;
        }
        let Some(seq) = self.active.iter().find(|answer| answer.key == item.key).and_then(|answer| answer.seq) else {
            return Pass::Done;
        };
        let from = self.sequences.len(seq);
        let images = &self.jobs[&item.key.0].request.images;
        let Some(chunk) = images.iter().find(|image| image.at == from).map(|image| image.chunk.clone()) else {
            // A prefix never ends inside an image, unless two images had the same hash.
            let error = DecodeError::InvalidBatch(format!("an image is cut at {from}"));
            self.take_failure(std::slice::from_ref(item), CallError::Engine(error));
            return Pass::PlanAgain;
        };
        if !self.sequences.make_room(self.decoder.as_mut(), chunk.cells()) {
            self.free_cells();
            return Pass::PlanAgain;
        }
        let result = loop {
            let decoder = &mut self.decoder;
            let result = guarded(|| decoder.decode_image(seq, from as Pos, &chunk));
            self.shared.stats().steps += 1;
            match result {
                Err(CallError::Engine(DecodeError::KvFull { .. })) if self.sequences.evict(self.decoder.as_mut()) => {}
                result => break result,
            }
        };
        match result {
            Ok(()) => {
                self.take_results(std::slice::from_ref(item));
                Pass::Done
            }
            Err(error) => {
                self.take_failure(std::slice::from_ref(item), error);
                Pass::PlanAgain
            }
        }
    }

    /// A pass over `items` took `time`.
    fn learn(&mut self, items: &[Item], time: Duration) {
        let decoding = items.iter().filter(|item| item.decodes).count();
        match self.batch.len() - decoding {
            0 => self.cost.record(decoding, time),
            tokens => self.cost.record_prompts(tokens, decoding, time),
        }
    }

    fn is_wanted(&self, key: Key) -> bool {
        self.jobs.get(&key.0).is_some_and(|job| !job.reply.is_cancelled())
    }

    fn fill_batch(&mut self, items: &mut Vec<Item>) {
        self.batch.clear();
        items.retain_mut(|item| {
            let Some(answer) = self.active.iter().find(|answer| answer.key == item.key) else { return false };
            let Some(seq) = answer.seq else { return false };
            let job = &self.jobs[&item.key.0];
            let from = self.sequences.len(seq);
            let tokens = &answer.tokens[from..from + item.count];
            let every_row = job.request.prompt_logprobs.is_some() && job.prompt_done.is_none();
            let last = answer.tokens.len() - 1;
            item.row = None;
            for (pos, &token) in (from..).zip(tokens) {
                let logits = match () {
                    () if every_row => Wanted::Row,
                    () if pos == last => answer.wanted(job),
                    () => Wanted::Nothing,
                };
                let row = self.batch.push(BatchToken { token, pos: pos as Pos, seq, logits });
                item.row = item.row.or(row);
            }
            true
        });
    }

    fn take_results(&mut self, items: &[Item]) {
        for item in items {
            let Some(place) = self.active.iter().position(|answer| answer.key == item.key) else { continue };
            let answer = &mut self.active[place];
            let (Some(seq), Some(job)) = (answer.seq, self.jobs.get_mut(&item.key.0)) else { continue };
            let from = self.sequences.len(seq);
            let to = from + item.count;
            self.sequences.append(seq, &answer.tokens[from..to]);
            if !item.decodes {
                let fresh = to.min(job.request.prompt.len()).saturating_sub(job.prompt_reached.max(from));
                job.prompt_reached = job.prompt_reached.max(to.min(job.request.prompt.len()));
                let mut stats = self.shared.stats();
                stats.prompt_tokens_computed += fresh as u64;
                stats.recomputed_tokens += (item.count - fresh) as u64;
            }
            if job.prompt_done.is_none() {
                if job.request.prompt_logprobs.is_some()
                    && let Some(row) = item.row
                {
                    for i in 0..item.count {
                        let logits = self.decoder.logits(row + i);
                        job.note_prompt_logits(from + i, logits, self.tokenizer.as_ref(), &mut self.workspace);
                    }
                }
                if job.request.return_progress {
                    job.reply.send(Event::Prefill(PrefillProgress {
                        total: job.request.prompt.len() as u32,
                        cached: job.cached.unwrap_or(0) as u32,
                        processed: to as u32,
                        time_ms: job.admitted.elapsed().as_secs_f64() * 1e3,
                    }));
                }
            }
            if to < answer.tokens.len() {
                continue;
            }
            answer.alone = false;
            // Where every token has a row, the last one's is the last.
            let rows = if job.prompt_done.is_none() && job.request.prompt_logprobs.is_some() { item.count } else { 1 };
            let Some(row) = item.row.map(|first| first + rows - 1) else { continue };
            self.prompt_or_token_done(item.key, seq, row);
        }
    }

    /// All tokens of an answer are computed and `row` has the logits after them.
    fn prompt_or_token_done(&mut self, key: Key, seq: SeqId, row: usize) {
        let Some(job) = self.jobs.get_mut(&key.0) else { return };
        let mut keys = vec![key];
        if job.prompt_done.is_none() {
            job.prompt_done = Some(Instant::now());
            if job.request.prompt_logprobs.is_some() {
                job.reply.send(Event::Prompt(std::mem::take(&mut job.prompt_logprobs)));
            }
            keys.extend(self.fork_choices(key, seq));
        }
        for key in keys {
            self.choose(key, row);
        }
    }

    /// Gives the further choices of a request copies of its prompt's sequence, as far as there are places and cells.
    fn fork_choices(&mut self, leader: Key, seq: SeqId) -> Vec<Key> {
        let mut forked = Vec::new();
        while self.active.len() < self.shared.parallel {
            let Some(place) = self.parked.iter().position(|answer| answer.key.0 == leader.0) else { break };
            if !self.fits(&self.parked[place]) {
                break;
            }
            let Some(copy) = self.sequences.fork(self.decoder.as_mut(), seq) else { break };
            let mut answer = self.parked.remove(place);
            answer.seq = Some(copy);
            forked.push(answer.key);
            let place = self.active.partition_point(|other| other.key < answer.key);
            self.active.insert(place, answer);
        }
        forked
    }

    fn choose(&mut self, key: Key, row: usize) {
        let Some(place) = self.active.iter().position(|answer| answer.key == key) else { return };
        let (answer, Some(job)) = (&mut self.active[place], self.jobs.get_mut(&key.0)) else { return };
        if answer.most == 0 {
            return self.finish_answer(key, FinishReason::Length);
        }
        let first_of_job = job.generated == 0;
        let before = job.generated;
        let chosen = answer.choose(job, self.decoder.logits(row), self.tokenizer.as_ref(), &mut self.workspace);
        let now = Instant::now();
        {
            let mut stats = self.shared.stats();
            stats.generated_tokens += u64::from(job.generated - before);
            if first_of_job {
                stats.time_to_first_token.record((now - job.submitted).as_secs_f64());
            }
            if let Some(last) = answer.last_token_at.replace(now) {
                stats.inter_token.record((now - last).as_secs_f64());
            }
        }
        match chosen {
            Chosen::Token => {}
            Chosen::Finished(reason) => self.finish_answer(key, reason),
            Chosen::Nothing => {
                let message = "the model gave no usable logits (all of them NaN or -inf)";
                self.fail_job(key.0, GenerateError::Engine(message.into()));
            }
            Chosen::Lost(error) => self.fail_job(key.0, GenerateError::Engine(error.to_string())),
        }
    }

    /// Giving up what is idle does not suffice: the youngest answer is set aside, or, if there is only one, it ends.
    fn free_cells(&mut self) {
        if self.preempt_youngest() {
            return;
        }
        let only = self.active.iter().find(|answer| answer.seq.is_some()).map(|answer| answer.key);
        if let Some(key) = only {
            let message = "the KV cache is full although only one answer is running";
            self.fail_job(key.0, GenerateError::Engine(message.into()));
        }
    }

    /// A pass failed. Sequences of the batch are in an unknown state and are dropped; after a panic all are.
    fn take_failure(&mut self, items: &[Item], error: CallError) {
        if let CallError::Engine(DecodeError::KvFull { .. }) = error {
            return self.free_cells();
        }
        tracing::warn!(%error, answers = items.len(), "a forward pass failed");
        let panicked = matches!(error, CallError::Panicked(_));
        for item in items {
            let Some(answer) = self.active.iter_mut().find(|answer| answer.key == item.key) else { continue };
            answer.failures += 1;
            // One of several may be to blame for all: each gets another try, alone.
            let again = items.len() > 1 && !panicked && answer.failures < MOST_FAILURES;
            if again {
                answer.alone = true;
                self.set_aside(item.key);
                continue;
            }
            if let Some(seq) = answer.seq.take() {
                self.sequences.drop_sequence(self.decoder.as_mut(), seq);
            }
            self.fail_job(item.key.0, GenerateError::Engine(error.to_string()));
        }
        if panicked {
            let others: Vec<Key> = self.active.iter().filter(|a| a.seq.is_some()).map(|a| a.key).collect();
            for key in others {
                self.set_aside(key);
            }
            self.sequences.drop_all(self.decoder.as_mut());
        }
    }
}
