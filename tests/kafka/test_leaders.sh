#!/bin/sh
# test_leaders.sh: a job between two topics of three brokers goes on, exactly once and without a restart of a task, while
# the leaders of what it reads and writes and its coordinators are killed, a broker hangs, and two of three are away.
# shellcheck disable=SC2154  # lib.sh gives some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
kafka_start --nodes 3
tool create in 4 -- create out 2 -- create uv 1 || give_up "no topics"
bootstrap_of="'properties.bootstrap.servers' = '$bootstrap', 'format' = 'json'"
# shellcheck disable=SC2034  # run_job reads it
settings='checkpoint: {interval: 200ms, dir: checkpoints}
recovery: {bad_rows: fail}'
run_job <<SQL
CREATE TABLE source (id BIGINT, ts AS TO_TIMESTAMP_LTZ(id * 10, 3), WATERMARK FOR ts AS ts
) WITH ('connector' = 'kafka', 'topic' = 'in', 'scan.startup.mode' = 'earliest-offset',
  'properties.group.id' = 'leaders', $bootstrap_of);
CREATE TABLE filtered (id BIGINT) WITH ('connector' = 'kafka', 'topic' = 'out', 'sink.transactional-id-prefix' = 'rows',
  'sink.delivery-guarantee' = 'exactly-once', $bootstrap_of);
CREATE TABLE uv (ends TIMESTAMP_LTZ(3), n BIGINT, ids BIGINT) WITH ('connector' = 'kafka', 'topic' = 'uv',
  'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'uv', $bootstrap_of);
EXECUTE STATEMENT SET BEGIN
INSERT INTO filtered SELECT id FROM source WHERE id > 0;
INSERT INTO uv SELECT window_end, COUNT(*), COUNT(DISTINCT id)
FROM TABLE(TUMBLE(TABLE source, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
END;
SQL

# Rows come all the time, through an idempotent producer that waits for the brokers; the newest number is in $dir/fed.
feed() {
    fed=0
    while [ ! -e "$dir/enough" ] && kill -0 $$; do
        seq $((fed + 1)) $((fed + 100)) | sed 's/.*/{"id":&}/'
        fed=$((fed + 100))
        echo $fed >"$dir/fed.new" && mv "$dir/fed.new" "$dir/fed"
        sleep 0.2
    done
}
feed | "$lib/tool" "$kafka" produce in as=text delivery.timeout.ms=120000 &
feeder=$!
# What a reader sees while all this happens: each row as soon as it is committed.
"$lib/tool" "$kafka" consume out as=values count=100000000 within=900 request.timeout.ms=5000 \
    default.api.timeout.ms=60000 >"$dir/live" 2>"$dir/live.err" &
reader=$!
trap 'kill $feeder $reader 2>/dev/null; cleanup' EXIT
fed() { cat "$dir/fed" 2>/dev/null || echo 0; }
seen() { wc -l <"$dir/live"; }
has_seen() { [ "$(seen)" -ge "$1" ]; }
ms() { date +%s%3N; }
in_sync() { [ "$(tool describe in out uv __consumer_offsets __transaction_state |
    grep -vc '"in-sync":\[[1-3],[1-3],[1-3]\]')" = 0 ]; }

# flows WHAT: what is fed from now on comes out; says how long no row did.
flows() {
    begun=$(ms)
    next=$(($(seen) + 1))
    until has_seen "$next" || job_is_gone || [ $(($(ms) - begun)) -gt 60000 ]; do sleep 0.05; done
    pause=$(($(ms) - begun))
    within 60 has_seen "$(fed)" || give_up "$1: the job stands still, or has ended"
    good "$1: rows go on, the next after $pause ms"
}
# dies WHAT NODE: it is killed, rows go on without it; it comes back.
dies() {
    broker kill --node "$2"
    sleep 0.5 # what was on its way is there
    flows "$1"
    broker start --node "$2" || bad "node $2 does not come back"
    within 60 in_sync
}
# coordinator TOPIC ID: the node that leads the partition of the id.
coordinator() {
    partition=$(python3 - "$2" <<'PY'
import sys
code = 0
for letter in sys.argv[1]:
    code = (31 * code + ord(letter)) & 0xFFFFFFFF
print((code & 0x7FFFFFFF) % 4)  # 4 partitions: cluster.py
PY
    )
    broker leader "$1" "$partition"
}

flows "all is well"
tasks=$(job_tasks "$job" | sort | xargs)
for partition in 0 1; do
    dies "the leader of partition $partition of the input dies" "$(broker leader in $partition)"
done
dies "the leader of the output dies" "$(broker leader out 0)"
dies "the coordinator of the transactions dies" "$(coordinator __transaction_state rows-0)"
dies "the coordinator of the mark's group dies" "$(coordinator __consumer_offsets rows-0)"
dies "the coordinator of the group dies" "$(coordinator __consumer_offsets leaders)"

# One that hangs is given up by the others after its session; clients hear nothing at all from it.
hangs=$(broker leader out 1)
broker pause --node "$hangs"
sleep 0.5
flows "a broker hangs"
broker resume --node "$hangs"
within 60 in_sync && good "and is in sync again"

# Two of three away: nothing can be written. Rows wait, for as long as it takes.
left=$(broker leader out 0)
for node in 1 2 3; do
    [ "$node" = "$left" ] || broker kill --node "$node"
done
sleep 2
before=$(seen)
sleep 6
same "with one broker of three nothing is committed" "$before" "$(seen)"
check "the two come back" broker start
flows "they are back"
within 60 in_sync

# --- the verdict ---

: >"$dir/enough"
wait $feeder || bad "the producer of the test has lost rows"
within 60 has_seen "$(fed)"
kill $reader 2>/dev/null
same "no task was restarted" "$tasks" "$(job_tasks "$job" | sort | xargs)"
"$WEIR" stop --drain "$dir/job.yaml" >"$dir/stop" 2>&1 || bad "it does not stop: $(cat "$dir/stop")"
job_ends 0
same "nothing died, nothing failed" 0 "$(grep -c '"event":"\(died\|restarted\|failed\|hung\|stuck\)"' "$dir/err")"
seq 1 "$(fed)" >"$dir/want"
values out | tr -dc '0-9\n' | sort -n >"$dir/got"
equal "each row once" "$dir/want" "$dir/got"
tr -dc '0-9\n' <"$dir/live" | sort -n >"$dir/got"
equal "also for who read all the time" "$dir/want" "$dir/got"
same "each row is counted once" "$(fed) $(fed)" "$(values uv | sed 's/.*"n":\([0-9]*\),"ids":\([0-9]*\).*/\1 \2/' |
    awk '{n += $1; ids += $2} END {print n, ids}')"
same "a window is there once" "$(values uv | wc -l)" "$(values uv | sed 's/"n".*//' | sort -u | wc -l)"
grep '"event":"note"' "$dir/err" | sed 's/.*"task":\("[^"]*"\|[0-9]*\),"text":/note \1: /' >"$dir/notes"
check "what the job waited for is said" grep -q "no answer from Kafka" "$dir/notes"
cat "$dir/notes"
finish
