#!/bin/sh
# Builds the sample policies into policies/dist/<name>.wasm: policies.sh [rust] [js] [python], or all of them.
#
# What is a member of the workspace is built by cargo, a folder with a package.json by npm, one with a Makefile by make.
set -eu
cd "$(dirname "$0")/../policies"
mkdir -p dist

built() {
    printf 'policies/dist/%s.wasm\t%d KB\n' "$1" $(($(wc -c <"dist/$1.wasm") / 1000))
}

rust() {
    ../scripts/wasm32.sh build --release --target-dir target --workspace --exclude andera-policy
    for manifest in */Cargo.toml; do
        name=${manifest%/Cargo.toml}
        # The crate they are written with, and projects of their own.
        if [ "$name" = sdk ] || grep -q '^\[workspace\]' "$manifest"; then continue; fi
        # Cargo names the file after the crate, as Rust spells it.
        cp "target/wasm32-unknown-unknown/release/$(echo "$name" | tr - _).wasm" "dist/$name.wasm"
        built "$name"
    done
    POLICIES_DIST=$PWD/dist cargo test --quiet --target-dir target -p andera-policy --test exports
}

js() {
    ../scripts/policy-tools.sh js
    for manifest in */package.json; do
        name=${manifest%/package.json}
        if [ "$name" = node_modules ]; then continue; fi
        (cd "$name" && npm run --silent build -- "../dist/$name.wasm")
        built "$name"
    done
}

python() {
    ../scripts/policy-tools.sh python
    for manifest in */Makefile; do
        name=${manifest%/Makefile}
        make --no-print-directory --always-make --directory "$name" VENV=../.venv OUT="../dist/$name.wasm"
        built "$name"
    done
}

[ $# -gt 0 ] || set -- rust js python
for language in "$@"; do
    case $language in
        rust | js | python) printf '==> policies in %s\n' "$language"; "$language" ;;
        *) echo "policies.sh: $language is none of rust, js, python" >&2; exit 2 ;;
    esac
done
