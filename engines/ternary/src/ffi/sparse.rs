//! The products that skip what is zero: declarations, and a safe function for each.
#![allow(unsafe_code)]

use crate::{
    Path,
    ints::{LINE, row_stride},
};

macro_rules! declare {
    ($($rows:ident $cols:ident)*) => {
        unsafe extern "C" {
            $(fn $rows(
                w: *const u8, k: usize, list: *const u32, count: usize, q: *const i8, qsum: i32, d: *mut i32,
            );
            fn $cols(
                w: *const u8, stride: usize, pieces: usize, list: *const u32, count: usize, q: *const i8, qsum: i32,
                d: *mut i32,
            );)*
        }
    };
}

declare!(tern_i2_rows_ref tern_i2_cols_ref);
#[cfg(target_arch = "x86_64")]
declare!(tern_i2_rows_avx2 tern_i2_cols_avx2 tern_i2_rows_avx512 tern_i2_cols_avx512);
unsafe extern "C" {
    fn tern_i2c_pack(src: *const u8, rows: usize, k: usize, w: *mut u8) -> usize;
}

/// Most columns of one product, with a margin to what 32 bits hold.
pub const COLUMNS_MAX: usize = 1 << 17;

/// `out[i]` = row `list[i]` of the row-major matrix `weights` times `q`, a whole row of activations.
pub fn rows(path: Path, weights: &[u8], k: usize, list: &[u32], q: &[i8], sum: i32, out: &mut [i32]) {
    assert!(path.is_available(), "this processor cannot run the kernel path \"{path}\"");
    assert!(k > 0 && k.is_multiple_of(128) && k <= 1 << 20, "{k} columns: not a multiple of 128 up to 2^20");
    assert!(sum.unsigned_abs() as usize <= 128 * k, "a sum of {k} int8 values is out of range");
    assert!(q.len() >= row_stride(k), "too few activations");
    assert!(weights.as_ptr().addr().is_multiple_of(LINE), "weights are not aligned to {LINE} bytes");
    assert!(q.as_ptr().addr().is_multiple_of(LINE), "activations are not aligned to {LINE} bytes");
    assert!(out.len() >= list.len(), "{} rows, room for {} results", list.len(), out.len());
    let Some(&last) = list.iter().max() else { return };
    assert!(weights.len() / (k / 4) > last as usize, "row {last} of {} is asked for", weights.len() / (k / 4));
    let kernel = match path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 | Path::AvxVnni => tern_i2_rows_avx2,
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 | Path::Amx => tern_i2_rows_avx512,
        _ => tern_i2_rows_ref,
    };
    // SAFETY: the processor has the path's instructions, every row of the list is inside `weights`, and the other slices,
    // of which only `out` is written, are aligned and as long as ternary.h asks: all asserted above.
    unsafe { kernel(weights.as_ptr(), k, list.as_ptr(), list.len(), q.as_ptr(), sum, out.as_mut_ptr()) }
}

/// `out` = rows `256 * first ..` of the column-major matrix `weights` times the activations `q` of the columns `list`.
pub fn columns(path: Path, weights: &[u8], stride: usize, first: usize, list: &[u32], q: &[i8], out: &mut [i32]) {
    assert!(path.is_available(), "this processor cannot run the kernel path \"{path}\"");
    let pieces = out.len() / 256;
    assert!(out.len().is_multiple_of(256), "{} results: not whole pieces of 256", out.len());
    assert!(stride.is_multiple_of(LINE) && (first + pieces) * 64 <= stride, "pieces past the end of a column");
    assert!(list.len().is_multiple_of(4) && list.len() <= COLUMNS_MAX, "{} columns in a list", list.len());
    assert!(q.len() >= list.len(), "{} columns, {} activations", list.len(), q.len());
    assert!(weights.as_ptr().addr().is_multiple_of(LINE), "weights are not aligned to {LINE} bytes");
    assert!(q.as_ptr().addr().is_multiple_of(4), "activations are not aligned to 4 bytes");
    let sum: i32 = q[..list.len()].iter().map(|&v| i32::from(v)).sum();
    let Some(&last) = list.iter().max() else {
        out.fill(0);
        return;
    };
    if pieces == 0 {
        return;
    }
    assert!(weights.len() / stride > last as usize, "column {last} of {} is asked for", weights.len() / stride);
    let kernel = match path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 | Path::AvxVnni => tern_i2_cols_avx2,
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 | Path::Amx => tern_i2_cols_avx512,
        _ => tern_i2_cols_ref,
    };
    let begin = &weights[first * 64..];
    // SAFETY: the processor has the path's instructions; every column of the list has `stride` bytes in `weights`, of
    // which those from piece `first` to the last asked for are inside; the other slices, of which only `out` is written,
    // are aligned and as long as ternary.h asks: all asserted above.
    unsafe {
        kernel(begin.as_ptr(), stride, pieces, list.as_ptr(), list.len(), q.as_ptr(), sum, out.as_mut_ptr());
    }
}

/// Packs rows of the I2_S layout by columns; the number of the first row with a code 3 is the error.
pub fn pack_columns(src: &[u8], rows: usize, k: usize, stride: usize, to: &mut [u8]) -> Result<(), usize> {
    assert!(k.is_multiple_of(128), "{k} columns: not a multiple of 128");
    assert!(src.len() >= rows * (k / 4), "too few bytes for {rows} rows of {k} weights");
    assert!(stride == rows.div_ceil(256) * 64 && to.len() >= k * stride, "no room for {k} packed columns");
    // SAFETY: portable C; `src` and `to` do not overlap (`to` is `&mut`) and have the lengths asserted above.
    match unsafe { tern_i2c_pack(src.as_ptr(), rows, k, to.as_mut_ptr()) } {
        0 => Ok(()),
        row => Err(row - 1),
    }
}
