//! Speed of the float kernels in the shapes of BitNet-b1.58-2B-4T, the best of several rounds: other work on a machine only
//! ever makes a round slower. `cargo bench --bench floats [PATH] [WORD]` times one path, and what has the word in its name.

use std::{env, hint::black_box, time::Instant};

use tern_ternary::{
    Path,
    floats::{
        self, Cell, Cells, Function, Queries, RowKind, SCREEN_BLOCK, SCREEN_HIGH, attend, gate_sums, norm,
        rotate_halves, round, rows, screen_high,
    },
    ints::{ActivationRow, Aligned},
};

const ROUNDS: usize = 15;
/// Rows of the head that are timed: more than any cache holds.
const ROWS: usize = 24_000;
const HIDDEN: usize = 2560;
const FFN: usize = 6912;

fn numbers(n: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 32) as i32 as f32 / 2147483648.0
    };
    (0..n).map(|_| next()).collect()
}

/// Seconds of the fastest round of `times` calls, each.
fn fastest(times: usize, mut call: impl FnMut()) -> f64 {
    let round = |_| {
        let begin = Instant::now();
        for _ in 0..times {
            call();
        }
        begin.elapsed().as_secs_f64() / times as f64
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

fn main() {
    let mut arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let path = arguments.first().and_then(|name| name.parse().ok());
    if path.is_some() {
        arguments.remove(0);
    }
    let (path, word) = (path.unwrap_or(Path::best()), arguments.pop().unwrap_or_default());
    println!("path {path}, one thread");
    let report = |name: &str, bytes: usize, seconds: &mut dyn FnMut() -> f64| {
        if name.contains(&word) {
            let seconds = seconds();
            let micros = seconds * 1e6;
            if bytes > 0 {
                println!("{name:40} {micros:11.2} us {:8.1} GB/s", bytes as f64 / seconds / 1e9);
            } else {
                println!("{name:40} {micros:11.2} us");
            }
        }
    };

    for k in [HIDDEN, FFN] {
        let (x, g) = (numbers(k), numbers(k));
        let (mut y, mut q, mut sum) = (vec![0.0; k], vec![0; k], 0);
        report(&format!("norm {k}"), 0, &mut || fastest(2000, || norm(path, black_box(&x), &g, 1e-5, &mut y)));
        report(&format!("norm and round {k}"), 0, &mut || {
            fastest(2000, || {
                black_box(round(path, black_box(&x), Some(&g), 1e-5, ActivationRow { q: &mut q, sum: &mut sum }));
            })
        });
        let sums: Vec<i32> = x.iter().map(|x| (x * 1e5) as i32).collect();
        for (name, function) in [("relu2", Function::Relu2), ("silu", Function::Silu), ("gelu", Function::Gelu)] {
            report(&format!("{name} of sums {k}"), 0, &mut || {
                fastest(500, || gate_sums(path, function, black_box(&sums), &sums, (1e-4, 1e-4), &mut y))
            });
        }
    }
    let (mut head, angles) = (numbers(128), numbers(64));
    report("rotate a head of 128", 0, &mut || {
        fastest(10_000, || rotate_halves(path, black_box(&mut head), &angles, &angles))
    });

    for (name, kind) in [("f16", Cell::F16), ("q8_0", Cell::Q8_0)] {
        for (tokens, seen) in [(1, 256), (1, 1024), (1, 4096), (8, 1024), (64, 1024)] {
            let shape = Queries { tokens, heads: 4, size: 128 };
            let bytes = kind.bytes(128);
            let mut cells: Vec<Vec<u8>> = (0..2).map(|_| vec![0; seen * bytes]).collect();
            for cell in cells.iter_mut().flat_map(|cells| cells.chunks_exact_mut(bytes)) {
                floats::store(path, kind, &numbers(128), cell);
            }
            let order: Vec<u32> = (0..seen as u32).collect();
            let cells = Cells { kind, keys: &cells[0], values: &cells[1], seen: &order };
            let queries = numbers(tokens * 4 * 128);
            let (mut scratch, mut out) = (vec![0.0; shape.scratch()], vec![0.0; queries.len()]);
            let name = format!("attend {name} {tokens} tokens 4x128, {seen} cells");
            report(&name, 2 * seen * bytes * tokens, &mut || {
                fastest(20, || attend(path, shape, black_box(&queries), cells, 0.088, &mut scratch, &mut out))
            });
        }
    }

    let kinds = [
        ("f32", RowKind::F32),
        ("f16", RowKind::F16),
        ("bf16", RowKind::BF16),
        ("q8_0", RowKind::Q8_0),
        ("q6_k", RowKind::Q6K),
    ];
    let mut memory = Aligned::<u8>::in_huge_pages(4 * ROWS * HIDDEN);
    memory.iter_mut().zip((0..251).cycle()).for_each(|(byte, i)| *byte = i & 0x3b);
    for (name, kind) in kinds {
        let bytes = &memory[..ROWS * kind.bytes(HIDDEN)];
        for n in [1, 2, 4, 8] {
            let (h, mut out) = (numbers(n * HIDDEN), vec![0.0; n * ROWS]);
            report(&format!("rows {name} for {n}"), bytes.len(), &mut || {
                fastest(1, || rows(path, kind, bytes, HIDDEN, black_box(&h), &mut out, ROWS))
            });
        }
    }
    // Whole blocks already.
    let upper = &memory[..ROWS * HIDDEN / SCREEN_BLOCK * SCREEN_HIGH];
    for n in [1, 2, 4, 8] {
        let h: Vec<i8> = numbers(n * HIDDEN).iter().map(|x| (x * 120.0) as i8).collect();
        let mut out = vec![0; n * ROWS];
        report(&format!("screen for {n}"), upper.len(), &mut || {
            fastest(1, || screen_high(path, upper, HIDDEN / SCREEN_BLOCK, black_box(&h), &mut out, ROWS))
        });
    }
    report("plain reading", memory.len(), &mut || {
        fastest(1, || {
            let words = memory.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes")));
            black_box(words.fold(0_u64, u64::wrapping_add));
        })
    });
}
