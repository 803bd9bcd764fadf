//! Time of choosing one token at a vocabulary of 152 000, for each kind of sampling and two shapes of logits: peaked,
//! as a trained model gives, and flat, as random weights give. Run it with
//! `cargo run --release -p tern-scheduler --example sampler_speed`.

use std::{hint::black_box, time::Instant};

use tern_scheduler::{
    SamplingParams,
    sampler::{Sampler, Workspace},
};

const VOCAB_SIZE: usize = 152_000;
const ROUNDS: usize = 200;

/// Normally distributed numbers of standard deviation `spread` (sum of twelve uniform ones), by a fixed generator.
fn normal(spread: f32) -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..VOCAB_SIZE).map(|_| ((0..12).map(|_| uniform()).sum::<f32>() - 6.0) * spread).collect()
}

fn main() {
    let plain = SamplingParams { seed: Some(1), ..SamplingParams::default() };
    let kinds = [
        ("greedy", SamplingParams { temperature: 0.0, ..plain.clone() }),
        ("plain", plain.clone()),
        ("top_k 40", SamplingParams { top_k: 40, ..plain.clone() }),
        ("top_k 40, top_p 0.95, min_p 0.05", SamplingParams { top_k: 40, top_p: 0.95, min_p: 0.05, ..plain.clone() }),
        ("top_p 0.95", SamplingParams { top_p: 0.95, ..plain.clone() }),
        ("min_p 0.05", SamplingParams { min_p: 0.05, ..plain.clone() }),
        ("typical_p 0.9", SamplingParams { typical_p: 0.9, ..plain.clone() }),
        ("greedy, repeat_penalty 1.1", SamplingParams { temperature: 0.0, repeat_penalty: 1.1, ..plain.clone() }),
    ];
    println!("microseconds a token, median of {ROUNDS}, vocabulary of {VOCAB_SIZE}");
    println!("{:36} {:>8} {:>8}", "", "peaked", "flat");
    let mut peaked = normal(2.0);
    // A trained model's best tokens stand out: here fifty of them, up to 12 above the rest.
    for (i, logit) in peaked.iter_mut().step_by(3000).enumerate() {
        *logit = 20.0 - 0.2 * i as f32;
    }
    let shapes = [peaked, normal(1.0)];
    for (name, params) in &kinds {
        let times = shapes.each_ref().map(|logits| {
            let prompt: Vec<u32> = (0..64).collect();
            let mut sampler = Sampler::new(params, 1, 0, &prompt);
            let mut workspace = Workspace::default();
            let mut times: Vec<f64> = (0..ROUNDS)
                .map(|_| {
                    let began = Instant::now();
                    black_box(sampler.sample(black_box(logits), &mut workspace));
                    began.elapsed().as_secs_f64() * 1e6
                })
                .collect();
            times.sort_unstable_by(f64::total_cmp);
            times[ROUNDS / 2]
        });
        println!("{name:36} {:8.1} {:8.1}", times[0], times[1]);
    }
}
