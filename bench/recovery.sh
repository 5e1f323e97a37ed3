#!/bin/sh
# recovery.sh: the table of bench/README.md. [KILLS=1000] [KILLS_LARGE=100] [LARGE="1024"] recovery.sh PROGRAM
# LARGE="1024 4096" measures 4 GiB of state as well: some 20 GiB of memory and of patience.
set -eu
kills=${KILLS:-1000} large=${KILLS_LARGE:-100}
for spares in 1 0; do
    "$1" --state 16 --kills "$kills" --spares $spares
    "$1" --state 64 --kills "$large" --spares $spares
    for mib in ${LARGE:-1024}; do
        "$1" --state "$mib" --kills "$large" --spares $spares --rate 2000000
    done
done
for every in 1000 100 20 4; do
    "$1" --state 16 --kills $((5000 / every)) --every $every --rate 0
done
