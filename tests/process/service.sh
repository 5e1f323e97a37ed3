#!/bin/sh
# service.sh: what a service manager is told, and when: ready, alive, its status, stopping (service_driver.py
# plays the manager); the unit files are whole, and are those that `make install` puts in place.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
here=$(dirname "$(realpath "$0")")
# shellcheck source=/dev/null
. "$here/everything.inc"
dir=$(mktemp -d)
# shellcheck disable=SC2317  # called by the trap
end_all() {
    for job in steady short; do reboot "$job-service-$$"; done
    rm -rf "$dir"
}
trap end_all EXIT
passed=0 failed=0
"${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -O1 -shared -fPIC -o "$dir/hold.so" "$here/hold.c" -ldl

# job NAME ROWS RATE [YAML]: a source and, behind a ring, who counts; more than one task.
job() {
    cat >"$dir/$1-service-$$.sql" <<SQL
SET 'parallelism.default' = '2';
CREATE TABLE src (k BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'datagen',
  'rows-per-second' = '$3', 'number-of-rows' = '$2', 'fields.k.min' = '0', 'fields.k.max' = '9',
  'fields.at.start' = '2024-01-01');
CREATE TABLE result (k BIGINT, c BIGINT) WITH ('connector' = 'filesystem', 'path' = '$dir/out-$1', 'format' = 'csv');
INSERT INTO result SELECT k, COUNT(*)
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;
SQL
    printf 'job: %s-service-%s\nsql: %s-service-%s.sql\n%s\n' "$1" "$$" "$1" "$$" \
        "${4:-memory: {state: 16MiB, reserve: 0%\}}" >"$dir/$1-service-$$.yaml"
    printf 'checkpoint: {interval: 500ms, engine: pwrite}\nplacement: {cores: 2}\n' >>"$dir/$1-service-$$.yaml"
}

# scene NAME JOB
scene() {
    status=0
    said=$(python3 "$here/service_driver.py" "$1" "$WEIR" "$dir/$2-service-$$.yaml") || status=$?
    echo "$said" | sed '$d' | sed "s/^/$1: /"
    # "N passed, N failed"
    counts=$(echo "$said" | tail -n 1)
    if [ "${counts#*passed, }" = "$counts" ]; then
        echo "FAILED: $1 ended with status $status: $said"
        failed=$((failed + 1))
        return
    fi
    passed=$((passed + ${counts%% *}))
    counts=${counts#*passed, }
    failed=$((failed + ${counts%% *}))
}

job steady 1000000 20
job short 100 0
export HOLD_TASK="$dir/hold-task" HOLD_SYNC="$dir/hold-sync"
for name in whole slow; do LD_PRELOAD="$dir/hold.so" scene $name steady; done
scene adopt steady
scene other steady
for name in finish abstract deaf; do scene "$name" short; done
job short 100 0 'memory: {dir: /nowhere}'
scene refused short

# check NAME COMMAND...
check() {
    name=$1
    shift
    if "$@" >"$dir/said" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name"
        cat "$dir/said"
    fi
}

# An address that is none is a word, and no reason not to run.
job short 100 0
NOTIFY_SOCKET=nonsense "$WEIR" run "$dir/short-service-$$.yaml" >/dev/null 2>"$dir/err"
check 'an address that is none' grep -q "NOTIFY_SOCKET is 'nonsense', which is no Unix socket" "$dir/err"

# The unit as it is installed.
make -s install-units DESTDIR="$dir/root" PREFIX=/usr >/dev/null
units=$dir/root/usr/lib/systemd/system
check 'the unit runs the command where it is' grep -qxF 'ExecStart=/usr/bin/weir run %S/weir/%i/%i.yaml' \
    "$units/weir@.service"
check 'nothing is left to be filled in' sh -c "! grep -rn '@[A-Z]*@' '$dir/root'"
if command -v systemd-analyze >/dev/null 2>&1; then
    # It wants the programs to be there.
    sed "s|^ExecStart=/usr/bin/weir|ExecStart=$(realpath "$WEIR")|" "$units/weir@.service" >"$dir/weir@.service"
    check 'systemd-analyze verify' systemd-analyze verify "$dir/weir@.service"
    check 'and it has nothing to say' [ ! -s "$dir/said" ]
else
    echo "no systemd-analyze here: the unit is not verified"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
