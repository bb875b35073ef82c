#!/bin/sh
# Gets what builds policies in JavaScript and Python, in the versions that are written down: policy-tools.sh [js] [python]
#
# It goes into policies/node_modules and policies/.venv, which git ignores, and nowhere else. Nothing is done if it is there already.
set -eu
cd "$(dirname "$0")/../policies"

js() {
    ../scripts/need.sh node:nodejs npm:npm
    cmp -s package-lock.json node_modules/.installed && return
    echo 'policies/node_modules: fetching componentize-js (210 MB)' >&2
    # Nothing that it needs is run as it is installed.
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --cache=target/npm-cache >&2
    rm -rf target/npm-cache
    cp package-lock.json node_modules/.installed
}

python() {
    ../scripts/need.sh python3:python3 py.ensurepip:python3-venv
    cmp -s requirements.txt .venv/.installed && return
    echo 'policies/.venv: fetching componentize-py (18 MB)' >&2
    rm -rf .venv
    python3 -m venv .venv >&2
    .venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check -r requirements.txt >&2
    cp requirements.txt .venv/.installed
}

for tool in "$@"; do
    case $tool in
        js | python) "$tool" ;;
        *) echo "policy-tools.sh: $tool is neither js nor python" >&2; exit 2 ;;
    esac
done
