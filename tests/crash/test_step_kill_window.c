// test_step_kill_window.c: a window operator broken off after each instruction of its transactions:
// a batch of rows with its watermark, the points that fire and the pane that goes, each a step.
//
// The state after a kill is that of before the step which was broken off or that of after it. From
// there a successor, who opens the operator anew, comes to the same end; that costs more, so it is
// done at a sample of the points.
#include "tests/crash/stepper.h"

#include <stdlib.h>

#include "core/plan/logical.h"
#include "stages/runtime/operator.h"

enum {
    ARENA_BYTES = 768 << 10,
    LOG_BYTES = 256 << 10,
    ROWS = 8,
    STEPS_MAX = 32,
    RESUME_ONE_IN = 97, // points from which the rest is done as well
};

struct scene {
    struct stepper stepper;
    struct field in[3], out[7];
    struct agg_call aggs[3];
    int keys[1];
    struct op before, op;
    struct op *ops[2];
    struct stage stage;
    struct plan plan;
    uint64_t late;
    struct env env;
    struct operator next;
    struct batch batch;
    bool from_start; // attach under the stepper, too
    int step_count;
    struct test_image images[STEPS_MAX + 1]; // after each step; [0]: before the first
    int reached;                             // the last point's image
    uint64_t points;
};

// --- the operator, and one that takes what it gives ---

static int sink_push(struct operator* op, struct batch *batch)
{
    (void)op;
    (void)batch;
    return 0;
}

static int sink_watermark(struct operator* op, int64_t watermark_ms)
{
    (void)op;
    (void)watermark_ms;
    return 0;
}

static const struct operator_class sink_class = {
    .name = "sink", .push = sink_push, .watermark = sink_watermark};

// `changelog`: a group window, which sends a result for each row, early and late, and takes the one
// before it back.
static void plan_by_hand(struct scene *s, enum window_kind kind, enum window_phase phase,
                         bool changelog)
{
    static const enum type_kind out[] = {TYPE_STRING,    TYPE_TIMESTAMP, TYPE_TIMESTAMP,
                                         TYPE_TIMESTAMP, TYPE_BIGINT,    TYPE_BIGINT,
                                         TYPE_STRING};
    s->in[0] = (struct field){"ts", type_of(TYPE_TIMESTAMP)};
    s->in[1] = (struct field){"dimension", type_of(TYPE_STRING)};
    s->in[2] = (struct field){"id", type_of(TYPE_STRING)};
    s->before = (struct op){.kind = OP_CALC, .output = {s->in, 3}};
    for (int i = 0; i < 7; i++)
        s->out[i] = (struct field){"c", type_of(out[i])};
    s->aggs[0] = (struct agg_call){.kind = AGG_COUNT_STAR, .arg = -1, .filter = -1};
    s->aggs[1] = (struct agg_call){.kind = AGG_COUNT_DISTINCT, .arg = 2, .filter = -1};
    s->aggs[2] = (struct agg_call){
        .kind = AGG_MAX, .arg = 2, .filter = -1, .arg_type = type_of(TYPE_STRING)};
    s->keys[0] = 1;
    s->op = (struct op){.kind = OP_WINDOW, .id = 3, .output = {s->out, 7}};
    s->op.window = (struct op_window){.kind = kind,
                                      .size_ms = 4000,
                                      .step_ms = 1000,
                                      .key_count = 1,
                                      .keys = s->keys,
                                      .agg_count = 3,
                                      .aggs = s->aggs,
                                      .changelog = changelog,
                                      .early_delay_ms = changelog ? 0 : -1,
                                      .late_delay_ms = changelog ? 0 : -1};
    rel_window_partials(&s->plan.pool, &s->op.window, &s->before.output);
    s->op.window.phase = phase;
    if (phase == WINDOW_PARTIAL)
        s->op.output = s->op.window.partial_schema;
    s->ops[0] = &s->before;
    s->ops[1] = &s->op;
    s->stage = (struct stage){.ops = s->ops, .op_count = 2, .input_exchange = -1};
    s->next = (struct operator){.class = &sink_class};
    s->env = *env_system();
    batch_init(&s->batch, &s->before.output);
}

// Attach as a task does, also after a death; the operator's roots are committed with it.
static struct arena *attach(struct scene *s, uint8_t *memory, struct operator** window)
{
    const struct arena_options options = {.fingerprint = 7};
    struct arena *a = NULL;
    struct err err = {{0}};
    if (arena_open(memory, ARENA_BYTES, &options, &a, &err))
        fail_msg("%s", err.text);
    const struct op_context context = {.env = &s->env,
                                       .arena = a,
                                       .plan = &s->plan,
                                       .op = &s->op,
                                       .stage = &s->stage,
                                       .ordered_input = true,
                                       .next = &s->next,
                                       .late_rows = &s->late};
    if (window_class.open(&context, window, &err))
        fail_msg("%s", err.text);
    arena_commit(a);
    return a;
}

static void detach(struct arena *a, struct operator* window)
{
    window_class.close(window);
    arena_close(a);
}

// Rows at times from `at` on; every other id is one that was there before.
static void fill(struct scene *s, int64_t at, uint32_t count)
{
    static char text[ROWS][2][16];
    s->batch.count = count;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(text[i][0], 16, "dim-%lld", (long long)(at / 500 + i) % 3);
        snprintf(text[i][1], 16, "id%lld", (long long)(i % 2 ? i : at + i));
        s->batch.columns[0].i64[i] = at + (int64_t)i * 300;
        s->batch.columns[1].str[i] = slice_of(text[i][0]);
        s->batch.columns[2].str[i] = slice_of(text[i][1]);
    }
    for (int c = 0; c < 3; c++)
        column_summarize(&s->batch.columns[c], count);
}

static void push(struct scene *s, struct operator* window, int64_t at, int64_t watermark_ms)
{
    fill(s, at, ROWS);
    assert_int_equal(operator_push(window, &s->batch), 0);
    assert_int_equal(operator_watermark(window, watermark_ms), 0);
}

// --- the steps: one input, then what it causes ---

// Step 0 or a later one, in one transaction. false: there was nothing left to do.
static bool do_step(struct scene *s, struct arena *a, struct operator* window, int step)
{
    bool more = true;
    if (step == 0)
        push(s, window, 5000, 8200); // of the second pane, and the first one is over
    else
        assert_int_equal(window_class.work(window, &more), 0);
    arena_commit(a);
    return more;
}

static void act(void *context)
{
    struct scene *s = context;
    struct operator* window;
    struct arena *a = attach(s, s->stepper.shared, &window);
    if (!s->from_start)
        raise(SIGSTOP);
    for (int step = 0; !s->from_start && do_step(s, a, window, step); step++)
        ;
    detach(a, window);
}

static bool has_image(const struct arena *a, const struct test_image *want)
{
    struct test_image got = test_image_take(a);
    bool same = got.len == want->len && memcmp(got.bytes, want->bytes, got.len) == 0;
    test_image_free(&got);
    return same;
}

static void resume(struct scene *s, uint8_t *memory, uint64_t k)
{
    struct operator* window;
    struct arena *a = attach(s, memory, &window);
    for (int step = s->reached; step < s->step_count; step++)
        do_step(s, a, window, step);
    if (!has_image(a, &s->images[s->step_count]))
        fail_msg("broken off after instruction %llu, in step %d: done again, it ends elsewhere",
                 (unsigned long long)k, s->reached);
    detach(a, window);
}

static void judge(void *context, uint8_t *memory, uint64_t k)
{
    struct scene *s = context;
    const struct arena_options options = {.fingerprint = 7};
    struct arena *a = NULL;
    struct err err = {{0}};
    if (arena_open(memory, ARENA_BYTES, &options, &a, &err) || arena_check(a, &err))
        fail_msg("broken off after instruction %llu: %s", (unsigned long long)k, err.text);
    if (!has_image(a, &s->images[s->reached])) {
        if (s->reached == s->step_count || !has_image(a, &s->images[s->reached + 1]))
            fail_msg("broken off after instruction %llu, in step %d: neither the state of before "
                     "nor of after",
                     (unsigned long long)k, s->reached);
        s->reached++;
    }
    arena_close(a);
    if (s->points++ % RESUME_ONE_IN == 0)
        resume(s, memory, k);
}

// A pane with some rows in the shared arena; then the images of each step, made on a copy.
static void scene_init(struct scene *s, enum window_kind kind, enum window_phase phase,
                       bool changelog)
{
    const struct arena_options options = {.fingerprint = 7, .log_bytes = LOG_BYTES};
    struct operator* window;
    struct err err = {{0}};
    *s = (struct scene){0};
    stepper_init(&s->stepper, ARENA_BYTES, s);
    s->stepper.act = act;
    s->stepper.judge = judge;
    s->stepper.stops = 1;
    plan_by_hand(s, kind, phase, changelog);
    if (arena_format(s->stepper.shared, ARENA_BYTES, &options, &err))
        fail_msg("%s", err.text);
    struct arena *a = attach(s, s->stepper.shared, &window);
    push(s, window, 1000, 900);
    arena_commit(a);
    push(s, window, 2200, 1100);
    arena_commit(a);
    for (bool more = true; more;) {
        assert_int_equal(window_class.work(window, &more), 0);
        arena_commit(a);
    }
    detach(a, window);
    memcpy(s->stepper.scratch, s->stepper.shared, ARENA_BYTES);
    a = attach(s, s->stepper.scratch, &window);
    s->images[0] = test_image_take(a);
    bool more = true;
    while (more) {
        assert_true(s->step_count < STEPS_MAX);
        more = do_step(s, a, window, s->step_count);
        s->images[++s->step_count] = test_image_take(a);
    }
    detach(a, window);
}

static void scene_fini(struct scene *s)
{
    for (int i = 0; i <= s->step_count; i++)
        test_image_free(&s->images[i]);
    batch_fini(&s->batch);
    pool_fini(&s->plan.pool);
    stepper_fini(&s->stepper);
}

static void step_window(enum window_kind kind, enum window_phase phase, bool changelog)
{
    static struct scene s;
    scene_init(&s, kind, phase, changelog);
    assert_true(s.step_count > 3);
    stepper_run(&s.stepper);
    printf("%d transactions\n", s.step_count);
    assert_int_equal(s.reached, s.step_count);
    scene_fini(&s);
}

static void test_step_kill_window_tumble(void **state)
{
    (void)state;
    step_window(WINDOW_TUMBLE, WINDOW_SINGLE, false);
}

static void test_step_kill_window_cumulate(void **state)
{
    (void)state;
    step_window(WINDOW_CUMULATE, WINDOW_SINGLE, false);
}

// 400,000 instructions more: with STEP_ALL=1.
static void test_step_kill_window_hop(void **state)
{
    (void)state;
    if (!getenv("STEP_ALL"))
        skip();
    step_window(WINDOW_HOP, WINDOW_SINGLE, true);
    step_window(WINDOW_HOP, WINDOW_SINGLE, false);
}

// Early results, late ones, and what is taken back.
static void test_step_kill_window_changelog(void **state)
{
    (void)state;
    step_window(WINDOW_TUMBLE, WINDOW_SINGLE, true);
}

// What was sent is marked as sent, or neither.
static void test_step_kill_window_partial(void **state)
{
    (void)state;
    step_window(WINDOW_TUMBLE, WINDOW_PARTIAL, false);
    step_window(WINDOW_CUMULATE, WINDOW_PARTIAL, false);
}

// The child attaches to what a kill in the middle of the batch has left, and opens the operator.
static void test_step_kill_window_attach(void **state)
{
    (void)state;
    static struct scene s;
    struct operator* window;
    scene_init(&s, WINDOW_CUMULATE, WINDOW_SINGLE, false);
    struct arena *a = attach(&s, s.stepper.shared, &window);
    push(&s, window, 5000, 8200);
    arena_commit_prepare(a);
    detach(a, window);
    assert_true(((struct arena_header *)s.stepper.shared)->log_word != 0);
    s.stepper.stops = 0;
    s.from_start = true;
    stepper_run(&s.stepper);
    assert_int_equal(s.reached, 0);
    scene_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_kill_window_tumble),
        cmocka_unit_test(test_step_kill_window_cumulate),
        cmocka_unit_test(test_step_kill_window_hop),
        cmocka_unit_test(test_step_kill_window_changelog),
        cmocka_unit_test(test_step_kill_window_partial),
        cmocka_unit_test(test_step_kill_window_attach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
