#!/bin/sh
# savepoint_followed.sh: as savepoint.sh, of files that grow, are renamed and replaced while the job
# travels: each row comes once.
# shellcheck disable=SC2034,SC2154  # what it shares with savepoint_support.inc
set -eu
# shellcheck source=/dev/null
. "$(dirname "$0")/savepoint_support.inc"
mkdir "$dir/logs"
columns='file STRING, n BIGINT' roll=1b
source="CREATE TABLE person (file STRING, n BIGINT) WITH ('connector' = 'filesystem',
  'path' = '$dir/logs', 'format' = 'csv', 'source.monitor-interval' = '50 ms');"
query="SELECT file, n FROM person"
written=0

# append FILE NAME FROM TO: rows that name the file as it was when they were written.
append() {
    seq "$3" "$4" | sed "s/^/$2,/" >>"$dir/logs/$1"
    seq "$3" "$4" | sed "s/^/$2,/" >>"$dir/want"
    written=$((written + $4 - $3 + 1))
}

# come: until all rows that were written are in the finished parts.
come() {
    for _ in $(seq 1500); do
        [ "$(rows | wc -l)" -lt $written ] || return 0
        kill -0 $runner 2>/dev/null || break
        sleep 0.02
    done
    bad "$1: $(rows | wc -l) rows of $written came"
}

begin() { # TASKS [SAVEPOINT]
    job "$1" "$source" "$query"
    # shellcheck disable=SC2086  # no savepoint, no words
    "$WEIR" run ${2:+--from $dir/sp-$2} "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
}

save() { # NAME
    until "$WEIR" savepoint "$dir/job.yaml" "$dir/sp-$1" 2>"$dir/err.savepoint"; do
        kill -0 $runner 2>/dev/null || { bad "the run has ended"; return; }
        sleep 0.02
    done
}

cut_off() {
    reboot savepoint-test-$$ $runner
}

fresh
mkdir "$dir/out"
for file in a b c d e; do append $file $file 1 2000; done
begin 1
come "with 1 task"
append a a 2001 4000 # some of it may be behind the savepoint
save 1
append b b 2001 3000
cut_off

mv "$dir/logs/a" "$dir/logs/a.1" # while nobody looks
append a.1 a 4001 4500
append a A 1 500
begin 4 1
come "with 4 tasks"
append c c 2001 2500
mv "$dir/logs/c" "$dir/logs/c.1" # while somebody does
append c C 1 300
append f f 1 700
save 2
append c.1 c 2501 2600
cut_off

rm "$dir/logs/d" # all of it was read
append d D 1 1500
begin 3 2
come "with 3 tasks"
save 3
append e e 2001 2100
cut_off
append e e 2101 2200
begin 1 3
come "with 1 task again"
append e e 2201 2210
append a.1 a 4501 4510
come "to the end"
cut_off
rows >"$dir/got"
sort -o "$dir/want" "$dir/want"
if cmp -s "$dir/want" "$dir/got"; then good; else bad "$(diff "$dir/want" "$dir/got" | head -n 5)"; fi
grep -q 'written anew' "$dir/err" && bad "a file was read from its begin"
finish
