#!/bin/sh
# test_outside.sh: what people see of a broker (weir top, metrics), and what a spare has ready: connections that were
# made before its task died, and threads that are no spare's any more when it is the task.
# shellcheck disable=SC2034,SC2154  # lib.sh gives some, and takes some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
kafka_start
tool create in 2 -- create out 2 || give_up "no topics"

# value NAME: of the job's tasks the first that has one; null.
value() {
    "$WEIR" top --json --once --interval 100ms "$job" | tail -n 1 | python3 -c '
import json, sys
values = [t["'"$1"'"] for t in json.load(sys.stdin)["tasks"]]
print(next((v for v in values if v is not None), None))'
}
is() { [ "$(value "$1")" = "$2" ]; }
above() { [ "$(value "$1")" -gt "$2" ]; }
is_some() { [ "$(value "$1")" != None ]; }
# put FROM TO: a row each, no transaction: its mark would have an offset.
put() {
    seq "$1" "$2" | sed 's/.*/{"partition": null, "value": "{\\"n\\": &}"}/' >"$dir/rows"
    tool produce in file="$dir/rows" >/dev/null || bad "cannot put rows"
}
# connections PID: to the broker's port.
connections() {
    python3 - "$1" "${bootstrap##*:}" <<'PY'
import os, sys
pid, port, count = sys.argv[1], int(sys.argv[2]), 0
inodes = set()
for fd in os.listdir(f"/proc/{pid}/fd"):
    try:
        inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    except OSError:
        pass
for line in open(f"/proc/{pid}/net/tcp"):
    words = line.split()
    if words[3] == "01" and int(words[2].split(":")[1], 16) == port:
        count += f"socket:[{words[9]}]" in inodes
print(count)
PY
}
# policies PID: of the scheduler, of its threads; 0 is that of any process.
policies() { cat "/proc/$1"/task/*/stat | sed 's/.*) //' | cut -d' ' -f39 | sort -u | xargs; }
spare() { pgrep -f "^[^ ]* spare task $memory/$job [0-9]" | head -n 1; }
has_connections() { [ "$(connections "$(spare)")" -ge "$1" ]; }
is_promoted() { [ "$(pgrep -f "^[^ ]* task $memory/$job [0-9]")" = "$1" ]; } # its command has "--spare" still

settings='checkpoint: {interval: 8s, dir: checkpoints}'
run_job <<SQL
SET 'parallelism.default' = '1';
CREATE TABLE i (n BIGINT) WITH ('connector' = 'kafka', 'topic' = 'in', 'properties.bootstrap.servers' = '$bootstrap',
  'format' = 'json', 'scan.startup.mode' = 'earliest-offset');
CREATE TABLE o (n BIGINT) WITH ('connector' = 'kafka', 'topic' = 'out', 'properties.bootstrap.servers' = '$bootstrap',
  'format' = 'json', 'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 't');
INSERT INTO o SELECT n FROM i;
SQL

# --- what people see ---

put 1 1000
within 5 is_some open_since_ms || { put 1001 1002; within 5 is_some open_since_ms; } # it was committed that soon
check "rows of the open transaction are kept" above kept_bytes 1000
within 30 has_rows out 1000
within 10 is behind_rows 0
within 10 is kept_bytes 0
check "a checkpoint is committed" above committed_checkpoint 0
within 10 is open_since_ms None
check "the head of weir top says it" sh -c "'$WEIR' top --once $job | grep -q 'messages to read; 0 bytes kept for the broker; committed up to'"

# --- what a spare has ready ---

within 30 has_connections 2
first=$(spare)
good "a spare has $(connections "$first") connections"
kill -KILL "$(job_tasks "$job")"
within 10 is_promoted "$first"
put 1001 2000
within 30 has_rows out 2000
same "as the task it is a process like any other, all of its threads" 0 "$(policies "$first")"
seq 1 2000 | sed 's/.*/{"n":&}/' | LC_ALL=C sort >"$dir/want"
values out >"$dir/got"
equal "each row is there once" "$dir/want" "$dir/got"
finish
