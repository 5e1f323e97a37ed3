#!/bin/sh
# run.sh: what weir answers to Flink's questions equals what Flink 2.3.0 answered, kept in *.out.
# The cases run as one task and as several. WEIR is the command.
set -eu
weir=${WEIR:-build/release/weir}
if [ ! -x "$weir" ]; then
    echo "the command is not built"
    exit 77
fi
here=$(dirname "$0")
exec python3 "$here/run.py" "$weir"
