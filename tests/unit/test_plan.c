// Plans: both unique-visitor jobs as people write them, and where each kind of
// query is cut.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/plan/plan.h"

#define PERSON                                                                                     \
    "CREATE TABLE person (id STRING, dimension STRING, amount INT, ms BIGINT,\n"                   \
    "  eventTime TIMESTAMP(3), WATERMARK FOR eventTime AS eventTime - INTERVAL "                   \
    "'4' SECOND)\n"                                                                                \
    "WITH ('connector' = 'filesystem', 'path' = '/in', 'format' = 'json');\n"

#define EARLY_UV                                                                                   \
    "SET 'table.exec.emit.early-fire.enabled' = 'true';\n"                                         \
    "SET 'table.exec.emit.early-fire.delay' = '60s';\n"                                            \
    "SELECT TUMBLE_ROWTIME(eventTime, interval '1' day) AS rowtime, dimension, "                   \
    "COUNT(DISTINCT id) AS uv\n"                                                                   \
    "FROM person GROUP BY TUMBLE(eventTime, interval '1' day), dimension;\n"

#define CUMULATE_UV                                                                                \
    "SELECT window_end, dimension, COUNT(DISTINCT id) AS uv\n"                                     \
    "FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' "                       \
    "MINUTE, "                                                                                     \
    "INTERVAL '1' DAY))\n"                                                                         \
    "GROUP BY window_start, window_end, dimension;\n"

static struct plan *make(const char *sql, int cores)
{
    struct err err = {0};
    struct plan *plan = NULL;
    struct plan_settings settings = {"test.sql", slice_of(sql), cores};
    if (plan_make(&settings, &plan, &err))
        fail_msg("%s", err.text);
    return plan;
}

// The nth operator of the kind in the whole plan, or NULL.
static const struct op *find_op(const struct plan *plan, enum op_kind kind, int nth)
{
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].op_count; i++)
            if (plan->stages[s].ops[i]->kind == kind && nth-- == 0)
                return plan->stages[s].ops[i];
    return NULL;
}

// What holds of every plan: ids, tasks and exchanges fit together.
static void check_shape(const struct plan *plan)
{
    int tasks = 0, ops = 0;
    for (int s = 0; s < plan->stage_count; s++) {
        const struct stage *stage = &plan->stages[s];
        assert_int_equal(stage->first_task, tasks);
        assert_true(stage->parallelism >= 1 && stage->op_count >= 1);
        assert_non_null(stage->reason);
        assert_true((stage->input_exchange < 0) == (stage->ops[0]->kind == OP_SOURCE));
        assert_true((stage->output_exchange < 0) ==
                    (stage->ops[stage->op_count - 1]->kind == OP_SINK));
        for (int i = 0; i < stage->op_count; i++)
            assert_int_equal(stage->ops[i]->id, ops++);
        tasks += stage->parallelism;
    }
    assert_int_equal(plan->task_count, tasks);
    for (int e = 0; e < plan->exchange_count; e++) {
        const struct exchange *exchange = &plan->exchanges[e];
        assert_int_equal(plan->stages[exchange->from_stage].output_exchange, e);
        assert_int_equal(plan->stages[exchange->to_stage].input_exchange, e);
        const struct stage *from = &plan->stages[exchange->from_stage];
        for (int i = 0; i < exchange->hash_column_count; i++)
            assert_true(exchange->hash_columns[i] >= 0 &&
                        exchange->hash_columns[i] <
                            from->ops[from->op_count - 1]->output.field_count);
        assert_non_null(exchange->reason);
    }
}

static void test_plan_early_fire_uv_is_one_task_on_one_core(void **state)
{
    (void)state;
    struct plan *plan = make(PERSON EARLY_UV, 1);
    check_shape(plan);
    assert_int_equal(plan->task_count, 1);
    assert_int_equal(plan->exchange_count, 0);
    const struct op_window *window = &find_op(plan, OP_WINDOW, 0)->window;
    assert_int_equal(window->phase, WINDOW_SINGLE);
    assert_int_equal(window->kind, WINDOW_TUMBLE);
    assert_true(window->changelog);
    assert_int_equal(window->size_ms, 86400000);
    assert_int_equal(window->early_delay_ms, 60000);
    assert_int_equal(window->late_delay_ms, -1);
    assert_int_equal(window->agg_count, 1);
    assert_int_equal(window->aggs[0].kind, AGG_COUNT_DISTINCT);
    const struct op *sink = find_op(plan, OP_SINK, 0);
    assert_string_equal(sink->table->connector, "print");
    assert_string_equal(sink->output.fields[0].name, "rowtime");
    assert_string_equal(sink->output.fields[2].name, "uv");
    assert_int_equal(sink->output.fields[2].type.kind, TYPE_BIGINT);
    plan_free(plan);
}

static void test_plan_reads_only_the_needed_columns(void **state)
{
    (void)state;
    struct plan *plan = make(PERSON CUMULATE_UV, 1);
    const struct op *source = find_op(plan, OP_SOURCE, 0);
    assert_int_equal(source->table->physical.field_count, 5);
    static const bool needed[] = {true, true, false, false, true};
    assert_memory_equal(source->table->needed, needed, sizeof(needed));
    assert_int_equal(source->output.field_count, 3);
    assert_string_equal(source->output.fields[2].name, "eventTime");
    const struct op *watermark = find_op(plan, OP_WATERMARK, 0);
    assert_int_equal(watermark->watermark.rowtime_column, 2);
    assert_true(watermark->output.fields[2].type.rowtime);
    assert_int_equal(watermark->watermark.interval_ms, 200);
    plan_free(plan);
}

static void test_plan_cumulate_uv_shards_by_the_distinct_key(void **state)
{
    (void)state;
    struct plan *plan = make(PERSON CUMULATE_UV, 6);
    check_shape(plan);
    assert_int_equal(plan->stage_count, 3);
    assert_int_equal(plan->stages[0].parallelism, 2);
    assert_int_equal(plan->stages[1].parallelism, 4);
    assert_int_equal(plan->stages[2].parallelism, 1);
    const struct op *partial = plan->stages[1].ops[0], *final = plan->stages[2].ops[0];
    assert_int_equal(partial->window.phase, WINDOW_PARTIAL);
    assert_int_equal(final->window.phase, WINDOW_FINAL);
    assert_false(partial->window.changelog);
    const struct exchange *shards = &plan->exchanges[0], *merge = &plan->exchanges[1];
    assert_int_equal(shards->kind, EXCHANGE_HASH);
    assert_int_equal(shards->hash_column_count, 1);
    assert_int_equal(shards->hash_columns[0], partial->window.aggs[0].arg);
    assert_int_equal(shards->watermark_step_ms, 60000);
    assert_int_equal(merge->hash_column_count, 1);
    assert_int_equal(merge->hash_columns[0], 0);
    // the partial row: dimension, pane_start, slice_end, rows, count
    assert_int_equal(partial->output.field_count, 5);
    assert_int_equal(partial->window.aggs[0].partial, 4);
    assert_string_equal(final->output.fields[0].name, "dimension");
    plan_free(plan);
}

#define SUMS                                                                                       \
    "SELECT dimension, SUM(amount) FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(eventTime), "        \
    "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, dimension;"
#define QUOTED                                                                                     \
    "CREATE TABLE person (dimension STRING, amount INT, eventTime TIMESTAMP(3), "                  \
    "WATERMARK FOR eventTime AS eventTime) "                                                       \
    "WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '/in/"

// The tasks of each stage.
static void check_tasks(const char *sql, int cores, const char *tasks)
{
    struct buf got = {0};
    struct plan *plan = make(sql, cores);
    check_shape(plan);
    for (int s = 0; s < plan->stage_count; s++)
        buf_printf(&got, "%s%d", s ? " " : "", plan->stages[s].parallelism);
    assert_string_equal(buf_str(&got), tasks);
    buf_fini(&got);
    plan_free(plan);
}

static void test_plan_auto_gives_each_stage_what_it_can_use(void **state)
{
    (void)state;
    check_tasks(PERSON CUMULATE_UV, 1, "1");
    check_tasks(PERSON CUMULATE_UV, 2, "1 2 1");
    check_tasks(PERSON CUMULATE_UV, 8, "2 6 1");
    check_tasks(PERSON SUMS, 2, "2 1");
    check_tasks(PERSON SUMS, 16, "16 2");
    check_tasks(PERSON "SELECT COUNT(DISTINCT id), COUNT(DISTINCT dimension) FROM person GROUP BY "
                       "TUMBLE(eventTime, INTERVAL '1' HOUR);",
                4, "3 1");
}

// A task of the source that is idle holds nothing back: rows cross, not sums that it keeps.
static void test_plan_a_source_that_may_be_idle_keeps_no_partial_results(void **state)
{
    (void)state;
    check_tasks("SET 'table.exec.source.idle-timeout' = '5 s'; " PERSON SUMS, 6, "2 4");
    check_tasks(QUOTED "folder', 'source.monitor-interval' = '1 s'); " SUMS, 6, "2 4");
    check_tasks("SET 'table.exec.source.idle-timeout' = '5 s'; " PERSON CUMULATE_UV, 6, "2 4 1");
}

// A quoted field may hold a line's end, so one such file has one reader.
static void test_plan_one_quoted_file_is_read_by_one_task(void **state)
{
    (void)state;
    check_tasks(QUOTED "rows.csv'); " SUMS, 2, "1 1");
    check_tasks(QUOTED "rows.csv'); " SUMS, 6, "1 5");
    check_tasks(QUOTED "rows.csv', 'source.line-is-row' = 'true'); " SUMS, 6, "6 1");
    check_tasks(QUOTED "rows.csv', 'csv.disable-quote-character' = 'true'); " SUMS, 6, "6 1");
    check_tasks(QUOTED "folder'); " SUMS, 6, "6 1");
    check_tasks(QUOTED "*.csv'); " SUMS, 6, "6 1");
    struct plan *plan = make(QUOTED "folder'); " SUMS, 6);
    assert_non_null(strstr(plan->stages[0].reason, "one file alone is read by one task"));
    plan_free(plan);
}

static void test_plan_firing_for_each_row_is_not_cut_in_phases(void **state)
{
    (void)state;
    struct plan *plan = make("SET 'table.exec.emit.early-fire.enabled' = 'true';"
                             "SET 'table.exec.emit.early-fire.delay' = '0 ms';" PERSON
                             "SELECT dimension, COUNT(DISTINCT id) FROM person GROUP BY "
                             "TUMBLE(eventTime, INTERVAL '1' DAY), dimension;",
                             6);
    check_shape(plan);
    assert_int_equal(find_op(plan, OP_WINDOW, 0)->window.phase, WINDOW_SINGLE);
    assert_non_null(strstr(plan->exchanges[0].reason, "fires for every row"));
    plan_free(plan);
}

static void test_plan_parallelism_default_decides(void **state)
{
    (void)state;
    struct plan *plan = make("SET 'parallelism.default' = '3';" PERSON CUMULATE_UV, 1);
    check_shape(plan);
    assert_int_equal(plan->stages[0].parallelism, 3);
    assert_int_equal(plan->stages[1].parallelism, 3);
    plan_free(plan);
    plan = make("SET 'parallelism.default' = '1';" PERSON CUMULATE_UV, 64);
    assert_int_equal(plan->task_count, 1);
    plan_free(plan);
}

static void test_plan_other_aggregates_go_in_two_phases(void **state)
{
    (void)state;
    struct plan *plan =
        make(PERSON "SELECT dimension, window_start, COUNT(*), SUM(amount), AVG(amount), "
                    "MAX(amount) FILTER (WHERE amount > 3) "
                    "FROM TABLE(HOP(TABLE person, DESCRIPTOR(eventTime), INTERVAL '10' "
                    "SECOND, "
                    "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, dimension;",
             4);
    check_shape(plan);
    assert_int_equal(plan->stage_count, 2);
    const struct stage *source = &plan->stages[0];
    const struct op *partial = source->ops[source->op_count - 1];
    assert_int_equal(partial->window.phase, WINDOW_PARTIAL);
    // dimension, pane_start, slice_end, count, sum, avg sum, avg count, max
    assert_int_equal(partial->output.field_count, 9);
    assert_int_equal(partial->window.aggs[3].partial, 8);
    assert_true(partial->window.aggs[3].filter > 0);
    assert_int_equal(partial->window.aggs[0].filter, -1);
    assert_int_equal(plan->exchanges[0].watermark_step_ms, 10000);
    assert_string_equal(find_op(plan, OP_SINK, 0)->output.fields[2].name, "EXPR$2");
    plan_free(plan);
}

static void test_plan_distinct_exceptions_hash_on_the_keys(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "SET 'table.exec.emit.early-fire.enabled' = 'true';"
        "SET 'table.exec.emit.early-fire.delay' = '0 ms';" PERSON
        "SELECT dimension, COUNT(DISTINCT id) FROM person GROUP BY "
        "HOP(eventTime, INTERVAL '1' MINUTE, INTERVAL '1' HOUR), dimension;",
        PERSON "SELECT dimension, COUNT(DISTINCT id), COUNT(DISTINCT amount) "
               "FROM person "
               "GROUP BY TUMBLE(eventTime, INTERVAL '1' HOUR), dimension;",
    };
    for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
        struct plan *plan = make(queries[i], 6);
        check_shape(plan);
        assert_int_equal(plan->stage_count, 2);
        const struct op *window = plan->stages[1].ops[0];
        assert_int_equal(window->window.phase, WINDOW_SINGLE);
        assert_int_equal(plan->exchanges[0].hash_columns[0], window->window.keys[0]);
        plan_free(plan);
    }
}

static void test_plan_window_without_keys_ends_in_one_task(void **state)
{
    (void)state;
    struct plan *plan = make(PERSON "SELECT COUNT(*) FROM person GROUP BY "
                                    "TUMBLE(eventTime, INTERVAL '1' HOUR);",
                             8);
    check_shape(plan);
    assert_int_equal(plan->stages[1].parallelism, 1);
    plan_free(plan);
}

static void test_plan_projection_is_one_chained_stage(void **state)
{
    (void)state;
    struct plan *plan =
        make("CREATE TABLE t (a INT, b INT, c STRING) WITH ('connector' = 'datagen');"
             "SELECT a + 1 AS x FROM (SELECT a, b FROM t WHERE b > 1) AS s WHERE a < "
             "5;",
             8);
    check_shape(plan);
    assert_int_equal(plan->task_count, 1);
    assert_int_equal(plan->stages[0].op_count,
                     3); // source, one merged calc, sink
    const struct op *source = find_op(plan, OP_SOURCE, 0);
    assert_true(source->table->needed[0] && source->table->needed[1] && !source->table->needed[2]);
    assert_non_null(find_op(plan, OP_CALC, 0)->calc.filter);
    plan_free(plan);
}

static void test_plan_computed_column_feeds_the_watermark(void **state)
{
    (void)state;
    struct plan *plan =
        make("CREATE TABLE t (id STRING, ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ms, 3), "
             "WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) "
             "WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv');"
             "SET 'pipeline.auto-watermark-interval' = '0 ms';"
             "SET 'table.local-time-zone' = 'Asia/Shanghai';"
             "SELECT window_start, window_time, COUNT(*) FROM TABLE(TUMBLE(TABLE t, "
             "DESCRIPTOR(ts), "
             "INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;",
             1);
    check_shape(plan);
    assert_int_equal(plan->stages[0].ops[1]->kind, OP_CALC);
    assert_int_equal(plan->stages[0].ops[2]->kind, OP_WATERMARK);
    assert_int_equal(plan->stages[0].ops[2]->watermark.interval_ms, 0);
    const struct op_window *window = &find_op(plan, OP_WINDOW, 0)->window;
    int64_t offset_ms;
    assert_string_equal(window->zone, "Asia/Shanghai");
    assert_int_equal(plan_window_grid(window, &offset_ms), 15 * 60000); // whatever the zone does
    assert_int_equal(offset_ms, 0);
    assert_false(find_op(plan, OP_SOURCE, 0)->table->needed[0]);
    const struct schema *out = &find_op(plan, OP_SINK, 0)->output;
    assert_int_equal(out->fields[0].type.kind, TYPE_TIMESTAMP);
    assert_int_equal(out->fields[1].type.kind, TYPE_TIMESTAMP_LTZ);
    plan_free(plan);
}

static void test_plan_filter_stays_above_the_watermark(void **state)
{
    (void)state;
    struct plan *plan = make(PERSON "SELECT id FROM person WHERE amount > 3;", 1);
    const struct stage *stage = &plan->stages[0];
    assert_int_equal(stage->ops[1]->kind, OP_WATERMARK);
    assert_int_equal(stage->ops[2]->kind, OP_CALC);
    assert_non_null(stage->ops[2]->calc.filter);
    plan_free(plan);
}

static void test_plan_statement_set_has_a_pipeline_for_each_insert(void **state)
{
    (void)state;
    struct plan *plan =
        make(PERSON "CREATE TABLE a (x STRING, n BIGINT) WITH ('connector' = 'print');"
                    "CREATE TABLE b (y DOUBLE) WITH ('connector' = 'blackhole');"
                    "CREATE TEMPORARY VIEW v AS SELECT id, dimension AS d, eventTime, "
                    "amount FROM person;"
                    "EXECUTE STATEMENT SET BEGIN "
                    "INSERT INTO a SELECT d, COUNT(*) + 1 FROM v GROUP BY "
                    "TUMBLE(eventTime, INTERVAL '1' MINUTE), d HAVING COUNT(*) > 2;"
                    "INSERT INTO b SELECT amount FROM v; END;",
             1);
    check_shape(plan);
    assert_int_equal(plan->stage_count, 2);
    assert_int_equal(plan->task_count, 2);
    assert_int_equal(find_op(plan, OP_SINK, 1)->output.fields[0].type.kind, TYPE_DOUBLE);
    assert_int_equal(find_op(plan, OP_WINDOW, 0)->window.agg_count, 1);
    plan_free(plan);
}

static void test_plan_window_on_a_window_uses_its_rowtime(void **state)
{
    (void)state;
    static const char sql[] =
        PERSON "SELECT TUMBLE_END(t, INTERVAL '1' HOUR), SUM(n) FROM ("
               "SELECT TUMBLE_ROWTIME(eventTime, INTERVAL '1' MINUTE) AS t, "
               "dimension, COUNT(*) AS "
               "n FROM person GROUP BY TUMBLE(eventTime, INTERVAL '1' MINUTE), "
               "dimension) AS m "
               "GROUP BY TUMBLE(t, INTERVAL '1' HOUR);";
    struct plan *plan = make(sql, 6);
    check_shape(plan);
    assert_int_equal(plan->exchanges[0].watermark_step_ms, 60000);
    assert_int_equal(plan->stages[plan->stage_count - 1].parallelism, 1);
    plan_free(plan);
}

static void test_plan_fingerprint_follows_what_decides_the_layout(void **state)
{
    (void)state;
    struct plan *first = make(PERSON CUMULATE_UV, 2), *same = make(PERSON CUMULATE_UV, 2);
    struct plan *wider = make(PERSON CUMULATE_UV, 6), *other = make(PERSON EARLY_UV, 2);
    assert_true(first->fingerprint == same->fingerprint);
    assert_true(first->fingerprint != wider->fingerprint);
    assert_true(first->fingerprint != other->fingerprint);
    plan_free(first);
    plan_free(same);
    plan_free(wider);
    plan_free(other);
}

static void test_plan_late_fire_needs_its_lateness(void **state)
{
    (void)state;
    struct plan *plan = make("SET 'table.exec.emit.late-fire.enabled' = 'true';"
                             "SET 'table.exec.emit.late-fire.delay' = '0 s';"
                             "SET 'table.exec.emit.allow-lateness' = '90 s';" PERSON
                             "SELECT COUNT(*) FROM person GROUP BY TUMBLE(eventTime, INTERVAL '1' "
                             "MINUTE);",
                             2);
    const struct op_window *window = &find_op(plan, OP_WINDOW, 0)->window;
    assert_int_equal(window->late_delay_ms, 0);
    assert_int_equal(window->lateness_ms, 90000);
    assert_int_equal(plan->exchanges[0].watermark_step_ms,
                     30000); // gcd(60 s, 90 s)
    plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_early_fire_uv_is_one_task_on_one_core),
        cmocka_unit_test(test_plan_reads_only_the_needed_columns),
        cmocka_unit_test(test_plan_cumulate_uv_shards_by_the_distinct_key),
        cmocka_unit_test(test_plan_auto_gives_each_stage_what_it_can_use),
        cmocka_unit_test(test_plan_a_source_that_may_be_idle_keeps_no_partial_results),
        cmocka_unit_test(test_plan_one_quoted_file_is_read_by_one_task),
        cmocka_unit_test(test_plan_firing_for_each_row_is_not_cut_in_phases),
        cmocka_unit_test(test_plan_parallelism_default_decides),
        cmocka_unit_test(test_plan_other_aggregates_go_in_two_phases),
        cmocka_unit_test(test_plan_distinct_exceptions_hash_on_the_keys),
        cmocka_unit_test(test_plan_window_without_keys_ends_in_one_task),
        cmocka_unit_test(test_plan_projection_is_one_chained_stage),
        cmocka_unit_test(test_plan_computed_column_feeds_the_watermark),
        cmocka_unit_test(test_plan_filter_stays_above_the_watermark),
        cmocka_unit_test(test_plan_statement_set_has_a_pipeline_for_each_insert),
        cmocka_unit_test(test_plan_window_on_a_window_uses_its_rowtime),
        cmocka_unit_test(test_plan_fingerprint_follows_what_decides_the_layout),
        cmocka_unit_test(test_plan_late_fire_needs_its_lateness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
