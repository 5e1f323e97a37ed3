// index.c: extendible hashing over segments of slots; see index.h.
//
// Invariants: a record lies in the segment that its directory bits name, between its home slot and
// the first empty slot after it (cyclically). A segment of local depth d is named by the 2^(depth -
// d) directory entries that begin with its d bits.
//
// A segment is too full when an insert would probe further than PROBE_MAX: there is no count to
// keep, so an insert changes one slot. When that happens in a segment that is half empty, by bad
// luck or by keys that were made to collide, it is no reason to grow at the last size.
#include "core/state/index.h"

#include <errno.h>

enum {
    PROBE_MAX = 32,
    CODE_SPLIT = 7,           // the size that halves begin with
    CODE_MAX = 8,             // 3,072 slots: beyond, split
    DIRECTORY_LOG_MAX = 4096, // a longer change copies the directory instead of logging it
};

static uint64_t entry_make(uint64_t segment, uint64_t code, uint64_t local_depth)
{
    return segment | code | local_depth << 48;
}

static uint64_t entry_local_depth(uint64_t entry)
{
    return entry >> 48;
}

static uint64_t slot_make(uint64_t record, uint64_t mixed)
{
    CHECK_DEBUG(record % 4 == 0 && record < ARENA_BYTES_MAX);
    return record >> 2 << 26 | index_tag(mixed);
}

static const uint64_t *slots_of(const struct arena *a, uint64_t segment)
{
    return arena_at(a, segment);
}

// --- look-ups ---

uint64_t index_candidate(const struct arena *a, uint64_t head, uint64_t hash)
{
    uint64_t mixed = index_mix(hash);
    uint64_t entry = index_entry(a, head, mixed);
    uint64_t segment = index_entry_segment(entry);
    if (!segment)
        return 0;
    uint64_t count = index_entry_slots(entry), tag = index_tag(mixed);
    const uint64_t *slots = slots_of(a, segment);
    for (uint64_t i = index_home(tag, count), n = 0; n < count; n++) {
        uint64_t slot = slots[i];
        if (!slot)
            return 0;
        if (index_slot_tag(slot) == tag)
            return index_slot_record(slot);
        i = i + 1 == count ? 0 : i + 1;
    }
    return 0;
}

uint32_t index_prefetch_rows(const struct arena *a, uint64_t head, const struct key_batch *batch,
                             uint32_t from, uint64_t *candidates)
{
    uint64_t homes[INDEX_BATCH_ROWS];
    const uint64_t *hashes = batch->hashes + from;
    uint32_t left = batch->count - from;
    uint32_t rows = left < INDEX_BATCH_ROWS ? left : INDEX_BATCH_ROWS;
    for (uint32_t i = 0; i < rows; i++) {
        homes[i] = index_home_slot(a, head, hashes[i]);
        if (homes[i])
            arena_prefetch(a, homes[i]);
    }
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t slot = homes[i] ? arena_word(a, homes[i]) : 0;
        // Most keys are at home.
        bool at_home = !slot || index_slot_tag(slot) == index_tag(index_mix(hashes[i]));
        candidates[i] = at_home ? index_slot_record(slot) : index_candidate(a, head, hashes[i]);
        if (candidates[i])
            arena_prefetch(a, candidates[i]);
    }
    return from + rows;
}

uint64_t index_find(const struct arena *a, uint64_t head, uint64_t hash, struct slice key)
{
    uint64_t mixed = index_mix(hash);
    uint64_t entry = index_entry(a, head, mixed);
    uint64_t segment = index_entry_segment(entry);
    if (!segment)
        return 0;
    uint64_t count = index_entry_slots(entry), tag = index_tag(mixed);
    const uint64_t *slots = slots_of(a, segment);
    for (uint64_t i = index_home(tag, count), n = 0; n < count; n++) {
        uint64_t slot = slots[i];
        if (!slot)
            return 0;
        uint64_t record = index_slot_record(slot);
        if (index_slot_tag(slot) == tag && record_is(arena_at(a, record), key))
            return record;
        i = i + 1 == count ? 0 : i + 1;
    }
    return 0;
}

// --- the directory ---

static const struct index_head *head_of(const struct arena *a, uint64_t head)
{
    return arena_at(a, head);
}

// A copy with 2^more entries for each entry, in fresh memory.
static int directory_copy(struct arena *a, uint64_t head, uint32_t more)
{
    struct index_head old = *head_of(a, head);
    uint64_t count = UINT64_C(1) << (old.depth + more);
    uint64_t directory;
    int r = arena_alloc(a, count * 8, &directory);
    if (r)
        return r;
    uint64_t *to = arena_fresh(a, directory);
    for (uint64_t i = 0; i < count; i++)
        to[i] = old.depth ? arena_word(a, old.directory + (i >> more) * 8) : old.directory;
    if (old.depth)
        arena_free(a, old.directory, 8ul << old.depth);
    arena_store8(a, head, directory);
    arena_store8(a, head + 8, old.depth + more);
    return 0;
}

// Entries for all hashes that share the first `local_depth` bits with `mixed`.
static int directory_set(struct arena *a, uint64_t head, uint64_t mixed, uint64_t entry)
{
    uint64_t depth = head_of(a, head)->depth;
    uint64_t wide = depth - entry_local_depth(entry);
    CHECK(entry_local_depth(entry) <= depth);
    if (depth == 0) {
        arena_store8(a, head, entry);
        return 0;
    }
    uint64_t count = UINT64_C(1) << wide;
    uint64_t first = (mixed >> (64 - depth)) & ~(count - 1);
    bool logged = count * 8 <= DIRECTORY_LOG_MAX;
    if (!logged) {
        int r = directory_copy(a, head, 0);
        if (r)
            return r;
    }
    uint64_t at = head_of(a, head)->directory + first * 8;
    uint64_t *to = logged ? arena_touch(a, at, count * 8) : arena_fresh(a, at);
    for (uint64_t i = 0; i < count; i++)
        to[i] = entry;
    return 0;
}

// --- growing ---

// The first empty slot from the home of `mixed` on, not further than `probes`; `count`: none.
static uint64_t empty_slot(const uint64_t *slots, uint64_t count, uint64_t tag, uint64_t probes)
{
    uint64_t i = index_home(tag, count);
    for (uint64_t n = 0; n < probes; n++) {
        if (!slots[i])
            return i;
        i = i + 1 == count ? 0 : i + 1;
    }
    return count;
}

static void place(uint64_t *slots, uint64_t count, uint64_t slot)
{
    uint64_t i = empty_slot(slots, count, index_slot_tag(slot), count);
    CHECK(i < count);
    slots[i] = slot;
}

// The next size, in place of the old one. No record is read.
static int segment_enlarge(struct arena *a, uint64_t head, uint64_t mixed, uint64_t entry)
{
    uint64_t code = (entry & 15) + 1, segment;
    uint64_t larger = entry_make(0, code, entry_local_depth(entry));
    uint64_t count = index_entry_slots(larger), old_count = index_entry_slots(entry);
    int r = arena_alloc(a, count * 8, &segment);
    if (r)
        return r;
    const uint64_t *old = slots_of(a, index_entry_segment(entry));
    uint64_t *slots = arena_fresh(a, segment);
    for (uint64_t i = 0; i < old_count; i++)
        if (old[i])
            place(slots, count, old[i]);
    arena_free(a, index_entry_segment(entry), old_count * 8);
    return directory_set(a, head, mixed, larger | segment);
}

static uint64_t record_mixed(const struct arena *a, uint64_t slot)
{
    return index_mix(hash_slice(record_key(arena_at(a, index_slot_record(slot)))));
}

// Where the slots of a segment that is split go.
struct split {
    uint64_t counts[2];
    uint8_t sides[3072]; // 0, 1; 2: an empty slot
};

// Decide for each slot, its record fetched ahead.
static void split_sides(const struct arena *a, uint64_t entry, struct split *split)
{
    enum { AHEAD = 16 };
    const uint64_t *slots = slots_of(a, index_entry_segment(entry));
    uint64_t count = index_entry_slots(entry);
    uint64_t shift = 63 - entry_local_depth(entry);
    for (uint64_t i = 0; i < count; i++) {
        if (i + AHEAD < count && slots[i + AHEAD])
            arena_prefetch(a, index_slot_record(slots[i + AHEAD]));
        split->sides[i] = 2;
        if (!slots[i])
            continue;
        split->sides[i] = record_mixed(a, slots[i]) >> shift & 1;
        split->counts[split->sides[i]]++;
    }
}

// One half of a segment that is split; an empty half has no segment.
static int split_half(struct arena *a, uint64_t entry, const struct split *split, int side,
                      uint64_t *half)
{
    uint64_t code = CODE_SPLIT, segment, records = split->counts[side];
    *half = entry_make(0, 0, entry_local_depth(entry) + 1);
    if (!records)
        return 0;
    if (records > index_entry_slots(code) * 3 / 4)
        code = CODE_MAX;
    uint64_t count = index_entry_slots(code);
    int r = arena_alloc(a, count * 8, &segment);
    if (r)
        return r;
    const uint64_t *old = slots_of(a, index_entry_segment(entry));
    uint64_t *slots = arena_fresh(a, segment);
    for (uint64_t i = 0; i < index_entry_slots(entry); i++)
        if (split->sides[i] == side)
            place(slots, count, old[i]);
    *half |= segment | code;
    return 0;
}

static int segment_split(struct arena *a, uint64_t head, uint64_t mixed, uint64_t entry)
{
    struct split split;
    uint64_t halves[2];
    uint64_t local_depth = entry_local_depth(entry);
    int r = 0;
    if (local_depth == head_of(a, head)->depth)
        r = directory_copy(a, head, 1);
    if (r)
        return r;
    split.counts[0] = split.counts[1] = 0;
    split_sides(a, entry, &split);
    uint64_t bit = UINT64_C(1) << (63 - local_depth);
    for (int side = 0; side < 2; side++) {
        r = split_half(a, entry, &split, side, &halves[side]);
        if (!r)
            r = directory_set(a, head, side ? mixed | bit : mixed & ~bit, halves[side]);
        if (r)
            return r;
    }
    arena_free(a, index_entry_segment(entry), index_entry_slots(entry) * 8);
    return 0;
}

static bool half_empty(const uint64_t *slots, uint64_t count)
{
    uint64_t used = 0;
    for (uint64_t i = 0; i < count; i++)
        used += slots[i] != 0;
    return used < count / 2;
}

// How far an insert may probe in a segment before it must grow.
static uint64_t probe_limit(uint64_t count)
{
    return count * 3 / 4 < PROBE_MAX ? count * 3 / 4 : PROBE_MAX;
}

static int first_segment(struct arena *a, uint64_t head, uint64_t mixed, uint64_t entry)
{
    uint64_t segment;
    int r = arena_alloc(a, index_entry_slots(0) * 8, &segment);
    if (r)
        return r;
    return directory_set(a, head, mixed, entry_make(segment, 0, entry_local_depth(entry)));
}

// Make room in a segment that is too full. 1: none is to be had, the insert may probe all of it.
static int segment_grow(struct arena *a, uint64_t head, uint64_t mixed, uint64_t entry)
{
    if ((entry & 15) < CODE_MAX)
        return segment_enlarge(a, head, mixed, entry);
    if (entry_local_depth(entry) == INDEX_DEPTH_MAX ||
        half_empty(slots_of(a, index_entry_segment(entry)), index_entry_slots(entry)))
        return 1;
    return segment_split(a, head, mixed, entry);
}

int index_insert(struct arena *a, uint64_t head, uint64_t hash, uint64_t record)
{
    uint64_t mixed = index_mix(hash);
    bool anywhere = false;
    for (;;) {
        uint64_t entry = index_entry(a, head, mixed);
        uint64_t segment = index_entry_segment(entry);
        int r;
        if (!segment) {
            r = first_segment(a, head, mixed, entry);
            if (r)
                return r;
            continue;
        }
        uint64_t count = index_entry_slots(entry);
        uint64_t i = empty_slot(slots_of(a, segment), count, index_tag(mixed),
                                anywhere ? count : probe_limit(count));
        if (i < count) {
            arena_store8(a, segment + i * 8, slot_make(record, mixed));
            return 0;
        }
        if (anywhere)
            return -EOVERFLOW;
        r = segment_grow(a, head, mixed, entry);
        if (r < 0)
            return r;
        anywhere = r == 1;
    }
}

// --- removing ---

// Close the hole by moving back what was pushed beyond it (Knuth, TAOCP 3, 6.4, algorithm R).
static void close_hole(struct arena *a, uint64_t segment, uint64_t count, uint64_t hole)
{
    const uint64_t *slots = slots_of(a, segment);
    uint64_t i = hole;
    for (uint64_t n = 1; n < count; n++) {
        i = i + 1 == count ? 0 : i + 1;
        if (!slots[i])
            break;
        uint64_t home = index_home(index_slot_tag(slots[i]), count);
        uint64_t from_home = i >= home ? i - home : i + count - home;
        uint64_t from_hole = i >= hole ? i - hole : i + count - hole;
        if (from_home < from_hole)
            continue;
        arena_store8(a, segment + hole * 8, slots[i]);
        hole = i;
    }
    arena_store8(a, segment + hole * 8, 0);
}

void index_remove(struct arena *a, uint64_t head, uint64_t hash, uint64_t record)
{
    uint64_t mixed = index_mix(hash);
    uint64_t entry = index_entry(a, head, mixed);
    uint64_t segment = index_entry_segment(entry), count = index_entry_slots(entry);
    CHECK(segment);
    uint64_t want = slot_make(record, mixed);
    uint64_t i = index_home(index_tag(mixed), count);
    for (uint64_t n = 0; arena_word(a, segment + i * 8) != want; n++) {
        CHECK(n < count);
        i = i + 1 == count ? 0 : i + 1;
    }
    close_hole(a, segment, count, i);
}

// --- the end ---

int index_drop_step(struct arena *a, uint64_t head, uint32_t *budget)
{
    // While it is being dropped, the upper half of the depth word is the place in the directory.
    uint64_t depth = (uint32_t)head_of(a, head)->depth;
    uint64_t place_now = head_of(a, head)->depth >> 32;
    uint64_t directory = head_of(a, head)->directory;
    while (*budget && place_now < UINT64_C(1) << depth && directory) {
        uint64_t entry = depth ? arena_word(a, directory + place_now * 8) : directory;
        if (index_entry_segment(entry))
            arena_free(a, index_entry_segment(entry), index_entry_slots(entry) * 8);
        place_now += UINT64_C(1) << (depth - entry_local_depth(entry));
        --*budget;
    }
    if (directory && place_now < UINT64_C(1) << depth) {
        arena_store8(a, head + 8, depth | place_now << 32);
        return 0;
    }
    if (depth)
        arena_free(a, directory, 8ul << depth);
    arena_store8(a, head, 0);
    arena_store8(a, head + 8, 0);
    return 1;
}

void index_visit(const struct arena *a, uint64_t head,
                 void (*visit)(void *context, uint64_t record), void *context)
{
    const struct index_head *h = head_of(a, head);
    for (uint64_t i = 0; h->directory && i < UINT64_C(1) << h->depth;) {
        uint64_t entry = h->depth ? arena_word(a, h->directory + i * 8) : h->directory;
        uint64_t segment = index_entry_segment(entry);
        for (uint64_t s = 0; segment && s < index_entry_slots(entry); s++) {
            uint64_t record = index_slot_record(arena_word(a, segment + s * 8));
            if (record)
                visit(context, record);
        }
        i += UINT64_C(1) << (h->depth - entry_local_depth(entry));
    }
}

struct check {
    const struct arena *arena;
    uint64_t head, records;
};

static void check_record(void *context, uint64_t record)
{
    struct check *check = context;
    struct slice key = record_key(arena_at(check->arena, record));
    CHECK(index_find(check->arena, check->head, hash_slice(key), key) == record);
    check->records++;
}

uint64_t index_check(const struct arena *a, uint64_t head)
{
    struct check check = {a, head, 0};
    index_visit(a, head, check_record, &check);
    return check.records;
}
