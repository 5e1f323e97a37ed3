#!/bin/sh
# recovery.sh: every figure of `make bench-recovery`; what each means is in bench/README.md. Never fails on a time,
# only on a wrong answer. recovery.sh PROGRAM
#
#   KILLS       of each line (1000)
#   SIZES       of state, in MiB ("16 64 1024 4096"); one that memory has no room for is skipped
#   OTHER       kills of the supervisor, and of everything (20)
#   EVERY       milliseconds between kills at full speed ("1000 100 20 4")
set -eu
program=$1 kills=${KILLS:-1000} other=${OTHER:-20}
table=$(mktemp) line=$(mktemp)
trap 'rm -f "$table" "$line"' EXIT

title() {
    printf '\n== %s\n' "$*"
}

# gaps MIB SPARES [RATE]
gaps() {
    "$program" --state "$1" --kills "$kills" --spares "$2" --rate "${3:-0}" --row "$table" | tee "$line"
}

title "machine"
model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
echo "$(nproc) cores, ${model:-unknown cpu}; $(uname -sr);" \
    "$(awk '/^MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo) of memory;" \
    "huge pages in shared memory:" \
    "$(cat /sys/kernel/mm/transparent_hugepage/shmem_enabled 2>/dev/null || echo unknown);" \
    "load $(cut -d' ' -f1-3 /proc/loadavg)"
echo "command: KILLS=$kills OTHER=$other make bench-recovery"

for mib in ${SIZES:-16 64 1024 4096}; do
    title "a task is killed, $mib MiB of state"
    gaps "$mib" 1
    rate=$(sed -n 's/^state .*, \([0-9]*\) rows.*/\1/p' "$line") # one measurement for both
    echo
    gaps "$mib" 0 "$rate"
done

title "the supervisor is killed"
"$program" --state 64 --supervisor "$other"

title "everything is killed, 512 MiB of state"
"$program" --state 512 --everything "$other" --calm 1

title "throughput under kills, at full speed, 16 MiB of state"
for every in ${EVERY:-1000 100 20 4}; do
    "$program" --state 16 --kills $((5000 / every)) --every "$every" --calm 3
done

title "the gaps as a table, ms"
echo "| state | | kills | p50 | p99 | max | p50 of: owned, attached, first rows | p99 of waiting for a core |" \
    "neighbour's longest silence, killed / undisturbed | reader's | rows after / before | rows lost, twice |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
cat "$table"
