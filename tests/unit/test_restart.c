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

// Flink's defaults, without chance.
static struct restart_policy policy_of(enum supervisor_restart strategy)
{
    struct supervisor_restart_options options = supervisor_restart_defaults(strategy);
    struct restart_policy policy;
    options.jitter = 0;
    restart_init(&policy, &options);
    return policy;
}

static void test_restart_replaces_the_killed_at_once(void **state)
{
    (void)state;
    struct restart_policy policy = policy_of(SUPERVISOR_RESTART_EXPONENTIAL_DELAY);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(restart_delay_ns(&policy, &killed, i), 0);
    assert_int_equal(policy.failures, 0);
}

// Where every kill is answered at once, a spare need not ask; elsewhere it must.
static void test_restart_says_where_a_spare_must_ask(void **state)
{
    (void)state;
    struct restart_policy policy = policy_of(SUPERVISOR_RESTART_EXPONENTIAL_DELAY);
    assert_true(restart_is_at_once(&policy, 0));
    assert_true(restart_is_at_once(&policy, RESTART_QUICK_FREE - 1));
    assert_false(restart_is_at_once(&policy, RESTART_QUICK_FREE));
    static const enum supervisor_restart others[] = {
        SUPERVISOR_RESTART_FIXED_DELAY, SUPERVISOR_RESTART_FAILURE_RATE, SUPERVISOR_RESTART_NONE};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        policy = policy_of(others[i]);
        assert_false(restart_is_at_once(&policy, 0));
        restart_fini(&policy);
    }
}

static void test_restart_backs_off_from_crashes_and_forgives(void **state)
{
    (void)state;
    struct restart_policy policy = policy_of(SUPERVISOR_RESTART_EXPONENTIAL_DELAY);
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
    struct restart_policy policy = policy_of(SUPERVISOR_RESTART_EXPONENTIAL_DELAY);
    struct restart_death death = {.from_outside = true};
    struct buf why = {0};
    for (int i = 1; i < RESTART_QUICK_MAX; i++) {
        death.quick_deaths = i;
        int64_t want = i <= RESTART_QUICK_FREE
                           ? 0
                           : restart_backoff_ns(&policy.options, i - RESTART_QUICK_FREE);
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
    struct supervisor_restart_options options =
        supervisor_restart_defaults(SUPERVISOR_RESTART_EXPONENTIAL_DELAY);
    assert_int_equal(restart_backoff_ns(&options, 1), SECOND);
    assert_int_equal(restart_backoff_ns(&options, 2), 3 * SECOND / 2);
    assert_int_equal(restart_backoff_ns(&options, 3), 9 * SECOND / 4);
    assert_int_equal(restart_backoff_ns(&options, 1000000), 60 * SECOND);
}

static void test_restart_fixed_delay_allows_one(void **state)
{
    (void)state;
    struct restart_policy policy = policy_of(SUPERVISOR_RESTART_FIXED_DELAY);
    assert_int_equal(restart_delay_ns(&policy, &killed, SECOND), SECOND);
    assert_int_equal(restart_delay_ns(&policy, &killed, 90000 * SECOND), RESTART_NEVER);
}

static void test_restart_failure_rate_allows_one_a_minute(void **state)
{
    (void)state;
    struct restart_policy policy = policy_of(SUPERVISOR_RESTART_FAILURE_RATE);
    assert_int_equal(restart_delay_ns(&policy, &killed, SECOND), SECOND);
    assert_int_equal(restart_delay_ns(&policy, &killed, 62 * SECOND), SECOND);
    assert_int_equal(restart_delay_ns(&policy, &killed, 121 * SECOND), RESTART_NEVER);
    restart_fini(&policy);
}

// The window slides: what counts is the failure that lies `attempts` before this one.
static void test_restart_failure_rate_slides(void **state)
{
    (void)state;
    struct supervisor_restart_options options =
        supervisor_restart_defaults(SUPERVISOR_RESTART_FAILURE_RATE);
    struct restart_policy policy;
    struct buf why = {0};
    options.attempts = 3;
    options.interval_ms = 10000;
    options.delay_ms = 20;
    restart_init(&policy, &options);
    static const int at[] = {0, 4, 8, 11, 15, 19, 22};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        assert_int_equal(restart_delay_ns(&policy, &killed, at[i] * SECOND), SECOND / 50);
    assert_int_equal(restart_delay_ns(&policy, &killed, 23 * SECOND), RESTART_NEVER);
    restart_explain(&policy, &killed, &why);
    assert_non_null(strstr(buf_str(&why), "failure-rate allows 3 restarts of its region in 10 s"));
    buf_fini(&why);
    restart_fini(&policy);
}

static void test_restart_takes_its_options(void **state)
{
    (void)state;
    struct supervisor_restart_options options =
        supervisor_restart_defaults(SUPERVISOR_RESTART_EXPONENTIAL_DELAY);
    struct restart_policy policy;
    struct buf why = {0};
    options.attempts = RESTART_CRASHES_FREE + 3;
    options.delay_ms = 100;
    options.multiplier = 2;
    options.max_delay_ms = 300;
    options.jitter = 0;
    restart_init(&policy, &options);
    for (int i = 0; i < RESTART_CRASHES_FREE; i++)
        assert_int_equal(restart_delay_ns(&policy, &crashed, SECOND), 0);
    assert_int_equal(restart_delay_ns(&policy, &crashed, SECOND), SECOND / 10);
    assert_int_equal(restart_delay_ns(&policy, &crashed, SECOND), SECOND / 5);
    assert_int_equal(restart_delay_ns(&policy, &crashed, SECOND), 3 * SECOND / 10);
    assert_int_equal(restart_delay_ns(&policy, &crashed, SECOND), RESTART_NEVER);
    restart_explain(&policy, &crashed, &why);
    assert_non_null(strstr(buf_str(&why), "exponential-delay allows 6 restarts of its region"));
    buf_fini(&why);
}

static void test_restart_jitter_stays_in_its_bounds(void **state)
{
    (void)state;
    struct supervisor_restart_options options =
        supervisor_restart_defaults(SUPERVISOR_RESTART_EXPONENTIAL_DELAY);
    int64_t least = INT64_MAX, most = 0;
    options.multiplier = 1;
    for (int i = 1; i <= 200; i++) {
        struct restart_policy policy;
        restart_init(&policy, &options);
        policy.failures = RESTART_CRASHES_FREE;
        policy.last_ns = i;
        int64_t delay = restart_delay_ns(&policy, &crashed, i);
        least = delay < least ? delay : least;
        most = delay > most ? delay : most;
    }
    assert_in_range(least, SECOND * 9 / 10, SECOND * 95 / 100);
    assert_in_range(most, SECOND * 105 / 100, SECOND * 11 / 10);
}

// Rows that kill are dealt with one by one: they make no delay grow.
static void test_restart_forgets_what_went_to_the_dead_letters(void **state)
{
    (void)state;
    struct restart_policy policy = policy_of(SUPERVISOR_RESTART_EXPONENTIAL_DELAY);
    struct restart_death step = {.quick_deaths = 11, .leads_on = true};
    for (int row = 0; row < 100; row++) {
        assert_int_equal(restart_delay_ns(&policy, &crashed, SECOND), 0);
        step.is_solved = false;
        for (int i = 0; i < 3; i++)
            assert_int_equal(restart_delay_ns(&policy, &step, SECOND), 0);
        step.is_solved = true;
        assert_int_equal(restart_delay_ns(&policy, &step, SECOND), 0);
        assert_int_equal(policy.failures, 0);
    }
    struct restart_policy fixed = policy_of(SUPERVISOR_RESTART_FIXED_DELAY);
    assert_int_equal(restart_delay_ns(&fixed, &step, SECOND), SECOND);
    assert_int_equal(restart_delay_ns(&fixed, &step, SECOND), RESTART_NEVER); // as Flink counts
}

// A region that goes back to a checkpoint is one failure, whatever led to it.
static void test_restart_counts_a_loss_once(void **state)
{
    (void)state;
    struct restart_policy policy = policy_of(SUPERVISOR_RESTART_FIXED_DELAY);
    assert_int_equal(restart_delay_ns(&policy, &crashed, SECOND), SECOND);
    assert_int_equal(restart_after_loss_ns(&policy, true, SECOND), 0); // the delay has been waited
    assert_int_equal(restart_after_loss_ns(&policy, false, SECOND), RESTART_NEVER);
    policy = policy_of(SUPERVISOR_RESTART_FIXED_DELAY);
    assert_int_equal(restart_after_loss_ns(&policy, false, SECOND), SECOND);
    assert_int_equal(restart_after_loss_ns(&policy, false, SECOND), RESTART_NEVER);
    policy = policy_of(SUPERVISOR_RESTART_EXPONENTIAL_DELAY);
    assert_int_equal(restart_delay_ns(&policy, &killed, SECOND), 0);
    for (int i = 0; i < RESTART_CRASHES_FREE; i++)
        assert_int_equal(restart_after_loss_ns(&policy, i % 2, SECOND), 0);
    assert_int_equal(restart_after_loss_ns(&policy, true, SECOND), SECOND);
    policy = policy_of(SUPERVISOR_RESTART_NONE);
    assert_int_equal(restart_after_loss_ns(&policy, false, SECOND), RESTART_NEVER);
}

static void test_restart_none_allows_none(void **state)
{
    (void)state;
    struct restart_policy policy = policy_of(SUPERVISOR_RESTART_NONE);
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
        cmocka_unit_test(test_restart_says_where_a_spare_must_ask),
        cmocka_unit_test(test_restart_backs_off_from_crashes_and_forgives),
        cmocka_unit_test(test_restart_ends_a_job_that_gets_nowhere),
        cmocka_unit_test(test_restart_backoff_grows_by_half_to_a_minute),
        cmocka_unit_test(test_restart_fixed_delay_allows_one),
        cmocka_unit_test(test_restart_failure_rate_allows_one_a_minute),
        cmocka_unit_test(test_restart_none_allows_none),
        cmocka_unit_test(test_restart_counts_a_loss_once),
        cmocka_unit_test(test_restart_failure_rate_slides),
        cmocka_unit_test(test_restart_takes_its_options),
        cmocka_unit_test(test_restart_jitter_stays_in_its_bounds),
        cmocka_unit_test(test_restart_forgets_what_went_to_the_dead_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
