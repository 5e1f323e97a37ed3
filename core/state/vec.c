// vec.c: growing and freeing the radix tree of vec.h.
#include "core/state/vec.h"

#include <errno.h>

enum { NODE_BYTES = VEC_NODE_WORDS * 8 };

static const struct vec *vec_of(const struct arena *a, uint64_t vec)
{
    return arena_at(a, vec);
}

static void store_shape(struct arena *a, uint64_t vec, uint32_t depth, uint32_t leaf_words)
{
    struct vec *v = arena_touch(a, vec + offsetof(struct vec, depth), 8);
    v = (struct vec *)((uint8_t *)v - offsetof(struct vec, depth));
    v->depth = depth;
    v->leaf_words = leaf_words;
}

// The first leaf, or one twice as large in its place.
static int grow_leaf(struct arena *a, uint64_t vec)
{
    struct vec old = *vec_of(a, vec);
    uint32_t words = old.leaf_words ? old.leaf_words * 2 : VEC_LEAF_WORDS_MIN;
    uint64_t leaf;
    int r = arena_alloc(a, words * 8ul, &leaf);
    if (r)
        return r;
    if (old.root) {
        memcpy(arena_fresh(a, leaf), arena_at(a, old.root), old.leaf_words * 8ul);
        arena_free(a, old.root, old.leaf_words * 8ul);
    }
    arena_store8(a, vec, leaf);
    store_shape(a, vec, 0, words);
    return 0;
}

// One more level on top.
static int grow_root(struct arena *a, uint64_t vec)
{
    struct vec old = *vec_of(a, vec);
    uint64_t node;
    int r = arena_alloc(a, NODE_BYTES, &node);
    if (r)
        return r;
    memcpy(arena_fresh(a, node), &old.root, 8);
    arena_store8(a, vec, node);
    store_shape(a, vec, old.depth + 1, VEC_NODE_WORDS);
    return 0;
}

static uint64_t capacity(const struct vec *v)
{
    if (v->depth == 0)
        return v->leaf_words;
    return UINT64_C(1) << ((v->depth + 1) * VEC_NODE_SHIFT);
}

int vec_reserve(struct arena *a, uint64_t vec, uint64_t index)
{
    while (index >= capacity(vec_of(a, vec))) {
        const struct vec *v = vec_of(a, vec);
        bool leaf = v->depth == 0 && v->leaf_words < VEC_NODE_WORDS;
        int r = leaf ? grow_leaf(a, vec) : grow_root(a, vec);
        if (r)
            return r;
    }
    const struct vec *v = vec_of(a, vec);
    if (v->depth == 0 || index & (VEC_NODE_WORDS - 1))
        return 0;
    uint64_t node = v->root;
    for (uint32_t level = v->depth; level > 0; level--) {
        uint64_t slot = node + (index >> (level * VEC_NODE_SHIFT) & (VEC_NODE_WORDS - 1)) * 8;
        node = arena_word(a, slot);
        if (node)
            continue;
        int r = arena_alloc(a, NODE_BYTES, &node);
        if (r)
            return r;
        arena_store8(a, slot, node);
    }
    return 0;
}

void vec_free_leaf(struct arena *a, uint64_t vec, uint64_t index)
{
    const struct vec *v = vec_of(a, vec);
    uint64_t bytes = v->depth ? (uint64_t)NODE_BYTES : v->leaf_words * 8ul;
    uint64_t leaf = vec_slot(a, vec, index & ~(uint64_t)(VEC_NODE_WORDS - 1));
    arena_free(a, leaf, bytes);
    if (v->depth == 0) {
        arena_store8(a, vec, 0);
        return;
    }
    uint64_t node = v->root;
    for (uint32_t level = v->depth; level > 1; level--)
        node = arena_word(a, node + (index >> (level * VEC_NODE_SHIFT) & (VEC_NODE_WORDS - 1)) * 8);
    arena_store8(a, node + (index >> VEC_NODE_SHIFT & (VEC_NODE_WORDS - 1)) * 8, 0);
}

static void free_node(struct arena *a, uint64_t node, uint32_t level)
{
    for (uint64_t i = 0; level > 0 && i < VEC_NODE_WORDS; i++) {
        uint64_t child = arena_word(a, node + i * 8);
        if (child)
            free_node(a, child, level - 1);
    }
    arena_free(a, node, NODE_BYTES);
}

void vec_free(struct arena *a, uint64_t vec)
{
    struct vec v = *vec_of(a, vec);
    if (v.root && v.depth == 0)
        arena_free(a, v.root, v.leaf_words * 8ul);
    else if (v.root)
        free_node(a, v.root, v.depth);
    memset(arena_touch(a, vec, sizeof v), 0, sizeof v);
}
