#!/bin/sh
# run.sh: check the model of ring and waiter, and that it catches each planted fault. Needs spin and gcc.
set -eu
model=$(cd "$(dirname "$0")" && pwd)/ring.pml
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# check NAME WANTED_ERRORS DEFINE...: the number of errors that Spin finds is 0, or is not.
check() {
    name=$1
    wanted=$2
    shift 2
    spin "$@" -a "$model" >spin.log 2>&1 || { cat spin.log; exit 1; }
    gcc -O2 -DSAFETY -DMEMLIM=4096 -o pan pan.c
    ./pan -m1000000 >pan.log 2>&1
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log)
    if [ "$wanted" = none ]; then
        [ "$errors" = 0 ] || { cat pan.log; echo "model: $name: FAILED"; exit 1; }
        grep -q 'max search depth too small' pan.log && { echo "model: $name: search cut off"; exit 1; }
    else
        [ "$errors" != 0 ] || { cat pan.log; echo "model: $name: the fault was NOT caught"; exit 1; }
    fi
    echo "model: $name: $states states, errors $errors (wanted: $wanted)"
}

check "ring and waiter, two deaths" none
check "mutant: no fence before the look at sleeping" some -DNO_FENCE
check "mutant: published before committed" some -DUNCOMMITTED_PUBLISH
