#!/usr/bin/env bash
# Runs the kernels that `cargo test` cannot run on this machine against the reference: those of AArch64 under an
# emulator, those of AVX-VNNI in their EVEX form, which processors with AVX-512 have. Others cargo tests itself.
# Usage: scripts/test-kernels.sh
set -euo pipefail
cd "$(dirname "$0")/../vendor/ternary"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# compile COMPILER FLAGS... FILE: an object in $out, as engines/ternary/build.rs compiles it.
compile() {
    "$1" -std=c11 -O3 -Wall -Wextra -Werror -ffp-contract=off "${@:2:$#-2}" -c "${!#}" -o "$out/$(basename "${!#}" .c).o"
}

if [ "$(uname -m)" != x86_64 ] || [ "$(uname)" != Linux ]; then
    echo "kernels of other processors are tested on Linux on x86-64; cargo has tested those of $(uname -m)"
    exit 0
fi

cross=aarch64-linux-gnu-gcc
# emulate: links what is in $out for AArch64 and runs it.
emulate() {
    $cross -static "$out"/*.o -lm -o "$out/check"
    "$(command -v qemu-aarch64 || command -v qemu-aarch64-static)" -cpu max "$out/check"
    rm "$out"/*
}

compile $cross i2_ref.c
compile $cross -march=armv8.2-a+dotprod i2_neon_dotprod.c
compile $cross -march=armv8.2-a+dotprod t5_neon_dotprod.c
compile $cross -march=armv8.2-a+dotprod+i8mm i2_neon_i8mm.c
compile $cross -DPATH_NEON tests/check.c
emulate

compile $cross f32_ref.c
compile $cross f32_neon.c
compile $cross -DPATH_NEON tests/check_f32.c
emulate

compile cc -mavx2 -mavxvnni i2_avxvnni.c # as it is built, if only to see that it can be
if grep -qw avx512_vnni /proc/cpuinfo; then
    compile cc -mavx2 -mavx512vl -mavx512vnni -DTERN_VNNI_AS_EVEX i2_avxvnni.c
    compile cc i2_ref.c
    compile cc -DPATH_AVXVNNI tests/check.c
    cc "$out"/*.o -o "$out/check"
    "$out/check"
fi
