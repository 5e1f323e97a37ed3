#!/bin/sh
# shellcheck disable=SC2034,SC2154  # stop_support.inc reads some variables and sets others
# place.sh: tasks of a running job are put on other cores, over and over, under load and while its processes
# are killed: they are where they were put, stay there whoever takes over, and no row is lost or doubled.
# A core that the job may not use is refused before anything is touched. [SEED=n] place.sh
set -eu
name=place-test
# shellcheck source=/dev/null
. "$(dirname "$0")/stop_support.inc"
mover=${BUILD:?}/tests/process/move_job
[ -x "$mover" ] || { echo "$mover is not built"; exit 77; }
cores=$(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0))[:2])')
first=${cores% *} second=${cores#* }
[ "$first" != "$second" ] || { echo "one core only"; exit 77; }
tasks=4 # of a_job on two cores

# Where the first thread of a process may run.
cpus_of() { sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$1/task/$1/status" 2>/dev/null; }
# on_core TASK CORE: the process of the task is there.
on_core() {
    pid=$(task_pid "$1")
    [ -n "$pid" ] && [ "$(cpus_of "$pid")" = "$2" ]
}
all_on() { # CORE...: of each task
    task=0
    for core in "$@"; do
        on_core $task "$core" || return 1
        task=$((task + 1))
    done
}
where_is() { for t in 0 1 2 3; do echo "task $t: $(cpus_of "$(task_pid $t)")"; done; }
stay() { if until_true all_on "$@"; then good; else where_is; fi; }
move() { says 0 "task 3 core .* -> $4" "$mover" "$dir/job.yaml" "$@" || :; }
log_has() { grep -q "\"event\":\"$1\"" "$dir/$job.events"; }
some_core() { random 2; if [ "$number" = 0 ]; then core=$first; else core=$second; fi; }

under_load() {
    what="under load"
    a_job "\"$first,$second\""
    start
    stay "$first" "$second" "$first" "$second"
    move "$second" "$second" "$second" "$second"
    stay "$second" "$second" "$second" "$second"
    says 0 "task 0 core $second -> $first" "$mover" "$dir/job.yaml" "$first" "$second" "$second" "$first" || :
    stay "$first" "$second" "$second" "$first"
    i=0
    while [ $i -lt 20 ]; do
        some_core && a=$core && some_core && b=$core && some_core
        "$mover" "$dir/job.yaml" "$a" "$b" "$core" "$a" >"$dir/said" || bad "move $i"
        all_on "$a" "$b" "$core" "$a" || { where_is; bad "move $i: not where they were put"; }
        i=$((i + 1))
    done
    log_has moved || bad "event log"
    if log_has death; then bad "a process died of it"; else good; fi
    # Anywhere again.
    says 0 "task 1 core .* -> -1" "$mover" "$dir/job.yaml" -1 -1 -1 -1 || :
    on_core 1 "$first" && bad "task 1 is pinned still"
    wind_up
}

# Random processes get SIGKILL while the job is moved to and fro: a task, a spare, or the supervisor.
killed() {
    what="with kills"
    a_job "\"$first,$second\""
    start
    i=0
    while [ $i -lt 12 ]; do
        some_core && a=$core && some_core
        "$mover" "$dir/job.yaml" "$a" "$core" "$a" "$core" >"$dir/said" 2>&1 &
        asker=$!
        random 10
        victims=$(job_processes "$job")
        # shellcheck disable=SC2086  # pids are words
        victim=$(echo $victims | cut -d' ' -f$((number + 1)))
        [ -z "$victim" ] || [ "$victim" = "$runner" ] || kill -KILL "$victim" 2>/dev/null || :
        wait $asker || bad "move $i: $(cat "$dir/said")"
        until_true all_on "$a" "$core" "$a" "$core" || where_is
        i=$((i + 1))
    done
    wind_up
}

# The supervisor dies after a move, and amid another one: the next one leaves the tasks where they were
# put, also those that it starts itself, and does what was asked.
supervisor_killed() {
    what="the supervisor killed"
    a_job "\"$first,$second\"" 100ms 'spares: 0'
    start
    move "$second" "$second" "$first" "$first"
    kill -KILL "$runner"
    wait "$runner" 2>/dev/null || :
    kill -KILL "$(task_pid 1)"
    "$WEIR" run --json "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    until_true has_begun_run || :
    stay "$second" "$second" "$first" "$first"
    kill -STOP "$runner" # it finds the request, and does not get to it
    "$mover" "$dir/job.yaml" "$first" "$first" "$second" "$second" >"$dir/said" 2>&1 &
    asker=$!
    until_true test -e "$memory/$job/request" || :
    kill -KILL $asker "$runner"
    wait $asker "$runner" 2>/dev/null || :
    "$WEIR" run --json "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    until_true has_begun_run || :
    stay "$first" "$first" "$second" "$second"
    wind_up
}

refused() {
    what="refused"
    a_job "\"$first,$second\""
    says 1 'ESRCH: .*does not run' "$mover" "$dir/job.yaml" "$first" "$first" "$first" "$first" || :
    start
    says 1 'EINVAL: task 2 cannot be put on core 1000' "$mover" "$dir/job.yaml" "$second" "$second" 1000 "$first" || :
    says 1 'EINVAL: task 2 cannot be put on core 30000' "$mover" "$dir/job.yaml" "$second" "$second" 30000 "$first" || :
    says 1 "EINVAL: the job has $tasks tasks, and 2 cores" "$mover" "$dir/job.yaml" "$second" "$second" || :
    stay "$first" "$second" "$first" "$second" # nothing was touched
    wind_up
    # A job that may use one core only: the other is there, but not for it.
    a_job "\"$first\""
    taskset -c "$first" "$WEIR" run --json "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    until_true has_begun_run || :
    until_true has_output || :
    says 1 "EINVAL: .*core $second: it is not one that the supervisor .* may use" \
        "$mover" "$dir/job.yaml" "$second" || :
    says 0 'every window has fired' "$WEIR" stop --drain "$dir/job.yaml" || :
    ends 0
    judge
    anew
}

# threads PID: "CORES POLICY" of each thread but the first; 0 is ordinary, 1 FIFO, 3 batch.
policy() { sed 's/.*) //' "/proc/$1/task/$2/stat" | cut -d' ' -f39; }
helpers() {
    for thread in "/proc/$1/task"/*; do
        thread=${thread##*/}
        [ "$thread" = "$1" ] || echo "$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$1/task/$thread/status") $(policy "$1" "$thread")"
    done
}
spare_pid() { pgrep -f "^weir spare task $memory/$job $1" | head -n 1; }
# What belongs to the job and is no task's first thread: on that core, and ordinary.
beside_on() { # CORE
    [ "$(cpus_of "$runner")" = "$1" ] || return 1
    spare=$(spare_pid 0)
    [ -n "$spare" ] && [ "$(cpus_of "$spare")" = "$1" ] && [ "$(policy "$spare" "$spare")" != 1 ] || return 1
    helpers "$(task_pid 0)" >"$dir/helpers"
    [ -s "$dir/helpers" ] && ! grep -qv "^$1 0\$" "$dir/helpers"
}
housekeeping() {
    what="housekeeping"
    a_job "\"$first\"" # auto: what is left over
    start
    if until_true beside_on "$second"; then good; fi
    says 0 "task 0 core $first -> $second" "$mover" "$dir/job.yaml" "$second" || :
    if until_true beside_on "$first"; then good; fi # it makes way
    wind_up
    a_job "\"$first,$second\", housekeeping: \"$second\""
    start
    if until_true beside_on "$second"; then good; fi
    wind_up
    a_job "\"$first,$second\", housekeeping: 1024"
    says 78 'placement.housekeeping is 1024, but of the' "$WEIR" check "$dir/job.yaml" || :
    says 78 'placement.housekeeping is 1024, but of the' "$WEIR" run "$dir/job.yaml" || :
    a_job "\"$first\", housekeeping: \"1000\""
    says 78 'placement.housekeeping is "1000", but core 1000 is not' "$WEIR" run "$dir/job.yaml" || :
}

# Without the capabilities that root has, whoever runs this.
unprivileged() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --bounding-set=-sys_nice,-ipc_lock --inh-caps=-sys_nice,-ipc_lock "$@"
    else
        "$@"
    fi
}
is_fifo() { pid=$(task_pid 0) && [ -n "$pid" ] && [ "$(policy "$pid" "$pid")" = 1 ]; }
locked_kb() { sed -n 's/^VmLck:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(task_pid 0)/status"; }
has_locked() { [ "$(locked_kb)" -ge 16384 ]; }
can_lock() { # 128 MiB, as a task might
    python3 -c 'import ctypes, sys; c = ctypes.CDLL(None); c.mmap.restype = ctypes.c_void_p
p = c.mmap(None, ctypes.c_size_t(1 << 27), 3, 0x22, -1, ctypes.c_long(0))
sys.exit(c.mlock2(ctypes.c_void_p(p), ctypes.c_size_t(1 << 27), 1) != 0)'
}
has_spare() { [ -n "$(spare_pid 0)" ]; }
is_other() { pid=$(task_pid 0) && [ -n "$pid" ] && [ "$pid" != "$1" ]; }

allowed_or_not() {
    what="real-time and locked memory"
    a_job "\"$first\", priority: fifo"
    says 69 'LimitRTPRIO=1' unprivileged prlimit --rtprio=0:0 "$WEIR" run "$dir/job.yaml" || :
    sed -i 's/memory: {/memory: {lock: yes, /; s/, priority: fifo//' "$dir/job.yaml"
    says 69 'memory.lock is yes: a task may come to lock .*LimitMEMLOCK=infinity' \
        unprivileged prlimit --memlock=65536:65536 "$WEIR" run "$dir/job.yaml" || :
    # auto: it runs, and says that it is without.
    sed -i 's/lock: yes/lock: auto/' "$dir/job.yaml"
    sed 's/9999999999/9999/' "$dir/job.sql" >"$dir/short.sql"
    sed "s/job.sql/short.sql/" "$dir/job.yaml" >"$dir/short.yaml"
    says 0 'memory.lock is auto, and the memory is not locked: a task may come to lock' \
        unprivileged prlimit --memlock=65536:65536 "$WEIR" run "$dir/short.yaml" || :
    anew
    a_job "\"$first,$second\", priority: fifo"
    says 78 'tasks 0 and 2 are both on core' "$WEIR" check "$dir/job.yaml" || :
    # With both, as far as this user may: a process that takes over has them too.
    a_job "\"$first\", priority: fifo"
    sed -i 's/memory: {/memory: {lock: yes, /' "$dir/job.yaml"
    if ! chrt -f 1 true 2>/dev/null || ! can_lock; then
        echo "real-time priority or locked memory is not allowed here: not tried"
        return
    fi
    start
    if until_true is_fifo && until_true has_locked && until_true beside_on "$second"; then good; fi
    until_true has_spare || :
    before=$(task_pid 0)
    kill -KILL "$before"
    if until_true is_other "$before" && until_true is_fifo && until_true has_locked; then good; fi
    wind_up
}

under_load
killed
supervisor_killed
refused
housekeeping
allowed_or_not
finish
