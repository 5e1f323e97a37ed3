#!/bin/sh
# uv.sh: the UV job over generated events. usage: uv.sh BUILD_DIR ROWS
# Today it measures the yardstick alone, the hand-fused loop; weir joins when it runs jobs.
set -eu
build=$1
rows=$2
for format in json csv; do
    file=$build/uv-$rows.$format
    [ -s "$file" ] || { "$build/bench/uv_data" $format "$rows" 2000000 100 4000 7 >"$file.tmp" && mv "$file.tmp" "$file"; }
    "$build/bench/uv_fused" $format "$file"
    "$build/bench/uv_fused" $format "$file"
done
