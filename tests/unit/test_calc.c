// test_calc.c: the calc operator remembers the watermark that CURRENT_WATERMARK answers with: over
// a death, and not one of a transaction that was taken back.
#include "tests/unit/test_state_support.h"

#include "core/plan/plan.h"
#include "stages/runtime/operator.h"

struct catcher {
    struct operator base; // must be first
    int64_t value;        // CURRENT_WATERMARK of the last row
    bool is_null;
};

static int catch_push(struct operator* op, struct batch *batch)
{
    struct catcher *c = (struct catcher *)op;
    const struct column *column = &batch->columns[1];
    c->value = column->i64[batch->count - 1];
    c->is_null = column->state[batch->count - 1] != VALUE_PRESENT;
    return 0;
}

static int catch_watermark(struct operator* op, int64_t watermark_ms)
{
    (void)op;
    (void)watermark_ms;
    return 0;
}

static const struct operator_class catcher_class = {.push = catch_push,
                                                    .watermark = catch_watermark};

static const char sql[] = "CREATE TABLE t (n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)"
                          " WITH ('connector' = 'datagen');\n"
                          "SELECT n, CURRENT_WATERMARK(ts) AS w, 'x' AS x FROM t;";

struct scene {
    struct plan *plan;
    struct op_context context;
    struct catcher catcher;
    struct operator* calc;
    struct batch batch;
};

static void reopen(struct scene *s)
{
    struct err err = {{0}};
    if (s->calc)
        s->calc->class->close(s->calc);
    if (calc_class.open(&s->context, &s->calc, &err))
        fail_msg("%s", err.text);
    arena_commit(s->context.arena);
}

static void scene_open(struct scene *s)
{
    struct err err = {{0}};
    const struct plan_settings settings = {"test.sql", slice_of(sql), 1};
    *s = (struct scene){.catcher = {.base = {.class = &catcher_class}}};
    if (plan_make(&settings, &s->plan, &err))
        fail_msg("%s", err.text);
    const struct stage *stage = &s->plan->stages[0];
    int at = stage->op_count - 1;
    while (at > 0 && stage->ops[at]->kind != OP_CALC)
        at--;
    assert_true(at > 0);
    s->context = (struct op_context){.env = env_system(),
                                     .arena = test_arena(1 << 20, 0),
                                     .plan = s->plan,
                                     .op = stage->ops[at],
                                     .stage = stage,
                                     .next = &s->catcher.base};
    batch_init(&s->batch, &stage->ops[at - 1]->output);
    s->batch.count = 1;
    reopen(s);
}

static void scene_close(struct scene *s)
{
    s->calc->class->close(s->calc);
    batch_fini(&s->batch);
    test_arena_free(s->context.arena);
    plan_free(s->plan);
}

// What CURRENT_WATERMARK is for a row that comes now.
static bool ask(struct scene *s, int64_t *value)
{
    assert_int_equal(calc_class.push(s->calc, &s->batch), 0);
    *value = s->catcher.value;
    return !s->catcher.is_null;
}

static void test_calc_keeps_the_watermark_over_a_death(void **state)
{
    (void)state;
    struct scene s;
    int64_t value;
    scene_open(&s);
    assert_false(ask(&s, &value));
    assert_int_equal(calc_class.watermark(s.calc, 5000), 0);
    assert_true(ask(&s, &value));
    assert_int_equal(value, 5000);
    arena_commit(s.context.arena);
    reopen(&s);
    assert_true(ask(&s, &value));
    assert_int_equal(value, 5000);
    scene_close(&s);
}

static void test_calc_forgets_a_watermark_that_was_taken_back(void **state)
{
    (void)state;
    struct scene s;
    int64_t value;
    scene_open(&s);
    assert_int_equal(calc_class.watermark(s.calc, -7000), 0);
    arena_commit(s.context.arena);
    assert_int_equal(calc_class.watermark(s.calc, 8000), 0);
    arena_abort(s.context.arena);
    calc_class.reset(s.calc);
    assert_true(ask(&s, &value));
    assert_int_equal(value, -7000);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calc_keeps_the_watermark_over_a_death),
        cmocka_unit_test(test_calc_forgets_a_watermark_that_was_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
