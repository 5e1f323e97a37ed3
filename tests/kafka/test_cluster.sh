#!/bin/sh
# test_cluster.sh: three brokers on loopback. A leader is killed and another takes over, with what was committed; with one
# broker left nothing is written, which is what min.insync.replicas promises; all comes back.
# shellcheck disable=SC2154  # lib.sh gives some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
kafka_start --nodes 3 --proxy
tool create t 2 -- move t 0 2,3,1 -- move t 1 3,1,2 || give_up "no topic"
same "a topic has three replicas, its leader is moved" \
    '"leader":2,"replicas":[2,3,1] "leader":3,"replicas":[3,1,2]' \
    "$(tool describe t | sed 's/.*\("leader.*\),"in-sync.*/\1/' | xargs -d '\n')"

# produce LINES...: into partition 0, one transaction.
produce() {
    { echo begin; for value in "$@"; do echo "{\"value\": \"$value\", \"partition\": 0}"; done; echo commit; } |
        tool produce t transactional.id=cluster delivery.timeout.ms=20000 request.timeout.ms=5000 2>"$dir/err"
}
leader_is_not() { now=$(broker leader t 0) && [ "$now" != "$1" ] && [ "$now" -gt 0 ]; }
in_sync() { [ "$(tool describe t | grep -c '"in-sync":\[[1-3],[1-3],[1-3]\]')" = 2 ]; }

check "a transaction" produce one two
old=$(broker leader t 0)
broker kill --node "$old"
within 20 leader_is_not "$old" && good "another leads"
same "what was committed is there" "one two" "$(values t | xargs)"
check "a transaction without the old leader" produce three
other=$(broker leader t 0)
check "the old one comes back" broker start --node "$old"
within 30 in_sync && good "and is in sync"

# The reader that came through the proxy finds the new leader through it as well.
check "through the proxies of all" "$lib/tool" "$(cat "$kafka/bootstrap.proxy")" consume t
same "no row twice, none lost" "one three two" "$(values t | xargs)"

# A leader that hangs is given up like one that is dead, and finds that it leads no more.
broker pause --node "$other"
within 20 leader_is_not "$other" && good "another leads when one hangs"
check "a transaction meanwhile" produce four
broker resume --node "$other"
within 30 in_sync && good "what hung is in sync again"
same "it has written nothing of its own" "four one three two" "$(values t | xargs)"

left=$(broker leader t 0)
for node in 1 2 3; do
    [ "$node" = "$left" ] || broker kill --node "$node"
done
refused "one broker alone takes nothing" "Timeout\|NotEnoughReplicas" timeout 60 \
    "$lib/tool" "$kafka" produce t file="$lib/jars.txt" as=text enable.idempotence=false delivery.timeout.ms=5000 \
    request.timeout.ms=2000 linger.ms=0 max.block.ms=5000
check "all come back" broker start
within 30 in_sync && good "and are in sync"
check "a last transaction" produce five
finish
