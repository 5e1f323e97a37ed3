#!/bin/sh
# fetch.sh: what a broker and its tools need, into build/kafka: the jars of jars.txt from Maven Central (checked against
# jars.sha256), the classes of *.java, the features of a fresh broker (Format.java) and two archives of loaded
# classes, which halve what a start of Java costs. What is there already stays. Exit 77: cannot be had here, and why.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build/kafka

cannot() {
    echo "kafka: $*" >&2
    exit 77
}

# A pom that has each jar and nothing that it depends on.
pom() {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>weir.tests</groupId><artifactId>kafka</artifactId><version>1</version>'
    echo '<packaging>pom</packaging><dependencies>'
    grep -v '^#' "$here/jars.txt" | while IFS=: read -r group artifact version; do
        echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId>"
        echo "<version>$version</version><exclusions><exclusion><groupId>*</groupId>"
        echo '<artifactId>*</artifactId></exclusion></exclusions></dependency>'
    done
    echo '</dependencies></project>'
}

jars() {
    command -v mvn >/dev/null || cannot "no mvn to fetch the jars with; sh scripts/setup.sh kafka installs it"
    rm -rf "$build/jars" "$build/jars.done"
    mkdir -p "$build"
    pom >"$build/pom.xml"
    mvn -q -B -f "$build/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$build/jars" >"$build/mvn.log" 2>&1 ||
        cannot "Maven Central gave no jars ($(grep -m 1 ERROR "$build/mvn.log"))"
    (cd "$build/jars" && sha256sum --quiet -c "$here/jars.sha256") || {
        echo "kafka: a jar is not the one that tests/kafka/jars.sha256 names" >&2
        exit 1
    }
    cp "$here/jars.sha256" "$build/jars.done"
}

command -v javac >/dev/null || cannot "no Java compiler; sh scripts/setup.sh kafka installs one"
if ! cmp -s "$here/jars.sha256" "$build/jars.done"; then
    jars
fi
if ! cat "$here"/*.java | cmp -s - "$build/classes.done"; then
    rm -rf "$build/classes" "$build/fresh" "$build/classes.done"
    mkdir -p "$build/classes" "$build/fresh"
    javac -nowarn -cp "$build/jars/*" -d "$build/classes" "$here"/*.java
    java -cp "$build/jars/*:$build/classes" Format "$build/fresh"
    cat "$here"/*.java >"$build/classes.done"
fi
