#!/bin/sh
# mutants.sh: do the tests of the undo log see a bug when there is one?
#
# core/state is built as it is and with each of six planted bugs (-DWEIR_MUTANT_1 .. 6), with the hook
# that lets test_undo leave a transaction after any log entry. As it is, test_undo and test_step_kill
# must pass; each mutant must fail one of them.
set -eu
cd "$(dirname "$0")/../.."
seed=${WEIR_SEED:-1}
export WEIR_SEED="$seed"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=gnu11 -O1 -D_GNU_SOURCE -DWEIR_STATE_HOOKS -I."
passed=0 failed=0

name_of() {
    case $1 in
    0) echo "no bug" ;;
    1) echo "an entry is counted before it is written" ;;
    2) echo "a freed block is taken in the same transaction" ;;
    3) echo "a free list's link is not logged" ;;
    4) echo "the compiler moves the count behind the change" ;;
    5) echo "fresh memory is not zeroed" ;;
    6) echo "one store is not logged" ;;
    esac
}

# build N: both programs, with mutant N in them.
build() {
    mkdir -p "$work/$1"
    for source in core/state/*.c tests/unit/test_undo.c tests/crash/test_step_kill.c; do
        # shellcheck disable=SC2086 # flags are words
        ${CC:-gcc} $flags -DWEIR_MUTANT_"$1" -c "$source" -o "$work/$1/$(basename "$source" .c).o"
    done
    mkdir "$work/$1/tests"
    mv "$work/$1"/test_*.o "$work/$1/tests"
    for program in test_undo test_step_kill; do
        ${CC:-gcc} "$work/$1/tests/$program.o" "$work/$1"/*.o "$work"/base/*.o -lcmocka -lm \
            -o "$work/$1/$program"
    done
}

# verdict N: which program fails (0: passes), in words, into $caught.
verdict() {
    caught=
    for program in test_undo test_step_kill; do
        status=0
        timeout 300 "$work/$1/$program" 4 short >"$work/$1/$program.log" 2>&1 || status=$?
        if [ "$status" = 77 ]; then
            cat "$work/$1/$program.log"
            exit 77
        fi
        [ "$status" = 0 ] || caught="$caught $program"
    done
}

mkdir "$work/base"
for source in core/base/*.c; do
    # shellcheck disable=SC2086
    ${CC:-gcc} $flags -c "$source" -o "$work/base/$(basename "$source" .c).o"
done
for mutant in 0 1 2 3 4 5 6; do
    build "$mutant"
    verdict "$mutant"
    if { [ "$mutant" = 0 ] && [ -z "$caught" ]; } || { [ "$mutant" != 0 ] && [ -n "$caught" ]; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        cat "$work/$mutant"/*.log
    fi
    result="nothing caught"
    [ -z "$caught" ] || result="caught by$caught"
    echo "mutant $mutant ($(name_of "$mutant")): $result"
done
echo "WEIR_SEED=$seed"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
