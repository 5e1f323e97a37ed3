#!/bin/sh
# soak.sh BUILD: the proofs of checkpoints over and over, each time with a new seed, which is printed,
# until SOAK_SECONDS (600) are over. Stops at the first failure and says how to see it again.
#
# With STEP_ALL=1 every instruction of the walked tasks is judged, and with MODELS=1 the models are searched
# at their large bounds, once, before the rounds: hours, and gigabytes; SOAK_SECONDS does not cut them.
#
# WEIR and BUILD are set for the scripts; BUILD is absolute.
set -u
build=${1:?usage: soak.sh BUILD}
seconds=${SOAK_SECONDS:-600}
export BUILD="$build" WEIR="$build/weir"
begin=$(date +%s)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
rounds=0 runs=0

left() { echo $((begin + seconds - $(date +%s))); }

# try SETTINGS PROGRAM: one run with these variables.
try() {
    [ "$(left)" -gt 0 ] || return 0
    runs=$((runs + 1))
    # shellcheck disable=SC2086 # words
    env $1 "$2" >"$log" 2>&1 </dev/null
    status=$?
    [ $status != 0 ] && [ $status != 77 ] || return 0
    cat "$log"
    echo "soak: FAILED with status $status after $rounds rounds; again:"
    echo "  BUILD=$build WEIR=$WEIR $1 $2"
    exit 1
}

# Shown as they go. The rounds take samples.
all=${STEP_ALL:-}
unset STEP_ALL
if [ "$all" = 1 ]; then
    "$build/tests/crash/test_step_kill" all || exit 1
    STEP_ALL=1 "$build/tests/crash/test_step_kill_window" || exit 1
    STEP_ALL=1 "$build/tests/crash/test_step_kill_task" || exit 1
fi
if [ "${MODELS:-}" = 1 ]; then
    sh tests/model/run.sh large || exit 1
fi
begin=$(date +%s)
while [ "$(left)" -gt 0 ]; do
    seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
    seed=$((seed % 2147483647 + 1))
    echo "soak: round $((rounds + 1)), seed $seed, $(left) s left"
    for program in unit/test_snapshot fault/test_disk_crash fault/test_disk_faults; do
        try "WEIR_SEED=$seed" "$build/tests/$program"
    done
    try "WEIR_SEED=$seed" "$build/tests/crash/test_step_kill_task"
    try "SEED=$seed ROUNDS=24" tests/process/checkpoint_kills.sh
    try "SEED=$seed ROUNDS=60" tests/process/adopt.sh
    try "SEED=$seed" tests/process/checkpoint.sh
    try "SEED=$seed ROUNDS=100" tests/process/checkpoint_calls.sh
    try "SEED=$seed" tests/process/checkpoint_stop.sh
    try "SEED=$seed FLIPS=35" tests/process/checkpoint_bad.sh
    try "SEED=$seed" tests/process/kill.sh
    try "SEED=$seed ACTS=300 ROWS=3000000" tests/process/owners.sh
    try "SEED=$seed ENDS_SECONDS=40" tests/process/ends.sh
    try "SEED=$seed ROUNDS=10 ACTS=80" tests/process/spares.sh
    rounds=$((rounds + 1))
done
echo "soak: $runs runs in $rounds rounds, $(($(date +%s) - begin)) s, no failure"
