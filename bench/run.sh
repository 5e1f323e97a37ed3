#!/bin/sh
# run.sh: ratios in one run; never fails on a time. BUILD is the build folder, BENCH_ROWS the rows of
# the UV job (default 10 million). Today it measures the yardstick alone, the hand-fused loop: weir
# joins when it runs jobs.
set -eu
build=${BUILD:?}
rows=${BENCH_ROWS:-10000000}
for format in json csv; do
    file=$build/uv-$rows.$format
    if [ ! -s "$file" ]; then
        "$build/bench/uv_data" $format "$rows" 2000000 100 4000 7 >"$file.tmp"
        mv "$file.tmp" "$file"
    fi
    "$build/bench/uv_fused" $format "$file"
    "$build/bench/uv_fused" $format "$file"
done
"$build/bench/ring"
