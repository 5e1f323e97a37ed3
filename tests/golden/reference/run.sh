#!/bin/sh
# run.sh: weir's answers equal those of an independent model of Flink's rules (model.py): random
# queries on rows with disorder beyond the watermark, and the real flights. WEIR is the command;
# GOLDEN_SEED repeats a run.
set -eu
weir=${WEIR:-build/release/weir}
if [ ! -x "$weir" ]; then
    echo "the command is not built"
    exit 77
fi
here=$(dirname "$0")
flights=build/demo/flights.csv # where the demo keeps them, too
set -- "$weir"
if mkdir -p build/demo && sh scripts/fetch-flights.sh "$flights" 2>/dev/null; then
    set -- "$@" --flights "$flights"
else
    echo "the flights cannot be fetched (no network?): generated rows only"
fi
[ -z "${GOLDEN_SEED:-}" ] || set -- "$@" --seed "$GOLDEN_SEED"
exec python3 "$here/run.py" "$@"
