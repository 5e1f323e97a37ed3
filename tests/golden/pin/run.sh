#!/bin/sh
# run.sh: placements on machines that nobody here has: the same text as before, and right by reason (check.py).
#
# A plan for six cores and one for the whole machine on each. UPDATE=1 writes the expected texts anew; look at them.
set -u
here=tests/golden/pin
weir=${WEIR:-build/release/weir}
if [ ! -x "$weir" ]; then
    echo "the command is not built"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0 answers=
mkdir "$folder/machines"
python3 $here/machines.py "$folder/machines" || exit 1
cat >"$folder/uv.sql" <<'END'
CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND) WITH ('connector' = 'datagen');
CREATE TABLE uv (window_end TIMESTAMP(3), dimension STRING, uv BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO uv SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, dimension;
END
printf 'job: six\nsql: uv.sql\nplacement: {cores: 6}\n' >"$folder/six.yaml"
printf 'job: all\nsql: uv.sql\n' >"$folder/all.yaml"

# compare NAME FILE: what stands in FILE is what was expected.
compare() {
    if [ "${UPDATE:-}" = 1 ]; then
        cp "$2" "$here/expect/$1.txt"
    fi
    if diff -u "$here/expect/$1.txt" "$2"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$1: not as expected"
    fi
}

# propose TITLE MACHINE JOB [OPTION...]: text and JSON of one proposal.
propose() {
    title=$1 machine=$2 job=$3
    shift 3
    if ! (cd "$folder" && LC_ALL=C "$weir" pin "$@" "$job.yaml") >"$folder/text" 2>"$folder/err" </dev/null ||
        ! (cd "$folder" && "$weir" pin --json "$@" "$job.yaml") >"$folder/json" 2>>"$folder/err" </dev/null; then
        failed=$((failed + 1))
        echo "$title: weir pin failed:"
        cat "$folder/err"
        return
    fi
    compare "$title" "$folder/text"
    mv "$folder/json" "$folder/$title.json"
    answers="$answers $machine:$folder/$title.json"
}

case $weir in
/*) ;;
*) weir=$PWD/$weir ;;
esac
while IFS='|' read -r name topology; do
    propose "$name-six" "$name" six --topology "$topology"
    propose "$name-all" "$name" all --topology "$topology"
done <<END
xeon-2s|pack:2 numa:1 l3:1 core:28 pu:2
epyc-12ccd|pack:1 numa:1 l3:12 core:8 pu:2
ryzen-2ccd|pack:1 numa:1 l3:2 core:8 pu:2
vm-1|core:1 pu:1
vm-2-threads|core:1 pu:2
vm-2-smt|core:2 pu:2
$(cd "$folder" && for file in machines/*.xml; do echo "$(basename "$file" .xml)|$file"; done)
END
propose asymmetric-nvme asymmetric six --topology machines/asymmetric.xml --device nvme0n1
propose asymmetric-eth asymmetric six --topology machines/asymmetric.xml --device eth0
# shellcheck disable=SC2086 # a list of words on purpose
if python3 $here/check.py $answers; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
fi

# This host, recorded, is planned as this host.
if "$weir" pin --record "$folder/here.xml" && (cd "$folder" &&
    "$weir" pin --json --topology here.xml six.yaml >recorded && "$weir" pin --json six.yaml >live &&
    python3 -c '
import json
recorded, live = (json.load(open(name)) for name in ("recorded", "live"))
same = ("packages", "nodes", "l3_groups", "cores", "threads")
assert [recorded["machine"][key] for key in same] == [live["machine"][key] for key in same]
'); then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "this host, recorded, is another machine"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
