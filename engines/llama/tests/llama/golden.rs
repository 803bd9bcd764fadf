use crate::support::{LOGIT_TOLERANCE, assert_close, floats, golden, run, tiny_llama, tokens};

use tern_engine::{Batch, BatchToken, Wanted};

#[test]
fn logits_are_those_of_pytorch() {
    let golden = &golden()["llama"];
    let mut decoder = tiny_llama().decoder;
    let prompt = tokens(&golden["tokens"]);
    let mut batch = Batch::default();
    for (pos, &token) in (0..).zip(&prompt) {
        let wanted = pos == 0 || pos as usize + 1 == prompt.len();
        let logits = if wanted { Wanted::Row } else { Wanted::Nothing };
        batch.push(BatchToken { token, pos, seq: 0, logits });
    }
    decoder.decode(&batch).unwrap();
    assert_close(decoder.logits(0), &floats(&golden["logits"][0]), LOGIT_TOLERANCE);
    assert_close(decoder.logits(1), &floats(&golden["logits"][1]), LOGIT_TOLERANCE);
}

#[test]
fn greedy_tokens_are_those_of_pytorch() {
    let golden = &golden()["llama"];
    let mut decoder = tiny_llama().decoder;
    let prompt = tokens(&golden["tokens"]);
    let mut logits = run(&mut *decoder, 0, 0, &prompt).unwrap();
    let mut got = Vec::new();
    for pos in prompt.len().. {
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap() as u32;
        got.push(best);
        if got.len() == 16 {
            break;
        }
        logits = run(&mut *decoder, 0, pos as u32, &[best]).unwrap();
    }
    assert_eq!(got, tokens(&golden["greedy"]));
}
