#!/bin/sh
# test_parallelism.sh: a job with a Kafka sink goes on with fewer tasks: what those that are no more have left open in
# the broker is ended at once, not by its timeout.
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
finish
