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

# What the classes and archives were made of.
sums() {
    stat -L -c %Y "$(command -v java)"
    sha256sum "$here"/*.java "$here/jars.sha256" | sed 's| .*/| |'
}

lists() { cat "$here/jars.txt" "$here/jars.sha256"; }

jars() {
    command -v mvn >/dev/null || cannot "no mvn to fetch the jars with; sh scripts/setup.sh kafka installs it"
    rm -rf "$build/jars" "$build/jars.done"
    pom >"$build/pom.xml"
    mvn -q -B -f "$build/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$build/jars" >"$build/mvn.log" 2>&1 ||
        cannot "Maven Central gave no jars ($(grep -m 1 ERROR "$build/mvn.log"))"
    # Both ways: a jar that no line names would be on the class path all the same.
    (cd "$build/jars" && LC_ALL=C sha256sum ./*.jar | sed 's|\./||') | diff "$here/jars.sha256" - >&2 || {
        echo "kafka: the jars are not those that tests/kafka/jars.sha256 names (>: what came)" >&2
        exit 1
    }
    lists >"$build/jars.done"
}

mkdir -p "$build"
exec 9>"$build/lock"
flock 9
command -v javac >/dev/null || cannot "no Java compiler; sh scripts/setup.sh kafka installs one"
if ! lists | cmp -s - "$build/jars.done"; then
    jars
fi
if ! sums | cmp -s - "$build/classes.done"; then
    rm -rf "$build/classes" "$build/fresh" "$build"/*.jsa "$build/classes.done"
    mkdir -p "$build/classes" "$build/fresh"
    javac -nowarn -cp "$build/jars/*" -d "$build/classes" "$here"/*.java
    # An archive of classes is only for classes that come from jars.
    (cd "$build/classes" && jar cf ../classes.jar ./*.class)
    java -cp "$build/jars/*:$build/classes.jar" Format "$build/fresh"
    "$here/broker" archive >"$build/archive.log" 2>&1 9>&- || {
        echo "kafka: the first broker did not start; $build/archive.log ends with" >&2
        tail -n 20 "$build/archive.log" >&2
        exit 1
    }
    sums >"$build/classes.done"
fi
