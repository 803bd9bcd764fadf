//! Speed of the integer kernels: `cargo bench -p tern-ternary --bench ternary`. Tables in Markdown, for
//! vendor/ternary/README.md. Fastest of many short runs: other work on the machine makes runs slower, never faster.

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use tern_ternary::{
    Path,
    ints::{Activations, Aligned, Arena, ByColumns, ByRows, Format, NonZero, Packed, Scratch, gemm, gemv},
};

const K: usize = 2560;
/// Fits L2 beside the activations.
const SMALL: usize = 400 << 10;
/// Fits no L3.
const LARGE: usize = 256 << 20;
/// What a thread takes of the large matrix at a time, about 0.1 ms; such pieces are timed in rounds.
const PIECE: usize = 2 << 20;
const ROUND: usize = 16;
const ROUNDS: usize = 40;

/// Bytes of a file: `rows` rows of `k` weights.
fn file_bytes(rows: usize, k: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let src: Vec<u8> = (0..rows.min(64) * k / 4)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            [0x00, 0x55, 0xAA, 0x56, 0x95, 0x19, 0x64, 0x82][(state >> 29) as usize]
        })
        .collect();
    src.repeat(rows.div_ceil(64))
}

fn packed(format: Format, rows: usize, k: usize) -> Packed {
    Packed::pack(format, &file_bytes(rows, k), rows, k).expect("these bytes hold no code 3")
}

fn activations(k: usize, n: usize) -> Activations {
    let mut acts = Activations::new(k, n);
    acts.set_len(n);
    for t in 0..n {
        acts.set(t, &(0..k).map(|c| ((c * 31 + t * 17) % 255) as i8).map(|q| q.max(-127)).collect::<Vec<_>>());
    }
    acts
}

/// Calls `work(thread, piece)` on `threads` threads at once for rounds of [`ROUND`] pieces, and returns the time of a
/// piece in the fastest round; a round takes as long as its slowest thread.
fn fastest(threads: usize, pieces: usize, work: impl Fn(usize, usize) + Sync) -> Duration {
    let together = Barrier::new(threads);
    let run = |thread: usize| {
        let mut best = Duration::MAX;
        for round in 0..ROUNDS {
            together.wait();
            let start = Instant::now();
            (0..ROUND).for_each(|i| work(thread, (round * ROUND + i) % pieces));
            together.wait();
            best = best.min(start.elapsed());
        }
        best / ROUND as u32
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        let mine = run(0);
        others.into_iter().map(|other| other.join().expect("a bench thread does not panic")).fold(mine, Duration::max)
    })
}

fn gb_per_s(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64() / 1e9
}

/// Reads `bytes` once; the compiler makes vectors of it.
fn sum(bytes: &[u8]) -> u64 {
    bytes.as_chunks().0.iter().fold(0, |sum: u64, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}

fn main() {
    let paths = Path::available();
    println!("paths: {}\n", paths.iter().map(|path| path.name()).collect::<Vec<_>>().join(", "));

    let mut large = Aligned::in_huge_pages(LARGE);
    large.fill(1);
    println!("Reading {} MB of DRAM, GB/s:", LARGE >> 20);
    for threads in [1, 2] {
        let share = LARGE / threads / PIECE;
        let time = fastest(threads, share, |thread, piece| {
            black_box(sum(&large[(thread * share + piece) * PIECE..][..PIECE]));
        });
        println!("  {threads} threads: {:.1}", gb_per_s(PIECE * threads, time));
    }
    drop(large);

    println!("\nGEMV, k = {K}, GB/s of packed weights (G weights/s):\n");
    println!("| path | format | memory | threads | n=1 | n=2 | n=4 | n=8 |\n|---|---|---|---|---|---|---|---|");
    for &path in &paths[1..] {
        for format in Format::ALL {
            for (memory, bytes) in [("L2", SMALL), ("DRAM", LARGE)] {
                let group = format.bytes(1, K);
                let matrix = packed(format, bytes / group * 8, K);
                for threads in [1, 2] {
                    let size = if bytes == LARGE { PIECE / group } else { matrix.group_count() };
                    let pieces = if bytes == LARGE { matrix.group_count() / size / threads } else { 1 };
                    print!("| {path} | {format:?} | {memory} | {threads} |");
                    for n in [1, 2, 4, 8] {
                        let acts = activations(K, n);
                        let time = fastest(threads, pieces, |thread, piece| {
                            let first = if bytes == LARGE { (thread * pieces + piece) * size } else { 0 };
                            let mut out = vec![0; n * size * 8];
                            gemv(path, matrix.groups(first..first + size), &acts, &mut out, size * 8);
                            black_box(out);
                        });
                        let rate = gb_per_s(size * group * threads, time);
                        print!(" {rate:.1} ({:.0}) |", rate * (8 * K) as f64 / group as f64);
                    }
                    println!();
                }
            }
        }
    }

    println!("\nGEMM, n = 128, one thread, GMAC/s:\n\n| path | format | 2560 x 2560 | k = 6912 |\n|---|---|---|---|");
    for &path in &paths[1..] {
        for format in Format::ALL {
            print!("| {path} | {format:?} |");
            for (rows, k) in [(2560, 2560), (2560, 6912)] {
                let matrix = packed(format, rows, k);
                let acts = activations(k, 128);
                let pieces = matrix.group_count() / 8;
                let time = fastest(1, pieces, |_, piece| {
                    let mut out = vec![0; 128 * 64];
                    gemm(path, matrix.groups(piece * 8..piece * 8 + 8), &acts, &mut out, 64, &mut Scratch::new(k));
                    black_box(out);
                });
                print!(" {:.0} |", (64 * k * 128) as f64 / time.as_secs_f64() / 1e9);
            }
            println!();
        }
    }

    // As many matrices as do not fit a cache; each call takes the next.
    const MATRICES: usize = 20;
    const LISTS: usize = 8;
    const ZEROS: [usize; 5] = [0, 50, 80, 90, 95];
    println!("\nOne token, one thread, DRAM, us, by the share of zeros in %:\n");
    println!("| path | product | dense | 0 | 50 | 80 | 90 | 95 |\n|---|---|---|---|---|---|---|---|");
    let arena = Arena::new();
    let up: Vec<_> =
        (0..MATRICES).map(|_| ByRows::new(&file_bytes(6912, K), 6912, K, &arena).expect("no code 3")).collect();
    let down: Vec<_> =
        (0..MATRICES).map(|_| ByColumns::pack(&file_bytes(K, 6912), K, 6912, &arena).expect("no code 3")).collect();
    for (rows, k) in [(6912, K), (K, 6912)] {
        let dense: Vec<_> = (0..MATRICES).map(|_| packed(Format::I2, rows, k)).collect();
        let acts = activations(k, 1);
        for &path in &paths[1..] {
            let time = fastest(1, MATRICES, |_, i| {
                let mut out = vec![0; rows];
                gemv(path, dense[i].weights(), &acts, &mut out, rows);
                black_box(out);
            });
            let what = if rows == K { "columns, 2560 x 6912" } else { "rows, 6912 x 2560" };
            print!("| {path} | {what} | {} |", time.as_micros());
            for zeros in ZEROS {
                // The same share in every list, at places that look random and differ: otherwise L3 would hold them.
                let is_zero = |list: usize, i: usize| (i * 7919 + list * 1709) % 6911 * 100 / 6911 < zeros;
                let lists: Vec<Vec<u32>> = (0..LISTS)
                    .map(|list| (0..6912).filter(|&i| !is_zero(list, i)).map(|i| i as u32).collect())
                    .collect();
                let values: Vec<NonZero> = (0..LISTS)
                    .map(|list| {
                        let mut values = NonZero::new(6912);
                        values.collect(&(0..6912).map(|i| 3 * i8::from(!is_zero(list, i))).collect::<Vec<_>>());
                        values
                    })
                    .collect();
                let time = fastest(1, MATRICES * LISTS, |_, i| {
                    let (matrix, list) = (i % MATRICES, i / MATRICES);
                    let mut out = vec![0; if rows == K { K } else { lists[list].len() }];
                    match rows == K {
                        true => down[matrix].product(path, 0..K / 256, &values[list], &mut out),
                        false => up[matrix].product(path, &lists[list], &acts, 0, &mut out),
                    }
                    black_box(out);
                });
                print!(" {} |", time.as_micros());
            }
            println!();
        }
    }
}
