#!/bin/sh
# test_watermarks.sh: a watermark for each partition. A silent one holds windows back, unless a timeout says that it
# may not; what a partition was at survives a kill; one that is read much sooner than another makes no row late;
# alignment keeps partitions together; a task without a partition holds nobody back.
# shellcheck disable=SC2154  # lib.sh gives some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
kafka_start
tool create silent 2 -- create hangs 2 -- create waits 2 -- create apart 2 -- create fast 2 -- create slow 1 -- create single 1 ||
    give_up "no topics"

# rows PARTITION FROM TO STEP: a row each STEP ms of event time.
rows() {
    awk -v p="$1" -v from="$2" -v to="$3" -v step="$4" 'BEGIN {
        for (t = from; t < to; t += step)
            printf "{\"partition\": %d, \"value\": \"{\\\"at\\\": %d}\"}\n", p, t }'
}
# put TOPIC PARTITION FROM TO STEP
put() {
    rows "$2" "$3" "$4" "$5" >"$dir/rows"
    tool produce "$1" file="$dir/rows" >/dev/null || bad "cannot put rows into $1"
}
# source_of TABLE TOPIC [OPTIONS]
source_of() {
    cat <<SQL
CREATE TABLE $1 (at BIGINT, ts AS TO_TIMESTAMP_LTZ(at, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'kafka',
  'topic' = '$2', 'properties.bootstrap.servers' = '$bootstrap', 'format' = 'json',
  'scan.startup.mode' = 'earliest-offset'${3:-});
SQL
}
# counts TABLE: rows a second of event time, printed.
counts() {
    cat <<SQL
CREATE TABLE seconds (at TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
INSERT INTO seconds SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE $1, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY window_start, window_end;
SQL
}
# begin PARALLELISM SQL: a job whose results come into $dir/out. Not behind a pipe: that would keep $runner to itself.
begin() {
    echo "SET 'parallelism.default' = '$1'; SET 'pipeline.auto-watermark-interval' = '50 ms'; $2" >"$dir/sql"
    run_job <"$dir/sql" >"$dir/out"
}
end_job() {
    everything_dies "$job" "$runner"
    runner=''
    reboot "$job"
    rm -rf "$dir/checkpoints"
}
fired() { grep -c '^+I' "$dir/out"; }
has_fired() { [ "$(fired)" -ge "$1" ]; }
# task_value NAME: the sum over all tasks, now.
task_value() {
    "$WEIR" top --json --once --interval 100ms "$job" | tail -n 1 |
        python3 -c 'import json, sys; print(sum(t["'"$1"'"] or 0 for t in json.load(sys.stdin)["tasks"]))'
}
has_read() { [ "$(task_value rows_in)" -ge "$1" ]; }
late() { task_value late_rows; }

# --- a silent partition ---

put silent 0 0 10000 100
begin 1 "$(source_of t silent && counts t)"
within 30 has_read 100
sleep 1
same "a silent partition holds every window back" 0 "$(fired)"
end_job
begin 1 "$(source_of t silent ", 'scan.watermark.idle-timeout' = '500 ms'" && counts t)"
within 30 has_fired 9
same "with a timeout it does not" 9 "$(fired)" # the last second is open: no row is behind it
put silent 0 10000 12000 100
within 30 has_fired 11
put silent 1 20000 20100 100
within 30 has_fired 12
same "nothing was late" 0 "$(late)"
end_job

# --- a broker that hangs ---

put hangs 0 0 10000 100
put hangs 1 0 3100 100
begin 1 "$(source_of t hangs ", 'scan.watermark.idle-timeout' = '8 s'" && counts t)"
within 30 has_fired 3
broker pause
sleep 10
broker resume
put hangs 1 3100 9900 100
within 30 has_fired 9
same "time without a broker makes no partition idle" 0 "$(late)"
same "each second has the rows of both" 9 "$(grep -c '^+I.*, 20]' "$dir/out")"
end_job

# --- a kill ---

put waits 0 0 10000 100
put waits 1 0 3100 100
begin 1 "$(source_of t waits && counts t)"
within 30 has_fired 3
same "the partition that is behind decides" 3 "$(fired)"
everything_dies "$job" "$runner"
again_job >"$dir/out"
put waits 0 10000 20000 100
within 30 has_read 231
sleep 1
same "also when everything has died since, and it says nothing" 0 "$(fired)"
put waits 1 8000 8100 100
within 30 has_fired 5
same "until it speaks" 5 "$(fired)"
same "nothing was late" 0 "$(late)"
end_job

# --- one is read long before the other ---

put apart 0 0 100000 10
begin 1 "$(source_of t apart && counts t)"
within 30 has_read 10000
put apart 1 0 100000 10
within 30 has_fired 99
same "no row is late because another partition was ahead" 0 "$(late)"
same "each second has the rows of both" 99 "$(grep -c '^+I.*, 200]' "$dir/out")"
end_job

# --- alignment, of partitions and of tables ---

align=", 'scan.watermark.alignment.group' = 'g', 'scan.watermark.alignment.max-drift' = '5 s',
  'scan.watermark.alignment.update-interval' = '100 ms'"
put fast 0 0 1000 100
put fast 1 0 1000 100
put slow 0 0 1000 100
begin 1 "$(source_of f fast "$align" && source_of s slow "$align")
CREATE TABLE f_out (n BIGINT) WITH ('connector' = 'blackhole');
CREATE TABLE s_out (n BIGINT) WITH ('connector' = 'blackhole');
EXECUTE STATEMENT SET BEGIN
INSERT INTO f_out SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE f, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY window_start, window_end;
INSERT INTO s_out SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY window_start, window_end;
END;"
within 30 has_read 30
sleep 0.5
put fast 0 1000 1000000 1 # a million and a half of rows, which are all read at once without alignment
put fast 1 1000 500000 1
sleep 2
# The limit is 5.9 s; what is above it: 1024 rows of a poll.
read_now=$(task_value rows_in)
check "nobody runs away from the slowest ($read_now rows)" test "$read_now" -ge 9800 -a "$read_now" -le 13000
put slow 0 1000 60000 100
within 30 has_read 120000
sleep 1
read_now=$(task_value rows_in)
check "when it moves, the others do ($read_now rows)" test "$read_now" -le 140000
everything_dies "$job" "$runner"
again_job >"$dir/out"
sleep 3
check "a kill changes nothing in that" test "$(task_value rows_in)" -le 141000
put slow 0 60000 2000000 1000
within 60 has_read 1003000
sleep 1
read_now=$(task_value rows_in) # a partition that ends at 500 s holds the rest
check "and on, to the next that is slow ($read_now rows)" test "$read_now" -le 1008000
end_job

# --- a task without a partition ---

put single 0 0 10000 100
begin 2 "$(source_of t single && counts t)"
within 30 has_fired 9
same "who has no partition holds nobody back" 9 "$(fired)"
end_job
finish
