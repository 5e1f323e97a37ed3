// arena_check.c: is the structure of an arena sound, and what does it mean, byte for byte.
//
// The arena may have been written to by a wild pointer, so nothing in it is believed: every offset
// is checked before it is followed, every list has a bound.
#include "core/state/arena.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/state/alloc.h"

struct walk {
    const struct arena *a;
    uint8_t *seen; // one bit for each 16 bytes of the arena: belongs to something free
    uint64_t free_bytes;
    struct err *err;
};

static int damaged(struct walk *w, const char *what, uint64_t offset)
{
    return err_set(w->err, -EINVAL,
                   "the arena is damaged: %s at offset %" PRIu64 ": restore the last checkpoint",
                   what, offset);
}

static bool in_heap(const struct arena *a, uint64_t offset, uint64_t bytes)
{
    return offset >= a->header->heap_offset && offset <= a->meta->top &&
           bytes <= a->meta->top - offset;
}

static bool is_seen(const struct walk *w, uint64_t offset)
{
    return w->seen[offset / 128] >> offset / 16 % 8 & 1;
}

// Mark [offset, offset + bytes) as free. false: a part of it was marked before.
static bool mark_seen(struct walk *w, uint64_t offset, uint64_t bytes)
{
    for (uint64_t at = offset; at < offset + bytes; at += 16) {
        if (is_seen(w, at))
            return false;
        w->seen[at / 128] |= (uint8_t)(1u << at / 16 % 8);
    }
    w->free_bytes += bytes;
    return true;
}

static uint8_t map_at(const struct arena *a, uint64_t offset)
{
    return a->base[a->header->data_offset + (offset >> ARENA_PAGE_SHIFT)];
}

static int check_run_list(struct walk *w, uint32_t order, uint64_t *runs)
{
    const struct arena *a = w->a;
    uint64_t bytes = (uint64_t)ARENA_PAGE_BYTES << order;
    uint64_t prev = 0;
    for (uint64_t run = a->meta->free_runs[order]; run;) {
        if (run % bytes || !in_heap(a, run, bytes))
            return damaged(w, "a free run of pages out of place", run);
        if (map_at(a, run) != order + 1)
            return damaged(w, "a free run that the page map does not know", run);
        const struct arena_run *links = arena_at(a, run);
        if (links->prev != prev)
            return damaged(w, "a free run with a wrong back link", run);
        if (!mark_seen(w, run, bytes))
            return damaged(w, "pages that are free twice", run);
        prev = run;
        run = links->next;
        (*runs)++;
    }
    return 0;
}

static int check_runs(struct walk *w)
{
    const struct arena *a = w->a;
    uint64_t listed = 0, mapped = 0;
    for (uint32_t order = 0; order < ARENA_ORDER_COUNT; order++) {
        int r = check_run_list(w, order, &listed);
        if (r)
            return r;
    }
    for (uint64_t at = 0; at < a->header->total_bytes; at += ARENA_PAGE_BYTES)
        mapped += map_at(a, at) != 0;
    if (mapped != listed)
        return damaged(w, "a page map with runs that no list has", a->header->data_offset);
    return 0;
}

static int check_class(struct walk *w, uint32_t index)
{
    const struct arena *a = w->a;
    const struct arena_class *c = &a->meta->classes[index];
    uint64_t bytes = alloc_class_bytes(index);
    for (uint64_t block = c->free; block; block = arena_word(a, block)) {
        if (block % 16 || !in_heap(a, block, bytes))
            return damaged(w, "a free block out of place", block);
        if (!mark_seen(w, block, bytes))
            return damaged(w, "a block that is free twice", block);
    }
    if (c->bump > c->bump_end || c->bump % 16 || c->bump_end % 16 ||
        (c->bump_end - c->bump) % bytes)
        return damaged(w, "a slab with a wrong rest", c->bump);
    if (c->bump == c->bump_end)
        return 0;
    if (!in_heap(a, c->bump, c->bump_end - c->bump))
        return damaged(w, "a slab out of place", c->bump);
    if (!mark_seen(w, c->bump, c->bump_end - c->bump))
        return damaged(w, "a slab whose rest is free twice", c->bump);
    return 0;
}

static int check_roots(struct walk *w)
{
    const struct arena *a = w->a;
    for (uint32_t i = 0; i < ARENA_ROOT_COUNT; i++) {
        const struct arena_root_slot *root = &a->meta->roots[i];
        if (!root->offset && !root->bytes)
            continue;
        if (root->offset % 16 || !root->bytes || !in_heap(a, root->offset, root->bytes))
            return damaged(w, "a root out of place", root->offset);
        if (is_seen(w, root->offset))
            return damaged(w, "a root that is free", root->offset);
    }
    return 0;
}

int arena_check(const struct arena *a, struct err *err)
{
    uint64_t heap = a->header->heap_offset;
    if (a->meta->top < heap || a->meta->top > a->header->total_bytes ||
        a->meta->top % ARENA_PAGE_BYTES)
        return err_set(err, -EINVAL, "the arena is damaged: its heap ends at %" PRIu64,
                       a->meta->top);
    struct walk w = {.a = a, .err = err};
    w.seen = calloc(1, a->header->total_bytes / 128 + 1);
    if (!w.seen)
        return err_set(err, -ENOMEM, "no memory to check the arena");
    int r = check_runs(&w);
    for (uint32_t i = 0; !r && i < ARENA_CLASS_COUNT; i++)
        r = check_class(&w, i);
    if (!r)
        r = check_roots(&w);
    // The rest are the ends of slabs that fit no block.
    if (!r && a->meta->used_bytes > a->meta->top - heap - w.free_bytes)
        r = damaged(&w, "more used than there is", a->header->meta_offset);
    free(w.seen);
    return r;
}

// --- the image ---

static void blank(uint8_t *image, const struct arena *a, uint64_t offset, uint64_t bytes)
{
    memset(image + (offset - a->header->data_offset), 0, bytes);
}

uint8_t *arena_image(const struct arena *a, uint64_t *bytes)
{
    *bytes = a->meta->top - a->header->data_offset;
    uint8_t *image = malloc(*bytes);
    CHECK(image);
    memcpy(image, a->base + a->header->data_offset, *bytes);
    for (uint32_t order = 0; order < ARENA_ORDER_COUNT; order++)
        for (uint64_t run = a->meta->free_runs[order]; run; run = arena_word(a, run))
            blank(image, a, run + sizeof(struct arena_run),
                  ((uint64_t)ARENA_PAGE_BYTES << order) - sizeof(struct arena_run));
    for (uint32_t i = 0; i < ARENA_CLASS_COUNT; i++) {
        const struct arena_class *c = &a->meta->classes[i];
        for (uint64_t block = c->free; block; block = arena_word(a, block))
            blank(image, a, block + 8, alloc_class_bytes(i) - 8);
        blank(image, a, c->bump ? c->bump : a->header->meta_offset, c->bump_end - c->bump);
    }
    return image;
}
