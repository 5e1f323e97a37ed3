// test_step_kill.c: one batch, and one attach, broken off after each of their instructions.
//
// A child shares the arena with us and is single-stepped (ptrace). Killed after instruction k, a
// process leaves in shared memory the stores of its first k instructions; so after each step we
// copy the memory, open the copy as a replacement would, and look: the state is that of before the
// batch or that of after it, and doing the batch (again) leads to the latter. A random sample is
// killed in earnest as well and the arena itself is opened.
//
// usage: test_step_kill [KILLS | all] [short]
// KILLS: how many in earnest (default 24; all: one at every instruction, and the split of a
// dictionary's segment, long). short: without the split of a full segment of the hash index
// (340,000 instructions).
#include "tests/crash/state_world.h"
#include "tests/crash/stepper.h"

enum {
    ARENA_BYTES = 448 << 10,
    LOG_BYTES = 64 << 10,
    KEYS = 6,
    // The only segment of the growing table is split at its 2,709th key.
    SPLIT_FROM = 2704,
    SPLIT_TO = 2712,
    // The only segment of the growing dictionary, at its 3,121st key of 8 bytes.
    DICT_SPLIT_FROM = 3118,
    DICT_SPLIT_TO = 3123
};

static bool with_split = true;
static uint64_t kills = 24; // UINT64_MAX: all

// What both processes know: made before the fork.
struct scene {
    struct stepper stepper;
    uint8_t *base; // a copy of the arena before the batch
    uint64_t root;
    struct test_image before, after;
    struct slice keys[KEYS];
    uint64_t hashes[KEYS];
    void (*batch)(struct scene *scene, struct arena *a);
    void (*act)(struct scene *scene, uint8_t *memory); // what the child does under the stepper
    uint64_t grown_from, grown_to;                     // keys of the table or dictionary that grows
    bool grown_bytes;                                  // they are of 8 bytes
};

static struct arena *open_arena(uint8_t *memory)
{
    struct arena_options options = {.fingerprint = 7};
    struct arena *a = NULL;
    struct err err = {{0}};
    if (arena_open(memory, ARENA_BYTES, &options, &a, &err))
        fail_msg("%s", err.text);
    return a;
}

// --- the batch ---

// Some of everything: new and known keys, numbers into arrays and bitsets, lists, timers, blocks of
// small and large size freed and taken.
static void mixed_batch(struct scene *s, struct arena *a)
{
    uint64_t ids[KEYS], records[KEYS], heads[KEYS];
    uint64_t payload;
    int64_t time;
    CHECK(dict_ids(a, WORLD(a, s->root, dict), KEYS, s->keys, ids) == 0);
    CHECK(table_upsert_batch(a, WORLD(a, s->root, table),
                             &(struct key_batch){KEYS, s->hashes, s->keys}, records) == 0);
    for (int i = 0; i < KEYS; i++) {
        uint64_t value = table_value(a, records[i]);
        arena_store8(a, value, arena_word(a, value) + 1);
        heads[i] = WORLD(a, s->root, bitmaps) + (uint64_t)(i % 2) * sizeof(struct bitmap_head);
    }
    CHECK(bitmap_add_batch(a, KEYS, heads, ids, NULL) == 0);
    CHECK(list_append(a, WORLD(a, s->root, list), s->keys[0]) == 0);
    CHECK(timers_add(a, WORLD(a, s->root, timers), 5, 6) == 0);
    CHECK(timers_pop_due(a, WORLD(a, s->root, timers), 100, &time, &payload) == 1);
    CHECK(table_remove(a, WORLD(a, s->root, table), s->hashes[1], s->keys[1]) == 1);
    world_replace(a, s->root, 0, 8192); // in its place there was one of the same size
    arena_store8(a, WORLD(a, s->root, sum), 0x123456789abcdefu);
}

// Add 8-byte keys to the table that grows.
static void growing_batch(struct scene *s, struct arena *a)
{
    uint64_t record, head = WORLD(a, s->root, grown);
    for (uint64_t i = s->grown_from; i < s->grown_to; i++) {
        struct slice key = slice_make(&i, sizeof i);
        CHECK(table_upsert(a, head, hash_slice(key), key, &record) == 0);
    }
}

// Add keys to the dictionary that grows: of all lengths, or of 8 bytes.
static void growing_dict_batch(struct scene *s, struct arena *a)
{
    char text[32];
    uint64_t id, head = WORLD(a, s->root, grown_dict);
    for (uint64_t i = s->grown_from; i < s->grown_to; i++) {
        struct slice key = s->grown_bytes ? slice_make(&i, sizeof i) : world_key(i, text);
        CHECK(dict_ids(a, head, 1, &key, &id) == 0 && id == i);
    }
}

static void do_batch(struct scene *s, uint8_t *memory)
{
    struct arena *a = open_arena(memory);
    s->batch(s, a);
    arena_commit(a);
    arena_close(a);
}

static void do_attach(struct scene *s, uint8_t *memory)
{
    (void)s;
    arena_close(open_arena(memory));
}

// --- the scene ---

static void scene_keys(struct scene *s)
{
    static char text[KEYS][32];
    for (uint64_t i = 0; i < KEYS; i++) {
        s->keys[i] = world_key(i < KEYS / 2 ? i : 5000 + i, text[i]); // half of them will be new
        s->hashes[i] = hash_slice(s->keys[i]);
    }
}

// A lived-in arena: many transactions, one of them undone, free lists full of dirt.
static void scene_fill(struct scene *s, uint64_t seed)
{
    struct arena_options options = {.fingerprint = 7, .log_bytes = LOG_BYTES};
    struct arena *a;
    struct err err;
    assert_int_equal(arena_format(s->stepper.shared, ARENA_BYTES, &options, &err), 0);
    a = open_arena(s->stepper.shared);
    s->root = world_open(a);
    uint64_t rng = seed;
    for (int i = 0; i < 3; i++) {
        world_transaction(a, s->root, test_random(&rng, 1u << 30), 10);
        if (i == 1)
            arena_abort(a);
        else
            arena_commit(a);
    }
    uint64_t ids[KEYS], record;
    CHECK(dict_ids(a, WORLD(a, s->root, dict), KEYS / 2, s->keys, ids) == 0);
    CHECK(table_upsert(a, WORLD(a, s->root, table), s->hashes[0], s->keys[0], &record) == 0);
    for (uint64_t i = 0; i < 1100; i++) // a bitset beside the arrays
        CHECK(bitmap_add(a, WORLD(a, s->root, bitmaps), (2 << 16) + 100 + i) >= 0);
    world_replace(a, s->root, 0, 8192);
    arena_commit(a);
    world_replace(a, s->root, 0, 8192); // the first is free now, and full of dirt
    arena_commit(a);
    arena_close(a);
}

// What the child will do from the shared arena on, as it is now; what must come of it.
static void scene_set(struct scene *s, void (*batch)(struct scene *s, struct arena *a))
{
    test_image_free(&s->before);
    test_image_free(&s->after);
    s->batch = batch;
    s->act = do_batch;
    memcpy(s->base, s->stepper.shared, ARENA_BYTES);
    memcpy(s->stepper.scratch, s->stepper.shared, ARENA_BYTES);
    struct arena *a = open_arena(s->stepper.scratch);
    s->before = test_image_take(a);
    s->batch(s, a);
    arena_commit(a);
    s->after = test_image_take(a);
    arena_close(a);
}

static void act(void *context)
{
    struct scene *s = context;
    s->act(s, s->stepper.shared);
}

static void judge_point(void *context, uint8_t *memory, uint64_t k);

static void scene_init(struct scene *s, uint64_t seed)
{
    *s = (struct scene){.base = test_memory(ARENA_BYTES)};
    stepper_init(&s->stepper, ARENA_BYTES, s);
    s->stepper.act = act;
    s->stepper.judge = judge_point;
    scene_keys(s);
    scene_fill(s, seed);
    scene_set(s, mixed_batch);
}

static void scene_fini(struct scene *s)
{
    test_image_free(&s->before);
    test_image_free(&s->after);
    stepper_fini(&s->stepper);
    free(s->base);
}

static bool has_image(const struct arena *a, const struct test_image *want)
{
    struct test_image got = test_image_take(a);
    bool same = got.len == want->len && memcmp(got.bytes, want->bytes, got.len) == 0;
    test_image_free(&got);
    return same;
}

// A replacement attaches to `memory`: is all well, and does the batch lead where it must?
static void judge_point(void *context, uint8_t *memory, uint64_t k)
{
    struct scene *s = context;
    struct arena *a = open_arena(memory);
    struct err err;
    if (arena_check(a, &err))
        fail_msg("broken off after instruction %llu: %s", (unsigned long long)k, err.text);
    if (!has_image(a, &s->after)) {
        if (!has_image(a, &s->before))
            fail_msg("broken off after instruction %llu: neither the state of before nor of after",
                     (unsigned long long)k);
        s->batch(s, a);
        arena_commit(a);
        if (!has_image(a, &s->after))
            fail_msg("broken off after instruction %llu: done again, the batch ends elsewhere",
                     (unsigned long long)k);
    }
    arena_close(a);
}

// --- the tests ---

static void test_step_kill_batch_at_every_instruction(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, test_seed(__func__));
    uint64_t instructions = stepper_run(&s.stepper);
    assert_true(instructions > 1000);
    judge_point(&s, s.stepper.shared, instructions);
    scene_fini(&s);
}

// The child attaches to an arena that a kill left in the middle of the batch.
static void test_step_kill_attach_at_every_instruction(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, test_seed(__func__));
    struct arena *a = open_arena(s.stepper.shared);
    s.batch(&s, a);
    arena_commit_prepare(a);
    arena_close(a);
    assert_true(((struct arena_header *)s.stepper.shared)->log_word != 0);
    s.act = do_attach;
    stepper_run(&s.stepper);
    a = open_arena(s.stepper.shared);
    test_image_check(a, &s.before);
    arena_close(a);
    scene_fini(&s);
}

// Keys by `batch`: `from` of them before, up to `to` under the stepper.
static void step_growth(uint64_t seed, void (*batch)(struct scene *s, struct arena *a),
                        uint64_t from, uint64_t to)
{
    struct scene s;
    scene_init(&s, seed);
    s.grown_bytes = from > 0;
    struct arena *a = open_arena(s.stepper.shared);
    s.grown_to = from;
    for (uint64_t i = 0; i < from; i += 16) {
        s.grown_from = i;
        s.grown_to = i + 16 < from ? i + 16 : from;
        batch(&s, a);
        arena_commit(a);
    }
    arena_close(a);
    s.grown_from = from;
    s.grown_to = to;
    scene_set(&s, batch);
    stepper_run(&s.stepper);
    scene_fini(&s);
}

// Segments of 16, 32 and 64 slots, and the first leaves of the order.
static void test_step_kill_growth_at_every_instruction(void **state)
{
    (void)state;
    step_growth(test_seed(__func__), growing_batch, 0, 36);
}

// A table whose only segment of 3,072 slots is split on the way.
static void test_step_kill_split_at_every_instruction(void **state)
{
    (void)state;
    if (!with_split)
        skip();
    step_growth(test_seed(__func__), growing_batch, SPLIT_FROM, SPLIT_TO);
}

// Segments of 4, 8 and 16 lines, of short keys and then of wide ones.
static void test_step_kill_dict_growth_at_every_instruction(void **state)
{
    (void)state;
    step_growth(test_seed(__func__), growing_dict_batch, 0, 44);
}

// Only on request ("all"): 746,000 instructions.
static void test_step_kill_dict_split_at_every_instruction(void **state)
{
    (void)state;
    if (kills != UINT64_MAX)
        skip();
    step_growth(test_seed(__func__), growing_dict_batch, DICT_SPLIT_FROM, DICT_SPLIT_TO);
}

// --- real kills ---

static uint64_t count_instructions(struct scene *s)
{
    uint64_t k = 0;
    pid_t pid = stepper_start(&s->stepper);
    while (stepper_step(pid))
        k++;
    memcpy(s->stepper.shared, s->base, ARENA_BYTES);
    return k;
}

static void kill_after(struct scene *s, uint64_t k)
{
    int status;
    pid_t pid = stepper_start(&s->stepper);
    for (uint64_t i = 0; i < k; i++)
        assert_true(stepper_step(pid));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    judge_point(s, s->stepper.shared, k);
    memcpy(s->stepper.shared, s->base, ARENA_BYTES);
}

static void test_step_kill_by_signal(void **state)
{
    (void)state;
    struct scene s;
    uint64_t rng = test_seed(__func__);
    scene_init(&s, rng);
    uint64_t instructions = count_instructions(&s);
    if (kills >= instructions)
        for (uint64_t k = 0; k < instructions; k++)
            kill_after(&s, k);
    else
        for (uint64_t i = 0; i < kills; i++)
            kill_after(&s, test_random(&rng, instructions));
    scene_fini(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_kill_batch_at_every_instruction),
        cmocka_unit_test(test_step_kill_attach_at_every_instruction),
        cmocka_unit_test(test_step_kill_growth_at_every_instruction),
        cmocka_unit_test(test_step_kill_split_at_every_instruction),
        cmocka_unit_test(test_step_kill_dict_growth_at_every_instruction),
        cmocka_unit_test(test_step_kill_dict_split_at_every_instruction),
        cmocka_unit_test(test_step_kill_by_signal),
    };
    if (argc > 1)
        kills = strcmp(argv[1], "all") == 0 ? UINT64_MAX : strtoull(argv[1], NULL, 10);
    with_split = argc < 3 || strcmp(argv[2], "short") != 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
