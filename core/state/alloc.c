// alloc.c: the arena's allocator.
//
// Up to 2 KiB: size classes, carved from slabs of one or four pages, each with a free list through
// the first words of its free blocks. Above: runs of pages from a buddy system (Knuth, TAOCP
// 1, 2.5) in which a run is cut to the pages asked for: the rest goes back at once, as smaller
// runs.
//
// All words of it, the links inside free blocks too, change through the log. The rest of a free
// block means nothing, so a block that was just taken is written without a log: zeroed here, filled
// by its taker. That is why a block freed in this transaction must not be taken before the commit:
// its bytes are committed state until then. Frees therefore wait in private memory; a kill forgets
// them.
#include "core/state/alloc.h"

#include <errno.h>
#include <stdlib.h>

#define PAGES_MAX (UINT64_C(1) << (ARENA_ORDER_COUNT - 1))

enum { PENDING_FIRST = 256, SMALL_FREE_LOG_BYTES = 48, RUN_FREE_LOG_BYTES = 1600 };

static uint64_t meta_class(const struct arena *a, uint32_t index)
{
    return a->header->meta_offset + offsetof(struct arena_meta, classes) +
           index * sizeof(struct arena_class);
}

static uint64_t meta_runs(const struct arena *a, uint32_t order)
{
    return a->header->meta_offset + offsetof(struct arena_meta, free_runs) + order * 8;
}

static void add_used(struct arena *a, uint64_t bytes)
{
    arena_store8_once(a, a->header->meta_offset + offsetof(struct arena_meta, used_bytes),
                      a->meta->used_bytes + bytes);
}

static void mark_blocks(struct arena *a, uint64_t offset, uint64_t bytes)
{
    uint64_t first = offset >> ARENA_PAGE_SHIFT;
    memset(a->epochs + first, a->epoch, ((offset + bytes - 1) >> ARENA_PAGE_SHIFT) - first + 1);
}

// Before memory is written over without a log entry: a snapshot may still need what it held.
static void note_reuse(struct arena *a, uint64_t offset, uint64_t bytes)
{
    if (a->watcher.reuse)
        a->watcher.reuse(a->watcher.context, offset, bytes);
}

static void zero_fresh(struct arena *a, uint64_t offset, uint64_t bytes)
{
    note_reuse(a, offset, bytes);
    mark_blocks(a, offset, bytes);
#ifndef WEIR_MUTANT_5
    memset(a->base + offset, 0, bytes);
#endif
}

uint64_t alloc_class_bytes(uint32_t index)
{
    if (index < 8)
        return (index + 1) * UINT64_C(16);
    uint32_t doubling = 7 + (index - 8) / 4;
    return (UINT64_C(1) << doubling) + ((index - 8) % 4 + 1) * (UINT64_C(1) << (doubling - 2));
}

uint32_t alloc_class_of(uint64_t bytes)
{
    CHECK_DEBUG(bytes > 0 && bytes <= ARENA_CLASS_BYTES_MAX);
    if (bytes <= 128)
        return (uint32_t)(bytes - 1) / 16;
    uint32_t below = (uint32_t)bytes - 1;
    uint32_t doubling = 31 - (uint32_t)__builtin_clz(below);
    return 8 + (doubling - 7) * 4 + ((below - (1u << doubling)) >> (doubling - 2));
}

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes + ARENA_PAGE_BYTES - 1) >> ARENA_PAGE_SHIFT;
}

// --- runs of pages ---

static uint8_t map_get(const struct arena *a, uint64_t page)
{
    return a->base[a->header->data_offset + page];
}

static void map_set(struct arena *a, uint64_t page, uint8_t value)
{
    uint64_t at = a->header->data_offset + page;
    arena_touch8_once(a, at & ~UINT64_C(7));
    a->base[at] = value;
}

static void run_link(struct arena *a, uint64_t page, uint32_t order)
{
    uint64_t run = page << ARENA_PAGE_SHIFT;
    uint64_t next = arena_word(a, meta_runs(a, order));
    arena_store8_once(a, run, next);
    arena_store8_once(a, run + 8, 0);
    if (next)
        arena_store8_once(a, next + 8, run);
    arena_store8_once(a, meta_runs(a, order), run);
    map_set(a, page, (uint8_t)(order + 1));
}

// The links of the run itself are committed state, but what is written over them may not be logged:
// by the block's taker, or by that of a larger run which this one becomes the middle of.
static void run_unlink(struct arena *a, uint64_t page, uint32_t order)
{
    CHECK(map_get(a, page) == order + 1);
    uint64_t run = page << ARENA_PAGE_SHIFT;
    arena_touch8_once(a, run);
    arena_touch8_once(a, run + 8);
    const struct arena_run *links = arena_at(a, run);
    uint64_t next = links->next, prev = links->prev;
    if (next)
        arena_store8_once(a, next + 8, prev);
    arena_store8_once(a, prev ? prev : meta_runs(a, order), next);
    map_set(a, page, 0);
}

// Free one aligned run and join it with its neighbours of the same order.
static void run_free_piece(struct arena *a, uint64_t page, uint32_t order)
{
    CHECK(map_get(a, page) == 0);
    while (order + 1 < ARENA_ORDER_COUNT) {
        uint64_t buddy = page ^ (UINT64_C(1) << order);
        if (buddy >= a->header->total_bytes >> ARENA_PAGE_SHIFT || map_get(a, buddy) != order + 1)
            break;
        run_unlink(a, buddy, order);
        page &= ~(UINT64_C(1) << order);
        order++;
    }
    run_link(a, page, order);
}

static void run_free(struct arena *a, uint64_t page, uint64_t pages)
{
    while (pages) {
        uint32_t order = 63 - (uint32_t)__builtin_clzll(pages);
        uint32_t aligned = (uint32_t)__builtin_ctzll(page);
        order = order < aligned ? order : aligned;
        order = order < ARENA_ORDER_COUNT ? order : ARENA_ORDER_COUNT - 1;
        run_free_piece(a, page, order);
        page += UINT64_C(1) << order;
        pages -= UINT64_C(1) << order;
    }
}

// Take pages that were never used; what alignment skips becomes free.
static int run_grow(struct arena *a, uint64_t pages, uint32_t order, uint64_t *page)
{
    uint64_t top = a->meta->top >> ARENA_PAGE_SHIFT;
    uint64_t start = (top + (UINT64_C(1) << order) - 1) & ~((UINT64_C(1) << order) - 1);
    uint64_t end = (start + pages) << ARENA_PAGE_SHIFT;
    if (end > a->header->total_bytes)
        return -ENOSPC;
    int r = arena_claim(a, end);
    if (r)
        return r;
    arena_store8_once(a, a->header->meta_offset + offsetof(struct arena_meta, top), end);
    if (start > top)
        run_free(a, top, start - top);
    *page = start;
    return 0;
}

static int run_alloc(struct arena *a, uint64_t pages, uint64_t *page)
{
    uint32_t order = pages == 1 ? 0 : 64 - (uint32_t)__builtin_clzll(pages - 1);
    uint32_t from = order;
    while (from < ARENA_ORDER_COUNT && !arena_word(a, meta_runs(a, from)))
        from++;
    if (from == ARENA_ORDER_COUNT)
        return run_grow(a, pages, order, page);
    uint64_t run = arena_word(a, meta_runs(a, from));
    CHECK(run >= a->header->heap_offset && run < a->meta->top && run % ARENA_PAGE_BYTES == 0);
    *page = run >> ARENA_PAGE_SHIFT;
    run_unlink(a, *page, from);
    if (pages < UINT64_C(1) << from)
        run_free(a, *page + pages, (UINT64_C(1) << from) - pages);
    return 0;
}

// --- size classes ---

// A new slab for the class; the rest of the old one is used up.
static int class_carve(struct arena *a, uint64_t class, uint64_t bytes)
{
    uint64_t page, slab_pages = bytes <= 512 ? 1 : 4;
    int r = run_alloc(a, slab_pages, &page);
    if (r)
        return r;
    uint64_t start = page << ARENA_PAGE_SHIFT;
    uint64_t slab_bytes = slab_pages << ARENA_PAGE_SHIFT;
    uint64_t tail = slab_bytes % bytes;
    if (tail) { // belongs to no block, ever
        note_reuse(a, start + slab_bytes - tail, tail);
        memset(a->base + start + slab_bytes - tail, 0, tail);
    }
    mark_blocks(a, start, slab_bytes);
    arena_store8_once(a, class + offsetof(struct arena_class, bump), start);
    arena_store8_once(a, class + offsetof(struct arena_class, bump_end), start + slab_bytes - tail);
    return 0;
}

static int class_alloc(struct arena *a, uint32_t index, uint64_t *offset)
{
    uint64_t class = meta_class(a, index);
    uint64_t bytes = alloc_class_bytes(index);
    const struct arena_class *c = arena_at(a, class);
    if (c->free) {
        uint64_t block = c->free;
        CHECK(block >= a->header->heap_offset && block < a->meta->top && block % 16 == 0);
        arena_store8_once(a, class, arena_word(a, block));
#ifndef WEIR_MUTANT_3
        arena_touch8_once(a, block); // the link is committed state
#endif
        *offset = block;
        return 0;
    }
    if (c->bump == c->bump_end) {
        int r = class_carve(a, class, bytes);
        if (r)
            return r;
    }
    *offset = c->bump;
    arena_store8_once(a, class + offsetof(struct arena_class, bump), c->bump + bytes);
    return 0;
}

static void class_free(struct arena *a, uint64_t offset, uint32_t index)
{
    uint64_t class = meta_class(a, index);
    arena_store8_once(a, offset, arena_word(a, class));
    arena_store8_once(a, class, offset);
}

// --- the interface ---

int arena_alloc(struct arena *a, uint64_t bytes, uint64_t *offset)
{
    uint64_t room, page;
    int r;
    bytes = bytes ? bytes : 1;
    if (bytes <= ARENA_CLASS_BYTES_MAX) {
        uint32_t index = alloc_class_of(bytes);
        room = alloc_class_bytes(index);
        r = class_alloc(a, index, offset);
        if (r)
            return r;
    } else {
        uint64_t pages = pages_of(bytes);
        if (pages > PAGES_MAX)
            return -EINVAL;
        r = run_alloc(a, pages, &page);
        if (r)
            return r;
        room = pages << ARENA_PAGE_SHIFT;
        *offset = page << ARENA_PAGE_SHIFT;
    }
    add_used(a, room);
    zero_fresh(a, *offset, room);
    return 0;
}

static void apply_free(struct arena *a, uint64_t offset, uint64_t bytes)
{
    if (bytes <= ARENA_CLASS_BYTES_MAX) {
        uint32_t index = alloc_class_of(bytes);
        class_free(a, offset, index);
        add_used(a, -alloc_class_bytes(index));
    } else {
        run_free(a, offset >> ARENA_PAGE_SHIFT, pages_of(bytes));
        add_used(a, -(pages_of(bytes) << ARENA_PAGE_SHIFT));
    }
}

void arena_free(struct arena *a, uint64_t offset, uint64_t bytes)
{
    bytes = bytes ? bytes : 1;
    bool small = bytes <= ARENA_CLASS_BYTES_MAX;
    CHECK(offset >= a->header->heap_offset && offset + bytes <= a->meta->top);
    CHECK(offset % (small ? 16 : ARENA_PAGE_BYTES) == 0);
#ifdef WEIR_MUTANT_2
    apply_free(a, offset, bytes);
    return;
#endif
    if (a->pending_count == a->pending_capacity) {
        a->pending_capacity = a->pending_capacity ? a->pending_capacity * 2 : PENDING_FIRST;
        a->pending = realloc(a->pending, a->pending_capacity * sizeof *a->pending);
        CHECK(a->pending);
    }
    a->pending[a->pending_count++] = (struct arena_pending){offset, bytes};
    a->log_reserve += small ? SMALL_FREE_LOG_BYTES
                            : RUN_FREE_LOG_BYTES * (uint64_t)__builtin_popcountll(pages_of(bytes));
}

void alloc_apply_frees(struct arena *a)
{
    for (uint32_t i = 0; i < a->pending_count; i++)
        apply_free(a, a->pending[i].offset, a->pending[i].bytes);
    a->pending_count = 0;
}

void alloc_drop_frees(struct arena *a)
{
    a->pending_count = 0;
}
