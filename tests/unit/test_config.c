// test_config.c: the config reader: values, defaults, and what is refused with which words.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <unistd.h>

#include "tools/config.h"

static struct config *parse(const char *text)
{
    struct config *config = NULL;
    struct err err = {0};
    int code = config_parse("/jobs/uv.yaml", slice_of(text), &config, &err);
    if (code)
        fail_msg("refused: %s\n%s", text, err.text);
    return config;
}

// The whole message for text that must be refused.
static void assert_refused(const char *text, const char *message)
{
    struct config *config = NULL;
    struct err err = {0};
    int code = config_parse("uv.yaml", slice_of(text), &config, &err);
    if (!code)
        fail_msg("accepted: %s", text);
    assert_int_equal(code, -EINVAL);
    assert_null(config);
    assert_string_equal(err.text, message);
}

static void test_config_two_keys_are_enough(void **state)
{
    (void)state;
    struct config *config = parse("job: uv\nsql: uv.sql\n");
    assert_string_equal(config->job, "uv");
    assert_string_equal(config->sql, "/jobs/uv.sql");
    assert_null(config->memory.dir); // config_load looks for it
    assert_int_equal(config->memory.state_bytes, CONFIG_AUTO);
    assert_true(config->memory.reserve.is_percent);
    assert_int_equal(config->memory.reserve.amount, 10);
    assert_int_equal(config->memory.ring_bytes, 1 << 20);
    assert_int_equal(config->checkpoint.interval_ms, 10000);
    assert_string_equal(config->checkpoint.dir, "/jobs/uv.checkpoints");
    assert_int_equal(config->checkpoint.retain, 3);
    assert_int_equal(config->checkpoint.timeout_ms, 600000);
    assert_int_equal(config->checkpoint.engine, CONFIG_ENGINE_AUTO);
    assert_int_equal(config->recovery.spares, CONFIG_AUTO);
    assert_int_equal(config->recovery.hang_after_ms, 5000);
    assert_int_equal(config->recovery.restart, CONFIG_EXPONENTIAL_DELAY);
    assert_int_equal(config->recovery.orphan_after_ms, 60000);
    assert_string_equal(config->recovery.dead_letter, "/jobs/uv.dead");
    assert_int_equal(config->recovery.bad_rows, CONFIG_BAD_ROWS_DEAD_LETTER);
    assert_int_equal(config->placement.cores.count, CONFIG_AUTO);
    assert_null(config->placement.cores.list);
    assert_int_equal(config->placement.waiting, CONFIG_WAITING_ADAPTIVE);
    assert_null(config->metrics.listen);
    config_free(config);
}

static void test_config_reads_every_kind_of_value(void **state)
{
    (void)state;
    struct config *config =
        parse("job: a-b_1\nsql: /abs/x.sql\n"
              "memory: {dir: /mnt/huge, state: 1 GiB, reserve: 512MiB, ring: 2MiB}\n"
              "checkpoint:\n  interval: 500ms\n  retain: 7\n  engine: pwrite\n"
              "recovery: {spares: 2, bad_rows: skip, restart: none, dead_letter: ./x/dead}\n"
              "placement: {cores: 3, housekeeping: \"0-1,8\", waiting: spin}\n"
              "metrics: {listen: 127.0.0.1:9090}\n");
    assert_string_equal(config->sql, "/abs/x.sql");
    assert_string_equal(config->memory.dir, "/mnt/huge");
    assert_int_equal(config->memory.state_bytes, 1LL << 30);
    assert_false(config->memory.reserve.is_percent);
    assert_int_equal(config->memory.reserve.amount, 512LL << 20);
    assert_int_equal(config->memory.ring_bytes, 2 << 20);
    assert_int_equal(config->checkpoint.interval_ms, 500);
    assert_int_equal(config->checkpoint.retain, 7);
    assert_int_equal(config->checkpoint.engine, CONFIG_ENGINE_PWRITE);
    assert_int_equal(config->recovery.spares, 2);
    assert_int_equal(config->recovery.bad_rows, CONFIG_BAD_ROWS_SKIP);
    assert_int_equal(config->recovery.restart, CONFIG_NONE);
    assert_string_equal(config->recovery.dead_letter, "/jobs/x/dead");
    assert_int_equal(config->placement.cores.count, 3);
    assert_int_equal(config->placement.housekeeping.count, 3);
    assert_string_equal(config->placement.housekeeping.list, "0-1,8");
    assert_int_equal(config->placement.waiting, CONFIG_WAITING_SPIN);
    assert_string_equal(config->metrics.listen, "127.0.0.1:9090");
    config_free(config);
}

static void test_config_unknown_key_is_pointed_at(void **state)
{
    (void)state;
    assert_refused("job: uv\nsql: u.sql\nmemroy: {dir: /x}\n",
                   "uv.yaml:3:1: unknown key 'memroy'\n  memroy: {dir: /x}\n  ^\n"
                   "did you mean 'memory'?");
    assert_refused("job: uv\nsql: u.sql\nmemory: {statte: auto}\n",
                   "uv.yaml:3:10: unknown key 'statte' in memory\n  memory: {statte: auto}\n"
                   "           ^\ndid you mean 'state'?");
    assert_refused("job: uv\nsql: u.sql\ninterval: 5s\n",
                   "uv.yaml:3:1: unknown key 'interval'\n  interval: 5s\n  ^\n"
                   "'interval' belongs in 'checkpoint'");
    assert_refused("job: uv\nmetrics: {qqqqqqqq: 1}\n",
                   "uv.yaml:2:11: unknown key 'qqqqqqqq' in metrics\n  metrics: {qqqqqqqq: 1}\n"
                   "            ^\nknown here: listen latency_interval");
}

static void test_config_wrong_units_are_refused(void **state)
{
    (void)state;
    assert_refused("memory: {state: 64MB}\n",
                   "uv.yaml:1:17: MB is not a unit of a size\n  memory: {state: 64MB}\n"
                   "                  ^\ndid you mean MiB?");
    assert_refused("memory: {state: 64}\n",
                   "uv.yaml:1:17: 64 has no unit\n  memory: {state: 64}\n"
                   "                  ^\nunits are B, KiB, MiB, GiB, TiB, as in 64MiB");
    assert_refused("checkpoint: {interval: 10 seconds}\n",
                   "uv.yaml:1:24: seconds is not a unit of a duration\n"
                   "  checkpoint: {interval: 10 seconds}\n                         ^\n"
                   "did you mean s?");
    assert_refused("memory: {state: 1.5GiB}\n",
                   "uv.yaml:1:17: '1.5GiB' is not a size\n  memory: {state: 1.5GiB}\n"
                   "                  ^\nwrite a whole number and a unit, as in 64MiB");
    assert_refused("memory: {reserve: lots}\n",
                   "uv.yaml:1:19: 'lots' is neither a percentage nor a size\n"
                   "  memory: {reserve: lots}\n                    ^\n"
                   "write a percentage or a size, as in 10% or 4GiB");
}

static void test_config_wrong_types_are_refused(void **state)
{
    (void)state;
    assert_refused("checkpoint: {retain: many}\n",
                   "uv.yaml:1:22: 'many' is not a whole number\n  checkpoint: {retain: many}\n"
                   "                       ^");
    assert_refused("checkpoint: {retain: '3'}\n",
                   "uv.yaml:1:23: '3' is text, not a number\n  checkpoint: {retain: '3'}\n"
                   "                        ^\nleave the quotes out");
    assert_refused("job: [a, b]\n", "uv.yaml:1:1: job takes one value\n  job: [a, b]\n  ^\n"
                                    "not a list, a mapping or an alias");
    assert_refused("memory: 5\n",
                   "uv.yaml:1:1: this key takes a mapping of keys to values\n  memory: 5\n  ^\n"
                   "as in  memory: {dir: /dev/shm, reserve: 10%}");
    assert_refused("recovery: {bad_rows: skipp}\n",
                   "uv.yaml:1:22: bad_rows cannot be 'skipp'\n  recovery: {bad_rows: skipp}\n"
                   "                       ^\ndid you mean skip?");
    assert_refused("placement: {waiting: zzzzzz}\n",
                   "uv.yaml:1:22: waiting cannot be 'zzzzzz'\n  placement: {waiting: zzzzzz}\n"
                   "                       ^\nit is one of: spin, adaptive, block");
    assert_refused("job:\nsql: x\n", "uv.yaml:1:1: job has no value\n  job:\n  ^");
    assert_refused("job: a/b\n", "uv.yaml:1:6: job cannot be 'a/b': it names files\n  job: a/b\n"
                                 "       ^\nletters, digits, - and _ only, at most 64");
}

static void test_config_bounds_are_told(void **state)
{
    (void)state;
    assert_refused("memory: {ring: 1B}\n",
                   "uv.yaml:1:16: ring must be from 64KiB to 1GiB\n  memory: {ring: 1B}\n"
                   "                 ^");
    assert_refused("checkpoint: {retain: 0}\n",
                   "uv.yaml:1:22: retain must be from 1 to 1000\n  checkpoint: {retain: 0}\n"
                   "                       ^");
    assert_refused("memory: {state: 99999999999999999999MiB}\n",
                   "uv.yaml:1:17: 99999999999999999999MiB is too large\n"
                   "  memory: {state: 99999999999999999999MiB}\n                  ^");
    assert_refused("memory: {reserve: 91%}\n",
                   "uv.yaml:1:19: reserve must be from 0% to 90%\n  memory: {reserve: 91%}\n"
                   "                    ^");
    assert_refused(
        "placement: {cores: 3-1}\n",
        "uv.yaml:1:20: '3-1' does not name cores\n  placement: {cores: 3-1}\n"
        "                     ^\nwrite auto, a number of cores, or a list as in \"0-3,8\"");
    assert_refused("metrics: {listen: 9090}\n",
                   "uv.yaml:1:19: '9090' is not an address\n  metrics: {listen: 9090}\n"
                   "                    ^\nwrite none, or host:port as in 127.0.0.1:9090");
}

static void test_config_missing_keys_are_named(void **state)
{
    (void)state;
    assert_refused("job: uv\n", "uv.yaml: the key 'sql' is missing\n"
                                "the smallest config is two lines:  job: NAME  and  sql: FILE.sql");
    assert_refused("- a\n", "uv.yaml:1:1: the config must be a mapping of keys to values\n  - a\n"
                            "  ^\nwrite  job: NAME  and  sql: FILE.sql");
}

static void test_config_what_is_not_yaml_has_a_place(void **state)
{
    (void)state;
    struct config *config;
    struct err err;
    const char *broken[] = {"job: [uv\n", "job: uv\njob: uw\nsql: x\n", "job: \"uv\nsql: x",
                            "{",          "job: uv\n\tsql: x\n",        "a: b: c\n"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        assert_int_equal(config_parse("uv.yaml", slice_of(broken[i]), &config, &err), -EINVAL);
        assert_int_equal(strncmp(err.text, "uv.yaml:", 8), 0);
    }
    assert_refused("job: u\x01v\n", "uv.yaml:1:7: a control character cannot stand here\n"
                                    "  job: u?v\n        ^\nis this a binary file?");
}

static void test_config_empty_input_is_refused(void **state)
{
    (void)state;
    struct config *config;
    struct err err;
    assert_int_equal(config_parse("e", slice_of(""), &config, &err), -EINVAL);
    assert_int_equal(config_parse("e", slice_of("# only a comment\n"), &config, &err), -EINVAL);
    assert_int_equal(config_parse("e", slice_of("..."), &config, &err), -EINVAL);
}

static void test_config_what_would_be_ignored_is_refused(void **state)
{
    (void)state;
    assert_refused("job: a\nsql: b\n---\njob: c\n",
                   "uv.yaml: the file holds several YAML documents (---); one is a job\n"
                   "write  job: NAME  and  sql: FILE.sql");
    assert_refused("job: a\nsql: !!str b\n",
                   "uv.yaml:2:1: a YAML tag has no use here\n  sql: !!str b\n  ^\n"
                   "leave out the word that begins with !");
    assert_refused("job: a\nsql: b\nmemory: {ring: 3MiB}\n",
                   "uv.yaml:3:16: ring must be a power of two\n  memory: {ring: 3MiB}\n"
                   "                 ^\nas in 512KiB, 1MiB or 2MiB");
}

static void test_config_load_says_which_file(void **state)
{
    (void)state;
    struct config *config;
    struct err err;
    assert_int_equal(config_load("/nowhere/uv.yaml", &config, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nowhere/uv.yaml: cannot be read: No such file"));
    assert_int_equal(config_load("/tmp", &config, &err), -EINVAL);
    assert_non_null(strstr(err.text, "/tmp: is not a file but a folder"));
}

static void test_config_load_reads_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] = "job: uv\r\nsql: uv.sql\r\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    struct config *config;
    struct err err = {0};
    assert_int_equal(config_load(path, &config, &err), 0);
    assert_string_equal(config->sql, "/tmp/uv.sql");
    config_free(config);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_two_keys_are_enough),
        cmocka_unit_test(test_config_reads_every_kind_of_value),
        cmocka_unit_test(test_config_unknown_key_is_pointed_at),
        cmocka_unit_test(test_config_wrong_units_are_refused),
        cmocka_unit_test(test_config_wrong_types_are_refused),
        cmocka_unit_test(test_config_bounds_are_told),
        cmocka_unit_test(test_config_missing_keys_are_named),
        cmocka_unit_test(test_config_what_is_not_yaml_has_a_place),
        cmocka_unit_test(test_config_empty_input_is_refused),
        cmocka_unit_test(test_config_what_would_be_ignored_is_refused),
        cmocka_unit_test(test_config_load_says_which_file),
        cmocka_unit_test(test_config_load_reads_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
