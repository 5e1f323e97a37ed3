#!/bin/sh
# lint.sh: every check of `make lint`; each says what it found, the last line says how many failed.
#
# B is the build folder (generated headers are read from there), CC the compiler.
set -u
: "${B:=build/release}" "${CC:=gcc}"
export B CC
failed=
checked=0
jobs=$(nproc)

# check NAME COMMAND...: run it, remember a failure, go on.
check() {
    name=$1
    shift
    checked=$((checked + 1))
    if "$@" </dev/null; then
        echo "ok   lint $name"
    else
        echo "FAIL lint $name"
        failed="$failed $name"
    fi
}

# Tracked files and new ones that git does not ignore, so that a lint before the commit sees them.
sources() {
    git ls-files -co --exclude-standard "$@" | while read -r file; do
        [ ! -e "$file" ] || echo "$file"
    done
}

# Each header compiles alone, and twice.
headers() {
    # shellcheck disable=SC2016 # the inner shell expands
    sources '*.h' | xargs -P "$jobs" -I{} sh -c '
        printf "#include \"%s\"\n#include \"%s\"\n" {} {} |
            $CC -std=gnu11 -D_GNU_SOURCE -I. -I"$B" -isystem build/rdkafka/include \
                -Wall -Wextra -Werror -Wno-unused-function -fsyntax-only -x c - || { echo "{}: does not compile alone"; exit 1; }'
}

formatting() {
    sources '*.c' '*.h' | xargs clang-format --dry-run -Werror
}

# A file is looked at again only when it or one of its headers has changed (see the Makefile).
tidy() {
    env -u MAKEFLAGS make -s -k -j "$jobs" CC="$CC" B="$B" tidy
}

shell_scripts() {
    sources '*.sh' .ci/run | xargs shellcheck
}

check style python3 scripts/lint-style.py
check includes python3 scripts/lint-includes.py -I "$B" -I build/rdkafka/include
check docs python3 scripts/lint-docs.py
check headers headers
check clang-format formatting
check shellcheck shell_scripts
[ ! -f scripts/lint-atomics.py ] || check atomics python3 scripts/lint-atomics.py
check lint-tests sh tests/lint/run.sh
check clang-tidy tidy
if [ -n "$failed" ]; then
    echo "lint: failed:$failed"
    exit 1
fi
echo "lint: $checked checks passed"
