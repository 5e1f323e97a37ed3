#!/bin/sh
# demo.sh: what weir does, shown: real flights; a job that is killed and still answers right; a running
# total that corrects itself.
#
# Everything goes under build/demo; nothing is left running. DEMO_ROWS (default 10 million) makes the
# generated part smaller or larger. Exit status 1 when a killed run's answer is not the undisturbed one's.
set -eu
weir=${WEIR:-build/release/weir}
rows=${DEMO_ROWS:-10000000}
demo=build/demo
mkdir -p "$demo"

say() {
    printf '\n== %s\n' "$*"
}

show() {
    python3 scripts/demo-show.py "$@"
}

# job NAME: a config beside NAME.sql. It begins from the start, whatever an interrupted demo left.
job() {
    rm -rf "${demo:?}/demo-$1.checkpoints"
    printf 'job: demo-%s\nsql: %s.sql\n' "$1" "$1" >"$demo/$1.yaml"
}

flights() {
    say "1. Real data: every flight that left New York City in 2013, distinct aircraft through the day"
    if ! sh scripts/fetch-flights.sh "$demo/flights.csv"; then
        echo "The flights could not be fetched; the demo goes on without them."
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
    show flights "$demo/flights.out"
}

# person RATE [NUMBER]: the table of generated events, at RATE rows a second (0: as fast as it goes). A
# seed makes every run's rows the same. One day of event time, out of order by up to 4 s; without NUMBER
# of rows it never ends.
person() {
    number=${2:-}
    cat <<SQL
CREATE TABLE person (
  id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'datagen', 'seed' = '7', 'rows-per-second' = '$1',${number:+
  "'number-of-rows' = '$number',"}
  'fields.id.pattern' = 'd%07d', 'fields.id.min' = '0', 'fields.id.max' = '1999999',
  'fields.dimension.pattern' = 'dim%02d', 'fields.dimension.min' = '0',
  'fields.dimension.max' = '99', 'fields.dimension.zipf' = '1',
  'fields.eventTime.start' = '2024-01-01 00:00:04', 'fields.eventTime.jitter' = '4 s',
  'fields.eventTime.rows-per-second' = '$(awk "BEGIN { print $rows / 86390 }")');

SQL
}

# cumulate NAME: a point a minute of the day's unique visitors, into part files under build/demo/NAME.
cumulate() {
    {
        person 0 "$rows"
        cat <<SQL
CREATE TABLE points (window_end TIMESTAMP(3), dimension STRING, uv BIGINT
) WITH ('connector' = 'filesystem', 'path' = '$demo/$1', 'format' = 'csv');

INSERT INTO points
SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, dimension;
SQL
    } >"$demo/$1.sql"
    job "$1"
    rm -rf "${demo:?}/$1"
}

# early NAME DELAY RATE [NUMBER]: the day's total, corrected every DELAY of wall-clock time.
early() {
    {
        person "$3" "${4:-}"
        cat <<SQL
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '$2';
SELECT TUMBLE_ROWTIME(eventTime, interval '1' day) AS rowtime, dimension, COUNT(DISTINCT id) AS uv
FROM person GROUP BY TUMBLE(eventTime, interval '1' day), dimension;
SQL
    } >"$demo/$1.sql"
    job "$1"
}

# run NAME [TIMES PAUSE]: run the job, its tasks killed so many times on the way.
run() {
    : >"$demo/$1.log"
    "$weir" run --json "$demo/$1.yaml" >"$demo/$1.out" 2>"$demo/$1.log" &
    runner=$!
    trap 'kill "$runner" 2>/dev/null || :; exit 130' INT TERM
    rm -f "$demo/$1.gaps"
    [ $# = 1 ] || show kill "$demo/$1" "$2" "$3"
    if ! wait "$runner"; then
        cat "$demo/$1.log"
        exit 1
    fi
    trap - INT TERM
}

flights

say "2. Exact unique visitors of $rows generated events, a point a minute (CUMULATE)"
echo "The job runs twice: left alone, then with kill -9 on its processes. The part files must be equal."
cumulate calm
run calm
cumulate killed
run killed 4 0.4
show points "$demo/killed"
show proof "$demo/calm" "$demo/killed"

say "3. The same with early fire: a running total that corrects itself"
echo "At $((rows / 10)) rows a second the day passes in ten, so it is corrected every second: production's"
echo "60 s would be too late here. Two processes are killed on the way."
early early 1s $((rows / 10)) "$rows"
run early 2 3
show early "$demo/early" "$demo/killed"

say "Next"
early live 2s 100000
kill_them="pkill -9 -f 'task .*/demo-live'"
command -v pkill >/dev/null ||
    kill_them="kill -9 \$(grep -lsz '/demo-live$' /proc/[0-9]*/cmdline | cut -d/ -f3)"
cat <<EOF
  $weir explain $demo/killed.yaml    # which processes, and why
  $weir check $demo/killed.yaml      # what it would hold in memory
  $weir run $demo/live.yaml          # corrects itself every two seconds, until Ctrl-C
  $kill_them    # meanwhile, in another terminal: nothing happens
  cat $demo/killed.sql docs/sql-reference.md    # and a job of your own
EOF
