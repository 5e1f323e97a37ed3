// test_hash.c: the hash decides which shard owns a key and where state lies: its values never
// change.
//
// The frozen values were computed by another implementation: Python's xxhash, and integers of any
// size for the mix of one word.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "core/base/hash.h"

// Longer than 240 bytes: XXH3 goes another way from there on.
#define LONG_KEY                                                                                   \
    "a key that is longer than what the short ways of the hash take: 240 bytes are, and this "     \
    "one goes on until it is over that, which takes some more words than one would think, and "    \
    "then some, and then a few more, so that it is really long enough"

static void test_hash_values_are_frozen(void **state)
{
    (void)state;
    assert_true(hash_bytes("", 0) == 0x2d06800538d394c2u);
    assert_true(hash_slice(slice_of("d0000001")) == 0xbcac12ebe314e49cu);
    assert_int_equal(strlen(LONG_KEY), 241);
    assert_true(hash_slice(slice_of(LONG_KEY)) == 0x931850a18b45e340u);
    assert_true(hash_bytes("dim00", 5) == hash_slice(slice_of("dim00")));
}

static void test_hash_u64_values_are_frozen(void **state)
{
    (void)state;
    assert_true(hash_u64(0) == 0);
    assert_true(hash_u64(1) == 0xb456bcfc34c2cb2cu);
    assert_true(hash_u64(UINT64_MAX) == 0x64b5720b4b825f21u);
}

// A changed bit changes about half of the bits, whichever it is.
static void test_hash_u64_spreads_each_bit(void **state)
{
    (void)state;
    for (int bit = 0; bit < 64; bit++) {
        int changed = 0;
        for (uint64_t x = 1; x <= 256; x++)
            changed += __builtin_popcountll(hash_u64(x * 977) ^ hash_u64(x * 977 ^ 1ull << bit));
        assert_in_range(changed / 256, 28, 36);
    }
}

// Keys that differ in one digit fall evenly into few shards (high bits) and few slots (low bits).
static void test_hash_spreads_similar_keys(void **state)
{
    (void)state;
    int shards[7] = {0}, slots[8] = {0};
    char key[256]; // roomy, because the hash is inlined for every length
    for (int i = 0; i < 70000; i++) {
        int n = snprintf(key, sizeof(key), "d%07d", i);
        uint64_t hash = hash_bytes(key, (size_t)n);
        shards[(unsigned __int128)hash * 7 >> 64]++;
        slots[hash & 7]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(shards[i], 9500, 10500);
    for (int i = 0; i < 8; i++)
        assert_in_range(slots[i], 8250, 9250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_values_are_frozen),
        cmocka_unit_test(test_hash_u64_values_are_frozen),
        cmocka_unit_test(test_hash_u64_spreads_each_bit),
        cmocka_unit_test(test_hash_spreads_similar_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
