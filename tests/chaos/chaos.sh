#!/bin/sh
# chaos.sh: a sample of `make chaos`: two jobs at a time under faults of every kind, then their output is compared
# with undisturbed runs. First: would a wrong output be seen? SEED=n, CHAOS_SECONDS=n.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
here=$(dirname "$0")
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
python3 "$here/verify_test.py" >"$log" || failed=1
python3 "$here/chaos.py" --seed "${SEED:-$(date +%s)}" --seconds "${CHAOS_SECONDS:-18}" --round-seconds 8 \
    --rows 20000 --jobs 2 "$WEIR" >>"$log" || failed=1
cat "$log"
sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" |
    awk '{ good += $1; bad += $2 } END { printf "%d passed, %d failed\n", good, bad }'
[ $failed = 0 ]
