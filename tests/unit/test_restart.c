// test_restart.c: the restart strategies, death by death.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stages/supervisor/restart.h"

#define SECOND INT64_C(1000000000)

static const struct restart_death killed = {.progressed = true, .from_outside = true};
static const struct restart_death crashed = {.progressed = true};

static void test_restart_replaces_the_killed_at_once(void **state)
{
    (void)state;
    struct restart_policy policy = {SUPERVISOR_RESTART_EXPONENTIAL_DELAY, 0, 0};
    for (int i = 0; i < 10000; i++)
        assert_int_equal(restart_delay_ns(&policy, &killed, i), 0);
    assert_int_equal(policy.failures, 0);
}

static void test_restart_backs_off_from_crashes_and_forgives(void **state)
{
    (void)state;
    struct restart_policy policy = {SUPERVISOR_RESTART_EXPONENTIAL_DELAY, 0, 0};
    for (int i = 0; i < RESTART_CRASHES_FREE; i++)
        assert_int_equal(restart_delay_ns(&policy, &crashed, SECOND), 0);
    assert_int_equal(restart_delay_ns(&policy, &crashed, SECOND), SECOND);
    assert_int_equal(restart_delay_ns(&policy, &killed, SECOND), 0);
    assert_int_equal(restart_delay_ns(&policy, &crashed, SECOND), 3 * SECOND / 2);
    for (int i = 0; i < 1000; i++) // it never ends the job, as in Flink
        assert_in_range(restart_delay_ns(&policy, &crashed, SECOND), SECOND, 60 * SECOND);
    assert_int_equal(restart_delay_ns(&policy, &crashed, SECOND), 60 * SECOND);
    assert_int_equal(restart_delay_ns(&policy, &crashed, 3602 * SECOND), 0);
}

static void test_restart_ends_a_job_that_gets_nowhere(void **state)
{
    (void)state;
    struct restart_policy policy = {SUPERVISOR_RESTART_EXPONENTIAL_DELAY, 0, 0};
    struct restart_death death = {.from_outside = true};
    struct buf why = {0};
    for (int i = 1; i < RESTART_QUICK_MAX; i++) {
        death.quick_deaths = i;
        int64_t want = i <= RESTART_QUICK_FREE ? 0 : restart_backoff_ns(i - RESTART_QUICK_FREE);
        assert_int_equal(restart_delay_ns(&policy, &death, SECOND), want);
    }
    death.quick_deaths = RESTART_QUICK_MAX;
    assert_int_equal(restart_delay_ns(&policy, &death, SECOND), RESTART_NEVER);
    restart_explain(&policy, &death, &why);
    assert_non_null(strstr(buf_str(&why), "12 times in a row without finishing a batch"));
    buf_fini(&why);
}

static void test_restart_backoff_grows_by_half_to_a_minute(void **state)
{
    (void)state;
    assert_int_equal(restart_backoff_ns(1), SECOND);
    assert_int_equal(restart_backoff_ns(2), 3 * SECOND / 2);
    assert_int_equal(restart_backoff_ns(3), 9 * SECOND / 4);
    assert_int_equal(restart_backoff_ns(1000000), 60 * SECOND);
}

static void test_restart_fixed_delay_allows_one(void **state)
{
    (void)state;
    struct restart_policy policy = {SUPERVISOR_RESTART_FIXED_DELAY, 0, 0};
    assert_int_equal(restart_delay_ns(&policy, &killed, SECOND), SECOND);
    assert_int_equal(restart_delay_ns(&policy, &killed, 90000 * SECOND), RESTART_NEVER);
}

static void test_restart_failure_rate_allows_one_a_minute(void **state)
{
    (void)state;
    struct restart_policy policy = {SUPERVISOR_RESTART_FAILURE_RATE, 0, 0};
    assert_int_equal(restart_delay_ns(&policy, &killed, SECOND), SECOND);
    assert_int_equal(restart_delay_ns(&policy, &killed, 62 * SECOND), SECOND);
    assert_int_equal(restart_delay_ns(&policy, &killed, 121 * SECOND), RESTART_NEVER);
}

static void test_restart_none_allows_none(void **state)
{
    (void)state;
    struct restart_policy policy = {SUPERVISOR_RESTART_NONE, 0, 0};
    struct buf why = {0};
    assert_int_equal(restart_delay_ns(&policy, &killed, SECOND), RESTART_NEVER);
    restart_explain(&policy, &killed, &why);
    assert_string_equal(buf_str(&why), "and recovery.restart is none");
    buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restart_replaces_the_killed_at_once),
        cmocka_unit_test(test_restart_backs_off_from_crashes_and_forgives),
        cmocka_unit_test(test_restart_ends_a_job_that_gets_nowhere),
        cmocka_unit_test(test_restart_backoff_grows_by_half_to_a_minute),
        cmocka_unit_test(test_restart_fixed_delay_allows_one),
        cmocka_unit_test(test_restart_failure_rate_allows_one_a_minute),
        cmocka_unit_test(test_restart_none_allows_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
