#!/bin/sh
# checkpoint_bad.sh: checkpoints that cannot be used: damaged in any byte, cut off, half copied, of a
# newer version, of another job, of another owner; folders without room or rights. What can be mended by
# an older checkpoint is told and mended, and the output is right; all else is refused before anything
# starts, with what to do.
#
# FLIPS=n SEED=n: more bytes. In a mount namespace of its own where that is possible.
set -u
if [ "${1:-}" != inside ] && [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    exec unshare -m --propagation private "$0" inside
fi
# shellcheck source=/dev/null
. "$(dirname "$0")/bad_support.inc"
weir=${weir:?}
can_mount=${1:-}
echo "SEED=${SEED:=$(date +%s)}"

cat >flip.py <<'PY'
"""flip.py flip FILE CLASS SEED | version FILE: damage it, or make it of version 2 with right checksums."""
import random, struct, sys

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def where(kind, size, r):
    """Byte classes of a snapshot: fields of a frame's header, its block table, payload, the last frame."""
    if kind == "field":
        return r.randrange(64)
    if kind == "table":
        return r.randrange(64, 4096)
    if kind == "foot":
        return size - 1 - r.randrange(4096)
    return r.randrange(size)


def main():
    name = sys.argv[2]
    with open(name, "rb") as f:
        data = bytearray(f.read())
    if sys.argv[1] == "flip":
        r = random.Random(f"{sys.argv[3]} {sys.argv[4]}")
        at, bit = where(sys.argv[3], len(data), r), r.randrange(8)
        data[at] ^= 1 << bit
        print(f"bit {bit} of byte {at} of {name}, {len(data)} bytes, {sys.argv[3]}")
    elif name.endswith("MANIFEST"):
        text, tail = bytes(data).split(b',\n  "crc32c": "')
        text = text.replace(b'"weir_checkpoint": 1', b'"weir_checkpoint": 2')
        data = text + b',\n  "crc32c": "%08x' % crc32c(text) + tail[8:]
    else:
        struct.pack_into("<I", data, 8, 2)  # core/snapshot/format.h
        struct.pack_into("<I", data, 60, 0)
        struct.pack_into("<I", data, 60, crc32c(bytes(data[:4096])))
    with open(name, "wb") as f:
        f.write(data)


main()
PY

awk 'BEGIN { for (i = 0; i < 400000; i++) printf "d%d,k%d,2024-01-01 %02d:%02d:%02d\n", i * 7919 % 9973,
    i % 7, i / 20000, i / 334 % 60, i / 6 % 60 }' | sort -t, -k3 >rows.csv
# script FOLDER
script() {
    cat <<SQL
SET 'execution.checkpointing.interval' = '20 ms';
SET 'parallelism.default' = '2';
CREATE TABLE t (id STRING, k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'filesystem', 'path' = 'rows.csv', 'format' = 'csv');
CREATE TABLE o (w TIMESTAMP(3), k STRING, n BIGINT, d BIGINT) WITH ('connector' = 'filesystem',
  'path' = '$1/out', 'format' = 'csv', 'sink.rolling-policy.file-size' = '2kb');
INSERT INTO o SELECT window_end, k, COUNT(*), COUNT(DISTINCT id)
FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, k;
SQL
}
plain='memory: {state: 16MiB, reserve: 0%}
checkpoint: {interval: 1s, retain: 4, dir: checkpoints}'
job base "$(script base)" "$plain"
result() { find base/out -name 'part-*' -exec cat {} + | sort; }
count() { find checkpoints -name MANIFEST 2>/dev/null | wc -l; }
newest() { find checkpoints -name MANIFEST | sort -V | tail -n 1; }

"$weir" run --quiet base.yaml 2>err
result >want
[ "$(wc -l <want)" -gt 1500 ]
verdict "an undisturbed run: $(wc -l <want) rows" $?

# again: everything as it was when the run was killed.
again() {
    rm -rf base checkpoints
    cp -a scene/base scene/checkpoints .
}

# A run that has made checkpoints, killed before it has handled all its input: what there is then, is the
# scene of all that follows. A kill can come too late; so a copy must be able to go on.
tries=0
while [ ! -d scene ] && [ $tries -lt 50 ]; do
    tries=$((tries + 1))
    rm -rf base checkpoints
    "$weir" run --quiet base.yaml 2>err &
    runner=$!
    while kill -0 $runner 2>/dev/null && [ ! -e checkpoints/chk-3/MANIFEST ]; do sleep 0.003; done
    reboot bad-base-$$ $runner
    [ "$(count)" -ge 3 ] || continue
    mkdir scene && cp -a base checkpoints scene
    timeout 60 "$weir" run base.yaml >out 2>err </dev/null
    if grep -q 'going on from' err; then again; else rm -rf scene; fi
done
[ -d scene ]
verdict "a run with three checkpoints, killed in its middle: $tries tries" $?

# mended WHAT: the older checkpoint is taken, which is told, and the output is right.
mended() {
    timeout 60 "$weir" run base.yaml >out 2>err </dev/null
    status=$?
    result | cmp - want >difference 2>&1 && [ $status = 0 ] && holds err 'CANNOT BE RESTORED' 'going on from'
    verdict "$1: status $status, $(cat difference)" $?
}

flip=0
while [ $flip -lt "${FLIPS:-14}" ]; do
    again
    case $((flip % 7)) in
    0 | 3) kind=field ;;
    1) kind=table ;;
    2) kind=foot ;;
    4 | 5) kind=any ;;
    *) kind=manifest ;;
    esac
    file=$(newest)
    if [ $kind != manifest ]; then
        file=$(find "$(dirname "$file")" -name '*.snap' | sort | sed -n "$((flip % 4 + 1))p")
    fi
    what=$(python3 flip.py flip "$file" $kind "$SEED-$flip")
    mended "$what"
    flip=$((flip + 1))
done

again
rm "$(find "$(dirname "$(newest)")" -name '*.snap' | head -n 1)"
mended 'a snapshot is missing'
again
truncate -s -4096 "$(find "$(dirname "$(newest)")" -name '*.snap' | head -n 1)"
mended 'a snapshot is cut off'
again
truncate -s 100 "$(newest)"
mended 'a manifest is cut off'
again
: >"$(newest)"
mended 'a manifest is empty'

# refused STATUS TEXT...: nothing is started, nothing is changed.
refused() {
    wanted=$1
    shift
    # shellcheck disable=SC2086 # words
    timeout 60 ${as:-} "$weir" run --json "${config:-base.yaml}" >out 2>err </dev/null
    status=$?
    cat out err >both
    [ $status = "$wanted" ] && holds both "$@" && ! grep -q '"event":"started"' both
    verdict "status $status, wanted $wanted and $*" $?
}

again
find checkpoints -name MANIFEST -exec truncate -s 100 {} +
refused 69 'CANNOT BE RESTORED' 'no checkpoint is left to go on from' 'run with --fresh'
again
find checkpoints -name '*.snap' -exec rm {} +
refused 69 'No such file' 'no checkpoint is left to go on from'
again
python3 flip.py version "$(newest)"
refused 69 'format version 2, this program reads version 1' 'use the program that wrote it'
again
python3 flip.py version "$(find "$(dirname "$(newest)")" -name '*.snap' | sort | head -n 1)"
refused 69 'format version 2, this program reads version 1' 'use the program that wrote it'
again
echo "job-of-others" >checkpoints/JOB
refused 69 "has the checkpoints of job 'job-of-others'" 'set checkpoint.dir to another folder'

# elsewhere DIR: the job with its checkpoints there.
elsewhere() {
    config=else.yaml
    job else "$(script base)" "memory: {state: 16MiB, reserve: 0%}
checkpoint: {interval: 1s, dir: $1}"
}
rm -rf base
: >file
elsewhere file/below
refused 69 'cannot keep checkpoints in' 'Not a directory' 'set checkpoint.dir to'
elsewhere file
refused 69 'cannot keep checkpoints in' 'Not a directory'
elsewhere /proc/nowhere/below
refused 69 'cannot keep checkpoints in /proc/nowhere/below' 'No such file' 'set checkpoint.dir to'
elsewhere deep/er/still # made
expect 0 finished run else.yaml
[ ! -e deep/er/still ] && result | cmp - want
verdict 'a folder that is made, and goes when the job is done' $?
rm -rf base

if [ -n "$can_mount" ]; then
    mkdir disk
    mount -t tmpfs -o size=64k tmpfs disk
    head -c 65536 /dev/zero >disk/filler 2>/dev/null
    elsewhere disk/checkpoints
    refused 69 'cannot keep checkpoints in' 'No space left on device' 'make room'
    umount disk
    mount -t tmpfs -o ro tmpfs disk
    refused 69 'cannot keep checkpoints in' 'the file system is read-only' 'set checkpoint.dir'
    umount disk
    # Full in the middle: checkpoints fail, are named, and the job runs to its end.
    mount -t tmpfs -o size=256k tmpfs disk
    timeout 60 "$weir" run --verbose else.yaml >out 2>err </dev/null
    status=$?
    [ $status = 0 ] && holds err 'No space left on device' && result | cmp - want
    verdict "a full disk meanwhile: status $status" $?
    [ -z "$(find disk -mindepth 1 -name 'chk*')" ]
    verdict "a full disk keeps nothing: $(find disk -mindepth 1)" $?
    umount disk
    rm -rf base
fi

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 755 .
    mkdir memory
    chown 65534:65534 memory
    as='setpriv --reuid=65534 --regid=65534 --clear-groups'
    config=other.yaml
    again
    chmod 777 base base/out
    job other "$(script base)" "memory: {dir: $PWD/memory, state: 16MiB, reserve: 0%}
checkpoint: {interval: 1s, dir: checkpoints}
recovery: {dead_letter: $PWD/memory/dead}"
    sed -n 1p base.yaml >first && sed -i "1s/.*/$(cat first)/" other.yaml
    refused 69 'checkpoints' 'Permission denied'
    chown 65534:65534 checkpoints checkpoints/JOB
    refused 69 'MANIFEST: Permission denied'
    [ "$(count)" -ge 3 ]
    verdict 'what could not be read is not removed' $?
    chown -R 65534:65534 checkpoints
    find checkpoints -name '*.snap' -exec chown 0:0 {} +
    refused 69 'Permission denied'
fi
finish
