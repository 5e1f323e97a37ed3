#!/bin/sh
# command.sh: the weir command from outside: help, exit statuses, what a mistake is told, a small job.
set -u
weir=${WEIR:-build/release/weir}
if [ ! -x "$weir" ]; then
    echo "the command is not built"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0

# expect STATUS TEXT ARGUMENT...: weir ends with the status, and stdout or stderr holds the text.
expect() {
    wanted=$1 text=$2
    shift 2
    "$weir" "$@" >"$folder/out" 2>"$folder/err" </dev/null
    status=$?
    if [ "$status" = "$wanted" ] && cat "$folder/out" "$folder/err" | grep -qF -e "$text"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "weir $*: status $status instead of $wanted, or no '$text' in:"
        cat "$folder/out" "$folder/err"
    fi
}

# job NAME SQL [YAML]: a config and its script.
job() {
    printf '%s\n' "$2" >"$folder/$1.sql"
    printf 'job: test-%s-%s\nsql: %s.sql\nmemory: {state: 64MiB, reserve: 0%%}\n%s\n' \
        "$1" "$$" "$1" "${3:-}" >"$folder/$1.yaml"
}

expect 0 'weir 0.' --version
expect 0 'example' --help
for command in run check explain checkpoint doctor task; do
    expect 0 'example' "$command" --help
    expect 0 'usage: weir' help "$command"
done
expect 64 'there is no command' ''
expect 64 "did you mean 'check'?" chec
expect 64 'did you mean --json?' check --jsno x.yaml
expect 64 'which config?' run
expect 64 'one config only' check a b
expect 64 'usage' task /nowhere
expect 64 'usage' task /nowhere x
expect 78 'cannot be read' check "$folder/absent.yaml"
expect 78 'is not a file but a folder' check "$folder"

numbers="CREATE TABLE n (i BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1000',
  'fields.i.kind' = 'sequence', 'fields.i.start' = '1', 'fields.i.end' = '1000');"
job good "$numbers SELECT i FROM n WHERE i <= 3;"
expect 0 'task 0' check "$folder/good.yaml"
expect 0 '"fits":true' check --json "$folder/good.yaml"
expect 0 '' explain "$folder/good.yaml"
expect 0 '+I[3]' run "$folder/good.yaml"
expect 0 '1,000 rows in, 3 rows out, 0 bad' run "$folder/good.yaml"
expect 0 '"event":"summary","end":"finished"' run --json "$folder/good.yaml"

printf 'job: x\nsql: absent.sql\n' >"$folder/nosql.yaml"
expect 78 'absent.sql: cannot be read' check "$folder/nosql.yaml"
printf 'job: x\nsqll: good.sql\n' >"$folder/typo.yaml"
expect 78 "typo.yaml:2:1: unknown key 'sqll'" run "$folder/typo.yaml"
job wrong "$numbers SELECT nope FROM n;"
expect 78 'wrong.sql:' run "$folder/wrong.yaml"
job huge "$numbers SELECT i FROM n;"
sed -i 's/64MiB/8TiB/' "$folder/huge.yaml"
expect 69 'TiB' run "$folder/huge.yaml"
expect 69 '"fits":false' check --json "$folder/huge.yaml"

# A second run of the same job is refused with the pid of the first; SIGTERM ends the first.
job slow "CREATE TABLE n (i BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10');
SELECT i FROM n;"
"$weir" run "$folder/slow.yaml" >"$folder/slow.out" 2>"$folder/slow.err" </dev/null &
first=$!
tries=0
while [ ! -s "$folder/slow.out" ] && [ $tries -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
expect 69 "$first" run "$folder/slow.yaml"
kill -TERM "$first"
wait "$first"
status=$?
if [ "$status" = 0 ] && grep -q 'stopped: ' "$folder/slow.err"; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "SIGTERM: status $status, stderr:"
    cat "$folder/slow.err"
fi
left=$(find /dev/shm -maxdepth 2 -name "test-*-$$" 2>/dev/null)
if [ -z "$left" ]; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "left behind: $left"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
