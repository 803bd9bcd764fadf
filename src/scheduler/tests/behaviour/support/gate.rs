//! A decoder between the scheduler and the echo engine: records passes, lets them through one by one, makes trouble.

use std::sync::{Arc, Condvar, Mutex};

use tern_engine::{Batch, DecodeError, Decoder, DecoderLimits, ImageChunk, Pos, SavedSequence, SeqId};

/// One forward pass: tokens of each sequence in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pass {
    pub sequences: Vec<(SeqId, usize)>,
}

impl Pass {
    pub fn tokens(&self) -> usize {
        self.sequences.iter().map(|(_, tokens)| tokens).sum()
    }
}

/// What goes wrong, and in which pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Every pass that feeds this token fails.
    FailOn(u32),
    /// Every pass that feeds this token panics.
    PanicOn(u32),
    /// Passes find the cache full when more than this many sequences hold tokens.
    FullAbove(usize),
    /// Logits are NaN.
    Nan,
}

#[derive(Default)]
struct State {
    open: bool,
    permits: usize,
    begun: usize,
    passes: Vec<Pass>,
    trouble: Option<Trouble>,
    copies: usize,
    saves: usize,
}

/// The test's side.
#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    /// Blocks until the scheduler is inside its `n`th pass (from 1), waiting for permission.
    pub fn wait_for_pass(&self, n: usize) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| state.begun < n).unwrap());
    }

    /// Lets one pass happen and waits until the scheduler is inside the next one.
    pub fn step(&self) {
        let mut state = self.state.lock().unwrap();
        let next = state.begun + 1;
        state.permits += 1;
        drop(state);
        self.changed.notify_all();
        self.wait_for_pass(next);
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.state.lock().unwrap().open = true;
        self.changed.notify_all();
    }

    /// Passes so far, the one waiting included.
    pub fn passes(&self) -> Vec<Pass> {
        self.state.lock().unwrap().passes.clone()
    }

    /// Copies of prefixes so far.
    pub fn copies(&self) -> usize {
        self.state.lock().unwrap().copies
    }

    /// Sequences saved outside the cache so far.
    pub fn saves(&self) -> usize {
        self.state.lock().unwrap().saves
    }

    pub fn make_trouble(&self, trouble: Option<Trouble>) {
        self.state.lock().unwrap().trouble = trouble;
    }

    fn enter(&self, pass: Pass) -> Option<Trouble> {
        let mut state = self.state.lock().unwrap();
        state.begun += 1;
        state.passes.push(pass);
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| !state.open && state.permits == 0).unwrap();
        state.permits = state.permits.saturating_sub(1);
        state.trouble
    }
}

struct Gated {
    inner: Box<dyn Decoder>,
    limits: DecoderLimits,
    lengths: Vec<u32>,
    gate: Arc<Gate>,
    nan: Option<Vec<f32>>,
}

pub fn wrap(inner: Box<dyn Decoder>, limits: DecoderLimits, closed: bool) -> (Box<dyn Decoder>, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    gate.state.lock().unwrap().open = !closed;
    let lengths = vec![0; limits.max_sequences as usize];
    (Box::new(Gated { inner, limits, lengths, gate: gate.clone(), nan: None }), gate)
}

impl Decoder for Gated {
    fn limits(&self) -> DecoderLimits {
        self.limits
    }

    fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        let mut pass = Pass::default();
        for token in batch.tokens() {
            match pass.sequences.iter_mut().find(|(seq, _)| *seq == token.seq) {
                Some((_, tokens)) => *tokens += 1,
                None => pass.sequences.push((token.seq, 1)),
            }
        }
        let feeds = |wanted: u32| batch.tokens().iter().any(|token| token.token == wanted);
        self.nan = None;
        match self.gate.enter(pass) {
            Some(Trouble::FailOn(token)) if feeds(token) => {
                return Err(DecodeError::Failed("asked to fail".into()));
            }
            Some(Trouble::PanicOn(token)) if feeds(token) => panic!("asked to panic"),
            Some(Trouble::FullAbove(most)) if self.lengths.iter().filter(|&&length| length > 0).count() > most => {
                return Err(DecodeError::KvFull { needed: batch.len() });
            }
            Some(Trouble::Nan) => {
                self.inner.decode(batch)?;
                self.nan = Some(vec![f32::NAN; self.inner.logits(0).len()]);
                return Ok(());
            }
            _ => {}
        }
        self.inner.decode(batch)?;
        for token in batch.tokens() {
            self.lengths[token.seq as usize] += 1;
        }
        Ok(())
    }

    fn decode_image(&mut self, seq: SeqId, pos: Pos, image: &ImageChunk) -> Result<(), DecodeError> {
        self.gate.enter(Pass { sequences: vec![(seq, image.cells())] });
        self.inner.decode_image(seq, pos, image)?;
        self.lengths[seq as usize] += image.cells() as u32;
        Ok(())
    }

    fn logits(&self, row: usize) -> &[f32] {
        self.nan.as_deref().unwrap_or_else(|| self.inner.logits(row))
    }

    fn kv_save(&mut self, seq: SeqId) -> Result<SavedSequence, DecodeError> {
        self.gate.state.lock().unwrap().saves += 1;
        let saved = self.inner.kv_save(seq)?;
        Ok(SavedSequence { bytes: saved.bytes, state: Box::new((saved, self.lengths[seq as usize])) })
    }

    fn kv_restore(&mut self, saved: &SavedSequence, seq: SeqId) -> Result<(), DecodeError> {
        let (saved, length) = saved.state.downcast_ref::<(SavedSequence, u32)>().expect("saved by this decoder");
        self.inner.kv_restore(saved, seq)?;
        self.lengths[seq as usize] = *length;
        Ok(())
    }

    fn kv_truncate(&mut self, seq: SeqId, from: Pos) -> Result<(), DecodeError> {
        if !self.limits.partial_sequences && from != 0 {
            return Err(DecodeError::Unsupported("a recurrent state cannot be cut".into()));
        }
        self.lengths[seq as usize] = self.lengths[seq as usize].min(from);
        self.inner.kv_truncate(seq, from)
    }

    fn kv_copy(&mut self, from: SeqId, to: SeqId, len: Pos) -> Result<(), DecodeError> {
        if !self.limits.partial_sequences && len != self.lengths[from as usize] {
            return Err(DecodeError::Unsupported("a recurrent state is copied whole".into()));
        }
        self.gate.state.lock().unwrap().copies += 1;
        self.lengths[to as usize] = len;
        self.inner.kv_copy(from, to, len)
    }
}
