#!/bin/sh
# adopt.sh: the supervisor is killed, alone or with tasks or with everything; segments are deleted, cut
# and damaged; pids are reused; two runs are started at once: see adopt_driver.py. First every way once by
# itself. SEED=n, ROUNDS=n, ADOPT_SECONDS=n for long runs.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
driver=$(dirname "$0")/adopt_driver.py
seed=${SEED:-$(date +%s)} failed=0
for end in orphan all wait two reuse delete; do
    python3 "$driver" --seed "$seed" --rounds 1 --only $end "$WEIR" || failed=1
done
python3 "$driver" --seed "$seed" --rounds "${ROUNDS:-10}" --seconds "${ADOPT_SECONDS:-0}" "$WEIR" || failed=1
[ $failed = 0 ]
