#!/bin/sh
# ends.sh: many short jobs that are killed at around their end: see ends_driver.py. SEED=n, ROUNDS=n, or
# ENDS_SECONDS=n for long runs.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
exec python3 "$(dirname "$0")/ends_driver.py" --seed "${SEED:-$(date +%s)}" --rounds "${ROUNDS:-16}" \
    --seconds "${ENDS_SECONDS:-0}" "$WEIR"
