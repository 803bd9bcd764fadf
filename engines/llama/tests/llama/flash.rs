use tern_engine::{Decoder, LoadOptions, Token};

use crate::support::{GUIDE, fixture, load, options, run};

/// The texts' lengths: one token, within one block of flash attention's, about one, several, nearly the whole cache.
const LENGTHS: [usize; 5] = [1, 24, 65, 200, 500];

/// F32 weights: the difference is F16 in flash attention. Measured: 0.0013.
#[test]
fn flash_attention_gives_tiny_llama_the_logits_of_plain_attention() {
    agree("tiny-llama.gguf", 0.01);
}

/// Q8_0 weights, so that every difference in rounding tips some activations over to the next of their 8-bit steps.
/// Measured: 0.016.
#[test]
fn flash_attention_gives_the_guide_model_the_logits_of_plain_attention() {
    agree(GUIDE, 0.07);
}

/// Flash attention rounds to F16 where plain attention does not, at places that depend on the processor and on the shape
/// of the batch (llama.cpp has a path in F32 for some). So rows are compared as a whole, and `bound`, the root mean
/// square of the differences as a share of the row's, is several times what was measured. Attention to half of a text is
/// beyond it.
#[track_caller]
fn agree(name: &str, bound: f64) {
    let decoder = |flash| {
        let options = LoadOptions { flash_attention: Some(flash), ..options() };
        load(&fixture(name), &options).unwrap().text.unwrap().decoder
    };
    let (mut plain, mut flash) = (decoder(false), decoder(true));
    for length in LENGTHS {
        let text: Vec<Token> = (0..length as u32).map(|i| 20 + (i * 37 + i * i * 11) % 200).collect();
        let expected = logits(&mut *plain, &text, 64);
        // In pieces, and token by token: flash attention takes different paths for them.
        for piece in [64, 1] {
            let off = relative(&logits(&mut *flash, &text, piece), &expected);
            println!("{name}: {length} tokens in pieces of {piece}: off by {off:.2e} of the row");
            assert!(off <= bound, "{length} tokens in pieces of {piece}: off by {off:.2e} of the row");
        }
        if (24..=65).contains(&length) {
            let off = relative(&logits(&mut *flash, &text[length / 2..], 64), &expected);
            println!("{name}: half of {length} tokens: off by {off:.2e} of the row");
            assert!(off > bound, "{bound} would hide that half of {length} tokens is missing: {off:.2e} of the row");
        }
    }
}

fn logits(decoder: &mut dyn Decoder, text: &[Token], piece: usize) -> Vec<f32> {
    decoder.kv_truncate(0, 0).unwrap();
    let mut last = Vec::new();
    for (i, tokens) in text.chunks(piece).enumerate() {
        last = run(decoder, 0, (i * piece) as u32, tokens).unwrap();
    }
    last
}

fn relative(got: &[f32], expected: &[f32]) -> f64 {
    let squares = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| f64::from(x).powi(2)).sum::<f64>();
    let differences = squares(&mut got.iter().zip(expected).map(|(a, b)| a - b));
    (differences / squares(&mut expected.iter().copied())).sqrt()
}
