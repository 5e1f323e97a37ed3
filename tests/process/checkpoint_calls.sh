#!/bin/sh
# checkpoint_calls.sh: a whole job killed before one of its calls to the disk, most often near its end,
# between "all input is handled" and the last rename: see checkpoint_calls.py. SEED=n, ROUNDS=n.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -O1 -shared -fPIC -o "$dir/call_kill.so" "$here/call_kill.c" -ldl
python3 "$here/checkpoint_calls.py" --seed "${SEED:-$(date +%s)}" --rounds "${ROUNDS:-25}" \
    "$dir/call_kill.so" "$WEIR" "${BUILD:?}"
