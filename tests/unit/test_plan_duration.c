// Flink's spellings of durations.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/plan/plan.h"

static void test_plan_duration_reads_every_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"60s", 60000},        {"60 s", 60000},         {"1 min", 60000},      {"1m", 60000},
        {"2 minutes", 120000}, {"500ms", 500},          {"200 ms", 200},       {"7", 7},
        {"1 d", 86400000},     {"1 day", 86400000},     {"3 days", 259200000}, {"1h", 3600000},
        {"2 hours", 7200000},  {"1 SECOND", 1000},      {"5 sec", 5000},       {"10 millis", 10},
        {"1500 micros", 1},    {"999 µs", 0},           {"2000000 ns", 2},     {"0 s", 0},
        {"  4  s  ", 4000},    {"12 milliseconds", 12},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {0};
        int64_t ms = -1;
        if (plan_duration_ms(cases[i].text, &ms, &err) || ms != cases[i].ms)
            fail_msg("'%s' became %lld: %s", cases[i].text, (long long)ms, err.text);
    }
}

static void test_plan_duration_refuses_with_a_way_out(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "s",
                                        "-1 s",
                                        "1.5 s",
                                        "1 fortnight",
                                        "1 s s",
                                        "one",
                                        "5 mo",
                                        "99999999999999999999 d",
                                        "9223372036854775807 d"};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {0};
        int64_t ms = 77;
        if (plan_duration_ms(cases[i], &ms, &err) == 0)
            fail_msg("'%s' was taken for %lld ms", cases[i], (long long)ms);
        assert_non_null(strstr(err.text, "duration"));
        assert_true(ms == 77);
    }
}

static void test_plan_size_reads_what_flink_reads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes; // 0: refused
    } cases[] = {
        {"4096", 4096},
        {"1 kb", 1024},
        {"128MB", INT64_C(128) << 20},
        {" 2 GiB ", 1LL << 31},
        {"3t", 3LL << 40},
        {"7 bytes", 7},
        {"0", 0},
        {"", 0},
        {"MB", 0},
        {"-1", 0},
        {"1.5MB", 0},
        {"1 parsec", 0},
        {"9999999999999 TB", 0},
        {"99999999999999999999", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t bytes = 0;
        int code = plan_size_bytes(cases[i].text, &bytes);
        if (cases[i].bytes ? code != 0 || bytes != cases[i].bytes : code != -EINVAL)
            fail_msg("'%s': %d, %lld", cases[i].text, code, (long long)bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_duration_reads_every_unit),
        cmocka_unit_test(test_plan_duration_refuses_with_a_way_out),
        cmocka_unit_test(test_plan_size_reads_what_flink_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
