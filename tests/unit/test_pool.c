// test_pool.c: allocations do not overlap, are aligned, and a reset reuses the same memory.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/pool.h"

enum { BLOCKS = 2000 };

static void test_pool_blocks_are_apart_and_aligned(void **state)
{
    (void)state;
    static struct {
        unsigned char *at;
        size_t bytes;
    } blocks[BLOCKS];
    struct pool pool = {0};
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i].bytes = (size_t)rand() % (i % 100 == 7 ? 50000 : 80);
            blocks[i].at = pool_alloc(&pool, blocks[i].bytes);
            assert_int_equal((uintptr_t)blocks[i].at % 16, 0);
            memset(blocks[i].at, i & 0xff, blocks[i].bytes);
        }
        for (int i = 0; i < BLOCKS; i++)
            for (size_t k = 0; k < blocks[i].bytes; k++)
                assert_int_equal(blocks[i].at[k], i & 0xff);
        pool_reset(&pool);
    }
    pool_fini(&pool);
    assert_null(pool.first);
}

static void test_pool_keeps_chunks_over_a_reset(void **state)
{
    (void)state;
    struct pool pool = {0};
    char *first = pool_alloc(&pool, 16);
    char *large = pool_alloc(&pool, 100000);
    for (int round = 0; round < 10; round++) {
        pool_reset(&pool);
        assert_ptr_equal(pool_alloc(&pool, 16), first);
        assert_ptr_equal(pool_alloc(&pool, 100000), large);
    }
    pool_fini(&pool);
}

static void test_pool_zalloc_zeroes_used_memory(void **state)
{
    (void)state;
    struct pool pool = {0};
    char zeros[64] = {0};
    memset(pool_alloc(&pool, 64), 0xff, 64);
    pool_reset(&pool);
    assert_memory_equal(pool_zalloc(&pool, 64), zeros, 64);
    pool_fini(&pool);
}

static void test_pool_copies_are_its_own(void **state)
{
    (void)state;
    struct pool pool = {0};
    char text[] = "hello";
    char *whole = pool_strdup(&pool, text);
    char *part = pool_strndup(&pool, text, 3);
    struct slice bytes = pool_copy(&pool, slice_make(text, 5));
    struct slice none = pool_copy(&pool, slice_make(NULL, 0));
    memset(text, 'x', 5);
    assert_string_equal(whole, "hello");
    assert_string_equal(part, "hel");
    assert_true(slice_equal(bytes, slice_of("hello")));
    assert_int_equal(none.len, 0);
    assert_string_equal(pool_printf(&pool, "%d-%s", 7, "x"), "7-x");
    assert_int_equal(strlen(pool_printf(&pool, "%10000d", 7)), 10000);
    pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_blocks_are_apart_and_aligned),
        cmocka_unit_test(test_pool_keeps_chunks_over_a_reset),
        cmocka_unit_test(test_pool_zalloc_zeroes_used_memory),
        cmocka_unit_test(test_pool_copies_are_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
