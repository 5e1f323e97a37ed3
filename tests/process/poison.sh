#!/bin/sh
# poison.sh: one row of many ends the task that handles it, wherever that is: while it is parsed, in an
# expression, in a window behind a ring, in what a window gives, in the sink; by a signal, an exit, a
# hang. It goes to the dead letters with what it did, and everything else comes out as without it. Kills
# from outside put no row aside. poison_call.c is the bug; it is preloaded.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/bad_support.inc"
weir=${weir:?} folder=${folder:?} small=${small:?}
"${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -O1 -shared -fPIC -o poison.so "$here/poison_call.c" -ldl || exit 1

python3 - <<'PY'
with open("rows.json", "w") as rows, open("less.json", "w") as less:
    for i in range(100000):
        d = "0.1234567890123456789012345666" if i == 77777 else "%d.5" % i
        line = '{"id":"u%06d","d":%s}\n' % (i, d)
        rows.write(line)
        if i != 77777:
            less.write(line)
with open("person.json", "w") as rows, open("person_less.json", "w") as less:
    for i in range(30000):
        time = "2024-01-01 %02d:%02d:%02d" % (i // 3600, i // 60 % 60, i % 60)
        # Longer than what a dictionary keeps in its index, so its bytes are copied by memcpy.
        line = '{"id":"u%06d, a visitor","dim":"d%02d","ts":"%s"}\n' % (i, i % 20, time)
        rows.write(line)
        if i != 12345:
            less.write(line)
PY

result() { # COLUMNS
    echo "CREATE TABLE result ($1) WITH ('connector' = 'filesystem', 'path' = 'OUT', 'format' = 'csv');"
}

plain() { # FILE
    echo "CREATE TABLE r (id STRING, d DOUBLE) WITH ('connector' = 'filesystem', 'path' = '$folder/$1',"
    echo "  'format' = 'json');"
    result 'id STRING, d DOUBLE, h STRING'
    echo 'INSERT INTO result SELECT id, d, MD5(id) FROM r;'
}

person() { # FILE OF-THE-GROUP
    echo "CREATE TABLE person (id STRING, dim STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts -"
    echo "  INTERVAL '4' SECOND) WITH ('connector' = 'filesystem', 'path' = '$folder/$1', 'format' = 'json');"
    result 'e TIMESTAMP(3), dim STRING, uv BIGINT'
    echo "INSERT INTO result SELECT window_end, $2, COUNT(DISTINCT id) FROM TABLE(TUMBLE(TABLE person,"
    echo "  DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, dim;"
}

# run_job NAME SQL CORES [PRELOAD...]: its output, sorted, into NAME.got.
run_job() {
    name=$1
    job "$name" "$(printf '%s' "$2" | sed "s|OUT|$folder/$name.out|")" "$(printf '%s\n' \
        'memory: {state: 64MiB, reserve: 0%}' "placement: {cores: $3}" \
        'recovery: {hang_after: 300ms, events: events, dead_letter: dead}')"
    rm -rf "$name.out" events dead
    mkdir "$name.out"
    shift 3
    timeout 100 env "$@" "$weir" run "$name.yaml" >out 2>err </dev/null
    status=$?
    sort "$name.out"/* >"$name.got"
}

# poison NAME SQL CORES DEATHS WANTED SETTING...: it ends well, without the one row.
poison() {
    name=$1 deaths=$4 wanted=$5
    sql=$2 cores=$3
    shift 5
    run_job "$name" "$sql" "$cores" LD_PRELOAD="$folder/poison.so" "$@"
    [ $status = 0 ] && cmp "$name.got" "$wanted" && [ "$(cat dead/dead-*.jsonl | wc -l)" = 1 ] &&
        [ "$(grep -c '"event":"death"' events)" = "$deaths" ]
    verdict "$name: status $status" $?
}

run_job less "$(plain less.json)" 1
mv less.got want
run_job person "$(person person_less.json dim)" 2
mv person.got want_person

poison expression "$(plain rows.json)" 1 5 want POISON_CALL=md5 POISON_TEXT=u077777
holds dead/dead-0.jsonl '"reason":"the row has ended its task 3 times: signal 11' 'nettle_md5_update+' \
    'md5_kernel+' "\"source\":\"$folder/rows.json\",\"offset\":" '"row":"{\"id\":\"u077777\",'
verdict "the dead letter says it all" $?
expect 0 'crash, signal 11 (Segmentation fault)' events expression.yaml
also 'row-given-up; went on after' 'nettle_md5_update+' 'end: finished, 5 restarts'
expect 0 '"poison":"row-given-up"' events --json expression.yaml
python3 - <<'PY'
import json
records = [json.loads(line) for line in open("out")]
deaths = [r for r in records if r["event"] == "death"]
assert [r["event"] for r in records] == ["start"] + ["death"] * 5 + ["end"], records
assert [r["cause"] for r in deaths] == ["crash"] * 5
assert [r["signal"] for r in deaths] == [11] * 5
assert [r.get("poison") for r in deaths] == [None, "row-by-row", "row-by-row", "row-by-row", "row-given-up"]
assert deaths[-1]["gap_ms"] > 0 and deaths[-1]["rung"], deaths[-1]
assert deaths[-1]["position"]["source"].endswith("rows.json"), deaths[-1]
assert any("nettle_md5_update" in frame for frame in deaths[0]["backtrace"])
PY
verdict "the records" $?

poison parse "$(plain rows.json)" 1 5 want POISON_CALL=strtod POISON_TEXT=0.1234567890123456789
holds dead/dead-0.jsonl '"offset":' 'u077777' 'strtod_l+'
verdict "a row that cannot be parsed" $?
poison abort "$(plain rows.json)" 1 5 want POISON_CALL=md5 POISON_TEXT=u077777 POISON_HOW=abort
holds dead/dead-0.jsonl 'signal 6 (Aborted)' 'abort+'
verdict "an abort" $?
poison exit "$(plain rows.json)" 1 5 want POISON_CALL=md5 POISON_TEXT=u077777 POISON_HOW=exit
holds dead/dead-0.jsonl 'exit with status 5'
verdict "an exit" $?
poison hang "$(plain rows.json)" 1 5 want POISON_CALL=md5 POISON_TEXT=u077777 POISON_HOW=hang
holds dead/dead-0.jsonl 'a hang (it runs without end in one batch) at ' 'nettle_md5_update+'
verdict "a hang" $?
poison sink "$(plain rows.json)" 1 5 want POISON_CALL=pwrite POISON_TEXT=u077777
holds dead/dead-0.jsonl 'file_sink' 'u077777'
verdict "in the sink" $?

# The shard that owns the id dies: also while it puts the row aside, for its text is copied then.
for task in 1 2; do
    run_job ring "$(person person.json dim)" 2 LD_PRELOAD="$folder/poison.so" POISON_CALL=memcpy \
        'POISON_TEXT=u012345, a visitor' POISON_TASK=$task
    [ "$(grep -c '"event":"death"' events)" = 0 ] || break
done
[ $status = 0 ] && cmp ring.got want_person && [ "$(wc -l <"dead/dead-$task.jsonl")" = 1 ]
verdict "behind a ring: status $status" $?
holds "dead/dead-$task.jsonl" 'the row has ended its task' 'window'
verdict "it is the window's task" $?

# What a window gives: one group's name kills each time that it comes out.
run_job groups "$(person person_less.json "CONCAT(dim, SUBSTRING(MD5(CONCAT(CAST(window_end AS STRING), dim)), 1, 0))")" 2
cp groups.got all
grep -v '00:05:00.*,d07,\|00:05:00,d07,' all >want_groups
[ "$(wc -l <all)" = $(($(wc -l <want_groups) + 1)) ]
verdict "the group that kills is there" $?
poison groups "$(person person_less.json "CONCAT(dim, SUBSTRING(MD5(CONCAT(CAST(window_end AS STRING), dim)), 1, 0))")" \
    2 5 want_groups POISON_CALL=md5 'POISON_TEXT=00:05:00.000d07'

# Kills from outside, by signals that a row could cause too, put nothing aside.
job storm "$(plain rows.json | sed "s|OUT|$folder/storm.out|; s|FROM r;|FROM r WHERE CHAR_LENGTH(REPEAT(id, 2000)) > 0;|")" \
    "$(printf '%s\n' 'memory: {state: 64MiB, reserve: 0%}' 'placement: {cores: 1}' \
        'recovery: {events: events, dead_letter: dead}')"
rm -rf events dead storm.out
mkdir storm.out
"$weir" run --quiet storm.yaml >out 2>err </dev/null &
run=$!
has_begun() { [ -n "$(ls -A storm.out)" ]; } # then the task handles signals
until_true has_begun
kills=0
while [ $kills -lt 12 ] && kill -0 $run 2>/dev/null; do
    for task in $(pgrep -P $run); do
        kill -"$([ $((kills % 2)) = 0 ] && echo SEGV || echo KILL)" "$task" 2>/dev/null && kills=$((kills + 1))
    done
    sleep 0.02
done
wait $run
status=$?
sort storm.out/* >storm.got
[ $status = 0 ] && [ ! -d dead ] && [ "$(wc -l <storm.got)" = 100000 ] && ! grep -q '"poison"' events &&
    grep -q '"cause":"signal","signal":11' events
verdict "a storm of $kills kills: status $status" $?
# Flink's restart strategies by their own names; what is wrong with them is told before the start.
slow_restarts() { # SETTINGS
    printf '%s\n' "$1"
    plain rows.json | sed "s|OUT|$folder/restarts.out|"
}
mkdir restarts.out
three="SET 'restart-strategy.type' = 'fixed-delay'; SET 'restart-strategy.fixed-delay.attempts' = '3';
  SET 'restart-strategy.fixed-delay.delay' = '10 ms';"
rm -rf events dead
job restarts "$(slow_restarts "$three")" "$(printf '%s\n' "$small" 'recovery: {restart: none, events: events}')"
export LD_PRELOAD="$folder/poison.so" POISON_CALL=md5 POISON_TEXT=u077777
expect 1 'fixed-delay allows 3 restarts of its region, which were used' run restarts.yaml
unset LD_PRELOAD POISON_CALL POISON_TEXT
expect 0 'end: failed, 3 restarts' events restarts.yaml
job rate "$(slow_restarts "SET 'restart-strategy.type' = 'failurerate';")" \
    "$(printf '%s\n' "$small" 'recovery: {events: events, restart_attempts: 2, restart_delay: 5ms}')"
export LD_PRELOAD="$folder/poison.so" POISON_CALL=md5 POISON_TEXT=u077777
expect 1 'failure-rate allows 2 restarts of its region in 60 s' run rate.yaml
unset LD_PRELOAD POISON_CALL POISON_TEXT
job strategy "$(slow_restarts "SET 'restart-strategy.type' = 'sometimes';")"
expect 78 "SET 'restart-strategy.type' = 'sometimes': it is exponential-delay, fixed-delay" run strategy.yaml
job factor "$(slow_restarts "SET 'restart-strategy.exponential-delay.jitter-factor' = '2';")"
expect 78 'the jitter of exponential-delay must be from 0 to 1' check factor.yaml
job typing "$(slow_restarts "SET 'restart-strategy.fixed-delay.attempt' = '2';")"
expect 78 "did you mean 'restart-strategy.fixed-delay.attempts'?" check typing.yaml
finish
