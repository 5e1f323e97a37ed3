#!/bin/sh
# pin.sh: weir pin from outside: what is wrong is told, a job is observed, moved, written and run.
set -u
weir=${WEIR:-build/release/weir}
if [ ! -x "$weir" ]; then
    echo "the command is not built"
    exit 77
fi
folder=$(mktemp -d)
run=
end() {
    [ -z "$run" ] || kill -KILL "$run" 2>/dev/null
    rm -rf "$folder"
}
trap end EXIT
passed=0 failed=0

# expect STATUS TEXT ARGUMENT...: `weir ARGUMENT...` ends with the status, and stdout or stderr holds the text.
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

# is TEXT COMMAND...: the command succeeds.
is() {
    what=$1
    shift
    if "$@" >"$folder/out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "not so: $what"
        cat "$folder/out"
    fi
}

# config NAME [PLACEMENT]
config() {
    printf 'job: test-pin-%s-%s # a job\nsql: job.sql\nmemory: {dir: /dev/shm, state: 64MiB, reserve: 0%%}\n%s' \
        "$1" "$$" 'checkpoint: {interval: none}
' >"$folder/$1.yaml"
    [ $# -lt 2 ] || printf 'placement: {%s}\n' "$2" >>"$folder/$1.yaml"
}
cat >"$folder/job.sql" <<'END'
CREATE TABLE n (id BIGINT, dimension BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t - INTERVAL '4' SECOND)
WITH ('connector' = 'datagen', 'rows-per-second' = '20000', 'fields.id.min' = '1', 'fields.id.max' = '1000',
      'fields.dimension.min' = '1', 'fields.dimension.max' = '3');
CREATE TABLE o (e TIMESTAMP(3), dimension BIGINT, uv BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO o SELECT window_end, dimension, COUNT(DISTINCT id)
FROM TABLE(CUMULATE(TABLE n, DESCRIPTOR(t), INTERVAL '1' MINUTE, INTERVAL '1' HOUR))
GROUP BY window_start, window_end, dimension;
END
config two 'cores: 2'

# The command line.
expect 0 'example' pin --help
expect 64 'which config?' pin
expect 64 'did you mean --topology?' pin --topologie x "$folder/two.yaml"
expect 64 'a value must follow --svg' pin "$folder/two.yaml" --svg
expect 64 'takes 0.05 to 3600, not never' pin --observe=never "$folder/two.yaml"
expect 64 'so they go without --topology' pin --observe --topology pu:2 "$folder/two.yaml"
expect 64 'one config only, not also b' pin a b
expect 78 'cannot be read' pin "$folder/absent.yaml"

# Topologies that are none.
printf '<topology version="2.0"><object type="Machine"' >"$folder/cut.xml"
printf 'nothing' >"$folder/text.xml"
: >"$folder/empty.xml"
for file in cut text empty; do
    expect 78 "$file.xml: " pin --topology "$folder/$file.xml" "$folder/two.yaml"
    is "one message on $file.xml" test "$(wc -l <"$folder/err")" -le 2
done
expect 78 'absent.xml: cannot be read' pin --topology "$folder/absent.xml" "$folder/two.yaml"
expect 78 'is not a topology file' pin --topology "$folder/" "$folder/two.yaml"
expect 78 'neither a topology file nor a description' pin --topology 'pack:2 nothing' "$folder/two.yaml"
expect 78 'weir can place on 1 to 4096' pin --topology 'pu:5000' "$folder/two.yaml"
expect 64 'has no device nvme0n1' pin --topology 'numa:2 core:2' --device nvme0n1 "$folder/two.yaml"
# Every beginning of a recorded file is refused or read, and never ends in a signal.
is 'this host can be recorded' "$weir" pin --record "$folder/here.xml"
expect 0 'here.xml' pin --topology "$folder/here.xml" "$folder/two.yaml"
bytes=$(wc -c <"$folder/here.xml")
crashed=0 part=1
while [ $part -lt 12 ]; do
    head -c $((bytes * part / 12)) "$folder/here.xml" >"$folder/part.xml"
    "$weir" pin --topology "$folder/part.xml" "$folder/two.yaml" >/dev/null 2>&1
    [ $? -le 78 ] || crashed=$((crashed + 1))
    part=$((part + 1))
done
is 'no part of a file ends it by a signal' test $crashed = 0

# Nor does what chance makes of a sound one, though hwloc itself ends so on some (they are tried in a child).
python3 tests/golden/pin/machines.py "$folder" 2>/dev/null
cat >"$folder/mutate.py" <<'END'
import os, random, subprocess, sys, time
folder, weir = sys.argv[1:]
seed = int(os.environ.get("PIN_SEED", time.time()))
chance = random.Random(seed)
sound = open(f"{folder}/laptop-pe.xml", "rb").read()
for number in range(40):
    data = bytearray(sound)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        if chance.randrange(2):
            data[at] = chance.randrange(256)
        else:
            del data[at:at + chance.randint(1, 40)]
    open(f"{folder}/mutant.xml", "wb").write(data)
    done = subprocess.run([weir, "pin", "--topology", f"{folder}/mutant.xml", f"{folder}/two.yaml"],
                          capture_output=True)
    assert done.returncode in (0, 78), f"PIN_SEED={seed}: mutant {number}: {done.returncode}"
END
is 'no mutant of a file ends it by a signal' python3 "$folder/mutate.py" "$folder" "$weir"

# Cores that are not there, or not ours.
config far 'cores: "0,4000"'
expect 78 'core 4000 of this host (' pin "$folder/far.yaml"
config house 'cores: 2, housekeeping: "0-1"'
expect 78 'no core is left for the tasks' pin --topology 'core:2 pu:1' "$folder/house.yaml"
config stale 'cores: 2, tasks: "0,0,0"'
expect 78 'stale.yaml:5:31: placement.tasks names a core for each of 3 tasks, but the plan has 4' \
    check "$folder/stale.yaml"
config away 'cores: 2, tasks: "0,0,0,4000"'
expect 78 'puts task 3 on core 4000, which this process may not use' run "$folder/away.yaml"
expect 0 'cores: 2, tasks: "0,0,0,0"' pin --topology 'core:1 pu:1' "$folder/stale.yaml"
expect 0 'note: 4 tasks on 1 core: the kernel shares each core out among its tasks' pin --topology 'core:1 pu:1' "$folder/two.yaml"

# A plan that has one task, and a picture.
printf "CREATE TABLE n (i BIGINT) WITH ('connector' = 'datagen'); SELECT i FROM n;\n" >"$folder/one.sql"
printf 'job: one\nsql: one.sql\nplacement: {cores: 1}\n' >"$folder/one.yaml"
expect 0 'no channel: nothing to pay for' pin --topology 'core:4' "$folder/one.yaml"
expect 0 'tasks on cores' pin --topology 'pack:2 core:4' --svg "$folder/x.svg" "$folder/two.yaml"
is 'the picture is XML' python3 -c 'import sys, xml.dom.minidom as dom; dom.parse(sys.argv[1])' "$folder/x.svg"
expect 1 'cannot be written' pin --svg "$folder/no/x.svg" "$folder/two.yaml"
expect 1 'cannot be written' pin --record "$folder/no/x.xml"

# A job that does not run.
expect 69 'cannot be observed: it does not run' pin --observe "$folder/two.yaml"
expect 69 'start it: weir run' pin --apply "$folder/two.yaml"

# Written, checked, run as written; observed and moved while it runs.
config live
is 'it is written' "$weir" pin --write "$folder/live.yaml"
is 'the comment stays' grep -q '# a job' "$folder/live.yaml"
expect 0 'ok' check "$folder/live.yaml"
expect 0 'nothing to write: the config says so already' pin --write "$folder/live.yaml"
is 'nothing is left beside it' test "$(find "$folder" -name 'live.yaml*' | wc -l)" = 1
"$weir" run --json "$folder/live.yaml" >/dev/null 2>"$folder/live.err" </dev/null &
run=$!
tries=0
until "$weir" pin --json --observe=0.1 "$folder/live.yaml" 2>/dev/null |
    python3 -c 'import json, sys; exit(json.load(sys.stdin)["traffic"]["rows_in_s"] <= 0)' 2>/dev/null ||
    [ $tries -ge 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
cat >"$folder/look.py" <<'END'
"""The tasks run where the config says; what they send is observed; they are moved without an end."""
import json, os, re, subprocess, sys
weir, config, run = sys.argv[1], sys.argv[2], int(sys.argv[3])

def pin(*options):
    return json.loads(subprocess.run([weir, "pin", "--json", *options, config], check=True, capture_output=True).stdout)

def tasks():
    found = {}
    for child in open(f"/proc/{run}/task/{run}/children").read().split():
        words = open(f"/proc/{child}/cmdline").read().split("\0")
        if "task" in words and "--spare" not in words:
            found[child] = sorted(os.sched_getaffinity(int(child)))
    return found

written = re.search(r'tasks: "([^"]*)"', open(config).read()).group(1)
before = tasks()
cores = []
for part in written.split(","):
    first, _, last = part.partition("-")
    cores += range(int(first), int(last or first) + 1)
assert sorted([core] for core in cores) == sorted(before.values()), (cores, before)
answer = pin("--observe=1")
plan = len(answer["tasks"])
wanted = answer["placement"]["cores"]
assert answer["before"] == "observed" and answer["traffic"]["is_observed"], answer["before"]
assert answer["traffic"]["rows_in_s"] > 1000, answer["traffic"]
if plan > 1:
    assert sum(channel["bytes_s"] for channel in answer["channels"]) > 1000, answer["channels"]
assert all(0 <= task["share"] <= 1 for task in answer["tasks"])
moved = pin("--apply", "--observe=0.5")["applied"]
assert moved["after"]["rows_in_s"] > 1000, moved
assert len(moved["tasks"]) == plan
assert os.path.exists(f"/proc/{run}"), "the run has ended"
print(written, wanted, before, moved["before"], moved["after"])
END
is 'it is observed and moved' python3 "$folder/look.py" "$weir" "$folder/live.yaml" "$run"
cat "$folder/out"
kill -TERM "$run"
wait "$run"
is 'the job has ended well' test $? = 0
run=
is 'nothing died on the way' sh -c "! grep -q '\"event\":\"died\"' '$folder/live.err'"
[ "$failed" = 0 ] || grep -v '"event":"progress"' "$folder/live.err"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
