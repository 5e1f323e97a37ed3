#!/bin/sh
# test_markers.sh: Kafka ends a transaction without its marker where a partition has no leader; shown with Kafka's own
# client, without weir. Does chaos/markers.py say so? Where Kafka has mended it, it must say that nothing is missing.
# shellcheck disable=SC2154  # lib.sh gives some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
kafka_start --nodes 3
tool create one 1 replicas=1
node=$(broker leader one 0)
printf 'begin\n{"value":"aborted"}\nflush\n' >"$dir/open"
printf 'begin\n{"value":"committed"}\ncommit\n' >"$dir/done"
tool produce one file="$dir/open" transactional.id=x # open when its producer has ended
broker stop --node "$node"                            # no kill: the partition has no leader for a while
tool fence x                                          # as a new producer of this id does: the open transaction is aborted
is_complete() { tool transactions | grep -q Complete || tool transactions | grep -q Empty; }
within 20 is_complete
broker start --node "$node"
tool produce one file="$dir/done" transactional.id=x
values one >"$dir/got"
status=0
python3 "$lib/chaos/markers.py" "$kafka"/node-*/disk/data >"$dir/markers" || status=$?
if grep -q aborted "$dir/got"; then
    same 'a row of an aborted transaction is there for readers, and markers.py says why' 1 "$status"
    check 'it names the partition and the rows' grep 'no ABORT in one-0 .*: 1 rows from offset 0 to 0, decided by COMMIT' "$dir/markers"
else
    same 'this broker has kept the marker, and markers.py says so' 0 "$status"
fi
finish
