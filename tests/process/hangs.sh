#!/bin/sh
# hangs.sh: what is a hang and what is not, in a job that runs with hang_after: 300ms: see hangs_driver.py.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
exec python3 "$(dirname "$0")/hangs_driver.py" "$WEIR"
