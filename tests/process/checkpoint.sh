#!/bin/sh
# checkpoint.sh: every process of a job is killed, its memory is gone, and the next run goes on from
# the disk: the output is byte-identical to an undisturbed run's, with both engines.
#
# ROUNDS=n SEED=n: longer runs. What is damaged is noticed and told; a changed script is refused.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
# shellcheck source=/dev/null
. "$(dirname "$0")/everything.inc"
dir=$(mktemp -d)
runner=''
trap 'reboot checkpoint-test-$$ "$runner"; rm -rf "$dir"' EXIT
rounds=${ROUNDS:-3}
seed=${SEED:-$(date +%s)}
echo "SEED=$seed"
passed=0 failed=0
"${BUILD:?}/bench/uv_data" json 400000 50000 20 4000 3 >"$dir/rows.json"

good() { passed=$((passed + 1)); }
bad() {
    echo "FAIL $*"
    tail -n 5 "$dir/err" 2>/dev/null || :
    failed=$((failed + 1))
}

# draw N: a number below N in $drawn, from the seed.
draw() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    drawn=$((seed / 65536 % $1))
}

# job TASKS ENGINE: a fresh job in $dir; its input comes slowly enough to be killed on the way.
job() {
    rm -rf "$dir/out" "$dir/checkpoints"
    cat >"$dir/job.sql" <<SQL
SET 'parallelism.default' = '$1';
CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = '$dir/rows.json', 'format' = 'json');
CREATE TABLE points (window_end TIMESTAMP(3), dimension STRING, uv BIGINT
) WITH ('connector' = 'filesystem', 'path' = '$dir/out', 'format' = 'csv',
  'sink.rolling-policy.file-size' = '64kb');
INSERT INTO points SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, dimension;
SQL
    cat >"$dir/job.yaml" <<YAML
job: checkpoint-test-$$
sql: job.sql
memory: {state: 64MiB, reserve: 0%}
checkpoint: {interval: 100ms, dir: checkpoints, engine: $2}
YAML
}

# What a reader of the folder sees, in the order of the parts; several tasks interleave freely.
result() {
    find "$dir/out" -name 'part-*' | sort -t- -k2,2n -k3,3n | xargs cat | if [ "$1" = 1 ]; then cat; else sort; fi
}

checkpoints() {
    find "$dir/checkpoints" -name MANIFEST 2>/dev/null | wc -l
}

# Start the job; a reboot after a while, if it still runs.
start_and_kill() {
    "$WEIR" run --quiet "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    draw 400
    sleep "0.$((100 + drawn))"
    reboot checkpoint-test-$$ $runner
}

undisturbed() {
    job "$1" auto
    "$WEIR" run --quiet "$dir/job.yaml" 2>"$dir/err" || bad "undisturbed: status $?"
    result "$1" >"$dir/want"
    [ "$(wc -l <"$dir/want")" -gt 20000 ] || bad "undisturbed: $(wc -l <"$dir/want") rows"
    [ ! -e "$dir/checkpoints" ] || bad "a finished job leaves $(ls "$dir/checkpoints")"
}

is_right() { result "$1" 2>/dev/null | cmp -s - "$dir/want"; }

kills() { # TASKS ENGINE
    round=0
    while [ $round -lt "$rounds" ]; do
        job "$1" "$2"
        seen=0
        kills=0
        # Killed behind the end of its input, a run is complete: another one would begin anew.
        while [ $kills -lt 4 ] && ! is_right "$1"; do
            start_and_kill
            [ "$(checkpoints)" -eq 0 ] || seen=1
            kills=$((kills + 1))
        done
        if is_right "$1"; then
            good
        elif ! "$WEIR" run "$dir/job.yaml" 2>"$dir/err"; then
            bad "$1 tasks, $2: the last run ended with status $?"
        elif is_right "$1"; then
            good
        else
            bad "$1 tasks, $2: another result (checkpoints seen: $seen)"
        fi
        round=$((round + 1))
    done
}

# Of every complete checkpoint: what the tasks of a stage have given is what those of the next have
# taken, to the row; the sources are hours of event time apart in one of them.
cut_of_every_checkpoint() {
    for at in "$dir"/checkpoints/chk-*/MANIFEST; do
        n=${at%/MANIFEST}
        "$WEIR" checkpoint show --json "$dir/checkpoints" "${n##*-}" || return 1
    done >"$dir/cuts"
    python3 - "$dir/cuts" <<'PY'
import json, sys
apart = 0
for line in open(sys.argv[1]):
    stages = []
    for task in json.loads(line)["tasks"]:
        name = task["name"].split("[")[0].strip()
        if not stages or stages[-1][0] != name:
            stages.append([name, 0, 0, []])
        stages[-1][1] += task["rows_in"]
        stages[-1][2] += task["rows_out"]
        stages[-1][3].append(task["watermark_ms"])
    assert len(stages) > 1 and len(stages[0][3]) == 3, stages
    assert stages[0][1] > 0, stages
    for one, other in zip(stages, stages[1:]):
        assert one[2] == other[1], (one, other)
    known = [ms for ms in stages[0][3] if ms is not None]
    apart = max(apart, max(known) - min(known) if known else 0)
print("sources", round(apart / 3600000, 1), "hours apart")
assert apart >= 2 * 3600000, apart
PY
}

# One source of three stands still most of the time, so its channels hold the others' barriers up, and
# rings are small: checkpoints become complete all the same, and the cut is consistent.
skew() {
    made=0 tries=0
    # On a fast machine the job may have come to its end before: then it is no scene.
    while [ $tries -lt 10 ]; do
        tries=$((tries + 1))
        job 3 auto
        sed -i "1i SET 'execution.checkpointing.interval' = '20 ms';" "$dir/job.sql"
        sed -i 's/^memory: .*/memory: {state: 64MiB, reserve: 0%, ring: 64KiB}/' "$dir/job.yaml"
        "$WEIR" run --json "$dir/job.yaml" 2>"$dir/err" &
        runner=$!
        while ! grep -q '"event":"started","task":0' "$dir/err"; do sleep 0.01; done
        slow=$(sed -n 's/.*"event":"started","task":0,"pid":\([0-9]*\).*/\1/p' "$dir/err")
        while kill -0 $runner 2>/dev/null && [ "$(grep -c '"event":"checkpoint"' "$dir/err")" -lt 3 ]; do
            kill -STOP "$slow" 2>/dev/null || break
            sleep 0.05
            kill -CONT "$slow" 2>/dev/null || break
            sleep 0.002
        done
        reboot checkpoint-test-$$ $runner
        made=$(grep -c '"event":"checkpoint"' "$dir/err" || :)
        if [ "$made" -ge 2 ] && ! grep -q '"event":"finished"' "$dir/err"; then break; fi
    done
    if cut_of_every_checkpoint; then good; else bad 'skew: the cut is not one'; fi
    "$WEIR" run "$dir/job.yaml" 2>"$dir/err" || bad "skew: status $?"
    if [ "$made" -ge 2 ] && is_right 3; then good; else bad "skew: $made checkpoints"; fi
}

# A run that has made at least two checkpoints, killed.
interrupted() {
    job 1 auto
    sed -i "s/'format' = 'json'/'format' = 'json', 'source.monitor-interval' = '1 s'/" "$dir/job.sql"
    "$WEIR" run --quiet "$dir/job.yaml" 2>"$dir/err" &
    runner=$!
    while [ "$(checkpoints)" -lt 2 ]; do sleep 0.05; done
    if [ -n "${1:-}" ]; then
        kill "-$1" $runner
        wait $runner 2>/dev/null || :
    else
        reboot checkpoint-test-$$ $runner
    fi
}

# The job that follows its file never ends: let it go on, then stop it.
go_on() {
    timeout -s INT 3 "$WEIR" run "$@" "$dir/job.yaml" 2>"$dir/err" || status=$?
}

damage() {
    interrupted
    newest=$(find "$dir/checkpoints" -name MANIFEST | sort -V | tail -n 1)
    printf 'x' | dd of="$newest" bs=1 seek=40 conv=notrunc 2>/dev/null
    status=0
    go_on
    if grep -q 'CANNOT BE RESTORED' "$dir/err" && grep -q 'going on from checkpoint' "$dir/err"; then
        good
    else
        bad "a damaged manifest: status $status"
    fi
    interrupted
    newest=$(find "$dir/checkpoints" -name MANIFEST | sort -V | tail -n 1)
    newest=$(find "${newest%/*}" -name '*.snap')
    printf 'xyz' | dd of="$newest" bs=1 seek=9000 conv=notrunc 2>/dev/null
    status=0
    go_on
    if grep -q 'CANNOT BE RESTORED.*damaged' "$dir/err"; then good; else bad "a damaged block: $status"; fi
}

refusals() {
    interrupted
    sed -i "s/INTERVAL '1' MINUTE/INTERVAL '2' MINUTE/" "$dir/job.sql"
    status=0
    "$WEIR" run "$dir/job.yaml" 2>"$dir/err" || status=$?
    if [ $status = 78 ] && grep -q "is:.*INTERVAL '2' MINUTE" "$dir/err"; then
        good
    else
        bad "a changed script: status $status"
    fi
    status=0
    go_on --fresh
    if grep -q 'going on' "$dir/err"; then bad "--fresh went on"; else good; fi
    interrupted
    sed -i "s/^job: .*/job: another-$$/" "$dir/job.yaml"
    status=0
    "$WEIR" run "$dir/job.yaml" 2>"$dir/err" || status=$?
    if [ $status = 69 ] && grep -q 'set checkpoint.dir to another folder' "$dir/err"; then
        good
    else
        bad "another job's folder: status $status"
    fi
    status=0
    sed -i "s/^job: .*/job: checkpoint-test-$$/" "$dir/job.yaml"
    "$WEIR" run --from 4711 "$dir/job.yaml" 2>"$dir/err" || status=$?
    if [ $status = 69 ] && grep -q 'no complete checkpoint 4711' "$dir/err"; then
        good
    else
        bad "--from: status $status"
    fi
}

# Ctrl-C: a last checkpoint, all output visible; the next run adds what is new and nothing twice.
stops() {
    interrupted INT
    if ! find "$dir/out" -name '.part*' | grep -q .; then good; else bad "a stop leaves unfinished parts"; fi
    status=0
    go_on
    if grep -q 'stopped at checkpoint' "$dir/err" &&
        [ "$(result 1 | sort | uniq -d | wc -l)" = 0 ]; then
        good
    else
        bad "stop and go on: rows came twice"
    fi
}

for tasks in 1 3; do
    undisturbed $tasks
    kills $tasks io_uring
    kills $tasks pwrite
done
skew
damage
refusals
stops
echo "$passed passed, $failed failed"
[ $failed = 0 ]
