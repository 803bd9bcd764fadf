//! Compiles vendor/ternary: one file for each instruction set, each with exactly the flags it needs. A file for another
//! processor compiles to nothing, so the table below holds for every target.

use std::{env, path::Path};

/// File of vendor/ternary, the architecture it is for (empty: all), its flags.
#[rustfmt::skip]
const FILES: &[(&str, &str, &[&str])] = &[
    ("i2_ref.c", "", &[]),
    ("sparse_ref.c", "", &[]),
    ("i2_avx2.c", "x86_64", AVX2),
    ("t5_avx2.c", "x86_64", AVX2),
    ("sparse_avx2.c", "x86_64", AVX2),
    ("i2_avxvnni.c", "x86_64", &["-mavx2", "-mavxvnni"]),
    ("i2_avx512.c", "x86_64", AVX512),
    ("t5_avx512.c", "x86_64", AVX512),
    ("sparse_avx512.c", "x86_64", AVX512),
    ("i2_amx.c", "x86_64", AMX),
    ("i2_neon_dotprod.c", "aarch64", &["-march=armv8.2-a+dotprod"]),
    ("t5_neon_dotprod.c", "aarch64", &["-march=armv8.2-a+dotprod"]),
    ("i2_neon_i8mm.c", "aarch64", &["-march=armv8.2-a+dotprod+i8mm"]),
    ("f32_ref.c", "", &[]),
    ("f32_avx2.c", "x86_64", &["-mavx2", "-mfma", "-mf16c"]),
    ("f32_avx512.c", "x86_64", F32_AVX512),
    ("f32_neon.c", "aarch64", &[]),
];

const AVX2: &[&str] = &["-mavx2"];
#[rustfmt::skip]
const AVX512: &[&str] = &[
    "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni", "-mavx512vbmi", "-mprefer-vector-width=512",
];
#[rustfmt::skip]
const AMX: &[&str] = &[
    "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni", "-mavx512vbmi", "-mprefer-vector-width=512",
    "-mamx-tile", "-mamx-int8",
];

#[rustfmt::skip]
const F32_AVX512: &[&str] = &[
    "-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni",
    "-mprefer-vector-width=512",
];

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vendor/ternary");
    println!("cargo::rerun-if-changed={}", folder.display());
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    for (file, wanted, flags) in FILES {
        if !wanted.is_empty() && arch != *wanted {
            continue;
        }
        let mut build = cc::Build::new();
        // A local build has target-cpu=native among its rustflags, which cc would turn into -march=native: a file has
        // the flags of the table, or the wrong path would run instructions that the processor lacks.
        build.inherit_rustflags(false);
        build.file(folder.join(file)).include(&folder).std("c11").opt_level(3).warnings(true);
        // 64-byte vectors are passed in memory where registers are shorter; no such argument leaves a file.
        build.flag_if_supported("-Wno-psabi");
        // Float results must not depend on whether the compiler fuses a multiplication and an addition.
        build.flag_if_supported("-ffp-contract=off");
        for flag in *flags {
            build.flag(flag);
        }
        build.compile(&format!("ternary_{}", file.trim_end_matches(".c")));
    }
}
