#!/bin/sh
# bench.sh: `weir bench`: each benchmark runs shortly and its report is whole, in every form; a saved report is compared
# with; what is wrong on the command line is refused; Ctrl-C leaves nothing behind.
set -eu
[ -x "${WEIR:?}" ] || { echo "$WEIR is not built"; exit 77; }
exec python3 "$(dirname "$0")/bench_driver.py" "$WEIR"
