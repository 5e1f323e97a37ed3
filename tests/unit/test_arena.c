// test_arena.c: format and attach, the allocator, roots, marks; damaged headers.
#include "tests/unit/test_state_support.h"

#include <errno.h>

enum { BYTES = 1 << 20, LOG_BYTES = 64 << 10 };

static void expect_error(int code, const char *part, int got, const struct err *err)
{
    assert_int_equal(got, code);
    if (!strstr(err->text, part))
        fail_msg("'%s' does not say '%s'", err->text, part);
}

static void test_arena_format_refuses_bad_sizes(void **state)
{
    (void)state;
    void *base = test_memory(BYTES);
    struct arena_options options = {.log_bytes = LOG_BYTES};
    struct err err;
    expect_error(-EINVAL, "multiple of 4096", arena_format(base, 5000, &options, &err), &err);
    expect_error(-EINVAL, "no room", arena_format(base, LOG_BYTES, &options, &err), &err);
    options.log_bytes = 4096;
    expect_error(-EINVAL, "undo log", arena_format(base, BYTES, &options, &err), &err);
    options.log_bytes = 0;
    options.boot_id = "0123456789012345678901234567890123456789";
    expect_error(-EINVAL, "boot id", arena_format(base, BYTES, &options, &err), &err);
    free(base);
}

static void test_arena_open_refuses_strangers(void **state)
{
    (void)state;
    void *base = test_memory(BYTES);
    struct arena_options options = {.fingerprint = 7, .boot_id = "boot-a"};
    struct arena_options other = options;
    struct arena *a;
    struct err err;
    expect_error(-EINVAL, "not an arena", arena_open(base, BYTES, &options, &a, &err), &err);
    expect_error(-EINVAL, "not an arena", arena_open(base, 0, &options, &a, &err), &err);
    assert_int_equal(arena_format(base, BYTES, &options, &err), 0);
    other.fingerprint = 8;
    expect_error(-ESTALE, "another job", arena_open(base, BYTES, &other, &a, &err), &err);
    other = options;
    other.boot_id = "boot-b";
    expect_error(-ESTALE, "reboot", arena_open(base, BYTES, &other, &a, &err), &err);
    expect_error(-EINVAL, "its file", arena_open(base, BYTES - 4096, &options, &a, &err), &err);
    ((struct arena_header *)base)->version = 0;
    expect_error(-EINVAL, "never finished", arena_open(base, BYTES, &options, &a, &err), &err);
    ((struct arena_header *)base)->version = ARENA_VERSION + 1;
    expect_error(-EPROTO, "version", arena_open(base, BYTES, &options, &a, &err), &err);
    ((struct arena_header *)base)->version = ARENA_VERSION;
    assert_int_equal(arena_open(base, BYTES, &options, &a, &err), 0);
    arena_close(a);
    free(base);
}

// An arena with an unfinished transaction, so that attaching has something to do.
static void make_unfinished(uint8_t *base, struct test_image *committed)
{
    struct arena_options options = {.fingerprint = 7, .log_bytes = LOG_BYTES};
    struct err err;
    struct arena *a;
    assert_int_equal(arena_format(base, BYTES, &options, &err), 0);
    assert_int_equal(arena_open(base, BYTES, &options, &a, &err), 0);
    uint64_t root = test_root(a, 1, 4096);
    arena_commit(a);
    *committed = test_image_take(a);
    for (uint64_t i = 0; i < 100; i++)
        arena_store8(a, root + i * 8, i + 1);
    arena_close(a);
}

// Each byte of the header, damaged in each bit: a clear error, or the committed state.
static void test_arena_open_survives_damaged_headers(void **state)
{
    (void)state;
    uint8_t *base = test_memory(BYTES), *copy = test_memory(BYTES);
    struct arena_options options = {.fingerprint = 7};
    struct test_image committed;
    unsigned refused = 0;
    make_unfinished(base, &committed);
    for (unsigned i = 0; i < sizeof(struct arena_header) * 8; i++) {
        struct arena *a = NULL;
        struct err err = {{0}};
        memcpy(copy, base, BYTES);
        copy[i / 8] ^= (uint8_t)(1u << i % 8);
        if (arena_open(copy, BYTES, &options, &a, &err) == 0) {
            test_image_check(a, &committed);
            test_arena_sound(a);
            arena_close(a);
            continue;
        }
        refused++;
        assert_true(strlen(err.text) > 20);
    }
    // All but the owner's 64 bytes, `claimed` growing, and the epoch's low byte.
    assert_true(refused >= (sizeof(struct arena_header) - 64 - 16) * 8);
    test_image_free(&committed);
    free(base);
    free(copy);
}

// The log that the header counts may be damaged too; that must not end in a crash.
static void test_arena_open_survives_damaged_logs(void **state)
{
    (void)state;
    uint8_t *base = test_memory(BYTES), *copy = test_memory(BYTES);
    uint64_t rng = test_seed(__func__);
    struct arena_options options = {.fingerprint = 7};
    struct test_image committed;
    unsigned refused = 0;
    make_unfinished(base, &committed);
    uint64_t used = (uint32_t)((struct arena_header *)base)->log_word;
    assert_true(used >= 1600);
    for (int i = 0; i < 2000; i++) {
        struct arena *a = NULL;
        struct err err = {{0}};
        memcpy(copy, base, BYTES);
        copy[ARENA_PAGE_BYTES + test_random(&rng, used)] ^= (uint8_t)(1 + test_random(&rng, 255));
        if (arena_open(copy, BYTES, &options, &a, &err)) {
            refused++;
            continue;
        }
        (void)arena_check(a, &err); // any answer will do
        arena_close(a);
    }
    assert_true(refused > 200);
    test_image_free(&committed);
    free(base);
    free(copy);
}

// Blocks live now, with a mark in their first and last byte.
struct block {
    uint64_t offset, bytes;
    uint8_t mark;
};

static uint64_t random_size(uint64_t *rng)
{
    switch (test_random(rng, 8)) {
    case 0:
        return 2049 + test_random(rng, 30000);
    case 1:
        return 1 + test_random(rng, 2048);
    default:
        return 1 + test_random(rng, 200);
    }
}

static void take_block(struct arena *a, struct block *block, uint64_t *rng)
{
    block->bytes = random_size(rng);
    block->mark = (uint8_t)(1 + test_random(rng, 255));
    assert_int_equal(arena_alloc(a, block->bytes, &block->offset), 0);
    assert_int_equal(block->offset % (block->bytes > 2048 ? 4096 : 16), 0);
    uint8_t *p = arena_fresh(a, block->offset);
    for (uint64_t i = 0; i < block->bytes; i++)
        assert_int_equal(p[i], 0);
    memset(p, block->mark, block->bytes);
}

static void check_block(struct arena *a, const struct block *block)
{
    const uint8_t *p = arena_at(a, block->offset);
    assert_int_equal(p[0], block->mark);
    assert_int_equal(p[block->bytes / 2], block->mark);
    assert_int_equal(p[block->bytes - 1], block->mark);
}

static void test_arena_blocks_never_overlap(void **state)
{
    (void)state;
    uint64_t rng = test_seed(__func__);
    struct arena *a = test_arena(8 << 20, 1 << 20);
    struct block blocks[200], saved[200];
    memset(blocks, 0, sizeof blocks);
    for (int round = 0; round < 300; round++) {
        struct test_image before = test_image_take(a);
        memcpy(saved, blocks, sizeof saved);
        for (int i = 0; i < 30; i++) {
            struct block *block = &blocks[test_random(&rng, 200)];
            if (block->bytes) {
                check_block(a, block);
                arena_free(a, block->offset, block->bytes);
                block->bytes = 0;
            } else {
                take_block(a, block, &rng);
            }
        }
        if (test_random(&rng, 3)) {
            arena_commit(a);
        } else {
            arena_abort(a);
            test_image_check(a, &before);
            memcpy(blocks, saved, sizeof saved);
        }
        test_arena_sound(a);
        test_image_free(&before);
    }
    test_arena_sound(a);
    for (int i = 0; i < 200; i++) {
        if (!blocks[i].bytes)
            continue;
        check_block(a, &blocks[i]);
        arena_free(a, blocks[i].offset, blocks[i].bytes);
    }
    arena_commit(a);
    assert_int_equal(arena_used_bytes(a), 0);
    test_arena_sound(a);
    test_arena_free(a);
}

static void test_arena_says_when_it_is_full(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t offset, blocks[300], count = 0;
    assert_int_equal(arena_alloc(a, UINT64_C(2) << 30, &offset), -EINVAL);
    while (arena_alloc(a, 4096, &offset) == 0) {
        arena_commit(a);
        blocks[count++] = offset;
    }
    assert_true(count * 4096 > arena_capacity(a) - 8 * 4096);
    assert_int_equal(arena_alloc(a, 16, &offset), -ENOSPC);
    arena_abort(a);
    for (uint64_t i = 0; i < count; i++) {
        arena_free(a, blocks[i], 4096);
        arena_commit(a);
    }
    // The pages have grown together again.
    assert_int_equal(arena_alloc(a, 512 << 10, &offset), 0);
    test_arena_free(a);
}

static void test_arena_frees_wait_for_the_commit(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t x, y;
    assert_int_equal(arena_alloc(a, 100, &x), 0);
    arena_commit(a);
    uint64_t room = arena_log_room(a);
    arena_free(a, x, 100);
    assert_true(arena_log_room(a) < room); // the commit will need some
    assert_int_equal(arena_alloc(a, 100, &y), 0);
    assert_int_not_equal(x, y);
    arena_commit(a);
    assert_int_equal(arena_log_room(a), room);
    assert_int_equal(arena_alloc(a, 100, &y), 0);
    assert_int_equal(x, y);
    test_arena_free(a);
}

static void test_arena_roots_are_found_again(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t x = test_root(a, 0, 48), y, z;
    arena_commit(a);
    y = test_root(a, 255, 5000);
    arena_abort(a);
    assert_int_equal(test_root(a, 0, 48), x);
    assert_int_equal(arena_root(a, 0, 49, &z), -EINVAL);
    test_root(a, 255, 64); // the first one was taken back
    assert_int_not_equal(x, y);
    test_arena_free(a);
}

static void test_arena_touch_logs_long_ranges_and_marks_blocks(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, 256 << 10);
    uint64_t offset;
    assert_int_equal(arena_alloc(a, 160 << 10, &offset), 0);
    arena_commit(a);
    arena_set_epoch(a, 9);
    struct test_image before = test_image_take(a);
    memset(arena_touch(a, offset + 4090, 150001), 0x11, 150001);
    for (uint64_t b = 0; b < 40; b++)
        assert_int_equal(arena_block_epoch(a, (offset >> 12) + b) == 9, b <= (4090 + 150000) >> 12);
    arena_abort(a);
    test_image_check(a, &before);
    arena_set_epoch(a, 10);
    assert_int_equal(arena_alloc(a, 64, &offset), 0);
    assert_int_equal(arena_block_epoch(a, offset >> 12), 10); // fresh memory is marked all the same
    test_image_free(&before);
    test_arena_free(a);
}

struct claims {
    uint64_t end, limit;
    unsigned calls;
};

static int claim(void *context, uint64_t from, uint64_t to)
{
    struct claims *claims = context;
    assert_int_equal(from, claims->end);
    claims->calls++;
    if (to > claims->limit)
        return -1;
    claims->end = to;
    return 0;
}

static void test_arena_claims_memory_ahead(void **state)
{
    (void)state;
    uint64_t bytes = 64 << 20, offset;
    struct claims claims = {.limit = 40 << 20};
    struct arena_options options = {.claim = claim, .claim_context = &claims};
    struct arena *a;
    struct err err;
    void *base = test_memory(bytes);
    assert_int_equal(arena_format(base, bytes, &options, &err), 0);
    assert_int_equal(arena_open(base, bytes, &options, &a, &err), 0);
    assert_int_equal(claims.end, 16 << 20);
    while (arena_alloc(a, 64 << 10, &offset) == 0) {
        assert_true(offset + (64 << 10) <= claims.end);
        arena_commit(a);
    }
    assert_int_equal(claims.end, 32 << 20); // the next step was refused
    assert_int_equal(claims.calls, 3);
    arena_abort(a);
    assert_int_equal(arena_alloc(a, 64 << 10, &offset), -ENOSPC);
    arena_abort(a);
    claims.limit = bytes; // there is memory again
    assert_int_equal(arena_alloc(a, 64 << 10, &offset), 0);
    arena_close(a);
    claims = (struct claims){.end = 0, .limit = 0};
    assert_int_equal(arena_format(base, bytes, &options, &err), -ENOSPC);
    free(base);
}

// A wild write into the allocator's words is found.
static void test_arena_check_finds_damage(void **state)
{
    (void)state;
    uint8_t *base = test_memory(BYTES), *copy = test_memory(BYTES);
    struct arena_options options = {.log_bytes = LOG_BYTES};
    struct arena *a;
    struct err err;
    uint64_t small[3], run[3], root;
    assert_int_equal(arena_format(base, BYTES, &options, &err), 0);
    assert_int_equal(arena_open(base, BYTES, &options, &a, &err), 0);
    root = test_root(a, 4, 64);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(arena_alloc(a, 64, &small[i]), 0);
        assert_int_equal(arena_alloc(a, 8192, &run[i]), 0);
    }
    arena_commit(a);
    arena_free(a, small[1], 64);
    arena_free(a, small[0], 64);
    arena_free(a, run[1], 8192);
    arena_commit(a);
    test_arena_sound(a);
    uint64_t meta = a->header->meta_offset;
    const uint64_t words[] = {
        small[0],                                        // the link of a free block
        run[1] + 8,                                      // the back link of a free run
        a->header->data_offset + (run[1] >> 12) / 8 * 8, // the page map
        meta,                                            // the end of the heap
        meta + 8,                                        // the used bytes
        meta + offsetof(struct arena_meta, roots) + 4 * 16,
        meta + offsetof(struct arena_meta, classes) + 3 * 24 + 8, // a slab's rest
    };
    memcpy(copy, base, BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        uint64_t word = i == 5 ? small[0] : arena_word(a, words[i]) + (UINT64_C(1) << 40) + 8;
        memcpy(base + words[i], &word, 8);
        assert_int_equal(arena_check(a, &err), -EINVAL);
        assert_non_null(strstr(err.text, "damaged"));
        memcpy(base, copy, BYTES);
    }
    (void)root;
    test_arena_sound(a);
    test_arena_free(a);
    free(copy);
}

static void test_arena_owner_has_a_fixed_place(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint8_t *owner = arena_owner(a->base);
    assert_int_equal((uintptr_t)owner % 8, 0);
    memset(owner, 0xff, ARENA_OWNER_BYTES);
    struct arena_options options = {.fingerprint = 7};
    struct arena *again;
    struct err err;
    assert_int_equal(arena_open(a->base, BYTES, &options, &again, &err), 0);
    assert_int_equal(owner[ARENA_OWNER_BYTES - 1], 0xff);
    arena_close(again);
    test_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_format_refuses_bad_sizes),
        cmocka_unit_test(test_arena_open_refuses_strangers),
        cmocka_unit_test(test_arena_open_survives_damaged_headers),
        cmocka_unit_test(test_arena_open_survives_damaged_logs),
        cmocka_unit_test(test_arena_blocks_never_overlap),
        cmocka_unit_test(test_arena_says_when_it_is_full),
        cmocka_unit_test(test_arena_frees_wait_for_the_commit),
        cmocka_unit_test(test_arena_roots_are_found_again),
        cmocka_unit_test(test_arena_touch_logs_long_ranges_and_marks_blocks),
        cmocka_unit_test(test_arena_claims_memory_ahead),
        cmocka_unit_test(test_arena_check_finds_damage),
        cmocka_unit_test(test_arena_owner_has_a_fixed_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
