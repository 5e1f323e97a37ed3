#!/bin/sh
# checkpoint_tools.sh: weir checkpoint and weir doctor from outside: the textbook job as its README
# has it, a job of several tasks with distinct counts, damaged files, mistakes on the command line.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
root=$(pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# expect STATUS TEXT ARGUMENT...: weir ends with the status, and stdout or stderr holds the text.
expect() {
    wanted=$1 text=$2
    shift 2
    status=0
    "$WEIR" "$@" >"$dir/out" 2>"$dir/err" </dev/null || status=$?
    if [ "$status" = "$wanted" ] && cat "$dir/out" "$dir/err" | grep -qF -e "$text"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL weir $*: status $status instead of $wanted, or no '$text' in:"
        cat "$dir/out" "$dir/err"
    fi
}

# is TEXT: the output of the last command has it too.
is() {
    if cat "$dir/out" "$dir/err" | grep -qF -e "$1"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL no '$1' in:"
        cat "$dir/out" "$dir/err"
    fi
}

# complete_of FOLDER COUNT: wait until so many checkpoints are complete there.
complete_of() {
    tries=0
    while [ "$(find "$1" -name MANIFEST 2>/dev/null | wc -l)" -lt "$2" ] && [ $tries -lt 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}

# The page's commands, pasted as they are, in a tree of their own.
textbook() {
    page=docs/examples/running-sum
    mkdir -p "$dir/tree/build/release" "$dir/tree/$page"
    ln -s "$WEIR" "$dir/tree/build/release/weir"
    cp "$root/$page"/numbers.* "$dir/tree/$page"
    sed -i "s/^job: .*/job: running-sum-$$/" "$dir/tree/$page/numbers.yaml"
    # shellcheck disable=SC2016 # backquotes of Markdown
    sed -n '/^```sh$/,/^```$/p' "$root/$page/README.md" | sed '/^```/d' >"$dir/tree/paste.sh"
    status=0
    (cd "$dir/tree" && sh -u paste.sh >"$dir/out" 2>"$dir/err") || status=$?
    is 'source numbers: offset 7, next n is 7; 6 rows made'
    is 'SUM(n): sum 21 count 6'
    is 'sink sums: committed: 122 bytes of part 0'
    is '6 rows in, 5 out'
    # A full snapshot between two increments: what differs is counted, not what the full one holds.
    tools="$dir/tree/build/running-sum/checkpoints"
    full=$("$WEIR" checkpoint list "$tools" | awk '$0 ~ / full / && $1 > 1 { print $1; exit }')
    expect 0 ' differ (' checkpoint diff "$tools" $((full - 1)) $((full + 1))
    differ=$(sed -n 's/^  blocks: \([0-9]*\) differ.*/\1/p' "$dir/out")
    expect 0 'snapshot ' checkpoint show "$tools" "$full"
    whole=$(sed -n 's/^  snapshot .*: \([0-9]*\) blocks.*/\1/p' "$dir/out")
    if [ "$differ" -ge 1 ] && [ "$differ" -lt "$whole" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL diff across a full snapshot: $differ blocks differ of $whole"
    fi
    expect 0 '"SUM(n)":{"sum":21,"count":6}' checkpoint show --json \
        "$dir/tree/build/running-sum/checkpoints" \
        "$("$WEIR" checkpoint list "$dir/tree/build/running-sum/checkpoints" | awk '$NF == 6 { print $1; exit }')"
}

# Three tasks, distinct counts; a stop makes the last checkpoint, after all 5 rows.
distinct() {
    cat >"$dir/rows.json" <<'END'
{"id": "a", "dimension": "home", "at": "2024-01-01 00:00:10"}
{"id": "b", "dimension": "home", "at": "2024-01-01 00:00:20"}
{"id": "a", "dimension": "home", "at": "2024-01-01 00:00:30"}
{"id": "c", "dimension": "shop", "at": "2024-01-01 00:00:40"}
{"id": "d", "dimension": "shop", "at": "2024-01-01 00:00:50"}
END
    cat >"$dir/uv.sql" <<SQL
SET 'parallelism.default' = '2';
CREATE TABLE person (id STRING, dimension STRING, at TIMESTAMP(3), WATERMARK FOR at AS at)
WITH ('connector' = 'filesystem', 'path' = '$dir/rows.json', 'format' = 'json',
  'source.monitor-interval' = '1 s');
CREATE TABLE points (dimension STRING, uv BIGINT)
WITH ('connector' = 'filesystem', 'path' = '$dir/points', 'format' = 'csv');
INSERT INTO points SELECT dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(at), INTERVAL '1' DAY))
GROUP BY window_start, window_end, dimension;
SQL
    cat >"$dir/uv.yaml" <<YAML
job: checkpoint-tools-$$
sql: uv.sql
memory: {state: 64MiB, reserve: 0%}
checkpoint: {interval: 200ms, dir: checkpoints, retain: 20}
YAML
    "$WEIR" run --verbose "$dir/uv.yaml" >"$dir/run.out" 2>"$dir/run.err" &
    runner=$!
    complete_of "$dir/checkpoints" 4
    kill -INT $runner
    wait $runner || :
    if grep -q 'weir: checkpoint 2: .* ms, .*; task 0: aligned .* ms, wrote .* ms; task 1:' "$dir/run.err"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL --verbose:"
        cat "$dir/run.err"
    fi
    timeout -s INT 1.5 "$WEIR" run --json "$dir/uv.yaml" >"$dir/out" 2>"$dir/err" || :
    is '"kind":"increment","tasks":[{"align_ms":'
    expect 0 'increment' checkpoint list "$dir/uv.yaml"
    expect 0 '"state":"complete"' checkpoint list --json "$dir/checkpoints"
    expect 0 "$dir/rows.json" checkpoint show "$dir/uv.yaml"
    is 'sink points: committed'
    is 'COUNT(DISTINCT id): distinct 2'
    expect 0 '; 0 damaged' checkpoint verify "$dir/uv.yaml"
    expect 0 'from checkpoint 1 to 3' checkpoint diff "$dir/uv.yaml" 3 1
    expect 0 '"dimension":"home"' checkpoint export --bitmaps "$dir/bitmaps" "$dir/uv.yaml"
    # Ids are numbered by shard, so the sizes of the files add up to the distinct counts.
    if python3 - "$dir/out" "$dir/bitmaps" <<'PY'
import json, struct, sys
totals = {}
for line in open(sys.argv[1]):
    group = json.loads(line)
    for name, bitmap in group.get("bitmaps", {}).items():
        data = open(sys.argv[2] + "/" + bitmap["file"], "rb").read()
        cookie, size = struct.unpack_from("<II", data)
        assert cookie == 12346 and bitmap["bits"] == 32, data
        cardinality = sum(struct.unpack_from("<H", data, 8 + 4 * i + 2)[0] + 1 for i in range(size))
        assert group["accumulators"][name]["distinct"] == cardinality, group
        key = group["key"]["dimension"]
        totals[key] = totals.get(key, 0) + cardinality
assert totals == {"home": 2, "shop": 2}, totals
PY
    then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL bitmaps"; fi
}

# A source of many columns has more to say than fits into the report in shared memory; sinks without
# files have a line, too.
wide() {
    columns='' options='' sum=0
    for i in $(seq 60); do
        sum="$sum + a_column_with_a_long_name_$i"
        columns="$columns, a_column_with_a_long_name_$i BIGINT"
        options="$options, 'fields.a_column_with_a_long_name_$i.kind' = 'sequence',
  'fields.a_column_with_a_long_name_$i.start' = '1', 'fields.a_column_with_a_long_name_$i.end' = '1000000'"
    done
    cat >"$dir/wide.sql" <<SQL
CREATE TABLE wide (${columns#, }) WITH ('connector' = 'datagen', 'rows-per-second' = '20'$options);
CREATE TABLE seen (n BIGINT) WITH ('connector' = '$1');
INSERT INTO seen SELECT $sum AS n FROM wide;
SQL
    cat >"$dir/wide.yaml" <<YAML
job: checkpoint-wide-$$
sql: wide.sql
memory: {state: 64MiB, reserve: 0%}
checkpoint: {interval: 200ms, dir: wide.checkpoints}
placement: {cores: 1}
YAML
    rm -rf "$dir/wide.checkpoints" # those of the run before would be counted
    "$WEIR" run "$dir/wide.yaml" >"$dir/wide.out" 2>"$dir/run.err" &
    runner=$!
    complete_of "$dir/wide.checkpoints" 2
    kill -INT $runner
    wait $runner || :
    rows=$(wc -l <"$dir/wide.out")
    expect 0 ", next a_column_with_a_long_name_60 is " checkpoint show "$dir/wide.yaml"
    is "next a_column_with_a_long_name_1 is "
    [ "$1" = blackhole ] || is "sink seen: committed: $rows rows, written to stdout"
    [ "$1" = print ] || is ' rows, dropped'
    expect 0 "\"connector\":\"$1\"" checkpoint show --json "$dir/wide.yaml"
    if find "$dir/wide.checkpoints" -name '*.positions' | grep -q .; then
        failed=$((failed + 1))
        echo "FAIL files of positions are left"
    fi
}

# The page about the format is true of what a job writes.
page() {
    if python3 "$root/tests/golden/checkpoint_reader.py" check "$dir/checkpoints"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL docs/checkpoint-format.md"
    fi
}

# A changed byte in a block, then one in a manifest, then a file that is gone.
damaged() {
    newest=$(find "$dir/checkpoints" -name MANIFEST | sort -V | tail -n 1)
    number=${newest%/MANIFEST}
    number=${number##*-}
    victim=$(find "${newest%/*}" -name '*.snap' | sort | head -n 1)
    cp -r "$dir/checkpoints" "$dir/sound"
    printf 'xyz' | dd of="$victim" bs=1 seek=9000 conv=notrunc 2>/dev/null
    expect 1 'is damaged (its checksum)' checkpoint verify "$dir/checkpoints"
    is "$victim"
    is "checkpoint $number: damaged"
    is '; 1 damaged'
    expect 1 "checkpoint $number: damaged" checkpoint verify "$dir/checkpoints" "$number"
    expect 0 'checkpoint 2: sound' checkpoint verify "$dir/checkpoints" 2
    expect 1 'is damaged' checkpoint export "$dir/checkpoints"
    expect 0 'state: ' checkpoint show "$dir/checkpoints"
    truncate -s 4096 "$victim"
    expect 0 '4096 bytes instead of' checkpoint list "$dir/checkpoints"
    rm "$victim"
    expect 0 'is gone' checkpoint list --json "$dir/checkpoints"
    expect 1 'cannot open' checkpoint verify "$dir/checkpoints"
    printf 'x' | dd of="$newest" bs=1 seek=40 conv=notrunc 2>/dev/null
    expect 1 'the manifest is damaged' checkpoint verify "$dir/checkpoints"
    expect 0 '"state":"damaged"' checkpoint list --json "$dir/checkpoints"
    rm "$newest"
    expect 0 'incomplete' checkpoint list "$dir/checkpoints"
    rm -rf "$dir/checkpoints"
    mv "$dir/sound" "$dir/checkpoints"
}

mistakes() {
    expect 64 'which verb?' checkpoint
    expect 64 "did you mean 'list'?" checkpoint lst "$dir/uv.yaml"
    expect 64 'which job?' checkpoint show
    expect 64 'unknown option' checkpoint verify --json "$dir/uv.yaml"
    expect 64 'a folder must follow' checkpoint export "$dir/uv.yaml" --bitmaps
    expect 64 'not a number of a checkpoint' checkpoint show "$dir/uv.yaml" newest
    expect 64 'two checkpoints' checkpoint diff "$dir/uv.yaml" 1
    expect 64 'one argument too many' checkpoint list "$dir/uv.yaml" 1
    expect 69 'no complete checkpoint 4711' checkpoint verify "$dir/uv.yaml" 4711
    expect 69 'has no checkpoints' checkpoint list "$dir"
    expect 78 'cannot be read' checkpoint list "$dir/absent.yaml"
    expect 0 'usage: weir checkpoint list' checkpoint --help
    expect 0 'example' help checkpoint
}

doctor() {
    for line in kernel 'snapshot engine' 'locked memory' memory.dir 'huge pages' checkpoint.dir O_DIRECT fsync; do
        expect 0 "$line" doctor "$dir/uv.yaml"
    done
    expect 0 '"usable":true' doctor --json
    expect 0 'example' doctor --help
    expect 78 'cannot be read' doctor "$dir/absent.yaml"
    sed 's|^checkpoint: .*|checkpoint: {dir: /proc/1/no}|' "$dir/uv.yaml" >"$dir/broken.yaml"
    expect 69 'BROKEN checkpoint.dir' doctor "$dir/broken.yaml"
    if find "$dir" -name '.weir-doctor*' | grep -q .; then
        failed=$((failed + 1))
        echo "FAIL doctor leaves files"
    fi
}

# A limit of the size of files is an error with words, not a signal.
limited() {
    status=0
    (ulimit -f 20000 && exec "$WEIR" run --fresh "$dir/uv.yaml") >"$dir/out" 2>"$dir/err" || status=$?
    is 'File too large'
    [ $status = 69 ] || { failed=$((failed + 1)) && echo "FAIL ulimit -f: status $status"; }
}

distinct
page
wide print
wide blackhole
damaged
limited
mistakes
doctor
textbook
echo "$passed passed, $failed failed"
[ $failed = 0 ]
