#!/bin/sh
# test_sink.sh: rows to a real broker, exactly once, as Java's client reads them (read_committed): tasks killed, all
# killed with their memory, the broker killed, and hung beyond the timeout of a transaction; another job with the same
# transactional ids; keys, tombstones, headers, timestamps, rows of 1 MB, rows that the broker never takes.
# shellcheck disable=SC2154,SC2034  # lib.sh gives and takes some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
kafka_start
settings="checkpoint: {interval: 200ms, dir: checkpoints}
recovery: {restart_attempts: 1000, dead_letter: $dir/dead}"

# sink_job TOPIC COUNT RATE [OPTIONS]: the numbers 1 .. COUNT.
sink_job() {
    reboot "$job" "$runner"
    rm -rf "$dir/checkpoints"
    : >"$dir/err"
    run_job <<SQL
CREATE TABLE source (id BIGINT) WITH ('connector' = 'datagen', 'fields.id.kind' = 'sequence',
  'fields.id.start' = '1', 'fields.id.end' = '$2', 'rows-per-second' = '$3');
CREATE TABLE sink (id BIGINT, part BIGINT) WITH ('connector' = 'kafka', 'topic' = '$1',
  'properties.bootstrap.servers' = '$bootstrap', 'key.format' = 'json', 'key.fields' = 'part', 'value.format' = 'csv',
  'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = '$1'${4:-});
INSERT INTO sink SELECT id, MOD(id, 10) FROM source;
SQL
}
# in_order TOPIC COUNT: each number once, those of a key in order.
in_order() {
    tool consume "$1" as=values | python3 -c '
import sys
last, seen, count = {}, set(), int(sys.argv[1])
for line in sys.stdin:
    number, key = map(int, line.split(","))
    if number in seen:
        sys.exit(f"{number} came again")
    if number < last.get(key, 0):
        sys.exit(f"{number} came after {last[key]}")
    seen.add(number)
    last[key] = number
missing = set(range(1, count + 1)) - seen
if missing or len(seen) != count:
    sys.exit(f"{len(missing)} are missing, as {sorted(missing)[:3]}; {len(seen)} came")
' "$2"
}
kill_tasks() {
    # shellcheck disable=SC2046  # pids are words
    kill -KILL $(job_tasks "$job") 2>/dev/null
}

# --- tasks die ---

tool create kills 3 -- create all 3 -- create restart 3 -- create hang 3 -- create shared 3 || give_up "no topics"
sink_job kills 60000 10000
for pause in 1 0.3 0.7 0.1 0.5 0.2 0.9 0.4; do
    sleep $pause
    kill_tasks
done
job_ends 0
check 'tasks that are killed: each row once, in order' in_order kills 60000

# --- everything dies, and the memory is gone ---

sink_job all 60000 10000
for pause in 1.5 1.1 1.3; do
    sleep $pause
    everything_dies "$job" "$runner"
    rm -rf "${memory:?}/$job"
    again_job
done
job_ends 0
check 'all that dies with its memory: each row once, in order' in_order all 60000

# --- the broker dies, and hangs ---

sink_job restart 60000 10000
sleep 2
broker kill
sleep 2
kafka_start
job_ends 0
check 'a broker that is killed: each row once, in order' in_order restart 60000
same 'an outage costs no restart' 0 "$(grep -c 'was killed\|restarting' "$dir/err")"

sink_job hang 60000 5000 ", 'properties.transaction.timeout.ms' = '3000'"
sleep 2
broker pause
sleep 8
broker resume
job_ends 0
check 'a broker that hangs beyond the timeout: each row once, in order' in_order hang 60000

# --- two jobs, one id ---

sink_job shared 100000 2000
first=$runner
within 20 has_rows shared 1000
sed "s/^job: .*/job: $job-2/; s/dir: checkpoints/dir: checkpoints-2/" "$dir/job.yaml" >"$dir/second.yaml"
"$WEIR" run "$dir/second.yaml" 2>"$dir/second.err" &
second=$!
runner=$first
within 30 job_is_gone
status=0
wait "$first" || status=$?
runner=''
same 'the first of two jobs with one id ends' 1 "$status"
check 'and says why' grep -q "another job uses transactional id 'shared-0'" "$dir/err"
check 'the second goes on' kill -0 "$second"
everything_dies "$job-2" "$second"
reboot "$job-2"

# --- what a message may hold ---

tool create large 1 max.message.bytes=3000000 -- create small 1 max.message.bytes=20000 -- create changes 2 ||
    give_up "no topics"
python3 - >"$dir/rows.json" <<'PY'
import json
for i in range(1, 301):
    print(json.dumps({"id": i, "pad": "x" * (1200000 if i % 100 == 0 else 200 + i * 10),
                      "headers": json.dumps({"n": str(i), "none": None}), "at": "2024-05-01 00:00:00.%03dZ" % i}))
PY
message_job() {
    reboot "$job" "$runner"
    rm -rf "$dir/checkpoints" "$dir/dead"
    run_job <<SQL
CREATE TABLE source (id BIGINT, pad STRING, headers STRING, at TIMESTAMP_LTZ(3)) WITH ('connector' = 'filesystem',
  'path' = '$dir/rows.json', 'format' = 'json', 'json.timestamp-format.standard' = 'SQL');
CREATE TABLE sink (id BIGINT, pad STRING, h STRING METADATA FROM 'headers', at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp')
  WITH ('connector' = 'kafka', 'topic' = '$1', 'properties.bootstrap.servers' = '$bootstrap', 'format' = 'json',
  'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = '$1'${2:-});
INSERT INTO sink SELECT id, pad, headers, at FROM source;
SQL
}
message_job large
job_ends 0
tool consume large fetch.max.bytes=100000000 >"$dir/large"
check 'rows of 1 MB, headers and timestamps' python3 - "$dir/large" <<'PY'
import json, sys
seen = set()
for line in open(sys.argv[1]):
    record = json.loads(line)
    value = json.loads(record["value"])
    i = value["id"]
    assert len(value["pad"]) == (1200000 if i % 100 == 0 else 200 + i * 10), i
    assert record["headers"] == [["n", str(i)], ["none", None]], record["headers"]
    assert record["timestamp"] == 1714521600000 + i, record["timestamp"]
    assert i not in seen
    seen.add(i)
assert len(seen) == 300, len(seen)
PY
message_job small
job_ends 0
tool consume small >"$dir/small"
check 'rows that are too large go to the dead letters, all others once' python3 - "$dir/small" "$dir"/dead/*.jsonl <<'PY'
import json, sys
seen = [json.loads(json.loads(line)["value"])["id"] for line in open(sys.argv[1])]
assert sorted(seen) == [i for i in range(1, 301) if i % 100], len(seen)
dead = [json.loads(line) for path in sys.argv[2:] for line in open(path)]
assert len(dead) == 3 and all("the brokers refuse it" in d["reason"] for d in dead), [d["reason"] for d in dead]
PY
finish
