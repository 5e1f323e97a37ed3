#!/bin/sh
# run-fuzzers.sh FUZZER...: each libFuzzer program over its kept corpus, for a short while.
#
# The corpus of build/fuzz/tests/fuzz/fuzz_x is tests/fuzz/corpus/x; new inputs go to a folder under
# build/, so that a run changes no tracked file. Set FUZZ_SECONDS for longer runs.
set -u
seconds=${FUZZ_SECONDS:-10}
passed=0 failed=0
for fuzzer in "$@"; do
    name=$(basename "$fuzzer")
    name=${name#fuzz_}
    found=build/fuzz/found/$name
    corpus=tests/fuzz/corpus/$name
    mkdir -p "$found"
    [ -d "$corpus" ] || corpus=
    # shellcheck disable=SC2086 # an absent corpus is no argument
    if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
        -artifact_prefix="$found-" "$found" $corpus </dev/null; then
        echo "ok   fuzz $name: ${seconds}s"
        passed=$((passed + 1))
    else
        echo "FAIL fuzz $name: the input is kept beside $found"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
