#!/bin/sh
# clean.sh: `weir clean` shows the memory that dead jobs have left and frees what is named; what runs, or
# whose tasks do, is left alone, and a job that was freed goes on from its last checkpoint.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
# shellcheck source=/dev/null
. "$(dirname "$0")/everything.inc"
dir=$(mktemp -d)
shm=/dev/shm/clean-$$ # a memory.dir of this test's own: --all meets nobody else's jobs
mkdir "$shm"
memory=$shm/weir-$(id -u)
passed=0 failed=0 runner=''
trap 'everything_dies one "$runner"; rm -rf "$dir" "$shm"' EXIT
cd "$dir"

# expect STATUS TEXT ARGUMENTS...: weir clean ends so, and says that on stdout or stderr.
expect() {
    wanted=$1 text=$2
    shift 2
    status=0
    "$WEIR" clean "$@" >out 2>err || status=$?
    if [ $status = "$wanted" ] && cat out err | grep -q -e "$text"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL weir clean $*: status $status, wanted $wanted and '$text'"
        cat out err
    fi
}

holds() { # WHAT COMMAND...
    what=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAIL $what"; fi
}

job() { # NAME
    cat >"$1.sql" <<SQL
CREATE TABLE src (k BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'datagen',
  'rows-per-second' = '1000', 'fields.k.max' = '9', 'fields.k.min' = '0', 'fields.at.start' = '2024-01-01');
CREATE TABLE result (k BIGINT, c BIGINT) WITH ('connector' = 'filesystem', 'path' = '$dir/$1.out', 'format' = 'csv');
INSERT INTO result SELECT k, COUNT(*)
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;
SQL
    printf 'job: %s\nsql: %s.sql\nmemory: {dir: %s, state: 16MiB, reserve: 0%%}\n%s\n%s\n' "$1" "$1" "$shm" \
        'checkpoint: {interval: 100ms}' 'placement: {cores: 1}' >"$1.yaml"
}

start() { # NAME: and wait for a checkpoint
    "$WEIR" run --quiet "$1.yaml" 2>"$1.err" &
    runner=$!
    until ls "$1".checkpoints/chk-*/MANIFEST >/dev/null 2>&1; do
        kill -0 $runner || { cat "$1.err" && exit 1; }
        sleep 0.02
    done
}

expect 0 'no job has left memory behind' --dir "$shm"
job one
job two
start one
expect 0 'no job has left memory behind' --dir "$shm"
expect 69 "job 'one' has left no memory, or runs" --dir "$shm" one
holds "a job that runs is left alone" kill -0 $runner

kill -KILL $runner
wait $runner || :
expect 0 '^one: .*MiB held, .*: left by a run that was killed$' --dir "$shm"
expect 69 "task of job 'one' still runs, without a supervisor" --dir "$shm" one
holds "tasks are left alone" [ -n "$(job_tasks one)" ]

everything_dies one
start two
everything_dies two $runner
expect 0 '^two: .*: left by a run that was killed$' --dir "$shm"
expect 0 '"job":"one".*"freed":false' --dir "$shm" --json
holds "looking frees nothing" [ -e "$memory/one/control" ]
expect 69 "job 'three' has left no memory" --dir "$shm" three
expect 0 '^one: .*: freed$' --dir "$shm" one
holds "it is gone" [ ! -e "$memory/one" ]
holds "the other one is not" [ -e "$memory/two/control" ]
expect 64 'see: weir clean --help' --dir "$shm" --all two
expect 64 'see: weir clean --help' --frob
expect 0 '"job":"two".*"freed":true' --dir "$shm" --json --all
expect 0 'no job has left memory behind' --dir "$shm"

"$WEIR" run one.yaml 2>one.err &
runner=$!
until grep -q 'going on from checkpoint' one.err; do kill -0 $runner || break; sleep 0.02; done
holds "it goes on from its checkpoint" grep -q 'going on from checkpoint' one.err
kill -TERM $runner
wait $runner || :
echo "$passed passed, $failed failed"
[ $failed = 0 ]
