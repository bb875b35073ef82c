#!/bin/sh
# Builds every policy of the workspace in policies/ into policies/dist/<name>.wasm, and looks at what the samples export.
set -eu
cd "$(dirname "$0")/../policies"

../scripts/wasm32.sh build --release --target-dir target --workspace --exclude andera-policy

mkdir -p dist
for manifest in */Cargo.toml; do
    name=${manifest%/Cargo.toml}
    # The crate they are written with, and projects of their own.
    if [ "$name" = sdk ] || grep -q '^\[workspace\]' "$manifest"; then continue; fi
    # Cargo names the file after the crate, as Rust spells it.
    cp "target/wasm32-unknown-unknown/release/$(echo "$name" | tr - _).wasm" "dist/$name.wasm"
    printf 'policies/dist/%s.wasm\t%d KB\n' "$name" $(($(wc -c <"dist/$name.wasm") / 1000))
done

POLICIES_DIST=$PWD/dist cargo test --quiet --target-dir target -p andera-policy --test exports
