#!/bin/sh
# run-tests.sh PROGRAM...: run test programs, TEST_JOBS (2) at a time, and count what passed.
#
# Most of them wait for most of their time, and none may depend on having the machine for itself.
# A cmocka program counts each of its tests. A script counts as one test, or as many as its last
# line "N passed, N failed" says. Exit status 77 means skipped (the script says why). The output of
# a passing program is kept quiet unless V=1; a failing one is shown whole. The last line is the sum.
set -u
here=$(dirname "$0")
sums=$(mktemp)
trap 'rm -f "$sums"' EXIT
printf '%s\n' "$@" | SUMS="$sums" xargs -P "${TEST_JOBS:-2}" -n 1 sh "$here/run-test.sh"
awk '{ passed += $1; failed += $2; skipped += $3; if ($2) broken = broken " " $4 }
    END {
        if (skipped) print skipped " skipped"
        if (broken) print "failed:" broken
        print passed + 0 " passed, " failed + 0 " failed"
        exit failed > 0
    }' "$sums"
