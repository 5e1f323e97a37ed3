#!/bin/sh
# demo-kafka.sh: unique visitors from a real topic to a real topic, exactly once, while tasks, the broker and at last everything
# of weir are killed; then an independent consumer's answer beside one that was computed without weir.
#
# Everything goes under build/demo/kafka; nothing is left running. DEMO_SECONDS (60) of traffic, DEMO_RATE (20000) visits a
# second. Exit status 1 when the answers differ.
set -eu
weir=${WEIR:-build/release/weir}
folder=build/demo/kafka
mkdir -p "$folder"
exec python3 scripts/demo-kafka.py --weir "$weir" --folder "$folder" --seconds "${DEMO_SECONDS:-60}" \
    --rate "${DEMO_RATE:-20000}"
