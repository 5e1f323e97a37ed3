#!/bin/sh
# bad_rows.sh: rows that are cut off, binary, 10 MB long, of impossible values or too many columns: the
# good rows around them are counted, each bad one is put aside with its reason and its byte offset,
# under each policy, as one task and as several.
set -u
# shellcheck source=/dev/null
. "$(dirname "$0")/bad_support.inc"
weir=${weir:?}
small='memory: {state: 64MiB, reserve: 0%}'

cat >make.py <<'PY'
# Writes in.json and in.csv; good.* are the numbers of the rows that must be counted.
deep = b"[" * 100000 + b"]" * 100000
ts = b',"ts":"2024-01-01 00:00:00"}\n'
json = [  # (is it good, bytes)
    (1, b'{"id":1,"name":"first","ts":"2024-01-01 00:00:01"}\n'),
    (0, b'{"id":2,"name":"cut off\n'),
    (0, b'{"id":2,"na\n'),
    (0, b"\x00\x01\x02\xff\xfe\x80\n"),
    (1, b'{"id":3,"name":"' + b"a" * 10_000_000 + b'"' + ts),
    (0, b'{"id":4,"name":"\xff\xfe"' + ts),
    (1, b'{"id":5,"name":"x","ts":"1902-01-01 00:00:00"}\n'),
    (1, b'{"id":6,"name":"x","ts":"2999-12-31 23:59:59.999"}\n'),
    (0, b'{"id":7,"name":"x","ts":"0000-01-01 00:00:00"}\n'),
    (1, b'{"id":8,"name":"x","ts":"9999-12-31 23:59:59.999"}\n'),
    (0, b'{"id":9,"name":"x","ts":"2024-02-30 00:00:00"}\n'),
    (0, b'{"id":9223372036854775808,"name":"x"' + ts),
    (1, b'{"id":9223372036854775807,"name":"x"' + ts),
    (0, b'{"id":"ten","name":"x"' + ts),
    (1, b'{"id":10,"name":"nul\x00byte"' + ts),  # Flink takes control characters too
    (1, b'{"id":11,"name":"nul\\u0000escape"' + ts),
    (1, b'\n\r\n\n{"id":12,"id":13,"name":"twice"' + ts),
    (0, b'{"id":14,"deep":' + deep + b',"name":"x"' + ts),
    (1, b'{"id":15,"deep":' + b"[" * 900 + b"]" * 900 + b',"name":"x"' + ts),
    (0, b"[1,2]\n"),
    (0, b"null\n"),
    (0, b'{"id":16,"name":"half \\ud800 pair"' + ts),
    (0, b'{"id":17,"name":"x"} more\n'),
    (0, b'{"id":18,"name":"' + b"b" * 17_000_000 + b'"' + ts),
    (1, b'{"id":19,"name":"crlf","ts":null}\r\n'),
    (1, b'{"id":20,"name":"no line end","ts":"2024-01-01 00:00:00"}'),
]
csv = [
    (1, b"1,first,2024-01-01 00:00:01\n"),
    (0, b"2,too few\n"),
    (0, b"3,too many,2024-01-01 00:00:03,x\n"),
    (0, b"x,no number,2024-01-01 00:00:00\n"),
    (0, b"\x00\x01\x02\xff\xfe\x80\n"),
    (0, b"4,\xff\xfe,2024-01-01 00:00:00\n"),
    (1, b"\n\r\n5,after blank lines,2024-01-01 00:00:05\r\n"),
    (1, b'6,"two\nlines",2024-01-01 00:00:06\n'),
    (1, b'7,"a ""quote""",1902-01-01 00:00:00\n'),
    (1, b"8,x,2999-12-31 23:59:59.999\n"),
    (0, b"9,x,0000-01-01 00:00:00\n"),
    (0, b"9223372036854775808,x,2024-01-01 00:00:00\n"),
    (1, b"10," + b"a" * 10_000_000 + b",2024-01-01 00:00:00\n"),
    (0, b'11,"x"y,2024-01-01 00:00:00\n'),
    (0, b"12," + b"b" * 17_000_000 + b",2024-01-01 00:00:00\n"),
    (1, b"13,nul\x00byte,2024-01-01 00:00:00\n"),
    (1, b"14,,2024-01-01 00:00:00\n"),
    (1, b"15,no line end,2024-01-01 00:00:00"),
]
for name, rows in ("json", json), ("csv", csv):
    with open("in." + name, "wb") as f:
        f.write(b"\xef\xbb\xbf" + b"".join(row for good, row in rows))
    with open("count." + name, "w") as f:
        print(sum(good for good, row in rows), sum(not good for good, row in rows), file=f)
PY
python3 make.py

cat >look.py <<'PY'
# look.py FOLDER COUNT FILE: so many dead letters, each with a reason, and its row at its offset.
import glob, json, sys
folder, count, name = sys.argv[1:]
data = open(name, "rb").read()
letters = [json.loads(line) for f in glob.glob(folder + "/*") for line in open(f, "rb")]
assert len(letters) == int(count), (len(letters), count)
assert len({l["offset"] for l in letters}) == len(letters)
for l in letters:
    assert l["reason"] and l["source"] == name, l
    row = l["row"].replace("\ufffd", "").encode()[:20]
    there = data[l["offset"] : l["offset"] + 200]
    kept = bytes(b for b in there if b < 0x80)
    assert kept.startswith(row) and row, (l["offset"], row, there[:40])
PY

ddl="CREATE TABLE t (id BIGINT, name STRING, ts TIMESTAMP(3)) WITH ('connector' = 'filesystem'"
for format in json csv; do
    read -r good bad <count.$format
    for cores in 1 2; do
        name=$format$cores
        job $name "$ddl, 'path' = 'in.$format', 'format' = '$format');
SELECT id, CHAR_LENGTH(name), ts FROM t;" "placement: {cores: $cores}
$small"
        expect 0 "$good rows in, $good rows out, $bad bad (see" run $name.yaml
        [ "$(wc -l <out)" = "$good" ] && holds out ', 10000000, 2024' '1902-01-01T00:00' \
            '2999-12-31T23:59:59.999' '+I[1, 5, 2024-01-01T00:00:01]'
        verdict "$name: the good rows are there" $?
        python3 look.py "bad-$name-$$.dead" "$bad" in.$format >both 2>&1
        verdict "$name: the bad rows are told: $(tail -1 both)" $?
    done
    # skip counts and keeps nothing; fail names the first one.
    job skip "$ddl, 'path' = 'in.$format', 'format' = '$format', 'bad-rows' = 'skip');
SELECT id, CHAR_LENGTH(name), ts FROM t;"
    expect 0 "$good rows in, $good rows out, $bad bad, 0 late" run skip.yaml
    [ ! -e "bad-skip-$$.dead" ]
    verdict 'skip writes no dead letters' $?
    job fail "$ddl, 'path' = 'in.$format', 'format' = '$format');
SELECT id FROM t;" "recovery: {bad_rows: fail}
$small"
    expect 1 "in.$format, offset " run fail.yaml
    also "the policy for bad rows is 'fail'"
    [ ! -e "bad-fail-$$.dead" ]
    verdict 'fail writes no dead letters' $?
done
also 'the row has 2 fields, the table has 3' '2,too few'

# Precedence: the table's option over SET over the config; ignore-parse-errors means skip.
job option "SET 'bad-rows' = 'fail';
$ddl, 'path' = 'in.csv', 'format' = 'csv', 'bad-rows' = 'skip'); SELECT * FROM t;" \
    "recovery: {bad_rows: dead-letter}
$small"
expect 0 "$bad bad, 0 late" run option.yaml
job set "SET 'bad-rows' = 'skip';
$ddl, 'path' = 'in.csv', 'format' = 'csv'); SELECT * FROM t;" "recovery: {bad_rows: fail}
$small"
expect 0 "$bad bad, 0 late" run set.yaml
job ignore "$ddl, 'path' = 'in.csv', 'format' = 'csv', 'csv.ignore-parse-errors' = 'true');
SELECT id FROM t;"
expect 0 'bad, 0 late' run ignore.yaml
[ ! -e "bad-ignore-$$.dead" ]
verdict 'ignore-parse-errors writes no dead letters' $?

# Rows that go bad behind the reader carry their place and their text too: a calculation, a NULL event
# time (Flink ends the job there; 'fail' does), a NULL for a NOT NULL column.
{
    printf '\n{"id":1,"name":"1","ts":"2024-01-01 00:00:00"}\n\n{"id":0,"name":"2","ts":"2024-01-01 00:00:00"}\n'
    printf 'bad\n\n{"id":2,"name":"x","ts":"2024-01-01 00:00:00"}\r\n{"id":3,"name":"3"}\n{"id":5,"name":"4","ts":"2024-01-01 00:00:02"}\n'
} >late.json
late="CREATE TABLE t (id BIGINT, name STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'late.json', 'format' = 'json');"
job late "$late SELECT 10 / id, CAST(name AS INT) FROM t;"
expect 0 '5 rows in, 2 rows out, 4 bad' run late.yaml
rows '+I[10, 1]' '+I[2, 4]'
python3 look.py "bad-late-$$.dead" 4 late.json >both 2>&1
verdict "late: $(tail -1 both)" $?
cat "bad-late-$$.dead"/* >both
also 'division by zero' 'a CAST failed' 'the event time is NULL' 'is no JSON object'
job nulltime "SET 'bad-rows' = 'fail'; $(printf '%s' "$late" | sed "s/late.json/null.json/") SELECT id FROM t;"
sed -n '/"id":3/p' late.json >null.json
expect 1 'null.json, offset 0: the event time is NULL' run nulltime.yaml
windowed="SELECT window_end, SUM(id) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY window_start, window_end"
job window "$late SELECT 10 / (s - 3) AS q FROM ($windowed);"
expect 0 '3 bad' run window.yaml
job behind "$late SELECT 10 / (s - 3) AS q FROM ($windowed);" "placement: {cores: 2}
$small"
sed -i 's/"id":5/"id":3/' late.json
expect 0 '4 bad' run behind.yaml
cat "bad-behind-$$.dead"/* >both
also '"offset":null,"row":"+I['
sed -i 's/"id":3,"name":"4"/"id":5,"name":"4"/' late.json

notnull="CREATE TABLE o (id BIGINT NOT NULL, n BIGINT NOT NULL) WITH ('connector' = 'print');
INSERT INTO o SELECT id, CASE WHEN name = 'x' THEN CAST(NULL AS BIGINT) ELSE id END FROM t;"
job notnull "$late $notnull"
expect 1 "column 'n' of table 'o' is NOT NULL, but a NULL would be written: +I[2, null]" run notnull.yaml
also "SET 'table.exec.sink.not-null-enforcer' = 'drop'" 'COALESCE'
job drop "SET 'table.exec.sink.not-null-enforcer' = 'drop'; $late $notnull"
expect 0 '3 rows out, 3 bad' run drop.yaml
rows '+I[1, 1]' '+I[0, 0]' '+I[5, 5]'
cat "bad-drop-$$.dead"/* >both
also "column 'n' of table 'o' is NOT NULL"

# Dead letters of a later run go behind those that are there.
before=$(cat "bad-drop-$$.dead"/* | wc -l)
expect 0 '3 bad' run drop.yaml
[ "$(cat "bad-drop-$$.dead"/* | wc -l)" = $((before * 2)) ]
verdict 'a second run appends its dead letters' $?

# Event times at the ends of the calendar: with a watermark far enough behind, every row is in its
# window; with a near one, what comes after a row of 2999 is late and counted, as in Flink.
i=0
for ts in '2024-01-01 00:00:01' '1902-01-01 00:00:01' '0001-01-01 00:00:00' '2024-01-01 00:00:02' \
    '2999-12-31 23:59:59.999' '2024-01-01 00:00:03' '9999-12-31 23:59:59.999' '2024-01-01 00:00:04'; do
    i=$((i + 1))
    echo "{\"id\":$i,\"ts\":\"$ts\"}"
done >ends.json
ends() {
    job ends "CREATE TABLE t (id BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL $1)
WITH ('connector' = 'filesystem', 'path' = 'ends.json', 'format' = 'json');
SELECT window_start, COUNT(DISTINCT id) FROM TABLE($2) GROUP BY window_start, window_end;"
}
tumble="TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)"
ends "'9000' YEAR(4)" "$tumble"
expect 0 '8 rows in, 5 rows out, 0 bad, 0 late' run ends.yaml
rows '+I[0001-01-01T00:00, 1]' '+I[1902-01-01T00:00, 1]' '+I[2024-01-01T00:00, 4]' \
    '+I[2999-12-31T00:00, 1]' '+I[9999-12-31T00:00, 1]'
ends "'1' SECOND" "$tumble"
expect 0 '8 rows in, 3 rows out, 0 bad, 4 late' run ends.yaml
rows '+I[2024-01-01T00:00, 2]' '+I[2999-12-31T00:00, 1]' '+I[9999-12-31T00:00, 1]'
ends "'9000' YEAR(4)" "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '1' DAY)"
expect 0 '0 bad, 0 late' run ends.yaml
[ "$(grep -c '^+I\[2024-01-01T00:00, 4\]$' out)" = 1440 ] && [ "$(grep -c '^+I\[1902-01-01T00:00, 1\]$' out)" = 1440 ]
verdict 'CUMULATE emits every point of the days that have rows, and of no other' $?
ends "'9000' YEAR(4)" "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '12' HOUR, INTERVAL '1' DAY)"
expect 0 '8 rows in, 10 rows out, 0 bad, 0 late' run ends.yaml

# A row that no transaction of so small a memory can hold is a bad one; the others are printed.
job tight "$ddl, 'path' = 'in.csv', 'format' = 'csv'); SELECT * FROM t;" 'memory: {state: 16MiB, reserve: 0%}'
expect 0 "$((good - 1)) rows out, $((bad + 1)) bad" run tight.yaml
cat "bad-tight-$$.dead"/* >both
also 'what it causes does not fit into a transaction; memory.state would have to be higher'

# Killed again and again while half of the rows are bad: each dead letter once, each good row once.
seq 200000 | awk '{ if ($1 % 2) print "{\"id\":" $1 "}"; else print "bad " $1 }' >half.json
job killed "CREATE TABLE t (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'half.json', 'format' = 'json');
CREATE TABLE o (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'killed', 'format' = 'csv');
INSERT INTO o SELECT id FROM t;" "placement: {cores: 2}
$small"
tries=0 hits=0
while [ $hits = 0 ] && [ $tries -lt 20 ]; do # a kill can come too late
    tries=$((tries + 1))
    rm -rf killed "bad-killed-$$.dead"
    "$weir" run killed.yaml >out 2>err </dev/null &
    pid=$!
    while kill -0 $pid 2>/dev/null && ! pgrep -P $pid >/dev/null; do :; done
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        pkill -9 -P $pid
        sleep 0.03
    done
    wait $pid
    status=$?
    grep -q ', 0 restarts' err || hits=1
done
cat err >both
[ $hits -gt 0 ] && [ "$status" = 0 ] && holds both '100,000 rows in, 100,000 rows out, 100,000 bad'
verdict "killed with bad rows: status $status, $(tail -n 1 err)" $?
seq 1 2 200000 >want && cat killed/part-* | sort -n | cmp - want
verdict 'each good row once' $?
seq 2 2 200000 >want && sed 's/.*"row":"bad \([0-9]*\)"}/\1/' "bad-killed-$$.dead"/* | sort -n | cmp - want
verdict 'each dead letter once' $?

# A file that is cut, and one that is removed, while a bounded job is busy with its first rows: what is
# there is read; what is gone is said. The reader of a pipe holds the job up until it has happened.
mkdir shrinking
seq 400000 | sed 's/.*/{"id":&}/' >shrinking/a.json
echo '{"id":0}' >shrinking/b.json
job cut "CREATE TABLE t (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'shrinking', 'format' = 'json'); SELECT id FROM t;"
mkfifo pipe
timeout 60 "$weir" run cut.yaml >pipe 2>err </dev/null &
pid=$!
exec 3<pipe
read -r first <&3 # it has begun
printf '{"id":1}\n' >shrinking/a.json
{ echo "$first" && cat <&3; } >out
wait $pid
status=$?
exec 3<&-
cat err >both
[ $status = 0 ] && holds both 'shrinking/a.json became shorter while it was read' ' finished: ' && grep -qx '+I\[0\]' out
verdict "cut while it was read: status $status" $?
seq 400000 | sed 's/.*/{"id":&}/' >shrinking/a.json
timeout 60 "$weir" run cut.yaml >pipe 2>err </dev/null &
pid=$!
exec 3<pipe
read -r first <&3 # it has begun
rm shrinking/b.json
{ echo "$first" && cat <&3; } >out
wait $pid
status=$?
exec 3<&-
cat err >both
[ $status = 1 ] && holds both 'cannot open shrinking/b.json: No such file or directory' '400,000 rows out'
verdict "removed before it was read: status $status" $?
finish
