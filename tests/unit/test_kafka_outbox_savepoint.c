// test_kafka_outbox_savepoint.c: rows on their way through a savepoint, before the model of a
// cluster: whatever the old job and the restore have gone through, each row comes once, in order.
#include <unistd.h>

#include "core/base/check.h"
#include "core/plan/plan.h"
#include "core/snapshot/savepoint.h"
#include "tests/unit/test_kafka_life.h"

enum { ID = 9, ROUNDS = 25 };

static struct plan *plan; // of a job whose sink is the life's table

static int make_plan(void **state)
{
    struct err err;
    const struct plan_settings settings = {
        "job.sql",
        slice_of(
            "CREATE TABLE i (v STRING) WITH ('connector'='filesystem','path'='x','format'='csv');"
            "CREATE TABLE t (v STRING) WITH ('connector'='kafka','topic'='out','format'='csv',"
            "'properties.bootstrap.servers'='b:9092','sink.delivery-guarantee'='exactly-once',"
            "'sink.transactional-id-prefix'='p'); INSERT INTO t SELECT v FROM i"),
        1};
    (void)state;
    return plan_make(&settings, &plan, &err);
}

static int drop_plan(void **state)
{
    (void)state;
    plan_free(plan);
    return 0;
}

// Out of the newest complete checkpoint; how many rows the source had given by then.
static uint64_t make_savepoint(struct life *l, const char *path)
{
    struct savepoint_writer w;
    struct arena *arena;
    struct err err;
    void *copy = test_memory(BYTES);
    uint64_t source_at;
    memcpy(copy, l->image, BYTES);
    assert_int_equal(arena_open(copy, BYTES, &arena_options, &arena, &err), 0);
    struct op_context context = l->context;
    context.arena = arena;
    const struct outbox_spec spec = {.context = &context, .table = &l->table};
    unlink(path);
    assert_int_equal(savepoint_create(env_system(), path, ID, &w, &err), 0);
    outbox_put(&spec, &w, 0);
    assert_int_equal(savepoint_finish(&w, &err), 0);
    assert_int_equal(arena_root(arena, 1, 8, &source_at), 0);
    uint64_t rows = arena_word(arena, source_at);
    arena_close(arena);
    free(copy);
    return rows;
}

// Into a new arena in place of the life's, of which no process is left.
static int restore(struct life *l, const char *path, uint64_t rows, struct err *err)
{
    struct savepoint_reader r;
    struct savepoint_record record;
    struct outbox_restore *restoring;
    struct arena *arena;
    uint64_t source_at;
    int rc;
    assert_int_equal(arena_format(l->memory, BYTES, &arena_options, err), 0);
    assert_int_equal(arena_open(l->memory, BYTES, &arena_options, &arena, err), 0);
    struct op_context context = l->context;
    context.arena = arena;
    assert_int_equal(outbox_restore_begin(&context, 1, &restoring, err), 0);
    assert_int_equal(savepoint_open(env_system(), path, ID, &r, err), 0);
    while ((rc = savepoint_next(&r, &record, err)) == 1)
        assert_int_equal(outbox_restore_take(restoring, &record, err), 0);
    assert_int_equal(rc, 0);
    savepoint_close(&r);
    finish_ticks = true;
    rc = outbox_restore_end(restoring, err);
    finish_ticks = false;
    outbox_restore_free(restoring);
    if (rc == 0 && arena_root(arena, 1, 8, &source_at) == 0) {
        arena_store8(arena, source_at, rows);
        arena_commit(arena);
    }
    arena_close(arena);
    return rc;
}

static struct life *begin(uint64_t seed, char *path, size_t bytes)
{
    cluster_start(seed);
    poison = 10 * ROWS_MAX;
    struct life *l = life_start(KAFKA_EXACTLY_ONCE);
    const struct stage *stage = &plan->stages[0];
    l->op.table = stage->ops[stage->op_count - 1]->table;
    snprintf(path, bytes, "/tmp/weir-test-outbox-%d", (int)getpid());
    return l;
}

static void run(struct life *l, int steps)
{
    for (int i = 0; i < steps; i++)
        step(l);
}

// The cluster may be away at first, and the new run may die before its first checkpoint.
static uint64_t restore_somehow(struct life *l, const char *path, uint64_t rows)
{
    struct err err;
    uint64_t refusals = 0;
    bool dies_after = chance(3);
    k.is_away = chance(3);
    int rc = restore(l, path, rows, &err);
    if (rc == -EHOSTUNREACH) {
        refusals = 1;
        assert_non_null(strstr(err.text, "begin from it again"));
        k.is_away = false;
        rc = restore(l, path, rows, &err);
    }
    if (rc == 0 && dies_after) {
        life_open(l);
        for (int i = 0; i < 200; i++) {
            cluster_work(l->producer);
            assert_int_equal(poll_once(l), 0);
            commit(l);
        }
        life_end(l);
        k.is_away = false;
        rc = restore(l, path, rows, &err);
    }
    if (rc < 0)
        fail_msg("%s", err.text);
    return refusals;
}

static void test_savepoint_brings_each_row_once(void **state)
{
    char path[64];
    uint64_t seed = test_seed(__func__), refusals = 0, carried = 0;
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct life *l = begin(seed + round, path, sizeof path);
        run(l, 100 + (int)test_random(&k.rng, 300));
        while (!l->has_image)
            step(l);
        if (!chance(4)) { // it is made as soon as the checkpoint is complete
            push(l, 20);
            commit(l);
            barrier(l);
            complete(l);
            run(l, chance(2) ? 0 : 1);
        }
        uint64_t rows = make_savepoint(l, path);
        life_end(l);
        carried += k.count < rows;
        refusals += restore_somehow(l, path, rows);
        k.is_away = false;
        assert_int_equal(k.count, rows); // all that the savepoint had is there before the new run
        l->barrier = l->complete = 0;
        l->has_image = false;
        life_open(l);
        run(l, 300);
        settle(l);
        expect_once(l);
        life_free(l);
    }
    unlink(path);
    poison = 211;
    printf("  %llu savepoints with rows on their way, %llu restores without the cluster\n",
           (unsigned long long)carried, (unsigned long long)refusals);
    assert_true(carried > 3 && refusals > 0);
}

// The job went on behind the savepoint, and readers have seen more.
static void test_savepoint_that_readers_are_beyond(void **state)
{
    char path[64];
    struct err err;
    (void)state;
    struct life *l = begin(3, path, sizeof path);
    k.is_calm = true;
    run(l, 300);
    settle(l);
    push(l, 30);
    commit(l);
    barrier(l);
    complete(l); // 30 rows that are on their way
    uint64_t rows = make_savepoint(l, path);
    settle(l);
    push(l, 10);
    settle(l);
    assert_int_equal(k.count, rows + 10);
    life_end(l);
    assert_int_equal(restore(l, path, rows, &err), -ECANCELED);
    assert_non_null(strstr(err.text, "readers have seen"));
    unlink(path);
    life_open(l);
    life_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_savepoint_brings_each_row_once),
        cmocka_unit_test(test_savepoint_that_readers_are_beyond),
    };
    return cmocka_run_group_tests(tests, make_plan, drop_plan);
}
