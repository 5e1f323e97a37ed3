// table.h: keyed state: bytes -> a record with a value of fixed size.
//
// A record stays where it is for life, so its offset may be kept. Records remember the order in
// which they came: a long scan (a window that fires) keeps an index, not a pointer, across
// transactions. The hash index grows a segment at a time, so no batch pays for a big rehash.
//
// `hash` is always hash_slice(key). Every change is logged; a value is changed through arena_touch
// at table_value. A negative return asks for an abort.
#ifndef WEIR_CORE_STATE_TABLE_H
#define WEIR_CORE_STATE_TABLE_H

#include "core/state/index.h"
#include "core/state/vec.h"

struct table_head { // inside a block of the caller's; all zero: empty, with values of 0 bytes
    struct index_head index;
    struct vec order; // record offsets by insertion index; 0: removed
    uint64_t count;   // records ever inserted: insertion indexes are 0 .. count-1
    uint64_t removed;
    uint64_t drop_cursor; // while it is being dropped: records from here on are gone; else 0
    uint32_t value_bytes;
    uint32_t reserved;
};

// Set the size of the values; the head is all zero before.
void table_init(struct arena *a, uint64_t head, uint32_t value_bytes);

static inline uint64_t table_count(const struct arena *a, uint64_t head) // ever inserted
{
    return ((const struct table_head *)arena_at(a, head))->count;
}

static inline uint64_t table_live(const struct arena *a, uint64_t head)
{
    const struct table_head *h = arena_at(a, head);
    return h->count - h->removed;
}

// The record of `key`, or 0.
uint64_t table_find(const struct arena *a, uint64_t head, uint64_t hash, struct slice key);

// The record of `key`, made with a zeroed value when it is new. 0, or -ENOSPC; -EOVERFLOW: 2^32
// records, or thousands of keys with one hash; -EINVAL: a key above 1 GiB.
int table_upsert(struct arena *a, uint64_t head, uint64_t hash, struct slice key, uint64_t *record);

// The same for each key of the batch, with memory fetched ahead. A record is new when its
// table_index is not below the table_count of before the call.
int table_upsert_batch(struct arena *a, uint64_t head, const struct key_batch *batch,
                       uint64_t *records);

// 1: removed and freed (its place in the order stays empty); 0: not there.
int table_remove(struct arena *a, uint64_t head, uint64_t hash, struct slice key);

// The record with this insertion index (< table_count), or 0 when it was removed.
static inline uint64_t table_at(const struct arena *a, uint64_t head, uint64_t index)
{
    CHECK_DEBUG(index < table_count(a, head));
    return arena_word(a, vec_slot(a, head + offsetof(struct table_head, order), index));
}

// Parts of a record. The key is valid until the record is removed.
static inline struct slice table_key(const struct arena *a, uint64_t record)
{
    return record_key(arena_at(a, record));
}

static inline uint64_t table_value(const struct arena *a, uint64_t record) // offset, 8-aligned
{
    return (record + record_head_bytes(arena_at(a, record)) + 7) & ~UINT64_C(7);
}

static inline uint32_t table_index(const struct arena *a, uint64_t record)
{
    return ((const struct record *)arena_at(a, record))->index;
}

// Free everything, about `budget` records a call, so that it can be spread over transactions. 1:
// done, the table is empty and keeps its value size; 0: call again. In between only this is
// allowed.
int table_drop_step(struct arena *a, uint64_t head, uint32_t budget);

#endif
