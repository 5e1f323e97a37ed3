// hash.h: the one hash of the house: XXH3, 64 bits (see docs/decisions). It decides which shard
// owns a key, so it is part of the state's format: it never changes between versions.
#ifndef WEIR_CORE_BASE_HASH_H
#define WEIR_CORE_BASE_HASH_H

#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/base/slice.h"

static inline uint64_t hash_bytes(const void *bytes, size_t len)
{
    return XXH3_64bits(bytes, len);
}

static inline uint64_t hash_slice(struct slice s)
{
    return XXH3_64bits(s.ptr, s.len);
}

// A full-avalanche mix of one word (the finaliser of MurmurHash3).
static inline uint64_t hash_u64(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53u;
    return x ^ (x >> 33);
}

#endif
