#!/bin/sh
# make.sh: ask Flink's classes again and write splits.txt. Needs a JDK and Flink's jars in $FLINK_LIB
# (flink-core, flink-core-api). What is kept was made by Flink 2.3.0.
set -eu
: "${FLINK_LIB:?the folder with the jars of Flink}"
here=$(cd "$(dirname "$0")" && pwd)
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac -nowarn -cp "$FLINK_LIB/*" -d "$classes" "$here/Watermarks.java"
java -cp "$classes:$FLINK_LIB/*" Watermarks >"$here/splits.txt"
