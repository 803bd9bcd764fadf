//! Advice to the system about memory.
#![allow(unsafe_code)]

/// Bytes of the pages that [`prefer_huge_pages`] asks for.
pub const HUGE_PAGE: usize = 2 << 20;

/// Asks for pages of [`HUGE_PAGE`] bytes where `memory` covers whole ones; it must not have been written yet to get them.
/// Does nothing where there are none.
#[cfg(target_os = "linux")]
pub fn prefer_huge_pages(memory: &mut [u8]) {
    use std::ffi::{c_int, c_void};
    unsafe extern "C" {
        fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
    }
    const MADV_HUGEPAGE: c_int = 14;
    let first = memory.as_ptr().align_offset(HUGE_PAGE);
    let length = memory.len().saturating_sub(first) / HUGE_PAGE * HUGE_PAGE;
    if length > 0 {
        let whole = &mut memory[first..first + length];
        // SAFETY: the range is a slice that this function borrows, and this advice changes no byte of it: it only says
        // how the system may back it. An error (a kernel without huge pages) leaves everything as it was.
        unsafe { madvise(whole.as_mut_ptr().cast(), length, MADV_HUGEPAGE) };
    }
}

/// As on Linux, where there is such advice.
#[cfg(not(target_os = "linux"))]
pub fn prefer_huge_pages(_memory: &mut [u8]) {}
