#!/bin/sh
# Puts axe-core, which looks for barriers in pages, into target/npm: only tests need it.
set -eu

version=4.14.1
directory=target/npm
file=$directory/node_modules/axe-core/package.json

if [ -f "$file" ] && grep -q "\"version\": \"$version\"" "$file"; then
    exit 0
fi
mkdir -p "$directory"
npm install --silent --no-audit --no-fund --ignore-scripts --no-save --prefix "$directory" "axe-core@$version"
