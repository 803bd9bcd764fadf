//! Every path computes what the reference computes, bit for bit, and the reference what the layouts say.

use tern_ternary::{
    Path,
    ints::{Activations, Arena, BadCode, ByColumns, ByRows, Format, GEMV_MAX, NonZero, Packed, Scratch, gemm, gemv},
};

const K: [usize; 7] = [128, 256, 384, 640, 1152, 2560, 6912];
const TOKENS: [usize; 13] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 24, 64];

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

/// A matrix of codes in the layout of a file: byte j of a block of 128 holds weights j, 32+j, 64+j, 96+j.
fn file_bytes(rows: usize, k: usize, mut code: impl FnMut(usize, usize) -> u8) -> Vec<u8> {
    let mut bytes = vec![0; rows * k / 4];
    for n in 0..rows * k {
        bytes[32 * (n >> 7) + (n & 31)] |= code(n / k, n % k) << (6 - 2 * ((n >> 5) & 3));
    }
    bytes
}

fn activations(k: usize, n: usize, mut q: impl FnMut(usize, usize) -> i8) -> Activations {
    let mut acts = Activations::new(k, n);
    acts.set_len(n);
    for t in 0..n {
        acts.set(t, &(0..k).map(|c| q(t, c)).collect::<Vec<_>>());
    }
    acts
}

/// The first difference between what `path` computes and `expected`, for gemv (if it takes as many) and gemm.
fn check(path: Path, packed: &Packed, acts: &Activations, expected: &[i32]) {
    let (n, ldd) = (acts.len(), 8 * packed.group_count());
    let mut results = Vec::new();
    if n <= GEMV_MAX {
        let mut out = vec![i32::MIN; n * ldd];
        gemv(path, packed.weights(), acts, &mut out, ldd);
        results.push(("gemv", out));
    }
    let mut out = vec![i32::MIN; n * ldd];
    gemm(path, packed.weights(), acts, &mut out, ldd, &mut Scratch::new(acts.k()));
    results.push(("gemm", out));
    for (what, out) in results {
        if let Some(at) = (0..out.len()).find(|&i| out[i] != expected[i]) {
            panic!(
                "{what} {path} {:?} k={} n={n}: row {} of token {} is {}, expected {}",
                packed.format(),
                acts.k(),
                at % ldd,
                at / ldd,
                out[at],
                expected[at]
            );
        }
    }
}

/// Products by their definition.
fn expected(packed: &Packed, acts: &Activations) -> Vec<i32> {
    let codes: Vec<Vec<u8>> = (0..8 * packed.group_count()).map(|row| packed.codes(row)).collect();
    let dot = |codes: &[u8], q: &[i8]| codes.iter().zip(q).map(|(&c, &q)| (i32::from(c) - 1) * i32::from(q)).sum();
    (0..acts.len()).flat_map(|t| codes.iter().map(move |codes| dot(codes, acts.row(t)))).collect()
}

fn check_all(rows: usize, k: usize, tokens: &[usize], mut code: impl FnMut(usize, usize) -> u8, q: impl Fn(u64) -> i8) {
    let src = file_bytes(rows, k, &mut code);
    let mut random = Random(7);
    for format in Format::ALL {
        let packed = Packed::pack(format, &src, rows, k).unwrap();
        for &n in tokens {
            let acts = activations(k, n, |_, _| q(random.below(255)));
            let expected = expected(&packed, &acts);
            for path in Path::available() {
                check(path, &packed, &acts, &expected);
            }
        }
    }
}

fn any(value: u64) -> i8 {
    (value as i64 - 127) as i8
}

#[test]
fn every_path_equals_the_definition_for_every_width_and_token_count() {
    for k in K {
        let mut random = Random(k as u64);
        check_all(17, k, &TOKENS, |_, _| random.below(3) as u8, any);
    }
}

#[test]
fn every_path_equals_the_definition_for_every_row_count() {
    for rows in [1, 7, 8, 9, 31, 32, 33, 640] {
        let mut random = Random(rows as u64);
        check_all(rows, 256, &[1, 2, 5, 13], |_, _| random.below(3) as u8, any);
    }
}

#[test]
fn sums_at_the_ends_of_the_range_do_not_overflow() {
    for k in K {
        for code in [0, 2] {
            for q in [-127, 127] {
                check_all(9, k, &[1, 2, 3, 4, 6, 8, 13], |_, _| code, |_| q);
            }
        }
    }
}

#[test]
fn a_row_range_computes_its_own_rows() {
    let mut random = Random(3);
    let src = file_bytes(40, 256, |_, _| random.below(3) as u8);
    let packed = Packed::pack(Format::I2, &src, 40, 256).unwrap();
    let acts = activations(256, 3, |_, _| any(random.below(255)));
    let all = expected(&packed, &acts);
    for path in Path::available() {
        let mut out = vec![0; 3 * 100];
        gemv(path, packed.groups(1..4), &acts, &mut out, 100);
        for t in 0..3 {
            assert_eq!(out[t * 100..t * 100 + 24], all[t * 40 + 8..t * 40 + 32], "{path}");
            assert!(out[t * 100 + 24..][..76].iter().all(|&d| d == 0), "{path} writes its own columns only");
        }
    }
}

/// A random matrix, a vector of which `zeros` in 100 values are zero, and their product.
fn sparse(rows: usize, k: usize, zeros: u64, extreme: bool) -> (Vec<u8>, Activations, Vec<i32>) {
    let mut random = Random((rows + k) as u64 + zeros);
    let src = file_bytes(rows, k, |_, _| if extreme { 2 } else { random.below(3) as u8 });
    let acts = activations(k, 1, |_, _| match random.below(100) < zeros {
        true => 0,
        false if extreme => 127,
        false => any(random.below(255)),
    });
    let d = expected(&Packed::pack(Format::I2, &src, rows, k).unwrap(), &acts);
    (src, acts, d)
}

#[test]
fn products_with_some_rows_equal_those_rows_of_the_whole() {
    for k in K {
        for extreme in [false, true] {
            let (src, acts, d) = sparse(45, k, 0, extreme);
            let matrix = ByRows::new(&src, 45, k, &Arena::with_slabs_of(0)).unwrap();
            for list in [vec![], vec![44], vec![0, 1, 2], (0..45).step_by(2).collect(), (0..45).collect(), vec![7; 5]] {
                for path in Path::available() {
                    let mut out = vec![0; list.len()];
                    matrix.product(path, &list, &acts, 0, &mut out);
                    let rows: Vec<_> = list.iter().map(|&row| d[row as usize]).collect();
                    assert_eq!(out, rows, "{path} k={k} {list:?}");
                }
            }
        }
    }
}

#[test]
fn products_that_skip_zero_columns_equal_those_with_all() {
    for (rows, k) in [(1, 128), (256, 256), (257, 384), (640, 2560), (300, 6912)] {
        for (zeros, extreme) in [(0, true), (0, false), (50, false), (90, false), (99, true), (100, false)] {
            let (src, acts, d) = sparse(rows, k, zeros, extreme);
            let matrix = ByColumns::pack(&src, rows, k, &Arena::with_slabs_of(0)).unwrap();
            let mut values = NonZero::new(k);
            values.collect(acts.row(0));
            assert_eq!(values.len(), acts.row(0).iter().filter(|&&q| q != 0).count());
            for path in Path::available() {
                for first in 0..matrix.piece_count() {
                    let mut out = vec![i32::MIN; (matrix.piece_count() - first) * 256];
                    matrix.product(path, first..matrix.piece_count(), &values, &mut out);
                    assert!(out[..rows - first * 256] == d[first * 256..rows], "{path} {rows} x {k}, {zeros} % zeros");
                }
            }
        }
    }
}

#[test]
fn code_3_is_found_by_rows_and_by_columns() {
    let src = file_bytes(20, 256, |r, c| if r == 13 && c == 200 { 3 } else { 1 });
    assert_eq!(ByRows::new(&src, 20, 256, &Arena::with_slabs_of(0)).unwrap_err(), BadCode { row: 13 });
    assert_eq!(ByColumns::pack(&src, 20, 256, &Arena::with_slabs_of(0)).unwrap_err(), BadCode { row: 13 });
}

#[test]
#[should_panic(expected = "row 8 of 8 is asked for")]
fn a_row_that_is_not_there_is_refused() {
    let matrix = ByRows::new(&[0x55; 256], 8, 128, &Arena::with_slabs_of(0)).unwrap();
    matrix.product(Path::Reference, &[3, 8], &activations(128, 1, |_, _| 0), 0, &mut [0; 2]);
}

#[test]
fn the_worked_example_has_the_documented_bytes() {
    let plus = [0, 33, 66, 99, 255];
    let minus = [1, 128];
    let code = |c: usize| 1 + u8::from(plus.contains(&c)) - u8::from(minus.contains(&c));
    let mut bytes = vec![0x55; 64];
    bytes[..4].copy_from_slice(&[0x95, 0x25, 0x59, 0x56]);
    bytes[32] = 0x15;
    bytes[63] = 0x56;
    assert_eq!(file_bytes(1, 256, |_, c| code(c)), bytes);
    for format in Format::ALL {
        let packed = Packed::pack(format, &bytes, 1, 256).unwrap();
        assert_eq!(packed.codes(0), (0..256).map(code).collect::<Vec<_>>(), "{format:?}");
        assert_eq!(packed.codes(7), vec![1; 256], "{format:?}: rows that fill up the group are zero");
    }
}

#[test]
fn code_3_is_found_and_its_row_named() {
    for format in Format::ALL {
        for (row, column) in [(0, 0), (4, 127), (11, 384), (19, 511)] {
            let src = file_bytes(20, 512, |r, c| if r >= row && c == column { 3 } else { 1 });
            let error = Packed::pack(format, &src, 20, 512).unwrap_err();
            assert_eq!(error, BadCode { row }, "{format:?}");
            assert!(error.to_string().contains(&format!("row {row} ")), "{error}");
        }
    }
}

#[test]
fn packing_in_parts_gives_the_same_bytes() {
    let mut random = Random(5);
    let src = file_bytes(43, 640, |_, _| random.below(3) as u8);
    for format in Format::ALL {
        let whole = Packed::pack(format, &src, 43, 640).unwrap();
        let mut parts = Packed::new(format, 43, 640, &Arena::with_slabs_of(0));
        let rows: Vec<_> = parts
            .parts_mut(2)
            .map(|mut part| {
                part.pack(&src).unwrap();
                part.rows()
            })
            .collect();
        assert_eq!(rows, [0..16, 16..32, 32..43]);
        for row in 0..48 {
            assert_eq!(whole.codes(row), parts.codes(row), "{format:?} row {row}");
        }
    }
}

#[test]
fn rows_of_zeros_are_found() {
    let src = file_bytes(20, 384, |r, c| if [3, 8, 19].contains(&r) || c != 200 { 1 } else { 2 });
    for format in Format::ALL {
        let packed = Packed::pack(format, &src, 20, 384).unwrap();
        assert_eq!(packed.zero_rows(), [3, 8, 19], "{format:?}");
    }
}

#[test]
#[should_panic(expected = "too many for a gemv")]
fn a_gemv_of_nine_tokens_is_refused() {
    let packed = Packed::new(Format::I2, 8, 128, &Arena::with_slabs_of(0));
    gemv(Path::Reference, packed.weights(), &activations(128, 9, |_, _| 0), &mut [0; 72], 8);
}

#[test]
#[should_panic(expected = "a sum of 128 int8 values is out of range")]
fn a_sum_that_no_row_can_have_is_refused() {
    let mut acts = activations(128, 1, |_, _| 0);
    *acts.row_mut(0).sum = i32::MIN;
    gemv(Path::Reference, Packed::new(Format::I2, 8, 128, &Arena::with_slabs_of(0)).weights(), &acts, &mut [0; 8], 8);
}

#[test]
#[should_panic(expected = "no room for 2 rows of results")]
fn a_result_buffer_that_is_too_short_is_refused() {
    let packed = Packed::new(Format::I2, 8, 128, &Arena::with_slabs_of(0));
    gemv(Path::Reference, packed.weights(), &activations(128, 2, |_, _| 0), &mut [0; 15], 8);
}
