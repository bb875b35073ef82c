#!/bin/sh
# Cargo for policies: runs `cargo ARGUMENTS` with a Rust that can compile for wasm32-unknown-unknown.
#
#   scripts/wasm32.sh build --release ...   cargo with whatever is there; says how to get it if nothing is
#   scripts/wasm32.sh --get                 gets it: by rustup, else Debian's own (amd64, Debian 12: 140 MB, nothing is installed)
#
# Where rustup cannot download its target, Debian's compiler for its web browsers can stand in. It is unpacked into a folder
# (WASM32_RUST, else in ~/.cache) and brings the sources of the standard library, which cargo then builds itself.
set -eu

TARGET=wasm32-unknown-unknown
FOLDER=${WASM32_RUST:-${XDG_CACHE_HOME:-$HOME/.cache}/andera-lb/wasm32-rust}
PACKAGES='rustc-web libstd-rust-web-1.96 libstd-rust-web-dev rust-web-src libllvm22'

# WASM32_RUST names the folder to use even where rustup has the target.
has_target() {
    [ -z "${WASM32_RUST:-}" ] && [ -d "$(rustc --print sysroot)/lib/rustlib/$TARGET" ]
}

has_folder() {
    [ -x "$FOLDER/usr/bin/rustc" ] && [ -f "$FOLDER/complete" ]
}

get() {
    has_target || has_folder && return
    if [ -z "${WASM32_RUST:-}" ] && command -v rustup >/dev/null && rustup target add "$TARGET"; then return; fi
    if ! command -v apt-get >/dev/null || [ "$(dpkg --print-architecture)" != amd64 ]; then return 1; fi

    echo "unpacking Debian's compiler into $FOLDER" >&2
    if [ "$(id -u)" = 0 ]; then apt-get update -qq; fi
    download=$(mktemp -d)
    trap 'rm -rf "$download"' EXIT
    # Word splitting is meant: one package a word.
    # shellcheck disable=SC2086
    (cd "$download" && apt-get download -qq $PACKAGES) >&2 || return 1
    mkdir -p "$FOLDER"
    for package in "$download"/*.deb; do dpkg -x "$package" "$FOLDER" || return 1; done
    touch "$FOLDER/complete"
}

explain() {
    cat >&2 <<'EOF'
Rust cannot compile for wasm32-unknown-unknown here. One of these gets it:
  rustup target add wasm32-unknown-unknown      wherever rustup is (https://rustup.rs)
  scripts/wasm32.sh --get                       the same, and without rustup's server Debian's compiler (Debian 12, amd64)
EOF
    exit 1
}

command -v cargo >/dev/null || { echo 'Rust is missing (1.95 or newer): https://rustup.rs' >&2; exit 1; }

if [ "${1:-}" = --get ]; then
    get || explain
    exit 0
fi

if has_target; then
    exec cargo "$@" --target "$TARGET"
fi
has_folder || explain

libraries=$FOLDER/usr/lib/x86_64-linux-gnu:$FOLDER/usr/lib/llvm-22/lib
linker=$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld
sources=$(echo "$FOLDER"/usr/src/rustc-*/library)
# The bootstrap variable lets a stable cargo build the standard library; the sources belong to exactly this compiler.
LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} RUSTC=$FOLDER/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
    __CARGO_TESTS_ONLY_SRC_ROOT=$sources CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker \
    exec cargo "$@" --target "$TARGET" -Zbuild-std=std,panic_abort
