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

# mutant NAME SED_EXPRESSION: ring.c with one thing taken away must be refused.
mutant() {
    sed "$2" "$root/shm/ring.c" >"$work/shm/ring.c"
    if cmp -s "$root/shm/ring.c" "$work/shm/ring.c"; then
        echo "FAIL $1: the mutation changed nothing"
        failed=$((failed + 1))
        return
    fi
    python3 "$root/scripts/lint-atomics.py" --root "$work" shm/ring.c >"$work/out"
    judge "$1" 1 $?
}

cp "$root/shm/ring.c" "$work/shm/ring.c"
python3 "$root/scripts/lint-atomics.py" --root "$work" shm/ring.c >/dev/null
judge 'ring.c as it is' 0 $?
mutant 'label removed' 's/R1: pairs with A1/R1 goes with A1/'
mutant 'partner in no such function' 's/pairs with R2 in ring_release/pairs with R2 in ring_free/'
mutant 'partner with another label' 's/A1: pairs with R1/A1: pairs with R2/'
mutant 'not named back' 's/pairs with A1 in ring_peek, ring_begin_consumer/pairs with A1 in ring_peek/'
mutant 'relaxed without a reason' 's/relaxed/quiet/; s/Relaxed/Quiet/'
mutant 'builtin used directly' 's/atomic_release_u64(&ring->own->tail,/__atomic_store_n(\&ring->own->tail,/'
mutant 'volatile' 's/^static bool/static volatile bool/'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
