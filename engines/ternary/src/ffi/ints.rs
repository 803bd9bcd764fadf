//! The integer kernels: declarations, and one safe function for each kind of product, which picks the implementation.
#![allow(unsafe_code)]

use crate::{
    Path,
    ints::{Format, LINE},
};

type Gemv = unsafe extern "C" fn(
    w: *const u8,
    groups: usize,
    k: usize,
    q: *const i8,
    ldq: usize,
    n: usize,
    qsum: *const i32,
    d: *mut i32,
    ldd: usize,
);

type Gemm = unsafe extern "C" fn(
    w: *const u8,
    groups: usize,
    k: usize,
    q: *const i8,
    ldq: usize,
    n: usize,
    qsum: *const i32,
    d: *mut i32,
    ldd: usize,
    scratch: *mut u8,
);

type Pack = unsafe extern "C" fn(src: *const u8, rows: usize, k: usize, w: *mut u8) -> usize;

macro_rules! declare {
    (packers $($pack:ident)* ; gemv $($gemv:ident)* ; gemm $($gemm:ident)*) => {
        unsafe extern "C" {
            $(fn $pack(src: *const u8, rows: usize, k: usize, w: *mut u8) -> usize;)*
            $(fn $gemv(
                w: *const u8, groups: usize, k: usize, q: *const i8, ldq: usize, n: usize, qsum: *const i32,
                d: *mut i32, ldd: usize,
            );)*
            $(fn $gemm(
                w: *const u8, groups: usize, k: usize, q: *const i8, ldq: usize, n: usize, qsum: *const i32,
                d: *mut i32, ldd: usize, scratch: *mut u8,
            );)*
        }
    };
}

declare! {
    packers tern_i2_pack tern_t5_pack;
    gemv tern_i2_gemv_ref tern_t5_gemv_ref;
    gemm tern_i2_gemm_ref tern_t5_gemm_ref
}
#[cfg(target_arch = "x86_64")]
declare! {
    packers;
    gemv tern_i2_gemv_avx2 tern_t5_gemv_avx2 tern_i2_gemv_avxvnni tern_i2_gemv_avx512 tern_t5_gemv_avx512
        tern_i2_gemv_amx;
    gemm tern_i2_gemm_avx2 tern_t5_gemm_avx2 tern_i2_gemm_avxvnni tern_i2_gemm_avx512 tern_t5_gemm_avx512
        tern_i2_gemm_amx
}

/// Whether this processor has tiles of int8 and the system lets this process use them. Asked once.
#[cfg(target_arch = "x86_64")]
pub fn amx_is_permitted() -> bool {
    unsafe extern "C" {
        fn tern_amx_permit() -> std::ffi::c_int;
    }
    static PERMITTED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    // SAFETY: it reads what the processor says of itself and makes one system call, which changes nothing but what the
    // process may do.
    *PERMITTED.get_or_init(|| unsafe { tern_amx_permit() } != 0)
}

#[cfg(target_arch = "aarch64")]
declare! {
    packers;
    gemv tern_i2_gemv_dotprod tern_t5_gemv_dotprod;
    gemm tern_i2_gemm_dotprod tern_t5_gemm_dotprod tern_i2_gemm_i8mm
}

/// The implementations of a path; where it has none of its own, the reference's.
struct Kernels {
    i2_gemv: Gemv,
    t5_gemv: Gemv,
    i2_gemm: Gemm,
    t5_gemm: Gemm,
}

const REFERENCE: Kernels = Kernels {
    i2_gemv: tern_i2_gemv_ref,
    t5_gemv: tern_t5_gemv_ref,
    i2_gemm: tern_i2_gemm_ref,
    t5_gemm: tern_t5_gemm_ref,
};

#[cfg(target_arch = "x86_64")]
const AVX2: Kernels = Kernels {
    i2_gemv: tern_i2_gemv_avx2,
    t5_gemv: tern_t5_gemv_avx2,
    i2_gemm: tern_i2_gemm_avx2,
    t5_gemm: tern_t5_gemm_avx2,
};

#[cfg(target_arch = "x86_64")]
const AVX512: Kernels = Kernels {
    i2_gemv: tern_i2_gemv_avx512,
    t5_gemv: tern_t5_gemv_avx512,
    i2_gemm: tern_i2_gemm_avx512,
    t5_gemm: tern_t5_gemm_avx512,
};

#[cfg(target_arch = "aarch64")]
const DOTPROD: Kernels = Kernels {
    i2_gemv: tern_i2_gemv_dotprod,
    t5_gemv: tern_t5_gemv_dotprod,
    i2_gemm: tern_i2_gemm_dotprod,
    t5_gemm: tern_t5_gemm_dotprod,
};

/// # Panics
/// If this processor lacks the path's instructions.
fn kernels(path: Path) -> Kernels {
    assert!(path.is_available(), "this processor cannot run the kernel path \"{path}\"");
    match path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => AVX2,
        #[cfg(target_arch = "x86_64")]
        Path::AvxVnni => Kernels { i2_gemv: tern_i2_gemv_avxvnni, i2_gemm: tern_i2_gemm_avxvnni, ..AVX2 },
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 => AVX512,
        #[cfg(target_arch = "x86_64")]
        Path::Amx => Kernels { i2_gemv: tern_i2_gemv_amx, i2_gemm: tern_i2_gemm_amx, ..AVX512 },
        #[cfg(target_arch = "aarch64")]
        Path::Dotprod => DOTPROD,
        #[cfg(target_arch = "aarch64")]
        Path::I8mm => Kernels { i2_gemm: tern_i2_gemm_i8mm, ..DOTPROD },
        _ => REFERENCE,
    }
}

/// What a product reads and writes; see `ternary.h` for the shapes.
pub struct Product<'a> {
    pub format: Format,
    pub weights: &'a [u8],
    pub groups: usize,
    pub k: usize,
    pub q: &'a [i8],
    pub ldq: usize,
    pub sums: &'a [i32],
    pub out: &'a mut [i32],
    pub ldd: usize,
}

impl Product<'_> {
    /// Everything a kernel relies on.
    fn check(&self) {
        let n = self.sums.len();
        let check_k = self.k.is_multiple_of(128) && self.k <= 1 << 20;
        assert!(check_k && self.k > 0, "{} columns: not a multiple of 128 up to 2^20", self.k);
        assert!(self.weights.len() >= self.format.bytes(self.groups, self.k), "too few bytes of weights");
        assert!(self.ldq >= crate::ints::row_stride(self.k), "rows of activations are too near to each other");
        assert!(self.ldq.is_multiple_of(LINE), "rows of activations are not aligned");
        assert!(self.q.len() >= n * self.ldq, "too few activations");
        let possible = |sum: &i32| sum.unsigned_abs() as usize <= 128 * self.k;
        assert!(self.sums.iter().all(possible), "a sum of {} int8 values is out of range", self.k);
        assert!(self.weights.as_ptr().addr().is_multiple_of(LINE), "weights are not aligned to {LINE} bytes");
        assert!(self.q.as_ptr().addr().is_multiple_of(LINE), "activations are not aligned to {LINE} bytes");
        assert!(self.ldd >= 8 * self.groups, "rows of results overlap");
        assert!(n == 0 || self.out.len() >= (n - 1) * self.ldd + 8 * self.groups, "no room for {n} rows of results");
    }
}

/// Calls the GEMV of `path` for at most [`crate::ints::GEMV_MAX`] tokens.
pub fn gemv(path: Path, p: Product<'_>) {
    p.check();
    assert!(p.sums.len() <= crate::ints::GEMV_MAX, "{} tokens are too many for a gemv", p.sums.len());
    if p.sums.is_empty() || p.groups == 0 {
        return;
    }
    let found = kernels(path);
    let kernel = match p.format {
        Format::I2 => found.i2_gemv,
        Format::T5 => found.t5_gemv,
    };
    // SAFETY: `kernels` asserted that the processor has the instructions; `check` asserted that the slices, which live
    // through the call and do not overlap (one is `&mut`), are aligned and as long as ternary.h asks.
    unsafe {
        kernel(
            p.weights.as_ptr(),
            p.groups,
            p.k,
            p.q.as_ptr(),
            p.ldq,
            p.sums.len(),
            p.sums.as_ptr(),
            p.out.as_mut_ptr(),
            p.ldd,
        );
    }
}

/// Calls the GEMM of `path`.
pub fn gemm(path: Path, p: Product<'_>, scratch: &mut [u8]) {
    p.check();
    assert!(scratch.len() >= crate::ints::panel_bytes(p.k), "too little scratch");
    assert!(scratch.as_ptr().addr().is_multiple_of(LINE), "scratch is not aligned to {LINE} bytes");
    if p.sums.is_empty() || p.groups == 0 {
        return;
    }
    let found = kernels(path);
    let kernel = match p.format {
        Format::I2 => found.i2_gemm,
        Format::T5 => found.t5_gemm,
    };
    // SAFETY: as in `gemv`; scratch, also `&mut`, has the length and alignment asserted above.
    unsafe {
        kernel(
            p.weights.as_ptr(),
            p.groups,
            p.k,
            p.q.as_ptr(),
            p.ldq,
            p.sums.len(),
            p.sums.as_ptr(),
            p.out.as_mut_ptr(),
            p.ldd,
            scratch.as_mut_ptr(),
        );
    }
}

/// Packs `rows` rows of the I2_S layout into whole groups; the number of the first row with a code 3 is the error.
pub fn pack(format: Format, src: &[u8], rows: usize, k: usize, to: &mut [u8]) -> Result<(), usize> {
    assert!(k.is_multiple_of(128), "{k} columns: not a multiple of 128");
    assert!(src.len() >= rows * (k / 4), "too few bytes for {rows} rows of {k} weights");
    assert!(to.len() >= format.bytes(rows.div_ceil(8), k), "no room for {rows} packed rows");
    let pack: Pack = match format {
        Format::I2 => tern_i2_pack,
        Format::T5 => tern_t5_pack,
    };
    // SAFETY: portable C; `src` and `to` do not overlap (`to` is `&mut`) and have the lengths asserted above.
    match unsafe { pack(src.as_ptr(), rows, k, to.as_mut_ptr()) } {
        0 => Ok(()),
        row => Err(row - 1),
    }
}
