#!/bin/sh
# setup.sh: install the Debian packages that are missing, saying which and why. A second run does nothing.
set -eu
missing=
while read -r package why; do
    if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed'; then
        echo "setup: $package is missing: $why" >&2
        missing="$missing $package"
    fi
done <<'LIST'
gcc compiles weir
libc6-dev the C library's headers
make builds weir
bison generates the SQL parser
flex generates the SQL scanner
pkg-config finds libraries
libfyaml-dev reads the YAML config
libxxhash-dev the hash of keys and shards
libcmocka-dev runs the unit tests
python3 runs reference answers and lints
LIST
[ -n "$missing" ] || exit 0
root=
[ "$(id -u)" = 0 ] || root=sudo
echo "setup: installing:$missing" >&2
$root apt-get update -qq </dev/null
# shellcheck disable=SC2086 # a list of words, on purpose
DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing </dev/null
