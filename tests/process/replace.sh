#!/bin/sh
# shellcheck disable=SC2034,SC2154  # stop_support.inc reads some variables and sets others
# replace.sh: `weir replace` puts another program in under a job that runs: every process runs it then, no
# row is lost or doubled, the supervisor keeps its pid. Tasks, spares and the supervisor are killed in the
# middle. Programs with another layout, of another kind, or that crash are refused or taken out again.
# [SEED=n] replace.sh
set -eu
name=replace-test
# shellcheck source=/dev/null
. "$(dirname "$0")/stop_support.inc"

# copy NAME: the same program, another file.
copy() { cp "$WEIR" "$dir/$1"; }
patch() { # NAME WORDS...: another program
    patched=$dir/$1
    shift
    "$here/patch_program.py" "$WEIR" "$patched" "$@"
}

tasks() { pgrep -f "^weir task $memory/$job [0-9]" || :; }
# Every process of the job that is not a spare, and the supervisor, runs program $1.
all_run() {
    count=0
    for pid in $(tasks) "$runner"; do
        [ "$(readlink "/proc/$pid/exe")" = "$1" ] || return 1
        count=$((count + 1))
    done
    [ $count = 5 ] # four tasks
}
run_it() { if all_run "$1"; then good; else bad "not every process runs $1"; fi; }
log_has() { grep -q "\"event\":\"$1\"" "$dir/$job.events"; }

under_load() {
    what="under load"
    copy second
    a_job
    start
    says 0 "every process of the job runs $dir/second" "$dir/second" replace "$dir/job.yaml" || :
    run_it "$dir/second"
    says 0 "every process of the job runs" "$dir/second" replace "$dir/job.yaml" || : # it does already
    # And back, named.
    says 0 '"answer":"done"' "$dir/second" replace --json --program "$WEIR" "$dir/job.yaml" || :
    run_it "$WEIR"
    { log_has replacing && log_has replaced && log_has replace-done && ! log_has death; } || bad "event log"
    if grep -q '"restarts":[1-9]' "$dir/$job.events"; then bad "a replacement is a restart"; else good; fi
    wind_up
}

# A package manager puts the new file in the place of the old one. No checkpoints, no spares, and a
# strategy that allows no restart at all.
in_place() {
    what="a new file under the same name"
    copy here
    a_job 2 none 'spares: 0, restart: none'
    start "$dir/here"
    copy new
    mv "$dir/new" "$dir/here"
    says 0 "every process" "$dir/here" replace "$dir/job.yaml" || :
    run_it "$dir/here"
    wind_up
}

has_begun() { log_has replaced; }
# Random processes get SIGKILL while the roll is under way.
killed() {
    what="with kills amid the roll"
    a_job
    start
    "$dir/second" replace "$dir/job.yaml" >"$dir/said" 2>&1 &
    asker=$!
    while kill -0 $asker 2>/dev/null; do
        victims=$(job_processes "$job")
        random 8
        # shellcheck disable=SC2086  # pids are words
        victim=$(echo $victims | cut -d' ' -f$((number + 1)))
        [ -z "$victim" ] || kill -KILL "$victim" 2>/dev/null || :
        sleep 0.02
    done
    status=0
    wait $asker || status=$?
    if [ $status != 0 ]; then bad "status $status"; else until_true all_run "$dir/second" && good; fi
    wind_up
}

# The supervisor dies amid the roll; the next one, of the old program, goes on with it.
supervisor_killed() {
    what="the supervisor killed amid the roll"
    a_job
    start
    "$dir/second" replace "$dir/job.yaml" >"$dir/said" 2>&1 &
    asker=$!
    until_true has_begun
    kill -KILL "$runner"
    wait "$runner" 2>/dev/null || :
    status=0
    wait $asker || status=$?
    grep -q 'was killed meanwhile\|every process' "$dir/said" || bad "it says nothing of that, $status"
    "$WEIR" run --json "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    if [ $status = 1 ]; then until_true log_has replace-done && run_it "$dir/second"; fi
    wind_up
}

# A stop that is asked for while a roll is under way goes first.
stopped() {
    what="a stop amid the roll"
    a_job
    start
    "$dir/second" replace "$dir/job.yaml" >"$dir/said.roll" 2>&1 &
    asker=$!
    until_true has_begun
    says 0 'stopped at checkpoint' "$WEIR" stop "$dir/job.yaml" || :
    wait $asker || :
    ends 0
    start
    wind_up
}

# pids of what runs, before and after something that must touch nothing.
untouched() {
    before=$(tasks)
    "$@" || :
    [ "$before" = "$(tasks)" ] || bad "tasks were touched"
}

refused() {
    what="refused"
    layout=$(sed -n 's/.*CONTROL_LAYOUT_HASH UINT64_C(0x\(.*\))/\1/p' shm/control_layout.h)
    log=$(sed -n 's/.*ERRLOG_LAYOUT_HASH UINT64_C(0x\(.*\))/\1/p' shm/errlog.c)
    patch other-control layout "$layout" 434f4e54000000ff
    patch other-log layout "$log" 4552524c000000ff
    printf '#!/bin/sh\nexec %s "$@"\n' "$WEIR" >"$dir/script"
    printf '#!/bin/sh\nsleep 1; exit 0\n' >"$dir/stranger"
    chmod +x "$dir/script" "$dir/stranger"
    a_job
    says 69 'does not run' "$dir/second" replace "$dir/job.yaml" || :
    start
    untouched says 69 'weir stop --savepoint' "$WEIR" replace --program "$dir/other-control" "$dir/job.yaml"
    untouched says 69 'another version of weir' "$WEIR" replace --program "$dir/other-log" "$dir/job.yaml"
    untouched says 69 'is a script' "$WEIR" replace --program "$dir/script" "$dir/job.yaml"
    untouched says 69 'is no weir' "$WEIR" replace --program /bin/true "$dir/job.yaml"
    untouched says 69 'No such file' "$WEIR" replace --program "$dir/none" "$dir/job.yaml"
    sed -i 's/id % 7/id % 8/g' "$dir/job.sql"
    untouched says 69 'script has changed' "$dir/second" replace "$dir/job.yaml"
    sed -i 's/id % 8/id % 7/g' "$dir/job.sql"
    says 0 "every process" "$dir/second" replace "$dir/job.yaml" || : # the job is as it was
    wind_up
}

# A program that crashes: as a spare, when it has become the task, and only in tasks of one kind, when
# others run it already.
crashing() {
    for function in control_spare_begin control_set_ready exchange_reader_take; do
        what="a program that crashes in $function"
        patch crashing crash $function
        a_job
        start
        says 1 'every task runs the program of before' "$WEIR" replace --program "$dir/crashing" \
            "$dir/job.yaml" || :
        run_it "$WEIR"
        log_has replace-failed || bad "it is not in the event log"
        if log_has death; then bad "a death of the program on trial counts as one of the job"; fi
        wind_up
    done
}

under_load
in_place
killed
supervisor_killed
stopped
refused
crashing
finish
