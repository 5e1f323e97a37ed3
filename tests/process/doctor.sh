#!/bin/sh
# doctor.sh: what `weir doctor` says of recorded hosts (tests/golden/doctor), and that it can look at this one.
# UPDATE=1 doctor.sh writes the expected texts anew.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
golden=$(cd "$(dirname "$0")/../golden/doctor" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

good() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAIL $*"
}

# unpack NAME: the host's files below $dir/NAME.
unpack() {
    python3 - "$golden/$1.host" "$dir/$1" <<'END'
import os, sys
out = None
for line in open(sys.argv[1]):
    if line.startswith("== /"):
        path = sys.argv[2] + line[3:].strip()
        os.makedirs(os.path.dirname(path), exist_ok=True)
        out = open(path, "w")
    else:
        out.write(line)
END
}

for file in "$golden"/*.host; do
    name=$(basename "$file" .host)
    unpack "$name"
    status=0
    "$WEIR" doctor --host "$dir/$name" >"$dir/$name.txt" || status=$?
    [ -z "${UPDATE:-}" ] || cp "$dir/$name.txt" "$golden/$name.txt"
    if [ "$status" = 0 ] && diff "$golden/$name.txt" "$dir/$name.txt"; then good; else bad "$name: status $status"; fi
    # The same findings for a program, in the same order.
    "$WEIR" doctor --host "$dir/$name" --json | python3 -c '
import json, sys
told = json.load(sys.stdin)
for f in told["findings"]:
    print("%-6s %-16s %s" % (f["grade"], f["what"], f["finding"]))
    if "advice" in f:
        print("       %-16s -> %s" % ("", f["advice"]))
sys.exit(not told["usable"])' >"$dir/$name.json.txt" || bad "$name: --json"
    if diff "$dir/$name.txt" "$dir/$name.json.txt"; then good; else bad "$name: --json says something else"; fi
done

# What a host lacks is no reason to fail; what is no host is.
for broken in "$dir/none" "$dir"; do
    status=0
    "$WEIR" doctor --host "$broken" >/dev/null 2>"$dir/err" || status=$?
    if [ "$status" = 69 ] && grep -q 'no recorded host' "$dir/err"; then good; else bad "$broken: status $status"; fi
done
mkdir "$dir/odd"
for line in 'clock_ns' 'clock_ns fast' 'colour 7' 'clock_ns 7 8'; do
    echo "$line" >"$dir/odd/measured"
    status=0
    "$WEIR" doctor --host "$dir/odd" >/dev/null 2>"$dir/err" || status=$?
    if [ "$status" = 69 ] && grep -q 'cannot use the line' "$dir/err"; then good; else bad "measured '$line': status $status"; fi
done

# This host: every part is looked at, and the command takes no more than some seconds on a busy machine.
"$WEIR" doctor --json >"$dir/here.json" || bad "this host: status $?"
for what in kernel frequency clock timer wake-up 'locked memory' 'cpu quota' swap logout memory.dir fsync; do
    if grep -q "\"what\":\"$what\"" "$dir/here.json"; then good; else bad "this host: nothing about $what"; fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
