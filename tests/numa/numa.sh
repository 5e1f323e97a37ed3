#!/bin/sh
# numa.sh: boot a machine of two NUMA nodes and four cores in qemu, with a kernel of Debian and nothing but
# weir, its libraries and busybox, and let guest.sh look there at what the kernel really does. Everything that
# the guest prints is printed. With KVM where that works, else emulated (some minutes).
#   [KERNEL=vmlinuz] [ACCEL=kvm|tcg] [TIMEOUT=s] [SCENES=small,huge,unprivileged,full] numa.sh
set -eu
here=$(dirname "$(realpath "$0")")
mover=${BUILD:?}/tests/process/move_job
work=$BUILD/numa
for program in qemu-system-x86_64 busybox; do
    command -v "$program" >/dev/null || { echo "$program is not there: sh scripts/setup.sh numa"; exit 77; }
done
[ "$(uname -m)" = x86_64 ] || { echo "only for x86-64"; exit 77; }
mkdir -p "$work"

# A kernel from Debian, unpacked and not installed: this machine keeps its own.
kernel() {
    [ -z "${KERNEL:-}" ] || { echo "$KERNEL"; return; }
    found=$(find "$work" -name 'vmlinuz-*' | head -n 1)
    if [ -z "$found" ]; then
        package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p' | head -n 1)
        (cd "$work" && apt-get -q download "$package" >&2 2>/dev/null) || return 1
        dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work" ./boot
        found=$(find "$work" -name 'vmlinuz-*' | head -n 1)
    fi
    echo "$found"
}

# tree DIR: what the guest's memory holds at boot.
tree() {
    mkdir -p "$1/bin" "$1/proc" "$1/sys" "$1/dev" "$1/tmp" "$1/etc"
    cp "$(command -v busybox)" "$1/bin/busybox"
    cp "$WEIR" "$mover" "$1/bin/"
    cp "$here/guest.sh" "$1/init"
    chmod +x "$1/init"
    echo 'root:x:0:0::/:/bin/sh
user:x:1000:1000::/tmp:/bin/sh' >"$1/etc/passwd"
    # Each library, and the loader, where the program looks for it.
    ldd "$WEIR" "$mover" | grep -o '/[^ ]*\.so[^ ]*' | sort -u | while read -r library; do
        mkdir -p "$1$(dirname "$library")"
        cp -L "$library" "$1$library"
    done
    chmod -R a+rX "$1" # for a user that is not root
}

image=$(kernel) || image=''
[ -n "$image" ] || { echo "no kernel: is apt-get download possible?"; exit 69; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
tree "$root"
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initrd.gz"

# boot ACCELERATOR SECONDS: the guest's console. Node 1 is the smaller one, so that it can be filled.
boot() {
    timeout "$2" qemu-system-x86_64 -accel "$1" -cpu max -smp 4,sockets=2,cores=2 -m 704M \
        -object memory-backend-ram,id=m0,size=512M -object memory-backend-ram,id=m1,size=192M \
        -numa node,nodeid=0,cpus=0-1,memdev=m0 -numa node,nodeid=1,cpus=2-3,memdev=m1 \
        -nographic -no-reboot -nodefaults -serial stdio -kernel "$image" -initrd "$work/initrd.gz" \
        -append "console=ttyS0 quiet panic=-1 edd=off${FIRST:+ FIRST}${SCENES:+ scenes=$SCENES}" </dev/null 2>&1 | stdbuf -oL tr -d '\r'
}

# A KVM that is there need not work (a guest in a guest): the first words must come soon.
accel=${ACCEL:-}
if [ -z "$accel" ]; then
    accel=tcg
    if [ -w /dev/kvm ] && (FIRST=1 && boot kvm 10) 2>/dev/null | grep -q 'guest: up'; then accel=kvm; fi
fi
echo "qemu $(qemu-system-x86_64 --version | sed -n 's/.*version \([^ ]*\).*/\1/p'), $accel, $(basename "$image")"
boot "$accel" "${TIMEOUT:-900}" | tee "$work/console"
grep -q '^guest: [0-9]* passed, 0 failed' "$work/console"
