// test_kafka_outbox.c: the outbox against a model of a cluster that does what Kafka promises and no
// more: producers with epochs, one transaction each, a mark in it, aborts at a timeout, answers
// that get lost on the way back. Processes die at any moment, checkpoints are given up, the job
// goes back to the newest complete one. Each row must come exactly once, in order.
//
// The functions of stages/kafka/producer.h are the model's here; no network, no thread.
#include <errno.h>

#include "tests/unit/test_state_support.h"

#include "tests/unit/test_kafka_life.h"

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
// A job that writes nothing keeps its mark from being forgotten.
static void test_outbox_refreshes_its_mark(void **state)
{
    (void)state;
    cluster_start(5);
    k.is_calm = true;
    struct life *l = life_start(KAFKA_EXACTLY_ONCE);
    rest(l);
    commit_rows(l, 10);
    const struct producer_mark mark = k.mark;
    uint64_t commits = k.commits;
    cluster_tick(INT64_C(23) * 3600 * 1000);
    rest(l);
    assert_int_equal(k.commits, commits);
    cluster_tick(INT64_C(3600) * 1000);
    rest(l);
    assert_int_equal(k.commits, commits + 1);
    assert_memory_equal(&k.mark, &mark, sizeof mark);
    die(l); // the age of a mark that is found is not known
    rest(l);
    assert_int_equal(k.commits, commits + 1);
    cluster_tick(INT64_C(3601) * 1000);
    push(l, 5); // rows of a transaction that no checkpoint has let go
    commit(l);
    rest(l);
    assert_int_equal(k.commits, commits + 1);
    assert_true(k.is_open);
    barrier(l);
    complete(l);
    rest(l);
    assert_int_equal(k.commits, commits + 2);
    cluster_tick(INT64_C(25) * 3600 * 1000);
    rest(l);
    assert_int_equal(k.commits, commits + 3);
    assert_false(l->has_failed);
    expect_once(l);
    life_free(l);
}

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
        cmocka_unit_test(test_outbox_refreshes_its_mark),
        cmocka_unit_test(test_outbox_has_room),
        cmocka_unit_test(test_outbox_keeps_the_mark_before_it_commits),
        cmocka_unit_test(test_outbox_finishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
