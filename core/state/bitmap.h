// bitmap.h: a set of 64-bit numbers in containers of 65,536, as in Roaring (Lemire et al., 2016).
//
// A container is a sorted array of 16-bit numbers (up to 512: 1 KiB, its sizes double) or, beyond,
// a bitset of 8 KiB: Roaring turns at 4,096, where the bytes are equal, but an array moves and logs
// half of itself at each insert. A sorted directory of containers is searched at the place where
// dense numbers would be. The head holds the cardinality, so a distinct count is one load.
#ifndef WEIR_CORE_STATE_BITMAP_H
#define WEIR_CORE_STATE_BITMAP_H

#include "core/state/arena.h"

enum { BITMAP_BITSET_BYTES = 8192, BITMAP_ARRAY_MAX = 512, BITMAP_BITSET = 15 };

struct bitmap_head { // inside a block of the caller's; all zero: empty
    uint64_t cardinality;
    uint64_t directory; // offset of `capacity` struct bitmap_entry, sorted by key
    uint32_t count, capacity;
    uint64_t scale; // 2^32 * count / (last key + 1): where a key would be if they were even
};

struct bitmap_entry {
    uint64_t
        key_count; // number >> 16 in the upper 48 bits; array: how many numbers in the lower 16
    uint64_t container; // offset (16-aligned) | BITMAP_BITSET, or the log2 of the array's room / 8
};

static inline uint64_t bitmap_cardinality(const struct arena *a, uint64_t head)
{
    return ((const struct bitmap_head *)arena_at(a, head))->cardinality;
}

// The offset of the entry of number >> 16; 0: none.
uint64_t bitmap_search(const struct arena *a, uint64_t head, uint64_t key);

static inline uint64_t bitmap_entry_of(const struct arena *a, uint64_t head, uint64_t number)
{
    const struct bitmap_head *h = arena_at(a, head);
    uint64_t key = number >> 16;
    uint64_t guess = key * h->scale >> 32;
    if (LIKELY(guess < h->count)) {
        uint64_t entry = h->directory + guess * sizeof(struct bitmap_entry);
        if (LIKELY(arena_word(a, entry) >> 16 == key))
            return entry;
    }
    return bitmap_search(a, head, key);
}

// Any container: may make, grow or turn one into a bitset.
int bitmap_add_slow(struct arena *a, uint64_t head, uint64_t number);

// Add to the set. 1: it is new; 0: it was there; -ENOSPC.
static inline int bitmap_add(struct arena *a, uint64_t head, uint64_t number)
{
    uint64_t entry = bitmap_entry_of(a, head, number);
    if (UNLIKELY(!entry))
        return bitmap_add_slow(a, head, number);
    uint64_t container = arena_word(a, entry + offsetof(struct bitmap_entry, container));
    if (UNLIKELY((container & 15) != BITMAP_BITSET))
        return bitmap_add_slow(a, head, number);
    uint64_t word = (container & ~UINT64_C(15)) + ((number & 0xffff) >> 6) * 8;
    uint64_t bits = arena_word(a, word);
    uint64_t bit = UINT64_C(1) << (number & 63);
    if (bits & bit)
        return 0;
    arena_store8(a, word, bits | bit);
    arena_store8_once(a, head, arena_word(a, head) + 1);
    return 1;
}

// Fetch the head and, when it is there, the directory's part: before bitmap_prefetch_number.
static inline void bitmap_prefetch(const struct arena *a, uint64_t head)
{
    arena_prefetch(a, head);
}

// Where a number would be in an array of `count` that were spread evenly.
static inline uint32_t bitmap_array_guess(uint32_t count, uint16_t low_bits)
{
    return count * low_bits >> 16;
}

// Fetch what bitmap_add(number) will look at first. Reads the head and the directory.
static inline void bitmap_prefetch_number(const struct arena *a, uint64_t head, uint64_t number)
{
    uint64_t entry = bitmap_entry_of(a, head, number);
    if (!entry)
        return;
    uint64_t container = arena_word(a, entry + offsetof(struct bitmap_entry, container));
    uint32_t count = (uint16_t)arena_word(a, entry);
    uint64_t at = (container & 15) == BITMAP_BITSET
                      ? (number & 0xffff) >> 3
                      : bitmap_array_guess(count, (uint16_t)number) * 2ul;
    arena_prefetch(a, (container & ~UINT64_C(15)) + at);
}

// numbers[i] into the set at heads[i]; added[i] = 1 when it was new there (may be NULL). Memory is
// fetched ahead. -ENOSPC.
int bitmap_add_batch(struct arena *a, uint32_t n, const uint64_t *heads, const uint64_t *numbers,
                     uint8_t *added);

bool bitmap_contains(const struct arena *a, uint64_t head, uint64_t number);

// The smallest number >= *number that is in the set. 1: it is in *number now; 0: there is none.
// Iterate: n = 0; while (bitmap_next(a, head, &n)) { use n; if (++n == 0) break; }
int bitmap_next(const struct arena *a, uint64_t head, uint64_t *number);

// Free everything, at most `budget` containers a call, from the last on. 1: done, empty; 0: call
// again. In between only this is allowed.
int bitmap_drop_step(struct arena *a, uint64_t head, uint32_t budget);

#endif
