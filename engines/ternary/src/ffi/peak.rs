//! The peak of a path: declarations and one safe function.
#![allow(unsafe_code)]

use crate::Path;

type Peak = unsafe extern "C" fn(rounds: u64, sink: *mut i32) -> u64;

#[cfg(target_arch = "x86_64")]
unsafe extern "C" {
    fn tern_peak_avx2(rounds: u64, sink: *mut i32) -> u64;
    fn tern_peak_avxvnni(rounds: u64, sink: *mut i32) -> u64;
    fn tern_peak_avx512(rounds: u64, sink: *mut i32) -> u64;
    fn tern_peak_amx(rounds: u64, sink: *mut i32) -> u64;
}

#[cfg(target_arch = "aarch64")]
unsafe extern "C" {
    fn tern_peak_dotprod(rounds: u64, sink: *mut i32) -> u64;
    fn tern_peak_i8mm(rounds: u64, sink: *mut i32) -> u64;
}

/// Runs the product instructions of `path` and gives how many multiply-adds that was; `None` for the reference, which
/// has none.
pub fn peak(path: Path, rounds: u64) -> Option<u64> {
    assert!(path.is_available(), "this processor cannot run the kernel path \"{path}\"");
    let run: Peak = match path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => tern_peak_avx2,
        #[cfg(target_arch = "x86_64")]
        Path::AvxVnni => tern_peak_avxvnni,
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 => tern_peak_avx512,
        #[cfg(target_arch = "x86_64")]
        Path::Amx => tern_peak_amx,
        #[cfg(target_arch = "aarch64")]
        Path::Dotprod => tern_peak_dotprod,
        #[cfg(target_arch = "aarch64")]
        Path::I8mm => tern_peak_i8mm,
        _ => return None,
    };
    let mut sink = 1;
    // SAFETY: the processor has the path's instructions (asserted), and `sink` is one writable i32.
    Some(unsafe { run(rounds, &mut sink) })
}
