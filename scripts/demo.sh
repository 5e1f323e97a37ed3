#!/bin/sh
# demo.sh: what weir does, shown: real flights, then a job that is killed on the way and still answers right.
#
# Everything goes under build/demo. DEMO_ROWS (default 10 million) makes the generated part smaller.
set -eu
weir=${WEIR:-build/release/weir}
rows=${DEMO_ROWS:-10000000}
demo=build/demo
mkdir -p "$demo"

say() {
    printf '\n== %s\n' "$*"
}

# job NAME: a config beside NAME.sql.
job() {
    printf 'job: demo-%s\nsql: %s.sql\n' "$1" "$1" >"$demo/$1.yaml"
}

flights() {
    say "real data: every flight that left New York City in 2013; distinct aircraft through the day"
    if ! sh scripts/fetch-flights.sh "$demo/flights.csv"; then
        echo "the flights could not be fetched; going on without them"
        return 0
    fi
    cat >"$demo/flights.sql" <<'SQL'
CREATE TABLE flight (
  departure TIMESTAMP(3), carrier STRING, tailnum STRING, origin STRING, dest STRING,
  WATERMARK FOR departure AS departure - INTERVAL '1' MINUTE
) WITH ('connector' = 'filesystem', 'path' = 'build/demo/flights.csv', 'format' = 'csv');

SELECT window_end, origin, COUNT(DISTINCT tailnum) AS aircraft
FROM TABLE(CUMULATE(TABLE flight, DESCRIPTOR(departure), INTERVAL '1' HOUR, INTERVAL '1' DAY))
GROUP BY window_start, window_end, origin;
SQL
    job flights
    "$weir" run "$demo/flights.yaml" >"$demo/flights.out"
    python3 scripts/demo-show.py flights "$demo/flights.out"
}

# The table that both visitor jobs read: generated with a seed, so every run is the same.
person() {
    cat <<SQL
CREATE TABLE person (
  id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'datagen', 'number-of-rows' = '$rows', 'seed' = '7', 'rows-per-second' = '0',
  'fields.id.pattern' = 'd%07d', 'fields.id.min' = '0', 'fields.id.max' = '1999999',
  'fields.dimension.pattern' = 'dim%02d', 'fields.dimension.min' = '0',
  'fields.dimension.max' = '99', 'fields.dimension.zipf' = '1',
  'fields.eventTime.start' = '2024-01-01 00:00:00',
  'fields.eventTime.rows-per-second' = '$(awk "BEGIN { print $rows / 86000 }")',
  'fields.eventTime.jitter' = '4 s');

SQL
}

# Wait until the job has read something, then kill its last task with SIGKILL and say so.
kill_one_task() {
    log=$1
    tries=0
    while ! grep -q '"event":"progress".*"rows_in":[1-9]' "$log"; do
        tries=$((tries + 1))
        if [ $tries -gt 300 ] || grep -q '"event":"summary"' "$log"; then
            echo "the job was over before a task could be killed"
            return 0
        fi
        sleep 0.1
    done
    victim=$(sed -n 's/.*"event":"started","task":[0-9]*,"pid":\([0-9]*\).*/\1/p' "$log" | tail -n 1)
    if kill -9 "$victim" 2>/dev/null; then
        echo "kill -9 $victim: one of the job's processes is dead; the job goes on"
    fi
}

# visitors NAME: run the job, kill one task on the way.
visitors() {
    : >"$demo/$1.log"
    "$weir" run --json "$demo/$1.yaml" >"$demo/$1.out" 2>"$demo/$1.log" &
    runner=$!
    kill_one_task "$demo/$1.log"
    if ! wait "$runner"; then
        cat "$demo/$1.log"
        return 1
    fi
    python3 scripts/demo-show.py summary "$demo/$1.log"
}

flights

say "exact unique visitors of $rows generated events, CUMULATE: a point a minute, one process killed"
{
    person
    cat <<'SQL'
SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, dimension;
SQL
} >"$demo/cumulate.sql"
job cumulate
visitors cumulate
python3 scripts/demo-show.py cumulate "$demo/cumulate.out"

say "the same with early fire: a running total that corrects itself, one process killed"
{
    person
    cat <<'SQL'
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '60s';
SELECT TUMBLE_ROWTIME(eventTime, interval '1' day) AS rowtime, dimension, COUNT(DISTINCT id) AS uv
FROM person GROUP BY TUMBLE(eventTime, interval '1' day), dimension;
SQL
} >"$demo/early.sql"
job early
visitors early
python3 scripts/demo-show.py compare "$demo/early.out" "$demo/cumulate.out"

say "next"
cat <<EOF
  $weir explain $demo/cumulate.yaml      which processes, and why
  $weir check $demo/cumulate.yaml        what it would hold
  $weir run $demo/cumulate.yaml | head   then kill any 'weir task' you like
EOF
