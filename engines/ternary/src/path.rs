//! Which implementation runs.

use std::{fmt, str::FromStr};

#[cfg(target_arch = "x86_64")]
use crate::ffi;

/// An instruction set that kernels are written for. All exist on every platform; [`Path::available`] says which this
/// processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// Portable C, the definition of every result.
    Reference,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// As [`Path::Avx2`] with AVX-VNNI.
    AvxVnni,
    /// x86-64 with AVX-512 (F, BW, VL, DQ, VNNI, VBMI).
    Avx512,
    /// As [`Path::Avx512`] with AMX (tiles of int8), on systems that let a process use it.
    Amx,
    /// AArch64 with the dot product instructions.
    Dotprod,
    /// As [`Path::Dotprod`] with the int8 matrix instructions.
    I8mm,
}

impl Path {
    /// Every path, the slowest first.
    pub const ALL: [Self; 7] =
        [Self::Reference, Self::Avx2, Self::AvxVnni, Self::Avx512, Self::Amx, Self::Dotprod, Self::I8mm];

    /// Its name in settings and figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
            Self::Dotprod => "dotprod",
            Self::I8mm => "i8mm",
        }
    }

    /// Whether this processor has all its instructions.
    pub fn is_available(self) -> bool {
        match self {
            Self::Reference => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => Self::Avx2.is_available() && is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vnni")
                    && is_x86_feature_detected!("avx512vbmi")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Self::Avx512.is_available() && ffi::ints::amx_is_permitted(),
            #[cfg(target_arch = "aarch64")]
            Self::Dotprod => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(target_arch = "aarch64")]
            Self::I8mm => Self::Dotprod.is_available() && std::arch::is_aarch64_feature_detected!("i8mm"),
            #[allow(unreachable_patterns, reason = "which paths are left depends on the target")]
            _ => false,
        }
    }

    /// The paths this processor can run, the slowest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|path| path.is_available()).collect()
    }

    /// The fastest path of this processor.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Reference)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|path| path.name() == name);
        found
            .ok_or_else(|| format!("\"{name}\" is no kernel path; there are: {}", Self::ALL.map(Self::name).join(", ")))
    }
}
