#!/bin/sh
# shm_lint_atomics.sh: the lint of atomic labels passes on our code and catches what it is for.
set -u
root=$(git rev-parse --show-toplevel)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/shm"
passed=0 failed=0

# judge NAME WANTED STATUS
judge() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $1: exit status $3, wanted $2"
    fi
}

# mutant NAME FILE SED_EXPRESSION: the ring with one thing taken away must be refused.
mutant() {
    cp "$root/shm/ring.c" "$root/shm/ring.h" "$work/shm/"
    sed "$3" "$root/shm/$2" >"$work/shm/$2"
    if cmp -s "$root/shm/$2" "$work/shm/$2"; then
        echo "FAIL $1: the mutation changed nothing"
        failed=$((failed + 1))
        return
    fi
    python3 "$root/scripts/lint-atomics.py" --root "$work" shm/ring.c shm/ring.h >"$work/out"
    judge "$1" 1 $?
}

cp "$root/shm/ring.c" "$root/shm/ring.h" "$work/shm/"
python3 "$root/scripts/lint-atomics.py" --root "$work" shm/ring.c shm/ring.h >/dev/null
judge 'the ring as it is' 0 $?
mutant 'label removed' ring.h 's/R1: pairs with A1/R1 goes with A1/'
mutant 'partner in no such function' ring.c 's/pairs with R2 in ring_release/pairs with R2 in ring_free/'
mutant 'partner with another label' ring.c 's/A1: pairs with R1/A1: pairs with R2/'
mutant 'not named back' ring.h 's/A1 in ring_look_for_frames, ring_begin_consumer/A1 in ring_begin_consumer/'
mutant 'relaxed without a reason' ring.c 's/relaxed/quiet/; s/Relaxed/Quiet/'
mutant 'builtin used directly' ring.h 's/atomic_release_u64(&ring->own->tail,/__atomic_store_n(\&ring->own->tail,/'
mutant 'volatile' ring.c 's/^static bool/static volatile bool/'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
