#!/bin/sh
# bad_follow.sh: files as they are read: one, a folder, a glob; followed while they grow, come, are
# renamed, replaced, cut, removed and made again, and while the task that reads them is killed.
set -u
# shellcheck source=/dev/null
. "$(dirname "$0")/bad_support.inc"
weir=${weir:?} small=${small:?}
ids="CREATE TABLE t (id BIGINT) WITH ('connector' = 'filesystem', 'format' = 'json'"

# --- bounded: a file, a folder with sub-folders, a glob ---

mkdir -p in/deep
echo '{"id":1}' >in/a.json
printf '{"id":2}\n{"id":3}' >in/b.json
echo '{"id":4}' >in/deep/c.json
echo '{"id":9}' >in/_hidden.json
echo '{"id":9}' >in/.hidden.json
: >in/empty.json
for tasks in 1 2; do
    job one "SET 'parallelism.default' = '$tasks'; $ids, 'path' = 'in/a.json'); SELECT id FROM t;"
    expect 0 '1 rows in' run one.yaml
    job folder "SET 'parallelism.default' = '$tasks'; $ids, 'path' = 'in'); SELECT id FROM t;"
    expect 0 '4 rows in' run folder.yaml
    sed -i 's/^[12]> //' out
    rows '+I[1]' '+I[2]' '+I[3]' '+I[4]'
    job glob "SET 'parallelism.default' = '$tasks'; $ids, 'path' = 'file://$PWD/in/[ab].js*'); SELECT id FROM t;"
    expect 0 '3 rows in' run glob.yaml
done
job hidden "$ids, 'path' = 'in/_hidden.json'); SELECT id FROM t;"
expect 0 '1 rows in' run hidden.yaml

# --- followed ---

# start SQL-OPTIONS [SET]: the job of one table, into parts/, in the background.
start() {
    rm -rf parts
    job follow "${2:-} $ids, 'source.monitor-interval' = '50 ms', $1);
CREATE TABLE o (id BIGINT) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = 'parts');
INSERT INTO o SELECT id FROM t;"
    "$weir" run follow.yaml >out 2>err </dev/null &
    pid=$!
    until_true [ -d parts ]
}
# stop IDS...: SIGINT; what was written is exactly these ids.
stop() {
    kill -INT $pid
    wait $pid
    status=$?
    cat err >both
    find parts -type f -exec cat {} + | sort -n | tr '\n' ' ' >got
    [ $status = 0 ] && [ "$(cat got)" = "$* " ]
    verdict "followed: status $status, wanted ids $*, got $(cat got)" $?
}
# seen ID: wait until it is written.
seen() {
    wanted_id=$1
    until_true is_written || verdict "id $1 was never read" 1
}
is_written() {
    find parts -type f -exec cat {} + | grep -qx "$wanted_id"
}
# kill_task: SIGKILL for the tasks of the job.
kill_task() {
    pkill -9 -P $pid
}
put() {
    printf '{"id":%s}\n' "$2" >>"$1"
}

for parallel in 1 2; do
    set="SET 'parallelism.default' = '$parallel';"
    # Growth, a row that comes in two writes, new files, sub-folders, a kill between.
    rm -rf in && mkdir in
    start "'path' = 'in'" "$set"
    put in/a.json 1
    seen 1
    printf '{"id":' >>in/a.json
    sleep 0.2
    printf '2}\n{"id":3}' >>in/a.json # the last one has no line's end yet
    seen 2
    put in/b.json 4
    mkdir in/deep && put in/deep/c.json 5
    seen 4
    seen 5
    kill_task
    put in/a.json '' 2>/dev/null # ends the line of id 3 with a bad row behind it
    sed -i 's/x/x/' in/none 2>/dev/null
    put in/b.json 6
    seen 6
    stop 1 2 4 5 6
    # The line of ids 3 and nothing is one bad row: two objects on a line.
    also '1 bad'

    # Rotated by a new name, twice, the second time while the task is dead.
    rm -rf in && mkdir in
    start "'path' = 'in'" "$set"
    put in/log.json 1
    seen 1
    mv in/log.json in/log.json.1
    put in/log.json 2
    put in/log.json.1 3 # who wrote it has it open still
    seen 2
    seen 3
    kill_task
    mv in/log.json.1 in/log.json.2
    mv in/log.json in/log.json.1
    put in/log.json 4
    seen 4
    put in/log.json.2 5
    put in/log.json.1 6
    put in/log.json 7
    seen 5
    seen 6
    seen 7
    stop 1 2 3 4 5 6 7
done

# One path whose file is not there at the start, is rotated away, removed and made again.
rm -rf in && mkdir in
start "'path' = 'in/log.json'"
sleep 0.2
put in/log.json 1
seen 1
put in/log.json 2
mv in/log.json in/old.json
sleep 0.3
printf '{"id":3}\n{"id":4}' >>in/old.json # its last row will never get a line's end
sleep 0.3
put in/log.json 5
seen 5
seen 4
rm in/log.json
sleep 0.3
put in/log.json 6
seen 6
stop 1 2 3 4 5 6

# Cut (as by copytruncate), cut and grown beyond what was read at once, cut while the task is dead: read
# from the begin again, with a word.
rm -rf in && mkdir in
start "'path' = 'in'"
put in/a.json 1
put in/a.json 2
seen 2
: >in/a.json
put in/a.json 3
seen 3
printf '{"id":4}\n{"id":5}\n{"id":6}\n' >in/a.json
seen 6
kill_task
printf '{"id":7}\n' >in/a.json
seen 7
stop 1 2 3 4 5 6 7
also 'in/a.json was cut or written anew while it was followed; it is read from its begin again'

# What cannot be read for a while, what is removed, what is no file any more: the job goes on.
rm -rf in && mkdir in
start "'path' = 'in'"
put in/a.json 1
put in/b.json 2
seen 2
rm in/b.json
mkdir in/b.json
put in/b.json/c.json 3
seen 3
rm -r in
sleep 0.3
mkdir in
put in/d.json 4
seen 4
stop 1 2 3 4

# Removed and made again under another name, small and alike: each is a file of its own, although it
# may get the inode of the one before.
rm -rf in && mkdir in
start "'path' = 'in'"
for n in 1 2 3 4 5; do
    put in/$n.json 7
    until_true sh -c "[ \"\$(find parts -type f -exec cat {} + | wc -l)\" = $n ]"
    rm in/$n.json
done
stop 7 7 7 7 7

# Killed again and again while a writer appends, rotates and adds files: every row once.
rm -rf in && mkdir in
start "'path' = 'in'" "SET 'parallelism.default' = '2';"
python3 - <<'PY' &
import os, time
n = 0
for turn in range(30):
    with open("in/log.json", "a") as f:
        for _ in range(100):
            n += 1
            f.write('{"id":%d}\n' % n)
            if n % 37 == 0:
                f.flush()
    with open("in/file%d.json" % turn, "w") as f:
        n += 1
        f.write('{"id":%d}\n' % n)
    if turn % 5 == 4:
        os.rename("in/log.json", "in/log.json.%d" % turn)
    time.sleep(0.05)
PY
writer=$!
for _ in 1 2 3 4 5 6 7 8; do
    sleep 0.2
    kill_task
done
wait $writer
seen 3030
sleep 0.5
seq 3030 >want_ids
# shellcheck disable=SC2046
stop $(cat want_ids) >stopped
status=$?
cut -c1-200 stopped
grep -q ' 0 bad' both
verdict "nothing went bad: $(tail -n 1 both)" $?

# A file that is cut while it is read to its end: what is there is read, and the job says so.
python3 -c '
for i in range(2000000): print("{\"id\":%d}" % i)' >long.json
job cut "$ids, 'path' = 'long.json'); CREATE TABLE o (id BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO o SELECT id FROM t;" "placement: {cores: 1}
$small"
expect 0 '2,000,000 rows in' run cut.yaml
finish
