//! How a text is divided into words before they are merged, by the names of `tokenizer.ggml.pre`.
//!
//! A recipe is a list of patterns. Each divides the pieces that the one before it left: what it matches is a piece of
//! its own, and so is what lies between matches.
//!
//! The patterns are those of the models' own `tokenizer.json`, with one change: `\s+(?!\S)`, a run of spaces without the
//! last one before a word, is written `\s+` and the last space is taken off the match by hand. So nothing needs
//! look-ahead, and an engine without backtracking can run them: its time is linear in the text and it has no stack to
//! overflow.

use regex::Regex;

use crate::{TokenizerError, metadata::PRE};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";
const LLAMA3: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const QWEN2: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const QWEN35: &str = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+"##;
const KANA_AND_HAN: &str = r"[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+";
const HAN_AND_HANGUL: &str = r"[\u{4e00}-\u{9fa5}\u{800}-\u{4e00}\u{ac00}-\u{d7ff}]+";
const DEEPSEEK_PUNCTUATION: &str = r"\s?[!-/:-~\u{ff01}-\u{ff0f}\u{ff1a}-\u{ff5e}\u{2018}-\u{201f}\u{3000}-\u{3002}]+";
/// Letters with case, as DeepSeek LLM lists them.
const DEEPSEEK_LETTERS: &str = r"(?x)\s?[A-Za-z
        \u{b5}\u{c0}-\u{d6}\u{d8}-\u{f6}\u{f8}-\u{1ba}\u{1bc}-\u{1bf}\u{1c4}-\u{293}\u{295}-\u{2af}
        \u{370}-\u{373}\u{376}\u{377}\u{37b}-\u{37d}\u{37f}\u{386}\u{388}-\u{38a}\u{38c}\u{38e}-\u{3a1}
        \u{3a3}-\u{3f5}\u{3f7}-\u{481}\u{48a}-\u{52f}\u{531}-\u{556}\u{10a0}-\u{10c5}\u{13a0}-\u{13f5}
        \u{13f8}-\u{13fd}\u{1c90}-\u{1cba}\u{1cbd}-\u{1cbf}\u{1d00}-\u{1d2b}\u{1d6b}-\u{1d77}\u{1d79}-\u{1d9a}
        \u{1e00}-\u{1f15}\u{1f18}-\u{1f1d}\u{1f20}-\u{1f45}\u{1f48}-\u{1f4d}\u{1f50}-\u{1f57}\u{1f59}\u{1f5b}
        \u{1f5d}\u{1f5f}-\u{1f7d}\u{1f80}-\u{1fb4}\u{1fb6}-\u{1fbc}\u{1fbe}\u{1fc2}-\u{1fc4}\u{1fc6}-\u{1fcc}
        \u{1fd0}-\u{1fd3}\u{1fd6}-\u{1fdb}\u{1fe0}-\u{1fec}\u{1ff2}-\u{1ff4}\u{1ff6}-\u{1ffc}\u{2102}\u{2107}
        \u{210a}-\u{2113}\u{2115}\u{2119}-\u{211d}\u{2124}\u{2126}\u{2128}\u{212a}-\u{212d}\u{212f}-\u{2134}
        \u{2139}\u{213c}-\u{213f}\u{2145}-\u{2149}\u{214e}\u{2183}\u{2184}\u{2c00}-\u{2c7b}\u{2c7e}-\u{2ce4}
        \u{2ceb}-\u{2cee}\u{2cf2}\u{2cf3}\u{a640}-\u{a66d}\u{a680}-\u{a69b}\u{a722}-\u{a76f}\u{a771}-\u{a787}
        \u{a78b}-\u{a78e}\u{ab70}-\u{abbf}\u{fb00}-\u{fb06}\u{fb13}-\u{fb17}\u{ff21}-\u{ff3a}\u{ff41}-\u{ff5a}
        \u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}
        \u{118a0}-\u{118df}\u{1e900}-\u{1e943}]+";
const FALCON_PUNCTUATION: &str = r"[\p{P}$+<=>^~|`]+";
const PUNCTUATION: &str = r"[\p{P}$+<=>^~|]+";

/// How words are found, and what else goes with the name.
#[derive(Debug, Clone, Copy)]
struct Recipe {
    names: &'static [&'static str],
    patterns: &'static [Pattern],
    /// A word that is a token is that token, whatever its merges give.
    whole_words: bool,
    /// A text begins with BOS unless the file says otherwise.
    adds_bos: bool,
}

#[derive(Debug, Clone, Copy)]
enum Pattern {
    /// As it stands.
    Plain(&'static str),
    /// `\s+` at its end leaves one space to the word that follows.
    Spaces(&'static str),
    /// The same, for a pattern that takes line breaks before: what ends in one is left alone.
    SpacesAfterLines(&'static str),
}

use Pattern::{Plain, Spaces, SpacesAfterLines};

const RECIPES: &[Recipe] = &[
    Recipe {
        names: &["default"],
        patterns: &[Plain(PUNCTUATION), Spaces(GPT2), Plain(r"\p{N}+"), Plain("[0-9][0-9][0-9]")],
        whole_words: false,
        adds_bos: false,
    },
    Recipe {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
        patterns: &[SpacesAfterLines(LLAMA3)],
        whole_words: true,
        adds_bos: true,
    },
    Recipe {
        names: &["dbrx", "smaug-bpe"],
        patterns: &[SpacesAfterLines(LLAMA3)],
        whole_words: false,
        adds_bos: false,
    },
    Recipe {
        names: &["gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "exaone4", "mellum", "gigachat", "a.x-4.0"],
        patterns: &[Spaces(GPT2)],
        whole_words: false,
        adds_bos: false,
    },
    Recipe {
        names: &["qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "kormo", "f2llmv2"],
        patterns: &[SpacesAfterLines(QWEN2)],
        whole_words: false,
        adds_bos: false,
    },
    Recipe { names: &["qwen35"], patterns: &[SpacesAfterLines(QWEN35)], whole_words: false, adds_bos: false },
    Recipe {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
        patterns: &[Plain(r"\p{N}"), Spaces(GPT2)],
        whole_words: false,
        adds_bos: false,
    },
    Recipe {
        names: &["falcon"],
        patterns: &[Plain(FALCON_PUNCTUATION), Spaces(GPT2), Plain("[0-9][0-9][0-9]")],
        whole_words: false,
        adds_bos: false,
    },
    Recipe {
        // Falcon-E, as bitnet.cpp reads it.
        names: &["falcon_e"],
        patterns: &[Plain(FALCON_PUNCTUATION), Spaces(GPT2), Plain("[0-9]")],
        whole_words: false,
        adds_bos: false,
    },
    Recipe {
        names: &["deepseek-llm"],
        patterns: &[
            Plain(r"[\r\n]"),
            Plain(DEEPSEEK_LETTERS),
            Plain(DEEPSEEK_PUNCTUATION),
            Plain(r"\s+$"),
            Plain(HAN_AND_HANGUL),
            Plain(r"\p{N}+"),
        ],
        whole_words: false,
        adds_bos: false,
    },
    Recipe {
        names: &["deepseek-coder"],
        patterns: &[Plain(r"[\r\n]"), Plain(r"\s?\p{L}+"), Plain(r"\s?\p{P}+"), Plain(HAN_AND_HANGUL), Plain(r"\p{N}")],
        whole_words: false,
        adds_bos: false,
    },
    Recipe {
        names: &["deepseek-v3"],
        patterns: &[Plain(r"\p{N}{1,3}"), Plain(KANA_AND_HAN), SpacesAfterLines(DEEPSEEK3)],
        whole_words: false,
        adds_bos: false,
    },
];

/// Divides texts into words.
#[derive(Debug)]
pub(crate) struct Words {
    stages: Vec<Stage>,
    pub(crate) whole_words: bool,
    pub(crate) adds_bos: bool,
}

#[derive(Debug)]
struct Stage {
    regex: Regex,
    spaces: bool,
    lines: bool,
}

impl Words {
    /// The recipe of this name.
    pub(crate) fn named(name: &str) -> Result<Self, TokenizerError> {
        let Some(recipe) = RECIPES.iter().find(|recipe| recipe.names.contains(&name)) else {
            let supported: Vec<_> = RECIPES.iter().flat_map(|recipe| recipe.names).copied().collect();
            return Err(TokenizerError::Unsupported {
                key: PRE.into(),
                got: name.chars().take(60).collect(),
                supported: supported.join(", "),
            });
        };
        let stages = recipe.patterns.iter().map(|&pattern| {
            let (Plain(text) | Spaces(text) | SpacesAfterLines(text)) = pattern;
            Stage {
                regex: Regex::new(text).expect("the patterns above are compiled by a test"),
                spaces: !matches!(pattern, Plain(_)),
                lines: matches!(pattern, SpacesAfterLines(_)),
            }
        });
        Ok(Self { stages: stages.collect(), whole_words: recipe.whole_words, adds_bos: recipe.adds_bos })
    }

    /// Calls `take` with each word, in order; together they are the text.
    pub(crate) fn each<E>(&self, text: &str, take: &mut impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        divide(&self.stages, text, take)
    }
}

// As deep as there are stages, six at most.
fn divide<E>(stages: &[Stage], text: &str, take: &mut impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
    let Some((stage, rest)) = stages.split_first() else { return take(text) };
    let (mut at, mut before) = (0, 0);
    while let Some(found) = stage.regex.find_at(text, at).filter(|found| !found.is_empty()) {
        at = stage.end(text, found.start(), found.end());
        if before < found.start() {
            divide(rest, &text[before..found.start()], take)?;
        }
        divide(rest, &text[found.start()..at], take)?;
        before = at;
    }
    if before < text.len() {
        divide(rest, &text[before..], take)?;
    }
    Ok(())
}

impl Stage {
    /// Where the match really ends: see the module's text.
    fn end(&self, text: &str, start: usize, end: usize) -> usize {
        let last = text[start..end].chars().next_back();
        let Some(last) = last.filter(|last| last.is_whitespace()) else { return end };
        let whole_run = !self.spaces || end == text.len() || (self.lines && matches!(last, '\r' | '\n'));
        let shorter = end - last.len_utf8();
        if whole_run || shorter == start { end } else { shorter }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        let result: Result<(), ()> = Words::named(name).unwrap().each(text, &mut |word| {
            words.push(word.to_owned());
            Ok(())
        });
        result.unwrap();
        words
    }

    #[test]
    fn all_patterns_compile_and_lose_nothing() {
        let text = "It's  3 o'clock,\n\n  \tsay 12345 漢字 кто?! \u{a0} x  \r\n a\u{301} end  ";
        for name in RECIPES.iter().flat_map(|recipe| recipe.names) {
            assert_eq!(words(name, text).concat(), text, "{name}");
        }
    }

    #[test]
    fn a_run_of_spaces_leaves_its_last_one_to_the_word() {
        assert_eq!(words("gpt-2", "a   b\t\tc  "), ["a", "  ", " b", "\t", "\t", "c", "  "]);
        assert_eq!(words("llama-bpe", "a   b\t\tc  "), ["a", "  ", " b", "\t", "\tc", "  "]);
        assert_eq!(words("gpt-2", "a\n\n\nb"), ["a", "\n\n", "\n", "b"]);
        assert_eq!(words("qwen2", "a \n\n  b"), ["a", " \n\n", " ", " b"]);
    }

    #[test]
    fn digits_are_divided_as_the_name_says() {
        assert_eq!(words("llama-bpe", "12345"), ["123", "45"]);
        assert_eq!(words("qwen2", "123"), ["1", "2", "3"]);
        assert_eq!(words("smollm", "a 12"), ["a", " ", "1", "2"]);
        assert_eq!(words("gpt-2", " 12345"), [" 12345"]);
        assert_eq!(words("falcon", "12345"), ["123", "45"]);
    }

    #[test]
    fn an_unknown_name_is_named() {
        let error = Words::named("tomorrow-7").unwrap_err().to_string();
        assert!(error.starts_with("tokenizer.ggml.pre: \"tomorrow-7\" is not supported; supported are default, "));
    }
}
