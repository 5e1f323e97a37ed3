#!/bin/sh
# kill_ends.sh: the ends of a run that are not the end of its input: what a signal leaves behind.
#
# A stopped job has put every row that it committed into finished files, each once and none after a gap;
# a killed supervisor leaves tasks that the next run adopts, or memory that it goes on from; a job that may not
# restart ends with the cause in words. /dev/shm is clean after each. [SEED=1] [ROUNDS=6] kill_ends.sh
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
# shellcheck source=/dev/null
. "$(dirname "$0")/everything.inc"
memory=/dev/shm/weir-$(id -u)
dir=$(mktemp -d)
seed=${SEED:-1} rounds=${ROUNDS:-6}
weir_pid='' passed=0 failed=0
# shellcheck disable=SC2317 # called by the trap
cleanup() {
    [ -z "${name:-}" ] || reboot "$name" "$weir_pid"
    rm -rf "$dir"
}
trap cleanup EXIT
echo "SEED=$seed"

# A number below $1, drawn from the seed.
draw() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    drawn=$((seed / 65536 % $1))
}

good() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAIL $*"
    cat "$dir/err"
}

# job NAME CORES EXTRA: counts in windows of a second; row n of the source has time n/1000 s.
job() {
    name=ends-$$-$1
    rm -rf "$dir/out"
    cat >"$dir/job.sql" <<SQL
CREATE TABLE n (i BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = 'datagen',
  'rows-per-second' = '300000', 'fields.i.kind' = 'sequence', 'fields.i.start' = '0',
  'fields.i.end' = '900000000', 'fields.t.start' = '2024-01-01 00:00:00',
  'fields.t.rows-per-second' = '1000');
CREATE TABLE points (t TIMESTAMP(3), n BIGINT, lo BIGINT, hi BIGINT) WITH ('connector' = 'filesystem',
  'path' = '$dir/out', 'format' = 'csv', 'sink.rolling-policy.file-size' = '4kb');
INSERT INTO points SELECT window_start, COUNT(*), MIN(i), MAX(i)
FROM TABLE(TUMBLE(TABLE n, DESCRIPTOR(t), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;
SQL
    printf 'job: %s\nsql: job.sql\nmemory: {state: 16MiB, reserve: 0%%}\nplacement: {cores: %s}\ncheckpoint: {interval: none}\n%s\n' \
        "$name" "$2" "${3:-}" >"$dir/job.yaml"
}

tasks() { cat "/proc/$weir_pid/task/$weir_pid/children" 2>/dev/null || :; }

# Start the job and wait until it has written something.
start() {
    setsid "$WEIR" run "$dir/job.yaml" >"$dir/stdout" 2>"$dir/err" </dev/null &
    weir_pid=$!
    tries=0
    while [ -z "$(find "$dir/out" -name 'part-*' 2>/dev/null)" ] && [ $tries -lt 200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}

# Wait for the end; the status is in $status.
finish() {
    status=0
    wait "$weir_pid" || status=$?
    weir_pid=''
}

# Windows 0, 1, 2 ... without a gap, each with its thousand rows, all in finished files, memory gone.
judge() { # WORDS
    if [ -n "$(find "$dir/out" -name '.part*')" ]; then
        bad "$*: unfinished parts are left"
    elif [ -e "$memory/$name" ]; then
        bad "$*: memory is left: $(ls "$memory/$name")"
    elif ! find "$dir/out" -name 'part-*' | sort -t- -k3,3n | xargs cat |
        awk -F, '{ w = NR - 1; if ($2 != 1000 || $3 != w * 1000 || $4 != w * 1000 + 999) exit 1 }
                 END { if (NR < 100) exit 1 }'; then
        bad "$*: windows are missing or wrong"
    else
        good
    fi
}

# A stop by signal, also with a task killed in the same instant.
stops() {
    for cores in 1 2; do
        for how in TERM INT HUP; do
            job stop "$cores"
            start
            kill -$how "$weir_pid"
            finish
            [ "$status" = 0 ] || bad "SIG$how, $cores cores: status $status"
            grep -q 'stopped: ' "$dir/err" || bad "SIG$how: no word of the stop"
            judge "SIG$how, $cores cores"
        done
        job group "$cores"
        start
        kill -s INT -- "-$weir_pid" # Ctrl-C reaches the whole group
        finish
        judge "Ctrl-C, $cores cores, status $status"
        round=0
        while [ $round -lt "$rounds" ]; do
            job crash "$cores"
            start
            victims=$(tasks)
            draw 3
            # shellcheck disable=SC2086 # pids are words
            if [ "$drawn" = 0 ]; then
                kill -KILL $victims
                kill -TERM "$weir_pid"
            elif [ "$drawn" = 1 ]; then
                kill -TERM "$weir_pid"
                kill -KILL $victims 2>/dev/null || :
            else
                kill -KILL "${victims%% *}"
                kill -TERM "$weir_pid"
            fi
            finish
            judge "kill and SIGTERM ($drawn), $cores cores, status $status, round $round"
            round=$((round + 1))
        done
    done
}

# Two signals at once are one request, as timeout(1) makes it: nothing is killed for it.
together() {
    job still 2
    start
    kill -INT "$weir_pid"
    kill -TERM "$weir_pid"
    finish
    if [ "$status" = 0 ] && ! grep -q 'was killed' "$dir/err"; then
        good
    else
        bad "INT and TERM at once: status $status"
    fi
}

# A task that stands still does not stop: a second signal ends the patience. Nobody may be left.
impatience() {
    job still 2
    start
    victims=$(tasks)
    # shellcheck disable=SC2086
    kill -STOP $victims
    kill -TERM "$weir_pid"
    while kill -0 "$weir_pid" 2>/dev/null && ! grep -q 'stopping on signal' "$dir/err"; do sleep 0.02; done
    kill -TERM "$weir_pid"
    finish
    if [ "$status" = 0 ] && ! alive "$victims" && [ ! -e "$memory/$name" ]; then
        good
    else
        bad "two SIGTERMs: status $status, tasks $victims"
    fi
}

# What is under way when the stop comes would take long: it is left, and the files are finished.
patience() {
    job long 1
    cat >"$dir/job.sql" <<SQL
CREATE TABLE n (i BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = 'datagen',
  'rows-per-second' = '0', 'number-of-rows' = '1000', 'fields.i.kind' = 'sequence',
  'fields.i.start' = '0', 'fields.i.end' = '900', 'fields.t.start' = '2024-01-01 00:00:00');
CREATE TABLE points (t TIMESTAMP(3), i BIGINT, n BIGINT) WITH ('connector' = 'filesystem',
  'path' = '$dir/out', 'format' = 'csv', 'sink.rolling-policy.file-size' = '4kb');
INSERT INTO points SELECT * FROM (SELECT window_end, i, COUNT(*)
FROM TABLE(CUMULATE(TABLE n, DESCRIPTOR(t), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, i) WHERE CHAR_LENGTH(REPLACE(LPAD(CAST(i AS STRING), 3000, 'ab'), 'a', 'xy')) > 0;
SQL
    start
    begin=$(date +%s)
    kill -TERM "$weir_pid"
    finish
    seconds=$(($(date +%s) - begin))
    if [ "$status" = 0 ] && [ $seconds -lt 9 ] && [ -z "$(find "$dir/out" -name '.part*')" ] &&
        [ ! -e "$memory/$name" ] && ! grep -q 'did not stop in time' "$dir/err"; then
        good
    else
        bad "SIGTERM in long work: status $status after $seconds s"
    fi
}

alive() { # PIDS
    for pid in $1; do
        [ ! -d "/proc/$pid" ] || grep -q 'State:.[ZX]' "/proc/$pid/status" 2>/dev/null || return 0
    done
    return 1
}

# The supervisor dies by SIGKILL, and maybe its tasks: the next run goes on where they are, under its own
# config, and stops them well; every window is there once.
orphans() {
    job orphan 2
    start
    victims=$(tasks)
    draw 3
    [ "$drawn" != 1 ] || kill -KILL "${victims%% *}"
    kill -KILL "$weir_pid"
    finish
    # shellcheck disable=SC2086
    [ "$drawn" != 2 ] || kill -KILL $victims
    before=$(find "$dir/out" -name 'part-*' | wc -l)
    start
    tries=0
    while [ "$(find "$dir/out" -name 'part-*' | wc -l)" -le $((before + 2)) ] && [ $tries -lt 200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    if grep -q 'an earlier run of' "$dir/err" && [ $tries -lt 200 ]; then
        good
    else
        bad "after SIGKILL of the supervisor ($drawn): tasks $victims"
    fi
    kill -TERM "$weir_pid"
    finish
    judge "the run after a SIGKILL of the supervisor ($drawn), status $status"
}

# The supervisor dies at any moment of a short run, also before it has a task and after the last has
# ended; whatever it leaves, the next run ends with the whole result, and leaves nothing. (Killed behind
# the end, before it has cleaned up, a run may have nothing left to go on from: the next begins anew.)
restarts() {
    job short 2
    sed -i "s/900000000/30000/; s/'300000'/'0'/" "$dir/job.sql"
    round=0 wrong=''
    while [ $round -lt $((rounds * 4)) ]; do
        draw 60
        rm -rf "$dir/out"
        "$WEIR" run "$dir/job.yaml" >"$dir/stdout" 2>"$dir/err" </dev/null &
        weir_pid=$!
        sleep "0.0$(printf %02d "$drawn")"
        kill -KILL "$weir_pid" 2>/dev/null || :
        finish
        "$WEIR" run "$dir/job.yaml" >"$dir/stdout" 2>"$dir/err" </dev/null || wrong="status $?"
        [ -z "$(job_tasks "$name")" ] || wrong='tasks are left'
        [ ! -e "$memory/$name" ] || wrong='memory is left'
        windows=$(find "$dir/out" -name 'part-*' -exec cat {} + 2>/dev/null | wc -l)
        distinct=$(find "$dir/out" -name 'part-*' -exec cat {} + 2>/dev/null | sort -u | wc -l)
        [ "$distinct" = 31 ] || wrong="$distinct windows"
        [ "$windows" = 31 ] || ! grep -q 'going on from memory\|run on under this' "$dir/err" || wrong="$windows rows"
        [ -z "$wrong" ] || break
        round=$((round + 1))
    done
    if [ -z "$wrong" ]; then
        good
    else
        bad "the run after a SIGKILL of the supervisor $drawn ms after its start: $wrong"
    fi
}

# A death that the strategy does not forgive ends the job, with the cause.
strategies() {
    job none 2 'recovery: {restart: none}'
    start
    victims=$(tasks)
    kill -SEGV "${victims%% *}"
    finish
    if [ "$status" = 1 ] && grep -q 'signal 11 .*recovery.restart is none' "$dir/err"; then
        judge "restart: none"
    else
        bad "restart: none: status $status"
    fi
    job fixed 1 'recovery: {restart: fixed-delay}'
    start
    first=$(tasks | tr -d ' ')
    kill -KILL "$first"
    while second=$(tasks | tr -d ' ') && { [ -z "$second" ] || [ "$second" = "$first" ]; } &&
        kill -0 "$weir_pid" 2>/dev/null; do sleep 0.02; done
    kill -KILL "$second"
    finish
    if [ "$status" = 1 ] && grep -q 'signal 9 .*fixed-delay allows 1 restart' "$dir/err" &&
        [ ! -e "$memory/$name" ]; then
        good
    else
        bad "restart: fixed-delay: status $status"
    fi
}

# A task that is stopped is replaced after recovery.hang_after; one whose reader is paused is not.
hangs() {
    job hang 2 'recovery: {hang_after: 400ms}'
    start
    victims=$(tasks)
    kill -STOP "${victims%% *}"
    tries=0
    while ! grep -q 'goes on after' "$dir/err" && [ $tries -lt 600 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    if grep -q 'hangs: it is stopped; it is replaced' "$dir/err" && [ $tries -lt 600 ]; then
        good
    else
        bad "a stopped task was not replaced"
    fi
    kill -TERM "$weir_pid"
    finish
    judge "a stopped task, status $status"
    job paused 1 'recovery: {hang_after: 200ms}'
    sed -i "/^INSERT/d; s/^FROM/SELECT i FROM n; -- /" "$dir/job.sql"
    { "$WEIR" run "$dir/job.yaml" </dev/null 2>"$dir/err" || :; } | { sleep 1.5 && head -n 3 >/dev/null; }
    if grep -q 'hangs' "$dir/err" || ! grep -q 'closed by its reader' "$dir/err"; then
        bad "a paused reader"
    else
        good
    fi
}

stops
patience
hangs
impatience
together
orphans
orphans
restarts
strategies
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
