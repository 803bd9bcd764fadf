//! One cell: a model is brought into the state in which it is timed, and timed.

use std::time::{Duration, Instant};

use tern_chat::{Generation, Message, Role, TimedToken, Turn, TurnEvent, TurnRequest};
use tern_registry::{Lease, LoadState, Loaded, Registry, RegistryError, machine};
use tern_scheduler::{SamplingParams, Summary};
use tokio::time::sleep;

use crate::{Cache, Cell, CellResult, CellState, CompareEvent, FEWEST_PREFILL_TOKENS, Phase, Span, run::Run};

/// Between two reports of a load.
const EVERY: Duration = Duration::from_millis(100);
/// Words of a warm-up. Every weight is read once a token, so few suffice.
const WARMUP_TOKENS: u32 = 4;
/// How long an unloaded model may take to give its memory back.
const FREEING: Duration = Duration::from_secs(10);

/// Why a cell has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The model cannot be had: the column's other cells need not try.
    Model(String),
    /// This cell failed.
    Cell(String),
    /// The server is shutting down.
    ShuttingDown,
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::ShuttingDown => Self::ShuttingDown,
            error => Self::Model(error.to_string()),
        }
    }
}

/// Runs what blocks beside the threads that serve streams.
pub(crate) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Failure::ShuttingDown)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A cell on its way.
pub(crate) struct Work<'a> {
    pub run: &'a Run,
    pub registry: &'a Registry,
    /// Whether other columns run at the same time; then the memory of the process says nothing about this one.
    pub shared: bool,
    pub begun: Instant,
    pub result: CellResult,
}

impl<'a> Work<'a> {
    pub fn new(run: &'a Run, registry: &'a Registry, cell: Cell, shared: bool) -> Self {
        let result = CellResult {
            cell,
            model: run.plan.request.columns[cell.column].model.clone(),
            threads: Some(registry.config().threads),
            started_ms: crate::run::now(),
            ..CellResult::default()
        };
        Self { run, registry, shared, begun: Instant::now(), result }
    }

    fn cell(&self) -> Cell {
        self.result.cell
    }

    fn now_ms(&self) -> f64 {
        ms(self.begun.elapsed())
    }

    fn span(&mut self, phase: Phase, from_ms: f64, to_ms: f64) {
        // A zero has no place in a picture.
        if to_ms > from_ms {
            self.result.timeline.push(Span { phase, from_ms, to_ms });
        }
    }

    /// Loads the model, if it is not in memory.
    pub async fn load(&mut self) -> Result<Lease, Failure> {
        let (registry, name) = (self.registry.clone(), self.result.model.clone());
        // Looking for it may read folders and headers.
        let status = beside(move || registry.status(&name)).await??;
        let id = status.entry.id;
        self.result.model.clone_from(&id);
        self.result.engine = Some(status.entry.engine.to_owned());
        if self.run.plan.request.unload_between {
            unload_others(self.registry, &id).await?;
        }
        if !self.shared {
            self.result.rss_before = machine::memory_resident();
            self.result.rss_peak = machine::reset_memory_peak().then_some(0);
        }
        let was_loaded = status.state == LoadState::Loaded;
        if !was_loaded {
            self.run.state(self.cell(), CellState::Loading, self.registry.load_progress(&id).map(f64::from), None);
        }
        let from = self.now_ms();
        let lease = {
            let acquiring = self.registry.acquire(&id);
            tokio::pin!(acquiring);
            loop {
                tokio::select! {
                    lease = &mut acquiring => break lease?,
                    () = sleep(EVERY) => {
                        if let Some(share) = self.registry.load_progress(&id) {
                            self.run.state(self.cell(), CellState::Loading, Some(share.into()), None);
                        }
                    }
                }
            }
        };
        lease.text()?;
        if !was_loaded {
            self.result.load_ms = Some(lease.load_seconds * 1e3);
            self.span(Phase::Load, from, self.now_ms());
        }
        let entry = lease.entry.clone();
        self.result.file_bytes = beside(move || entry.file_bytes()).await?;
        let info = &lease.entry.info;
        let weights = info.weights_bytes as f64 * 8.0;
        self.result.bits_per_weight = (info.parameters > 0).then(|| weights / info.parameters as f64);
        self.result.weights_bytes = Some(lease.cost.weights_bytes);
        Ok(lease)
    }

    /// Says a few words, so that mapped weights are in memory, threads awake and the clock up. That it fails is no
    /// failure of the cell: what is timed will fail likewise, and say so.
    pub async fn warm_up(&mut self, lease: &Lease) -> Result<(), Failure> {
        let from = self.now_ms();
        self.run.state(self.cell(), CellState::Warming, None, None);
        let generation = Generation {
            sampling: SamplingParams { temperature: 0.0, ..SamplingParams::default() },
            max_tokens: Some(WARMUP_TOKENS),
            ignore_eos: true,
            use_cache: false,
            ..Generation::default()
        };
        let turn = TurnRequest { generation, ..TurnRequest::new("compare", vec![Message::text(Role::User, "Hello")]) };
        self.untimed(lease, turn).await?;
        self.span(Phase::Warm, from, self.now_ms());
        Ok(())
    }

    /// Puts the prompt into the cache.
    pub async fn fill_cache(&mut self, lease: &Lease) -> Result<(), Failure> {
        let from = self.now_ms();
        self.run.state(self.cell(), CellState::Warming, None, None);
        let mut turn = turn(self.run, self.cell());
        turn.generation.max_tokens = Some(0);
        self.untimed(lease, turn).await?;
        self.span(Phase::Warm, from, self.now_ms());
        Ok(())
    }

    async fn untimed(&self, lease: &Lease, request: TurnRequest) -> Result<(), Failure> {
        if let Ok((mut turn, _)) = start(lease, request).await? {
            while turn.next().await.is_some() {}
        }
        Ok(())
    }

    /// The answer, timed. What was said before a failure or a stop stays in the result.
    pub async fn answer(&mut self, lease: &Lease) -> Result<(), Failure> {
        let cell = self.cell();
        let from = self.now_ms();
        self.run.state(cell, CellState::Prefill, Some(0.0), None);
        let (mut turn, submit) = start(lease, turn(self.run, cell)).await?.map_err(|e| Failure::Cell(e.to_string()))?;
        let mut written_from = None;
        let mut reason = None;
        while let Some(event) = turn.next().await {
            match event {
                TurnEvent::Prefill(progress) => {
                    let share = f64::from(progress.processed) / f64::from(progress.total.max(1));
                    self.run.state(cell, CellState::Prefill, Some(share), None);
                }
                TurnEvent::Reasoning(delta) => {
                    if self.result.reasoning.is_none() {
                        self.run.state(cell, CellState::Thinking, None, None);
                    }
                    self.result.reasoning.get_or_insert_default().push_str(&delta.text);
                    self.run.log.push(CompareEvent::Reasoning { cell, text: delta.text });
                }
                TurnEvent::Text(delta) => {
                    if written_from.is_none() {
                        written_from = turn.tokens(0).last().map(|token| token.at_ms);
                        self.run.state(cell, CellState::Writing, None, None);
                    }
                    self.result.text.push_str(&delta.text);
                    self.run.log.push(CompareEvent::Text { cell, text: delta.text });
                }
                TurnEvent::Finish { reason: why, .. } => reason = Some(why),
                // A comparison offers no tools.
                TurnEvent::ToolCall { .. } | TurnEvent::Arguments { .. } => {}
                TurnEvent::End { summary, .. } => {
                    self.result.token_ids = turn.tokens(0).iter().map(|token| token.token).collect();
                    self.result.finish_reason = reason.take().map(|reason| reason.word().to_owned());
                    self.figures(lease, submit, &summary, turn.tokens(0));
                    self.spans(from, submit, &summary, written_from);
                }
                TurnEvent::Failed(error) => return Err(Failure::Cell(error.to_string())),
            }
        }
        Ok(())
    }

    fn figures(&mut self, lease: &Loaded, submit: Duration, summary: &Summary, tokens: &[TimedToken]) {
        let result = &mut self.result;
        let submit = ms(submit);
        result.queue_ms = Some(summary.queue_ms);
        result.prefill_ms = Some(summary.prefill_ms);
        result.total_ms = Some(submit + summary.queue_ms + summary.prefill_ms + summary.decode_ms);
        result.prompt_tokens = Some(summary.prompt_tokens);
        result.cached_tokens = Some(summary.cached_tokens);
        result.completion_tokens = Some(summary.completion_tokens);
        let computed = summary.prompt_tokens.saturating_sub(summary.cached_tokens);
        result.prefill_per_second = (computed >= FEWEST_PREFILL_TOKENS && summary.prefill_ms > 0.0)
            .then(|| f64::from(computed) / summary.prefill_ms * 1e3);
        let kept = u64::from(summary.prompt_tokens) + u64::from(summary.completion_tokens);
        result.kv_bytes = Some(kept * lease.cost.kv_bytes_per_token);
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
        result.first_token_ms = Some(submit + summary.queue_ms + first.at_ms);
        let decode_ms = last.at_ms - first.at_ms;
        result.decode_ms = Some(decode_ms);
        let after_first = tokens.len() - 1;
        result.decode_per_second = (after_first > 0 && decode_ms > 0.0).then(|| after_first as f64 / decode_ms * 1e3);
        let mut gaps: Vec<f64> = tokens.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).collect();
        gaps.sort_by(f64::total_cmp);
        result.token_ms_p50 = percentile(&gaps, 0.50);
        result.token_ms_p95 = percentile(&gaps, 0.95);
    }

    fn spans(&mut self, from: f64, submit: Duration, summary: &Summary, written_from: Option<f64>) {
        let queued = from + ms(submit);
        let admitted = queued + summary.queue_ms;
        let prefilled = admitted + summary.prefill_ms;
        let end = prefilled + summary.decode_ms;
        self.span(Phase::Queue, queued, admitted);
        self.span(Phase::Prefill, admitted, prefilled);
        let thought = self.result.reasoning.is_some();
        let writes_from = match written_from {
            Some(at) if thought => admitted + at,
            None if thought => end,
            _ => prefilled,
        };
        self.span(Phase::Think, prefilled, writes_from);
        self.span(Phase::Write, writes_from, end);
    }

    /// What is left to say when the answer is there, or there is none.
    pub fn finish(mut self, outcome: Option<&Failure>, stopped: bool) -> CellResult {
        if self.result.rss_before.is_some() {
            self.result.rss_after = machine::memory_resident();
            self.result.rss_peak = self.result.rss_peak.and_then(|_| machine::memory_peak());
        }
        if stopped {
            self.result.finish_reason = Some("stopped".to_owned());
        }
        self.result.error = outcome.map(|failure| match failure {
            Failure::Model(message) | Failure::Cell(message) => message.clone(),
            Failure::ShuttingDown => "the server is shutting down".to_owned(),
        });
        if self.result.error.is_none() && !stopped {
            self.result.words = Some(self.result.text.split_whitespace().count() as u32);
            let text = &self.result.text;
            let verdicts = self.run.plan.checks.iter().map(|check| crate::Verdict::Known(check.holds(text)));
            self.result.assertions = verdicts.collect();
        } else {
            let unknown = crate::Verdict::Unknown("there is no whole answer".to_owned());
            self.result.assertions = vec![unknown; self.run.plan.checks.len()];
        }
        self.result
    }
}

/// The value that the share `share` of sorted values does not exceed (nearest rank).
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// The request of a cell: the same messages for all columns, each with its own template and parameters.
pub(crate) fn turn(run: &Run, cell: Cell) -> TurnRequest {
    let request = &run.plan.request;
    let column = &run.plan.columns[cell.column];
    let system = request.system_prompt.iter().map(|text| Message::text(Role::System, text.clone()));
    let prompt = Message::text(Role::User, run.plan.before_prompt.clone() + &request.prompts[cell.prompt]);
    let generation = Generation {
        n: 1,
        logprobs: None,
        return_progress: true,
        use_cache: request.cache == Cache::Warm,
        ..column.generation.clone()
    };
    TurnRequest {
        template_kwargs: column.template_kwargs.clone(),
        generation,
        ..TurnRequest::new("compare", system.chain([prompt]).collect())
    }
}

/// Hands the messages over; how long that took: template, tokenizer, and the way into the queue.
async fn start(lease: &Lease, request: TurnRequest) -> Result<Result<(Turn, Duration), tern_chat::TurnError>, Failure> {
    let text = lease.text()?;
    let (chat, scheduler) = (text.chat.clone(), text.scheduler.clone());
    beside(move || {
        let begun = Instant::now();
        chat.start(&scheduler, request).map(|turn| (turn, begun.elapsed()))
    })
    .await
}

/// Takes every other idle model out of memory, and waits until the memory is free.
async fn unload_others(registry: &Registry, keep: &str) -> Result<(), Failure> {
    let others: Vec<_> = registry
        .loaded()
        .iter()
        .filter(|loaded| loaded.entry.id != keep && loaded.leases() == 0)
        .map(|loaded| (loaded.entry.id.clone(), loaded.text().ok().map(|text| text.scheduler.clone())))
        .collect();
    let registry = registry.clone();
    beside(move || {
        for (id, scheduler) in others {
            // One that somebody uses since a moment ago stays.
            if let (Ok(true), Some(scheduler)) = (registry.unload(&id, false), scheduler) {
                scheduler.join_timeout(FREEING);
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.50), Some(50.0));
        assert_eq!(percentile(&values, 0.95), Some(95.0));
        assert_eq!(percentile(&[7.0], 0.95), Some(7.0));
        assert_eq!(percentile(&[1.0, 9.0], 0.95), Some(9.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
