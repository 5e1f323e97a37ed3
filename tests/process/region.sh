#!/bin/sh
# region.sh: what a region has in memory is lost, in every way that there is; it alone goes back to its last
# checkpoint (region_driver.py). [SEED=n] [SCENES=ways,killed] region.sh
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
here=$(dirname "$(realpath "$0")")
exec python3 "$here/region_driver.py" --seed "${SEED:-$(date +%s)}" --only "${SCENES:-}" "$WEIR"
