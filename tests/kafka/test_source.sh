#!/bin/sh
# test_source.sh: what a topic of a real broker can hold, and what may happen while it is read: compressed and
# aborted transactions, large messages, nulls, payloads that are none; tasks killed, partitions that come, offsets
# and topics that go.
# shellcheck disable=SC2154  # lib.sh gives some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
kafka_start

# source_job TOPIC OPTIONS: rows of the topic into $dir/out, as id,partition.
source_job() {
    reboot "$job"
    rm -rf "$dir/out" "$dir/checkpoints"
    run_job <<SQL
CREATE TABLE source (id BIGINT, part INT METADATA FROM 'partition' VIRTUAL
) WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = '$bootstrap', 'topic' = '$1', 'format' = 'json',
  'scan.startup.mode' = 'earliest-offset'$2);
CREATE TABLE sink (id BIGINT, part INT) WITH ('connector' = 'filesystem', 'path' = '$dir/out', 'format' = 'csv');
INSERT INTO sink SELECT id, part FROM source;
SQL
}
ids() { cat "$dir"/out/part-* "$dir"/out/.part-* 2>/dev/null | cut -d, -f1 | sort -n; }
has_ids() { [ "$(ids | wc -l)" -ge "$1" ]; }
bounded=", 'scan.bounded.mode' = 'latest-offset'"
# rows FROM TO: a line of JSON each
rows() { seq "$1" "$2" | sed 's/.*/{"id":&}/'; }

# --- everything that a topic may hold ---

tool create all 3 max.message.bytes=4194304 || give_up "no topic"
from=0
for codec in none lz4 zstd gzip snappy; do
    rows $((from + 1)) $((from + 500)) | tool produce all as=text compression.type=$codec || give_up "no rows"
    from=$((from + 500))
done
python3 - >"$dir/odd" <<'PY'
import json
def line(**record):
    print(json.dumps(record))
print("begin")
for i in range(2501, 2601):
    line(key=None, value=json.dumps({"id": i}), partition=i % 3)
line(key="tombstone", value=None, partition=0)
line(value="no json", partition=1)
line(value="", partition=2)
line(value=json.dumps({"id": 2601, "pad": "x" * 1200000}), partition=0)
line(value="{\n\"id\":\n2602}", partition=0)
line(value={"base64": "/////w=="}, partition=1)
line(value=json.dumps({"id": 2603, "pad": "y" * 3000000}), partition=1)
print("commit")
print("begin")
for i in range(9000000, 9000100):
    line(value=json.dumps({"id": i}), partition=i % 3)
print("abort")
PY
tool produce all file="$dir/odd" transactional.id=odd max.request.size=4194304 || give_up "no odd rows"
source_job all "$bounded"
job_ends 0
seq 1 2603 >"$dir/want"
ids >"$dir/got"
equal "each row once, whatever lies around it" "$dir/want" "$dir/got"
same "what is none is reported with its place" "3" "$(cat "$dir"/*.dead/dead-*.jsonl | grep -c '"source":"all-[12]"')"
rm -rf "$dir"/*.dead

# --- tasks that are killed, a partition that comes ---

settings="$settings
recovery: {spares: 1}"
tool create kills 4 || give_up "no topic"
rows 1 1000 | tool produce kills as=text
# scan.topic-partition-discovery.interval: what comes later is found within it
source_job kills ", 'scan.topic-partition-discovery.interval' = '500 ms', 'properties.group.id' = 'kills'"
within 30 has_ids 1
at=1000
for turn in $(seq 1 12); do
    rows $((at + 1)) $((at + 2000)) | tool produce kills as=text &
    writer=$!
    for kill in 1 2 3; do
        # The task and its spares, or one of them.
        for pid in $(job_processes "$job" | shuf -n $((kill * 2 - 1))); do kill -KILL "$pid" 2>/dev/null; done
        sleep 0.$kill
    done
    wait $writer
    at=$((at + 2000))
    [ "$turn" != 5 ] || check "a partition more" tool grow kills 6
done
within 60 has_ids $at
"$WEIR" stop "$dir/job.yaml" >"$dir/stop" 2>&1
job_ends 0
seq 1 $at >"$dir/want"
ids >"$dir/got"
equal "each row once, however often tasks die" "$dir/want" "$dir/got"
check "also those of the partitions that came later" grep -q ',[45]$' "$dir"/out/part-*
same "the group was told" "$at" "$(tool group kills |
    grep -o '"offset":[0-9]*' | cut -d: -f2 | awk '{sum += $1} END {print sum}')"

# --- what is gone ---

# A job that has read a while, is stopped, and finds other offsets when it goes on.
tool create lost 1 || give_up "no topic"
rows 1 100 | tool produce lost as=text
source_job lost ""
within 30 has_ids 100
"$WEIR" stop "$dir/job.yaml" >/dev/null 2>&1
job_ends 0
rows 101 300 | tool produce lost as=text -- truncate lost 0 200
: >"$dir/err"
again_job
job_ends 1
check "offsets that are gone stop the job" grep -q 'topic lost, partition 0: offset 100 is not there any more, the brokers have 200 to 300' "$dir/err"
check "and it says how to go on" grep -q "scan.lost-offsets" "$dir/err"

tool create anew 1 || give_up "no topic"
rows 1 100 | tool produce anew as=text
source_job anew ", 'scan.topic-partition-discovery.interval' = '500 ms'"
within 30 has_ids 100
tool delete anew -- sleep 1 -- create anew 1
rows 1 200 | tool produce anew as=text
job_ends 1
check "a topic that was made anew stops the job" grep -q 'topic anew was deleted and made anew' "$dir/err"
finish
