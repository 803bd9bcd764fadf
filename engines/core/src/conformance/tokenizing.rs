//! Tokenizers: nothing of a text is lost, and user text never becomes a control token.

use super::{Failure, Outcome};
use crate::{Token, Tokenizer};

/// What comes back when a text is encoded and its tokens are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundTrip {
    /// The text, byte for byte (byte-level BPE).
    Exact,
    /// The text, perhaps with a space before it (SentencePiece with a dummy prefix).
    LeadingSpace,
    /// Something else (vocabularies that fold case or drop what they do not know).
    Lossy,
}

/// One check of a tokenizer.
pub struct TokenizerCheck {
    /// What a conforming tokenizer does.
    pub name: &'static str,
    run: fn(&dyn Tokenizer, RoundTrip) -> Result<Outcome, Failure>,
}

impl TokenizerCheck {
    /// Runs it.
    ///
    /// # Errors
    /// The evidence.
    pub fn run(&self, tokenizer: &dyn Tokenizer, round_trip: RoundTrip) -> Result<Outcome, Failure> {
        (self.run)(tokenizer, round_trip)
    }
}

/// The checks of a tokenizer.
pub const TOKENIZER: &[TokenizerCheck] = &[
    TokenizerCheck { name: "the bytes of a text's tokens are the text", run: round_trips },
    TokenizerCheck { name: "a text with a zero byte is kept whole or refused", run: zero_byte },
    TokenizerCheck { name: "a long text is kept whole", run: long_text },
    TokenizerCheck { name: "an empty text has no tokens", run: empty_text },
    TokenizerCheck { name: "special tokens stand around a text and leave it alone", run: special_around },
    TokenizerCheck { name: "control tokens spelled in user text stay text", run: spelled_control },
    TokenizerCheck { name: "control tokens are read when asked for", run: parsed_control },
    TokenizerCheck { name: "control tokens are shown only when asked for", run: shown_control },
    TokenizerCheck { name: "generation can end", run: can_end },
    TokenizerCheck { name: "ids outside the vocabulary are nothing", run: outside },
];

const TEXTS: &[&str] = &[
    "Hello, world!",
    "  two spaces before, two after  ",
    "line\nbreaks\r\n\n\nand\ttabs",
    "1234567890 + 3.14159 = x^2",
    "fn main() { println!(\"{}\", a[0] && b); }",
    "Grüße aus Zürich, œuvre, naïve",
    "e\u{301} combining, \u{fb01} ligature, \u{200d} joiner, \u{feff} mark",
    "日本語のテキスト、中文，한국어",
    "العربية עברית हिन्दी ไทย",
    "👨‍👩‍👧‍👦 🇨🇭 👍🏽 🏳️‍🌈",
    "\u{10ffff}\u{1}\u{7f}",
    "a",
    " ",
    "\n",
];

type Checked = Result<Outcome, Failure>;

fn encode(tokenizer: &dyn Tokenizer, text: &str, special: bool, parse: bool) -> Result<Vec<Token>, Failure> {
    let tokens = tokenizer.encode(text, special, parse);
    let tokens = tokens.map_err(|error| Failure(format!("encode of {:?}: {error}", shortened(text))))?;
    let vocab_size = tokenizer.vocab_size();
    match tokens.iter().find(|&&token| token as usize >= vocab_size) {
        Some(token) => Err(Failure(format!("{:?} has token {token}, vocabulary {vocab_size}", shortened(text)))),
        None => Ok(tokens),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

fn bytes(tokenizer: &dyn Tokenizer, tokens: &[Token], special: bool) -> Vec<u8> {
    let mut out = Vec::new();
    tokens.iter().for_each(|&token| tokenizer.decode(token, special, &mut out));
    out
}

fn kept(tokenizer: &dyn Tokenizer, text: &str, tokens: &[Token], round_trip: RoundTrip) -> Result<(), Failure> {
    let got = bytes(tokenizer, tokens, false);
    let same = got == text.as_bytes();
    let prefixed = round_trip == RoundTrip::LeadingSpace && got.strip_prefix(b" ") == Some(text.as_bytes());
    if same || prefixed || round_trip == RoundTrip::Lossy {
        return Ok(());
    }
    let place = got.iter().zip(text.as_bytes()).take_while(|(a, b)| a == b).count();
    Err(Failure(format!(
        "{:?}: {} bytes came back, expected {}; first difference at byte {place}: {:?}",
        shortened(text),
        got.len(),
        text.len(),
        String::from_utf8_lossy(&got[place..got.len().min(place + 20)]),
    )))
}

const LOSSY: Outcome = Outcome::DoesNotApply("the vocabulary does not keep texts as they are");

fn round_trips(tokenizer: &dyn Tokenizer, round_trip: RoundTrip) -> Checked {
    for text in TEXTS {
        let tokens = encode(tokenizer, text, false, false)?;
        kept(tokenizer, text, &tokens, round_trip)?;
    }
    Ok(if round_trip == RoundTrip::Lossy { LOSSY } else { Outcome::Passed })
}

fn zero_byte(tokenizer: &dyn Tokenizer, round_trip: RoundTrip) -> Checked {
    for text in ["\0", "before\0after"] {
        if let Ok(tokens) = tokenizer.encode(text, false, false) {
            kept(tokenizer, text, &tokens, round_trip)?;
        }
    }
    Ok(if round_trip == RoundTrip::Lossy { LOSSY } else { Outcome::Passed })
}

fn long_text(tokenizer: &dyn Tokenizer, round_trip: RoundTrip) -> Checked {
    let text = "The quick brown fox, aged 7, jumps over the lazy dog; naïve façade.\n".repeat(3000);
    let tokens = encode(tokenizer, &text, false, false)?;
    kept(tokenizer, &text, &tokens, round_trip)?;
    Ok(if round_trip == RoundTrip::Lossy { LOSSY } else { Outcome::Passed })
}

fn empty_text(tokenizer: &dyn Tokenizer, _: RoundTrip) -> Checked {
    let tokens = encode(tokenizer, "", false, false)?;
    if !tokens.is_empty() {
        return Err(Failure(format!("tokens {tokens:?}, expected none")));
    }
    let around = encode(tokenizer, "", true, false)?;
    match around.iter().find(|&&token| !tokenizer.is_control(token)) {
        Some(token) => Err(Failure(format!("with special tokens {around:?}, of which {token} is no control token"))),
        None => Ok(Outcome::Passed),
    }
}

fn special_around(tokenizer: &dyn Tokenizer, _: RoundTrip) -> Checked {
    let plain = encode(tokenizer, TEXTS[0], false, false)?;
    let around = encode(tokenizer, TEXTS[0], true, false)?;
    let inside: Vec<_> = around.iter().copied().filter(|&token| !tokenizer.is_control(token)).collect();
    if inside != plain {
        return Err(Failure(format!("{inside:?} between special tokens, {plain:?} without")));
    }
    Ok(Outcome::Passed)
}

/// Control tokens with the spelling that a user might type.
fn spellings(tokenizer: &dyn Tokenizer) -> impl Iterator<Item = (Token, String)> {
    let control = (0..tokenizer.vocab_size() as Token).filter(|&token| tokenizer.is_control(token));
    control.filter_map(|token| {
        let spelling = String::from_utf8(bytes(tokenizer, &[token], true)).ok()?;
        (!spelling.is_empty()).then_some((token, spelling))
    })
}

fn spelled_control(tokenizer: &dyn Tokenizer, round_trip: RoundTrip) -> Checked {
    let mut checked = 0;
    for (_, spelling) in spellings(tokenizer) {
        for text in [spelling.clone(), format!("say {spelling} to me")] {
            let tokens = encode(tokenizer, &text, false, false)?;
            if let Some(&token) = tokens.iter().find(|&&token| tokenizer.is_control(token)) {
                return Err(Failure(format!("user text {text:?} has control token {token}")));
            }
            kept(tokenizer, &text, &tokens, round_trip)?;
        }
        checked += 1;
    }
    Ok(if checked == 0 { Outcome::DoesNotApply("no control token has a spelling") } else { Outcome::Passed })
}

fn parsed_control(tokenizer: &dyn Tokenizer, _: RoundTrip) -> Checked {
    let main = [tokenizer.bos(), tokenizer.eos()];
    let mut checked = 0;
    for (token, spelling) in spellings(tokenizer).filter(|(token, _)| main.contains(&Some(*token))) {
        let tokens = encode(tokenizer, &format!("a{spelling}b"), false, true)?;
        if !tokens.contains(&token) {
            return Err(Failure(format!("{spelling:?} parsed as {tokens:?}, expected token {token} among them")));
        }
        checked += 1;
    }
    Ok(if checked == 0 { Outcome::DoesNotApply("neither BOS nor EOS is a control token") } else { Outcome::Passed })
}

fn shown_control(tokenizer: &dyn Tokenizer, _: RoundTrip) -> Checked {
    for token in (0..tokenizer.vocab_size() as Token).filter(|&token| tokenizer.is_control(token)) {
        let hidden = bytes(tokenizer, &[token], false);
        if !hidden.is_empty() {
            let text = String::from_utf8_lossy(&hidden).into_owned();
            return Err(Failure(format!("control token {token} is shown as {text:?} without being asked for")));
        }
    }
    Ok(Outcome::Passed)
}

fn can_end(tokenizer: &dyn Tokenizer, _: RoundTrip) -> Checked {
    match tokenizer.eos() {
        Some(eos) if !tokenizer.is_end_of_generation(eos) => {
            Err(Failure(format!("the end-of-sequence token {eos} does not end generation")))
        }
        _ if !(0..tokenizer.vocab_size() as Token).any(|token| tokenizer.is_end_of_generation(token)) => {
            Err(Failure("no token of the vocabulary ends generation".into()))
        }
        _ => Ok(Outcome::Passed),
    }
}

fn outside(tokenizer: &dyn Tokenizer, _: RoundTrip) -> Checked {
    for token in [tokenizer.vocab_size() as Token, Token::MAX / 2 + 1, Token::MAX] {
        let text = bytes(tokenizer, &[token], true);
        if !text.is_empty() || tokenizer.is_control(token) || tokenizer.is_end_of_generation(token) {
            return Err(Failure(format!("token {token} is outside the vocabulary and means something")));
        }
    }
    Ok(Outcome::Passed)
}
