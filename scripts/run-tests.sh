#!/bin/sh
# run-tests.sh PROGRAM...: run test programs one after the other and count what passed.
#
# A cmocka program counts each of its tests. A script counts as one test, or as many as its last
# line "N passed, N failed" says. Exit status 77 means skipped (the script says why). The output of
# a passing program is kept quiet unless V=1; a failing one is shown whole. The last line is the sum.
set -u
limit=${TEST_TIMEOUT_SECONDS:-600}
passed=0 failed=0 skipped=0 broken=
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The number that the sed expression finds last in the log, or nothing.
number_of() {
    sed -n "$1" "$log" | tail -n 1
}

for program in "$@"; do
    begin=$(date +%s)
    timeout -k 10 "$limit" "$program" >"$log" 2>&1 </dev/null
    status=$?
    seconds=$(($(date +%s) - begin))
    good=$(number_of 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p')
    bad=$(number_of 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p')
    if [ -z "$good$bad" ]; then
        good=$(number_of 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p')
        bad=$(number_of 's/^[0-9]* passed, \([0-9]*\) failed$/\1/p')
    fi
    if [ "$status" = 77 ]; then
        skipped=$((skipped + 1))
        echo "skip $program: $(tail -n 1 "$log")"
        continue
    fi
    good=${good:-0} bad=${bad:-0}
    [ "$status" = 0 ] && [ $((good + bad)) = 0 ] && good=1
    # A crash or a time-out is a failure even when no test could say so any more.
    [ "$status" != 0 ] && [ "$bad" = 0 ] && bad=1
    passed=$((passed + good)) failed=$((failed + bad))
    if [ "$status" = 0 ] && [ "$bad" = 0 ]; then
        echo "ok   $program: $good passed in ${seconds}s"
        [ "${V:-0}" != 1 ] || cat "$log"
    else
        why="exit status $status"
        [ "$status" != 124 ] || why="no end after ${limit}s"
        echo "FAIL $program: $why, $good passed, $bad failed"
        cat "$log"
        broken="$broken $program"
    fi
done
[ "$skipped" = 0 ] || echo "$skipped skipped"
[ -z "$broken" ] || echo "failed:$broken"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
