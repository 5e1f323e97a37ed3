#!/bin/busybox sh
# shellcheck shell=dash
# guest.sh: the first process of the machine that numa.sh boots: two nodes, core 0 and 1 on node 0, core 2 and 3
# on node 1. Jobs run, are moved and killed, and the kernel's own account (numa_maps) says where their memory
# is. The last line is `guest: N passed, N failed`.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/shm /dev/shm2
mount -t tmpfs -o mode=1777,size=600m none /dev/shm
mount -t tmpfs -o mode=1777,size=600m,huge=always none /dev/shm2
mount -t tmpfs -o mode=1777,size=64m none /tmp
ip link set lo up 2>/dev/null
passed=0 failed=0 what='' memory=/dev/shm
echo "guest: up"

good() { passed=$((passed + 1)); echo "ok   $what: $*"; }
bad() { failed=$((failed + 1)); echo "FAIL $what: $*"; tail -n 5 /tmp/err /tmp/said 2>/dev/null; }
until_true() {
    tries=0
    while ! "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { bad "this never came: $*"; return 1; }
        sleep 0.2
    done
}

# a_job CORES [MEMORY [RATE [KEYS]]]
a_job() {
    rm -rf /tmp/out /tmp/checkpoints /tmp/job.events* /tmp/job.dead
    cat >/tmp/job.sql <<SQL
CREATE TABLE person (id BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = 'datagen',
  'rows-per-second' = '${3:-4000}', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0',
  'fields.id.end' = '9999999999', 'fields.t.start' = '2024-01-01 00:00:00', 'fields.t.rows-per-second' = '1000');
CREATE TABLE points (w TIMESTAMP(3), k BIGINT, n BIGINT, uv BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '/tmp/out', 'format' = 'csv', 'sink.rolling-policy.file-size' = '4kb');
INSERT INTO points SELECT window_start, id % 7, COUNT(*), COUNT(DISTINCT id)
FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(t), INTERVAL '${4:-1}' SECOND)) GROUP BY window_start, window_end, id % 7;
SQL
    cat >/tmp/job.yaml <<YAML
job: job
sql: job.sql
memory: {state: ${2:-24MiB}, reserve: 0%, dir: $memory}
placement: {cores: "$1"}
checkpoint: {interval: 1s, dir: checkpoints}
YAML
    chmod 666 /tmp/job.*
}
has_output() { [ -n "$(find /tmp/out -name 'part-*' -size +0 2>/dev/null | head -n 1)" ]; }
as() { if [ "$user" = root ]; then sh -c "$1"; else su user -c "$1"; fi; }
start() { # [USER]
    user=${1:-root}
    as "exec weir run --json /tmp/job.yaml" 2>/tmp/err &
    until_true has_output
}
# end: drain it; what came out is what was read.
end() {
    as "weir stop --drain /tmp/job.yaml" >/tmp/said 2>&1 || bad "stop: $(cat /tmp/said)"
    wait
    read=$(sed -n 's/.*"event":"summary".*"rows_in":\([0-9]*\).*/\1/p' /tmp/err)
    out=$(find /tmp/out -name 'part-*' -exec cat {} + | awk -F, '{n += $3; uv += $4} END {print n, uv}')
    if [ "${read:-0}" -gt 0 ] && [ "$out" = "$read $read" ]; then
        good "$read rows in, each came out once"
    else
        bad "$read rows in, out: $out"
    fi
}
# The process that runs task $1.
task_pid() { ps -o pid,args | sed -n "s|^ *\([0-9]*\) weir task $memory/weir-[0-9]*/job $1\$|\1|p; s|^ *\([0-9]*\) weir task $memory/weir-[0-9]*/job $1 .*|\1|p" | head -n 1; }
cpus_of() { sed -n 's/^Cpus_allowed_list:[^0-9]*//p' "/proc/$1/task/$1/status" 2>/dev/null; }

# What the kernel says of every task now.
look() {
    for task in 0 1 2 3; do
        pid=$(task_pid $task)
        cpus_of "$pid" >/tmp/cpus.$task
        { cat "/proc/$pid/numa_maps" >/tmp/maps.$task; } 2>/dev/null
    done
}
# Its lines, as of the last look, of a task about a file: "prefer:1 file=... N0=33 ...".
maps() { grep "file=$memory/weir-.*/job/$2 " "/tmp/maps.$1" | cut -d' ' -f2-; }
# pages TASK FILE NODE: of the file, mapped by the task, on the node.
pages() { maps "$1" "$2" | grep -o " N$3=[0-9]*" | awk -F= '{n += $2} END {print n + 0}'; }
# on_node TASK FILE NODE: all that the task has of it is there, and the kernel says that it is preferred.
on_node() {
    here=$(pages "$1" "$2" "$3") there=$(pages "$1" "$2" $((1 - $3)))
    [ "$here" -gt 0 ] && [ "$there" = 0 ] && maps "$1" "$2" | grep -q "^prefer[^ ]*:$3 "
}
# Task 0 reads the source, 1 and 2 count, 3 adds up; each file stands beside the task that it belongs with.
files='0 arena-0
1 arena-1
1 ring-0-0-0
2 arena-2
2 ring-0-0-1
3 arena-3
3 ring-1-0-0
3 ring-1-1-0'
show() { # what the kernel says, a line a file: what is preferred, pages on each node
    echo "$files" | while read -r task file; do
        echo "     task $task on core $(cat "/tmp/cpus.$task"): $file $(maps "$task" "$file" | cut -d' ' -f1 | sort -u)" \
            "N0=$(pages "$task" "$file" 0) N1=$(pages "$task" "$file" 1)" \
            "$(maps "$task" "$file" | grep -o 'mapmax=[0-9]*' | tail -n 1)"
    done
}
# all_on NODE0 NODE1 NODE2 NODE3 [PATTERN]: each task's memory, of files that match
all_on() {
    echo "$files" | grep "${5:-.}" >/tmp/files
    nodes="$1 $2 $3 $4"
    look
    while read -r task file; do
        on_node "$task" "$file" "$(echo "$nodes" | cut -d' ' -f$((task + 1)))" || return 1
    done </tmp/files
}
expect() { # WORDS... as all_on
    if until_true all_on "$@"; then good "memory is on nodes $*"; fi
    show
}
move() { # CORE of each task
    if as "move_job /tmp/job.yaml $*" >/tmp/said 2>&1; then good "moved"; else bad "move"; fi
    sed 's/^/     /' /tmp/said
}
on_cores() {
    for task in 0 1 2 3; do
        [ "$(cpus_of "$(task_pid $task)")" = "$1" ] || return 1
        shift
    done
}
has_said() { grep -q "$1" /tmp/said || bad "no '$1'"; }

# --- what is tried ---

placed_and_moved() {
    a_job "0,2"
    start
    expect 0 1 0 1
    weir doctor --arena /tmp/job.yaml | grep 'is on' || bad "weir doctor says nothing"
    move 2 0 3 1
    has_said 'task 0 core 0 -> 2 node 0 -> 1 moved [1-9][0-9]* left 0'
    on_cores 2 0 3 1 || bad "not on these cores"
    expect 1 0 1 0
    # The next process of a task is where this one was put, and so is what it faults in.
    for task in 0 1 2 3; do kill -9 "$(task_pid $task)"; sleep 1; done
    until_true on_cores 2 0 3 1
    expect 1 0 1 0
    # To and fro, under load.
    for i in 1 2 3; do
        as "move_job /tmp/job.yaml 0 2 0 2" >/tmp/said || bad "move to $i"
        as "move_job /tmp/job.yaml 3 1 3 1" >/tmp/said || bad "move fro $i"
    done
    expect 1 0 1 0
    end
}

# No capability: arenas move in their owner's address space, while it has no spare; rings stay, and that is said.
without_privilege() {
    a_job "0,2"
    start user
    expect 0 1 0 1
    move 2 0 2 0
    has_said 'task 0 core 0 -> 2 node 0 -> 1 moved [1-9]'
    has_said 'left [1-9][0-9]*: several processes map it.*CAP_SYS_NICE'
    on_cores 2 0 2 0 || bad "not on these cores"
    expect 1 0 1 0 arena
    end
}

# More state than node 1 has: the rest comes from node 0, and the job runs on.
full_node() {
    a_job "2,3" 110MiB 150000 1000000
    start_any
    filled() {
        look
        [ "$(pages 1 arena-1 0)" -gt 0 ] || [ "$(pages 2 arena-2 0)" -gt 0 ]
    }
    if until_true filled; then good "node 1 is full, node 0 gives the rest"; fi
    show
    grep -E 'MemFree' /sys/devices/system/node/node*/meminfo
    as "weir stop --timeout 60s /tmp/job.yaml" >/tmp/said 2>&1 || bad "stop: $(cat /tmp/said)"
    wait
    if grep -q '"event":"\(died\|failed\)"' /tmp/err; then bad "a task died of it"; else good "no task died of it"; fi
}
start_any() {
    user=root
    weir run --json /tmp/job.yaml 2>/tmp/err &
    until_true grep -q started /tmp/err
}

if grep -q FIRST /proc/cmdline; then poweroff -f; fi
uname -sr
cat /sys/devices/system/node/node*/cpulist | tr '\n' ' '
echo "cores of each node"
# wanted SCENE: unless only others were asked for
wanted() {
    case " $(cat /proc/cmdline) " in
    *" scenes="*) grep -q "scenes=[^ ]*$1" /proc/cmdline ;;
    esac
}
if wanted small; then what="4 KiB pages" && placed_and_moved; fi
if wanted huge; then what="2 MiB pages" memory=/dev/shm2 && placed_and_moved; fi
memory=/dev/shm
if wanted unprivileged; then what="without CAP_SYS_NICE" && without_privilege; fi
if wanted full; then what="a full node" && full_node; fi
echo "guest: $passed passed, $failed failed"
poweroff -f
