#!/bin/sh
# bad_memory.sh: too little memory, told before anything starts: a full or small tmpfs, too little memory
# of the host or of the control group; a tmpfs that fills while the job runs. Never SIGBUS. In a mount
# namespace of its own, with a small tmpfs, and with files of its own in place of /proc/meminfo.
set -u
if [ "${1:-}" != inside ]; then
    if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
        echo "needs root and mount namespaces"
        exit 77
    fi
    exec unshare -m --propagation private "$0" inside
fi
# shellcheck source=/dev/null
. "$(dirname "$0")/bad_support.inc"
weir=${weir:?}
mkdir shm

# fresh SIZE: an empty tmpfs of that size.
fresh() {
    umount shm 2>/dev/null
    mount -t tmpfs -o "size=$1,mode=700" tmpfs shm
}
# empty: no job's folder is left in it.
empty() {
    [ -z "$(find shm -mindepth 2)" ]
    verdict "nothing is left in memory.dir: $(find shm -mindepth 2)" $?
}
ids="CREATE TABLE t (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen',
  'rows-per-second' = '0', 'number-of-rows' = '3000000', 'fields.k.kind' = 'sequence',
  'fields.k.pattern' = 'k%09d', 'fields.k.start' = '1', 'fields.k.end' = '3000000',
  'fields.ts.start' = '2024-01-01 00:00:00', 'fields.ts.rows-per-second' = '1000');"
count="SELECT window_end, COUNT(DISTINCT k) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY))
GROUP BY window_start, window_end;"
# counting STATE [RESERVE]: the job with so much memory, of one task.
counting() {
    job count "$ids $count" "memory: {dir: shm, state: $1, reserve: ${2:-0%}}
placement: {cores: 1}"
}

# Too small, from the start.
fresh 32M
counting 64MiB
for command in check run; do
    expect 69 'the job asks for 64.2 MiB of memory, there is 32.0 MiB' $command count.yaml
    also 'the limit is shm, a tmpfs (32.0 MiB)' 'memory: {state: 31MiB}' '--shm-size' 'remount,size='
    empty
done
counting auto
expect 69 'the limit is shm, a tmpfs (32.0 MiB)' run count.yaml
expect 69 '"fits":false' check --json count.yaml
counting 31MiB
expect 0 'memory: 31.2 MiB of 32.0 MiB' check count.yaml
expect 1 'its memory is full' run count.yaml
also 'of 31.0 MiB are used; its input stays unread; set memory.state higher'
empty

# Full of what somebody else has.
fresh 32M
dd if=/dev/zero of=shm/other bs=1M 2>/dev/null
counting 16MiB
expect 69 'there is 0 bytes' run count.yaml
expect 69 'there is 0 bytes' check count.yaml
rm shm/other
expect 1 'its memory is full' run count.yaml

# It fills while the job runs: a message, no SIGBUS, no restart.
fresh 300M
counting 256MiB
timeout 60 "$weir" run count.yaml >out 2>err </dev/null &
pid=$!
has_arena() {
    find shm -name 'arena-*' | grep -q .
}
until_true has_arena
dd if=/dev/zero of=shm/other bs=1M 2>/dev/null
wait $pid
status=$?
cat err >both
[ $status = 1 ] && holds both 'something else has taken memory that was promised to this job' \
    'its input stays unread; free memory there, then run the job again' '0 restarts'
verdict "filled while it ran: status $status" $?
empty
rm shm/other
expect 0 '3,000,000 rows in, 1 rows out' run count.yaml
empty

# Another job's promise counts although it has not been claimed yet.
fresh 300M
job slow "CREATE TABLE n (i BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10'); SELECT i FROM n;" \
    'memory: {dir: shm, state: 200MiB, reserve: 0%}'
"$weir" run slow.yaml >slow.out 2>slow.err </dev/null &
pid=$!
until_true [ -s slow.out ]
counting 128MiB
expect 69 'are promised to other jobs' run count.yaml
kill -TERM $pid
wait $pid
verdict 'the other job ended well' $?

# The host's memory and the control group's: files of ours over those of the kernel.
fresh 1G
printf 'MemTotal: 1048576 kB\nMemFree: 65536 kB\nMemAvailable: 65536 kB\n' >meminfo
if mount --bind meminfo /proc/meminfo 2>/dev/null; then
    counting 256MiB
    expect 69 'there is 64.0 MiB: the limit is memory of the host (1.0 GiB)' run count.yaml
    counting 32MiB 5%
    expect 69 'of which 51.2 MiB are kept as memory.reserve' run count.yaml
    also 'there is 12.8 MiB'
    umount /proc/meminfo
fi
group=$(sed -n 's/^0:://p' /proc/self/cgroup)
if [ -n "$group" ] && mount -t tmpfs tmpfs /sys/fs/cgroup 2>/dev/null; then
    mkdir -p "/sys/fs/cgroup$group"
    echo 100000000 >"/sys/fs/cgroup$group/memory.max"
    echo 60000000 >"/sys/fs/cgroup$group/memory.current"
    echo 'inactive_file 10000000' >"/sys/fs/cgroup$group/memory.stat"
    counting 64MiB
    expect 69 'there is 47.7 MiB: the limit is control group /sys/fs/cgroup' run count.yaml
    umount /sys/fs/cgroup
fi

# memory.dir that is none.
: >file
ln -s nowhere dangling
for dir in absent file dangling; do
    job dir "SELECT 1;" ''
    job dir "$ids $count" "memory: {dir: $dir}"
    expect 69 "memory.dir $dir" run dir.yaml
    also 'name a folder on a tmpfs, such as /dev/shm'
    expect 69 "memory.dir $dir" check dir.yaml
done
umount shm
mount -t tmpfs -o ro tmpfs shm
counting 16MiB
expect 69 'Read-only file system' check count.yaml
expect 69 'Read-only file system' run count.yaml
umount shm

# Output and dead letters on a full disk: told as such, not as full memory.
mkdir disk
mount -t tmpfs -o size=1M tmpfs disk
job full "$ids CREATE TABLE o (k STRING) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = 'disk/parts');
INSERT INTO o SELECT k FROM t;"
expect 1 'table o: rows cannot be written to disk/parts: No space left on device' run full.yaml
rm -r disk/parts
python3 -c 'print("no json\n" * 20000)' >in.json
job letters "CREATE TABLE j (i INT) WITH ('connector' = 'filesystem', 'format' = 'json', 'path' = 'in.json');
SELECT i FROM j;" "recovery: {dead_letter: disk/dead}
memory: {state: 16MiB, reserve: 0%}"
expect 1 'cannot write' run letters.yaml
also 'disk/dead' 'No space left on device'
umount disk
finish
