#!/bin/sh
# stuck.sh: a disk that does not answer, so that threads sleep where no signal reaches them (state D): see
# stuck_driver.py. The disk is a file, mounted in a mount namespace of our own and frozen (fsfreeze). Root
# only: 77 otherwise. ONLY=NAME runs one part, or one that is left out otherwise ("plain write").
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
for tool in unshare mkfs.ext4 losetup fsfreeze; do
    PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || { echo "there is no $tool"; exit 77; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/inside.sh" <<'INSIDE'
set -eu
PATH=$PATH:/usr/sbin:/sbin
truncate -s 64M "$1/image"
mkfs.ext4 -q "$1/image"
mkdir "$1/disk"
mount -o loop "$1/image" "$1/disk" 2>/dev/null || { echo "nothing can be mounted here"; exit 77; }
status=0
python3 "$2/stuck_driver.py" "$1" "$WEIR" "$3" || status=$?
fsfreeze -u "$1/disk" 2>/dev/null || :
umount "$1/disk" || umount -l "$1/disk"
exit $status
INSIDE
unshare --mount true 2>/dev/null || { echo "no mount namespace can be made here"; exit 77; }
unshare --mount sh "$dir/inside.sh" "$dir" "$here" "${ONLY:-}"
