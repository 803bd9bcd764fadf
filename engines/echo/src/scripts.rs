//! The list of scripts, and how a test changes one: `echo-slow?step_ms=5&pieces=100`.

use std::time::Duration;

use tern_engine::Capability;

use crate::{
    calls::{self, templates},
    vocabulary::CONTROL,
};

/// What a model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The last user message; in a raw completion the last line.
    LastMessage,
    /// These pieces, then the end.
    Pieces(&'static [&'static [u8]]),
    /// These pieces over and over; the end after so many, if a number is given.
    Cycle(&'static [&'static [u8]], Option<usize>),
    /// A word chosen by the hash of the whole history; the end after so many.
    Random(usize),
    /// These pieces, which call tools; once the last message holds a tool's response, an answer.
    Calls(&'static [&'static [u8]]),
    /// So many words of reasoning, then an answer.
    Thinking(usize),
    /// How many images it was shown, and their sizes.
    Images,
    /// Nothing: the model does a task without a dialogue.
    Silent,
}

/// How a model fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not.
    None,
    /// `DecodeError::Failed` in the forward pass after this many pieces of a reply.
    Error(usize),
    /// A panic there.
    Panic(usize),
    /// The load fails.
    Load,
}

/// One scripted model.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// The model's id.
    pub id: &'static str,
    /// What it is for, in a sentence.
    pub description: &'static str,
    /// What it can do.
    pub capabilities: &'static [Capability],
    pub(crate) reply: Reply,
    pub(crate) fault: Fault,
    pub(crate) step_ms: u64,
    pub(crate) prefill_ms: u64,
    pub(crate) load_ms: u64,
    pub(crate) context: u32,
    pub(crate) template: Option<&'static str>,
}

impl Script {
    /// What the model answers, where that does not depend on the prompt. Control tokens have no text.
    pub fn text(&self) -> Option<String> {
        let bytes = match self.reply {
            Reply::Pieces(pieces) | Reply::Calls(pieces) => {
                let is_control = |piece: &&[u8]| CONTROL.iter().any(|control| control.as_bytes() == *piece);
                pieces.iter().copied().filter(|piece| !is_control(piece)).collect::<Vec<_>>().concat()
            }
            Reply::Cycle(pieces, Some(count)) => {
                pieces.iter().cycle().take(count).copied().collect::<Vec<_>>().concat()
            }
            Reply::LastMessage
            | Reply::Cycle(_, None)
            | Reply::Random(_)
            | Reply::Thinking(_)
            | Reply::Images
            | Reply::Silent => return None,
        };
        Some(String::from_utf8(bytes).expect("a script's pieces join to UTF-8; otherwise this is a bug in the list"))
    }
}

/// A script with what its name overrides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The script's id, without overrides.
    pub id: &'static str,
    /// Time of every forward pass (`step_ms`).
    pub step: Duration,
    /// Time of each 16 prefill tokens of a forward pass, begun ones included (`prefill_ms`).
    pub prefill: Duration,
    /// Time a load takes (`load_ms`).
    pub load: Duration,
    /// Tokens a sequence may hold (`context`).
    pub context: u32,
    /// Most KV cells, whatever the load options say (`kv`).
    pub kv_cells: u32,
    /// Bytes that the weights pretend to have (`weights_mb`), for tests of memory budgets.
    pub weights_bytes: u64,
    pub(crate) reply: Reply,
    pub(crate) fault: Fault,
    pub(crate) template: Option<&'static str>,
    pub(crate) capabilities: &'static [Capability],
}

impl Settings {
    /// Reads a script's name with its overrides: `ID[?KEY=NUMBER[&KEY=NUMBER]...]`.
    ///
    /// # Errors
    /// A sentence for the user: which script or key is unknown, and what there is.
    pub fn parse(name: &str) -> Result<Self, String> {
        let (id, overrides) = name.split_once('?').unwrap_or((name, ""));
        let script = SCRIPTS.iter().find(|script| script.id == id).ok_or_else(|| {
            let ids: Vec<_> = SCRIPTS.iter().map(|script| script.id).collect();
            format!("no script \"{id}\"; there are {}", ids.join(", "))
        })?;
        let mut settings = Self {
            id: script.id,
            step: Duration::from_millis(script.step_ms),
            prefill: Duration::from_millis(script.prefill_ms),
            load: Duration::from_millis(script.load_ms),
            context: script.context,
            kv_cells: if script.id == "echo-tiny" { script.context } else { u32::MAX },
            weights_bytes: 0,
            reply: script.reply,
            fault: script.fault,
            template: script.template,
            capabilities: script.capabilities,
        };
        for pair in overrides.split('&').filter(|pair| !pair.is_empty()) {
            settings.set(pair)?;
        }
        Ok(settings)
    }

    fn set(&mut self, pair: &str) -> Result<(), String> {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("override \"{pair}\" is not KEY=NUMBER"))?;
        let number: u32 =
            value.parse().map_err(|_| format!("override {key}=\"{value}\": not a number up to {}", u32::MAX))?;
        let pace = Duration::from_millis(number.into());
        match key {
            "step_ms" => self.step = pace,
            "prefill_ms" => self.prefill = pace,
            "load_ms" => self.load = pace,
            "context" => self.context = number.max(1),
            "kv" => self.kv_cells = number.max(1),
            "weights_mb" => self.weights_bytes = u64::from(number) << 20,
            "pieces" => self.limit_pieces(number as usize)?,
            "fail_after" => match self.fault {
                Fault::Error(_) => self.fault = Fault::Error(number as usize),
                Fault::Panic(_) => self.fault = Fault::Panic(number as usize),
                Fault::None | Fault::Load => return Err(format!("script \"{}\" does not fail in a reply", self.id)),
            },
            _ => {
                let keys = "step_ms, prefill_ms, load_ms, context, kv, weights_mb, pieces, fail_after";
                return Err(format!("no override \"{key}\"; there are {keys}"));
            }
        }
        Ok(())
    }

    fn limit_pieces(&mut self, count: usize) -> Result<(), String> {
        self.reply = match self.reply {
            Reply::Pieces(pieces) => Reply::Pieces(&pieces[..count.min(pieces.len())]),
            Reply::Cycle(pieces, _) => Reply::Cycle(pieces, Some(count)),
            Reply::Random(_) => Reply::Random(count),
            Reply::Thinking(_) => Reply::Thinking(count),
            Reply::LastMessage | Reply::Calls(_) | Reply::Images | Reply::Silent => {
                return Err(format!("script \"{}\" has no number of pieces", self.id));
            }
        };
        Ok(())
    }
}

const TEXT: &[Capability] = &[Capability::Completion, Capability::Chat];

/// Common words, also the ones that runner-up tokens are taken from. The cycles say them in this order.
pub(crate) const WORDS: &[&[u8]] = &[
    b" the", b" of", b" and", b" to", b" in", b" is", b" it", b" was", b" for", b" on", b" are", b" as", b" with",
    b" his", b" they", b" at", b" be", b" this", b" have", b" from", b" or", b" had", b" by", b" hot", b" word",
    b" but", b" what", b" some", b" we", b" can", b" out", b" other",
];

pub(crate) const PIECES: &[&[u8]] =
    &[b"Hello", b" from", b" the", b" echo", b" engine", b":", b" one", b",", b" two", b",", b" three", b"."];

// Characters and clusters are cut where a tokenizer that works on bytes may cut them.
pub(crate) const UTF8: &[&[u8]] = &[
    b"Caf",
    b"\xC3", // first half of an e with acute
    b"\xA9", // second half
    b" ",
    b"\xF0\x9F", // family of four: man ZWJ woman ZWJ girl ZWJ boy
    b"\x91\xA8\xE2",
    b"\x80\x8D",
    b"\xF0\x9F\x91\xA9",
    b"\xE2\x80\x8D\xF0",
    b"\x9F\x91\xA7\xE2\x80",
    b"\x8D\xF0\x9F\x91",
    b"\xA6",
    b" ",
    b"\xF0\x9F\x87", // flag of Switzerland: two regional indicators
    b"\xA8\xF0\x9F\x87\xAD",
    b" ",
    b"\xE6\x97\xA5\xE6", // Japanese in three tokens that end inside characters
    b"\x9C\xAC\xE8",
    b"\xAA\x9E",
    b" e",
    b"\xCC\x81", // combining acute accent
    b".",
];

pub(crate) const STOP: &[&[u8]] = &[
    b"al", b"pha", b" be", b"ta", b" gam", b"ma", b" ST", b"O", b"P", b" del", b"ta", b"\n", b"\n", b"User", b":",
    b" ep", b"si", b"lon", b".",
];

pub(crate) const REASONING: &[&[u8]] = &[
    b"<think>",
    b"\n",
    b"The",
    b" user",
    b" wants",
    b" a",
    b" sum",
    b":",
    b" 2",
    b" +",
    b" 2",
    b".",
    b"\n",
    b"</think>",
    b"\n",
    b"\n",
    b"The",
    b" answer",
    b" is",
    b" 4",
    b".",
];

const PLAIN: Script = Script {
    id: "echo",
    description: "Repeats the last user message, then ends.",
    capabilities: TEXT,
    reply: Reply::LastMessage,
    fault: Fault::None,
    step_ms: 0,
    prefill_ms: 0,
    load_ms: 0,
    context: 8192,
    template: Some(templates::HERMES),
};

/// All scripts.
pub(crate) const SCRIPTS: &[Script] = &[
    PLAIN,
    Script {
        id: "echo-pieces",
        description: "Says a fixed sentence of twelve pieces, then ends.",
        reply: Reply::Pieces(PIECES),
        ..PLAIN
    },
    Script {
        id: "echo-slow",
        description: "Takes 20 ms for each forward pass of any size; ends after 50 words.",
        reply: Reply::Cycle(WORDS, Some(50)),
        step_ms: 20,
        ..PLAIN
    },
    Script {
        id: "echo-long",
        description: "Never ends; 2 ms for each forward pass.",
        reply: Reply::Cycle(WORDS, None),
        step_ms: 2,
        ..PLAIN
    },
    Script {
        id: "echo-fast",
        description: "Never ends and never waits: for measuring everything above the engine.",
        reply: Reply::Cycle(WORDS, None),
        ..PLAIN
    },
    Script {
        id: "echo-utf8",
        description: "Characters and emoji cut in the middle by token borders.",
        reply: Reply::Pieces(UTF8),
        ..PLAIN
    },
    Script {
        id: "echo-stop",
        description: "Words cut in the middle, so that stop strings straddle tokens.",
        reply: Reply::Pieces(STOP),
        ..PLAIN
    },
    Script {
        id: "echo-reasoning",
        description: "Thinks between <think> and </think>, then answers.",
        reply: Reply::Pieces(REASONING),
        ..PLAIN
    },
    Script {
        id: "echo-tools",
        description: "Calls the tool get_weather; answers once it has seen a tool's response.",
        reply: Reply::Calls(calls::ONE),
        ..PLAIN
    },
    Script {
        id: "echo-error",
        description: "The engine fails after three pieces.",
        reply: Reply::Pieces(PIECES),
        fault: Fault::Error(3),
        ..PLAIN
    },
    Script {
        id: "echo-panic",
        description: "The engine panics after three pieces.",
        reply: Reply::Pieces(PIECES),
        fault: Fault::Panic(3),
        ..PLAIN
    },
    Script {
        id: "echo-stall",
        description: "Prefill takes 50 ms for each 16 tokens.",
        reply: Reply::Pieces(PIECES),
        prefill_ms: 50,
        ..PLAIN
    },
    Script {
        id: "echo-tiny",
        description: "Context and KV cache of 64 tokens.",
        reply: Reply::Cycle(WORDS, None),
        context: 64,
        ..PLAIN
    },
    Script {
        id: "echo-random",
        description: "Each word depends on every token before it: any mix-up in the KV cache changes the text.",
        reply: Reply::Random(64),
        ..PLAIN
    },
    Script {
        id: "echo-vision",
        description: "Sees: says how many images there are in the dialogue, and their sizes in pixels.",
        capabilities: &[Capability::Completion, Capability::Chat, Capability::Vision],
        reply: Reply::Images,
        ..PLAIN
    },
    Script {
        id: "echo-embed",
        description: "Embeds: 64 dimensions, which may be shortened to 16.",
        capabilities: &[Capability::Embedding],
        reply: Reply::Silent,
        context: 512,
        template: None,
        ..PLAIN
    },
    Script {
        id: "echo-ocr",
        description: "Reads from an image its size and the options, one line each.",
        capabilities: &[Capability::Ocr],
        reply: Reply::Silent,
        template: None,
        ..PLAIN
    },
    Script {
        id: "echo-caption",
        description: "Says an image's size, or repeats the question.",
        capabilities: &[Capability::Caption, Capability::VisualQuestions],
        reply: Reply::Silent,
        template: None,
        ..PLAIN
    },
    Script {
        id: "echo-speech",
        description: "Says of each second of a recording how loud it is.",
        capabilities: &[Capability::Transcription],
        reply: Reply::Silent,
        template: None,
        ..PLAIN
    },
    Script {
        id: "echo-ner",
        description: "Finds names: words with a capital letter within a sentence.",
        capabilities: &[Capability::Ner],
        reply: Reply::Silent,
        template: None,
        ..PLAIN
    },
    Script {
        id: "echo-rerank",
        description: "Scores documents by the words that they share with the query; 512 tokens of both together.",
        capabilities: &[Capability::Rerank],
        reply: Reply::Silent,
        context: 512,
        template: None,
        ..PLAIN
    },
    Script { id: "echo-noload", description: "Cannot be loaded.", fault: Fault::Load, ..PLAIN },
    Script { id: "echo-slowload", description: "Takes a second to load, with progress.", load_ms: 1000, ..PLAIN },
    Script { id: "echo-notemplate", description: "Has no chat template; otherwise as echo.", template: None, ..PLAIN },
    Script {
        id: "echo-tools-two",
        description: "Says something, then calls get_weather twice; marks, characters and escapes are cut.",
        reply: Reply::Calls(calls::TWO),
        ..PLAIN
    },
    Script {
        id: "echo-tools-thinking",
        description: "Thinks, then calls get_weather.",
        reply: Reply::Calls(calls::THOUGHT),
        template: Some(templates::THINKING),
        ..PLAIN
    },
    Script {
        id: "echo-tools-smollm",
        description: "Calls get_weather twice, as SmolLM2 writes it: a list between <tool_call> and </tool_call>.",
        reply: Reply::Calls(calls::SMOLLM),
        template: Some(templates::SMOLLM),
        ..PLAIN
    },
    Script {
        id: "echo-tools-llama",
        description: "Calls get_weather twice, as Llama 3 writes it: JSON without a mark.",
        reply: Reply::Calls(calls::LLAMA),
        template: Some(templates::LLAMA),
        ..PLAIN
    },
    Script {
        id: "echo-tools-python",
        description: "Calls get_weather, as Llama 3 writes it behind <|python_tag|>.",
        reply: Reply::Calls(calls::LLAMA_MARK),
        template: Some(templates::LLAMA),
        ..PLAIN
    },
    Script {
        id: "echo-tools-mistral",
        description: "Calls get_weather twice, as Mistral writes it: [TOOL_CALLS]NAME[ARGS]{...}.",
        reply: Reply::Calls(calls::MISTRAL),
        template: Some(templates::MISTRAL),
        ..PLAIN
    },
    Script {
        id: "echo-tools-mistral-list",
        description: "Calls get_weather twice, as Mistral wrote it: [TOOL_CALLS] and a list.",
        reply: Reply::Calls(calls::MISTRAL_LIST),
        template: Some(templates::MISTRAL_LIST),
        ..PLAIN
    },
    Script {
        id: "echo-tools-deepseek",
        description: "Calls get_weather twice, as DeepSeek writes it.",
        reply: Reply::Calls(calls::DEEPSEEK),
        template: Some(templates::DEEPSEEK),
        ..PLAIN
    },
    Script {
        id: "echo-tools-coder",
        description: "Calls get_weather twice, as Qwen3-Coder writes it: each argument between marks.",
        reply: Reply::Calls(calls::CODER),
        template: Some(templates::CODER),
        ..PLAIN
    },
    Script {
        id: "echo-tools-plain",
        description: "Calls get_weather although its template knows no tools.",
        reply: Reply::Calls(calls::ONE),
        template: Some(templates::PLAIN),
        ..PLAIN
    },
    Script {
        id: "echo-thinking",
        description: "Thinks in 50 words, then answers; its template can say that it shall not think.",
        reply: Reply::Thinking(50),
        template: Some(templates::THINKING),
        ..PLAIN
    },
    Script {
        id: "echo-thinking-always",
        description: "The same; its template opens the reasoning whatever it is told.",
        reply: Reply::Thinking(50),
        template: Some(templates::ALWAYS_THINKING),
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_change_the_script_they_are_given_to() {
        let settings = Settings::parse("echo-slow?step_ms=5&context=4096&pieces=100").unwrap();
        assert_eq!(settings.step, Duration::from_millis(5));
        assert_eq!(settings.context, 4096);
        assert_eq!(settings.reply, Reply::Cycle(WORDS, Some(100)));
    }

    #[test]
    fn an_unknown_script_is_answered_with_the_list() {
        let message = Settings::parse("echo-nothing").unwrap_err();
        assert!(message.contains("\"echo-nothing\"") && message.contains("echo-pieces"), "{message}");
    }

    #[test]
    fn an_unknown_or_malformed_override_is_an_error() {
        assert!(Settings::parse("echo?speed=1").unwrap_err().contains("step_ms"));
        assert!(Settings::parse("echo?step_ms=fast").unwrap_err().contains("\"fast\""));
        assert!(Settings::parse("echo?step_ms").unwrap_err().contains("KEY=NUMBER"));
        assert!(Settings::parse("echo?pieces=3").unwrap_err().contains("no number of pieces"));
        assert!(Settings::parse("echo?fail_after=3").unwrap_err().contains("does not fail"));
    }

    #[test]
    fn fixed_replies_are_text() {
        let text = |id| SCRIPTS.iter().find(|script| script.id == id).unwrap().text();
        assert_eq!(text("echo-pieces").unwrap(), "Hello from the echo engine: one, two, three.");
        assert_eq!(text("echo-utf8").unwrap(), "Café 👨‍👩‍👧‍👦 🇨🇭 日本語 e\u{301}.");
        assert_eq!(text("echo"), None);
    }
}
