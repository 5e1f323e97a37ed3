#!/bin/sh
# test_parallelism.sh: a job with a Kafka sink goes on with other tasks. What those that are no more have left open in
# the broker is ended at once, not by its timeout; a savepoint carries rows that are on their way, each comes once.
# shellcheck disable=SC2154,SC2034  # lib.sh gives and takes some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
kafka_start
# Transactions that stay open: no checkpoint comes, and the timeout is that of ten intervals, at most 15 minutes.
settings='checkpoint: {interval: 10min, dir: checkpoints}'

# sink_job TASKS [OPTIONS]: numbers without an end.
sink_job() {
    tasks=$1
    shift
    run_job "$@" <<SQL
SET 'parallelism.default' = '$tasks';
CREATE TABLE source (id BIGINT) WITH ('connector' = 'datagen', 'fields.id.kind' = 'random', 'rows-per-second' = '300');
CREATE TABLE sink (id BIGINT) WITH ('connector' = 'kafka', 'topic' = 'out', 'format' = 'csv',
  'properties.bootstrap.servers' = '$bootstrap', 'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = 'ids');
INSERT INTO sink SELECT id FROM source;
SQL
}
# states ID: of its transaction.
states() { tool transactions | python3 -c '
import json, sys
print(*(t["state"] for t in map(json.loads, sys.stdin) if t["id"] == sys.argv[1]))' "$1"; }
is_open() { [ "$(states "$1")" = Ongoing ]; }
is_ended() { case $(states "$1") in CompleteAbort | Empty) ;; *) false ;; esac; }
# is_free PARTITION: readers of what is committed see it to its end.
is_free() {
    tool ends out | python3 -c '
import json, sys
at = next(e for e in map(json.loads, sys.stdin) if e["partition"] == int(sys.argv[1]))
print(at)
sys.exit(at["stable"] != at["end"])' "$1"
}

tool create out 1 || give_up "no topic"
sink_job 3
for n in 0 1 2; do
    within 30 is_open "ids-$n" || give_up "transaction ids-$n is not open"
done
refused 'readers wait for what is open' "'stable': 0" is_free 0
everything_dies "$job" "$runner"
rm -rf "${memory:?}/$job"
check 'what was killed stays open' is_open ids-2

# The broker has more groups: none of them is ours to end.
tool group-set ids-x out 0 7 -- group-set ids-02 out 0 7 -- group-set idsx-5 out 0 7 || give_up "no groups"
begun=$(date +%s)
sink_job 1 --fresh
within 15 is_ended ids-1 && good 'the second of three tasks is ended by a run of one'
within 15 is_ended ids-2 && good 'and the third'
check 'that took no timeout' test $(($(date +%s) - begun)) -lt 40
same 'nobody else is touched' ' ' "$(states ids-x) $(states idsx-5)"
check 'the new run goes on' kill -0 "$runner"
check 'and says nothing of it' sh -c "! grep -q 'larger parallelism' '$dir/err'"
everything_dies "$job" "$runner"
rm -rf "${memory:?}/$job"
tool fence ids-0 || give_up 'ids-0 cannot be fenced'
check 'readers are at the end of the topic' is_free 0
# --- a savepoint of a running job, with rows on their way ---

settings='checkpoint: {interval: 300ms, dir: checkpoints}'
# numbers TASKS [OPTIONS]: 1 .. 40000, once.
numbers() {
    tasks=$1
    shift
    run_job "$@" <<SQL
SET 'parallelism.default' = '$tasks';
CREATE TABLE source (id BIGINT) WITH ('connector' = 'datagen', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1',
  'fields.id.end' = '40000', 'rows-per-second' = '2000');
CREATE TABLE sink (id BIGINT) WITH ('connector' = 'kafka', 'topic' = 'numbers', 'format' = 'csv',
  'properties.bootstrap.servers' = '$bootstrap', 'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = 'numbers');
INSERT INTO sink SELECT id FROM source;
SQL
}
everything_is_gone() {
    everything_dies "$job" "$runner"
    rm -rf "${memory:?}/$job"
    runner=''
}
# from FOLDER TASKS: from a savepoint, whatever was begun before is gone.
from() {
    rm -rf "$dir/checkpoints"
    numbers "$2" --from "$1"
}

tool create numbers 3 || give_up "no topic"
rm -rf "$dir/checkpoints"
numbers 2
within 30 has_rows numbers 2000 || give_up "no rows"
# The broker is away: what is complete here cannot be committed there.
broker kill
sleep 2
check 'a savepoint while rows are on their way' "$WEIR" savepoint "$dir/job.yaml" "$dir/sp-1"
everything_is_gone
from "$dir/sp-1" 1
job_ends 69
check 'without the broker it is no begin, which is said' grep -q 'no answer from Kafka' "$dir/err"
kafka_start
: >"$dir/err"
from "$dir/sp-1" 1
sleep 0.5
everything_is_gone
from "$dir/sp-1" 1
within 30 grep -q '"rows_out":1[0-9][0-9][0-9][0-9]' "$dir/err" || give_up "no rows from sp-1"
check 'a second savepoint' "$WEIR" stop --savepoint "$dir/sp-2" "$dir/job.yaml"
wait "$runner"
everything_is_gone
from "$dir/sp-2" 3
job_ends 0
values numbers >"$dir/got"
seq 1 40000 | LC_ALL=C sort >"$dir/want"
equal '2, 1 and 3 tasks: each row once' "$dir/want" "$dir/got"

# --- one that is older than what readers have seen ---

reboot "$job" "$runner"
: >"$dir/err"
from "$dir/sp-1" 2
job_ends 69
check 'a savepoint that readers are beyond is refused' grep -q 'readers have seen\|cannot be told' "$dir/err"
finish
