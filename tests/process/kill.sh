#!/bin/sh
# kill.sh: jobs whose tasks are killed hundreds of times give byte for byte what undisturbed runs give.
#
# Six forms (CUMULATE and early-fire TUMBLE of the UV job, CUMULATE killed only while it emits the
# day's end, TUMBLE with sums, HOP, rows printed), each as one task and as several; kill_driver.py
# kills. Compared are the part files in their order, the dead letters, and for a changelog the
# materialised result and that each retraction takes back what was there.
#
# usage: [KILLS=300] [SEED=1] [FORMS="cumulate end early tumble hop print"] [CORES="1 2"] kill.sh
# KILLS counts for each core; a third of it for rows printed.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
kills=${KILLS:-300} seed=${SEED:-1}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
# Rows are made slow to handle, so that the input outlasts the kills: a filter that is always true.
# shellcheck disable=SC2016
slow="CHAR_LENGTH(REPLACE(UPPER(LPAD(id, WORK, 'ab')), 'A', 'xy')) > 0"
rows=$((kills * 1000))
[ $rows -ge 100000 ] || rows=100000
[ $rows -le 2000000 ] || rows=2000000
end_rows=20000

# The input: JSON lines, some of them no JSON; the same rows as CSV without the bad ones.
"${BUILD:?}/bench/uv_data" json $rows 50000 20 4000 3 |
    awk 'NR % 997 == 0 { print "{\"id\":\"bad" NR } { print }' >"$dir/rows.json"
"$BUILD/bench/uv_data" json 200000 9000 300 4000 5 | head -n $end_rows >"$dir/end.json"
"$BUILD/bench/uv_data" csv $rows 50000 20 4000 3 >"$dir/rows.csv"

person() { # FORMAT
    cat <<SQL
CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = '$dir/rows.$1', 'format' = '$1');
SQL
}

sink() { # COLUMNS FORMAT
    echo "CREATE TABLE result ($1) WITH ('connector' = 'filesystem', 'path' = '$dir/out',"
    echo "  'format' = '$2', 'sink.rolling-policy.file-size' = '256kb');"
}

form_cumulate() {
    person json
    sink 'window_end TIMESTAMP(3), dimension STRING, uv BIGINT' csv
    cat <<SQL
INSERT INTO result SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
WHERE $slow GROUP BY window_start, window_end, dimension;
SQL
}

# The input ends in the morning: at its end the rest of the day's points come, many transactions long.
form_end() {
    person json | sed 's|rows.json|end.json|'
    sink 'window_end TIMESTAMP(3), dimension STRING, uv BIGINT' csv
    cat <<SQL
INSERT INTO result SELECT * FROM (SELECT window_end, dimension AS id, COUNT(DISTINCT id) AS uv
  FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
  GROUP BY window_start, window_end, dimension) WHERE $slow;
SQL
}

form_early() {
    echo "SET 'table.exec.emit.early-fire.enabled' = 'true';"
    echo "SET 'table.exec.emit.early-fire.delay' = '20 ms';"
    person csv
    sink 'rowtime TIMESTAMP(3), dimension STRING, uv BIGINT' debezium-json
    cat <<SQL
INSERT INTO result SELECT TUMBLE_ROWTIME(eventTime, INTERVAL '1' DAY), dimension, COUNT(DISTINCT id)
FROM person WHERE $slow GROUP BY TUMBLE(eventTime, INTERVAL '1' DAY), dimension;
SQL
}

form_tumble() {
    cat <<SQL
CREATE TABLE person (id STRING, dimension STRING, n BIGINT, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'datagen', 'rows-per-second' = '0', 'number-of-rows' = '$rows', 'seed' = '7',
  'fields.id.pattern' = 'd%07d', 'fields.id.max' = '49999', 'fields.dimension.pattern' = 'dim%02d',
  'fields.dimension.max' = '99', 'fields.dimension.zipf' = '1.0', 'fields.n.min' = '-1000',
  'fields.n.max' = '1000', 'fields.eventTime.start' = '2024-01-01 00:00:00',
  'fields.eventTime.rows-per-second' = '50', 'fields.eventTime.jitter' = '4s');
SQL
    sink 'started TIMESTAMP(3), dimension STRING, n BIGINT, s BIGINT, a BIGINT, lo BIGINT, hi BIGINT' csv
    cat <<SQL
INSERT INTO result SELECT TUMBLE_START(eventTime, INTERVAL '1' MINUTE), dimension, COUNT(*), SUM(n),
  AVG(n), MIN(n), MAX(n) FROM person WHERE $slow GROUP BY TUMBLE(eventTime, INTERVAL '1' MINUTE), dimension;
SQL
}

form_hop() {
    person json
    sink 'window_start TIMESTAMP(3), dimension STRING, n BIGINT, uv BIGINT, lo STRING' csv
    cat <<SQL
INSERT INTO result SELECT window_start, dimension, COUNT(*), COUNT(DISTINCT id), MIN(id)
FROM TABLE(HOP(TABLE person, DESCRIPTOR(eventTime), INTERVAL '5' MINUTE, INTERVAL '15' MINUTE))
WHERE $slow GROUP BY window_start, window_end, dimension;
SQL
}

# stdout is at least once: a kill may print a batch again, but loses and tears nothing.
form_print() {
    cat <<SQL
CREATE TABLE n (id BIGINT, s STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '50000',
  'number-of-rows' = '$((kills * 250))', 'seed' = '9', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0',
  'fields.id.end' = '$rows', 'fields.s.length' = '40');
SELECT id, s FROM n;
SQL
}

job() { # FORM CORES
    "form_$1" | sed "s/WORK/$work/" >"$dir/job.sql"
    printf 'job: kill-%s-%s\nsql: job.sql\nmemory: {state: 64MiB, reserve: 0%%, ring: 64KiB}\n' $$ "$1" \
        >"$dir/job.yaml"
    printf 'placement: {cores: %s}\nrecovery: {dead_letter: %s}\n' "$2" "$dir/dead" >>"$dir/job.yaml"
    rm -rf "$dir/out" "$dir/dead"
    mkdir "$dir/out"
}

# What the job has left, in a form that must be equal: into FILE.
collect() { # FORM CORES FILE
    : >"$3"
    [ "$1" != print ] || sort -u "$dir/printed" >"$3"
    for part in $(find "$dir/out" -name 'part-*' | sort -t- -k2,2n -k3,3n); do
        cat "$part" >>"$3"
    done
    if [ "$1" = early ]; then
        python3 "$here/changelog.py" rowtime,dimension <"$3" >"$3.table"
        mv "$3.table" "$3"
    elif [ "$2" -gt 2 ]; then
        sort -o "$3" "$3"
    fi
    [ -s "$3" ]
    [ ! -d "$dir/dead" ] || cat "$dir"/dead/dead-*.jsonl | sort >>"$3"
}

complain() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

# The whole of one form; WORK says how slow a row is.
run_killed() { # FORM
    case $1 in
    print) set -- "$dir/job.yaml" --stdout "$dir/printed" --kills $((kills / 3)) ;;
    end) set -- "$dir/job.yaml" --rows $end_rows --life 1 --mix late=60,early=20,waiting=20 --kills "$kills" ;;
    *) set -- "$dir/job.yaml" ;;
    esac
    config=$1
    shift
    python3 "$here/kill_driver.py" --seed "$seed" --kills $((kills * cores)) "$@" "$WEIR" "$config"
}

check() { # FORM CORES
    if ! collect "$1" "$2" "$dir/got" || ! cmp "$dir/got" "$dir/want"; then
        complain "$1, cores $2: other results than without kills, seed $seed"
        diff "$dir/got" "$dir/want" | head -n 10
    elif [ -n "$(find "$dir/out" -name '.part*')" ]; then
        complain "$1, cores $2: unfinished parts are left"
    elif [ -n "$(find /dev/shm -path "*kill-$$-$1*")" ]; then
        complain "$1, cores $2: memory is left in /dev/shm"
    else
        passed=$((passed + 1))
    fi
}

for form in ${FORMS:-cumulate end early tumble hop print}; do
    for cores in ${CORES:-1 2}; do
        [ "$form" != print ] || [ "$cores" = 1 ] || continue # it is one task everywhere
        echo "== $form, cores: $cores"
        work=$((kills * 500000 / rows / cores))
        job "$form" "$cores"
        "$WEIR" run --quiet "$dir/job.yaml" >"$dir/printed"
        collect "$form" "$cores" "$dir/want"
        status=2
        # A fast machine may reach the end before the kills were made: make rows slower.
        while [ $status = 2 ] && [ $work -lt 5000 ]; do
            job "$form" "$cores"
            status=0
            run_killed "$form" || status=$?
            work=$((work * 2))
        done
        if [ $status = 0 ]; then
            check "$form" "$cores"
        else
            complain "$form, cores $cores: the run ended with $status, seed $seed"
        fi
        seed=$((seed + 1))
    done
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
