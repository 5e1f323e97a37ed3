#!/bin/sh
# fetch-rdkafka.sh [FOLDER]: librdkafka as a static library in FOLDER (build/rdkafka), fetched and built once.
#
# Its source is what the crate rdkafka-sys carries; cargo fetches it, for cargo knows its registry. The crate's
# checksum is kept here, so it does not matter where the bytes come from: RDKAFKA_CRATE=FILE names a copy for
# machines without a network. FOLDER/done holds what was built: a second run compares it and does nothing. See
# docs/decisions/0011-librdkafka.md.
set -eu
crate=rdkafka-sys
version=4.10.0+2.12.1
checksum=e234cf318915c1059d4921ef7f75616b5219b10b46e9f3a511a15eb4b56a3f77
# No Kerberos, no HTTP client; LZ4 is the one that comes with it. A C++ compiler is asked for and never used.
options='--cc=gcc --cxx=gcc --no-download --disable-gssapi --disable-curl --disable-lz4-ext --disable-syslog'
# Threads by pthread_create, which ThreadSanitizer follows; those of C11 it does not know, and crashes in.
options="$options --disable-c11threads --enable-ssl --enable-zlib --enable-zstd"
# What is mended in it, see mend below; a higher number builds it anew.
mends=2
# Warnings are not ours to read.
flags='-O2 -g -fno-omit-frame-pointer -w'
# What a build depends on.
stamp="$checksum $options $flags $mends"

fail() {
    echo "librdkafka: $1" >&2
    exit 69
}

folder=${1:-build/rdkafka}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
is_done() {
    [ -f "$folder/done" ] && [ "$(cat "$folder/done")" = "$stamp" ]
}
# Two makes at once: the second waits and finds it built. The lock lies beside the folder, which is emptied.
exec 9>"$folder.lock"
flock 9
! is_done || exit 0

# A crate is taken when its checksum is right, wherever it lies.
is_right() {
    echo "$checksum  $1" | sha256sum --check --status 2>/dev/null
}

# Debian 12's cargo without the compiler that its package wants beside it (6 MB instead of 100, and no root): the
# package and what it is linked with are unpacked, not installed.
unpack_cargo() {
    rm -rf "$work/debs"
    mkdir -p "$work/debs"
    names=$(apt-get install -s --no-install-recommends cargo 2>/dev/null | sed -n 's/^Inst \([^ ]*\).*/\1/p' |
        grep -vE '^(rustc|libstd-rust|libllvm|libz3|libxml2|libicu|libedit|libbsd|gcc|libc6-dev)') || return 1
    # shellcheck disable=SC2086 # a list of words on purpose
    (cd "$work/debs" && apt-get download -q $names >/dev/null 2>&1) || return 1
    for package in "$work"/debs/*.deb; do
        dpkg -x "$package" "$work/debs" || return 1
    done
}

# A package that depends on the crate and on nothing else: what the crate itself needs for Rust is patched away,
# because it is not compiled, and because an old cargo cannot read the newest versions of all that.
write_package() {
    rm -rf "$work/package"
    mkdir -p "$work/package/src"
    : >"$work/package/src/lib.rs"
    cat >"$work/package/Cargo.toml" <<TOML
[package]
name = "fetch"
version = "0.0.0"
[dependencies]
$crate = { version = "=${version%+*}", default-features = false }
[patch.crates-io]
TOML
    for stub in libc:0.2.999 num_enum:0.7.999 pkg-config:0.3.999; do
        mkdir -p "$work/package/${stub%:*}/src"
        : >"$work/package/${stub%:*}/src/lib.rs"
        printf '[package]\nname = "%s"\nversion = "%s"\n' "${stub%:*}" "${stub#*:}" \
            >"$work/package/${stub%:*}/Cargo.toml"
        echo "${stub%:*} = { path = \"${stub%:*}\" }" >>"$work/package/Cargo.toml"
    done
}

# cargo fetches into a home of its own; a mirror that the user has configured is used.
fetch() {
    cargo=$(command -v cargo) || {
        unpack_cargo || fail "there is no cargo to fetch $crate $version with, and apt-get did not give one;
  after 'apt-get update' it may. Without a network: RDKAFKA_CRATE=/path/$crate-$version.crate make"
        cargo=$work/debs/usr/bin/cargo
        LD_LIBRARY_PATH=$(echo "$work"/debs/usr/lib/*-linux-gnu)
        export LD_LIBRARY_PATH
    }
    write_package
    mkdir -p "$work/home"
    for config in config.toml config; do
        [ ! -f "${CARGO_HOME:-$HOME/.cargo}/$config" ] ||
            cp "${CARGO_HOME:-$HOME/.cargo}/$config" "$work/home/"
    done
    # Before 1.68 the sparse index was unstable, and the index in git is large and often out of reach.
    sparse=
    case $("$cargo" --version) in
    'cargo 1.'[0-9].* | 'cargo 1.'[1-5][0-9].* | 'cargo 1.6'[0-7].*) sparse='-Z sparse-registry' ;;
    esac
    # shellcheck disable=SC2086 # two words or none
    (cd "$work/package" && CARGO_HOME=$work/home RUSTC_BOOTSTRAP=1 CARGO_REGISTRIES_CRATES_IO_PROTOCOL=sparse \
        CARGO_NET_RETRY=2 "$cargo" $sparse vendor "$work/vendor" </dev/null >"$work/cargo.log" 2>&1) || {
        sed 's/^/  /' "$work/cargo.log" >&2
        fail "cargo did not give $crate $version; is the network there?
  Without a network: RDKAFKA_CRATE=/path/$crate-$version.crate make"
    }
    for archive in "$work"/home/registry/cache/*/"$crate-$version.crate"; do
        cp "$archive" "$work/$crate.crate"
    done
    is_right "$work/$crate.crate" ||
        fail "what cargo gave as $crate $version is not what was expected: its checksum differs"
}

# The crate from where the user says, else from an earlier run, else from cargo.
get_crate() {
    if [ -n "${RDKAFKA_CRATE:-}" ]; then
        [ -r "$RDKAFKA_CRATE" ] || fail "RDKAFKA_CRATE=$RDKAFKA_CRATE cannot be read"
        is_right "$RDKAFKA_CRATE" ||
            fail "RDKAFKA_CRATE=$RDKAFKA_CRATE is not $crate-$version.crate: its checksum differs"
        cp "$RDKAFKA_CRATE" "$work/$crate.crate"
    elif ! is_right "$work/$crate.crate"; then
        echo "librdkafka: fetching the crate $crate $version" >&2
        fetch
    fi
}

# run STEP COMMAND...: quiet when it works, its last words when it does not. The variables of the make around this
# one are not its business.
run() {
    step=$1
    shift
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS -u CPPFLAGS -u LDFLAGS "$@" </dev/null \
        >"$work/$step.log" 2>&1 || {
        tail -n 30 "$work/$step.log" | sed 's/^/  /' >&2
        fail "$step failed; all of it is in $work/$step.log"
    }
}

# change FILE COUNT SED: the change must be made in so many places, else this is not the source that it was made for.
change() {
    cp "$1" "$1.before"
    sed -e "$3" "$1.before" >"$1"
    made=$(diff "$1.before" "$1" | grep -c '^>' || true)
    [ "$made" = "$2" ] || fail "$1 is not as expected: $made of $2 lines were mended"
}

# Two waits of version 2.12.1 that hold a transaction up (docs/decisions/0011-librdkafka.md):
# - A request to a group's coordinator that has no connection waits for a change of a broker's state. One that came
#   before is missed, and send_offsets_to_transaction never returns. It looks again each 20 ms now.
# - A producer id that is refused for now, as it is while a predecessor's transaction is being aborted, was asked for
#   again 500 ms later. Now after 50.
mend() {
    again='rd_kafka_timer_start_oneshot(\&rk->rk_timers, \&creq->creq_tmr, rd_true, 20 * 1000,'
    again="$again rd_kafka_coord_req_tmr_cb, creq);"
    change src/rdkafka_coord.c 3 "s/^ *} else if (creq->creq_rkb == rkb) {\$/& $again/
        s/^ *\/\* No connection yet\.\$/$again &/
        /No available brokers yet/,/return;/s/^ *return;\$/$again return;/"
    change src/rdkafka_idempotence.c 1 's|500 /\*500ms\*/|50|'
}

build() {
    source=$work/src
    rm -rf "$source"
    mkdir -p "$source"
    tar -xzf "$work/$crate.crate" -C "$source" --strip-components=2 "$crate-$version/librdkafka"
    echo "librdkafka: building ${version#*+}" >&2
    cd "$source"
    mend
    # shellcheck disable=SC2086 # a list of words on purpose
    run configure ./configure $options --CFLAGS="$flags -ffile-prefix-map=$source=librdkafka"
    for have in WITH_SSL WITH_ZLIB WITH_ZSTD WITH_SASL_SCRAM; do
        grep -q "^#define $have 1" config.h || fail "configure did not find what $have needs; see $work/configure.log"
    done
    run compile make -C src -j "$(nproc)" librdkafka.a
    rm -rf "${folder:?}/include" "${folder:?}/lib"
    mkdir -p "$folder/include/librdkafka" "$folder/lib"
    cp src/rdkafka.h src/rdkafka_mock.h "$folder/include/librdkafka/"
    cp LICENSES.txt CONFIGURATION.md CHANGELOG.md "$folder/"
    cp src/librdkafka.a "$folder/lib/"
    cd /
}

work=$folder/work
mkdir -p "$work"
rm -f "$folder/done"
get_crate
build
for left in src vendor home package debs; do
    rm -rf "${work:?}/$left"
done
echo "$stamp" >"$folder/done.new"
mv "$folder/done.new" "$folder/done"
