#!/bin/sh
# mutants.sh: do the tests that kill tasks at every instruction see a bug when there is one?
#
# core/state is built as it is and with each of six planted bugs (-DWEIR_MUTANT_1 .. 6), with the hook
# that lets test_undo leave a transaction after any log entry. As it is, test_undo and test_step_kill
# must pass; each mutant must fail one of them. Then test_step_kill_task with a bug in one file of the
# runtime or of a sink, made by an edit of its text; as it is, it runs as a test of its own.
set -eu
cd "$(dirname "$0")/../.."
seed=${WEIR_SEED:-1}
export WEIR_SEED="$seed"
work=$(mktemp -d)
shm=/dev/shm/mutants-$$ # of the jobs that a mutant leaves
trap 'rm -rf "$work" "$shm"' EXIT
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
    7) echo "the rings' words move before the commit" ;;
    8) echo "the barrier is put outside of the transaction that notes it" ;;
    9) echo "a part has its name before the commit that says so" ;;
    10) echo "a source's position is noted behind the commit of its rows" ;;
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
# edited N FILE SCRIPT SCENE: test_step_kill_task, with FILE changed by SCRIPT (sed), must fail in SCENE.
edited() {
    mkdir -p "$work/$1"
    sed "$3" "$2" >"$work/$1/edited.c"
    if cmp -s "$2" "$work/$1/edited.c"; then
        echo "mutant $1: $2 does not have the text any more that is to be changed"
        failed=$((failed + 1))
        return
    fi
    ${CC:-gcc} -std=gnu11 -O1 -D_GNU_SOURCE -I. -I"$BUILD" -c "$work/$1/edited.c" \
        -o "$work/$1/edited.o"
    # The object stands before the library, which then keeps its own of the same names.
    # shellcheck disable=SC2046 # the Makefile's libraries are words
    ${CC:-gcc} "$BUILD/tests/crash/test_step_kill_task.o" "$work/$1/edited.o" \
        "$BUILD/libweir-tools.a" "$BUILD/libweir-all.a" build/rdkafka/lib/librdkafka.a $(sed -n 's/^LDLIBS := //p' Makefile) \
        -lcmocka -o "$work/$1/test"
    status=0
    mkdir "$shm"
    WEIR_TEST_SHM=$shm timeout 300 "$work/$1/test" "$4" 200 >"$work/$1/test.log" 2>&1 || status=$?
    rm -rf "$shm"
    [ "$status" != 77 ] || return 0 # no ptrace: said above
    if [ "$status" != 0 ]; then
        passed=$((passed + 1))
        echo "mutant $1 ($(name_of "$1")): caught by test_step_kill_task"
        grep '^ERROR' "$work/$1/test.log" || true
    else
        failed=$((failed + 1))
        cat "$work/$1/test.log"
        echo "mutant $1 ($(name_of "$1")): nothing caught"
    fi
}

if [ -n "${BUILD:-}" ]; then
    edited 7 stages/runtime/task_commit.c '/^    store_state(task);/a\
    task_publish_all(task, false);' several
    edited 8 stages/runtime/task_checkpoint.c \
        's/^        rc = exchange_writer_barrier(task->writer, checkpoint);/        rc = 0;/
s/^    task->reader.passed = checkpoint;/    if (task->writer \&\& !c->lingers)\
        exchange_writer_barrier(task->writer, checkpoint);\
&/' barrier
    edited 9 stages/sink/file_sink.c 's/^        roll(sink);$/{ roll(sink); return publish_due(sink); }/' one
    edited 10 stages/runtime/task_head.c \
        's/^    int rc = source->class->advance(source, to);/    int rc = task_commit(task);\
    rc = rc < 0 ? rc : source->class->advance(source, to);/' one
fi
echo "WEIR_SEED=$seed"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
