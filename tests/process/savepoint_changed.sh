#!/bin/sh
# savepoint_changed.sh: a changed script is refused, and with --allow-new-state goes on with what fits,
# from a checkpoint and from a savepoint; it says what begins empty. A run that is killed before its
# first checkpoint begins there again.
# shellcheck disable=SC2034,SC2154  # what it shares with savepoint_support.inc
set -eu
# shellcheck source=/dev/null
. "$(dirname "$0")/savepoint_support.inc"
rows=60000
numbers=$(numbers_table $rows 30000)
columns='at STRING, dimension INT, n STRING'
query() { # AGGREGATE FILTER
    echo "SELECT $(text window_end), dimension, CAST($1 AS STRING)
      FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(t), INTERVAL '1' SECOND)) $2
      GROUP BY window_start, window_end, dimension"
}

# Until it can be stopped in its middle: then it leaves a checkpoint.
stop() {
    until grep -qs . "$dir"/checkpoints/chk-*/MANIFEST; do
        kill -0 $runner || return 1
        sleep 0.01
    done
    kill -INT $runner
    wait $runner || return 1
}

begin() { # OPTIONS...
    "$WEIR" run "$@" "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
}

# to_the_end OPTIONS...: is the output the whole of it?
to_the_end() {
    name=$1
    shift
    "$WEIR" run "$@" "$dir/job.yaml" 2>"$dir/err" || bad "$name: status $?"
    rows >"$dir/got"
    if cmp -s "$dir/want" "$dir/got"; then good; else bad "$name: $(diff "$dir/want" "$dir/got" | head -n 5)"; fi
}

says() { # NAME TEXT
    if grep -q -- "$2" "$dir/err"; then good; else bad "$1: it does not say '$2'"; fi
}

sum() { rows | awk -F, '{ n += $3 } END { print n + 0 }'; }

fresh
job 1 "$numbers" "$(query 'COUNT(*)' '')"
"$WEIR" run --quiet "$dir/job.yaml"
rows >"$dir/want"
[ "$(sum)" = $rows ] || bad "undisturbed: $(sum) rows"

# What stands behind the window has changed, and the parallelism: all state goes on.
fresh
begin --quiet
stop || bad "it ended before it could be stopped"
cp -r "$dir/checkpoints" "$dir/kept.checkpoints"
cp -r "$dir/out" "$dir/kept.out"
job 3 "$numbers" "$(query 'COUNT(*) + 0' '')"
refused "a changed script" 78 "allow-new-state" run "$dir/job.yaml"
sed -i 's/interval: 100ms/interval: 10min/' "$dir/job.yaml"
begin --allow-new-state
until find "$dir/out" -name '.part-*.inprogress' -size +0 | grep -q .; do # it writes
    kill -0 $runner || break
    sleep 0.01
done
reboot savepoint-test-$$ "$runner" # before its first checkpoint
wait $runner 2>/dev/null || :
cp "$dir/err" "$dir/err.first"
grep -qs . "$dir"/checkpoints/chk-*/MANIFEST && bad "there is a checkpoint"
sed -i 's/interval: 10min/interval: 100ms/' "$dir/job.yaml"
to_the_end "a changed projection" # what was allowed once is allowed again
says "a changed projection" 'going on from the savepoint'
cp "$dir/err.first" "$dir/err"
says "a changed projection" 'goes on: how far table person'
says "a changed projection" 'goes on: the TUMBLE window'
if grep -q 'EMPTY\|DROPPED' "$dir/err"; then bad "a changed projection: something is lost"; else good; fi
[ ! -e "$dir/checkpoints/new-state" ] || bad "the savepoint of the checkpoint is left"

# again FROM: the state of before, and the output.
again() {
    rm -rf "$dir/checkpoints" "$dir/out"
    cp -r "$dir/kept.checkpoints" "$dir/checkpoints"
    cp -r "$dir/kept.out" "$dir/out"
}

# Another cause of another plan: the number of tasks alone.
again
job 2 "$numbers" "$(query 'COUNT(*)' '')"
to_the_end "another parallelism" --allow-new-state

# Killed, and its tasks run on: the memory is of the old script, the checkpoint will do.
again
job 1 "$numbers" "$(query 'COUNT(*)' '')"
begin --quiet
until find "$dir/out" -name '.part-*.inprogress' -size +0 | grep -q .; do # it has gone on
    kill -0 $runner || break
    sleep 0.01
done
kill -KILL $runner
wait $runner 2>/dev/null || :
job 3 "$numbers" "$(query 'COUNT(*) + 0' '')"
refused "memory of another script" 78 "with --fresh" run "$dir/job.yaml"
to_the_end "memory of another script" --allow-new-state

# The window has changed: it begins empty, but no row comes twice.
again
job 1 "$numbers" "$(query 'SUM(1)' 'WHERE n > 0')"
"$WEIR" run --quiet --allow-new-state "$dir/job.yaml" 2>"$dir/err" || bad "a changed window: $?"
says "a changed window" 'goes on: how far table person'
says "a changed window" 'IS DROPPED: the TUMBLE window'
says "a changed window" 'BEGINS EMPTY: the TUMBLE window'
if [ "$(sum)" -gt 0 ] && [ "$(sum)" -le $rows ]; then good; else bad "a changed window: $(sum) rows"; fi

# Another folder: what was written to the old one is finished there.
again
mkdir "$dir/elsewhere"
job 2 "$numbers" "$(query 'COUNT(*)' '')"
sed -i "s|'path' = '$dir/out'|'path' = '$dir/elsewhere'|" "$dir/job.sql"
"$WEIR" savepoint "$dir/job.yaml" "$dir/sp-1" 2>"$dir/err" || bad "the savepoint: $?"
refused "a savepoint of another script" 78 "allow-new-state" run --from "$dir/sp-1" "$dir/job.yaml"
"$WEIR" run --allow-new-state --from "$dir/sp-1" "$dir/job.yaml" 2>"$dir/err" || bad "another folder: $?"
says "another folder" 'IS DROPPED: what was written to table results; it is finished'
says "another folder" 'BEGINS EMPTY: what was written to table results'
mv "$dir"/elsewhere "$dir/out/elsewhere"
rows >"$dir/got"
if cmp -s "$dir/want" "$dir/got"; then good; else bad "another folder: $(diff "$dir/want" "$dir/got" | head -n 5)"; fi
[ -z "$(find "$dir/out" -name '*inprogress')" ] || bad "another folder: parts are in progress"

# Killed before its first checkpoint, with more tasks than the savepoint had: dead letters come once.
roll=32kb columns='id STRING, dimension STRING'
"$BUILD/bench/uv_data" csv 200000 20000 20 3900 3 | awk 'NR % 500 == 0 { $0 = $0 ",bad" } { print }' >"$dir/rows.csv"
files="CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3)
) WITH ('connector' = 'filesystem', 'path' = '$dir/rows.csv', 'format' = 'csv',
  'csv.disable-quote-character' = 'true');"
slow="SELECT id, dimension FROM person WHERE CHAR_LENGTH(REPLACE(UPPER(LPAD(id, 2000, 'ab')), 'A', 'xy')) > 0"
fresh
job 1 "$files" "$slow"
echo "recovery: {dead_letter: $dir/dead}" >>"$dir/job.yaml"
begin --quiet
stop || bad "it ended before it could be stopped"
"$WEIR" savepoint "$dir/job.yaml" "$dir/sp-1" 2>"$dir/err" || bad "the savepoint: $?"
for from in "--from $dir/sp-1" "" "--from $dir/sp-1"; do
    job 4 "$files" "$slow"
    echo "recovery: {dead_letter: $dir/dead}" >>"$dir/job.yaml"
    sed -i 's/interval: 100ms/interval: 10min/' "$dir/job.yaml"
    # shellcheck disable=SC2086  # none or two words
    begin $from
    until [ -s "$dir/dead/dead-3.jsonl" ] || [ -s "$dir/dead/dead-2.jsonl" ]; do
        kill -0 $runner || break
        sleep 0.01
    done
    reboot savepoint-test-$$ "$runner"
    wait $runner 2>/dev/null || :
done
sed -i 's/interval: 10min/interval: 100ms/' "$dir/job.yaml"
"$WEIR" run "$dir/job.yaml" 2>"$dir/err" || bad "dead letters: status $?"
[ "$(rows | wc -l)" = 199600 ] || bad "dead letters: $(rows | wc -l) good rows"
if [ "$(cat "$dir"/dead/*.jsonl | wc -l)" = 400 ]; then good; else bad "$(cat "$dir"/dead/*.jsonl | wc -l) dead letters of 400"; fi
finish
