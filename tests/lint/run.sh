#!/bin/sh
# run.sh: the lints themselves: each planted defect must be found, and clean code must pass.
set -u
root=$(pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
passed=0 failed=0

# A fresh tree with one clean file.
fresh() {
    rm -rf "$tree" && mkdir -p "$tree/core/base" "$tree/shm" "$tree/stages/operator" "$tree/tools"
    git -C "$tree" init -q
    printf '// a.h: clean.\nint a_get(void);\n' >"$tree/core/base/a.h"
    : >"$tree/exceptions.txt"
}

style() {
    python3 "$root/scripts/lint-style.py" -r "$tree" -e exceptions.txt
}

includes() {
    python3 "$root/scripts/lint-includes.py" -r "$tree"
}

docs() {
    python3 "$root/scripts/lint-docs.py" -r "$tree"
}

# expect LINT TEXT: the lint fails and says TEXT; without TEXT it passes.
expect() {
    output=$("$1" 2>&1)
    status=$?
    if [ -z "${2:-}" ] && [ $status = 0 ]; then
        passed=$((passed + 1))
    elif [ -n "${2:-}" ] && [ $status != 0 ] && printf '%s' "$output" | grep -qF "$2"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "expected of $1: ${2:-success}; got:"
        printf '%s\n' "$output"
    fi
}

# A function f of $1 lines between its braces, in core/base/b.c.
long_function() {
    printf '// b.c: long.\nint f(void)\n{\n'
    yes '    g();' | head -n "$1"
    printf '}\n'
}

fresh
expect style
expect includes
long_function 67 >"$tree/core/base/b.c"
expect style
long_function 68 >"$tree/core/base/b.c"
expect style 'function-lines core/base/b.c:f is 71, allowed 70'
echo 'function-lines core/base/b.c:f 71 a reason' >"$tree/exceptions.txt"
expect style
echo 'function-lines core/base/b.c:f 80 a reason' >"$tree/exceptions.txt"
expect style 'says 80, but 71 is enough now'
long_function 10 >"$tree/core/base/b.c"
expect style 'is not needed any more'
echo 'function-lines core/base/b.c:f 80' >"$tree/exceptions.txt"
expect style 'write: rule path'

fresh
{ echo '// b.c: long.' && yes 'int x;' | head -n 800; } >"$tree/core/base/b.c"
expect style 'file-lines core/base/b.c is 801, allowed 800'
fresh
printf '// b.c: wide.\nint x; //%100s\n' x >"$tree/core/base/b.c"
expect style 'line-columns core/base/b.c is 109, allowed 100'
fresh
printf '// b.c: p.\nint f(int a, int b, int c, int (*d)(int, int), int e, int g)\n{\n}\n' >"$tree/shm/b.c"
expect style 'parameters shm/b.c:f is 6, allowed 5'
fresh
{ printf '// b.c: c.\nint f(int a)\n{\n' && yes '    if (a && g("if"))' | head -n 8 && echo '}'; } >"$tree/shm/b.c"
expect style 'complexity shm/b.c:f is 17, allowed 15'
fresh
echo 'int x;' >"$tree/shm/b.c"
expect style 'opens with a comment'
fresh
printf '// b.c: x.\nint f(void)\n{\n    return atoi("1");\n}\n' >"$tree/shm/b.c"
expect style 'shm/b.c:4: atoi is banned'
fresh
printf '// b.c: "atoi(" in a comment, and in a string.\nconst char *s = "atoi(1)"; // atoi(1)\n' >"$tree/shm/b.c"
expect style
fresh
printf '// b.c: x.\nstruct foo_t;\n' >"$tree/shm/b.c"
expect style 'end in _t'
fresh
printf '// b.c: x.\n#include <stdatomic.h>\n' >"$tree/shm/b.c"
expect style 'only shm/atomic.h includes'
fresh
printf '// b.c: x.\nvolatile int x;\n' >"$tree/shm/b.c"
expect style 'no volatile'

fresh
mkdir -p "$tree/tests/process"
touch "$tree/tests/process/t.sh"
expect style 'tests/process/t.sh: not executable'
chmod +x "$tree/tests/process/t.sh"
expect style

fresh
touch "$tree/shm/s.h"
printf '#include "shm/s.h"\n' >"$tree/core/base/b.c"
expect includes 'core/base/b.c: depends on shm/s.h: core may include only'
fresh
mkdir -p "$tree/core/row" && touch "$tree/core/row/r.h"
printf '#include "core/row/r.h"\n' >"$tree/shm/b.c"
expect includes 'shm/b.c: depends on core/row/r.h'
printf '#include "core/row/r.h"\n' >>"$tree/core/base/a.h"
rm "$tree/shm/b.c"
printf '#include "core/base/a.h"\n' >"$tree/core/row/r.c"
expect includes 'circle: core/base -> core/row -> core/base'
fresh
touch "$tree/stages/operator/calc.h"
printf '#include "stages/operator/calc.h"\n' >"$tree/stages/operator/calc_more.c"
expect includes
printf '#include "stages/operator/calc.h"\n' >"$tree/stages/operator/window.c"
expect includes 'never includes a sibling'
rm "$tree/stages/operator/window.c"
printf '#include "stages/operator/calc.h"\n' >"$tree/tools/main.c"
expect includes 'tools see stages/runtime'

# A page with one line, beside a Makefile with one target and a folder of documents.
page() {
    fresh
    mkdir -p "$tree/docs"
    printf '.PHONY: all\n' >"$tree/Makefile"
    printf '# Docs\n[more](more.md)\n' >"$tree/docs/README.md"
    printf '# More of it, again\n' >"$tree/docs/more.md"
    printf '%s\n' "$1" >"$tree/README.md"
}
# shellcheck disable=SC2016 # Markdown, not the shell
page 'See [more](docs/more.md#more-of-it-again), core/base/a.h, core/*/{a,}*.h; `make all`.'
expect docs
page '[gone](docs/gone.md)'
expect docs 'README.md:1: the link docs/gone.md leads nowhere'
page '[more](docs/more.md#gone)'
expect docs 'docs/more.md has no heading for #gone'
page 'See core/base/{a,b}.h.'
expect docs 'README.md:1: there is no core/base/b.h'
# shellcheck disable=SC2016 # Markdown, not the shell
page 'Type `make al`.'
expect docs 'the Makefile has no target al'
page 'See ../core/base/b.h and /core/base/b.h, which are not of this tree.'
expect docs
page ''
touch "$tree/docs/lost.md"
expect docs 'docs/lost.md: is not linked from docs/README.md'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
