#!/bin/sh
# huge_pages.sh: `weir setup-host`, and jobs in the tmpfs that it mounts: found by themselves, mapped with huge
# pages, killed and back with the right output, no larger than promised. In a mount namespace of its own, with
# a /dev/shm and an /etc of its own, so that nothing of the host is touched.
set -u
if [ "${1:-}" != inside ]; then
    if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
        echo "needs root and mount namespaces"
        exit 77
    fi
    [ -e /sys/kernel/mm/transparent_hugepage/shmem_enabled ] || { echo "needs a kernel with huge pages"; exit 77; }
    exec unshare -m --propagation private "$0" inside
fi
# shellcheck source=/dev/null
. "$(dirname "$0")/bad_support.inc"
weir=${weir:?}
mnt=${folder:?}/mnt # always given as --path, for the mount point is made on a file system of the host
fstab=/etc/fstab
pages=/sys/kernel/mm/transparent_hugepage/shmem_enabled
mkdir etc
cp -a /etc/ld.so.cache /etc/alternatives etc/ 2>/dev/null
printf '# the host\n/dev/sda1 / ext4 defaults 0 1\n# weir /old tmpfs is a comment' >etc/fstab
cp etc/fstab fstab.before
mount --bind etc /etc || exit 1
mount -t tmpfs -o mode=1777 tmpfs /dev/shm || exit 1
# Not before these are ours.
if ! cmp -s fstab.before /etc/fstab || [ "$(stat -c %i etc/fstab)" != "$(stat -c %i /etc/fstab)" ]; then
    echo "/etc is not our own"
    exit 1
fi
grep -q '\[deny\]' $pages && { echo "huge pages are denied here"; exit 77; }

# true_that NAME COMMAND...
true_that() {
    name=$1
    shift
    "$@"
    verdict "$name" $?
}
mounted() { grep -qF " $mnt " /proc/self/mountinfo; }
not_mounted() { ! mounted; }

# --- what is refused ---
: >err
cp err out
expect 64 'absolute path' setup-host --path mnt
expect 64 'absolute path' setup-host --path '/a b'
expect 64 '--size takes' setup-host --size 0%
expect 64 '--size takes' setup-host --size much
expect 64 'a value must follow --size' setup-host --size
expect 64 'not understood: now' setup-host now
expect 64 'needs no --size' setup-host --remove --size 1GiB
expect 0 'there is nothing to remove' setup-host --remove
expect 0 'sudo weir setup-host --size 16GiB' setup-host --help
chmod 755 "$folder"
cp "$weir" weir-of-all
if setpriv --reuid=65534 --regid=65534 --clear-groups ./weir-of-all --version >/dev/null 2>&1; then
    setpriv --reuid=65534 --regid=65534 --clear-groups ./weir-of-all setup-host --path "$mnt" >out 2>err
    [ $? = 69 ] && holds err 'takes root: sudo weir setup-host'
    verdict 'without root' $?
    setpriv --reuid=65534 --regid=65534 --clear-groups ./weir-of-all setup-host --dry-run --path "$mnt" >out 2>err
    verdict 'a dry run takes no root' $?
fi
rm weir-of-all
mkdir full
: >full/of-something
expect 69 'is not empty' setup-host --path "$folder/full"
expect 69 'is no folder' setup-host --path "$folder/full/of-something"
for word in 'always within_size advise never [deny] force' ''; do
    echo "$word" >chosen
    if mount --bind chosen $pages 2>/dev/null; then
        expect 69 'huge pages for shared memory' setup-host --path "$mnt"
        umount $pages
    fi
done
true_that 'nothing is mounted by any of these' not_mounted
true_that 'nor written' cmp -s fstab.before $fstab

# --- a dry run ---
expect 0 "would mount a tmpfs on $mnt with mode=1777,huge=within_size,size=419430400" setup-host --dry-run \
    --path "$mnt" --size 400MiB
also "would make the folder $mnt" 'would write into /etc/fstab, for the next boot: weir'
true_that 'a dry run mounts nothing' not_mounted
true_that 'nor writes' cmp -s fstab.before $fstab
expect 0 '"done":false' setup-host --dry-run --json --path "$mnt"
expect 0 'weir setup-host' doctor

# --- a job that began before ---
# counting NAME YAML ROWS RATE: distinct counts over rows that come at this rate
counting() {
    job "$1" "CREATE TABLE t (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen',
  'rows-per-second' = '$4', 'number-of-rows' = '$3', 'fields.k.kind' = 'sequence',
  'fields.k.pattern' = 'k%09d', 'fields.k.start' = '1', 'fields.k.end' = '$3',
  'fields.ts.start' = '2024-01-01 00:00:00', 'fields.ts.rows-per-second' = '1000');
CREATE TABLE o (e TIMESTAMP(3), c BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out-$1', 'format' = 'csv');
INSERT INTO o SELECT window_end, COUNT(DISTINCT k) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY))
GROUP BY window_start, window_end;" "$2"
}
one='placement: {cores: 1}'
# start NAME FOLDER: in the background, until its tasks run with their memory in that folder
start() {
    "$weir" run --json "$1.yaml" >/dev/null 2>"$1.events" &
    pid=$!
    # shellcheck disable=SC2034  # everything.inc looks there
    memory=$2/weir-$(id -u)
    until_true grep -q '"event":"progress"' "$1.events"
    verdict "$1 runs" $?
    [ -n "$(job_tasks "bad-$1-$$")" ]
    verdict "$1 has its memory in $2" $?
}
counting before "memory: {state: 16MiB, reserve: 0%}
$one" 100000000 1000
start before /dev/shm
first=$(job_tasks "bad-before-$$")
expect 0 "mount a tmpfs on $mnt with mode=1777,huge=within_size,size=419430400" setup-host --path "$mnt" --size 400MiB
also "make the folder $mnt" 'those that run stay where they are' 'weir setup-host --remove'
true_that 'it is mounted' mounted
true_that 'for every user' [ "$(stat -c %a "$mnt")" = 1777 ]
true_that 'and at boot' grep -qxF "weir $mnt tmpfs rw,nosuid,nodev,noexec,nofail,mode=1777,huge=within_size,size=419430400 0 0" \
    $fstab
true_that 'other lines stay' [ "$(head -n 3 $fstab)" = "$(cat fstab.before)" ]
cp $fstab fstab.set
expect 0 'is mounted already, with huge pages, 400.0 MiB' setup-host
also 'has its line already'
true_that 'a second time changes nothing' cmp -s fstab.set $fstab
expect 69 'set up already, at' setup-host --path "$folder/elsewhere"

# It is found where it is, by every subcommand, adopted there, and goes to the mount when it begins anew.
expect 69 'is already running' run before.yaml
expect 0 'task 0 now:' events before.yaml
expect 0 'the memory is in /dev/shm' doctor before.yaml
kill -KILL $pid
wait $pid 2>/dev/null
start before /dev/shm
true_that 'its task was adopted' [ "$first" = "$(job_tasks "bad-before-$$")" ]
kill -TERM $pid
wait $pid
verdict 'it ends well' $?
start before "$mnt"
expect 0 'ok     huge pages       2 MiB pages' doctor before.yaml
expect 69 'jobs have their memory in' setup-host --remove
also "bad-before-$$ of user $(id -u)"
true_that 'what is in use stays mounted' mounted
true_that 'and in the file' cmp -s fstab.set $fstab
kill -TERM $pid
wait $pid

# --- in huge pages ---
# has_huge PID: is a part of its arena mapped with them?
has_huge() {
    sed -n '/arena-[0-9]*$/,/^VmFlags/s/^ShmemPmdMapped: *\([0-9]*\) kB/\1/p' "/proc/$1/smaps" 2>/dev/null |
        grep -qvx 0
}
counting huge "memory: {state: 64MiB, reserve: 0%}
$one" 80000 10000
start huge "$mnt"
victim=$(job_tasks "bad-huge-$$")
until_true has_huge "$victim"
verdict 'the arena is mapped with huge pages' $?
until_true grep -q '"event":"spare-ready"' huge.events
kill -KILL "$victim"
verdict 'the kill hits it' $?
until_true grep -q '"event":"restarted"' huge.events
verdict 'the killed task is replaced' $?
until_true has_huge "$(sed -n 's/.*"event":"restarted".*"pid":\([0-9]*\).*/\1/p' huge.events)"
verdict 'and has huge pages' $?
wait $pid
verdict 'it comes to its end' $?
counting alone "memory: {dir: /dev/shm, state: 64MiB, reserve: 0%}
$one" 80000 0
expect 0 'finished' run alone.yaml
cat out-alone/* >want
cat out-huge/* >got
[ -s want ] && cmp -s want got
verdict 'output is that of a run that nobody disturbed' $?

# --- the promise ---
# A job that fills its memory in a tmpfs of just what it was promised, and its lock: its own limit is met, not
# that of the tmpfs.
# asks NAME: leaves in $size what the job asks for
asks() {
    "$weir" check --json "$1.yaml" >out 2>err
    size=$(sed -n 's/.*"memory_bytes":\([0-9]*\).*/\1/p' out)
}
counting small "memory: {state: 17MiB, reserve: 0%}
$one" 3000000 0
asks small
true_that 'a partly used page counts whole' [ "$size" -ge $((18 * 1048576)) ]
size=$((size + 4096))
expect 0 "size=$size" setup-host --size "${size}B" --path "$mnt"
true_that 'the line has the new size' grep -qF "size=$size 0 0" $fstab
expect 1 'its memory is full' run small.yaml
also 'set memory.state higher'
mkdir always
mount -t tmpfs -o "size=2g,huge=always,mode=1777" other always
counting whole "memory: {dir: always, state: 17MiB, reserve: 0%}
$one" 3000000 0
asks whole
true_that 'small files count as whole pages' [ $((size % 2097152)) = 0 ]
mount -o "remount,size=$((size + 2097152))" always
expect 1 'its memory is full' run whole.yaml
also 'set memory.state higher'
umount always

# --- and back ---
expect 0 "unmount $mnt" setup-host --remove
true_that 'it is unmounted' not_mounted
true_that 'the folder is gone' [ ! -e "$mnt" ]
{ cat fstab.before && echo; } >want
true_that 'the file is as before, but for its last line break' cmp -s want $fstab
expect 0 'there is nothing to remove' setup-host --remove

# A file that cannot be written is said, and what would have been in it.
mount --bind etc/fstab etc/fstab
expect 1 'will not be after the next boot' setup-host --path "$mnt"
also "weir $mnt tmpfs" 'size=50%'
umount etc/fstab
expect 0 'for the next boot' setup-host --path "$mnt"
expect 0 '"done":true' setup-host --remove --json
finish
