#!/bin/sh
# checkpoint_kills.sh: single tasks are killed at random moments while checkpoints are made, now and then
# every process is killed and the memory is gone, jobs are stopped and go on: see checkpoint_driver.py.
#
# SEED=n, ROUNDS=n (one round a scenario by default), CHECKPOINT_SECONDS=n for long runs.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
exec python3 "$(dirname "$0")/checkpoint_driver.py" --seed "${SEED:-$(date +%s)}" \
    --rounds "${ROUNDS:-9}" --seconds "${CHECKPOINT_SECONDS:-0}" "$WEIR" "${BUILD:?}"
