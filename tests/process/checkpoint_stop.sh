#!/bin/sh
# checkpoint_stop.sh: a stop at a bad moment, and what the run after it finds.
#
# - Ctrl-C while a barrier has come through one channel and never will through the other: what stands
#   behind it is read all the same, so the last checkpoint counts it.
# - Going on from an older checkpoint: the newer ones are no place to go on from any more.
# - Tasks that run on under another memory.state: their checkpoints say the size that their arenas have.
# - A run that was killed before its first checkpoint begins anew; its dead letters do not come twice.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
# shellcheck source=/dev/null
. "$(dirname "$0")/everything.inc"
dir=$(mktemp -d)
runner=''
trap 'reboot checkpoint-stop-$$ "$runner"; rm -rf "$dir"' EXIT
passed=0 failed=0

good() { passed=$((passed + 1)); }
bad() {
    echo "FAIL $*"
    tail -n 5 "$dir/err" 2>/dev/null || :
    failed=$((failed + 1))
}

# job CONNECTOR-OPTIONS INTERVAL: two tasks read, two write.
job() {
    rm -rf "$dir/out" "$dir/checkpoints"
    cat >"$dir/job.sql" <<SQL
SET 'parallelism.default' = '2';
SET 'execution.checkpointing.num-retained' = '5';
CREATE TABLE person (id BIGINT, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ($1);
CREATE TABLE points (w TIMESTAMP(3), dimension STRING, n BIGINT
) WITH ('connector' = 'filesystem', 'path' = '$dir/out', 'format' = 'csv',
  'sink.rolling-policy.file-size' = '1kb');
INSERT INTO points SELECT window_end, dimension, COUNT(*)
FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '10' MINUTE))
GROUP BY window_start, window_end, dimension;
SQL
    cat >"$dir/job.yaml" <<YAML
job: checkpoint-stop-$$
sql: job.sql
memory: {state: 32MiB, reserve: 0%}
checkpoint: {interval: $2, dir: checkpoints}
recovery: {dead_letter: $dir/dead}
YAML
}

generated="'connector' = 'datagen', 'rows-per-second' = '60000', 'number-of-rows' = '120000',
  'seed' = '7', 'fields.id.max' = '20000', 'fields.id.min' = '0',
  'fields.dimension.pattern' = 'dim%02d', 'fields.dimension.max' = '9',
  'fields.eventTime.start' = '2024-01-01 00:00:00', 'fields.eventTime.rows-per-second' = '3'"

result() { find "$dir/out" -name 'part-*' -exec cat {} + | sort; }
is_right() { result | cmp -s - "$dir/want"; }
checkpoints() { find "$dir/checkpoints" -name MANIFEST 2>/dev/null | wc -l; }
newest() { find "$dir/checkpoints" -name MANIFEST | sort -V | tail -n "${1:-1}" | head -n 1; }

# The process that runs task $1 of job process $runner.
task_pid() {
    # shellcheck disable=SC2013 # words: the kernel writes no lines
    for pid in $(cat "/proc/$runner/task/$runner/children"); do
        if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "^[^ ]* task [^ ]* $1 "; then echo "$pid"; fi
    done
}

start() { # CHECKPOINTS: and wait until there are so many
    "$WEIR" run --quiet "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    while kill -0 $runner 2>/dev/null && [ "$(checkpoints)" -lt "$1" ]; do sleep 0.02; done
}

to_the_end() {
    if ! "$WEIR" run "$dir/job.yaml" 2>"$dir/err"; then
        bad "$what: the run ended badly"
    elif is_right; then
        good
    else
        bad "$what: $(result | wc -l) rows of $(wc -l <"$dir/want")"
    fi
}

half_aligned() {
    what="a stop with a half-aligned barrier"
    job "$generated" 100ms
    start 2
    source=$(task_pid 0)
    kill -STOP "$source"
    sleep 0.3 # the barrier comes through the other one
    kill -INT $runner 2>/dev/null || :
    sleep 0.1
    kill -CONT "$source"
    wait $runner || bad "$what: status $?"
    to_the_end
}

# A task that stands still: its checkpoints are given up, which is told, and the job goes on; a stop in
# that time comes to its end, too.
frozen() {
    what="a task that stands still"
    job "$generated" 100ms
    sed -i "1i SET 'execution.checkpointing.timeout' = '200 ms';" "$dir/job.sql"
    "$WEIR" run --verbose "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    while kill -0 $runner 2>/dev/null && [ "$(checkpoints)" -lt 1 ]; do sleep 0.02; done
    victim=$(task_pid "$1")
    before=$(newest)
    kill -STOP "$victim"
    sleep 0.7
    kill -CONT "$victim"
    tries=0
    while [ "$(newest)" = "$before" ] && [ $tries -lt 100 ]; do sleep 0.02 && tries=$((tries + 1)); done
    [ "$(newest)" != "$before" ] || bad "$what: no checkpoint afterwards"
    kill -STOP "$victim"
    kill -TERM $runner 2>/dev/null || :
    sleep 0.3
    kill -CONT "$victim"
    wait $runner || bad "$what: status $?"
    if grep -q 'longer than checkpoint.timeout' "$dir/err"; then good; else bad "$what: nothing is told"; fi
    to_the_end
}

# Asked twice, while the last checkpoint is being written, with a task that was killed in between.
impatient() {
    what="asked twice"
    job "$generated" 100ms
    for pause in 0 0.005 0.02; do
        "$WEIR" run --quiet "$dir/job.yaml" 2>"$dir/err" &
        runner=$!
        victim=
        while kill -0 $runner 2>/dev/null && [ -z "$victim" ]; do victim=$(task_pid 3); done
        sleep 0.2
        kill -INT $runner 2>/dev/null || :
        kill -KILL "$victim" 2>/dev/null || :
        sleep $pause
        kill -TERM $runner 2>/dev/null || :
        wait $runner || bad "$what: status $?"
    done
    to_the_end
}

older() {
    what="from an older checkpoint"
    job "$generated" 100ms
    start 4
    reboot checkpoint-stop-$$ $runner
    older=$(newest 3) newest=$(newest)
    older=${older%/*}
    sed -i 's/interval: 100ms/interval: 1h/' "$dir/job.yaml"
    "$WEIR" run --quiet --from "${older##*-}" "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    tries=0
    while [ -e "$newest" ] && [ $tries -lt 25 ]; do sleep 0.02 && tries=$((tries + 1)); done
    sleep 0.1 # its sinks are led back now
    reboot checkpoint-stop-$$ $runner
    if [ -e "$newest" ]; then bad "$what: the newer one stays"; else good; fi
    to_the_end
}

# A run with --fresh whose memory is lost on the way goes on from its own newest checkpoint: it is not
# fresh a second time.
lost() {
    what="memory that is lost on the way"
    job "$generated" 100ms
    sed -i '$s/}/, spares: 0}/' "$dir/job.yaml"
    start 2
    reboot checkpoint-stop-$$ $runner
    rm -rf "$dir/out" # with --fresh it would stay
    "$WEIR" run --fresh --verbose "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    while kill -0 $runner 2>/dev/null && [ "$(grep -c '^weir: checkpoint [0-9]*: ' "$dir/err")" -lt 2 ]; do
        sleep 0.02
    done
    rm -f "${memory:?}/checkpoint-stop-$$"/arena-3*
    kill -KILL "$(pgrep -f "^[^ ]* task $memory/checkpoint-stop-$$ 3\$")" || bad "$what: no task 3"
    wait $runner || bad "$what: status $?"
    if is_right; then good; else bad "$what: $(result | wc -l) rows of $(wc -l <"$dir/want")"; fi
    grep -q 'going on from checkpoint' "$dir/err" || bad "$what: it began anew"
}

# The memory stays as it was made, whatever the config says by now (and with `auto` the host's free memory
# is another by now): a checkpoint of it is to be restored to memory of that size.
resized() {
    what="another memory.state while the tasks run on"
    job "$(echo "$generated" | sed "s/'rows-per-second' = '60000'/'rows-per-second' = '25000'/")" 100ms
    start 1
    kill -KILL $runner
    wait $runner || :
    sed -i 's/state: 32MiB/state: 16MiB/' "$dir/job.yaml"
    rm -f "$dir/err"
    "$WEIR" run --verbose "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    while kill -0 $runner 2>/dev/null && [ "$(grep -c '^weir: checkpoint [0-9]*: ' "$dir/err")" -lt 2 ]; do
        sleep 0.02
    done
    reboot checkpoint-stop-$$ $runner
    grep -q 'going on from memory\|run on under this one\|runs on under' "$dir/err" || bad "$what: not gone on"
    to_the_end
}

anew() {
    what="dead letters of a run that begins anew"
    awk 'BEGIN { for (i = 0; i < 300000; i++) print i % 1000 ? "{\"id\":1,\"dimension\":\"a\",\"eventTime\":\"2024-01-01 00:00:00\"}" : "bad" i }' >"$dir/rows.json"
    echo '2024-01-01 00:10:00,a,299700' | sed 's/^\([^,]*\)/"\1"/' >"$dir/want"
    for _ in 1 2 3 4 5 6 7 8; do
        job "'connector' = 'filesystem', 'path' = '$dir/rows.json', 'format' = 'json'" 1h
        rm -rf "$dir/dead"
        mkdir -p "$dir/dead"
        echo '{"row":"of an earlier job"}' >"$dir/dead/dead-0.jsonl"
        "$WEIR" run --quiet "$dir/job.yaml" 2>"$dir/err" &
        runner=$!
        while kill -0 $runner 2>/dev/null && [ "$(cat "$dir"/dead/* | wc -l)" -lt 20 ]; do sleep 0.01; done
        reboot checkpoint-stop-$$ $runner
        [ -n "$(result)" ] || break # else it had ended: the kill came too late
    done
    to_the_end
    if [ "$(cat "$dir"/dead/* | sort -u | wc -l)" = 301 ] && [ "$(cat "$dir"/dead/* | wc -l)" = 301 ]; then
        good
    else
        bad "$what: $(cat "$dir"/dead/* | wc -l) lines"
    fi
}

job "$(echo "$generated" | sed "s/'rows-per-second' = '60000'/'rows-per-second' = '0'/")" none
"$WEIR" run --quiet "$dir/job.yaml" 2>"$dir/err" || bad "undisturbed: status $?"
result >"$dir/want"
[ "$(wc -l <"$dir/want")" -gt 600 ] || bad "undisturbed: $(wc -l <"$dir/want") rows"
half_aligned
half_aligned
frozen 0
frozen 3
impatient
older
lost
resized
anew
echo "$passed passed, $failed failed"
[ $failed = 0 ]
