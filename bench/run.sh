#!/bin/sh
# run.sh: every figure of `make bench`; what each means is in bench/README.md. Never fails on a time,
# only on a wrong answer. WEIR is the program, BUILD the build folder.
#
#   BENCH_ROWS      rows of the UV job (10000000)
#   BENCH_ROUNDS    interleaved rounds of both programs (3)
#   BENCH_CHECKPOINT  weir's checkpoint.interval there (1s; none: never)
#   CKPT_STATE_MIB  sizes of state to checkpoint, in MiB ("100 256"; "1024" takes some minutes)
#   CKPT_SECONDS, CKPT_ROUNDS   of each turn (2), turns of each side (5)
set -eu
weir=${WEIR:?} build=${BUILD:?}
rows=${BENCH_ROWS:-10000000} rounds=${BENCH_ROUNDS:-3}
devices=$((rows / 5)) dimensions=100
data=$build/bench-data
mkdir -p "$data"

title() {
    printf '\n== %s\n' "$*"
}

fact() { # FILE DEFAULT: the first line of a file
    head -n 1 "$1" 2>/dev/null || echo "$2"
}

title "machine"
model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
echo "$(nproc) cores, ${model:-unknown cpu}; $(uname -sr);" \
    "$(awk '/^MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo) of memory;" \
    "huge pages in shared memory:" \
    "$(fact /sys/kernel/mm/transparent_hugepage/shmem_enabled unknown);" \
    "load $(cut -d' ' -f1-3 /proc/loadavg)"
echo "command: BENCH_ROWS=$rows BENCH_ROUNDS=$rounds make bench"

for format in json csv; do
    file=$data/uv-$rows.$format
    if [ ! -s "$file" ]; then
        "$build/bench/uv_data" $format "$rows" "$devices" $dimensions 4000 7 >"$file.tmp"
        mv "$file.tmp" "$file"
    fi
    cat "$file" >/dev/null # both sides read from the page cache
done

title "the UV job against a hand-fused loop: $rows rows, $devices devices, $dimensions dimensions;" \
    "best of $rounds interleaved rounds, whole processes; a checkpoint each ${BENCH_CHECKPOINT:-1s}"
"$build/bench/uv_compare" "$weir" "$build/bench/uv_fused" "$data" "$rounds" \
    "$data/uv-$rows.json" "$data/uv-$rows.csv"

title "where a row's time goes; what a commit costs"
"$build/bench/uv_steps" "$data/uv-$rows.json" "$data/uv-$rows.csv"

title "reading alone, from memory"
"$build/bench/format_parse" 100000

title "changing state"
"$build/bench/touch"

title "a channel"
[ "$(nproc)" -lt 2 ] || "$weir" bench ring --runs 5 --seconds 1

title "checkpoints beside batches, and against the disk"
mkdir -p "$data/checkpoint"
for size in ${CKPT_STATE_MIB:-100 256}; do
    CKPT_STATE_MIB=$size "$build/bench/checkpoint" "$data/checkpoint"
done
