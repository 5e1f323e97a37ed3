#!/bin/sh
# run-test.sh PROGRAM: run one test program for run-tests.sh, say how it went, and append to the file
# $SUMS a line: passed, failed, skipped, name.
set -u
program=$1
limit=${TEST_TIMEOUT_SECONDS:-600}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The number that the sed expression finds last in the log, or nothing.
number_of() {
    sed -n "$1" "$log" | tail -n 1
}

# One write, so that what two programs say does not mix.
say() {
    if [ $# = 2 ]; then
        { echo "$1"; cat "$2"; } >"$log.said"
    else
        echo "$1" >"$log.said"
    fi
    cat "$log.said"
    rm -f "$log.said"
}

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
    say "skip $program: $(tail -n 1 "$log")"
    echo "0 0 1 $program" >>"$SUMS"
    exit 0
fi
good=${good:-0} bad=${bad:-0}
[ "$status" = 0 ] && [ $((good + bad)) = 0 ] && good=1
# A crash or a time-out is a failure even when no test could say so any more.
[ "$status" != 0 ] && [ "$bad" = 0 ] && bad=1
echo "$good $bad 0 $program" >>"$SUMS"
if [ "$status" = 0 ] && [ "$bad" = 0 ]; then
    if [ "${V:-0}" = 1 ]; then
        say "ok   $program: $good passed in ${seconds}s" "$log"
    else
        say "ok   $program: $good passed in ${seconds}s"
    fi
else
    why="exit status $status"
    [ "$status" != 124 ] || why="no end after ${limit}s"
    say "FAIL $program: $why, $good passed, $bad failed" "$log"
fi
exit 0
