#!/bin/sh
# bad_sink.sh: what sinks write, byte for byte; what each takes and refuses; parts and folders.
set -u
# shellcheck source=/dev/null
. "$(dirname "$0")/bad_support.inc"
weir=${weir:?}
cat >in.json <<'J'
{"id":1,"name":"a,\"b\"","d":1.5,"b":true,"ts":"2024-01-01 00:00:01","day":"2024-01-02","z":"2024-01-01 00:00:01Z"}
{"id":2,"name":"ü\n€𝄞\\","d":1e10,"b":false,"ts":"2024-01-01 00:00:02.5"}
{"id":3,"name":"","d":-0.0,"ts":"2024-01-01 00:01:02.25"}
{"id":4}
J
columns="(id BIGINT, name STRING, d DOUBLE, b BOOLEAN, ts TIMESTAMP(3), \`day\` DATE, z TIMESTAMP_LTZ(3))"
source="CREATE TABLE t $columns WITH ('connector' = 'filesystem', 'path' = 'in.json', 'format' = 'json');"

# written OPTIONS: run the copy into a new folder `parts`; its bytes in the file got.
written() {
    rm -rf parts
    job copy "$source CREATE TABLE o $columns WITH ('connector' = 'filesystem', 'path' = 'parts', $1);
INSERT INTO o SELECT * FROM t;"
    expect 0 '4 rows in, 4 rows out' run copy.yaml
    cat parts/part-* >got
    cmp got wanted
    verdict "bytes of $1" $?
    [ -z "$(find parts -name '.*' -type f)" ]
    verdict 'no part is left in progress' $?
}
cat >wanted <<'W'
1,"a,""b""",1.5,true,"2024-01-01 00:00:01",2024-01-02,"2024-01-01 00:00:01Z"
2,"ü
€𝄞\",1.0E10,false,"2024-01-01 00:00:02.5",,
3,,-0.0,,"2024-01-01 00:01:02.25",,
4,,,,,,
W
written "'format' = 'csv'"
# What was written reads back as what it was (csv: an empty string as itself, a NULL number as NULL).
job back "CREATE TABLE t $columns WITH ('connector' = 'filesystem', 'path' = 'parts', 'format' = 'csv');
CREATE TABLE o $columns WITH ('connector' = 'filesystem', 'path' = 'again', 'format' = 'csv');
INSERT INTO o SELECT * FROM t;"
expect 0 '4 rows in, 4 rows out, 0 bad' run back.yaml
cat again/part-* | cmp - wanted
verdict 'csv reads back' $?
cat >wanted <<'W'
1;'a,"b"';1.5;true;'2024-01-01 00:00:01';'2024-01-02';'2024-01-01 00:00:01Z'
2;'ü
€𝄞\';1.0E10;false;'2024-01-01 00:00:02.5';-;-
3;;-0.0;-;'2024-01-01 00:01:02.25';-;-
4;-;-;-;-;-;-
W
written "'format' = 'csv', 'csv.field-delimiter' = ';', 'csv.quote-character' = '''', 'csv.null-literal' = '-'"
cat >wanted <<'W'
{"id":1,"name":"a,\"b\"","d":1.5,"b":true,"ts":"2024-01-01 00:00:01","day":"2024-01-02","z":"2024-01-01 00:00:01Z"}
{"id":2,"name":"ü\n€𝄞\\","d":1.0E10,"b":false,"ts":"2024-01-01 00:00:02.5","day":null,"z":null}
{"id":3,"name":"","d":-0.0,"b":null,"ts":"2024-01-01 00:01:02.25","day":null,"z":null}
{"id":4,"name":null,"d":null,"b":null,"ts":null,"day":null,"z":null}
W
written "'format' = 'json'"
sed 's/^/{"before":null,"after":/; s/$/,"op":"c"}/' wanted >w && mv w wanted
written "'format' = 'debezium-json'"
sed 's/"[a-z]*":null,//g; s/,"[a-z]*":null//g; s/^{"after"/{"before":null,"after"/' wanted >w
sed 's/{"before":null,"after"://; s/,"op":"c"}//' w >wanted
written "'format' = 'json', 'json.encode.ignore-null-fields' = 'true'"

# Parts: finished by size, numbered on by a later run, never written over.
job roll "CREATE TABLE t (i BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '100000', 'rows-per-second' = '0',
  'fields.i.kind' = 'sequence', 'fields.i.start' = '1', 'fields.i.end' = '100000');
CREATE TABLE o (i BIGINT) WITH ('connector' = 'filesystem', 'path' = 'rolled', 'format' = 'csv',
  'sink.rolling-policy.file-size' = '64 kb');
INSERT INTO o SELECT i FROM t;"
expect 0 '100,000 rows out' run roll.yaml
first=$(find rolled -name 'part-*' | wc -l)
[ "$first" -gt 5 ] && cat rolled/part-* | sort -n | cmp -s - "$(seq 100000 >want_ids && echo want_ids)"
verdict "parts by size: $first" $?
cp -r rolled before
expect 0 '100,000 rows out' run roll.yaml
(cd before && find . -name 'part-*') | while read -r part; do cmp -s "before/$part" "rolled/$part" || exit 1; done
verdict 'finished parts are never written over' $?
[ "$(cat rolled/part-* | wc -l)" = 200000 ]
verdict 'a later run writes behind them' $?

# Two jobs into one folder: the second is refused, the first goes on.
endless="CREATE TABLE n (i BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100', 'number-of-rows' = '1000');"
into="CREATE TABLE o (i BIGINT) WITH ('connector' = 'filesystem', 'path' = 'shared', 'format' = 'csv');
INSERT INTO o SELECT i FROM n;"
job one "$endless $into"
job two "$endless $into"
timeout 60 "$weir" run one.yaml >one.out 2>one.err </dev/null &
pid=$!
until_true [ -e shared/.part-0-0.inprogress ]
expect 69 'another running job writes to shared; give each job folders of its own' run two.yaml
also 'two.sql:1:' 'table o'
wait $pid
status=$?
[ $status = 0 ] && [ "$(cat shared/part-* | wc -l)" = 1000 ]
verdict 'the first job is not disturbed' $?
# Also while its supervisor is gone: the tasks run on.
rm -rf shared
timeout 60 "$weir" run one.yaml >one.out 2>one.err </dev/null &
pid=$!
until_true [ -e shared/.part-0-0.inprogress ]
kill -KILL "$(cat "/dev/shm/weir-$(id -u)/bad-one-$$/lock")"
wait $pid
expect 69 'another running job writes to shared; give each job folders of its own' run two.yaml
expect 0 '1,000 rows' run one.yaml
also 'runs on under this one'
[ "$(cat shared/part-* | sort -u | wc -l)" = 1000 ] && [ "$(cat shared/part-* | wc -l)" = 1000 ]
verdict 'the job is taken over' $?
expect 0 '1,000 rows out' run two.yaml

# A changelog: what takes it, what refuses it, naming the column and the way out.
changes() {
    job change "SET 'table.exec.emit.early-fire.enabled' = 'true'; SET 'table.exec.emit.early-fire.delay' = '0 ms';
CREATE TABLE t (id BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'change.json', 'format' = 'json');
CREATE TABLE o (w TIMESTAMP(3), n BIGINT) WITH ($1);
INSERT INTO o SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE), COUNT(*) AS n FROM t GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE);"
}
head -n 2 in.json >change.json
for format in csv json; do
    changes "'connector' = 'filesystem', 'path' = 'changed', 'format' = '$format'"
    for command in check run; do
        expect 78 "change.sql:4:13: error: table 'o' (connector filesystem, format $format) only appends" $command change.yaml
        also "column 'n' of the query changes after it was written" 'table.exec.emit.early-fire.enabled' \
            "hint: write changes with 'format' = 'debezium-json'" CUMULATE
    done
done
[ ! -e changed ]
verdict 'a refused sink makes no folder' $?
changes "'connector' = 'filesystem', 'path' = 'changed', 'format' = 'debezium-json'"
expect 0 '2 rows in, 3 rows out' run change.yaml
cat >wanted <<'W'
{"before":null,"after":{"w":"2024-01-01 00:00:00","n":1},"op":"c"}
{"before":{"w":"2024-01-01 00:00:00","n":1},"after":null,"op":"d"}
{"before":null,"after":{"w":"2024-01-01 00:00:00","n":2},"op":"c"}
W
cat changed/part-* | cmp - wanted
verdict 'debezium-json takes changes' $?
changes "'connector' = 'print', 'print-identifier' = 'x'"
expect 0 'rows out' run change.yaml
printf 'x> %s\n' '+I[2024-01-01T00:00, 1]' '-U[2024-01-01T00:00, 1]' '+U[2024-01-01T00:00, 2]' | cmp - out
verdict 'print takes changes' $?
changes "'connector' = 'print', 'standard-error' = 'true'"
expect 0 '+U[2024-01-01T00:00, 2]' run change.yaml
[ ! -s out ]
verdict 'standard-error leaves stdout alone' $?
changes "'connector' = 'blackhole'"
expect 0 'finished' run change.yaml

# Columns that do not fit.
fits() {
    job fit "$source CREATE TABLE o $1 WITH ('connector' = 'blackhole'); INSERT INTO o SELECT id, name FROM t;"
    shift
    expect 78 "$1" check fit.yaml
    shift
    for text; do
        also "$text"
    done
}
fits '(id BIGINT)' 'the query has 2 columns, INSERT INTO needs 1' "the sink's columns are id"
fits '(id BIGINT, name BIGINT)' "column 'name' of the sink is BIGINT, the query gives it" 'CAST(... AS BIGINT)'
fits '(id BIGINT, name BLOB)' 'fit.sql:'
finish
