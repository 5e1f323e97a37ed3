#!/bin/sh
# savepoint.sh: a job is killed and goes on from a savepoint at another parallelism, 1 -> 4 -> 3 ->
# 1: its output is that of an undisturbed run. What cannot be carried is refused by name, and what
# is damaged is noticed.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
rows=${ROWS:-1500000}
passed=0 failed=0
"${BUILD:?}/bench/uv_data" csv "$rows" 20000 20 3900 3 >"$dir/rows.csv"

good() { passed=$((passed + 1)); }
bad() {
    echo "FAIL $*"
    tail -n 5 "$dir/err" 2>/dev/null || :
    failed=$((failed + 1))
}

# job TASKS SOURCE QUERY: the source is a table `person`; the query's rows go to $dir/out.
job() {
    cat >"$dir/job.sql" <<SQL
SET 'parallelism.default' = '$1';
$2
CREATE TABLE results (a STRING, b STRING, c STRING, d STRING, e STRING, f STRING, g STRING, h STRING
) WITH ('connector' = 'filesystem', 'path' = '$dir/out', 'format' = 'csv',
  'sink.rolling-policy.file-size' = '32kb');
INSERT INTO results $3;
SQL
    cat >"$dir/job.yaml" <<YAML
job: savepoint-test-$$
sql: job.sql
memory: {state: 64MiB, reserve: 0%}
checkpoint: {interval: 100ms, dir: checkpoints}
YAML
}

fresh() { rm -rf "$dir/out" "$dir/checkpoints" "$dir/dead" "$dir"/sp-*; }

result() { find "$dir/out" -name 'part-*' -exec cat {} + | sort; }

# Run until a savepoint was made into $dir/sp-$2, from that of $1 (none: from the begin), then a
# little further, then SIGKILL. Fails when the job has ended before.
leg() {
    from=${1:+--from $dir/sp-$1}
    # shellcheck disable=SC2086  # no savepoint, no words
    "$WEIR" run $from "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    made=0
    while [ -n "$from" ] && kill -0 $runner 2>/dev/null; do # it has left its old checkpoints
        grep -q 'going on from the savepoint' "$dir/err" && break
        sleep 0.01
    done
    while kill -0 $runner 2>/dev/null; do
        if "$WEIR" savepoint "$dir/job.yaml" "$dir/sp-$2" 2>"$dir/err.savepoint"; then
            made=1
            break
        fi
        sleep 0.02
    done
    sleep "0.0$((1 + $2 * 2))"
    kill -KILL $runner 2>/dev/null || :
    wait $runner 2>/dev/null || :
    [ $made = 1 ]
}

# travel NAME SOURCE QUERY: 1 -> 4 -> 3 -> 1 against an undisturbed run.
travel() {
    fresh
    job 1 "$2" "$3"
    "$WEIR" run --quiet "$dir/job.yaml" 2>"$dir/err" || bad "$1: undisturbed: status $?"
    result >"$dir/want"
    [ "$(wc -l <"$dir/want")" -gt 50 ] || bad "$1: undisturbed: $(wc -l <"$dir/want") rows"
    fresh
    before='' legs=0
    for tasks in 1 4 3; do
        job $tasks "$2" "$3"
        if leg "$before" $tasks; then
            before=$tasks legs=$((legs + 1))
        else
            echo "$1: with $tasks tasks it ended before ($(cat "$dir/err.savepoint"))"
            break # the last savepoint will do
        fi
    done
    job 1 "$2" "$3"
    [ $legs -gt 0 ] || bad "$1: no savepoint was made: $(cat "$dir/err.savepoint")"
    if ! "$WEIR" run --quiet --from "$dir/sp-$before" "$dir/job.yaml" 2>"$dir/err"; then
        bad "$1: from sp-$before: status $?"
        return
    fi
    result >"$dir/got"
    if cmp -s "$dir/want" "$dir/got"; then
        echo "$1: the same after $legs savepoints"
        good
    else
        bad "$1 after $legs savepoints: $(diff "$dir/want" "$dir/got" | head -n 5)"
    fi
}

files="CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = '$dir/rows.csv', 'format' = 'csv',
  'csv.disable-quote-character' = 'true');"
numbers="CREATE TABLE person (n BIGINT, dimension INT, t TIMESTAMP(3), WATERMARK FOR t AS t
) WITH ('connector' = 'datagen', 'number-of-rows' = '120000', 'rows-per-second' = '60000',
  'seed' = '5', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '120000',
  'fields.dimension.min' = '0', 'fields.dimension.max' = '7',
  'fields.t.kind' = 'sequence', 'fields.t.start' = '1704067200000',
  'fields.t.end' = '1704067319999');"
text() { echo "CAST($1 AS STRING)"; }
rest() { for _ in $(seq "$1"); do printf ", ''"; done; }
cumulate="TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))"
hop="TABLE(HOP(TABLE person, DESCRIPTOR(eventTime), INTERVAL '5' MINUTE, INTERVAL '20' MINUTE))"

travel "distinct counts" "$files" "SELECT $(text window_end), dimension,
  $(text 'COUNT(DISTINCT id)'), $(text 'COUNT(*)'), MAX(id) $(rest 3)
  FROM $cumulate GROUP BY window_start, window_end, dimension"
travel "two phases" "$files" "SELECT $(text window_end), dimension, $(text 'COUNT(*)'),
  $(text 'SUM(CHAR_LENGTH(id))'), $(text 'AVG(CAST(SUBSTRING(id, 4) AS BIGINT))'), MIN(id), MAX(id),
  $(text "COUNT(*) FILTER (WHERE id > 'd0010000')")
  FROM $cumulate GROUP BY window_start, window_end, dimension"
travel "overlapping windows" "$files" "SELECT $(text window_end), dimension,
  $(text 'COUNT(DISTINCT id)'), $(text 'COUNT(DISTINCT dimension)'), $(text 'COUNT(id)') $(rest 3)
  FROM $hop GROUP BY window_start, window_end, dimension"
travel "numbers" "$numbers" "SELECT $(text window_end), $(text dimension), $(text 'SUM(n)'),
  $(text 'MIN(n)'), $(text 'COUNT(*)') $(rest 3)
  FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(t), INTERVAL '2' SECOND))
  GROUP BY window_start, window_end, dimension"

# --- refusals; the last job's savepoint is in sp-1 ---

refused() { # NAME STATUS TEXT COMMAND...
    name=$1 want=$2 text=$3
    shift 3
    status=0
    "$WEIR" "$@" >"$dir/out.text" 2>"$dir/err" || status=$?
    if [ $status = "$want" ] && grep -q -- "$text" "$dir/err"; then good; else bad "$name: $status"; fi
}

cp -r "$dir/sp-1" "$dir/sp-9"
printf x | dd of="$dir/sp-9/STATE" bs=1 seek=200 conv=notrunc 2>/dev/null
refused "a damaged savepoint" 69 "STATE is damaged" run --from "$dir/sp-9" "$dir/job.yaml"
sed -i 's/MIN(n)/MAX(n)/' "$dir/job.sql"
refused "another script" 78 "made of another script" run --from "$dir/sp-1" "$dir/job.yaml"
sed -i 's/MAX(n)/MIN(n)/' "$dir/job.sql"
sed -i 's/^checkpoint:.*/checkpoint: {interval: none}/' "$dir/job.yaml"
refused "no checkpoints" 69 "must make checkpoints" run --from "$dir/sp-1" "$dir/job.yaml"
refused "no folder of a savepoint" 64 "the folder of a savepoint" run --from "$dir" "$dir/job.yaml"
refused "one argument" 64 "and a folder" savepoint "$dir/job.yaml"

fresh
job 2 "$numbers" "SELECT $(text "TUMBLE_END(t, INTERVAL '1' MINUTE)"), $(text dimension),
  $(text 'COUNT(*)') $(rest 5) FROM person GROUP BY TUMBLE(t, INTERVAL '1' MINUTE), dimension"
refused "before the first run" 69 "$dir/checkpoints" savepoint "$dir/job.yaml" "$dir/sp-2"
"$WEIR" run --quiet "$dir/job.yaml" 2>"$dir/err" &
runner=$!
sleep 0.5
kill -INT $runner
wait $runner || :
refused "a group window" 69 "group window" savepoint "$dir/job.yaml" "$dir/sp-1"
[ ! -e "$dir/sp-1" ] || bad "a refused savepoint leaves a folder"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
