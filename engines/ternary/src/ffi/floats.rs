//! The float kernels: declarations, and one safe function for each. Lengths are checked in [`crate::floats`].
#![allow(unsafe_code)]

use std::ffi::c_int;

use crate::{
    Path,
    floats::{Cell, Cells, Function, RowKind},
};

macro_rules! declare {
    ($($norm:ident $round:ident $halves:ident $neighbours:ident $store:ident $attend:ident $sums:ident $gate:ident $rows:ident $screen:ident;)*) => {
        unsafe extern "C" {$(
            fn $norm(x: *const f32, g: *const f32, k: usize, eps: f32, y: *mut f32);
            fn $round(x: *const f32, g: *const f32, k: usize, eps: f32, q: *mut i8, sum: *mut i32) -> f32;
            fn $halves(x: *mut f32, cosine: *const f32, sine: *const f32, dims: usize);
            fn $neighbours(x: *mut f32, cosine: *const f32, sine: *const f32, dims: usize);
            fn $store(kind: c_int, x: *const f32, n: usize, cell: *mut u8);
            fn $attend(
                kind: c_int, q: *const f32, heads: usize, size: usize, k: *const u8, v: *const u8, cell_bytes: usize,
                cells: *const u32, n: usize, scale: f32, scores: *mut f32, out: *mut f32,
            );
            fn $sums(f: c_int, g: *const i32, u: *const i32, sg: f32, su: f32, n: usize, z: *mut f32);
            fn $gate(f: c_int, g: *const f32, n: usize, z: *mut f32);
            fn $rows(
                kind: c_int, rows: *const u8, row_bytes: usize, count: usize, k: usize, h: *const f32, n: usize,
                out: *mut f32, ldo: usize,
            );
            fn $screen(rows: *const i8, count: usize, k: usize, h: *const i16, d: *mut i32);
        )*}
    };
}

declare! {
    tern_f32_norm_ref tern_f32_round_ref tern_f32_rope_halves_ref tern_f32_rope_neighbours_ref tern_f32_store_ref
    tern_f32_attend_ref tern_f32_gate_sums_ref tern_f32_gate_ref tern_f32_rows_ref
    tern_f32_screen_ref;
}
#[cfg(target_arch = "x86_64")]
declare! {
    tern_f32_norm_avx2 tern_f32_round_avx2 tern_f32_rope_halves_avx2 tern_f32_rope_neighbours_avx2 tern_f32_store_avx2
    tern_f32_attend_avx2 tern_f32_gate_sums_avx2 tern_f32_gate_avx2 tern_f32_rows_avx2
    tern_f32_screen_avx2;
    tern_f32_norm_avx512 tern_f32_round_avx512 tern_f32_rope_halves_avx512 tern_f32_rope_neighbours_avx512
    tern_f32_store_avx512 tern_f32_attend_avx512 tern_f32_gate_sums_avx512 tern_f32_gate_avx512 tern_f32_rows_avx512
    tern_f32_screen_avx512;
}
#[cfg(target_arch = "aarch64")]
declare! {
    tern_f32_norm_neon tern_f32_round_neon tern_f32_rope_halves_neon tern_f32_rope_neighbours_neon tern_f32_store_neon
    tern_f32_attend_neon tern_f32_gate_sums_neon tern_f32_gate_neon tern_f32_rows_neon
    tern_f32_screen_neon;
}

/// The implementation of a path.
macro_rules! pick {
    ($path:expr, $reference:ident, $avx2:ident, $avx512:ident, $neon:ident) => {{
        let path = $path;
        assert!(path.is_available(), "this processor lacks the instructions of {path}");
        match path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 | Path::AvxVnni => $avx2,
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => $avx512,
            #[cfg(target_arch = "aarch64")]
            Path::Dotprod | Path::I8mm => $neon,
            _ => $reference,
        }
    }};
}

pub(crate) fn norm(path: Path, x: &[f32], weights: &[f32], eps: f32, out: &mut [f32]) {
    let norm = pick!(path, tern_f32_norm_ref, tern_f32_norm_avx2, tern_f32_norm_avx512, tern_f32_norm_neon);
    // SAFETY: `crate::floats` has checked that all three have one length; the processor has the instructions (`pick`).
    unsafe { norm(x.as_ptr(), weights.as_ptr(), x.len(), eps, out.as_mut_ptr()) }
}

pub(crate) fn norm_in_place(path: Path, x: &mut [f32], weights: &[f32], eps: f32) {
    let norm = pick!(path, tern_f32_norm_ref, tern_f32_norm_avx2, tern_f32_norm_avx512, tern_f32_norm_neon);
    let (x, k) = (x.as_mut_ptr(), x.len());
    // SAFETY: one length, as in `norm`; the kernel allows its output to be its input.
    unsafe { norm(x, weights.as_ptr(), k, eps, x) }
}

pub(crate) fn round(path: Path, x: &[f32], weights: Option<&[f32]>, eps: f32, q: &mut [i8], sum: &mut i32) -> f32 {
    let round = pick!(path, tern_f32_round_ref, tern_f32_round_avx2, tern_f32_round_avx512, tern_f32_round_neon);
    let weights = weights.map_or(std::ptr::null(), <[f32]>::as_ptr);
    // SAFETY: `crate::floats` has checked that all have one length; null weights mean none.
    unsafe { round(x.as_ptr(), weights, x.len(), eps, q.as_mut_ptr(), sum) }
}

pub(crate) fn rotate(path: Path, halves: bool, head: &mut [f32], cosine: &[f32], sine: &[f32]) {
    let rotate = if halves {
        pick!(
            path,
            tern_f32_rope_halves_ref,
            tern_f32_rope_halves_avx2,
            tern_f32_rope_halves_avx512,
            tern_f32_rope_halves_neon
        )
    } else {
        pick!(
            path,
            tern_f32_rope_neighbours_ref,
            tern_f32_rope_neighbours_avx2,
            tern_f32_rope_neighbours_avx512,
            tern_f32_rope_neighbours_neon
        )
    };
    // SAFETY: the head has at least twice as many numbers as there are angles, and as many cosines as sines.
    unsafe { rotate(head.as_mut_ptr(), cosine.as_ptr(), sine.as_ptr(), 2 * cosine.len()) }
}

pub(crate) fn store(path: Path, kind: Cell, head: &[f32], cell: &mut [u8]) {
    let store = pick!(path, tern_f32_store_ref, tern_f32_store_avx2, tern_f32_store_avx512, tern_f32_store_neon);
    // SAFETY: the cell has the bytes that so many numbers take.
    unsafe { store(cell_number(kind), head.as_ptr(), head.len(), cell.as_mut_ptr()) }
}

pub(crate) fn attend(
    path: Path,
    size: usize,
    queries: &[f32],
    cells: Cells<'_>,
    scale: f32,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    let attend = pick!(path, tern_f32_attend_ref, tern_f32_attend_avx2, tern_f32_attend_avx512, tern_f32_attend_neon);
    let heads = queries.len() / size;
    // SAFETY: `crate::floats` has checked that every cell that is seen lies within keys and values, that the scratch holds a
    // row of scores for each head, and that queries and output are `[heads][size]`.
    unsafe {
        attend(
            cell_number(cells.kind),
            queries.as_ptr(),
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
        );
    }
}

pub(crate) fn gate_sums(path: Path, function: Function, g: &[i32], u: &[i32], scales: (f32, f32), out: &mut [f32]) {
    let gate = pick!(
        path,
        tern_f32_gate_sums_ref,
        tern_f32_gate_sums_avx2,
        tern_f32_gate_sums_avx512,
        tern_f32_gate_sums_neon
    );
    // SAFETY: all have one length.
    unsafe { gate(function_number(function), g.as_ptr(), u.as_ptr(), scales.0, scales.1, out.len(), out.as_mut_ptr()) }
}

pub(crate) fn gate(path: Path, function: Function, g: &[f32], out: &mut [f32]) {
    let gate = pick!(path, tern_f32_gate_ref, tern_f32_gate_avx2, tern_f32_gate_avx512, tern_f32_gate_neon);
    // SAFETY: both have one length.
    unsafe { gate(function_number(function), g.as_ptr(), out.len(), out.as_mut_ptr()) }
}

#[allow(clippy::too_many_arguments, reason = "the kernel's own arguments, each checked by its caller")]
pub(crate) fn rows(
    path: Path,
    kind: RowKind,
    rows: &[u8],
    row_bytes: usize,
    count: usize,
    k: usize,
    vectors: &[f32],
    n: usize,
    out: &mut [f32],
    ldo: usize,
) {
    let multiply = pick!(path, tern_f32_rows_ref, tern_f32_rows_avx2, tern_f32_rows_avx512, tern_f32_rows_neon);
    let kind = match kind {
        RowKind::F32 => 0,
        RowKind::F16 => 1,
        RowKind::BF16 => 2,
        RowKind::Q8_0 => 3,
        RowKind::Q6K => 4,
    };
    // SAFETY: `crate::floats` has checked that there are `count` rows of `row_bytes`, `n` vectors of `k` values, and room
    // for `n` rows of `count` results, `ldo` apart.
    unsafe { multiply(kind, rows.as_ptr(), row_bytes, count, k, vectors.as_ptr(), n, out.as_mut_ptr(), ldo) }
}

pub(crate) fn screen(path: Path, rows: &[i8], h: &[i16], out: &mut [i32]) {
    let screen = pick!(path, tern_f32_screen_ref, tern_f32_screen_avx2, tern_f32_screen_avx512, tern_f32_screen_neon);
    // SAFETY: `crate::floats` has checked that there is a row of `h.len()` codes for each result.
    unsafe { screen(rows.as_ptr(), out.len(), h.len(), h.as_ptr(), out.as_mut_ptr()) }
}

fn cell_number(kind: Cell) -> c_int {
    match kind {
        Cell::F16 => 0,
        Cell::Q8_0 => 1,
        Cell::F32 => 2,
    }
}

fn function_number(function: Function) -> c_int {
    match function {
        Function::Relu2 => 0,
        Function::Silu => 1,
        Function::Gelu => 2,
    }
}
