#!/bin/sh
# readme.sh: the job in the README, pasted as it is there, gives its answer.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
root=$(pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# shellcheck disable=SC2016 # backquotes of Markdown
sed -n '/^```sh$/,/^```$/p' "$root/README.md" | sed '/^```/d' >"$dir/paste.sh"
grep -q 'weir run' "$dir/paste.sh"
cd "$dir"
mkdir -p build/release
ln -s "$WEIR" build/release/weir
# Another name, so that a user's own run of it is not in the way.
sed -i "s/^job: uv\$/job: readme-test-$$/" paste.sh
sh -eu paste.sh >out 2>err
for line in '+I[2024-01-01T00:01, home, 2]' '+I[2024-01-01T01:00, home, 2]' \
    '+I[2024-01-01T00:03, shop, 1]'; do
    grep -qF -e "$line" out || { echo "no $line in:"; cat out err; exit 1; }
done
if grep -qF -e '00:02, shop' out; then
    echo 'a visitor is counted too early'
    exit 1
fi
grep -q '4 rows in' err
echo "1 passed, 0 failed"
