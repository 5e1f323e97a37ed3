// test_traffic.c: the model of a plan: what is sent is received, nobody works more than a core.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stages/placement/traffic.h"

static struct plan *plan_of(const char *select, int cores)
{
    char sql[2048];
    struct plan *plan = NULL;
    struct err err = {.text = ""};
    snprintf(sql, sizeof sql,
             "CREATE TABLE n (id STRING, d STRING, t TIMESTAMP(3), WATERMARK FOR t AS t - INTERVAL "
             "'4' SECOND) WITH ('connector' = 'datagen');\n%s;",
             select);
    const struct plan_settings settings = {"x.sql", slice_of(sql), cores};
    if (plan_make(&settings, &plan, &err))
        fail_msg("%s", err.text);
    return plan;
}

#define UV                                                                                         \
    "SELECT window_end, d, COUNT(DISTINCT id) FROM TABLE(CUMULATE(TABLE n, DESCRIPTOR(t), "        \
    "INTERVAL '1' MINUTE, INTERVAL '1' DAY)) GROUP BY window_start, window_end, d"
#define TWO_PHASE                                                                                  \
    "SELECT window_end, d, COUNT(*) FROM TABLE(TUMBLE(TABLE n, DESCRIPTOR(t), INTERVAL '1' "       \
    "MINUTE)) GROUP BY window_start, window_end, d"

static void check_model(const struct plan *plan)
{
    struct traffic traffic;
    traffic_model(plan, &traffic);
    int64_t most = 0;
    assert_int_equal(traffic.task_count, plan->task_count);
    for (int t = 0; t < traffic.task_count; t++) {
        const struct traffic_task *task = &traffic.tasks[t];
        assert_in_range(task->share, 0, TRAFFIC_WHOLE_CORE);
        most = task->share > most ? task->share : most;
        int first = plan->stages[task->stage].first_task;
        assert_in_range(t, first, first + plan->stages[task->stage].parallelism - 1);
        bool is_source = plan->stages[task->stage].input_exchange < 0;
        assert_int_equal(task->source_bytes_s > 0, is_source);
        assert_false(is_source && task->is_light);
    }
    assert_int_equal(most, TRAFFIC_WHOLE_CORE); // somebody is the bottleneck
    for (int c = 0; c < traffic.channel_count; c++) {
        const struct traffic_channel *channel = &traffic.channels[c];
        const struct exchange *exchange = &plan->exchanges[channel->exchange];
        assert_int_equal(traffic.tasks[channel->from].stage, exchange->from_stage);
        assert_int_equal(traffic.tasks[channel->to].stage, exchange->to_stage);
        assert_true(channel->bytes_s > 0 && channel->frames_s > 0);
        for (int other = 0; other < c; other++) // each pair once
            assert_false(traffic.channels[other].from == channel->from &&
                         traffic.channels[other].to == channel->to);
    }
    traffic_fini(&traffic);
}

static void test_traffic_model_adds_up(void **state)
{
    (void)state;
    static const char *const selects[] = {UV, TWO_PHASE, "SELECT id FROM n"};
    for (size_t i = 0; i < sizeof selects / sizeof *selects; i++)
        for (int cores = 1; cores <= 64; cores *= 2) {
            struct plan *plan = plan_of(selects[i], cores);
            check_model(plan);
            plan_free(plan);
        }
}

// Rows go to the shards, one result in a hundred to the merge: which alone is light.
static void test_traffic_model_knows_merges(void **state)
{
    (void)state;
    struct plan *plan = plan_of(UV, 8);
    struct traffic traffic;
    int64_t to_shards = 0, to_merge = 0;
    traffic_model(plan, &traffic);
    assert_int_equal(plan->stage_count, 3);
    for (int t = 0; t < traffic.task_count; t++)
        assert_int_equal(traffic.tasks[t].is_light, traffic.tasks[t].stage == 2);
    for (int c = 0; c < traffic.channel_count; c++) {
        const struct traffic_channel *channel = &traffic.channels[c];
        *(channel->exchange == 0 ? &to_shards : &to_merge) += channel->bytes_s;
    }
    assert_true(to_merge * 10 < to_shards);
    traffic_fini(&traffic);
    plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traffic_model_adds_up),
        cmocka_unit_test(test_traffic_model_knows_merges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
