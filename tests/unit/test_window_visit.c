// test_window_visit.c: the groups of a window operator as JSON: every type of key and accumulator,
// in each phase; nothing of a pane that is being freed.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/state/bitmap.h"
#include "stages/runtime/operator.h"

enum { ARENA_BYTES = 32 << 20 };

static int drop_push(struct operator* op, struct batch *batch)
{
    (void)op;
    (void)batch;
    return 0;
}

static int drop_watermark(struct operator* op, int64_t watermark_ms)
{
    (void)op;
    (void)watermark_ms;
    return 0;
}

static const struct operator_class drop_class = {
    .name = "drop", .push = drop_push, .watermark = drop_watermark};

static const char script[] =
    "CREATE TABLE t (ts TIMESTAMP(3), name STRING, day DATE, i INT, d DOUBLE, b BIGINT,"
    " WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');"
    "CREATE TABLE s (name STRING, day DATE, c BIGINT, cd BIGINT, si INT, sd DOUBLE, a BIGINT,"
    " lo STRING, hi DOUBLE) WITH ('connector' = 'blackhole');"
    "INSERT INTO s SELECT name, day, COUNT(*) AS c, COUNT(DISTINCT b) AS cd, SUM(i) AS si,"
    " SUM(d) AS sd, AVG(b) AS a, MIN(name) AS lo, MAX(d) AS hi"
    " FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))"
    " GROUP BY window_start, window_end, name, day;";

struct fixture {
    struct plan *plan;
    const struct stage *stage;
    const struct op *op;
    void *memory;
    struct arena *arena;
    struct operator next, *window;
    struct batch in;
    uint64_t late, out;
    json_t *groups; // visited
    uint64_t bitmap_cardinality;
};

// The stage with the first window operator of this phase.
static void find_window(struct fixture *f, enum window_phase phase)
{
    for (int s = 0; s < f->plan->stage_count; s++)
        for (int i = 0; i < f->plan->stages[s].op_count; i++) {
            const struct op *op = f->plan->stages[s].ops[i];
            if (op->kind != OP_WINDOW || op->window.phase != phase || f->op)
                continue;
            f->stage = &f->plan->stages[s];
            f->op = op;
            int from = i ? 0 : f->plan->exchanges[f->stage->input_exchange].from_stage;
            const struct stage *before = &f->plan->stages[from];
            const struct op *input = i ? f->stage->ops[i - 1] : before->ops[before->op_count - 1];
            batch_init(&f->in, &input->output);
        }
    assert_non_null(f->op);
}

static void fixture_make(struct fixture *f, int cores, enum window_phase phase)
{
    const struct plan_settings settings = {"test.sql", slice_of(script), cores};
    const struct arena_options options = {.fingerprint = 5};
    struct err err;
    *f = (struct fixture){.next = {.class = &drop_class}};
    if (plan_make(&settings, &f->plan, &err) < 0)
        fail_msg("%s", err.text);
    find_window(f, phase);
    f->memory = aligned_alloc(4096, ARENA_BYTES);
    assert_non_null(f->memory);
    assert_int_equal(arena_format(f->memory, ARENA_BYTES, &options, &err), 0);
    assert_int_equal(arena_open(f->memory, ARENA_BYTES, &options, &f->arena, &err), 0);
    const struct op_context context = {.env = env_system(),
                                       .arena = f->arena,
                                       .plan = f->plan,
                                       .op = f->op,
                                       .stage = f->stage,
                                       .ordered_input = true,
                                       .next = &f->next,
                                       .late_rows = &f->late,
                                       .rows_out = &f->out};
    if (window_class.open(&context, &f->window, &err) < 0)
        fail_msg("%s", err.text);
    arena_commit(f->arena);
}

static void fixture_free(struct fixture *f)
{
    window_class.close(f->window);
    batch_fini(&f->in);
    arena_close(f->arena);
    free(f->memory);
    plan_free(f->plan);
    json_decref(f->groups);
}

static int note_group(void *context, const struct state_group *group)
{
    struct fixture *f = context;
    json_error_t wrong;
    json_t *json = json_loadb(group->json.ptr, group->json.len, JSON_REJECT_DUPLICATES, &wrong);
    if (!json)
        fail_msg("%s in %.*s", wrong.text, (int)group->json.len, group->json.ptr);
    json_array_append_new(f->groups, json);
    for (int i = 0; i < group->bitmap_count; i++)
        f->bitmap_cardinality += bitmap_cardinality(f->arena, group->bitmaps[i].head);
    return 0;
}

static size_t visit(struct fixture *f)
{
    const struct state_visitor visitor = {f, note_group};
    json_decref(f->groups);
    f->groups = json_array();
    f->bitmap_cardinality = 0;
    assert_int_equal(window_class.visit(f->window, &visitor), 0);
    return json_array_size(f->groups);
}

// One row: column by the kind that it has; NULL where `is_null`.
static void push_row(struct fixture *f, int64_t ts, const char *name, int64_t number, bool is_null)
{
    for (int c = 0; c < f->in.column_count; c++) {
        struct column *column = &f->in.columns[c];
        bool is_time = column->kind == TYPE_TIMESTAMP;
        column->state[0] = is_null && !is_time ? VALUE_NULL : VALUE_PRESENT;
        if (column->kind == TYPE_STRING)
            column->str[0] = slice_of(name);
        else if (column->kind == TYPE_DOUBLE)
            column->f64[0] = (double)number + 0.5;
        else
            column->i64[0] = is_time ? ts : number;
        column->all_present = false;
    }
    f->in.count = 1;
    assert_int_equal(operator_push(f->window, &f->in), 0);
    arena_commit(f->arena);
}

static json_t *group(struct fixture *f, size_t index)
{
    return json_array_get(f->groups, index);
}

static json_t *accumulator(struct fixture *f, size_t at, const char *name, const char *part)
{
    json_t *accumulators = json_object_get(group(f, at), "accumulators");
    json_t *value = json_object_get(json_object_get(accumulators, name), part);
    if (!value)
        fail_msg("no %s.%s in %s", name, part, json_dumps(accumulators, 0));
    return value;
}

static void test_window_visit_of_every_type(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, 1, WINDOW_SINGLE);
    assert_int_equal(visit(&f), 0);
    push_row(&f, 1000, "a \"quote\"\n", 3, false);
    push_row(&f, 2000, "a \"quote\"\n", 3, false);
    push_row(&f, 61000, "", 9007199254740993, true);
    assert_int_equal(visit(&f), 2);
    const char *key =
        json_string_value(json_object_get(json_object_get(group(&f, 0), "key"), "name"));
    assert_string_equal(key, "a \"quote\"\n");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(group(&f, 0), "key"), "day")),
        "1970-01-04");
    assert_string_equal(json_string_value(json_object_get(group(&f, 0), "window_start")),
                        "1970-01-01 00:00:00");
    assert_string_equal(json_string_value(json_object_get(group(&f, 0), "window_end")),
                        "1970-01-01 00:01:00");
    assert_int_equal(json_integer_value(json_object_get(group(&f, 0), "rows")), 2);
    assert_int_equal(f.bitmap_cardinality, 1);
    static const struct {
        const char *name, *part;
        double want;
    } wants[] = {
        {"COUNT(*)", "count", 2}, {"COUNT(DISTINCT b)", "distinct", 1},
        {"SUM(i)", "sum", 6},     {"SUM(i)", "count", 2},
        {"SUM(d)", "sum", 7},     {"AVG(b)", "sum", 6},
        {"AVG(b)", "count", 2},   {"MAX(d)", "value", 3.5},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wants); i++)
        assert_true(json_number_value(accumulator(&f, 0, wants[i].name, wants[i].part)) ==
                    wants[i].want);
    assert_string_equal(json_string_value(accumulator(&f, 0, "MIN(name)", "value")),
                        "a \"quote\"\n");
    // Nothing but NULLs: keys are null, sums and extremes too.
    assert_true(json_is_null(json_object_get(json_object_get(group(&f, 1), "key"), "name")));
    assert_true(json_is_null(accumulator(&f, 1, "SUM(i)", "sum")));
    assert_true(json_is_null(accumulator(&f, 1, "MIN(name)", "value")));
    assert_int_equal(json_integer_value(accumulator(&f, 1, "COUNT(*)", "count")), 1);
    fixture_free(&f);
}

// A pane that fires goes in several steps; at none of them is there half a pane to be seen.
static void test_window_visit_while_a_pane_goes(void **state)
{
    (void)state;
    enum { GROUPS = 500 };
    struct fixture f;
    bool more = true;
    int steps = 0;
    fixture_make(&f, 1, WINDOW_SINGLE);
    for (int i = 0; i < GROUPS; i++) {
        char name[32];
        snprintf(name, sizeof name, "group %d", i);
        push_row(&f, 1000, name, i, false);
    }
    push_row(&f, 61000, "stays", 1, false);
    assert_int_equal(visit(&f), GROUPS + 1);
    assert_int_equal(window_class.watermark(f.window, 60000), 0);
    arena_commit(f.arena);
    for (; more; steps++) {
        assert_int_equal(window_class.work(f.window, &more), 0);
        arena_commit(f.arena);
        size_t seen = visit(&f);
        assert_true(seen == GROUPS + 1 || seen == 1);
    }
    assert_true(steps > 5);
    assert_int_equal(visit(&f), 1);
    fixture_free(&f);
}

static void test_window_visit_in_two_phases(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, 4, WINDOW_PARTIAL);
    push_row(&f, 1000, "a", 3, false);
    assert_int_equal(visit(&f), 1);
    assert_string_equal(json_string_value(json_object_get(group(&f, 0), "phase")), "partial");
    assert_int_equal(f.bitmap_cardinality, 1);
    accumulator(&f, 0, "COUNT(DISTINCT b)", "distinct"); // as the FINAL calls it
    accumulator(&f, 0, "MIN(name)", "value");
    fixture_free(&f);
    fixture_make(&f, 4, WINDOW_FINAL);
    assert_int_equal(visit(&f), 0);
    fixture_free(&f);
}

static void test_window_describe_counts_groups(void **state)
{
    (void)state;
    struct fixture f;
    struct buf text = {0};
    fixture_make(&f, 1, WINDOW_SINGLE);
    push_row(&f, 1000, "a", 3, false);
    push_row(&f, 1000, "b", 3, false);
    push_row(&f, 61000, "a", 3, false);
    buf_append_char(&text, '{');
    window_class.describe(f.window, &text);
    buf_append_char(&text, '}');
    json_t *json = json_loads(buf_str(&text), 0, NULL);
    assert_non_null(json);
    json_t *window = json_object_iter_value(json_object_iter(json));
    assert_int_equal(json_integer_value(json_object_get(window, "windows")), 2);
    assert_int_equal(json_integer_value(json_object_get(window, "groups")), 3);
    assert_true(json_integer_value(json_object_get(window, "arena_bytes")) > 0);
    json_decref(json);
    buf_fini(&text);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_visit_of_every_type),
        cmocka_unit_test(test_window_visit_while_a_pane_goes),
        cmocka_unit_test(test_window_visit_in_two_phases),
        cmocka_unit_test(test_window_describe_counts_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
