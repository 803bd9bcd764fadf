//! The float kernels: declarations, and one safe function for each, which picks the implementation. Lengths are checked
//! in [`crate::floats`].
#![allow(unsafe_code)]

use std::ffi::c_int;

use crate::{
    Path,
    floats::{Cell, Cells, Function, Queries, RowKind},
};

type Norm = unsafe extern "C" fn(x: *const f32, g: *const f32, k: usize, eps: f32, y: *mut f32);
type Round = unsafe extern "C" fn(x: *const f32, g: *const f32, k: usize, eps: f32, q: *mut i8, sum: *mut i32) -> f32;
type Rope = unsafe extern "C" fn(x: *mut f32, cosine: *const f32, sine: *const f32, dims: usize);
type Store = unsafe extern "C" fn(kind: c_int, x: *const f32, n: usize, cell: *mut u8);
type Widen = unsafe extern "C" fn(kind: c_int, row: *const u8, n: usize, x: *mut f32);
type Attend = unsafe extern "C" fn(
    kind: c_int,
    q: *const f32,
    ldq: usize,
    tokens: usize,
    heads: usize,
    size: usize,
    k: *const u8,
    v: *const u8,
    cell_bytes: usize,
    cells: *const u32,
    n: usize,
    scale: f32,
    scratch: *mut f32,
    out: *mut f32,
    ldo: usize,
);
type GateSums = unsafe extern "C" fn(f: c_int, g: *const i32, u: *const i32, sg: f32, su: f32, n: usize, z: *mut f32);
type Gate = unsafe extern "C" fn(f: c_int, g: *const f32, n: usize, z: *mut f32);
type Exp = unsafe extern "C" fn(x: *const f32, n: usize, y: *mut f32);
type Rows = unsafe extern "C" fn(
    kind: c_int,
    rows: *const u8,
    row_bytes: usize,
    count: usize,
    k: usize,
    h: *const f32,
    n: usize,
    out: *mut f32,
    ldo: usize,
);
type ScreenHigh =
    unsafe extern "C" fn(rows: *const u8, count: usize, blocks: usize, h: *const i8, n: usize, d: *mut i32, ldd: usize);
type ScreenLow = unsafe extern "C" fn(row: *const u8, blocks: usize, h: *const i8, n: usize, d: *mut i32);

/// The implementations of a path.
struct Kernels {
    norm: Norm,
    round: Round,
    rope_halves: Rope,
    rope_neighbours: Rope,
    store: Store,
    widen: Widen,
    attend: Attend,
    gate_sums: GateSums,
    gate: Gate,
    exp: Exp,
    rows: Rows,
    screen_high: ScreenHigh,
    screen_low: ScreenLow,
}

/// Declares the functions of an instruction set and makes its table.
macro_rules! kernels {
    ($table:ident: $norm:ident $round:ident $halves:ident $neighbours:ident $store:ident $widen:ident $attend:ident
     $sums:ident $gate:ident $exp:ident $rows:ident $high:ident $low:ident) => {
        unsafe extern "C" {
            fn $norm(x: *const f32, g: *const f32, k: usize, eps: f32, y: *mut f32);
            fn $round(x: *const f32, g: *const f32, k: usize, eps: f32, q: *mut i8, sum: *mut i32) -> f32;
            fn $halves(x: *mut f32, cosine: *const f32, sine: *const f32, dims: usize);
            fn $neighbours(x: *mut f32, cosine: *const f32, sine: *const f32, dims: usize);
            fn $store(kind: c_int, x: *const f32, n: usize, cell: *mut u8);
            fn $widen(kind: c_int, row: *const u8, n: usize, x: *mut f32);
            fn $attend(
                kind: c_int,
                q: *const f32,
                ldq: usize,
                tokens: usize,
                heads: usize,
                size: usize,
                k: *const u8,
                v: *const u8,
                cell_bytes: usize,
                cells: *const u32,
                n: usize,
                scale: f32,
                scratch: *mut f32,
                out: *mut f32,
                ldo: usize,
            );
            fn $sums(f: c_int, g: *const i32, u: *const i32, sg: f32, su: f32, n: usize, z: *mut f32);
            fn $gate(f: c_int, g: *const f32, n: usize, z: *mut f32);
            fn $exp(x: *const f32, n: usize, y: *mut f32);
            fn $rows(
                kind: c_int,
                rows: *const u8,
                row_bytes: usize,
                count: usize,
                k: usize,
                h: *const f32,
                n: usize,
                out: *mut f32,
                ldo: usize,
            );
            fn $high(rows: *const u8, count: usize, blocks: usize, h: *const i8, n: usize, d: *mut i32, ldd: usize);
            fn $low(row: *const u8, blocks: usize, h: *const i8, n: usize, d: *mut i32);
        }
        static $table: Kernels = Kernels {
            norm: $norm,
            round: $round,
            rope_halves: $halves,
            rope_neighbours: $neighbours,
            store: $store,
            widen: $widen,
            attend: $attend,
            gate_sums: $sums,
            gate: $gate,
            exp: $exp,
            rows: $rows,
            screen_high: $high,
            screen_low: $low,
        };
    };
}

kernels! { REFERENCE: tern_f32_norm_ref tern_f32_round_ref tern_f32_rope_halves_ref tern_f32_rope_neighbours_ref
tern_f32_store_ref tern_f32_widen_ref tern_f32_attend_ref tern_f32_gate_sums_ref tern_f32_gate_ref tern_f32_exp_ref
tern_f32_rows_ref tern_f32_screen_high_ref tern_f32_screen_low_ref }
#[cfg(target_arch = "x86_64")]
kernels! { AVX2: tern_f32_norm_avx2 tern_f32_round_avx2 tern_f32_rope_halves_avx2 tern_f32_rope_neighbours_avx2
tern_f32_store_avx2 tern_f32_widen_avx2 tern_f32_attend_avx2 tern_f32_gate_sums_avx2 tern_f32_gate_avx2
tern_f32_exp_avx2 tern_f32_rows_avx2 tern_f32_screen_high_avx2 tern_f32_screen_low_avx2 }
#[cfg(target_arch = "x86_64")]
kernels! { AVX512: tern_f32_norm_avx512 tern_f32_round_avx512 tern_f32_rope_halves_avx512
tern_f32_rope_neighbours_avx512 tern_f32_store_avx512 tern_f32_widen_avx512 tern_f32_attend_avx512
tern_f32_gate_sums_avx512 tern_f32_gate_avx512 tern_f32_exp_avx512 tern_f32_rows_avx512 tern_f32_screen_high_avx512 tern_f32_screen_low_avx512 }
#[cfg(target_arch = "aarch64")]
kernels! { NEON: tern_f32_norm_neon tern_f32_round_neon tern_f32_rope_halves_neon tern_f32_rope_neighbours_neon
tern_f32_store_neon tern_f32_widen_neon tern_f32_attend_neon tern_f32_gate_sums_neon tern_f32_gate_neon
tern_f32_exp_neon tern_f32_rows_neon tern_f32_screen_high_neon tern_f32_screen_low_neon }

/// The table of a path that this processor can run.
fn kernels(path: Path) -> &'static Kernels {
    assert!(path.is_available(), "this processor lacks the instructions of {path}");
    match path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 | Path::AvxVnni => &AVX2,
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 | Path::Amx => &AVX512,
        #[cfg(target_arch = "aarch64")]
        Path::Dotprod | Path::I8mm => &NEON,
        _ => &REFERENCE,
    }
}

pub fn norm(path: Path, x: &[f32], weights: &[f32], eps: f32, out: &mut [f32]) {
    // SAFETY: `crate::floats` has checked that all three have one length; `kernels`, that the processor can run it.
    unsafe { (kernels(path).norm)(x.as_ptr(), weights.as_ptr(), x.len(), eps, out.as_mut_ptr()) }
}

pub fn norm_in_place(path: Path, x: &mut [f32], weights: &[f32], eps: f32) {
    let (x, k) = (x.as_mut_ptr(), x.len());
    // SAFETY: one length, as in `norm`; the kernel allows its output to be its input.
    unsafe { (kernels(path).norm)(x, weights.as_ptr(), k, eps, x) }
}

pub fn round(path: Path, x: &[f32], weights: Option<&[f32]>, eps: f32, q: &mut [i8], sum: &mut i32) -> f32 {
    let weights = weights.map_or(std::ptr::null(), <[f32]>::as_ptr);
    // SAFETY: `crate::floats` has checked that all have one length; null weights mean none.
    unsafe { (kernels(path).round)(x.as_ptr(), weights, x.len(), eps, q.as_mut_ptr(), sum) }
}

pub fn rotate(path: Path, halves: bool, head: &mut [f32], cosine: &[f32], sine: &[f32]) {
    let kernels = kernels(path);
    let rotate = if halves { kernels.rope_halves } else { kernels.rope_neighbours };
    // SAFETY: the head has at least twice as many numbers as there are angles, and as many cosines as sines.
    unsafe { rotate(head.as_mut_ptr(), cosine.as_ptr(), sine.as_ptr(), 2 * cosine.len()) }
}

pub fn store(path: Path, kind: Cell, head: &[f32], cell: &mut [u8]) {
    // SAFETY: the cell has the bytes that so many numbers take, whole blocks.
    unsafe { (kernels(path).store)(cell_number(kind), head.as_ptr(), head.len(), cell.as_mut_ptr()) }
}

pub fn widen(path: Path, kind: RowKind, row: &[u8], out: &mut [f32]) {
    // SAFETY: the row has the bytes of `out.len()` numbers, whole blocks.
    unsafe { (kernels(path).widen)(row_number(kind), row.as_ptr(), out.len(), out.as_mut_ptr()) }
}

pub fn attend(
    path: Path,
    shape: Queries,
    queries: &[f32],
    cells: Cells<'_>,
    scale: f32,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    let Queries { tokens, heads, size } = shape;
    let stride = heads * size;
    // SAFETY: `crate::floats` has checked that every cell that is seen lies within keys and values, that each token sees
    // one, that heads are not longer than TERN_HEAD_MAX, and the lengths of scratch, queries and output.
    unsafe {
        (kernels(path).attend)(
            cell_number(cells.kind),
            queries.as_ptr(),
            stride,
            tokens,
            heads,
            size,
            cells.keys.as_ptr(),
            cells.values.as_ptr(),
            cells.kind.bytes(size),
            cells.seen.as_ptr(),
            cells.seen.len(),
            scale,
            scratch.as_mut_ptr(),
            out.as_mut_ptr(),
            stride,
        );
    }
}

pub fn gate_sums(path: Path, function: Function, g: &[i32], u: &[i32], scales: (f32, f32), out: &mut [f32]) {
    let (f, n) = (function_number(function), out.len());
    // SAFETY: all have one length.
    unsafe { (kernels(path).gate_sums)(f, g.as_ptr(), u.as_ptr(), scales.0, scales.1, n, out.as_mut_ptr()) }
}

pub fn gate(path: Path, function: Function, g: &[f32], out: &mut [f32]) {
    // SAFETY: both have one length.
    unsafe { (kernels(path).gate)(function_number(function), g.as_ptr(), out.len(), out.as_mut_ptr()) }
}

pub fn exp(path: Path, x: &[f32], out: &mut [f32]) {
    // SAFETY: both have one length.
    unsafe { (kernels(path).exp)(x.as_ptr(), out.len(), out.as_mut_ptr()) }
}

pub fn rows(path: Path, kind: RowKind, rows: &[u8], k: usize, vectors: &[f32], out: &mut [f32], ldo: usize) {
    let (row_bytes, n) = (kind.bytes(k), vectors.len() / k);
    let count = rows.len() / row_bytes;
    // SAFETY: `crate::floats` has checked that there are `count` rows of `row_bytes`, `n` vectors of `k` values, and room
    // for `n` rows of `count` results, `ldo` apart.
    unsafe {
        let out = out.as_mut_ptr();
        (kernels(path).rows)(row_number(kind), rows.as_ptr(), row_bytes, count, k, vectors.as_ptr(), n, out, ldo);
    }
}

pub fn screen_high(path: Path, rows: &[u8], blocks: usize, vectors: &[i8], out: &mut [i32], ldo: usize) {
    let (count, n) = (rows.len() / (blocks * 192), vectors.len() / (blocks * 256));
    // SAFETY: `crate::floats` has checked that rows and vectors are of whole blocks, and that there is room for `n` rows of
    // `count` results, `ldo` apart.
    unsafe { (kernels(path).screen_high)(rows.as_ptr(), count, blocks, vectors.as_ptr(), n, out.as_mut_ptr(), ldo) }
}

pub fn screen_low(path: Path, row: &[u8], vectors: &[i8], out: &mut [i32]) {
    // SAFETY: `crate::floats` has checked that the row is of whole blocks, and that there are as many vectors of so many as
    // results.
    unsafe { (kernels(path).screen_low)(row.as_ptr(), row.len() / 64, vectors.as_ptr(), out.len(), out.as_mut_ptr()) }
}

fn cell_number(kind: Cell) -> c_int {
    match kind {
        Cell::F16 => 0,
        Cell::Q8_0 => 1,
        Cell::F32 => 2,
    }
}

fn row_number(kind: RowKind) -> c_int {
    match kind {
        RowKind::F32 => 0,
        RowKind::F16 => 1,
        RowKind::BF16 => 2,
        RowKind::Q8_0 => 3,
        RowKind::Q6K => 4,
    }
}

fn function_number(function: Function) -> c_int {
    match function {
        Function::Relu2 => 0,
        Function::Silu => 1,
        Function::Gelu => 2,
    }
}
