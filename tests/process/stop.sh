#!/bin/sh
# shellcheck disable=SC2034,SC2154  # stop_support.inc reads some variables and sets others
# stop.sh: `weir stop`: at random moments of a job, while it starts, twice at once, killed itself; with a
# savepoint, also when the supervisor dies in the middle; drained. What follows goes on exactly once: in the
# end the output is that of a run that was left alone. Jobs that cannot be stopped are told so. [SEED=n] stop.sh
set -eu
name=stop-test
# shellcheck source=/dev/null
. "$(dirname "$0")/stop_support.inc"

pause() { # at most $1 ms
    random "$1"
    sleep "$(printf '0.%03d' "$number")"
}

anywhere() {
    what="stop at random moments"
    a_job
    for leg in 0 1 2 3; do
        start
        pause 250
        random 2
        if [ "$number" = 0 ]; then kill -KILL "$(task_pid "$leg")" 2>/dev/null || :; fi
        says 0 'stopped at checkpoint' "$WEIR" stop "$dir/job.yaml" || :
        ends 0
        "$WEIR" events "$dir/job.yaml" | tail -n 1 | grep -q 'end: stopped' || bad "the event log"
    done
    start
    wind_up
}

# A job that is only just there, or not yet.
starting() {
    what="stop of a job that starts"
    a_job 4
    for round in 1 2 3 4 5; do
        "$WEIR" run --json "$dir/job.yaml" 2>"$dir/err" &
        runner=$!
        pause $((round * 10))
        status=0
        "$WEIR" stop "$dir/job.yaml" >"$dir/said" 2>&1 || status=$?
        if [ $status = 69 ]; then # not yet
            until_true [ -e "$memory/$job/control" ]
            says 0 'stopped' "$WEIR" stop "$dir/job.yaml" || :
        elif [ $status != 0 ]; then
            bad "status $status"
        fi
        ends 0
        [ ! -e "$memory/$job" ] || bad "a folder is left"
    done
    start
    wind_up
}

is_asked() { [ -e "$memory/$job/request" ]; }
is_taken() { grep -q taken "$memory/$job/request" 2>/dev/null; }

# Ctrl-C ends the command, not what it has asked for. Two at once wait for the same.
interrupted() {
    what="stop, and Ctrl-C"
    a_job
    start
    kill -STOP "$runner"
    # A shell has what it starts in the background ignore SIGINT.
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])' \
        "$WEIR" stop "$dir/job.yaml" >"$dir/said" 2>&1 &
    asker=$!
    until_true is_asked
    kill -INT "$asker"
    if wait "$asker"; then bad "it went on"; fi
    "$WEIR" stop "$dir/job.yaml" >"$dir/said.2" 2>&1 &
    asker=$!
    "$WEIR" stop "$dir/job.yaml" >"$dir/said" 2>&1 &
    other=$!
    sleep 0.1
    kill -CONT "$runner"
    for pid in $asker $other; do
        if wait "$pid"; then good; else bad "one of two at once: $?"; fi
    done
    ends 0
    cmp -s "$dir/said" "$dir/said.2" || bad "they are told different things"
    start
    wind_up
}

with_savepoint() {
    what="stop with a savepoint"
    a_job
    start
    pause 300
    (cd "$dir" && says 0 "savepoint in $dir/sp" "$WEIR" stop --savepoint sp job.yaml && touch ok) || :
    [ -e "$dir/ok" ] || bad "no savepoint"
    ends 0
    rm -r "$dir/checkpoints" # elsewhere there would be none
    for cores in 4 1; do
        a_job $cores
        start "$WEIR" --from "$dir/sp"
        says 69 'no empty folder' "$WEIR" stop --savepoint "$dir/sp" "$dir/job.yaml" || :
        says 0 "savepoint in $dir/sp-$cores" "$WEIR" stop --savepoint "$dir/sp-$cores" "$dir/job.yaml" || :
        ends 0
        mv "$dir/sp" "$dir/sp-of-before"
        mv "$dir/sp-$cores" "$dir/sp"
        rm -r "$dir/sp-of-before"
    done
    a_job 2
    start "$WEIR" --from "$dir/sp"
    wind_up
}

# The supervisor dies while it stops the job: the next one goes on with that, and ends.
savepoint_and_death() {
    what="stop with a savepoint, and the supervisor dies"
    a_job
    start
    victim=$(task_pid 3)
    kill -STOP "$victim" # so it cannot stop
    "$WEIR" stop --savepoint "$dir/sp" "$dir/job.yaml" >"$dir/said.1" 2>&1 &
    asker=$!
    until_true is_taken
    says 69 'with a savepoint in' "$WEIR" stop --savepoint "$dir/sp-2" "$dir/job.yaml" || :
    kill -KILL "$runner"
    wait "$runner" 2>/dev/null || :
    status=0
    wait "$asker" || status=$?
    cp "$dir/said.1" "$dir/said"
    if [ $status = 1 ] && grep -q 'was killed meanwhile' "$dir/said"; then good; else bad "status $status"; fi
    says 69 'without one' "$WEIR" stop "$dir/job.yaml" || :
    kill -CONT "$victim" 2>/dev/null || :
    "$WEIR" run --json "$dir/job.yaml" 2>"$dir/err" || bad "the run that takes over: $?"
    if [ -e "$dir/sp/SAVEPOINT" ]; then good; else bad "no savepoint"; fi
    a_job 4
    start "$WEIR" --from "$dir/sp"
    wind_up
}

# A drain goes on, too, whoever dies.
drain_and_death() {
    what="drain, and everything dies"
    a_job 2 "$1"
    start
    victim=$(task_pid 3)
    kill -STOP "$victim"
    "$WEIR" stop --drain "$dir/job.yaml" >"$dir/said" 2>&1 &
    asker=$!
    until_true is_taken
    everything_dies "$job" "$runner"
    wait "$asker" || :
    status=0
    "$WEIR" run --json "$dir/job.yaml" 2>"$dir/err" || status=$?
    if [ $status = 0 ] && grep -q '"end":"finished"' "$dir/err"; then good; else bad "status $status"; fi
    [ ! -e "$dir/checkpoints" ] || bad "checkpoints of a job that has finished"
    judge
    anew
}

without_checkpoints() {
    what="a job without checkpoints"
    a_job 2 none
    start
    says 69 'makes no checkpoints' "$WEIR" stop --savepoint "$dir/sp" "$dir/job.yaml" || :
    says 0 '"end":"stopped","checkpoint":null' "$WEIR" stop --json "$dir/job.yaml" || :
    ends 0
    anew
}

# What does not stop in the time given is killed.
late() {
    what="a job that does not stop in time"
    a_job 2 100ms 'spares: 0'
    start
    kill -STOP "$(task_pid 3)"
    says 0 'no last checkpoint was made\|has no checkpoint' "$WEIR" stop --timeout 300ms "$dir/job.yaml" || :
    ends 0
    start
    wind_up
}

refused() {
    what="no job that could be stopped"
    a_job
    says 69 'does not run' "$WEIR" stop "$dir/job.yaml" || :
    says 64 'nothing to go on from' "$WEIR" stop --drain --savepoint "$dir/sp" "$dir/job.yaml" || :
    says 64 'duration' "$WEIR" stop --timeout soon "$dir/job.yaml" || :
    says 64 'which job' "$WEIR" stop || :
    says 78 'cannot be read' "$WEIR" stop "$dir/none.yaml" || :
    mkdir -p "$dir/memory/weir-65534/$job"
    sed "s|memory: {|memory: {dir: $dir/memory, |" "$dir/job.yaml" >"$dir/other.yaml"
    says 69 'not yours' "$WEIR" stop "$dir/other.yaml" || :
}

anywhere
starting
interrupted
with_savepoint
savepoint_and_death
drain_and_death 100ms
drain_and_death none
without_checkpoints
late
refused
finish
