#!/bin/sh
# test_security.sh: TLS, PLAIN and SCRAM at a real broker; what is wrong is said and ends the run; a secret is nowhere
# but in its file, the process and the connection; a changed password is read by the next process of a task.
# shellcheck disable=SC2154  # lib.sh gives some
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
kafka_start --tls --sasl
tool create in 2 -- create out 1 || give_up "no topics"
seq 20 | sed 's/.*/{"n": &}/' | tool produce in as=text || give_up "nothing was produced"
tls="'properties.ssl.ca.location' = '$kafka/tls/ca.pem'"
secret=$(tr -d '\n' <"$kafka/users/alice")
alice="'properties.sasl.username' = 'alice', 'properties.sasl.password' = '\${file:$kafka/users/alice}'"

# source LISTENER OPTIONS: a table of what the topic has.
source_at() {
    cat <<SQL
CREATE TABLE t (n INT) WITH ('connector' = 'kafka', 'topic' = 'in', 'format' = 'json',
    'properties.bootstrap.servers' = '$(cat "$kafka/bootstrap$1")', 'scan.startup.mode' = 'earliest-offset',
    $2);
SQL
}
# script LISTENER OPTIONS: reads what the topic has, and ends.
script() {
    source_at "$1" "'scan.bounded.mode' = 'latest-offset', $2"
    echo "CREATE TABLE o (n INT) WITH ('connector' = 'print'); INSERT INTO o SELECT n FROM t;"
}
# once LISTENER OPTIONS: runs it; rows to $dir/rows, what is said to $dir/said.
once() {
    script "$@" >"$dir/once.sql"
    printf 'job: %s-once\nsql: once.sql\nmemory: {state: 64MiB, reserve: 0%%}\n' "$job" >"$dir/once.yaml"
    timeout 60 "$WEIR" run "$dir/once.yaml" >"$dir/rows" 2>"$dir/said"
}
works() {
    what=$1
    shift
    once "$@"
    same "$what works" "0 20" "$? $(grep -c '^+I' "$dir/rows")"
}
# fails WHAT STATUS TEXT LISTENER OPTIONS: ends with that status, in time, and says so.
fails() {
    what=$1 status=$2 text=$3
    shift 3
    once "$@"
    same "$what: exit status" "$status" "$?"
    if grep -q -- "$text" "$dir/said"; then
        good "$what: said"
    else
        bad "$what: it does not say '$text' but $(cat "$dir/said")"
    fi
    grep -qF "$secret" "$dir/said" && bad "$what: the secret is in what it says"
}

# --- each way works ---

works "TLS" .ssl "'properties.security.protocol' = 'SSL', $tls"
works "TLS with a client's certificate" .ssl "'properties.security.protocol' = 'SSL', $tls,
    'properties.ssl.certificate.location' = '$kafka/tls/client.pem',
    'properties.ssl.key.location' = '$kafka/tls/client.key'"
works "TLS with Java's names" .ssl "'properties.security.protocol' = 'SSL',
    'properties.ssl.truststore.location' = '$kafka/tls/ca.pem', 'properties.ssl.truststore.type' = 'PEM'"
for mechanism in PLAIN SCRAM-SHA-256 SCRAM-SHA-512; do
    works "$mechanism" .sasl_plaintext "'properties.security.protocol' = 'SASL_PLAINTEXT',
        'properties.sasl.mechanism' = '$mechanism', $alice"
done
works "SCRAM through TLS" .sasl_ssl "'properties.security.protocol' = 'SASL_SSL', $tls,
    'properties.sasl.mechanism' = 'SCRAM-SHA-512', $alice"
works "a JAAS line with a reference" .sasl_ssl "'properties.security.protocol' = 'SASL_SSL', $tls,
    'properties.sasl.mechanism' = 'SCRAM-SHA-512', 'properties.sasl.jaas.config' =
    'org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\"
     password=\"\${file:$kafka/users/alice}\";'"
export WEIR_TEST_PASSWORD="$secret"
works "a password of the environment" .sasl_plaintext "'properties.security.protocol' = 'SASL_PLAINTEXT',
    'properties.sasl.mechanism' = 'PLAIN', 'properties.sasl.username' = 'alice',
    'properties.sasl.password' = '\${env:WEIR_TEST_PASSWORD}'"
unset WEIR_TEST_PASSWORD

# --- each mistake is said ---

for mechanism in PLAIN SCRAM-SHA-512; do
    fails "a wrong password, $mechanism" 78 "refuses the user.*[Aa]uthentication failed" .sasl_plaintext \
        "'properties.security.protocol' = 'SASL_PLAINTEXT', 'properties.sasl.mechanism' = '$mechanism',
        'properties.sasl.username' = 'bob', 'properties.sasl.password' = '\${file:$kafka/users/alice}'"
done
fails "an unknown authority" 78 "properties.ssl.ca.location" .ssl "'properties.security.protocol' = 'SSL',
    'properties.ssl.ca.location' = '$kafka/tls/stranger.pem'"
fails "a file that is not there" 78 "ssl.ca.location" .ssl "'properties.security.protocol' = 'SSL',
    'properties.ssl.ca.location' = '/no/such/ca.pem'"
fails "TLS where there is none" 78 "does not speak TLS" "" "'properties.security.protocol' = 'SSL', $tls"
fails "no TLS where there is some" 69 "look at 'properties.security.protocol'" .ssl \
    "'properties.security.protocol' = 'PLAINTEXT'"
fails "no user where one is wanted" 69 "look at 'properties.security.protocol'" .sasl_plaintext \
    "'properties.security.protocol' = 'PLAINTEXT'"
fails "a mechanism that is none" 78 "SCRAM-SHA-512" .sasl_plaintext "'properties.sasl.mechanism' = 'SCRAM',
    'properties.security.protocol' = 'SASL_PLAINTEXT', $alice"
fails "a secret in the script" 78 "does not belong into the text of a job" .sasl_plaintext \
    "'properties.security.protocol' = 'SASL_PLAINTEXT', 'properties.sasl.mechanism' = 'PLAIN',
    'properties.sasl.username' = 'alice', 'properties.sasl.password' = '$(echo "$secret" | tr -d "'")'"
fails "a secret that is not there" 78 "/no/such/secret.*No such file" .sasl_plaintext \
    "'properties.security.protocol' = 'SASL_PLAINTEXT', 'properties.sasl.mechanism' = 'PLAIN',
    'properties.sasl.username' = 'alice', 'properties.sasl.password' = '\${file:/no/such/secret}'"

# Certificates that a broker would have: a handshake is all that it takes.
certificate() {
    name=$1 names=$2 begin=$3 end=$4
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" &&
        echo "subjectAltName=$names" >ext &&
        openssl ca -batch -config ca.cnf -cert "$kafka/tls/ca.pem" -keyfile "$kafka/tls/ca.key" -in "$name.csr" \
            -out "$name.pem" -startdate "$begin" -enddate "$end" -extfile ext -notext
}
mkdir "$dir/ca"
cd "$dir/ca" || exit 1
: >index.txt
cat >ca.cnf <<'CNF'
[ca]
default_ca = d
[d]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = p
[p]
commonName = supplied
CNF
year=$(date +%Y)
{ certificate old IP:127.0.0.1 20200101000000Z 20200201000000Z &&
    certificate early IP:127.0.0.1 "$((year + 2))0101000000Z" "$((year + 3))0101000000Z" &&
    certificate other DNS:other.example "$((year - 1))0101000000Z" "$((year + 1))1231000000Z"; } >made 2>&1 ||
    bad "no certificates: $(cat made)"
# shown NAME TEXT: a listener with that certificate.
shown() {
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    openssl s_server -accept "127.0.0.1:$port" -cert "$1.pem" -key "$1.key" -quiet >/dev/null 2>&1 &
    server=$!
    echo "127.0.0.1:$port" >"$kafka/bootstrap.shown"
    within 10 sh -c "echo | openssl s_client -connect 127.0.0.1:$port"
    fails "a certificate, $1" 78 "$2" .shown "'properties.security.protocol' = 'SSL', $tls"
    kill "$server"
}
shown old "certificate has expired"
shown early "not valid yet"
shown other "other names"
cd "$dir" || exit 1

# --- the secret is nowhere ---

# shellcheck disable=SC2034  # run_job reads it
settings='checkpoint: {interval: 100ms, dir: checkpoints}
recovery: {dead_letter: dead}'
secured="'properties.security.protocol' = 'SASL_SSL', $tls, 'properties.sasl.mechanism' = 'SCRAM-SHA-512', $alice"
{
    source_at .sasl_ssl "$secured"
    echo "CREATE TABLE o (n INT) WITH ('connector' = 'kafka', 'topic' = 'out', 'format' = 'json',
        'sink.delivery-guarantee' = 'exactly-once',
        'properties.bootstrap.servers' = '$(cat "$kafka/bootstrap.sasl_ssl")', $secured);
        INSERT INTO o SELECT n FROM t;"
} >"$dir/long.sql"
run_job <"$dir/long.sql"
within 30 has_rows out 20
task=$(pgrep -P "$runner" -f 'weir task' | head -n 1)
folder=$(tr '\0' ' ' <"/proc/$task/cmdline" | cut -d' ' -f3)
same "the job's folder is known" yes "$([ -d "$folder" ] && echo yes)"
# A word of it is looked for, for a text might be escaped; it is random and long.
word=$(cut -c 1-16 "$kafka/users/alice")
same "the word is in the file itself" 1 "$(grep -c "$word" "$kafka/users/alice")"
for pid in $(pgrep -P "$runner") $runner; do
    tr '\0' '\n' <"/proc/$pid/cmdline" >>"$dir/seen"
    tr '\0' '\n' <"/proc/$pid/environ" >>"$dir/seen"
    grep 'Max core file size' "/proc/$pid/limits" >>"$dir/cores"
done
same "not in the processes' words" 0 "$(grep -c "$word" "$dir/seen")"
same "no process would leave it in a core dump" 0 "$(awk '$5 > 1 || $5 == "unlimited"' "$dir/cores" | wc -l)"
for command in explain "explain --json" check "check --json" status "status --json"; do
    # shellcheck disable=SC2086  # a list of words on purpose
    "$WEIR" $command "$dir/job.yaml"
done >"$dir/told" 2>&1
same "it was told something" yes "$(grep -q kafka "$dir/told" && echo yes)"
same "not in what commands tell" 0 "$(grep -c "$word" "$dir/told" "$dir/err" | grep -vc ':0$')"
same "not in the job's memory" 0 "$(grep -rla "$word" "$folder" | wc -l)"
within 10 sh -c "ls $dir/checkpoints/*/* >/dev/null"
same "not in checkpoints" 0 "$(grep -rla "$word" "$dir/checkpoints" "$dir/dead" 2>/dev/null | wc -l)"

# --- a new password ---

# The broker knows the new one, the file has it; the connection lives on, and the next process uses the new one.
echo "another $word" >"$dir/new"
tool scram alice "$dir/new" || bad "the password was not changed"
cat "$dir/new" >"$kafka/users/alice"
kill -KILL "$task"
seq 21 30 | sed 's/.*/{"n": &}/' | tool produce in as=text
within 30 has_rows out 30 && good "the next process has read the new password"
seq 30 | sed 's/.*/{"n":&}/' | LC_ALL=C sort >"$dir/want"
values out >"$dir/got"
equal "each row once" "$dir/want" "$dir/got"

# Processes that run on: a broker that comes back wants the new one of everybody.
echo "third $word" >"$dir/new"
tool scram alice "$dir/new" || bad "the password was not changed again"
cat "$dir/new" >"$kafka/users/alice"
broker stop
check "the broker is started again" broker start
seq 31 40 | sed 's/.*/{"n": &}/' | tool produce in as=text
within 60 has_rows out 40 && good "running processes have read the new password"

# The file is wrong, and a task begins anew: the job ends and says why, and does not go round and round.
echo wrong >"$kafka/users/alice"
: >"$dir/err"
begin=$(date +%s)
for pid in $(pgrep -P "$runner"); do kill -KILL "$pid"; done
job_ends 1
same "soon" yes "$([ $(($(date +%s) - begin)) -lt 40 ] && echo yes)"
same "it says why" yes "$(grep -q "refuses the user" "$dir/err" && echo yes)"
finish
