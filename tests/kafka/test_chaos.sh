#!/bin/sh
# test_chaos.sh: a sample of `make chaos-kafka`: jobs from topic to topic under faults of weir, of the network and of the
# broker; each row, each answer and each dead letter must be there exactly once. First: would it be seen if not?
# SEED=n, FAULTS=n.
set -u
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
here=$(dirname "$0")/chaos
log=$(mktemp)
passed=0 failed=0
trap 'rm -f "$log"' EXIT
# run WHAT OPTIONS...
run() {
    what=$1 status=0
    shift
    python3 "$here/chaos.py" "$@" "$WEIR" >"$log" 2>&1 || status=$?
    [ $status != 77 ] || { cat "$log"; exit 77; }
    cat "$log"
    if [ $status = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $what"
    fi
}
for unit in verify_test markers_test; do
    python3 "$here/$unit.py" >"$log" || failed=1
    cat "$log"
done
run 'a sink that is at-least-once on purpose is seen' --break at-least-once --faults 40 --round-seconds 25 \
    --drain-seconds 2 --seed 3
run 'each row exactly once' --seed "${SEED:-$(date +%s)}" --faults "${FAULTS:-30}" --round-seconds 40
echo "$passed passed, $failed failed"
[ $failed = 0 ]
