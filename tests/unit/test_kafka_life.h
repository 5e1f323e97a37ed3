// test_kafka_life.h: a job of one task with an outbox before the model of a cluster: its
// checkpoints, its deaths, and one step of what may happen.
#ifndef WEIR_TESTS_UNIT_TEST_KAFKA_LIFE_H
#define WEIR_TESTS_UNIT_TEST_KAFKA_LIFE_H

#include "stages/kafka/outbox.h"
#include "tests/unit/test_kafka_model.h"

enum { BYTES = 8 << 20 };

static const struct arena_options arena_options = {.fingerprint = 7, .log_bytes = 1 << 20};

// --- the job: one task, its checkpoints, its deaths ---

struct life {
    void *memory;
    struct arena *arena;
    struct outbox *outbox;
    struct producer *producer; // the outbox's, as it was made last
    struct kafka_table table;
    const char *topics[1];
    struct op op;
    struct stage stage;
    struct plan_table plan_table;
    struct env env;
    struct op_context context;
    uint64_t source_at; // offset of the number of the next row
    uint64_t barrier, complete;
    uint8_t *pending, *image; // the arena at the newest barrier, and of the newest complete one
    bool has_failed, has_image;
    char failure[1024];
    bool *is_dead; // a row went to the dead letters
    uint64_t notes, deaths, restores, refused_commits;
};

static bool finish_ticks; // who asks for the time waits in a loop of its own

static int64_t fake_monotonic_ns(struct env *env)
{
    (void)env;
    if (finish_ticks) {
        k.now_ms += 100;
        cluster_work(made);
    }
    return k.now_ms * 1000000;
}

static int64_t fake_realtime_ms(struct env *env)
{
    (void)env;
    return k.now_ms;
}

static void on_fail(void *context, const char *reason)
{
    struct life *l = context;
    l->has_failed = true;
    snprintf(l->failure, sizeof l->failure, "%s", reason);
}

static void on_note(void *context, const char *text)
{
    (void)text;
    ((struct life *)context)->notes++;
}

static void on_bad_row(void *context, const char *source, uint64_t position, const char *reason,
                       struct slice row)
{
    char text[32];
    struct life *l = context;
    assert_string_equal(source, "out");
    assert_int_equal(position, BAD_ROW_NOWHERE);
    assert_non_null(strstr(reason, "too large"));
    snprintf(text, sizeof text, "%.*s", (int)row.len, row.ptr);
    l->is_dead[strtoull(text, NULL, 10)] = true;
}

static void life_open(struct life *l)
{
    struct err err;
    assert_int_equal(arena_open(l->memory, BYTES, &arena_options, &l->arena, &err), 0);
    l->context.arena = l->arena;
    assert_int_equal(arena_root(l->arena, 1, 8, &l->source_at), 0);
    const struct outbox_spec spec = {.context = &l->context, .table = &l->table};
    assert_int_equal(outbox_open(&spec, &l->outbox, &err), 0);
    l->producer = made;
    arena_commit(l->arena);
}

static struct life *life_start(enum kafka_guarantee guarantee)
{
    struct life *l = calloc(1, sizeof *l);
    struct err err;
    l->memory = test_memory(BYTES);
    assert_int_equal(arena_format(l->memory, BYTES, &arena_options, &err), 0);
    l->topics[0] = "out";
    l->table = (struct kafka_table){.name = "t",
                                    .topics = l->topics,
                                    .topic_count = 1,
                                    .guarantee = guarantee,
                                    .transactional_id_prefix = "p",
                                    .buffer_max_bytes = 4096};
    l->stage.parallelism = 1;
    l->plan_table.name = "t";
    l->op.table = &l->plan_table;
    l->env = (struct env){.monotonic_ns = fake_monotonic_ns, .realtime_ms = fake_realtime_ms};
    l->context = (struct op_context){.env = &l->env,
                                     .op = &l->op,
                                     .stage = &l->stage,
                                     .job_name = "j",
                                     .checkpoint_interval_ms = 1000,
                                     .bad_row_context = l,
                                     .bad_row = on_bad_row,
                                     .fail_job = on_fail,
                                     .note = on_note};
    l->pending = malloc(BYTES);
    l->image = malloc(BYTES);
    l->is_dead = calloc(ROWS_MAX * 2, 1);
    life_open(l);
    return l;
}

static void life_end(struct life *l)
{
    outbox_close(l->outbox);
    arena_close(l->arena);
}

static void life_free(struct life *l)
{
    life_end(l);
    free(l->memory);
    free(l->pending);
    free(l->image);
    free(l->is_dead);
    free(l);
}

// SIGKILL: the arena stays, as does what the cluster has.
static void die(struct life *l)
{
    l->deaths++;
    life_end(l);
    life_open(l);
}

// Memory is lost: back to the newest complete checkpoint.
static void go_back(struct life *l)
{
    if (!l->has_image)
        return;
    l->restores++;
    life_end(l);
    memcpy(l->memory, l->image, BYTES);
    l->barrier = l->complete;
    life_open(l);
}

static void commit(struct life *l)
{
    assert_int_equal(outbox_before_commit(l->outbox), 0);
    arena_commit(l->arena);
    outbox_after_commit(l->outbox);
    arena_commit(l->arena);
}

static void abort_transaction(struct life *l)
{
    arena_abort(l->arena);
    outbox_reset(l->outbox);
}

static void push(struct life *l, uint64_t count)
{
    struct buf *rows = outbox_rows(l->outbox);
    uint64_t next = arena_word(l->arena, l->source_at);
    for (uint64_t i = 0; i < count; i++) {
        struct journal_draft draft;
        const struct journal_row row = {.partition = -1, .has_key = true};
        journal_row_begin(rows, &draft);
        buf_printf(rows, "key");
        journal_row_key_done(rows, &draft);
        buf_printf(rows, "%llu", (unsigned long long)(next + i + 1));
        journal_row_value_done(rows, &draft);
        assert_int_equal(journal_row_end(rows, &draft, &row), 0);
    }
    outbox_composed(l->outbox, count);
    arena_store8(l->arena, l->source_at, next + count);
}

static int poll_once(struct life *l)
{
    int rc = outbox_poll(l->outbox);
    if (rc < 0 || chance(50))
        abort_transaction(l);
    else if (arena_log_used(l->arena))
        commit(l);
    return rc;
}

static void barrier(struct life *l)
{
    l->barrier++;
    assert_int_equal(outbox_barrier(l->outbox, l->barrier), 0);
    commit(l);
    memcpy(l->pending, l->memory, BYTES);
}

static void complete(struct life *l)
{
    if (l->complete == l->barrier)
        return;
    uint8_t *image = l->image;
    l->image = l->pending;
    l->pending = image;
    l->has_image = true;
    l->complete = l->barrier;
    assert_int_equal(outbox_complete(l->outbox, l->complete), 0);
    commit(l);
}

static void change_job(struct life *l, uint64_t what)
{
    if (what == 0)
        barrier(l);
    else if (what <= 2)
        complete(l);
    else if (what == 3 && chance(12))
        die(l);
    else if (what == 4 && chance(20))
        go_back(l);
}

static void change_cluster(uint64_t what)
{
    if (what == 5)
        k.is_away |= chance(30);
    else if (what <= 7)
        k.is_away = false;
    else if (what == 8)
        cluster_tick(chance(30) ? 2 * TIMEOUT_MS : 0);
    else
        k.epoch += chance(40); // a request from before an outage is served late, and fences
}

static void take_rows(struct life *l)
{
    push(l, test_random(&k.rng, 20));
    if (chance(10))
        abort_transaction(l);
    else
        commit(l);
}

// One thing that may happen.
static void step(struct life *l)
{
    cluster_tick((int64_t)test_random(&k.rng, 40));
    cluster_work(l->producer);
    assert_true(poll_once(l) == 0);
    uint64_t what = test_random(&k.rng, 24);
    if (what < 5)
        change_job(l, what);
    else if (what < 10)
        change_cluster(what);
    else if (outbox_has_room(l->outbox))
        take_rows(l);
    // What a process that was restored hears first.
    if (l->complete)
        assert_int_equal(outbox_complete(l->outbox, l->complete), 0);
    commit(l);
}

static void settle(struct life *l)
{
    k.is_away = false;
    barrier(l);
    complete(l);
    for (int i = 0; i < 20000; i++) {
        if (outbox_is_settled(l->outbox))
            return;
        cluster_tick(1);
        cluster_work(l->producer);
        assert_true(poll_once(l) == 0);
        assert_int_equal(outbox_complete(l->outbox, l->complete), 0);
        commit(l);
        if (chance(300)) {
            barrier(l);
            complete(l);
        }
    }
    struct buf text = {0};
    outbox_describe(l->outbox, &text);
    fail_msg("rows do not come to rest: %s", buf_str(&text));
}

static void expect_once(const struct life *l)
{
    uint64_t next = 1, rows = arena_word(l->arena, l->source_at);
    for (uint64_t i = 0; i < k.count; i++) {
        while (next % poison == 0)
            assert_true(l->is_dead[next++]);
        assert_int_equal(k.rows[i], next);
        assert_false(l->is_dead[next]);
        next++;
    }
    while (next <= rows && next % poison == 0)
        assert_true(l->is_dead[next++]);
    assert_int_equal(next, rows + 1);
}

#endif
