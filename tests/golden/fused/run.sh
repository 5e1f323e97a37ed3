#!/bin/sh
# run.sh: the benchmark's yardstick must give the right answer: its points equal those of the
# independent reference, row for row. BUILD is the build folder
set -eu
build=${BUILD:?the build folder}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(dirname "$0")
for disorder in 0 4000 30000; do # 30 s is far beyond the watermark's 4 s
    "$build/bench/uv_data" json 30000 5000 20 $disorder 3 >"$dir/rows"
    "$build/bench/uv_fused" json "$dir/rows" "$dir/points" >"$dir/out"
    python3 "$here/../reference.py" cumulate 86400000 60000 --bound 4000 <"$dir/rows" 2>/dev/null |
        awk -F, '{print $2 "," $3 "," $5}' | sort >"$dir/want"
    [ -s "$dir/want" ]
    sort "$dir/points" | cmp - "$dir/want"
    echo "fused: disorder $disorder ms: $(wc -l <"$dir/want") points equal"
done
