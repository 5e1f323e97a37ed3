// bitmap.c: sets of numbers; see bitmap.h.
//
// Invariants: entries ascend strictly by key; an array container ascends strictly; no container is
// empty. An array that grows is written anew in fresh memory, the old one freed, so that only an
// insert that stays in place logs what moves.
#include "core/state/bitmap.h"

#include <errno.h>

enum { BATCH_ROWS = 64, ARRAY_ROOM_MIN = 8, DIRECTORY_LOG_MAX = 4096, ENTRY = 16 };

static_assert(sizeof(struct bitmap_entry) == ENTRY, "layout");
static_assert(offsetof(struct bitmap_head, cardinality) == 0, "bitmap_add counts there");

static const struct bitmap_head *head_of(const struct arena *a, uint64_t head)
{
    return arena_at(a, head);
}

static const struct bitmap_entry *entry_of(const struct arena *a, uint64_t entry)
{
    return arena_at(a, entry);
}

static uint32_t array_count(const struct bitmap_entry *e)
{
    return e->key_count & 0xffff;
}

static bool is_bitset(const struct bitmap_entry *e)
{
    return (e->container & 15) == BITMAP_BITSET;
}

static uint64_t array_room(const struct bitmap_entry *e)
{
    return (uint64_t)ARRAY_ROOM_MIN << (e->container & 15);
}

static uint64_t container_of(const struct bitmap_entry *e)
{
    return e->container & ~UINT64_C(15);
}

static uint64_t container_bytes(const struct bitmap_entry *e)
{
    return is_bitset(e) ? (uint64_t)BITMAP_BITSET_BYTES : array_room(e) * 2;
}

// --- the directory ---

// How many entries have a smaller key.
static uint32_t directory_lower(const struct arena *a, uint64_t head, uint64_t key)
{
    const struct bitmap_head *h = head_of(a, head);
    uint32_t low = 0, high = h->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (entry_of(a, h->directory + middle * (uint64_t)ENTRY)->key_count >> 16 < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t bitmap_search(const struct arena *a, uint64_t head, uint64_t key)
{
    const struct bitmap_head *h = head_of(a, head);
    uint32_t at = directory_lower(a, head, key);
    uint64_t entry = h->directory + at * (uint64_t)ENTRY;
    return at < h->count && entry_of(a, entry)->key_count >> 16 == key ? entry : 0;
}

static void store_counts(struct arena *a, uint64_t head, uint32_t count, uint32_t capacity)
{
    uint64_t both = count | (uint64_t)capacity << 32;
    arena_store8_once(a, head + offsetof(struct bitmap_head, count), both);
}

// A gap at entry `at`: in place when little moves, else in a new directory.
static int directory_gap(struct arena *a, uint64_t head, uint32_t at)
{
    struct bitmap_head h = *head_of(a, head);
    uint64_t tail = (h.count - at) * (uint64_t)ENTRY;
    uint64_t gap = h.directory + at * (uint64_t)ENTRY;
    if (h.count < h.capacity && tail <= DIRECTORY_LOG_MAX) {
        uint8_t *p = arena_touch(a, gap, tail + ENTRY);
        memmove(p + ENTRY, p, tail);
        store_counts(a, head, h.count + 1, h.capacity);
        return 0;
    }
    uint32_t capacity = h.count < h.capacity ? h.capacity : h.capacity * 2;
    capacity = capacity ? capacity : 1;
    uint64_t directory;
    int r = arena_alloc(a, capacity * (uint64_t)ENTRY, &directory);
    if (r)
        return r;
    uint8_t *p = arena_fresh(a, directory);
    if (h.count) {
        memcpy(p, arena_at(a, h.directory), at * (uint64_t)ENTRY);
        memcpy(p + (at + 1) * (uint64_t)ENTRY, arena_at(a, gap), tail);
        arena_free(a, h.directory, h.capacity * (uint64_t)ENTRY);
    }
    arena_store8_once(a, head + offsetof(struct bitmap_head, directory), directory);
    store_counts(a, head, h.count + 1, capacity);
    return 0;
}

static void store_scale(struct arena *a, uint64_t head)
{
    const struct bitmap_head *h = head_of(a, head);
    uint64_t last = entry_of(a, h->directory + (h->count - 1) * (uint64_t)ENTRY)->key_count >> 16;
    arena_store8_once(a, head + offsetof(struct bitmap_head, scale),
                      ((uint64_t)h->count << 32) / (last + 1));
}

static void store_entry(struct arena *a, uint64_t entry, uint64_t key_count, uint64_t container)
{
    arena_store8(a, entry, key_count);
    arena_store8(a, entry + 8, container);
}

// The first number of a container.
static int add_container(struct arena *a, uint64_t head, uint64_t number)
{
    uint64_t container;
    uint32_t at = directory_lower(a, head, number >> 16);
    int r = arena_alloc(a, ARRAY_ROOM_MIN * 2, &container);
    if (!r)
        r = directory_gap(a, head, at);
    if (r)
        return r;
    *(uint16_t *)arena_fresh(a, container) = (uint16_t)number;
    store_entry(a, head_of(a, head)->directory + at * (uint64_t)ENTRY,
                (number & ~UINT64_C(0xffff)) | 1, container);
    store_scale(a, head);
    return 1;
}

// --- arrays ---

// How many of numbers[low, high) are smaller, plus low. Without branches that chance decides.
static uint32_t lower_between(const uint16_t *numbers, uint32_t low, uint32_t high,
                              uint16_t low_bits)
{
    uint32_t n = high - low;
    while (n > 1) {
        uint32_t half = n / 2;
        low += numbers[low + half - 1] < low_bits ? half : 0;
        n -= half;
    }
    return low + (n && numbers[low] < low_bits);
}

// How many numbers of the array are smaller: near where it would be if they were even, or else
// anywhere.
static uint32_t array_lower(const uint16_t *numbers, uint32_t count, uint16_t low_bits)
{
    enum { NEAR = 24 };
    if (count && numbers[count - 1] < low_bits) // dense numbers mostly come in order
        return count;
    uint32_t guess = bitmap_array_guess(count, low_bits);
    uint32_t low = guess > NEAR ? guess - NEAR : 0;
    uint32_t high = count - guess > NEAR ? guess + NEAR : count;
    if (low > 0 && numbers[low - 1] >= low_bits)
        return lower_between(numbers, 0, low - 1, low_bits);
    if (high < count && numbers[high] < low_bits)
        return lower_between(numbers, high + 1, count, low_bits);
    return lower_between(numbers, low, high, low_bits);
}

// The array and one number more, as a bitset.
static int array_to_bitset(struct arena *a, uint64_t entry, uint16_t low_bits)
{
    struct bitmap_entry e = *entry_of(a, entry);
    uint64_t container;
    int r = arena_alloc(a, BITMAP_BITSET_BYTES, &container);
    if (r)
        return r;
    const uint16_t *numbers = arena_at(a, container_of(&e));
    uint64_t *words = arena_fresh(a, container);
    for (uint32_t i = 0; i < array_count(&e); i++)
        words[numbers[i] >> 6] |= UINT64_C(1) << (numbers[i] & 63);
    words[low_bits >> 6] |= UINT64_C(1) << (low_bits & 63);
    arena_free(a, container_of(&e), container_bytes(&e));
    store_entry(a, entry, e.key_count & ~UINT64_C(0xffff), container | BITMAP_BITSET);
    return 1;
}

// The array with one number more at `at`, in twice the room.
static int array_enlarge(struct arena *a, uint64_t entry, uint32_t at, uint16_t low_bits)
{
    struct bitmap_entry e = *entry_of(a, entry);
    uint64_t container;
    int r = arena_alloc(a, container_bytes(&e) * 2, &container);
    if (r)
        return r;
    const uint16_t *numbers = arena_at(a, container_of(&e));
    uint16_t *to = arena_fresh(a, container);
    memcpy(to, numbers, at * sizeof *to);
    to[at] = low_bits;
    memcpy(to + at + 1, numbers + at, (array_count(&e) - at) * sizeof *to);
    arena_free(a, container_of(&e), container_bytes(&e));
    store_entry(a, entry, e.key_count + 1, container | ((e.container & 15) + 1));
    return 1;
}

static int array_add(struct arena *a, uint64_t entry, uint16_t low_bits)
{
    const struct bitmap_entry *e = entry_of(a, entry);
    const uint16_t *numbers = arena_at(a, container_of(e));
    uint32_t count = array_count(e);
    uint32_t at = array_lower(numbers, count, low_bits);
    if (at < count && numbers[at] == low_bits)
        return 0;
    if (count == BITMAP_ARRAY_MAX)
        return array_to_bitset(a, entry, low_bits);
    if (count == array_room(e))
        return array_enlarge(a, entry, at, low_bits);
    uint64_t moved = (count - at) * sizeof(uint16_t);
    uint16_t *to = arena_touch(a, container_of(e) + at * sizeof(uint16_t), moved + 2);
    memmove(to + 1, to, moved);
    *to = low_bits;
    arena_store8_once(a, entry, e->key_count + 1);
    return 1;
}

// --- the interface ---

static int bitset_add(struct arena *a, uint64_t container, uint16_t low_bits)
{
    uint64_t word = container + (low_bits >> 6) * 8ul;
    uint64_t bits = arena_word(a, word), bit = UINT64_C(1) << (low_bits & 63);
    if (bits & bit)
        return 0;
    arena_store8(a, word, bits | bit);
    return 1;
}

int bitmap_add_slow(struct arena *a, uint64_t head, uint64_t number)
{
    uint64_t entry = bitmap_entry_of(a, head, number);
    int r;
    if (!entry)
        r = add_container(a, head, number);
    else if (is_bitset(entry_of(a, entry)))
        r = bitset_add(a, container_of(entry_of(a, entry)), (uint16_t)number);
    else
        r = array_add(a, entry, (uint16_t)number);
    if (r == 1)
        arena_store8_once(a, head, head_of(a, head)->cardinality + 1);
    return r;
}

int bitmap_add_batch(struct arena *a, uint32_t n, const uint64_t *heads, const uint64_t *numbers,
                     uint8_t *added)
{
    for (uint32_t from = 0; from < n; from += BATCH_ROWS) {
        uint32_t to = n - from < BATCH_ROWS ? n : from + BATCH_ROWS;
        for (uint32_t i = from; i < to; i++)
            bitmap_prefetch(a, heads[i]);
        for (uint32_t i = from; i < to; i++)
            bitmap_prefetch_number(a, heads[i], numbers[i]);
        for (uint32_t i = from; i < to; i++) {
            int r = bitmap_add(a, heads[i], numbers[i]);
            if (r < 0)
                return r;
            if (added)
                added[i] = (uint8_t)r;
        }
    }
    return 0;
}

bool bitmap_contains(const struct arena *a, uint64_t head, uint64_t number)
{
    uint64_t entry = bitmap_entry_of(a, head, number);
    if (!entry)
        return false;
    const struct bitmap_entry *e = entry_of(a, entry);
    uint16_t low_bits = (uint16_t)number;
    if (is_bitset(e))
        return arena_word(a, container_of(e) + (low_bits >> 6) * 8ul) >> (low_bits & 63) & 1;
    const uint16_t *numbers = arena_at(a, container_of(e));
    uint32_t at = array_lower(numbers, array_count(e), low_bits);
    return at < array_count(e) && numbers[at] == low_bits;
}

// The smallest number >= low_bits of a container, or 65,536.
static uint32_t container_next(const struct arena *a, const struct bitmap_entry *e,
                               uint32_t low_bits)
{
    if (!is_bitset(e)) {
        const uint16_t *numbers = arena_at(a, container_of(e));
        uint32_t at = array_lower(numbers, array_count(e), (uint16_t)low_bits);
        return at < array_count(e) ? numbers[at] : 1u << 16;
    }
    uint64_t bits = arena_word(a, container_of(e) + (low_bits >> 6) * 8ul);
    bits &= ~UINT64_C(0) << (low_bits & 63);
    for (uint32_t word = low_bits >> 6; !bits; bits = arena_word(a, container_of(e) + word * 8ul))
        if (++word == BITMAP_BITSET_BYTES / 8)
            return 1u << 16;
        else
            low_bits = word << 6;
    return (low_bits & ~63u) + (uint32_t)__builtin_ctzll(bits);
}

int bitmap_next(const struct arena *a, uint64_t head, uint64_t *number)
{
    const struct bitmap_head *h = head_of(a, head);
    uint64_t key = *number >> 16;
    uint32_t low_bits = (uint16_t)*number;
    for (uint32_t at = directory_lower(a, head, key); at < h->count; at++) {
        const struct bitmap_entry *e = entry_of(a, h->directory + at * (uint64_t)ENTRY);
        if (e->key_count >> 16 != key)
            low_bits = 0;
        uint32_t found = container_next(a, e, low_bits);
        if (found < 1u << 16) {
            *number = (e->key_count & ~UINT64_C(0xffff)) | found;
            return 1;
        }
        low_bits = 0;
    }
    return 0;
}

int bitmap_drop_step(struct arena *a, uint64_t head, uint32_t budget)
{
    struct bitmap_head h = *head_of(a, head);
    CHECK(budget > 0);
    for (; h.count && budget; budget--) {
        const struct bitmap_entry *e = entry_of(a, h.directory + --h.count * (uint64_t)ENTRY);
        arena_free(a, container_of(e), container_bytes(e));
    }
    if (h.count) {
        store_counts(a, head, h.count, h.capacity);
        return 0;
    }
    if (h.capacity)
        arena_free(a, h.directory, h.capacity * (uint64_t)ENTRY);
    memset(arena_touch(a, head, sizeof h), 0, sizeof h);
    return 1;
}
