#!/bin/sh
# run.sh [consume] [peers] [latency] [gap]: weir between two topics; what each figure means is in README.md. Never fails on
# a time, only on a wrong answer. WEIR is the program, BUILD the build folder, RDKAFKA where librdkafka was built.
#
#   KAFKA_ROWS       rows of the part consume (6000000); KAFKA_ROUNDS turns of each (3); KAFKA_CODEC of the topic (none)
#   KAFKA_JOBS       weir's jobs there ("raw,json,uv,copy")
#   KAFKA_PEER_ROWS  rows of the part peers (2000000); KAFKA_PEERS ("weir,streams,flink"); KAFKA_HEAP of a JVM (4g)
#   KAFKA_RATE       rows a second of latency and gap (50000); KAFKA_SECONDS of each latency run (10); KAFKA_KILLS (10)
set -eu
weir=${WEIR:?} build=${BUILD:?} rdkafka=${RDKAFKA:?}
here=$(cd "$(dirname "$0")" && pwd)
folder=$(dirname "$build")/kafka-bench
[ $# -gt 0 ] || set -- consume peers latency gap
peers=${KAFKA_PEERS-weir,streams,flink}
fetch=
case " $* " in
    *" peers "*) fetch=$(echo "$peers" | tr , '\n' | grep -v weir || :) ;;
esac
# shellcheck disable=SC2086 # a word each
sh "$here/fetch.sh" "$folder/peers" "$rdkafka" $fetch

printf '\n== machine\n'
model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
echo "$(nproc) cores, ${model:-unknown cpu}; $(uname -sr);" \
    "$(awk '/^MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo) of memory;" \
    "load $(cut -d' ' -f1-3 /proc/loadavg); $(date +%Y-%m-%d)"
exec python3 "$here/bench.py" --weir "$weir" --build "$build" --work "$folder" --rows "${KAFKA_ROWS:-6000000}" \
    --rounds "${KAFKA_ROUNDS:-3}" --codec "${KAFKA_CODEC:-none}" --jobs "${KAFKA_JOBS-raw,json,uv,copy}" \
    --peer-rows "${KAFKA_PEER_ROWS:-2000000}" --peers "$peers" --heap "${KAFKA_HEAP:-4g}" \
    --rate "${KAFKA_RATE:-50000}" --seconds "${KAFKA_SECONDS:-10}" --kills "${KAFKA_KILLS:-10}" "$@"
