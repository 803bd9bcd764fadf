//! What each token is and spells, in one table.

use tern_engine::Token;

/// What a token is for. The numbers are those of `tokenizer.ggml.token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Normal,
    /// Stands for what the vocabulary cannot spell; not shown.
    Unknown,
    /// Steers the model; not shown, and read in user text only when asked for.
    Control,
    /// Text that is always found before anything else is split.
    UserDefined,
    /// A filler.
    Unused,
    /// One byte, spelled `<0xNN>`.
    Byte,
}

impl Kind {
    pub(crate) fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            6 => Self::Byte,
            // llama.cpp reads what it does not know as undefined, which is neither found nor shown.
            _ => Self::Unused,
        }
    }

    /// Not shown unless asked for, and never the reading of user text.
    pub(crate) fn hidden(self) -> bool {
        matches!(self, Self::Control | Self::Unknown)
    }
}

/// The bytes, kinds and ends of all tokens.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    // Where each token's bytes end.
    ends: Vec<usize>,
    kinds: Vec<Kind>,
    ends_generation: Vec<bool>,
}

impl Pieces {
    pub(crate) fn push(&mut self, bytes: &[u8], kind: Kind, ends_generation: bool) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        self.kinds.push(kind);
        self.ends_generation.push(ends_generation);
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn decode(&self, token: Token, special: bool, out: &mut Vec<u8>) {
        let index = token as usize;
        let Some(&end) = self.ends.get(index) else { return };
        if special || !self.kinds[index].hidden() {
            let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
            out.extend_from_slice(&self.bytes[start..end]);
        }
    }

    pub(crate) fn is_control(&self, token: Token) -> bool {
        self.kinds.get(token as usize) == Some(&Kind::Control)
    }

    pub(crate) fn is_end_of_generation(&self, token: Token) -> bool {
        self.ends_generation.get(token as usize) == Some(&true)
    }
}
