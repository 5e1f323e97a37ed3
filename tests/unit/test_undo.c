// test_undo.c: whatever a transaction has done so far, an abort takes all of it back, and doing it
// again comes to the same image as if nothing had happened.
//
// Where core/state has its test hook (debug builds, tests/crash/mutants.sh), a transaction is also
// left after each one of its log entries, as a kill would leave it.
#include "tests/unit/test_state_support.h"
#include <errno.h>

#include "tests/crash/state_world.h"

enum { ARENA_BYTES = 2 << 20, LOG_BYTES = 512 << 10, ROUNDS = 150, OPS = 24 };

static struct arena *reopen(struct arena *a)
{
    struct arena_options options = {.fingerprint = 7};
    struct err err = {{0}};
    void *base = a->base;
    uint64_t bytes = a->header->total_bytes;
    arena_close(a);
    if (arena_open(base, bytes, &options, &a, &err))
        fail_msg("%s", err.text);
    return a;
}

// One arena is disturbed, the other is not: after each commit they are the same.
static void test_undo_takes_back_random_transactions(void **state)
{
    (void)state;
    uint64_t seed = test_seed(__func__), rng = seed;
    struct arena *a = test_arena(ARENA_BYTES, LOG_BYTES), *b = test_arena(ARENA_BYTES, LOG_BYTES);
    uint64_t root = world_open(a), other = world_open(b);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t transaction = test_random(&rng, 1u << 30);
        struct test_image before = test_image_take(a);
        world_transaction(a, root, transaction, 1 + test_random(&rng, OPS));
        if (test_random(&rng, 2))
            arena_abort(a);
        else
            a = reopen(a);
        test_image_check(a, &before);
        test_image_free(&before);
        world_transaction(a, root, transaction, OPS);
        arena_commit(a);
        world_transaction(b, other, transaction, OPS);
        arena_commit(b);
        struct test_image want = test_image_take(b);
        test_image_check(a, &want);
        test_image_free(&want);
        test_arena_sound(a);
    }
    test_arena_free(a);
    test_arena_free(b);
}

#ifdef ARENA_HAS_HOOK
static jmp_buf left;
static uint64_t entries_left;

static void count_entry(void)
{
    entries_left++;
}

static void leave_at_entry(void)
{
    if (entries_left-- == 0)
        longjmp(left, 1);
}

static void leave_after(struct arena *a, uint64_t root, uint64_t transaction, uint64_t entries)
{
    entries_left = entries;
    arena_test_hook = leave_at_entry;
    if (setjmp(left) == 0) {
        world_transaction(a, root, transaction, OPS);
        arena_commit_prepare(a); // what a commit does before its one store
    }
    arena_test_hook = NULL;
}

static uint64_t entries_of(struct arena *a, uint64_t root, uint64_t transaction)
{
    entries_left = 0;
    arena_test_hook = count_entry;
    world_transaction(a, root, transaction, OPS);
    arena_commit_prepare(a);
    arena_test_hook = NULL;
    arena_abort(a);
    return entries_left;
}

static void test_undo_takes_back_at_every_entry(void **state)
{
    (void)state;
    uint64_t seed = test_seed(__func__), rng = seed;
    struct arena *a = test_arena(ARENA_BYTES, LOG_BYTES);
    uint64_t root = world_open(a);
    for (int round = 0; round < 8; round++) {
        uint64_t transaction = test_random(&rng, 1u << 30);
        struct test_image before = test_image_take(a);
        uint64_t entries = entries_of(a, root, transaction);
        test_image_check(a, &before);
        for (uint64_t k = 0; k <= entries; k++) {
            leave_after(a, root, transaction, k);
            arena_abort(a);
            test_image_check(a, &before);
        }
        test_image_free(&before);
        test_arena_sound(a);
        world_transaction(a, root, transaction, OPS * 4);
        arena_commit(a);
    }
    test_arena_free(a);
}
#endif

static void test_undo_entries_are_validated(void **state)
{
    (void)state;
    struct arena *a = test_arena(ARENA_BYTES, LOG_BYTES);
    uint64_t root = world_open(a);
    uint64_t words[2] = {0, WORLD(a, root, sum) << 16 | 8};
    struct err err;
    assert_int_equal(arena_undo_entries(a, slice_make(words, 16), NULL, &err), 0);
    words[1] = UINT64_C(8) << 16 | 8; // the header
    assert_int_equal(arena_undo_entries(a, slice_make(words, 16), NULL, &err), -EINVAL);
    words[1] = (uint64_t)ARENA_BYTES << 16 | 8; // beyond the end
    assert_int_equal(arena_undo_entries(a, slice_make(words, 16), NULL, &err), -EINVAL);
    words[1] = root << 16 | 9; // longer than what is there
    assert_int_equal(arena_undo_entries(a, slice_make(words, 16), NULL, &err), -EINVAL);
    assert_int_equal(arena_undo_entries(a, slice_make(words, 8), NULL, &err), -EINVAL);
    assert_non_null(strstr(err.text, "damaged"));
    test_arena_free(a);
}

// The entries since a commit, kept elsewhere, lead back to it: what a snapshot is made of.
static void test_undo_entries_lead_back_over_commits(void **state)
{
    (void)state;
    uint64_t seed = test_seed(__func__);
    static char kept[8][LOG_BYTES];
    uint64_t lens[8];
    struct arena *a = test_arena(ARENA_BYTES, LOG_BYTES);
    uint64_t root = world_open(a);
    struct err err;
    struct test_image before = test_image_take(a);
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t rng = seed + i;
        world_table(a, root, &rng, 50);
        arena_store8(a, WORLD(a, root, sum), i + 77);
        world_blocks(a, root, &rng);
        arena_commit_prepare(a);
        struct slice log = arena_log(a);
        lens[i] = log.len;
        memcpy(kept[i], log.ptr, log.len);
        arena_commit(a);
    }
    for (int i = 7; i >= 0; i--)
        assert_int_equal(arena_undo_entries(a, slice_make(kept[i], lens[i]), NULL, &err), 0);
    test_image_check(a, &before);
    test_image_free(&before);
    test_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_undo_takes_back_random_transactions),
#ifdef ARENA_HAS_HOOK
        cmocka_unit_test(test_undo_takes_back_at_every_entry),
#endif
        cmocka_unit_test(test_undo_entries_are_validated),
        cmocka_unit_test(test_undo_entries_lead_back_over_commits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
