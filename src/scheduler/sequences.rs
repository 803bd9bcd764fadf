//! The decoder's sequences as a cache: which tokens each holds, who uses it, and what a new prompt may share.
//!
//! A sequence is free (empty), active (a running answer's) or idle (left by an answer that ended). Idle ones are kept
//! until their number or their cells are needed, least recently used first; where the decoder can save them they go on
//! the shelf (`shelf.rs`) rather than out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tern_engine::{DecodeError, Decoder, DecoderLimits, Pos, SeqId, Token};

use crate::{
    cells::{Cell, Cells},
    shelf::{Shelf, Shelved},
};

#[derive(Debug, Default)]
struct Sequence {
    tokens: Vec<Token>,
    /// One for each token.
    cells: Vec<Cell>,
    active: bool,
    /// When it was last in use, on a clock that counts uses.
    used: u64,
}

impl Sequence {
    fn is_idle(&self) -> bool {
        !self.active && !self.tokens.is_empty()
    }

    fn is_free(&self) -> bool {
        !self.active && self.tokens.is_empty()
    }
}

/// A common prefix shorter than this (the beginning of a chat template) says nothing about a history still being of
/// use.
const SAYS_SOMETHING: usize = 16;

/// An idle sequence of which fewer cells than this are its own is in nobody's way.
const IN_THE_WAY: usize = 64;

/// A sequence made ready for a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Which sequence.
    pub seq: SeqId,
    /// How many of the prompt's tokens it holds already.
    pub cached: usize,
}

/// All sequences of a decoder.
pub struct Sequences {
    all: Vec<Sequence>,
    cells: Cells,
    shelf: Shelf,
    limits: DecoderLimits,
    clock: u64,
    /// Idle sequences given up for good so far.
    pub evictions: u64,
}

/// How many tokens two histories have in common from the beginning.
pub fn common_prefix(a: &[Token], b: &[Token]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl Sequences {
    /// All sequences empty.
    pub fn new(limits: DecoderLimits) -> Self {
        let all = (0..limits.max_sequences).map(|_| Sequence::default()).collect();
        Self { all, cells: Cells::default(), shelf: Shelf::new(limits.saved_bytes), limits, clock: 0, evictions: 0 }
    }

    /// How many tokens `seq` holds.
    pub fn len(&self, seq: SeqId) -> usize {
        self.all[seq as usize].tokens.len()
    }

    /// Cells in use.
    pub fn used_cells(&self) -> usize {
        self.cells.used()
    }

    /// Bytes of sequences kept outside the cache.
    pub fn saved_bytes(&self) -> u64 {
        self.shelf.bytes()
    }

    /// Cells that running answers hold.
    pub fn pinned_cells(&self) -> usize {
        self.cells.pinned()
    }

    /// Cells that could be had by giving up every idle sequence.
    pub fn available_cells(&self) -> usize {
        (self.limits.kv_cells as usize).saturating_sub(self.cells.pinned())
    }

    /// How many tokens of `target` some sequence holds already; at most all but one, since the last token is always
    /// computed to have its logits.
    pub fn longest_prefix(&self, target: &[Token]) -> usize {
        let held = (0..self.all.len()).map(|seq| self.usable_prefix(seq, target)).max().unwrap_or(0);
        self.on_shelf(target).map_or(held, |(_, common)| common.max(held))
    }

    fn usable_prefix(&self, seq: usize, target: &[Token]) -> usize {
        let tokens = &self.all[seq].tokens;
        let common = common_prefix(tokens, target).min(target.len() - 1);
        // A recurrent state cannot be cut: it is usable whole or not at all.
        if self.limits.partial_sequences || common == tokens.len() { common } else { 0 }
    }

    /// Gives `target` a sequence with as much of it as any sequence holds; nothing is reused unless `reuse`.
    /// The caller sees to it that fewer answers run than there are sequences; `None` if it did not.
    pub fn place(&mut self, decoder: &mut dyn Decoder, target: &[Token], reuse: bool) -> Option<Placed> {
        self.clock += 1;
        let prefix = |this: &Self, seq: usize| if reuse { this.usable_prefix(seq, target) } else { 0 };
        // Of equally long prefixes the idle sequence that has nothing else is the best: it needs no copy.
        let source = (0..self.all.len()).max_by_key(|&seq| {
            let sequence = &self.all[seq];
            let common = prefix(self, seq);
            (common, sequence.is_idle() && common == sequence.tokens.len(), sequence.used)
        })?;
        let common = prefix(self, source);
        if reuse
            && let Some((index, longer)) = self.on_shelf(target)
            && longer >= common + SAYS_SOMETHING
            && let Some(placed) = self.take_back(decoder, index, longer)
        {
            return Some(placed);
        }
        if common == 0 {
            let seq = self.free_up(decoder, None)?;
            self.all[seq].active = true;
            return Some(Placed { seq: seq as SeqId, cached: 0 });
        }
        if common >= SAYS_SOMETHING || common == self.all[source].tokens.len() {
            self.all[source].used = self.clock;
        }
        if self.all[source].is_idle() && self.should_take_over(source, common) {
            return self.take_over(decoder, source, common).or_else(|| self.place(decoder, target, false));
        }
        let seq = self.free_up(decoder, Some(source))?;
        self.copy(decoder, source, seq, common).or_else(|| self.place(decoder, target, false))
    }

    /// Makes a free sequence with the first `len` tokens of `source`. `None` if there is none to be had.
    pub fn fork(&mut self, decoder: &mut dyn Decoder, source: SeqId) -> Option<SeqId> {
        self.clock += 1;
        let seq = self.free_up(decoder, Some(source as usize))?;
        self.copy(decoder, source as usize, seq, self.len(source)).map(|placed| placed.seq)
    }

    /// Whether an idle sequence should be continued in place, losing what it holds beyond `common`, rather than copied.
    fn should_take_over(&self, source: usize, common: usize) -> bool {
        let sequence = &self.all[source];
        if common == sequence.tokens.len() {
            return true;
        }
        if self.all.iter().any(Sequence::is_free) {
            return false;
        }
        // Something must go. If this is the least recently used history, or most of it is kept (a turn rendered a
        // little differently), its tail goes; otherwise the least useful other one.
        let Some(other) = self.least_useful(Some(source)) else { return true };
        let tail = self.cells.exclusive(&sequence.cells[common..]);
        let loss = self.cells.exclusive(&self.all[other].cells);
        self.least_useful(None) == Some(source) || (tail <= common / 4 && tail <= loss)
    }

    /// The entry of the shelf that has the most of `target`, and how much.
    fn on_shelf(&self, target: &[Token]) -> Option<(usize, usize)> {
        self.shelf.longest_prefix(target, !self.limits.partial_sequences)
    }

    /// Makes the first `common` tokens of entry `index` of the shelf a running answer's sequence. `None` if there is no
    /// room, or the decoder fails.
    fn take_back(&mut self, decoder: &mut dyn Decoder, index: usize, common: usize) -> Option<Placed> {
        // Making room may put others on the shelf, so the entry is taken first.
        let entry = self.shelf.take(index);
        let seq = if self.make_room(decoder, entry.tokens.len()) { self.free_up(decoder, None) } else { None };
        let Some(seq) = seq else {
            self.shelf.put(entry);
            return None;
        };
        if let Err(error) = guarded(|| decoder.kv_restore(&entry.saved, seq as SeqId)) {
            tracing::warn!(%error, "a sequence put aside could not be brought back; it is computed again");
            return None;
        }
        let cells = entry.tokens.iter().map(|_| self.cells.allocate()).collect();
        self.all[seq] = Sequence { tokens: entry.tokens.clone(), cells, active: true, used: self.clock };
        self.leave(seq as SeqId);
        let kept = entry.tokens.len();
        if common < kept - kept / 4 {
            // Most of it is of no use to this prompt and may be to the next.
            self.shelf.put(entry);
        }
        self.take_over(decoder, seq, common)
    }

    /// Puts the idle sequence least recently used of those whose cells are in the way of running answers on the shelf.
    /// One at a time, so that no stream waits for many.
    pub fn put_aside(&mut self, decoder: &mut dyn Decoder) {
        if !self.shelf.is_open() || self.cells.pinned() == self.cells.used() {
            return;
        }
        let in_the_way = |&seq: &usize| {
            let sequence = &self.all[seq];
            let own = self.cells.exclusive(&sequence.cells);
            // One that shares most of its cells would take them twice, outside and in.
            sequence.is_idle() && own >= IN_THE_WAY && 2 * own >= sequence.cells.len()
        };
        if let Some(seq) = (0..self.all.len()).filter(in_the_way).min_by_key(|&seq| self.all[seq].used) {
            self.give_up(decoder, seq);
        }
    }

    /// Empties an idle sequence: onto the shelf if it may be of use, else for good.
    fn give_up(&mut self, decoder: &mut dyn Decoder, seq: usize) {
        let sequence = &self.all[seq];
        let own = self.cells.exclusive(&sequence.cells);
        if !self.shelf.is_open() || own < SAYS_SOMETHING {
            self.evictions += 1;
            return self.clear(decoder, seq);
        }
        let mut saved = None;
        let result = guarded(|| {
            saved = Some(decoder.kv_save(seq as SeqId)?);
            Ok(())
        });
        match (result, saved) {
            (Ok(()), Some(saved)) => {
                let (tokens, used) = (self.all[seq].tokens.clone(), self.all[seq].used);
                self.evictions += self.shelf.put(Shelved { tokens, saved, used });
            }
            (Err(error), _) => {
                tracing::warn!(%error, seq, "an idle sequence could not be put aside; it is dropped");
                self.evictions += 1;
            }
            (Ok(()), None) => {}
        }
        self.clear(decoder, seq);
    }

    fn take_over(&mut self, decoder: &mut dyn Decoder, seq: usize, common: usize) -> Option<Placed> {
        if common < self.all[seq].tokens.len() {
            if let Err(error) = guarded(|| decoder.kv_truncate(seq as SeqId, common as Pos)) {
                tracing::warn!(%error, seq, common, "a cached sequence could not be cut; it is dropped");
                self.clear(decoder, seq);
                return None;
            }
            let sequence = &mut self.all[seq];
            sequence.tokens.truncate(common);
            self.cells.release(&sequence.cells.split_off(common));
        }
        let sequence = &mut self.all[seq];
        sequence.active = true;
        self.cells.pin(&sequence.cells);
        Some(Placed { seq: seq as SeqId, cached: common })
    }

    fn copy(&mut self, decoder: &mut dyn Decoder, from: usize, to: usize, len: usize) -> Option<Placed> {
        if let Err(error) = guarded(|| decoder.kv_copy(from as SeqId, to as SeqId, len as Pos)) {
            tracing::warn!(%error, from, len, "a cached prefix could not be copied; it is computed again");
            return None;
        }
        let tokens = self.all[from].tokens[..len].to_vec();
        let cells = self.all[from].cells[..len].to_vec();
        self.cells.share(&cells);
        self.all[to] = Sequence { tokens, cells, active: true, used: self.clock };
        Some(Placed { seq: to as SeqId, cached: len })
    }

    /// The tokens were computed and appended to `seq`.
    pub fn append(&mut self, seq: SeqId, tokens: &[Token]) {
        let sequence = &mut self.all[seq as usize];
        sequence.tokens.extend_from_slice(tokens);
        for _ in tokens {
            let cell = self.cells.allocate();
            sequence.cells.push(cell);
        }
    }

    /// The answer that used `seq` has ended; what it computed is kept for reuse.
    pub fn leave(&mut self, seq: SeqId) {
        self.clock += 1;
        let sequence = &mut self.all[seq as usize];
        sequence.active = false;
        sequence.used = self.clock;
        self.cells.unpin(&sequence.cells);
    }

    /// Empties `seq`, whoever uses it.
    pub fn drop_sequence(&mut self, decoder: &mut dyn Decoder, seq: SeqId) {
        if self.all[seq as usize].active {
            self.leave(seq);
        }
        self.clear(decoder, seq as usize);
    }

    /// Empties every sequence.
    pub fn drop_all(&mut self, decoder: &mut dyn Decoder) {
        for seq in 0..self.all.len() {
            self.drop_sequence(decoder, seq as SeqId);
        }
        self.shelf.clear();
    }

    /// Gives idle sequences up until `needed` cells are free. Returns whether they are.
    pub fn make_room(&mut self, decoder: &mut dyn Decoder, needed: usize) -> bool {
        while self.cells.used() + needed > self.limits.kv_cells as usize {
            if !self.evict(decoder) {
                return false;
            }
        }
        true
    }

    /// Gives up the idle sequence least recently used of those that hold cells of their own.
    /// Returns whether there was one.
    pub fn evict(&mut self, decoder: &mut dyn Decoder) -> bool {
        let idle = (0..self.all.len()).filter(|&seq| self.all[seq].is_idle());
        // One that shares all its cells frees none, unless others that share them go too; they come last.
        let victim = idle.min_by_key(|&seq| (self.cells.exclusive(&self.all[seq].cells) == 0, self.all[seq].used));
        let Some(victim) = victim else { return false };
        self.give_up(decoder, victim);
        true
    }

    /// A free sequence: an empty one, or else the least useful idle one, which is given up. Never `keep`.
    fn free_up(&mut self, decoder: &mut dyn Decoder, keep: Option<usize>) -> Option<usize> {
        if let Some(free) = self.all.iter().position(Sequence::is_free) {
            return Some(free);
        }
        let victim = self.least_useful(keep)?;
        self.give_up(decoder, victim);
        Some(victim)
    }

    /// The idle sequence whose number is the cheapest to have: one whose tokens others hold too, or else the least
    /// recently used.
    fn least_useful(&self, keep: Option<usize>) -> Option<usize> {
        let idle = (0..self.all.len()).filter(|&seq| self.all[seq].is_idle() && Some(seq) != keep);
        idle.min_by_key(|&seq| (self.cells.exclusive(&self.all[seq].cells) > 0, self.all[seq].used))
    }

    fn clear(&mut self, decoder: &mut dyn Decoder, seq: usize) {
        let sequence = std::mem::take(&mut self.all[seq]);
        self.cells.release(&sequence.cells);
        if let Err(error) = guarded(|| decoder.kv_truncate(seq as SeqId, 0)) {
            // The next batch on it is refused by the decoder and ends one request, not the thread.
            tracing::error!(%error, seq, "the engine could not free a sequence");
        }
    }
}

/// How a call into the engine failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The engine said so.
    #[error(transparent)]
    Engine(#[from] DecodeError),
    /// It panicked: nothing is known about any sequence.
    #[error("the engine panicked: {0}")]
    Panicked(String),
}

/// Runs a call into the engine; a panic in it becomes an error.
pub fn guarded(call: impl FnOnce() -> Result<(), DecodeError>) -> Result<(), CallError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(CallError::Engine),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(CallError::Panicked(text.unwrap_or_else(|| "without a message".into())))
        }
    }
}
