#!/bin/sh
# Makes sure that commands are there: need.sh COMMAND:PACKAGE ...
#
# py.MODULE in place of a command is a module of Python.
#
# What is missing is installed by root on Debian and Ubuntu. Everybody else is told what to install, and this fails.
set -eu

# Debian keeps servers where the PATH of ordinary users does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

is_there() {
    case $1 in
        py.*) python3 -c "import ${1#py.}" 2>/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

missing() {
    for pair in "$@"; do
        is_there "${pair%%:*}" || printf ' %s' "${pair#*:}"
    done
}

packages=$(missing "$@")
[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing:$packages"
    # Word splitting is meant: one package a word.
    # shellcheck disable=SC2086
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >&2 || true
    packages=$(missing "$@")
    [ -n "$packages" ] || exit 0
fi

echo "missing:$packages" >&2
echo "On Debian and Ubuntu: sudo apt-get install$packages" >&2
exit 1
