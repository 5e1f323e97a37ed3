#!/bin/sh
# owners.sh: never two writers, whatever is done to tasks, spares, supervisors and owner mutexes: see
# owners_driver.py and owner_watch.c, the witness, of which a planted violation shows that it sees one.
# SEED=n, ACTS=n, ROWS=n (a hundred thousand a second, for as many acts as there is time for).
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
seed=${SEED:-$(date +%s)} acts=${ACTS:-22} rows=${ROWS:-450000} passed=0 failed=0
echo "SEED=$seed"
"${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -I. -O1 -shared -fPIC -o "$dir/watch.so" "$here/owner_watch.c" -ldl

# drive ARGUMENTS...
drive() {
    if python3 "$here/owners_driver.py" "$@" "$dir/watch.so" "$WEIR"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}

drive --seed "$seed" --plant --only task --acts 4 --rows 300000
drive --seed "$seed" --acts "$acts" --rows "$rows" --spares 1
drive --seed $((seed + 1)) --acts "$acts" --rows "$rows" --spares 2
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
