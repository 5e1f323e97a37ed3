#!/bin/sh
# fetch.sh FOLDER: what the comparison is made with, into FOLDER: jars of Flink and Hazelcast Jet from Maven Central
# (230 MB; pom.xml pins the versions, jars.sha256 the bytes), DuckDB from PyPI into a venv, rte_ring from Debian's
# packages of DPDK, unpacked and not installed (they would bring 200 others). What is there already stays.
set -eu
folder=${1:?usage: fetch.sh FOLDER} here=$(cd "$(dirname "$0")" && pwd)
duckdb=2.0.0
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

if [ ! -e "$folder/jars.done" ] || ! cmp -s "$here/jars.sha256" "$folder/jars.done"; then
    rm -rf "$folder/jars"
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$folder/jars"
    (cd "$folder/jars" && sha256sum --quiet -c "$here/jars.sha256") || {
        echo "fetch: a jar is not the one that bench/peers/jars.sha256 names" >&2
        exit 1
    }
    cp "$here/jars.sha256" "$folder/jars.done"
fi

mkdir -p "$folder/classes"
javac -nowarn -cp "$folder/jars/*" -d "$folder/classes" "$here"/*.java
cp "$here/log4j2.properties" "$folder/classes/"

if [ "$("$folder/venv/bin/python" -c 'import duckdb; print(duckdb.__version__)' 2>/dev/null)" != $duckdb ]; then
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install -q duckdb==$duckdb
fi

# Only Debian 12 has these names; elsewhere the ring is measured without DPDK's beside it.
if [ ! -e "$folder/dpdk/done" ] && command -v apt-get >/dev/null; then
    rm -rf "$folder/dpdk"
    mkdir -p "$folder/dpdk"
    if (cd "$folder/dpdk" && apt-get -q download libdpdk-dev librte-ring23 librte-eal23 librte-kvargs23 \
        librte-telemetry23 libnuma1 libbsd0 libmd0 libfdt1) >"$folder/dpdk.log" 2>&1; then
        for package in "$folder"/dpdk/*.deb; do
            dpkg -x "$package" "$folder/dpdk"
        done
        touch "$folder/dpdk/done"
    else
        echo "fetch: apt has no DPDK here ($folder/dpdk.log); the ring is measured without rte_ring" >&2
    fi
fi
