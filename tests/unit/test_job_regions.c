// test_job_regions.c: which tasks are connected.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stages/runtime/job.h"

static const char tables[] =
    "CREATE TABLE a (id STRING, d STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)"
    "  WITH ('connector' = 'datagen', 'rows-per-second' = '0', 'number-of-rows' = '10');"
    "CREATE TABLE b (id STRING, d STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)"
    "  WITH ('connector' = 'datagen', 'rows-per-second' = '0', 'number-of-rows' = '10');"
    "CREATE TABLE x (d STRING, n BIGINT) WITH ('connector' = 'blackhole');"
    "CREATE TABLE y (d STRING, n BIGINT) WITH ('connector' = 'blackhole');";

#define COUNT(from)                                                                                \
    "SELECT d, COUNT(DISTINCT id) FROM " from " GROUP BY d, TUMBLE(ts, INTERVAL '1' MINUTE);"

static struct plan *make(const char *inserts)
{
    struct buf sql = {0};
    struct err err = {0};
    struct plan *plan = NULL;
    buf_append_str(&sql, tables);
    buf_append_str(&sql, inserts);
    struct plan_settings settings = {"test.sql", buf_slice(&sql), 4};
    if (plan_make(&settings, &plan, &err))
        fail_msg("%s", err.text);
    buf_fini(&sql);
    return plan;
}

static int count_regions(const struct plan *plan, const int *regions)
{
    int most = 0;
    for (int task = 0; task < plan->task_count; task++) {
        assert_in_range(regions[task], 0, most + (task > 0)); // counted in order
        most = regions[task] > most ? regions[task] : most;
    }
    return most + 1;
}

static void test_job_regions_one_pipeline_is_one(void **state)
{
    (void)state;
    struct plan *plan = make("INSERT INTO x " COUNT("a"));
    int *regions = job_regions(plan);
    assert_true(plan->task_count > 2);
    assert_int_equal(count_regions(plan, regions), 1);
    free(regions);
    plan_free(plan);
}

static void test_job_regions_unrelated_inserts_are_two(void **state)
{
    (void)state;
    struct plan *plan = make(
        "EXECUTE STATEMENT SET BEGIN INSERT INTO x " COUNT("a") "INSERT INTO y " COUNT("b") "END;");
    int *regions = job_regions(plan);
    assert_int_equal(count_regions(plan, regions), 2);
    for (int e = 0; e < plan->exchange_count; e++) {
        const struct exchange *exchange = &plan->exchanges[e];
        int from = plan->stages[exchange->from_stage].first_task;
        int to = plan->stages[exchange->to_stage].first_task;
        assert_int_equal(regions[from], regions[to]);
    }
    free(regions);
    plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_regions_one_pipeline_is_one),
        cmocka_unit_test(test_job_regions_unrelated_inserts_are_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
