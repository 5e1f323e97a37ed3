#!/bin/sh
# attach.sh: a task that dies before it has attached, each time: the restart strategy decides, and says so.
# attach_dies.c makes it die.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
here=$(dirname "$(realpath "$0")")
# shellcheck source=/dev/null
. "$here/everything.inc"
dir=$(mktemp -d)
memory=/dev/shm/weir-$(id -u)
name=attach-$$ passed=0 failed=0
trap 'reboot "$name"; rm -rf "$dir"' EXIT
"${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -O1 -shared -fPIC -o "$dir/dies.so" "$here/attach_dies.c"
cat >"$dir/job.sql" <<SQL
CREATE TABLE n (i BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '0', 'fields.i.kind' = 'sequence',
  'fields.i.start' = '1', 'fields.i.end' = '1000');
CREATE TABLE out (i BIGINT) WITH ('connector' = 'filesystem', 'path' = '$dir/out', 'format' = 'csv');
INSERT INTO out SELECT i FROM n;
SQL

# job DEATHS RECOVERY: in the background.
job() {
    rm -rf "$dir/out" "$dir"/*.events
    printf 'job: %s\nsql: job.sql\nmemory: {state: 16MiB, reserve: 0%%}\ncheckpoint: {interval: none}\nrecovery: {%s}\n' \
        "$name" "$2" >"$dir/job.yaml"
    head -c "$1" /dev/zero >"$dir/deaths"
    LD_PRELOAD="$dir/dies.so" ATTACH_DIES="$dir/deaths" timeout 60 "$WEIR" run "$dir/job.yaml" \
        >"$dir/stdout" 2>"$dir/err" </dev/null &
    weir_pid=$!
}

finish() {
    status=0
    wait "$weir_pid" || status=$?
}

# judge WHAT CONDITION...
judge() {
    what=$1
    shift
    if "$@" && [ ! -e "$memory/$name" ] && [ -z "$(job_processes "$name")" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $what: status $status"
        cat "$dir/err"
    fi
}

goes_on() { [ "$status" = 0 ] && [ "$(cat "$dir"/out/part-* | sort -n | uniq | wc -l)" = 1000 ]; }
job 2 'spares: 0'
finish
judge "two deaths, then it attaches" goes_on

says() { [ "$status" = 1 ] && grep -q "$1" "$dir/err"; }
job 1000 'restart: fixed-delay, restart_attempts: 3, restart_delay: 10ms'
finish
judge "fixed-delay" says 'signal 11 .*fixed-delay allows 3 restarts'
[ "$(stat -c %s "$dir/deaths")" = 996 ] || { echo "FAIL: not four deaths"; failed=$((failed + 1)); }
[ "$("$WEIR" events --json "$dir/job.yaml" | grep -c '"event":"death".*"position":null')" -ge 3 ] ||
    { echo "FAIL: the deaths are not in the event log"; failed=$((failed + 1)); }

job 1000 'restart: none'
finish
judge "none" says 'signal 11 .*recovery.restart is none'

# Without a limit it is put off longer and longer; the first ones come at once. It can be stopped.
ended() { [ "$status" = 0 ] && grep -q 'restarting in 1[0-9]* ms' "$dir/err"; }
job 1000 'restart: exponential-delay, restart_delay: 100ms'
tries=0
until grep -q 'restarting in 1[0-9]* ms' "$dir/err" || [ $tries = 600 ]; do
    sleep 0.05
    tries=$((tries + 1))
done
supervisor=$(pgrep -P "$weir_pid" || :)
kill -TERM "${supervisor:-$weir_pid}"
finish
judge "exponential-delay, stopped" ended
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
