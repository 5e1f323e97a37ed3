#!/bin/sh
# run.sh [uv] [latency] [ring]: weir beside other engines; what each figure means is in README.md. Never fails on a
# time, only on a wrong answer. WEIR is the program, BUILD the build folder.
#
#   PEERS_ROWS    rows of the UV job (2000000: about a minute of Flink for each line of it)
#   PEERS_ROUNDS  turns of each engine (3); PEERS_CORES ("1,2"), PEERS_FORMATS ("json,csv")
#   PEERS_HEAP    of Flink's JVM (4g)
#   PEERS_RATE    events a second of the latency runs (100000); PEERS_SECONDS of each (30), after 10 of warm-up
set -eu
weir=${WEIR:?} build=${BUILD:?}
here=$(cd "$(dirname "$0")" && pwd)
folder=$(dirname "$build")/peers
[ $# -gt 0 ] || set -- uv ring latency
sh "$here/fetch.sh" "$folder"
folder=$(cd "$folder" && pwd)

title() {
    printf '\n== %s\n' "$*"
}

engine() { # MAIN_CLASS ARGUMENT...
    java "@$here/jvm.flags" -Xmx"${PEERS_HEAP:-4g}" -cp "$folder/classes:$folder/jars/*" "$@"
}

title "machine"
model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
echo "$(nproc) cores, ${model:-unknown cpu}; $(uname -sr);" \
    "$(awk '/^MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo) of memory;" \
    "load $(cut -d' ' -f1-3 /proc/loadavg); $(date +%Y-%m-%d)"
echo "$(java -version 2>&1 | sed -n 2p);" \
    "$(cd "$folder/jars" && echo flink-runtime-*.jar hazelcast-*.jar | sed 's/\.jar//g');" \
    "duckdb $("$folder/venv/bin/python" -c 'import duckdb; print(duckdb.__version__)')"

for part in "$@"; do
    case $part in
        uv)
            title "the UV job: ${PEERS_ROWS:-2000000} rows, medians of ${PEERS_ROUNDS:-3} turns"
            python3 "$here/uv.py" --weir "$weir" --uv-data "$build/bench/uv_data" --jars "$folder/jars" \
                --python "$folder/venv/bin/python" --work "$folder" --rows "${PEERS_ROWS:-2000000}" \
                --rounds "${PEERS_ROUNDS:-3}" --cores "${PEERS_CORES:-1,2}" \
                --formats "${PEERS_FORMATS:-json,csv}" --heap "${PEERS_HEAP:-4g}"
            ;;
        ring)
            title "weir's ring and DPDK's rte_ring: medians of 41 blocks in turns, ratio above 1: weir is faster"
            if [ -e "$folder/dpdk/done" ]; then
                sh "$here/build-ring.sh" "$folder" "$build"
                "$folder/ring_rte"
            else
                echo "skipped: DPDK's packages are not there"
            fi
            ;;
        latency)
            title "source -> keyed operator -> sink at a fixed rate: microseconds; see weir bench pipeline"
            printf '%-10s %-8s %10s %9s %9s %9s %9s %9s\n' engine shape results p50 p99 p99.9 p99.99 max
            for shape in record window; do
                rm -rf "$folder/latency.checkpoints"
                engine LatencyFlink $shape "${PEERS_RATE:-100000}" 10 "${PEERS_SECONDS:-30}" \
                    "$folder/latency.checkpoints"
                engine LatencyJet $shape "${PEERS_RATE:-100000}" 10 "${PEERS_SECONDS:-30}"
            done
            ;;
        *)
            echo "run: there is no part '$part': uv, latency, ring" >&2
            exit 64
            ;;
    esac
done
