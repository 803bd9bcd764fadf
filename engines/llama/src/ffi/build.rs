//! What this llama.cpp was built with, in the words of Linux's cpuinfo.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};

use llama_cpp_sys_2 as sys;

/// llama.cpp's name of a set of instructions, and cpuinfo's.
const FEATURES: &[(&str, &str)] = &[
    ("SSE3", "pni"),
    ("SSSE3", "ssse3"),
    ("AVX", "avx"),
    ("AVX_VNNI", "avx_vnni"),
    ("AVX2", "avx2"),
    ("F16C", "f16c"),
    ("FMA", "fma"),
    ("BMI2", "bmi2"),
    ("AVX512", "avx512f"),
    ("AVX512_VBMI", "avx512vbmi"),
    ("AVX512_VNNI", "avx512_vnni"),
    ("AVX512_BF16", "avx512_bf16"),
    ("AMX_INT8", "amx_int8"),
    ("NEON", "asimd"),
    ("FP16_VA", "asimdhp"),
    ("DOTPROD", "asimddp"),
    ("MATMUL_INT8", "i8mm"),
    ("SVE", "sve"),
    ("SME", "sme"),
    ("VSX", "vsx"),
    ("RISCV_V", "v"),
];

/// The instruction sets compiled in.
pub(crate) fn system_features() -> Vec<String> {
    super::backend();
    // SAFETY: takes nothing and returns a string that llama.cpp keeps in a static buffer.
    parse(&copy(unsafe { sys::llama_print_system_info() }))
}

/// llama.cpp's and ggml's version.
pub(crate) fn version() -> String {
    // SAFETY: both take nothing and return a string constant of the library.
    let (llama, ggml) = unsafe { (copy(sys::llama_version()), copy(sys::ggml_version())) };
    format!("llama.cpp {llama} (ggml {ggml}, llama-cpp-sys-2 0.1.161)")
}

fn copy(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the callers pass strings of llama.cpp that end in NUL and are not freed; null is excluded above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Reads `CPU : SSE3 = 1 | AVX2 = 1 | SVE_CNT = 16 | OPENMP = 1 |`.
fn parse(info: &str) -> Vec<String> {
    let mut found = Vec::new();
    for item in info.split(['|', ':']) {
        let Some((name, value)) = item.split_once('=') else { continue };
        let known = FEATURES.iter().find(|(theirs, _)| *theirs == name.trim());
        if let Some((_, cpuinfo)) = known
            && value.trim() != "0"
            && !found.iter().any(|have| have == cpuinfo)
        {
            found.push((*cpuinfo).to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruction_sets_are_read_and_other_words_are_not() {
        let info = "CPU : SSE3 = 1 | AVX2 = 1 | AVX512 = 0 | AVX512_VNNI = 1 | OPENMP = 1 | REPACK = 1 | ";
        assert_eq!(parse(info), ["pni", "avx2", "avx512_vnni"]);
        assert!(parse("").is_empty());
    }
}
