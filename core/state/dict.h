// dict.h: dictionary: bytes -> a dense 64-bit number, for ever.
//
// The n-th key of this dictionary gets id (block << 16 | n & 65535), block = base_block + stride *
// (n >> 16): tasks that share a stride and differ in the base give numbers that never meet, in
// blocks of one bitmap container.
//
// Keys of up to 8 bytes cost 16 to 23 bytes an id, those of up to 16 bytes 26 to 39; a longer key
// costs as much as a short one, its bytes and two (dict_index.h).
#ifndef WEIR_CORE_STATE_DICT_H
#define WEIR_CORE_STATE_DICT_H

#include "core/state/arena.h"

struct dict_head {      // inside a block of the caller's; all zero: empty, base 0, stride 1
    uint64_t directory; // of the index: 2^depth entries; 0: none
    uint64_t depth;
    uint64_t count;       // keys
    uint64_t chunk;       // the newest chunk of key records; 0: none
    uint64_t chunk_place; // used << 32 | capacity, both in bytes
    uint64_t base_block, stride;
};

enum { DICT_NONE = -1 }; // as uint64_t: no id

// The head is all zero before. stride >= 1.
void dict_init(struct arena *a, uint64_t head, uint64_t base_block, uint64_t stride);

static inline uint64_t dict_count(const struct arena *a, uint64_t head)
{
    return ((const struct dict_head *)arena_at(a, head))->count;
}

// ids[i] = the number of keys[i], given now when it is new. Memory is fetched ahead.
// -ENOSPC; -EOVERFLOW: 2^32 keys, or thousands of keys with one hash; -EINVAL: a key of 512 MiB;
// -EAGAIN: the log is three quarters full and the index must grow: abort, come with fewer rows.
int dict_ids(struct arena *a, uint64_t head, uint32_t count, const struct slice *keys,
             uint64_t *ids);

// The number of `key`, or (uint64_t)DICT_NONE. Changes nothing.
uint64_t dict_find(const struct arena *a, uint64_t head, struct slice key);

// keys[n] = the n-th key that came, for all dict_count of them. Valid until the dictionary changes.
void dict_keys(const struct arena *a, uint64_t head, struct slice *keys);

// Free everything, about `budget` blocks (a few KiB each) a call. 1: done, empty, base and stride
// stay; 0: call again. In between only this is allowed.
int dict_drop_step(struct arena *a, uint64_t head, uint32_t budget);

#endif
