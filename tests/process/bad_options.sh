#!/bin/sh
# bad_options.sh: wrong options, settings and folders: refused by `check` and `run` alike, with
# file:line:column and the way out, before anything starts.
set -u
# shellcheck source=/dev/null
. "$(dirname "$0")/bad_support.inc"
weir=${weir:?}

# refused SQL TEXT...: status 78 from check and run; the message holds every text.
refused() {
    job o "$1"
    shift
    expect 78 "$1" check o.yaml
    for text; do
        also "$text"
    done
    cp both first
    expect 78 "$1" run o.yaml
    cmp -s first both
    verdict "check and run say the same about: $1" $?
}

printf '{"id":1,"name":"a"}\n' >in.json
# source_with OPTIONS: a query over a filesystem table with these options, on line 2.
source_with() {
    printf 'CREATE TABLE t (id BIGINT, name STRING) WITH (\n%s);\nSELECT id FROM t;' \
        "'connector'='filesystem',$1"
}
file="'path'='in.json','format'='json'"
refused "$(source_with "$file,'source.monitor-intervall'='1s'")" \
    "o.sql:2:59: error: connector 'filesystem' has no option 'source.monitor-intervall'" \
    "did you mean 'source.monitor-interval'?" '^~~~'
refused "$(source_with "$file,'zzz'='1'")" "has no option 'zzz'" "it has 'path', 'format'"
refused "$(source_with "$file,'source.monitor-interval'='10 lightyears'")" o.sql:2:85: \
    "'10 lightyears' is not a duration" 'units are d, h, min'
refused "$(source_with "$file,'source.line-is-row'='maybe'")" "expected 'true' or 'false'"
refused "$(source_with "$file,'bad-rows'='skipp'")" "'bad-rows' = 'skipp': expected 'dead-letter'" \
    "did you mean 'skip'?"
refused "$(source_with "$file,'json.ignore-parse-error'='true'")" "did you mean 'json.ignore-parse-errors'?"
refused "$(source_with "$file,'json.ignore-parse-errors'='yes'")" "expected 'true' or 'false'"
refused "$(source_with "$file,'csv.field-delimiter'=';'")" "is an option of format 'csv'"
refused "$(source_with "'path'='in.json','format'='jsn'")" "did you mean 'json'?"
refused "$(source_with "'path'='in.json','formt'='json'")" "did you mean 'format'?"
refused "$(source_with "'path'='in.json'")" "the option 'format' is missing"
refused "$(source_with "'format'='json'")" "has no 'path' option"
refused "$(source_with "'path'='','format'='json'")" "has no 'path' option"
refused "$(source_with "'path'='in.json','format'='debezium-json'")" 'debezium-json is only written'
refused "$(source_with "'path'='in.json','format'='csv','csv.field-delimiter'='ab'")" \
    'expected one ASCII character'
refused "$(source_with "$file,'source.path.regex-pattern'='x'")" 'is not supported yet' \
    "'path' may be a glob"

# Inputs that are not there or cannot be read.
refused "$(source_with "'path'='absent.json','format'='json'")" "o.sql:2:26: table t, 'path'" \
    'cannot read absent.json: No such file'
refused "$(source_with "'path'='abs*.json','format'='json'")" 'no file matches' \
    "set 'source.monitor-interval' to wait for files"
ln -s nowhere dangling.json
refused "$(source_with "'path'='dangling.json','format'='json'")" 'cannot read dangling.json'
refused "$(source_with "'path'='in.json/x','format'='json'")" 'Not a directory'
mkfifo pipe
refused "$(source_with "'path'='pipe','format'='json'")" 'neither a file nor a folder'
mkdir empty
refused "$(source_with "'path'='empty','format'='json'")" 'no file matches'
mkdir -p deep && (cd deep && for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do mkdir d$i && cd d$i || exit; done)
refused "$(source_with "'path'='deep','format'='json'")" 'too deep'

# Connectors.
refused "CREATE TABLE t (id BIGINT) WITH ('connector'='filesytem'); SELECT id FROM t;" "did you mean 'filesystem'?"
refused "CREATE TABLE t (id BIGINT) WITH ('path'='x'); SELECT id FROM t;" "has no 'connector' option"
refused "CREATE TABLE t (id BIGINT) WITH ('connector'='kinesis'); SELECT id FROM t;" "there is no connector 'kinesis'"
refused "CREATE TABLE t (id BIGINT) WITH ('connector'='print'); SELECT id FROM t;" "connector 'print' is a sink"

# datagen.
datagen() {
    printf "CREATE TABLE t (id BIGINT) WITH (\n'connector'='datagen', %s); SELECT id FROM t;" "$1"
}
refused "$(datagen "'rows-per-second'='x'")" "o.sql:2:24: table t: option 'rows-per-second' = 'x' is not a whole number"
refused "$(datagen "'row-per-second'='1'")" "o.sql:2:24: table t" "did you mean 'rows-per-second'?"
refused "$(datagen "'fields.idd.kind'='random'")" "names no column of the table"
refused "$(datagen "'fields.id.kind'='sequnce'")" "is not 'random', 'sequence' or 'due'"
refused "$(datagen "'fields.id.min'='9','fields.id.max'='1'")" 'min 9 is greater than max 1'

# Sinks: options and folders.
sink() {
    printf "%s\nCREATE TABLE o (id BIGINT) WITH (\n%s); INSERT INTO o SELECT id FROM t;" \
        "CREATE TABLE t (id BIGINT) WITH ('connector'='datagen','number-of-rows'='3');" "$1"
}
refused "$(sink "'connector'='print','print-identifer'='x'")" o.sql:3:21: "did you mean 'print-identifier'?"
refused "$(sink "'connector'='print','standard-error'='x'")" "expected 'true' or 'false'"
refused "$(sink "'connector'='blackhole','x'='x'")" "it has 'latency.column', 'latency.file'"
refused "$(sink "'connector'='datagen'")" 'datagen is a source'
fs="'connector'='filesystem','format'='csv'"
refused "$(sink "$fs,'path'='in.json'")" "o.sql:3:41: table o: rows cannot go to 'path' = 'in.json'" \
    'in.json is a file where a folder is needed'
refused "$(sink "$fs,'path'='in.json/x'")" 'in.json/x: Not a directory'
ln -s nowhere dangling
refused "$(sink "$fs,'path'='dangling'")" 'dangling is a link to something that is not there'
refused "$(sink "$fs,'path'='parts','sink.rolling-policy.file-size'='x'")" "such as '128MB'"
refused "$(sink "$fs,'path'='parts','sink.rolling-policy.fil-size'='1'")" "did you mean 'sink.rolling-policy.file-size'?"
refused "$(sink "$fs,'path'='parts','sink.rolling-policy.rollover-interval'='1 min'")" 'is not supported yet'
[ ! -e parts ]
verdict 'a refused job makes no folder' $?
job o "$(sink "$fs,'path'='parts/deep/er'")"
expect 0 'finished' run o.yaml
[ "$(cat parts/deep/er/part-* | wc -l)" = 3 ]
verdict 'folders are made' $?
expect 0 'finished' run o.yaml
[ "$(cat parts/deep/er/part-* | wc -l)" = 6 ]
verdict 'a second run writes behind the first' $?

# Settings.
setting() {
    printf "SET '%s' = '%s';\n%s" "$1" "$2" "$(datagen "'number-of-rows'='3'")"
}
refused "$(setting table.local-time-zone Europe/Berln)" o.sql:1:31: "there is no time zone 'Europe/Berln'" \
    "did you mean 'Europe/Berlin'?"
refused "$(setting table.local-time-zon UTC)" "did you mean 'table.local-time-zone'?"
refused "$(setting parallelism.default many)" o.sql:1:29: "expected a whole number from 1 to 1024"
refused "$(setting bad-rows many)" "expected 'dead-letter', 'skip', 'fail'"
refused "$(setting table.exec.emit.early-fire.enabled yes)" "expected 'true' or 'false'"
refused "$(setting pipeline.auto-watermark-interval soon)" 'is not a duration'
job o "$(setting table.local-time-zone default)"
expect 0 'finished' run o.yaml
job o "$(setting table.local-time-zone Asia/Kolkata)"
expect 0 'finished' run o.yaml

# As somebody who may not: a folder without rights for input, output, dead letters. Root may do
# anything, so root is put off first.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    mkdir locked memory
    cp in.json locked
    chmod 700 locked
    chmod 755 .
    chown 65534:65534 memory
    own="memory: {dir: $PWD/memory, state: 16MiB, reserve: 0%}"
    job in "$(source_with "'path'='locked','format'='json'")" "$own"
    job out "$(sink "$fs,'path'='locked/out'")" "$own"
    job dead "$(source_with "$file")" "recovery: {dead_letter: locked/dead}
$own"
    # denied COMMAND CONFIG TEXT...
    denied() {
        timeout 60 setpriv --reuid=65534 --regid=65534 --clear-groups "$weir" "$1" "$2" \
            >out 2>err </dev/null
        status=$?
        cat out err >both
        shift 2
        [ "$status" = 78 ] && holds both "$@"
        verdict "without rights: status $status, wanted 78 and $*" $?
    }
    for command in check run; do
        denied $command in.yaml 'o' 'cannot read folder locked: Permission denied'
        denied $command out.yaml 'rows cannot go to' 'locked' 'Permission denied'
        denied $command dead.yaml 'dead-letter folder locked/dead' 'Permission denied' \
            'set recovery.dead_letter'
    done
fi
finish
