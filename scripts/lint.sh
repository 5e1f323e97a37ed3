#!/bin/sh
# lint.sh: every check of `make lint`; each says what it found, the last line says how many failed.
set -u
failed=
checked=0

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

scripts() {
    git ls-files '*.sh' .ci/run | xargs shellcheck
}

check shellcheck scripts
if [ -n "$failed" ]; then
    echo "lint: failed:$failed"
    exit 1
fi
echo "lint: $checked checks passed"
