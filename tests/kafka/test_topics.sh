#!/bin/sh
# test_topics.sh: topics that change or go while a job uses them, and users who may not: rows that were deleted before
# they were read, topics deleted and made anew, partitions that come, rights that are missing or taken away.
# shellcheck disable=SC2154  # lib.sh gives some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# Who comes without a user may do all; alice what she is granted.
kafka_start --sasl -c authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer \
    -c super.users=User:ANONYMOUS
# Ids from FROM to TO, a row each.
rows() { seq "$1" "$2" | sed 's/.*/{"id":&}/'; }
plain="'properties.bootstrap.servers' = '$bootstrap'"
as_alice="'properties.bootstrap.servers' = '$(cat "$kafka/bootstrap.sasl_plaintext")',
  'properties.security.protocol' = 'SASL_PLAINTEXT', 'properties.sasl.mechanism' = 'PLAIN',
  'properties.sasl.username' = 'alice', 'properties.sasl.password' = '\${file:$kafka/users/alice}'"
exactly=", 'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'topics'"

# script IN OUT IN-OPTIONS OUT-OPTIONS: from topic to topic
script() {
    cat <<SQL
CREATE TABLE source (id BIGINT) WITH ('connector' = 'kafka', 'topic' = '$1', 'format' = 'json',
  'scan.startup.mode' = 'earliest-offset', 'properties.group.id' = 'topics', ${3:-$plain});
CREATE TABLE sink (id BIGINT) WITH ('connector' = 'kafka', 'topic' = '$2', 'format' = 'json', ${4:-$plain$exactly});
INSERT INTO sink SELECT id FROM source;
SQL
}
# begins IN OUT...: a fresh job
begins() {
    reboot "$job" "$runner"
    rm -rf "$dir/checkpoints"
    : >"$dir/err"
    script "$@" >"$dir/script"
    run_job <"$dir/script"
}
stops() {
    "$WEIR" stop "$dir/job.yaml" >"$dir/stop" 2>&1 || bad "it does not stop: $(cat "$dir/stop")"
    job_ends 0
}
ids() { values "$1" | tr -dc '0-9\n' | sort -n | awk 'NR == 1 {first = $1} {n++; last = $1} END {print n, first, last}'; }
has_ids() { [ "$(ids "$1")" = "$2" ]; }
says() { grep -q -- "$1" "$dir/err"; }
# told WHAT TEXT
told() {
    if says "$2"; then good "$1"; else bad "$1: it does not say '$2'"; fi
}
# ends_with WHAT STATUS TEXT: soon, with a reason, without a task that dies and comes back again and again.
ends_with() {
    job_ends "$2"
    told "$1" "$3"
    same "without restarts" 0 "$(grep -c '"event":"\(died\|restarted\)"' "$dir/err")"
}

# --- rows that were deleted before they were read ---

# lost POLICY RESULT: the job is stopped at 100, 101 to 300 come, the broker has 201 to 300 left.
lost() {
    tool create "$1" -- create "$1-out" || give_up "no topics"
    rows 1 100 | tool produce "$1" as=text
    begins "$1" "$1-out" "$plain, 'scan.lost-offsets' = '$1'"
    within 30 has_ids "$1-out" "100 1 100"
    stops
    rows 101 300 | tool produce "$1" as=text -- truncate "$1" 0 200
    : >"$dir/err"
    again_job
}
lost earliest
within 30 has_ids earliest-out "200 1 300" && good "lost offsets, earliest: the rest is read"
told "how many are lost is said" "topic earliest, partition 0: offset 100 is not there any more; 100 offsets are lost, reading goes on at 200"
stops
lost latest
within 30 says "topic latest, partition 0: offset 100 is not there any more; 200 offsets are lost, reading goes on at 300"
rows 301 310 | tool produce latest as=text
within 30 has_ids latest-out "110 1 310" && good "lost offsets, latest: what comes is read"
stops
lost fail
ends_with "lost offsets, fail" 1 "offset 100 is not there any more, the brokers have 200 to 300"
# It says how to go on; that works with the state that there is.
script fail fail-out "$plain, 'scan.lost-offsets' = 'earliest'" >"$dir/job.sql"
: >"$dir/err"
again_job --allow-new-state
within 30 has_ids fail-out "200 1 300" && good "another policy, and it goes on"
stops

# --- topics that go ---

tool create gone -- create gone-out || give_up "no topics"
rows 1 100 | tool produce gone as=text
begins gone gone-out "$plain, 'scan.topic-partition-discovery.interval' = '1 s'"
within 30 has_ids gone-out "100 1 100"
tool delete gone
ends_with "the input is deleted" 1 "topic gone, partition 0 is not there any more: was the topic deleted"

# Made anew at once, with more rows than were read: the old position is a place in it, but of other rows.
tool create anew -- create anew-out || give_up "no topics"
rows 1 100 | tool produce anew as=text
begins anew anew-out
within 30 has_ids anew-out "100 1 100"
rows 1001 1200 >"$dir/more"
tool delete anew -- sleep 0.5 -- create anew -- produce anew as=text file="$dir/more"
ends_with "the input is made anew" 1 "topic anew was deleted and made anew"
same "nothing of the new one was taken for the old one's" "100 1 100" "$(ids anew-out)"

tool create from -- create to || give_up "no topics"
rows 1 100 | tool produce from as=text
# The settings: when a transaction is given up, and for how long the next one waits for a topic that is not there.
begins from to "" "$plain$exactly, 'properties.transaction.timeout.ms' = '8000',
  'properties.topic.metadata.propagation.max.ms' = '3000'"
within 30 has_ids to "100 1 100"
tool delete to
rows 101 110 | tool produce from as=text
ends_with "the output is deleted" 1 "topic 'to' does not exist"

# --- partitions that come ---

tool create grows -- create grown || give_up "no topics"
rows 1 100 | tool produce grows as=text
begins grows grown "$plain, 'scan.topic-partition-discovery.interval' = '300 ms'" \
    "$plain$exactly, 'sink.partitioner' = 'round-robin', 'properties.topic.metadata.refresh.interval.ms' = '500'"
within 30 has_ids grown "100 1 100"
tool grow grows 3 -- grow grown 3
rows 101 400 | sed 's/{"id":\(.*\)}/{"value":"{\\"id\\":\1}","partition":1}/' | tool produce grows
within 30 has_ids grown "400 1 400" && good "a partition of the input that comes is read"
# The producer hears of new partitions at its next look at the metadata.
sleep 1.5
rows 401 700 | sed 's/{"id":\(.*\)}/{"value":"{\\"id\\":\1}","partition":2}/' | tool produce grows
within 30 has_ids grown "700 1 700"
same "partitions of the output that come are written to, in turn" "100 100 100" \
    "$(tool consume grown | sed 's/.*"partition":\([0-9]\).*id[^0-9]*\([0-9]*\).*/\2 \1/' |
        awk '$1 > 400 {n[$2]++} END {print n[0], n[1], n[2]}')"
same "no restart for it" 0 "$(grep -c '"event":"\(died\|restarted\)"' "$dir/err")"
stops

# --- rights ---

tool create in -- create out || give_up "no topics"
rows 1 100 | tool produce in as=text
all="topic in Read
topic out Write
topic out Read
group topics Read
group topics-* Read
transactional_id topics-* Write"
# granted RIGHTS: alice may these, a line each, and nothing else. Each includes Describe.
granted() {
    {
        echo "$all" | while read -r type name _; do echo "-- revoke alice $type $name"; done
        echo "$1" | while read -r right; do [ -z "$right" ] || echo "-- grant alice $right"; done
    } >"$dir/rights"
    # shellcheck disable=SC2046  # words
    set -f && tool $(cat "$dir/rights") && set +f
}
# needs RIGHT INSTEAD STATUS TEXT: a job whose user lacks this one right, or has another instead, ends and says so.
needs() {
    granted "$(echo "$all" | grep -vxF "$1")
$2" || give_up "no rights"
    begins in out "$as_alice" "$as_alice$exactly"
    ends_with "without: $1${2:+, but with: $2}" "$3" "$4"
    same "nothing was written" 0 "$(values out | wc -l)"
}
needs "topic in Read" "" 78 "the user may not use topic 'in'"
needs "topic in Read" "topic in Describe" 1 "the user may not use topic 'in'"
needs "topic out Write" "" 1 "the user may not use topic 'out'"
# The mark is an offset of it.
needs "topic out Read" "" 1 "the user may not use topic 'out'"
needs "transactional_id topics-* Write" "" 1 "the user may not use this transactional id"
needs "group topics-* Read" "" 1 "the user may not use this group"
needs "group topics Read" "" 1 "the user may not use this group"

# What is taken away while the job runs.
granted "$all" || give_up "no rights"
begins in out "$as_alice" "$as_alice$exactly"
within 30 has_ids out "100 1 100" && good "with all of them it runs"
tool revoke alice topic out || give_up "no rights"
rows 101 110 | tool produce in as=text
ends_with "the right to write is taken away" 1 "the user may not use topic 'out'"
granted "$all" || give_up "no rights"
again_job
within 30 has_ids out "110 1 110" && good "it is given back, and the job goes on with each row once"
tool revoke alice topic in || give_up "no rights"
rows 111 120 | tool produce in as=text
ends_with "the right to read is taken away" 1 "the user may not use topic 'in'"
finish
