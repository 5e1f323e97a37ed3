// test_state_support.h: what the tests of core/state share: seeds, arenas on the heap, images.
#ifndef WEIR_TESTS_UNIT_TEST_STATE_SUPPORT_H
#define WEIR_TESTS_UNIT_TEST_STATE_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/hash.h"
#include "core/state/arena.h"

// A random test's seed: WEIR_SEED, or the clock; printed, so that a failure can be had again.
static inline uint64_t test_seed(const char *test)
{
    const char *text = getenv("WEIR_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = text ? strtoull(text, NULL, 0) : hash_u64((uint64_t)now.tv_nsec) >> 32;
    printf("%s: WEIR_SEED=%llu\n", test, (unsigned long long)seed);
    return seed;
}

static inline uint64_t test_random(uint64_t *state, uint64_t below)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_u64(*state) % below;
}

// Memory full of garbage, so that nothing can lean on zeroes.
static inline void *test_memory(uint64_t bytes)
{
    void *base = aligned_alloc(ARENA_PAGE_BYTES, bytes);
    assert_non_null(base);
    memset(base, 0xa5, bytes);
    return base;
}

static inline struct arena *test_arena(uint64_t bytes, uint64_t log_bytes)
{
    struct arena_options options = {.fingerprint = 7, .log_bytes = log_bytes};
    struct arena *a = NULL;
    struct err err = {{0}};
    void *base = test_memory(bytes);
    if (arena_format(base, bytes, &options, &err) || arena_open(base, bytes, &options, &a, &err))
        fail_msg("%s", err.text);
    return a;
}

static inline void test_arena_free(struct arena *a)
{
    void *base = a->base;
    arena_close(a);
    free(base);
}

static inline void test_arena_sound(const struct arena *a)
{
    struct err err = {{0}};
    if (arena_check(a, &err))
        fail_msg("%s", err.text);
}

struct test_image {
    uint8_t *bytes;
    uint64_t len;
};

static inline struct test_image test_image_take(const struct arena *a)
{
    struct test_image image;
    image.bytes = arena_image(a, &image.len);
    return image;
}

// The arena must have this very image.
static inline void test_image_check(const struct arena *a, const struct test_image *want)
{
    struct test_image got = test_image_take(a);
    assert_int_equal(got.len, want->len);
    for (uint64_t i = 0; i < got.len; i++)
        if (got.bytes[i] != want->bytes[i])
            fail_msg("the image differs at offset %llu: %02x, not %02x",
                     (unsigned long long)(i + a->header->data_offset), got.bytes[i],
                     want->bytes[i]);
    free(got.bytes);
}

static inline void test_image_free(struct test_image *image)
{
    free(image->bytes);
    image->bytes = NULL;
}

static inline uint64_t test_root(struct arena *a, uint32_t index, uint64_t bytes)
{
    uint64_t offset = 0;
    assert_int_equal(arena_root(a, index, bytes, &offset), 0);
    return offset;
}

// A key that is `n` in words, in text; valid until the fourth call from now.
static inline struct slice test_key(uint64_t n)
{
    static char text[4][64];
    static unsigned next;
    char *at = text[next++ % 4];
    int len = snprintf(at, sizeof text[0], "key-%llu", (unsigned long long)n);
    return slice_make(at, (size_t)len);
}

#endif
