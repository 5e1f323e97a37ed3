// test_plan_match.c: whose state fits whom when a script has changed.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan/plan.h"

// What of the script a test changes.
struct script {
    const char *path, *monitor, *ignore, *delay, *filter, *aggregate, *result, *folder;
    int tasks;
};

static const struct script plain = {.path = "/in",
                                    .monitor = "",
                                    .ignore = "false",
                                    .delay = "4",
                                    .filter = "n > 0",
                                    .aggregate = "SUM(n)",
                                    .result = "x",
                                    .folder = "/out",
                                    .tasks = 1};

static struct plan *make(const struct script *s)
{
    struct buf sql = {0};
    struct plan *plan = NULL;
    struct err err = {.text = ""};
    buf_printf(&sql,
               "SET 'parallelism.default' = '%d';\n"
               "CREATE TABLE person (n BIGINT, d STRING, t TIMESTAMP(3), WATERMARK FOR t AS t - "
               "INTERVAL '%s' SECOND) WITH ('connector' = 'filesystem', 'path' = '%s', 'format' = "
               "'csv', 'csv.ignore-parse-errors' = '%s'%s);\n"
               "CREATE TABLE results (d STRING, x BIGINT) WITH ('connector' = 'filesystem', "
               "'path' = '%s', 'format' = 'csv');\n"
               "INSERT INTO results SELECT d, %s FROM (SELECT d, %s AS x FROM TABLE(TUMBLE(TABLE "
               "person, DESCRIPTOR(t), INTERVAL '1' MINUTE)) WHERE %s GROUP BY d, window_start, "
               "window_end);\n",
               s->tasks, s->delay, s->path, s->ignore, s->monitor, s->folder, s->result,
               s->aggregate, s->filter);
    const struct plan_settings settings = {"test.sql", buf_slice(&sql), 2};
    if (plan_make(&settings, &plan, &err) < 0)
        fail_msg("%s", err.text);
    buf_fini(&sql);
    return plan;
}

static bool goes_on(const struct script *from, const struct script *to, enum op_kind kind)
{
    struct plan *old = make(from), *new = make(to);
    int count = plan_logical_count(old), found = -1;
    int *match = calloc((size_t)count, sizeof *match);
    assert_non_null(match);
    plan_logical_match(old, new, match);
    for (int i = 0; i < count; i++) {
        const struct op *op = plan_logical_at(old, i);
        assert_int_equal(plan_logical_op(old, op), i);
        if (match[i] >= 0)
            assert_int_equal(plan_logical_at(new, match[i])->kind, op->kind);
        if (op->kind == kind)
            found = match[i];
    }
    assert_null(plan_logical_at(old, count));
    free(match);
    plan_free(old);
    plan_free(new);
    return found >= 0;
}

static void expect(const struct script *to, bool source, bool watermark, bool window, bool sink)
{
    assert_int_equal(goes_on(&plain, to, OP_SOURCE), source);
    assert_int_equal(goes_on(&plain, to, OP_WATERMARK), watermark);
    assert_int_equal(goes_on(&plain, to, OP_WINDOW), window);
    assert_int_equal(goes_on(&plain, to, OP_SINK), sink);
}

static void test_plan_match_what_is_the_same(void **state)
{
    (void)state;
    struct script s = plain;
    expect(&s, true, true, true, true);
    s.tasks = 4;
    expect(&s, true, true, true, true);
    s.result = "x + 1"; // behind the window
    expect(&s, true, true, true, true);
}

static void test_plan_match_each_change(void **state)
{
    (void)state;
    struct script s = plain;
    s.aggregate = "MAX(n)";
    expect(&s, true, true, false, true);
    s = plain;
    s.filter = "n > 1"; // it is given other rows
    expect(&s, true, true, false, true);
    s = plain;
    s.delay = "5";
    expect(&s, true, false, false, true);
    s = plain;
    s.ignore = "true"; // the same place, other rows
    expect(&s, true, false, false, true);
    s = plain;
    s.path = "/elsewhere";
    expect(&s, false, false, false, true);
    s = plain;
    s.folder = "/elsewhere";
    expect(&s, true, true, true, false);
}

static void test_plan_match_followed_or_not(void **state)
{
    (void)state;
    struct script s = plain, other = plain;
    s.monitor = ", 'source.monitor-interval' = '1s'";
    assert_false(goes_on(&plain, &s, OP_SOURCE));
    other.monitor = ", 'source.monitor-interval' = '2s'";
    assert_true(goes_on(&s, &other, OP_SOURCE));
}

// --- Kafka ---

struct topics {
    const char *in, *options, *columns, *table, *prefix;
};

static const struct topics plain_topics = {
    .in = "in", .options = "", .columns = "d STRING, n BIGINT", .table = "o", .prefix = "p"};

static struct plan *make_topics(const struct topics *t)
{
    struct buf sql = {0};
    struct plan *plan = NULL;
    struct err err = {.text = ""};
    buf_printf(&sql,
               "CREATE TABLE i (%s, ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', WATERMARK FOR "
               "ts AS ts) WITH ('connector' = 'kafka', 'topic' = '%s', 'format' = 'json', "
               "'properties.bootstrap.servers' = 'a:1'%s);\n"
               "CREATE TABLE %s (d STRING, x BIGINT) WITH ('connector' = 'kafka', 'topic' = 'out', "
               "'properties.bootstrap.servers' = 'a:1', 'format' = 'json', "
               "'sink.transactional-id-prefix' = '%s');\n"
               "INSERT INTO %s SELECT d, SUM(n) FROM TABLE(TUMBLE(TABLE i, DESCRIPTOR(ts), "
               "INTERVAL '1' MINUTE)) GROUP BY d, window_start, window_end;\n",
               t->columns, t->in, t->options, t->table, t->prefix, t->table);
    const struct plan_settings settings = {"test.sql", buf_slice(&sql), 1};
    if (plan_make(&settings, &plan, &err) < 0)
        fail_msg("%s", err.text);
    buf_fini(&sql);
    return plan;
}

// Which of source, window and sink go on: 'S', 'W', 'K'.
static void expect_topics(const struct topics *to, bool same_job, const char *expected)
{
    struct plan *old = make_topics(&plain_topics), *new = make_topics(to);
    int match[16];
    char went_on[4] = "", *end = went_on;
    assert_true(plan_logical_count(old) <= 16);
    plan_logical_match(old, new, match);
    for (int i = 0; i < plan_logical_count(old); i++) {
        enum op_kind kind = plan_logical_at(old, i)->kind;
        if (match[i] >= 0 && (kind == OP_SOURCE || kind == OP_WINDOW || kind == OP_SINK))
            *end++ = kind == OP_SOURCE ? 'S' : kind == OP_WINDOW ? 'W' : 'K';
    }
    *end = '\0';
    assert_string_equal(went_on, expected);
    assert_int_equal(plan_logical_fingerprint(old) == plan_logical_fingerprint(new), same_job);
    plan_free(old);
    plan_free(new);
}

static void test_plan_match_kafka(void **state)
{
    (void)state;
    struct topics t = plain_topics;
    expect_topics(&t, true, "SWK");
    t.options = ", 'properties.fetch.wait.max.ms' = '5', 'scan.startup.mode' = 'earliest-offset'";
    expect_topics(&t, true, "SWK"); // how messages are fetched
    t.options = ", 'json.ignore-parse-errors' = 'true'";
    expect_topics(&t, false, "SK");
    t = plain_topics;
    t.columns = "d STRING, n BIGINT METADATA FROM 'offset'"; // other rows of the same topic
    expect_topics(&t, false, "SK");
    t = plain_topics;
    t.in = "in2";
    expect_topics(&t, false, "K");
    t = plain_topics;
    t.prefix = "q"; // another identity before the broker
    expect_topics(&t, false, "SW");
    t = plain_topics;
    t.table = "o2";
    expect_topics(&t, false, "SW");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_match_what_is_the_same),
        cmocka_unit_test(test_plan_match_each_change),
        cmocka_unit_test(test_plan_match_followed_or_not),
        cmocka_unit_test(test_plan_match_kafka),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
