#!/bin/sh
# build-ring.sh FOLDER BUILD: FOLDER/ring_rte, with the DPDK that fetch.sh has unpacked and weir's library of BUILD.
# DPDK's headers want SSE4; weir's inline calls are compiled with the same flags here.
set -eu
folder=${1:?} build=${2:?}
here=$(cd "$(dirname "$0")" && pwd)
include=$folder/dpdk/usr/include libraries=$folder/dpdk/usr/lib/x86_64-linux-gnu
# shellcheck disable=SC2016 # the loader expands $ORIGIN; RPATH, because it also finds what rte_eal needs
rpath='-Wl,--disable-new-dtags,-rpath,$ORIGIN/dpdk/usr/lib/x86_64-linux-gnu'
gcc -std=gnu11 -O2 -g -D_GNU_SOURCE -march=corei7 -Wall -Wextra -include rte_config.h \
    -isystem "$include/dpdk" -isystem "$include/x86_64-linux-gnu/dpdk" -I"$here/../.." \
    "$here/ring_rte.c" "$build/libweir-all.a" -L"$libraries" "$rpath" -Wl,-rpath-link,"$libraries" \
    -lrte_ring -lrte_eal -lpthread -o "$folder/ring_rte"
