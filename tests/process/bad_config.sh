#!/bin/sh
# bad_config.sh: configs that are wrong in every way one can think of: each is refused with status 78,
# its place, and what to write instead, before anything starts.
set -u
# shellcheck source=/dev/null
. "$(dirname "$0")/bad_support.inc"
weir=${weir:?}
numbers="CREATE TABLE n (i BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '3');"
job good "$numbers SELECT i FROM n;"

# config TEXT: written to c.yaml; escapes as in printf.
config() {
    # shellcheck disable=SC2059
    printf -- "$1" >c.yaml
}
# refused YAML TEXT...: `check` and `run` refuse it alike, and the message holds every text.
refused() {
    config "$1"
    shift
    expect 78 "$1" check c.yaml
    cp both first
    expect 78 "$1" run c.yaml
    cmp -s first both
    verdict "check and run say the same about: $1" $?
    for text; do
        also "$text"
    done
}
good='job: a\nsql: good.sql\n'

# What is no config at all.
refused '' 'c.yaml: the config is empty' 'write  job: NAME  and  sql: FILE.sql'
refused '# a comment\n' 'the config is empty'
refused '[1, 2]\n' 'c.yaml:1:1: the config must be a mapping'
refused '\000\001\002\n' 'c.yaml:1:1: a control character' 'is this a binary file?'
refused '\377\376\n' 'is not UTF-8' 'is this a binary file?'
refused "$good---\njob: b\n" 'several YAML documents'
refused 'job: a\n sql: good.sql\n' 'c.yaml:1:6:' 'begin in the same column'
refused 'job: a\nsql good.sql\n' 'c.yaml:2:1:'
refused 'job: a\nsql: "good.sql\n' 'c.yaml:2:7:' 'without closing quote'
refused "${good}memory:\n\tdir: /dev/shm\n" 'c.yaml:4:1:' 'tab character' 'indent with spaces'
head -c 3000000 /dev/zero | tr '\000' '#' >c.yaml
expect 78 'c.yaml: is larger than' check c.yaml
expect 78 'is not a file but a folder' check .
mkfifo pipe.yaml
expect 78 'is not a file' check pipe.yaml
expect 78 'absent.yaml: cannot be read: No such file' check absent.yaml
also 'check the spelling'
ln -s nowhere dangling.yaml
expect 78 'dangling.yaml: cannot be read' check dangling.yaml

# Keys.
refused "${good}jobb: b\n" "c.yaml:3:1: unknown key 'jobb'" "did you mean 'job'?" '  jobb: b' '  ^'
refused "${good}zzz: b\n" "unknown key 'zzz'" 'known here: job sql memory'
refused "${good}state: 1GiB\n" "'state' belongs in 'memory'"
refused "${good}job: b\n" 'c.yaml:3:1:' 'duplicate key' 'say each key once'
refused "${good}memory: {state: 64MiB, state: 32MiB}\n" 'c.yaml:3:24:' 'duplicate key'
refused 'sql: good.sql\n' "c.yaml: the key 'job' is missing" 'the smallest config is two lines'
refused "${good}memory: 3\n" 'takes a mapping of keys to values'
refused "${good}recovery:\n" 'c.yaml:3:1:' 'takes a mapping'
refused "${good}? [a]\n: b\n" 'a key must be a word'

# Values: types, units, bounds, choices.
refused 'job: [a]\nsql: good.sql\n' 'job takes one value'
refused 'job: a\nsql:\n' 'c.yaml:2:1: sql has no value'
refused 'job: "a/b"\nsql: good.sql\n' "job cannot be 'a/b'" 'letters, digits, - and _ only'
refused "${good}memory: {state: 3}\n" '3 has no unit' 'units are B, KiB, MiB, GiB, TiB'
refused "${good}memory: {state: 3MB}\n" 'c.yaml:3:17: MB is not a unit of a size' 'did you mean MiB?'
refused "${good}memory: {state: 1B}\n" 'state must be from 1MiB'
refused "${good}memory: {ring: 3MiB}\n" 'ring must be a power of two'
refused "${good}memory: {reserve: 200%%}\n" 'reserve must be from 0%'
refused "${good}checkpoint: {interval: 10sec}\n" 'sec is not a unit of a duration' 'did you mean s?'
refused "${good}checkpoint: {interval: 99999999999999999h}\n" 'is too large'
refused "${good}checkpoint: {retain: \"3\"}\n" "'3' is text, not a number" 'leave the quotes out'
refused "${good}recovery: {bad_rows: sikp}\n" "bad_rows cannot be 'sikp'" 'skip'
refused "${good}metrics: {listen: x}\n" "'x' is not an address"
refused "${good}placement: {cores: 0}\n" 'cores must be from 1'
refused "${good}placement: {cores: -1}\n" "'-1' does not name cores"
refused "${good}placement: {cores: \"3-0\"}\n" "'3-0' does not name cores"
refused "${good}placement: {cores: \"4000\"}\n" 'core 4000 is not one that this process may use'

# Anchors, aliases, cycles, merges, tags: no use for them, so none is half understood.
refused 'job: &x a\nsql: *x\n' 'c.yaml:2:1: sql takes one value' 'an alias'
refused "${good}a: &a [*a]\n" "unknown key 'a'"
refused "${good}memory: &m {state: 64MiB, <<: *m}\n" "unknown key '<<' in memory"
refused 'job: a\nsql: !!str good.sql\n' 'a YAML tag has no use here'
{
    printf '%b' "$good"
    printf 'a: &a [x,x,x,x,x,x,x,x,x]\n'
    before=a
    for name in b c d e f g h i; do
        echo "$name: &$name [*$before,*$before,*$before,*$before,*$before,*$before,*$before]"
        before=$name
    done
} >c.yaml
expect 78 "unknown key 'a'" check c.yaml

# What is unusual and right.
for right in '\357\273\277job: a\nsql: good.sql\n' 'job: a\r\nsql: good.sql\r\n' "---\n$good...\n" \
    "{job: a, sql: good.sql}\n" "job: &x a\nsql: good.sql\n"; do
    config "$right"
    expect 0 'ok' check c.yaml
done

# The script that the config names.
refused 'job: a\nsql: absent.sql\n' 'c.yaml: sql: absent.sql: cannot be read' 'check the spelling'
refused 'job: a\nsql: .\n' 'is not a file but a folder'
: >empty.sql
refused 'job: a\nsql: empty.sql\n' 'the script computes nothing' 'add an INSERT INTO'
head -c 4096 "$weir" >program.sql
refused 'job: a\nsql: program.sql\n' ':1:1: error: stray byte 0x7f'
head -c 20000000 /dev/zero >huge.sql
refused 'job: a\nsql: huge.sql\n' 'huge.sql: is larger than 16777216 bytes'
finish
