#!/bin/sh
# test_broker.sh: the broker, the proxy and the tool do what the other tests build on. No weir is in it: what fails
# here is the ground.
# shellcheck disable=SC2154  # lib.sh gives some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

# --- where there can be none: a skip that says why; in CI a failure ---

python=$(python3 -c 'import sys; print(sys.executable)')
# available STATUS TEXT COMMAND...
available() {
    want=$1 text=$2 status=0
    shift 2
    "$@" available 2>"$dir/said" || status=$?
    [ $status = "$want" ] && grep -q "$text" "$dir/said"
}
check "no Java is a reason" available 77 "no Java here" env -u CI PATH=/none "$python" "$lib/broker"
check "but not in CI" available 1 "no Java here" env CI=1 PATH=/none "$python" "$lib/broker"
if command -v java >/dev/null; then
    mkdir -p "$dir/bin" "$dir/tree/tests"
    cp -r "$lib" "$dir/tree/tests/kafka"
    printf '#!/bin/sh\necho "[ERROR] unknown host"; exit 1\n' >"$dir/bin/mvn"
    chmod +x "$dir/bin/mvn"
    check "no network is a reason" available 77 "no jars (.ERROR. unknown host)" \
        env -u CI PATH="$dir/bin:$PATH" "$dir/tree/tests/kafka/broker"
fi
kafka_start --proxy --tls --sasl
tool create in 3 -- create out 1 || give_up "no topics"

# --- transactions: committed, aborted, open ---

cat >"$dir/rows" <<'ROWS'
begin
{"key": "k", "value": "committed", "partition": 2, "timestamp": 5, "headers": [["h", "1"], ["h", null]]}
{"key": "k", "value": null, "partition": 2, "timestamp": 6}
commit
begin
{"value": "aborted", "partition": 2}
flush
abort
begin
{"value": "open", "partition": 2}
flush
ROWS
check "records in transactions" tool produce in transactional.id=t file="$dir/rows"
cat >"$dir/want" <<'ROWS'
{"topic":"in","partition":2,"offset":0,"timestamp":5,"key":"k","value":"committed","headers":[["h","1"],["h",null]]}
{"topic":"in","partition":2,"offset":1,"timestamp":6,"key":"k","value":null}
ROWS
tool consume in >"$dir/got"
equal "a reader of committed records sees just those" "$dir/want" "$dir/got"
same "another sees all" "committed aborted open" \
    "$(tool consume in as=values isolation.level=read_uncommitted | xargs)"
same "its transaction is known" Ongoing "$(tool transactions | sed -n 's/.*"id":"t".*"state":"\([^"]*\)".*/\1/p')"
check "it is fenced" tool fence t
same "nothing is open any more" "7 7" \
    "$(tool ends in | sed -n 's/.*"partition":2.*"end":\([0-9]*\),"stable":\([0-9]*\).*/\1 \2/p')"

# --- kill, pause, stop ---

broker kill
same "it is dead" "1 0 dead" "$(broker status)"
check "it comes back" broker start
tool consume in >"$dir/got"
equal "what was committed is still there" "$dir/want" "$dir/got"
broker pause
same "it is paused" paused "$(broker status | cut -d' ' -f3)"
refused "a paused one does not answer" TimeoutException tool consume in default.api.timeout.ms=1500
broker resume
check "then it does" tool consume in count=2 within=20
broker stop
check "it stops and starts" broker start

# --- the proxy: cut, mute, heal ---

proxied=$(cat "$kafka/bootstrap.proxy")
through() { "$lib/tool" "$proxied" "$@" default.api.timeout.ms=1500; }
check "through the proxy" through consume in
broker cut
refused "nothing goes through a cut" TimeoutException through consume in
broker stall
refused "nor through one that stalls" TimeoutException through consume in
broker heal
check "it heals" through consume in

mkfifo "$dir/feed"
"$lib/tool" "$proxied" produce out file="$dir/feed" linger.ms=0 retries=0 request.timeout.ms=2000 \
    delivery.timeout.ms=2000 max.block.ms=2000 2>"$dir/muted" &
feeder=$!
exec 3>"$dir/feed"
printf '%s\n' '{"value": "heard"}' flush >&3
within 20 has_rows out 1
broker mute
printf '%s\n' '{"value": "muted"}' flush >&3
within 20 has_rows out 2 && good "a muted request arrives"
exec 3>&-
if wait $feeder; then bad "it was answered all the same"; else good "and is not answered"; fi
broker heal

# --- users ---

module=org.apache.kafka.common.security
tls="ssl.truststore.type=PEM ssl.truststore.location=$kafka/tls"
# say_hello LISTENER MECHANISM MODULE PASSWORD-OF SETTINGS...: as alice.
say_hello() {
    at=$(cat "$kafka/bootstrap.$1")
    jaas="$module.$3 required username=\"alice\" password=\"$(cat "$kafka/users/$4")\";"
    mechanism=$2 protocol=$(echo "$1" | tr '[:lower:]' '[:upper:]')
    shift 4
    echo hello | "$lib/tool" "$at" produce out as=text max.block.ms=5000 "security.protocol=$protocol" \
        "sasl.mechanism=$mechanism" "sasl.jaas.config=$jaas" "$@"
}
# shellcheck disable=SC2086  # $tls is several words
{
    check "TLS and PLAIN" say_hello sasl_ssl PLAIN plain.PlainLoginModule alice $tls/ca.pem
    check "TLS and SCRAM" say_hello sasl_ssl SCRAM-SHA-512 scram.ScramLoginModule alice $tls/ca.pem
    check "SCRAM" say_hello sasl_plaintext SCRAM-SHA-256 scram.ScramLoginModule alice
    refused "another's password" SaslAuthenticationException \
        say_hello sasl_plaintext SCRAM-SHA-256 scram.ScramLoginModule bob
    refused "an unknown authority" SslAuthenticationException \
        say_hello sasl_ssl PLAIN plain.PlainLoginModule alice $tls/stranger.pem
}
finish
