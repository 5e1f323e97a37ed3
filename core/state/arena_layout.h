// arena_layout.h: what an arena's bytes mean. Shared by every process that maps the arena, now or
// after a restart, so each field has a fixed width and place, and offsets stand for pointers.
//
//   0          struct arena_header, one page; changed without a log, word by word
//   log        undo entries of the transaction in flight (see arena.h)
//   epochs     one byte a 4 KiB block of the whole arena: the epoch of its last change
//   data       from here on nothing changes without an entry in the log:
//     page map   one byte a 4 KiB page: 1 + order at the first page of a free run, else 0
//     meta       struct arena_meta: allocator, roots
//     heap       pages up to the arena's end; pages from meta.top on were never used
#ifndef WEIR_CORE_STATE_ARENA_LAYOUT_H
#define WEIR_CORE_STATE_ARENA_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

// "weirarn1" read as a little-endian word.
#define ARENA_MAGIC UINT64_C(0x316e726172696577)

enum {
    // Counts every change of the arena's layout or of a typed state's (core/state/*.h).
    ARENA_VERSION = 3,

    ARENA_PAGE_SHIFT = 12,
    ARENA_PAGE_BYTES = 1 << ARENA_PAGE_SHIFT,

    ARENA_OWNER_BYTES = 64, // room for the shm layer's robust mutex
    ARENA_BOOT_ID_BYTES = 40,

    ARENA_ROOT_COUNT = 256,
    ARENA_CLASS_COUNT = 24,       // 16, 32 .. 128, then four sizes a doubling
    ARENA_CLASS_BYTES_MAX = 2048, // above: whole pages
    ARENA_ORDER_COUNT = 19,       // free runs of 1, 2, 4 .. 2^18 pages (1 GiB)
};

// Offsets are kept in 40 bits by the hash index, in units of 4 bytes in 38.
#define ARENA_BYTES_MAX     (UINT64_C(1) << 40)
#define ARENA_LOG_BYTES_MAX (UINT64_C(1) << 31)

// Written once by arena_format, `version` last, up to and including `sum`. The rest changes.
struct arena_header {
    uint64_t magic;
    uint32_t version; // 0 until the format is complete
    uint32_t reserved;
    uint64_t layout_hash; // of the constants and sizes in this file
    uint64_t fingerprint; // of the job
    uint64_t total_bytes;
    uint64_t log_offset, log_bytes;
    uint64_t epochs_offset, epochs_bytes;
    uint64_t data_offset; // the page map
    uint64_t meta_offset;
    uint64_t heap_offset;              // the first page of the heap
    char boot_id[ARENA_BOOT_ID_BYTES]; // NUL-terminated; empty: not checked
    uint64_t sum;                      // XXH3 of the bytes before it, without `version`

    uint8_t owner[ARENA_OWNER_BYTES]; // opaque to core

    // How many bytes of the log count, twice: in the low and in the high half, so that a damaged
    // word shows. 0: no transaction is unfinished.
    uint64_t log_word;
    uint64_t claimed; // bytes from the start that have memory behind them; only grows
    uint64_t epoch;   // 1..255
    // The last complete checkpoint << 8 | the first epoch behind its barrier; 0: none. What was
    // marked with an earlier epoch is in it.
    uint64_t snapshot_base;
};

struct arena_class {
    uint64_t free;           // first free block; its first word is the offset of the next one
    uint64_t bump, bump_end; // the never used rest of the newest slab
};

struct arena_root_slot {
    uint64_t offset; // 0: not made
    uint64_t bytes;
};

struct arena_meta {
    uint64_t top;                          // offset of the first page that was never used
    uint64_t used_bytes;                   // of live blocks, rounded up as they were allocated
    uint64_t free_runs[ARENA_ORDER_COUNT]; // first free run of 2^i pages
    uint64_t reserved;
    struct arena_class classes[ARENA_CLASS_COUNT];
    struct arena_root_slot roots[ARENA_ROOT_COUNT];
};

// The first words of a free run of pages.
struct arena_run {
    uint64_t next, prev; // 0: none
};

static_assert(offsetof(struct arena_header, magic) == 0, "layout");
static_assert(offsetof(struct arena_header, version) == 8, "layout");
static_assert(offsetof(struct arena_header, layout_hash) == 16, "layout");
static_assert(offsetof(struct arena_header, fingerprint) == 24, "layout");
static_assert(offsetof(struct arena_header, total_bytes) == 32, "layout");
static_assert(offsetof(struct arena_header, log_offset) == 40, "layout");
static_assert(offsetof(struct arena_header, log_bytes) == 48, "layout");
static_assert(offsetof(struct arena_header, epochs_offset) == 56, "layout");
static_assert(offsetof(struct arena_header, epochs_bytes) == 64, "layout");
static_assert(offsetof(struct arena_header, data_offset) == 72, "layout");
static_assert(offsetof(struct arena_header, meta_offset) == 80, "layout");
static_assert(offsetof(struct arena_header, heap_offset) == 88, "layout");
static_assert(offsetof(struct arena_header, boot_id) == 96, "layout");
static_assert(offsetof(struct arena_header, sum) == 136, "layout");
static_assert(offsetof(struct arena_header, owner) == 144, "layout");
static_assert(offsetof(struct arena_header, log_word) == 208, "layout");
static_assert(offsetof(struct arena_header, claimed) == 216, "layout");
static_assert(offsetof(struct arena_header, epoch) == 224, "layout");
static_assert(offsetof(struct arena_header, snapshot_base) == 232, "layout");
static_assert(sizeof(struct arena_header) == 240, "layout");
static_assert(offsetof(struct arena_meta, top) == 0, "layout");
static_assert(offsetof(struct arena_meta, free_runs) == 16, "layout");
static_assert(offsetof(struct arena_meta, classes) == 176, "layout");
static_assert(offsetof(struct arena_meta, roots) == 752, "layout");
static_assert(sizeof(struct arena_meta) == 4848, "layout");

#endif
