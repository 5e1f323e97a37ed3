#!/bin/sh
# spares.sh: whatever happens to tasks and to the spares that wait for them, output is as undisturbed, spares do
# take over, and a job ends by itself and leaves no process. [SEED=n] [ROUNDS=5] [ACTS=40] spares.sh
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
driver=$(dirname "$0")/spares_driver.py
seed=${SEED:-$(date +%s)} rounds=${ROUNDS:-5} acts=${ACTS:-40}
passed=0 failed=0
dir=$(mktemp -d)
memory=/dev/shm/weir-$(id -u)
trap 'rm -rf "$dir" "$memory/spares-$$"' EXIT
echo "SEED=$seed"

# judge WHAT: the run has ended well, by itself, and with $wanted as its output where that is set.
judge() {
    if [ "$status" = 0 ] && grep -q '"left": \[\]' "$dir/account" && [ "$sum" = "${wanted:-$sum}" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $*: status $status"
        cat "$dir/account"
    fi
}

# job ROWS [SPARES [STATE]]: counts in windows of a second, over three tasks where there are two cores.
job() {
    cat >"$dir/spares-$$.sql" <<SQL
CREATE TABLE src (k BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND) WITH (
  'connector' = 'datagen', 'rows-per-second' = '100000', 'number-of-rows' = '$1', 'fields.k.min' = '0',
  'fields.k.max' = '500', 'fields.at.start' = '2024-01-01');
CREATE TABLE result (k BIGINT, w TIMESTAMP(3), c BIGINT) WITH ('connector' = 'filesystem', 'path' = '$dir/out',
  'format' = 'csv');
INSERT INTO result SELECT k, window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;
SQL
    printf 'job: spares-%s\nsql: spares-%s.sql\nmemory: {state: %s, reserve: 0%%}\nrecovery: {spares: %s}\n%s\n' \
        "$$" "$$" "${3:-16MiB}" "${2:-1}" 'placement: {cores: 2}' >"$dir/spares-$$.yaml"
}

# run SEED ARGUMENTS...: its output's sum in $sum
run() {
    rm -rf "$dir/out" "$dir"/*.checkpoints # a stopped job would go on from its last
    this=$1
    shift
    status=0
    python3 "$driver" --seed "$this" "$@" "$WEIR" "$dir/spares-$$.yaml" >"$dir/account" || status=$?
    sum=$(cat "$dir"/out/* 2>/dev/null | sort | sha256sum)
}

# count NAME: from the account
count() { sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" "$dir/account"; }

job 400000
wanted=
run "$seed"
judge undisturbed
wanted=$sum

# One spare a task, then two. That some took over is the scene that must have been there.
for spares in 1 2; do
    job 400000 "$spares"
    run "$seed" --acts "$acts"
    cat "$dir/account"
    judge "with $spares spares"
    [ "$(count promoted)" -gt 0 ] || { echo "FAIL no spare took over"; failed=$((failed + 1)); }
done

# Faulting in asks for no memory that the task has not used.
job 60000 1 512MiB
wanted=
run "$seed"
judge "a large, empty memory"
if [ "$(count ready)" = 0 ] || [ "$(count arena_mib)" -gt 128 ]; then
    echo "FAIL an arena of 512 MiB has $(count arena_mib) MiB of memory, with $(count ready) spares"
    failed=$((failed + 1))
fi

# The end of a job, where the last kill falls on what ends anyway.
job 60000
wanted=
run "$seed"
judge undisturbed
all=$sum
i=0
while [ $i -lt "$rounds" ]; do
    i=$((i + 1))
    wanted=$all
    run $((seed + i)) --acts 2 --end late
    judge "late kill, seed $((seed + i))"
    wanted=
    run $((seed + i)) --acts $((i % 3)) --end stop
    judge "kill at a stop, seed $((seed + i))"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
