#!/usr/bin/env bash
# Installs what building (and testing) Tern needs and is not there yet. Does nothing, and asks for nothing, when all
# of it is there. Usage: scripts/setup.sh build|test
set -euo pipefail

purpose=${1:-test}
case $purpose in build | test) ;; *) echo "usage: scripts/setup.sh build|test" >&2; exit 2 ;; esac

rust_needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")

has() { command -v "$1" >/dev/null 2>&1; }

# bindgen loads libclang at build time; clang's own package has it as well. libclang-cpp is another library, which other
# packages bring alone.
has_libclang() {
    local dir file
    for dir in "${LIBCLANG_PATH:-}" /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib64 /usr/lib /usr/local/lib \
        /usr/lib64/llvm*/lib /opt/homebrew/opt/llvm/lib /usr/local/opt/llvm/lib \
        /Library/Developer/CommandLineTools/usr/lib; do
        [ -n "$dir" ] || continue
        for file in "$dir"/libclang.so* "$dir"/libclang-*.so* "$dir"/libclang.dylib; do
            case $file in *libclang-cpp*) continue ;; esac
            [ -e "$file" ] && return 0
        done
    done
    return 1
}

has_openmp() {
    [ "$(uname)" = Darwin ] || ! has c++ ||
        echo 'int main() { return 0; }' | c++ -fopenmp -x c++ -o /dev/null - >/dev/null 2>&1
}

# Debian has venv without the part that installs pip into it.
has_venv() { has python3 && python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }

# What tests/browser/browser.mjs looks for.
has_chromium() {
    [ -n "${CHROMIUM:-}" ] || has chromium || has chromium-browser || has google-chrome || has google-chrome-stable ||
        [ -e "/Applications/Google Chrome.app" ]
}

# Fedora's compiler comes without a C library.
has_arm_compiler() {
    has aarch64-linux-gnu-gcc &&
        echo 'int main(void) { return 0; }' | aarch64-linux-gnu-gcc -static -x c -o /dev/null - >/dev/null 2>&1
}

missing=()
debian=()
need() { missing+=("$1"); shift; debian+=("$@"); }

has c++ || need "a C++ compiler" g++
has cc || need "a C compiler" gcc
has cmake || need cmake cmake
has_libclang || need libclang libclang-dev
has_openmp || need "OpenMP (libgomp)" libgomp1
# Reads text in images; with the data for English and for pages on their side.
has tesseract || need "Tesseract (reads text in images)" tesseract-ocr tesseract-ocr-eng tesseract-ocr-osd
if [ "$purpose" = test ]; then
    # The pages that Tesseract is tested on are drawn with these.
    ! has apt-get || [ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || need "DejaVu fonts" fonts-dejavu-core
    ! has apt-get || [ -e /usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf ] || need "Liberation fonts" fonts-liberation
    has_venv || need "Python with venv" python3 python3-venv
    # NodeSource's nodejs has npm in it and refuses Debian's npm beside it, so that one is asked for only when it is
    # missing all the same.
    has node || need "Node.js with npm" nodejs
    ! has node || has npm || need npm npm
    has curl || need curl curl
    has_chromium || need "Chromium" chromium
    # scripts/test-kernels.sh runs the AArch64 kernels in an emulator.
    if [ "$(uname -sm)" = "Linux x86_64" ]; then
        has_arm_compiler || need "a C compiler for AArch64" gcc-aarch64-linux-gnu libc6-dev-arm64-cross
        has qemu-aarch64 || has qemu-aarch64-static || need "qemu-aarch64" qemu-user
    fi
fi

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

install() {
    echo "installing $*"
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

if [ ${#missing[@]} -gt 0 ]; then
    if has apt-get && { [ ${#as_root[@]} -eq 0 ] || has sudo; }; then
        ${as_root[@]+"${as_root[@]}"} apt-get update -qq
        install "${debian[@]}"
        hash -r
        [ "$purpose" = build ] || has npm || install npm
    else
        printf 'missing: %s\n' "${missing[@]}" >&2
        cat >&2 <<'MESSAGE'

Install them and try again:
  Debian, Ubuntu  apt-get install g++ cmake libclang-dev libgomp1 tesseract-ocr
                  for the tests: python3-venv nodejs npm curl chromium fonts-dejavu-core fonts-liberation
                  gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
  Fedora          dnf install gcc-c++ cmake clang-devel libgomp tesseract
                  for the tests: python3 nodejs npm curl chromium gcc-aarch64-linux-gnu qemu-user, and a static
                  AArch64 glibc in the compiler's sysroot
  Arch            pacman -S gcc cmake clang tesseract tesseract-data-eng
                  for the tests: python nodejs npm curl chromium aarch64-linux-gnu-gcc qemu-user
  macOS           xcode-select --install; brew install cmake tesseract
                  for the tests: brew install python node; brew install --cask google-chrome
MESSAGE
        exit 1
    fi
fi

if ! has cargo; then
    cat >&2 <<'MESSAGE'
cargo is missing. Install Rust with rustup (https://rustup.rs), then try again:
  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh
MESSAGE
    exit 1
fi
rust_found=$(cargo --version | awk '{ print $2 }')
if [ "$(printf '%s\n' "$rust_needed" "${rust_found%%-*}" | sort -V | head -n 1)" != "$rust_needed" ]; then
    echo "cargo is $rust_found, Tern needs $rust_needed or newer: rustup update stable" >&2
    exit 1
fi

if [ "$purpose" = test ]; then
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        { echo "python3 is $(python3 -V), the client tests need 3.10 or newer" >&2; exit 1; }
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
        { echo "node is $(node -v), the page and its tests need 20.19 or newer: https://nodejs.org/en/download" >&2; exit 1; }
    for tool in rustfmt clippy; do
        has "cargo-${tool/rustfmt/fmt}" || { echo "cargo has no $tool: rustup component add $tool" >&2; exit 1; }
    done
fi
