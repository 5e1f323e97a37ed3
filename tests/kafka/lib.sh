#!/bin/sh
# lib.sh: what the tests of this folder share. A test sources it at its head and ends with `finish`:
#
#   . "$(dirname "$0")/lib.sh"
#   kafka_start --proxy            # a broker in $dir/kafka; skips the test (77) where there can be none
#   tool create in 4 -- create out 4
#   run_job <<SQL ... SQL          # weir, in the background, as $runner
#   within 30 has_rows out 100
#   equal 'what went in comes out' "$dir/want" "$dir/got"
#   finish
#
# All of it (broker, proxy, weir with tasks and shared memory, the folder) is gone when the script ends, however it
# ends; KEEP=1 leaves the folder. SIGKILL of the script takes the broker along.
# shellcheck disable=SC2034,SC2154  # some is for who sources this, some comes from everything.inc
set -u
lib=$(dirname "$(realpath "$0")")
# shellcheck source=/dev/null
. "$lib/../process/everything.inc"
dir=$(mktemp -d)
kafka=$dir/kafka
job=kafka-$(basename "$0" .sh)-$$
runner='' passed=0 failed=0

cleanup() {
    reboot "$job" "$runner"
    if [ -n "${KEEP:-}" ]; then
        echo "kept: $dir"
        [ ! -d "$kafka" ] || "$lib/broker" stop "$kafka"
    else
        [ ! -d "$kafka" ] || "$lib/broker" remove "$kafka"
        rm -rf "$dir"
    fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- verdicts ---

good() {
    passed=$((passed + 1))
    echo "ok   $*"
}
bad() {
    failed=$((failed + 1))
    echo "FAIL $*"
    tail -n 5 "$dir/err" 2>/dev/null
    return 0
}
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}
# give_up WHAT: what follows would make no sense.
give_up() {
    bad "$*"
    finish
}
# check WHAT COMMAND...: it succeeds.
check() {
    what=$1
    shift
    if "$@" >"$dir/check" 2>&1; then good "$what"; else bad "$what: $* gave $?: $(tail -n 3 "$dir/check")"; fi
}
# refused WHAT TEXT COMMAND...: it fails and says so.
refused() {
    what=$1 text=$2
    shift 2
    if "$@" >"$dir/check" 2>&1; then
        bad "$what: $* succeeded"
    elif grep -q -- "$text" "$dir/check"; then
        good "$what"
    else
        bad "$what: it does not say '$text' but $(tail -n 3 "$dir/check")"
    fi
}
# same WHAT WANTED GOT: words. equal WHAT WANTED GOT: files.
same() {
    if [ "$2" = "$3" ]; then good "$1"; else bad "$1: '$3' instead of '$2'"; fi
}
equal() {
    if [ -s "$2" ] && cmp -s "$2" "$3"; then
        good "$1"
    else
        bad "$1: $(diff "$2" "$3" | grep -c '^<') lines missing, $(diff "$2" "$3" | grep -c '^>') too many:" \
            "$(diff "$2" "$3" | head -n 4)"
    fi
}
# within SECONDS COMMAND...: wait until it succeeds; 1 and a failure when it does not in time.
within() {
    deadline=$(($(date +%s) + $1))
    seconds=$1
    shift
    until "$@" >"$dir/within" 2>&1; do
        if [ "$(date +%s)" -gt "$deadline" ]; then
            bad "not within $seconds s: $*: $(tail -n 3 "$dir/within")"
            return 1
        fi
        sleep 0.1
    done
}

# --- the broker ---

# kafka_start [OPTIONS OF broker start]
kafka_start() {
    status=0
    "$lib/broker" start --owner $$ "$@" "$kafka" 2>"$dir/broker.err" || status=$?
    if [ $status != 0 ]; then
        cat "$dir/broker.err"
        exit $status
    fi
    bootstrap=$(cat "$kafka/bootstrap")
}
# broker COMMAND [WORDS...]: of the folder of this test.
broker() {
    command=$1
    shift
    case $command in
    leader | slow) "$lib/broker" "$command" "$kafka" "$@" ;;
    *) "$lib/broker" "$command" "$@" "$kafka" ;;
    esac
}
tool() { "$lib/tool" "$kafka" "$@"; }
# values TOPIC...: what is committed, a value a line, sorted.
values() { tool consume "$@" as=values | LC_ALL=C sort; }
# has_rows TOPIC COUNT: so many are committed, or more.
has_rows() { [ "$(values "$1" | wc -l)" -ge "$2" ]; }

# --- weir ---

# run_job [OPTIONS OF weir run]: SQL on stdin becomes a job that runs in the background as $runner; what it says is
# in $dir/err. $settings are further lines of its YAML; by default a checkpoint each 200 ms.
settings='checkpoint: {interval: 200ms, dir: checkpoints}'
run_job() {
    [ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
    cat >"$dir/job.sql"
    printf 'job: %s\nsql: job.sql\nmemory: {state: 64MiB, reserve: 0%%}\n%s\n' "$job" "$settings" >"$dir/job.yaml"
    again_job "$@"
}
# again_job [OPTIONS]: the same job once more.
again_job() {
    "$WEIR" run --json "$@" "$dir/job.yaml" 2>>"$dir/err" &
    runner=$!
}
# job_ends STATUS: the run ends by itself, with that status.
job_ends() {
    within 60 job_is_gone || kill -KILL "$runner"
    status=0
    wait "$runner" || status=$?
    runner=''
    same "the run ends with $1" "$1" "$status"
}
job_is_gone() { ! kill -0 "$runner" 2>/dev/null; }
