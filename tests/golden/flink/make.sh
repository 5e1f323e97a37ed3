#!/bin/sh
# make.sh [TOPIC.sql...]: ask Flink again and write the .out files. Needs a JDK and Flink's jars in
# $FLINK_LIB (flink-clients, -table-planner-loader, -table-runtime, -connector-files, -json, -csv).
# The .out files that are kept were made by Flink 2.3.0. GOLDEN_ONLY=PREFIX prints those cases only.
set -eu
: "${FLINK_LIB:?the folder with the jars of Flink}"
here=$(cd "$(dirname "$0")" && pwd)
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac -nowarn -cp "$FLINK_LIB/*" -d "$classes" "$here/Golden.java"
printf 'status = error\nrootLogger.level = off\n' >"$classes/log4j2.properties"
opens=
for package in java.util java.lang java.lang.invoke java.lang.reflect java.math java.net java.nio \
    java.io java.text java.time java.util.concurrent java.util.concurrent.atomic \
    java.util.concurrent.locks sun.net.util sun.nio.ch; do
    opens="$opens --add-opens=java.base/$package=ALL-UNNAMED"
done
[ $# -gt 0 ] || set -- "$here"/*.sql
# shellcheck disable=SC2086
java $opens -Xmx2g -Donly="${GOLDEN_ONLY:-}" -cp "$classes:$FLINK_LIB/*" Golden "$here" "$@"
