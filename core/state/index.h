// index.h: the hash index of tables: extendible hashing over segments.
//
// A directory of 2^depth entries, picked by the top bits of the mixed hash, leads to segments of 16
// to 3,072 slots of 8 bytes, probed linearly. A slot is a record's place (38 bits, units of 4
// bytes) and 26 more bits of the hash, of which the top ones are the home position, so that a
// segment can be made larger without a look at the records. A full one of 3,072 is split in two:
// the only time that records are read again, a few thousand at most. (Fagin et al., Extendible
// Hashing, TODS 1979.)
//
// New segments are fresh memory and old ones are freed, so growing logs next to nothing.
#ifndef WEIR_CORE_STATE_INDEX_H
#define WEIR_CORE_STATE_INDEX_H

#include "core/base/hash.h"
#include "core/state/arena.h"

// The head of every indexed record. Then, when short_len is 0xffff, the length as 32 bits; then the
// key.
struct record {
    uint32_t index;
    uint16_t short_len;
};

// Keys to look up together; hashes[i] is hash_slice(keys[i]).
struct key_batch {
    uint32_t count;
    const uint64_t *hashes;
    const struct slice *keys;
};

enum { RECORD_HEAD_BYTES = 6, RECORD_LONG = 0xffff, INDEX_DEPTH_MAX = 22, INDEX_BATCH_ROWS = 64 };

static inline struct slice record_key(const void *record)
{
    const uint8_t *p = record;
    uint16_t short_len;
    memcpy(&short_len, p + 4, 2);
    if (LIKELY(short_len != RECORD_LONG))
        return slice_make(p + RECORD_HEAD_BYTES, short_len);
    uint32_t len;
    memcpy(&len, p + RECORD_HEAD_BYTES, 4);
    return slice_make(p + RECORD_HEAD_BYTES + 4, len);
}

// Is this the record of `key`? A call of memcmp costs more than most keys here.
static inline bool record_is(const void *record, struct slice key)
{
    struct slice held = record_key(record);
    if (held.len != key.len)
        return false;
    const uint8_t *p = (const uint8_t *)held.ptr, *q = (const uint8_t *)key.ptr;
    if (UNLIKELY(key.len < 8 || key.len > 16))
        return key.len == 0 || memcmp(p, q, key.len) == 0; // an empty key may be nowhere
    uint64_t a, b, c, d;
    memcpy(&a, p, 8);
    memcpy(&b, q, 8);
    memcpy(&c, p + key.len - 8, 8);
    memcpy(&d, q + key.len - 8, 8);
    return ((a ^ b) | (c ^ d)) == 0;
}

// Bytes of head and key of a record there is, or of one with a key of `len` bytes.
static inline uint64_t record_bytes(uint64_t len)
{
    return RECORD_HEAD_BYTES + (len >= RECORD_LONG ? 4u : 0u) + len;
}

static inline uint64_t record_head_bytes(const void *record)
{
    return record_bytes(record_key(record).len);
}

static inline void record_write(void *record, uint32_t index, struct slice key)
{
    uint8_t *p = record;
    uint16_t short_len = key.len >= RECORD_LONG ? RECORD_LONG : (uint16_t)key.len;
    memcpy(p, &index, 4);
    memcpy(p + 4, &short_len, 2);
    p += RECORD_HEAD_BYTES;
    if (short_len == RECORD_LONG) {
        uint32_t len = (uint32_t)key.len;
        memcpy(p, &len, 4);
        p += 4;
    }
    if (key.len)
        memcpy(p, key.ptr, key.len);
}

struct index_head {     // all zero: empty
    uint64_t directory; // depth 0: the only entry itself; else the offset of 2^depth entries
    uint64_t depth;
};

// An entry: segment offset (16-aligned; 0: no segment) | size code | local depth << 48.
static inline uint64_t index_entry_segment(uint64_t entry)
{
    return entry & UINT64_C(0xfffffffffff0);
}

static inline uint64_t index_entry_slots(uint64_t entry)
{
    uint64_t code = entry & 15;
    return code < 8 ? UINT64_C(16) << code : 3072;
}

// Mixed, so that the bits which chose the shard or key group do not thin out the directory.
static inline uint64_t index_mix(uint64_t hash)
{
    return hash * UINT64_C(0x9e3779b97f4a7c15);
}

static inline uint64_t index_tag(uint64_t mixed)
{
    return mixed >> 12 & ((1 << 26) - 1);
}

static inline uint64_t index_home(uint64_t tag, uint64_t slots)
{
    return tag * slots >> 26;
}

// The directory entry that a hash leads to.
static inline uint64_t index_entry(const struct arena *a, uint64_t head, uint64_t mixed)
{
    const struct index_head *h = arena_at(a, head);
    if (h->depth == 0)
        return h->directory;
    return arena_word(a, h->directory + (mixed >> (64 - h->depth)) * 8);
}

// The offset of the home slot of a hash, 0 when there is no segment. For prefetching.
static inline uint64_t index_home_slot(const struct arena *a, uint64_t head, uint64_t hash)
{
    uint64_t mixed = index_mix(hash);
    uint64_t entry = index_entry(a, head, mixed);
    uint64_t segment = index_entry_segment(entry);
    return segment ? segment + index_home(index_tag(mixed), index_entry_slots(entry)) * 8 : 0;
}

static inline uint64_t index_slot_record(uint64_t slot)
{
    return slot >> 26 << 2;
}

static inline uint64_t index_slot_tag(uint64_t slot)
{
    return slot & ((1 << 26) - 1);
}

// The first record whose slot carries the hash's tag, most likely the right one; 0: surely absent.
uint64_t index_candidate(const struct arena *a, uint64_t head, uint64_t hash);

// The first passes of a look-up of rows from, from + 1 .. of a batch, at most INDEX_BATCH_ROWS: all
// home slots are fetched, then all candidates, into candidates[0] ... Returns the row after the
// last.
uint32_t index_prefetch_rows(const struct arena *a, uint64_t head, const struct key_batch *batch,
                             uint32_t from, uint64_t *candidates);

// The record with this key, or 0.
uint64_t index_find(const struct arena *a, uint64_t head, uint64_t hash, struct slice key);

// Add a record (4-aligned) whose key is not there. -ENOSPC, -EOVERFLOW.
int index_insert(struct arena *a, uint64_t head, uint64_t hash, uint64_t record);

// Take a record out; it must be there.
void index_remove(struct arena *a, uint64_t head, uint64_t hash, uint64_t record);

// Free segments, at most *budget (counted down). 1: done, the index is empty; 0: call again.
int index_drop_step(struct arena *a, uint64_t head, uint32_t *budget);

// Every record, in no order.
void index_visit(const struct arena *a, uint64_t head,
                 void (*visit)(void *context, uint64_t record), void *context);

// Structure check for tests: every record is found by its own key. Returns the number of records.
uint64_t index_check(const struct arena *a, uint64_t head);

#endif
