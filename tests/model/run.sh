#!/bin/sh
# run.sh [large]: check the models, and that each of their mutants is caught. Needs spin and gcc.
#
# A model lists its mutants itself, in comments "MUTANT FLAG what it does [BOUND=1 ..]": each is the
# model with that flag (and those bounds) defined, and Spin must find an error in it. `large` searches
# the models further and leaves the mutants out: minutes and gigabytes (make soak).
set -eu
models=$(cd "$(dirname "$0")" && pwd)
size=${1:-small}

# one DIR KIND MODEL FLAG..: KIND sound: there is no error; mutant: there is one. DIR/name is its name.
if [ "$size" = one ]; then
    dir=$2 kind=$3 model=$4
    shift 4
    name=$(cat "$dir/name")
    level=-O0
    [ "$kind" = mutant ] || level=-O1
    cd "$dir"
    fail() {
        tail -n 40 spin.log gcc.log pan.log 2>/dev/null
        echo "FAILED $name: $1"
        exit 0
    }
    spin "$@" -a "$models/$model.pml" >spin.log 2>&1 || fail "spin does not take it"
    gcc "$level" -w -DSAFETY -DCOLLAPSE -DMEMLIM="${MODEL_MEMORY_MB:-1024}" -o pan pan.c \
        >gcc.log 2>&1 || fail "gcc does not take it"
    begin=$(date +%s)
    ./pan -m1000000 >pan.log 2>&1 || true
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
    memory=$(sed -n 's/^ *\([0-9]*\)[.0-9]*[[:space:]]*total actual memory usage.*/\1/p' pan.log)
    what="$states states, $(($(date +%s) - begin)) s, $memory MB"
    if grep -q 'max search depth too small\|out of memory\|reached -DMEMLIM' pan.log; then
        fail "the search was cut off: $what"
    elif [ "$kind" = mutant ]; then
        [ "${errors:-0}" != 0 ] || fail "NOT caught: $what"
        echo "passed $name: caught: $what"
    else
        [ "${errors:-1}" = 0 ] || { ./pan -r "$model.pml.trail" >pan.log 2>&1 || true; fail "an error: $what"; }
        echo "passed $name: $what"
    fi
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0

# list NAME KIND MODEL FLAG..: to be done.
list() {
    count=$((count + 1))
    mkdir "$work/$count"
    echo "$1" >"$work/$count/name"
    shift
    echo "$work/$count $*" >>"$work/jobs"
}

mutants() {
    model=$1
    sed -n 's|^/\* MUTANT \([A-Z_]*\) *\(.*\) \*/$|\1 \2|p' "$models/$model.pml" >"$work/mutants"
    [ -s "$work/mutants" ] || { echo "$model lists no mutants"; exit 1; }
    while read -r flag text; do
        bounds=$(echo "$text" | sed -n 's/.*\[\(.*\)\]$/\1/p' | sed 's/[A-Z_]*=/-D&/g')
        # shellcheck disable=SC2086 # words
        list "$model, mutant $flag (${text%% \[*})" mutant "$model" -D"$flag" $bounds
    done <"$work/mutants"
}

if [ "$size" = small ]; then
    list "checkpoint: one checkpoint, two regions, two faults" sound checkpoint
    list "recovery: a task, a spare, two supervisors, a fault" sound recovery
    list "ring: two deaths" sound ring
    for model in recovery checkpoint ring; do
        mutants "$model"
    done
else
    MODEL_MEMORY_MB=${MODEL_MEMORY_MB:-8192}
    export MODEL_MEMORY_MB
    list "ring: four items, four deaths" sound ring -DITEMS=4 -DDEATHS=4
    list "recovery: one supervisor, two faults" sound recovery -DRUNS=1 -DFAULTS=2
    list "recovery: two supervisors, two faults" sound recovery -DFAULTS=2
    list "recovery: two batches, two spares" sound recovery -DITEMS=2 -DSPARES=2
    list "checkpoint: two checkpoints, a fault" sound checkpoint -DCHECKPOINTS=2 -DFAULTS=1
    list "checkpoint: a second row, two faults" sound checkpoint -DROWS=1
fi
parallel=2
[ "$size" = small ] || parallel=1
# Words are read one line a job.
xargs -P "$parallel" -L 1 sh "$models/run.sh" one <"$work/jobs" >"$work/results" || true
cat "$work/results"
passed=$(grep -c '^passed' "$work/results" || true)
failed=$((count - passed))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
