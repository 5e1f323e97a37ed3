#!/bin/sh
# bad_stream.sh: the command and its streams: stdout that closes early or is full, the live line on a
# terminal, --json, a run after kill -9 of everything, a second run beside the first, exit statuses.
set -u
# shellcheck source=/dev/null
. "$(dirname "$0")/bad_support.inc"
weir=${weir:?} small=${small:?}
endless="CREATE TABLE n (i BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
WITH ('connector' = 'datagen', 'rows-per-second' = '5000', 'fields.ts.start' = '2024-01-01 00:00:00',
'fields.ts.rows-per-second' = '1000', 'fields.i.kind' = 'sequence', 'fields.i.start' = '1', 'fields.i.end' = '1000000000');"
job print "$endless SELECT i FROM n;"
job silent "$endless CREATE TABLE o (i BIGINT) WITH ('connector' = 'blackhole'); INSERT INTO o SELECT i FROM n;"

# --- streams that fail ---

# A reader that goes away ends the job, with a word and without restarts.
{
    timeout 30 "$weir" run print.yaml 2>err
    echo $? >status
} | head -n 1 >out
cat err >both
[ "$(cat out)" = '+I[1]' ] && [ "$(cat status)" = 1 ] && holds both 'stdout was closed by its reader' '0 restarts'
verdict "run | head: status $(cat status)" $?
# The same for both streams at once: nobody hears the word, but the job ends.
{
    timeout 30 "$weir" run print.yaml 2>&1
    echo $? >status
} | head -n 1 >out
[ "$(cat status)" = 1 ]
verdict "run 2>&1 | head: status $(cat status)" $?
# Only stderr goes away: no reason to end a job that writes elsewhere.
job elsewhere "CREATE TABLE n (i BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1000', 'rows-per-second' = '1000');
CREATE TABLE o (i BIGINT) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = 'parts');
INSERT INTO o SELECT i FROM n;"
{
    timeout 30 "$weir" run --json elsewhere.yaml 2>&1
    echo $? >status
} | true
[ "$(cat status)" = 0 ] && [ "$(cat parts/part-* | wc -l)" = 1000 ]
verdict "run 2>&1 | true: status $(cat status)" $?
if [ -w /dev/full ]; then
    timeout 30 "$weir" run print.yaml >/dev/full 2>err
    status=$?
    cat err >both
    [ $status = 1 ] && holds both 'rows cannot be written to stdout: No space left on device' '0 restarts'
    verdict "run >/dev/full: status $status" $?
    "$weir" check print.yaml >/dev/full 2>err
    status=$?
    cat err >both
    [ $status = 1 ] && holds both 'stdout could not be written'
    verdict "check >/dev/full: status $status" $?
fi
timeout 30 "$weir" run print.yaml >&- 2>err
status=$?
cat err >both
[ $status = 1 ] && holds both 'rows cannot be written to stdout'
verdict "run >&-: status $status" $?
timeout 30 "$weir" run elsewhere.yaml >&- 2>&- <&-
verdict "run without any stream: status $?" $?

# --- the live line ---

if command -v script >/dev/null; then
    # live COLUMNS: what a terminal of that width is shown in 2 seconds, or more on a busy host.
    live() {
        for seconds in 2 5 10; do
            TERM=xterm timeout 30 script -qec "stty cols $1; timeout -s INT $seconds '$weir' run silent.yaml" \
                typescript </dev/null >/dev/null
            tr '\r' '\n' <typescript >both
            ! grep -q "^bad-silent-$$: .*rows" both || break
        done
    }
    live 200
    also 'rows in, ' ' rows/s, watermark 2024-01-01 00:00:0' ', lag 2.' ', 1/1 tasks' 'stopping on signal 2' \
        "bad-silent-$$ stopped: "
    grep -q 'lag 2\.[0-9]s' both
    verdict 'the lag is what the watermark is behind the newest row' $?
    live 40
    ! grep "^bad-silent-$$: " both | sed 's/\x1b\[K//' | grep -q '.\{40\}'
    verdict 'a narrow terminal gets a short line' $?
    grep -q "^bad-silent-$$: " both
    verdict 'a narrow terminal gets a line' $?
    TERM=dumb live 200
fi
timeout 30 "$weir" run --quiet elsewhere.yaml >out 2>err
[ ! -s out ] && [ ! -s err ]
verdict 'quiet is quiet' $?

# --- progress for machines ---

# until_event EVENT ARGUMENT...: a run that is stopped when it has told the event.
until_event() {
    event=$1
    shift
    : >err
    "$weir" run --json "$@" silent.yaml >out 2>err </dev/null &
    pid=$!
    until_true grep -q "\"event\":\"$event\"" err
    kill -TERM $pid
    wait $pid
}
until_event progress
python3 - err >both 2>&1 <<'PY'
import json, sys
events = [json.loads(line) for line in open(sys.argv[1])]
kinds = [e["event"] for e in events]
assert kinds[0] == "started" and kinds[-1] == "summary" and "stopping" in kinds, kinds
progress = [e for e in events if e["event"] == "progress"]
assert progress, kinds
for e in progress:
    assert e["rows_in"] > 0 and e["rows_per_second"] > 0 and e["tasks"] == 1 == e["tasks_running"], e
    assert 2000 <= e["newest_ms"] - e["watermark_ms"] < 60000, e
summary = events[-1]
assert summary["end"] == "stopped" and summary["rows_in"] >= progress[-1]["rows_in"], summary
for key in "seconds", "rows_out", "bad_rows", "late_rows", "restarts", "worst_gap_ms", "rows_per_second":
    assert key in summary, key
PY
verdict "json progress: $(tail -n 1 both)" $?

# --- kill -9 of everything, a supervisor alone, two runs at once ---

# start: the endless job in the background; $pid, and its tasks in the file tasks.
start() {
    "$weir" run silent.yaml >run.out 2>run.err </dev/null &
    pid=$!
    until_true has_task
    pgrep -P $pid >tasks
}
has_task() {
    pgrep -P $pid >/dev/null
}
gone() {
    while read -r task; do
        ! kill -0 "$task" 2>/dev/null || return 1
    done <tasks
}
start
expect 69 "job 'bad-silent-$$' is already running, with pid $pid; stop that run first" run silent.yaml
kill -0 $pid && gone
[ $? = 1 ]
verdict 'the first run goes on' $?
# shellcheck disable=SC2046
kill -9 $pid $(cat tasks)
wait $pid 2>/dev/null
until_true gone
job silent "$endless CREATE TABLE o (i BIGINT) WITH ('connector' = 'blackhole'); INSERT INTO o SELECT nope FROM n;"
expect 78 'silent.sql:' run silent.yaml
# A script that has changed does not fit what is in memory, which stays until somebody says that it may go.
job silent "$(printf '%s' "$endless" | sed "s/'rows-per-second' = '5000'/'number-of-rows' = '50'/") CREATE TABLE o (i BIGINT) WITH ('connector' = 'blackhole'); INSERT INTO o SELECT i FROM n;"
expect 78 'the memory that an earlier run has left is of another plan' run silent.yaml
also 'run with --fresh' "is:  "
expect 0 "an earlier run of bad-silent-$$ was killed; ended 0 tasks" run --fresh silent.yaml
also 'this run reads its input from the begin' 'rows may come twice' '50 rows in, 50 rows out'
expect 0 '50 rows in' run silent.yaml
! grep -q 'earlier run' both
verdict 'said once' $?
# The supervisor alone: its tasks run on, under the next run.
job silent "$endless CREATE TABLE o (i BIGINT) WITH ('connector' = 'blackhole'); INSERT INTO o SELECT i FROM n;"
start
kill -9 $pid
wait $pid 2>/dev/null
until_event adopted
cat err >both
also '{"event":"resumed","adopted":1,"started":0' '"event":"adopted","task":0,"pid":'"$(cat tasks)" '"end":"stopped"'
until_true gone
verdict 'the adopted are gone' $?
# And with --fresh they are ended.
start
kill -9 $pid
wait $pid 2>/dev/null
until_event started --fresh
cat err >both
also '{"event":"cleared","tasks_ended":1}'
until_true gone
verdict 'the orphans are gone' $?

# --- help and exit statuses ---

for command in run check explain task; do
    expect 0 'example' $command --help
    also "usage: weir $command"
    "$weir" help $command >both
    cmp -s out both
    verdict "help $command is $command --help" $?
done
expect 64 'there is no command' runn
expect 64 "unknown option --jsn" run --jsn x.yaml
expect 64 'which config?' check
expect 64 'usage: weir'
finish
