#!/bin/sh
# fetch.sh FOLDER RDKAFKA [streams] [flink]: what the comparison is made with, into FOLDER: librdkafka's own
# rdkafka_performance, built from the source that RDKAFKA (build/rdkafka) was built from; Kafka Streams (94 MB) and
# Flink with its Kafka connector (160 MB) from Maven Central when they are named. pom.xml pins the versions, jars.sha256
# the bytes. What is there already stays.
set -eu
folder=${1:?usage: fetch.sh FOLDER RDKAFKA [streams] [flink]} rdkafka=${2:?} here=$(cd "$(dirname "$0")" && pwd)
shift 2
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

# The example wants headers of the library's inside, and what configure has found of this machine.
if [ ! -x "$folder/rdkafka_performance" ]; then
    rm -rf "$folder/source"
    mkdir -p "$folder/source"
    tar -xzf "$rdkafka/work/rdkafka-sys.crate" -C "$folder/source" --strip-components=2 --wildcards \
        '*/librdkafka/examples/rdkafka_performance.c' '*/librdkafka/src/*.h'
    cat >"$folder/source/config.h" <<'CONFIG'
#define HAVE_STRNDUP 1
#define HAVE_STRERROR_R 1
#define HAVE_STRCASESTR 1
#define HAVE_PTHREAD_SETNAME_GNU 1
#define HAVE_ATOMICS_32 1
#define HAVE_ATOMICS_64 1
#define HAVE_ATOMICS_32_ATOMIC 1
#define HAVE_ATOMICS_64_ATOMIC 1
#define ATOMIC_OP32(OP1, OP2, PTR, VAL) __atomic_##OP1##_##OP2(PTR, VAL, __ATOMIC_SEQ_CST)
#define ATOMIC_OP64 ATOMIC_OP32
#define ATOMIC_OP ATOMIC_OP32
CONFIG
    (cd "$folder/source" && gcc -O2 -w -Isrc -I"$rdkafka/include" -I"$rdkafka/include/librdkafka" \
        examples/rdkafka_performance.c "$rdkafka/lib/librdkafka.a" \
        -lssl -lcrypto -lz -lzstd -lm -lpthread -o "$folder/rdkafka_performance")
fi

mkdir -p "$folder/classes"
for peer in "$@"; do
    sums=$here/jars.$peer.sha256
    if [ ! -e "$folder/$peer.done" ] || ! cmp -s "$sums" "$folder/$peer.done"; then
        rm -rf "${folder:?}/$peer"
        mvn -q -B -P "$peer" -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
            -DoutputDirectory="$folder/$peer"
        (cd "$folder/$peer" && sha256sum --quiet -c "$sums") || {
            echo "fetch: a jar is not the one that bench/kafka/jars.$peer.sha256 names" >&2
            exit 1
        }
        cp "$sums" "$folder/$peer.done"
    fi
    case $peer in
        streams) javac -nowarn -cp "$folder/streams/*" -d "$folder/classes" "$here/StreamsJob.java" ;;
        flink)
            javac -nowarn -cp "$folder/flink/*" -d "$folder/classes" "$here/../peers/FlinkSql.java"
            cp "$here/../peers/log4j2.properties" "$folder/classes/"
            ;;
    esac
done
