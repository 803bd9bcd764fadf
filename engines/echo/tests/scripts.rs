//! What each script promises, through the engine's public door.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tern_echo::{EchoEngine, Vocabulary};
use tern_engine::{Batch, DecodeError, Engine, EngineError, KvType, LoadOptions, LoadedModel, ModelSource, Token};

const CHAT: &str = "<|im_start|>user\nSay it<|im_end|>\n<|im_start|>assistant\n";

fn options() -> LoadOptions {
    LoadOptions {
        kv_cells: 512,
        max_sequences: 4,
        max_batch_tokens: 128,
        threads: 1,
        kv_type: KvType::F16,
        flash_attention: None,
        gpu_layers: 0,
        ..LoadOptions::default()
    }
}

fn load(script: &str) -> Result<LoadedModel, EngineError> {
    EchoEngine.load(&ModelSource::Script(script.into()), &options(), &mut |_| true)
}

fn best(logits: &[f32]) -> Token {
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap() as Token
}

/// The greedy reply, up to its end or `limit` tokens.
fn greedy(script: &str, prompt: &str, limit: usize) -> Result<Vec<Token>, DecodeError> {
    let mut text = load(script).unwrap().text.unwrap();
    let mut next = text.tokenizer.encode(prompt, true, true).unwrap();
    let (mut pos, mut reply) = (0, Vec::new());
    while reply.len() < limit {
        let mut batch = Batch::default();
        let row = batch.push_run(0, pos, &next).unwrap();
        text.decoder.decode(&batch)?;
        pos += next.len() as u32;
        let token = best(text.decoder.logits(row));
        if text.tokenizer.is_end_of_generation(token) {
            break;
        }
        reply.push(token);
        next = vec![token];
    }
    Ok(reply)
}

#[test]
fn every_script_with_a_fixed_text_says_it_in_chat_and_in_completion() {
    for script in EchoEngine::scripts() {
        let Some(expected) = script.text().filter(|_| !["echo-error", "echo-panic"].contains(&script.id)) else {
            continue;
        };
        // A reply that begins with a control token has no twin to open a raw completion with.
        let prompts: &[&str] = if script.id.starts_with("echo-tools-") { &[CHAT] } else { &[CHAT, "Say it"] };
        for &prompt in prompts {
            let reply = greedy(&format!("{}?step_ms=0&prefill_ms=0", script.id), prompt, 100).unwrap();
            let bytes = Vocabulary::shared().text(&reply);
            assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{} after {prompt:?}", script.id);
        }
    }
}

#[test]
fn echo_error_fails_after_three_tokens_and_not_before() {
    assert_eq!(greedy("echo-error", CHAT, 3).unwrap().len(), 3);
    assert!(matches!(greedy("echo-error", CHAT, 4), Err(DecodeError::Failed(_))));
}

#[test]
fn echo_panic_panics_after_three_tokens() {
    assert_eq!(greedy("echo-panic", CHAT, 3).unwrap().len(), 3);
    assert!(catch_unwind(AssertUnwindSafe(|| greedy("echo-panic", CHAT, 4))).is_err());
}

#[test]
fn echo_random_changes_with_every_token_of_its_prompt() {
    let one = greedy("echo-random", CHAT, 16).unwrap();
    let other = greedy("echo-random", &CHAT.replace("Say", "say"), 16).unwrap();
    assert_eq!(one, greedy("echo-random", CHAT, 16).unwrap());
    assert_ne!(one, other);
}

#[test]
fn echo_tiny_holds_64_tokens_whatever_the_options_say() {
    let limits = load("echo-tiny").unwrap().text.unwrap().decoder.limits();
    assert_eq!((limits.context_length, limits.kv_cells), (64, 64));
    assert_eq!(load("echo-tiny?context=100&kv=200").unwrap().text.unwrap().decoder.limits().kv_cells, 200);
}

#[test]
fn echo_noload_fails_and_slow_loads_can_be_cancelled() {
    assert!(matches!(load("echo-noload"), Err(EngineError::Failed(_))));
    let source = ModelSource::Script("echo-slowload?load_ms=20".into());
    let mut shares = Vec::new();
    let cancelled = EchoEngine.load(&source, &options(), &mut |share| {
        shares.push(share);
        shares.len() < 2
    });
    assert!(matches!(cancelled, Err(EngineError::Cancelled)));
    assert!(shares[0] < shares[1] && shares[1] < 1.0, "{shares:?}");
}

#[test]
fn a_file_is_refused() {
    let refused = EchoEngine.inspect(&ModelSource::Path("model.gguf".into()));
    assert!(matches!(refused, Err(EngineError::Unsupported { .. })));
}

#[test]
fn readme_describes_every_script() {
    let readme = include_str!("../README.md");
    for script in EchoEngine::scripts() {
        assert!(readme.contains(&format!("| `{}` |", script.id)), "{} is missing in README.md", script.id);
    }
}
