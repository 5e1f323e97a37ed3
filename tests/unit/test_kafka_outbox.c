// test_kafka_outbox.c: the outbox against a model of a cluster that does what Kafka promises and no
// more: producers with epochs, one transaction each, a mark in it, aborts at a timeout, answers
// that get lost on the way back. Processes die at any moment, checkpoints are given up, the job
// goes back to the newest complete one. Each row must come exactly once, in order.
//
// The functions of stages/kafka/producer.h are the model's here; no network, no thread.
#include <errno.h>

#include "tests/unit/test_state_support.h"

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

static void test_outbox_brings_each_row_once(void **state)
{
    (void)state;
    uint64_t seed = test_seed(__func__);
    uint64_t commits = 0, aborts = 0, lost = 0, deaths = 0, restores = 0, rows = 0;
    for (int round = 0; round < 25; round++) {
        cluster_start(seed + (uint64_t)round);
        struct life *l = life_start(KAFKA_EXACTLY_ONCE);
        for (int i = 0; i < 2500; i++)
            step(l);
        settle(l);
        expect_once(l);
        commits += k.commits;
        aborts += k.aborts;
        lost += k.lost_answers;
        deaths += l->deaths;
        restores += l->restores;
        rows += k.count;
        life_free(l);
    }
    printf(
        "  %llu rows, %llu commits, %llu aborts, %llu lost answers, %llu deaths, %llu restores\n",
        (unsigned long long)rows, (unsigned long long)commits, (unsigned long long)aborts,
        (unsigned long long)lost, (unsigned long long)deaths, (unsigned long long)restores);
    assert_true(rows > 25 * 1000 && lost > 25 && deaths > 25 && restores > 5);
}

// Each row is there, or with the dead. Where none is refused they come in order, but some again.
static void expect_all(const struct life *l, bool in_order)
{
    uint64_t rows = arena_word(l->arena, l->source_at), next = 1;
    bool *is_there = calloc(ROWS_MAX, 1); // more than the last state knows of, after a restore
    for (uint64_t i = 0; i < k.count; i++) {
        is_there[k.rows[i]] = true;
        assert_true(!in_order || k.rows[i] <= next);
        next += k.rows[i] == next;
    }
    for (uint64_t row = 1; row <= rows; row++)
        assert_true(row % poison == 0 ? l->is_dead[row] : is_there[row]);
    assert_true(k.count < 3 * rows);
    free(is_there);
}

static void test_outbox_brings_each_row_at_least_once(void **state)
{
    (void)state;
    uint64_t seed = test_seed(__func__);
    for (int round = 0; round < 12; round++) {
        cluster_start(seed + (uint64_t)round);
        poison = round % 2 ? 211 : 10 * ROWS_MAX;
        struct life *l = life_start(KAFKA_AT_LEAST_ONCE);
        for (int i = 0; i < 1500; i++)
            step(l);
        settle(l);
        expect_all(l, round % 2 == 0);
        life_free(l);
    }
    poison = 211;
}

static void test_outbox_without_a_guarantee(void **state)
{
    (void)state;
    cluster_start(1);
    struct life *l = life_start(KAFKA_NONE);
    for (int i = 0; i < 300; i++) {
        if (outbox_has_room(l->outbox))
            push(l, 10);
        commit(l);
        deliver(l->producer, l->producer->lost == PRODUCER_DONE ? 20 : 0);
        if (l->producer->is_asked)
            answer_open(l->producer);
        assert_int_equal(poll_once(l), 0);
    }
    assert_true(k.count > 1000);
    assert_true(arena_used_bytes(l->arena) < 64 << 10); // nothing is kept
    life_free(l);
}

// Let time pass until nothing is asked any more, or the job has failed.
static void rest(struct life *l)
{
    for (int i = 0; i < 2000 && !l->has_failed; i++) {
        cluster_tick(1);
        cluster_work(l->producer);
        outbox_poll(l->outbox);
        if (l->has_failed)
            abort_transaction(l);
        else
            commit(l);
    }
}

static void commit_rows(struct life *l, uint64_t count)
{
    push(l, count);
    commit(l);
    barrier(l);
    complete(l);
    rest(l);
}

// A calm cluster, and a job that has committed two checkpoints of 10 rows.
static struct life *calm(void)
{
    cluster_start(7);
    k.is_calm = true;
    struct life *l = life_start(KAFKA_EXACTLY_ONCE);
    commit_rows(l, 10);
    assert_int_equal(k.count, 10);
    memcpy(l->pending, l->image, BYTES);
    uint8_t *older = malloc(BYTES);
    memcpy(older, l->image, BYTES);
    commit_rows(l, 10);
    assert_int_equal(k.count, 20);
    memcpy(l->image, older, BYTES); // go_back goes back too far
    free(older);
    return l;
}

static void test_outbox_refuses_an_older_checkpoint(void **state)
{
    (void)state;
    struct life *l = calm();
    l->complete = 1;
    go_back(l);
    rest(l);
    assert_true(l->has_failed);
    assert_non_null(strstr(l->failure, "restored from an older checkpoint"));
    assert_non_null(strstr(l->failure, "'sink.on-rollback' = 'repeat'"));
    assert_int_equal(k.count, 20);
    // Asked to, it goes on, under a new incarnation.
    l->has_failed = false;
    l->table.repeats_on_rollback = true;
    const uint64_t before = k.mark.incarnation;
    go_back(l);
    commit_rows(l, 15);
    assert_false(l->has_failed);
    assert_int_equal(k.count, 20 + 10 + 15); // the 10 of the checkpoint once more
    assert_true(k.mark.incarnation != before);
    die(l);
    commit_rows(l, 5);
    assert_int_equal(k.count, 20 + 10 + 15 + 5);
    life_free(l);
}

// The cluster is away while the state, which went back too far, grows beyond what was committed.
static void test_outbox_refuses_an_older_checkpoint_that_has_grown(void **state)
{
    (void)state;
    struct life *l = calm();
    k.is_away = true;
    l->complete = 1;
    go_back(l);
    for (int i = 0; i < 3; i++)
        commit_rows(l, 7);
    die(l);
    commit_rows(l, 7);
    k.is_away = false;
    rest(l);
    assert_true(l->has_failed);
    assert_non_null(strstr(l->failure, "restored from an older checkpoint"));
    life_free(l);
}

// A checkpoint is made while the cluster is away after a restore, is committed when it is back, and
// gone back to while it is away again and checkpoints go on.
static void test_outbox_knows_the_mark_of_a_blind_checkpoint(void **state)
{
    (void)state;
    struct life *l = calm();
    commit_rows(l, 10);
    for (int i = 0; i < 3; i++) {
        k.is_away = true;
        go_back(l);
        commit_rows(l, 7);
        commit_rows(l, 7);
        k.is_away = false;
        rest(l);
        assert_int_equal(k.count, arena_word(l->arena, l->source_at));
        k.is_away = true;
        go_back(l);
        commit_rows(l, 7);
        go_back(l);
        commit_rows(l, 7);
        k.is_away = false;
        rest(l);
        assert_false(l->has_failed);
        assert_int_equal(k.count, arena_word(l->arena, l->source_at));
    }
    life_free(l);
}

static void test_outbox_misses_its_mark(void **state)
{
    (void)state;
    struct life *l = calm();
    k.has_mark = false;
    die(l);
    rest(l);
    assert_true(l->has_failed);
    assert_non_null(strstr(l->failure, "is gone"));
    life_free(l);
    l = calm();
    k.mark.row = 3;
    die(l);
    rest(l);
    assert_true(l->has_failed);
    assert_non_null(strstr(l->failure, "has set it back"));
    life_free(l);
}

// Another job begins to use the id while ours runs, or did while it was down.
static void test_outbox_ends_when_another_job_has_its_id(void **state)
{
    (void)state;
    struct life *l = calm();
    k.epoch++;
    k.mark = (struct producer_mark){.incarnation = 99};
    commit_rows(l, 1);
    assert_true(l->has_failed);
    assert_non_null(strstr(l->failure, "another job uses transactional id 'p-0' now"));
    assert_int_equal(k.count, 20);
    l->has_failed = false;
    const uint64_t epoch = k.epoch;
    assert_true(epoch > 0);
    die(l);
    rest(l);
    assert_true(l->has_failed);
    assert_non_null(strstr(l->failure, "another job uses transactional id 'p-0', or has used it"));
    life_free(l);
}

// It fences nobody before it has looked.
static void test_outbox_looks_before_it_fences(void **state)
{
    (void)state;
    struct life *l = calm();
    uint64_t other = ++k.epoch;
    push(l, 1);
    commit(l);
    barrier(l);
    complete(l);
    for (int i = 0; i < 2000 && !(l->producer->is_asked && l->producer->ask == PRODUCER_LOOK);
         i++) {
        cluster_work(l->producer);
        if (poll_once(l) == 0)
            commit(l);
    }
    assert_int_equal(l->producer->ask, PRODUCER_LOOK);
    assert_int_equal(k.epoch, other);
    rest(l); // nobody has claimed the id
    assert_false(l->has_failed);
    assert_int_equal(k.count, 21);
    // After the timeout of the transaction it need not look.
    push(l, 1);
    commit(l);
    rest(l);
    cluster_tick(TIMEOUT_MS + 1000);
    barrier(l);
    complete(l);
    while (!(l->producer->is_asked && l->producer->is_opening)) {
        cluster_work(l->producer);
        if (poll_once(l) == 0)
            commit(l);
    }
    assert_int_equal(l->producer->ask, PRODUCER_OPEN);
    rest(l);
    assert_int_equal(k.count, 22);
    life_free(l);
}

// The first thing that a fresh job does is to say that the id is its own.
static void test_outbox_claims_its_id(void **state)
{
    (void)state;
    cluster_start(7);
    k.is_calm = true;
    k.has_mark = true;
    k.mark = (struct producer_mark){.incarnation = 99, .row = 1000};
    struct life *l = life_start(KAFKA_EXACTLY_ONCE);
    rest(l);
    assert_false(l->has_failed);
    assert_int_equal(l->notes, 1);
    assert_true(k.mark.incarnation != 99);
    assert_int_equal(k.mark.row, 0);
    assert_int_equal(k.commits, 1);
    die(l);
    rest(l);
    assert_int_equal(k.commits, 1); // and nothing is committed where nothing is new
    barrier(l);
    complete(l);
    rest(l);
    assert_int_equal(k.commits, 1);
    life_free(l);
}

// Rows that wait for the cluster end at buffer_max_bytes; those that wait for a checkpoint do not
// count, else its barrier could not come.
static void test_outbox_has_room(void **state)
{
    (void)state;
    struct life *l = calm();
    l->table.buffer_max_bytes = 2000;
    barrier(l);
    push(l, 1);
    commit(l);
    barrier(l); // no complete(): what comes now is behind a barrier
    push(l, 1000);
    commit(l);
    assert_true(outbox_has_room(l->outbox));
    complete(l);
    rest(l);
    assert_true(outbox_has_room(l->outbox));
    k.is_away = true;
    push(l, 1000);
    commit(l);
    assert_false(outbox_has_room(l->outbox));
    k.is_away = false;
    rest(l);
    assert_true(outbox_has_room(l->outbox));
    k.is_away = true;
    push(l, 1000);
    commit(l);
    die(l); // what a predecessor left is no reason to wait
    assert_true(outbox_has_room(l->outbox));
    life_free(l);
}

// What the mark has told is in the arena before a transaction with another mark is committed.
static void test_outbox_keeps_the_mark_before_it_commits(void **state)
{
    (void)state;
    struct life *l = calm();
    die(l);
    push(l, 5);
    commit(l);
    barrier(l);
    complete(l);
    for (int i = 0; i < 100 && !l->producer->is_answered; i++)
        cluster_work(l->producer);
    assert_int_equal(outbox_poll(l->outbox), 0);
    assert_false(l->producer->is_asked);
    abort_transaction(l);
    rest(l);
    assert_false(l->has_failed);
    assert_int_equal(k.count, 25);
    life_free(l);
}

static void test_outbox_finishes(void **state)
{
    (void)state;
    struct err err;
    struct life *l = calm();
    push(l, 5);
    commit(l);
    k.is_away = true;
    finish_ticks = true;
    assert_int_equal(outbox_finish(l->outbox, &err), 0); // left to the next run
    assert_int_equal(k.count, 20);
    die(l);
    k.is_away = false;
    assert_int_equal(outbox_finish(l->outbox, &err), 0);
    assert_int_equal(k.count, 25);
    finish_ticks = false;
    life_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outbox_brings_each_row_once),
        cmocka_unit_test(test_outbox_brings_each_row_at_least_once),
        cmocka_unit_test(test_outbox_without_a_guarantee),
        cmocka_unit_test(test_outbox_refuses_an_older_checkpoint),
        cmocka_unit_test(test_outbox_refuses_an_older_checkpoint_that_has_grown),
        cmocka_unit_test(test_outbox_knows_the_mark_of_a_blind_checkpoint),
        cmocka_unit_test(test_outbox_misses_its_mark),
        cmocka_unit_test(test_outbox_ends_when_another_job_has_its_id),
        cmocka_unit_test(test_outbox_looks_before_it_fences),
        cmocka_unit_test(test_outbox_claims_its_id),
        cmocka_unit_test(test_outbox_has_room),
        cmocka_unit_test(test_outbox_keeps_the_mark_before_it_commits),
        cmocka_unit_test(test_outbox_finishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
