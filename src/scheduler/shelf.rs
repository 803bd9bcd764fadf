//! Sequences put aside outside the KV cache.
//!
//! An idle sequence is of use only when its conversation goes on, and until then its cells are in the way: an engine
//! whose sequences share their cells walks over all of them in every pass (llama.cpp, 8 streams beside as many idle
//! ones of 250 tokens: 85 ms a step instead of 78, prompts up to a fifth slower). Copying it out and back costs about
//! what one pass spends on reading it. So it is kept here meanwhile, least recently used out first.

use tern_engine::{SavedSequence, Token};

use crate::sequences::common_prefix;

/// A sequence that was put aside.
pub struct Shelved {
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// What the decoder saved.
    pub saved: SavedSequence,
    /// When it was last in use, on the clock of the sequences.
    pub used: u64,
}

/// All that is put aside, within a number of bytes.
pub struct Shelf {
    entries: Vec<Shelved>,
    bytes: u64,
    limit: u64,
}

impl Shelf {
    /// An empty one for at most `limit` bytes; 0 keeps nothing.
    pub fn new(limit: u64) -> Self {
        Self { entries: Vec::new(), bytes: 0, limit }
    }

    /// Whether anything may be kept.
    pub fn is_open(&self) -> bool {
        self.limit > 0
    }

    /// Bytes kept.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keeps a sequence. What it continues goes: it has all of that. Returns how many others had to go for room, itself
    /// included when it is larger than all there is.
    pub fn put(&mut self, shelved: Shelved) -> u64 {
        self.entries.retain(|other| {
            let continued = shelved.tokens.starts_with(&other.tokens);
            self.bytes -= if continued { other.saved.bytes } else { 0 };
            !continued
        });
        self.bytes += shelved.saved.bytes;
        self.entries.push(shelved);
        let mut gone = 0;
        while self.bytes > self.limit {
            let Some(oldest) = (0..self.entries.len()).min_by_key(|&i| self.entries[i].used) else { break };
            self.take(oldest);
            gone += 1;
        }
        gone
    }

    /// Removes entry `index`.
    pub fn take(&mut self, index: usize) -> Shelved {
        let shelved = self.entries.swap_remove(index);
        self.bytes -= shelved.saved.bytes;
        shelved
    }

    /// The entry with the most of `target` at its beginning and how much that is, at most all but one. Where `whole`,
    /// only entries that are a beginning of it.
    pub fn longest_prefix(&self, target: &[Token], whole: bool) -> Option<(usize, usize)> {
        let usable = self.entries.iter().enumerate().map(|(index, entry)| {
            let common = common_prefix(&entry.tokens, target).min(target.len() - 1);
            (index, if whole && common < entry.tokens.len() { 0 } else { common })
        });
        // Of equals the shortest has the least to copy.
        usable
            .filter(|&(_, common)| common > 0)
            .max_by_key(|&(index, common)| (common, std::cmp::Reverse(self.entries[index].tokens.len())))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelved(tokens: &[Token], bytes: u64, used: u64) -> Shelved {
        Shelved { tokens: tokens.to_vec(), saved: SavedSequence { bytes, state: Box::new(()) }, used }
    }

    #[test]
    fn the_least_recently_used_goes_first_and_bytes_are_kept_count_of() {
        let mut shelf = Shelf::new(100);
        assert_eq!(shelf.put(shelved(&[1, 2, 3], 40, 2)), 0);
        assert_eq!(shelf.put(shelved(&[4, 5, 6], 40, 1)), 0);
        assert_eq!(shelf.put(shelved(&[7, 8, 9], 40, 3)), 1);
        assert_eq!(shelf.bytes(), 80);
        assert_eq!(shelf.longest_prefix(&[4, 5, 6, 7], false), None);
        assert_eq!(shelf.put(shelved(&[1], 101, 4)), 3);
        assert_eq!(shelf.bytes(), 0);
    }

    #[test]
    fn the_longest_beginning_is_found_and_a_continuation_replaces_what_it_continues() {
        let mut shelf = Shelf::new(100);
        shelf.put(shelved(&[1, 2, 3], 10, 1));
        shelf.put(shelved(&[1, 2, 3, 4, 5], 20, 2));
        assert_eq!(shelf.bytes(), 20);
        shelf.put(shelved(&[1, 9], 10, 3));
        let (index, common) = shelf.longest_prefix(&[1, 2, 3, 4, 8, 8], false).unwrap_or_default();
        assert_eq!((shelf.entries[index].tokens.len(), common), (5, 4));
        // The last token of a prompt is always computed.
        assert_eq!(shelf.longest_prefix(&[1, 9], true), None);
        assert!(shelf.longest_prefix(&[1, 9, 9], true).is_some_and(|(_, common)| common == 2));
    }
}
