// vec.h: a persistent array of 64-bit words that grows at its end without ever moving much: a radix
// tree of 4 KiB nodes. What the tables keep their insertion order in and the timers their heap.
//
// The user keeps the length. A vec of up to 512 words is one leaf, which grows by doubling.
#ifndef WEIR_CORE_STATE_VEC_H
#define WEIR_CORE_STATE_VEC_H

#include "core/state/arena.h"

enum { VEC_NODE_SHIFT = 9, VEC_NODE_WORDS = 1 << VEC_NODE_SHIFT, VEC_LEAF_WORDS_MIN = 8 };

struct vec {             // all zero: empty
    uint64_t root;       // the top node; 0: none
    uint32_t depth;      // inner levels above the leaves
    uint32_t leaf_words; // room in the only leaf while depth is 0
};

// The offset of word `index`, which must have been made by vec_reserve.
static inline uint64_t vec_slot(const struct arena *a, uint64_t vec, uint64_t index)
{
    const struct vec *v = arena_at(a, vec);
    uint64_t node = v->root;
    for (uint32_t level = v->depth; level > 0; level--) {
        uint64_t digit = index >> (level * VEC_NODE_SHIFT) & (VEC_NODE_WORDS - 1);
        node = arena_word(a, node + digit * 8);
    }
    return node + (index & (VEC_NODE_WORDS - 1)) * 8;
}

// Room for word `index`, where words 0 .. index-1 have room already. A new word is 0. -ENOSPC.
int vec_reserve(struct arena *a, uint64_t vec, uint64_t index);

// Free the leaf that holds word `index`; the other leaves stay readable. Nothing may be reserved
// afterwards until vec_free.
void vec_free_leaf(struct arena *a, uint64_t vec, uint64_t index);

// Free all nodes that are left; the vec is empty then. One call: free the leaves of a long vec with
// vec_free_leaf before, a few in each transaction.
void vec_free(struct arena *a, uint64_t vec);

#endif
