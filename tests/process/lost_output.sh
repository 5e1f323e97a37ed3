#!/bin/sh
# lost_output.sh: output that could not be made durable ends the job, for the kernel may have dropped
# it and tells so once; the next run goes back to the last checkpoint that could count on its output.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
here=$(dirname "$(realpath "$0")")
# shellcheck source=/dev/null
. "$here/everything.inc"
dir=$(mktemp -d)
job=lost-output-$$
trap 'reboot $job; rm -rf "$dir"' EXIT
passed=0 failed=0
# check NAME COMMAND...
check() {
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        tail -n 5 "$dir/err"
    fi
}
"${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -O1 -shared -fPIC -o "$dir/sync_fail.so" "$here/sync_fail.c" -ldl

cat >"$dir/job.sql" <<SQL
CREATE TABLE person (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '120000',
  'rows-per-second' = '40000', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1',
  'fields.n.end' = '120000');
CREATE TABLE results (n BIGINT) WITH ('connector' = 'filesystem', 'path' = '$dir/out', 'format' = 'csv',
  'sink.rolling-policy.file-size' = '16kb');
INSERT INTO results SELECT n FROM person;
SQL
cat >"$dir/job.yaml" <<YAML
job: $job
sql: job.sql
memory: {state: 16MiB, reserve: 0%}
checkpoint: {interval: 100ms, dir: checkpoints, engine: pwrite}
YAML

LD_PRELOAD=$dir/sync_fail.so SYNC_FAILS=$dir/out/ SYNC_NOW=$dir/now \
    timeout 60 "$WEIR" run "$dir/job.yaml" 2>"$dir/err" &
runner=$!
while kill -0 $runner 2>/dev/null && ! find "$dir/checkpoints" -name MANIFEST 2>/dev/null | grep -q .; do
    sleep 0.01
done
touch "$dir/now"
status=0
wait $runner || status=$?
check "an fdatasync failed" [ ! -e "$dir/now" ]
check "it ends: status $status" [ $status != 0 ]
check "it says why" grep -q 'cannot make the output durable: Input/output error' "$dir/err"
check "it says how to mend it" grep -q 'mend the disk and run again' "$dir/err"

status=0
timeout 60 "$WEIR" run "$dir/job.yaml" 2>"$dir/err" || status=$?
check "status $status" [ $status = 0 ]
check "from the disk" grep -q 'going on from checkpoint' "$dir/err"
seq 120000 >"$dir/want"
find "$dir/out" -name 'part-*' -exec cat {} + | sort -n >"$dir/got"
check "each row once" cmp "$dir/got" "$dir/want"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
