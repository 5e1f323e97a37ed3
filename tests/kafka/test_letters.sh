#!/bin/sh
# test_letters.sh: bad rows into a topic (SET 'dead-letter.table'): what a letter is made of, once each though
# everything is killed and memory is lost, from messages and from files; what is refused.
# shellcheck disable=SC2154  # lib.sh gives some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
kafka_start
letters() {
    cat <<SQL
SET 'dead-letter.table' = 'rejects';
CREATE TABLE rejects (message STRING) WITH ('connector' = 'kafka', 'topic' = 'rejects', 'format' = 'raw',
  'properties.bootstrap.servers' = '$bootstrap', 'sink.delivery-guarantee' = 'exactly-once'${1:-});
SQL
}

# --- messages ---

from_kafka() {
    letters
    cat <<SQL
CREATE TABLE src (n BIGINT) WITH ('connector' = 'kafka', 'topic' = 'in', 'format' = 'json',
  'properties.bootstrap.servers' = '$bootstrap', 'scan.startup.mode' = 'earliest-offset');
CREATE TABLE out (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO out SELECT n FROM src;
SQL
}
tool create in 2 -- create rejects 1
from_kafka >"$dir/script"
run_job <"$dir/script"
{
    echo '{"partition": 0, "key": "k1", "value": "{\"n\": 1}"}'
    echo '{"partition": 0, "key": "k2", "value": "no json", "timestamp": 1700000000000, "headers": [["trace", "t1"]]}'
    echo '{"partition": 1, "value": "{\"n\": \"x\"}"}'
    echo '{"partition": 1, "key": {"base64": "AP8="}, "value": {"base64": "/wD+"}}'
} | tool produce in
within 30 has_rows rejects 3
tool consume rejects >"$dir/letters"
# field LETTER NAME: of the letter whose value holds the text.
field() {
    python3 - "$dir/letters" "$1" "$2" <<'PY'
import json, sys
path, text, name = sys.argv[1:]
letter, = [r for r in map(json.loads, open(path)) if text in json.dumps(r["value"])]
print(letter[name] if name in letter else dict(letter["headers"]).get(name))
PY
}
same 'the key of a letter' k2 "$(field 'no json' key)"
same 'its value' 'no json' "$(field 'no json' value)"
same 'its topic' in "$(field 'no json' weir.topic)"
same 'its partition' 0 "$(field 'no json' weir.partition)"
same 'its offset' 1 "$(field 'no json' weir.offset)"
same 'its timestamp' 1700000000000 "$(field 'no json' weir.timestamp)"
same 'headers that it came with' t1 "$(field 'no json' trace)"
same 'the job' "$job" "$(field 'no json' weir.job)"
same 'a message without a key' None "$(field '"x' key)"
case $(field '"x' weir.reason) in *n*) good 'a reason names the column' ;; *) bad 'the reason:' "$(field '"x' weir.reason)" ;; esac
same 'bytes that are no text' "{'base64': '/wD+'}" "$(field /wD+ value)"
same 'a key that is no text' "{'base64': 'AP8='}" "$(field /wD+ key)"

# --- once each ---

i=0
while [ $i -lt 6 ]; do
    seq "$((i * 50))" "$((i * 50 + 49))" | sed 's/^/bad /' | tool produce in as=text
    case $i in
    1 | 3) everything_dies "$job" "$runner" && again_job ;;
    2 | 4) reboot "$job" "$runner" && again_job ;;
    esac
    i=$((i + 1))
done
seq 0 299 | sed 's/^/bad /' | LC_ALL=C sort >"$dir/want"
within 60 has_rows rejects 303
values rejects | grep -a '^bad ' >"$dir/got"
equal 'each letter once, whatever was killed' "$dir/want" "$dir/got"
"$WEIR" stop --drain "$dir/job.yaml" >/dev/null 2>&1
job_ends 0
values rejects | grep -a '^bad ' >"$dir/got"
equal 'and when the job has ended' "$dir/want" "$dir/got"

# --- files ---

tool delete rejects -- create rejects 1 >/dev/null
printf '1\nx\n3\ny\n' >"$dir/in.csv"
from_file() {
    letters ", 'sink.transactional-id-prefix' = 'files'"
    cat <<SQL
CREATE TABLE src (n BIGINT) WITH ('connector' = 'filesystem', 'path' = '$dir/in.csv', 'format' = 'csv');
CREATE TABLE out (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO out SELECT n FROM src;
SQL
}
job=$job-files
from_file >"$dir/script"
run_job <"$dir/script"
job_ends 0
printf 'x\ny\n' >"$dir/want"
values rejects >"$dir/got"
equal 'lines of a file' "$dir/want" "$dir/got"
tool consume rejects >"$dir/letters"
same 'the file of a line' "$dir/in.csv" "$(field '"x' weir.source)"
same 'and where it stands' 2 "$(field '"x' weir.offset)"

# --- refusals ---

refuses() {
    what=$1 text=$2
    cat >"$dir/job.sql"
    refused "$what" "$text" "$WEIR" check "$dir/job.yaml"
}
body="CREATE TABLE a (n BIGINT) WITH ('connector' = 'datagen'); CREATE TABLE b (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO b SELECT n FROM a;"
echo "SET 'dead-letter.table' = 'nobody'; $body" | refuses 'a table that is not there' "there is no table or view 'nobody'"
echo "SET 'dead-letter.table' = 'b'; $body" | refuses 'a table that is no topic' "dead letters cannot go to table 'b'"
echo "CREATE TABLE c (n BIGINT, m BIGINT) WITH ('connector' = 'kafka', 'topic' = 'c', 'format' = 'json',
  'properties.bootstrap.servers' = '$bootstrap'); SET 'dead-letter.table' = 'c'; $body" |
    refuses 'columns that letters do not have' "table 'c' cannot take dead letters"
finish
