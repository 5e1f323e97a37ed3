// arena.c: the life of an arena and of its transactions.
//
// What a kill leaves: the header names how many log bytes count; undoing them from the end, and
// only then storing 0, gives the last committed state. A kill during the undo repeats it: the
// entries are still there, and the old bytes are the same bytes.
#include "core/state/arena.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/hash.h"
#include "core/state/alloc.h"

enum { CLAIM_STEP_BYTES = 16 << 20, LOG_BYTES_MIN = 16 << 10, TOUCH_MAX = 65528 };

#ifdef ARENA_HAS_HOOK
void (*arena_test_hook)(void);
#endif

// --- layout ---

static uint64_t page_up(uint64_t bytes)
{
    return (bytes + ARENA_PAGE_BYTES - 1) & ~(uint64_t)(ARENA_PAGE_BYTES - 1);
}

static uint64_t layout_hash(void)
{
    static const uint64_t shape[] = {
        ARENA_VERSION,
        ARENA_PAGE_BYTES,
        ARENA_ROOT_COUNT,
        ARENA_CLASS_COUNT,
        ARENA_CLASS_BYTES_MAX,
        ARENA_ORDER_COUNT,
        sizeof(struct arena_header),
        offsetof(struct arena_header, owner),
        offsetof(struct arena_header, log_word),
        sizeof(struct arena_meta),
        offsetof(struct arena_meta, classes),
        offsetof(struct arena_meta, roots),
    };
    return hash_bytes(shape, sizeof shape);
}

// The parts follow one another; all of it comes from the two sizes.
static void layout_fill(struct arena_header *h, uint64_t total, uint64_t log_bytes)
{
    uint64_t pages = total >> ARENA_PAGE_SHIFT;
    h->total_bytes = total;
    h->log_offset = ARENA_PAGE_BYTES;
    h->log_bytes = log_bytes;
    h->epochs_offset = h->log_offset + log_bytes;
    h->epochs_bytes = page_up(pages);
    h->data_offset = h->epochs_offset + h->epochs_bytes;
    h->meta_offset = h->data_offset + page_up(pages);
    h->heap_offset = h->meta_offset + page_up(sizeof(struct arena_meta));
}

static uint64_t header_sum(const struct arena_header *h)
{
    struct arena_header copy = *h;
    copy.version = 0;
    return hash_bytes(&copy, offsetof(struct arena_header, sum));
}

// --- format ---

static uint64_t default_log_bytes(uint64_t total)
{
    enum { LOW = 64 << 10, GOOD = 8 << 20, HIGH = 16 << 20 };
    uint64_t bytes = total / 64;
    if (bytes < GOOD) // a full batch at its worst takes half of that
        bytes = total / 4 < GOOD ? total / 4 : GOOD;
    bytes = bytes < LOW ? LOW : bytes;
    return page_up(bytes > HIGH ? HIGH : bytes);
}

static int format_check(struct arena_header *want, uint64_t bytes,
                        const struct arena_options *options, struct err *err)
{
    if (bytes % ARENA_PAGE_BYTES || bytes > ARENA_BYTES_MAX)
        return err_set(
            err, -EINVAL,
            "an arena of %" PRIu64 " bytes: must be a multiple of 4096 and at most 1 TiB", bytes);
    uint64_t log_bytes = page_up(options->log_bytes);
    if (!log_bytes)
        log_bytes = default_log_bytes(bytes);
    if (log_bytes < LOG_BYTES_MIN || log_bytes > ARENA_LOG_BYTES_MAX)
        return err_set(err, -EINVAL, "an undo log of %" PRIu64 " bytes: must be 16 KiB .. 2 GiB",
                       log_bytes);
    layout_fill(want, bytes, log_bytes);
    if (want->heap_offset + ARENA_PAGE_BYTES > bytes)
        return err_set(err, -EINVAL,
                       "an arena of %" PRIu64 " bytes has no room beside its log of %" PRIu64
                       ": give it more memory",
                       bytes, log_bytes);
    if (options->boot_id && strlen(options->boot_id) >= ARENA_BOOT_ID_BYTES)
        return err_set(err, -EINVAL, "a boot id of more than %d characters",
                       ARENA_BOOT_ID_BYTES - 1);
    return 0;
}

static uint64_t claim_end(uint64_t total, uint64_t end)
{
    end = (end + CLAIM_STEP_BYTES - 1) & ~(uint64_t)(CLAIM_STEP_BYTES - 1);
    return end < total ? end : total;
}

int arena_format(void *base, uint64_t bytes, const struct arena_options *options, struct err *err)
{
    CHECK((uintptr_t)base % ARENA_PAGE_BYTES == 0);
    struct arena_header want = {0};
    int r = format_check(&want, bytes, options, err);
    if (r)
        return r;
    uint64_t claimed = claim_end(bytes, want.heap_offset);
    if (options->claim && options->claim(options->claim_context, 0, claimed))
        return err_set(err, -ENOSPC, "no memory for the first %" PRIu64 " bytes of the arena",
                       claimed);
    struct arena_header *h = base;
    h->version = 0;
    ARENA_BARRIER();
    uint8_t *start = base;
    memset(start + want.epochs_offset, 0, want.heap_offset - want.epochs_offset);
    ((struct arena_meta *)(start + want.meta_offset))->top = want.heap_offset;
    want.magic = ARENA_MAGIC;
    want.layout_hash = layout_hash();
    want.fingerprint = options->fingerprint;
    if (options->boot_id)
        memcpy(want.boot_id, options->boot_id, strlen(options->boot_id) + 1);
    want.sum = header_sum(&want);
    want.claimed = claimed;
    want.epoch = 1; // 0 marks what was never changed
    memcpy(h, &want, sizeof want);
    ARENA_BARRIER();
    h->version = ARENA_VERSION; // a half-made arena never looks like one
    return 0;
}

void *arena_owner(void *base)
{
    return ((struct arena_header *)base)->owner;
}

// --- open ---

// Is it ours at all? Everything that never changes.
static int header_check(const struct arena_header *h, const struct arena_options *options,
                        struct err *err)
{
    if (h->magic != ARENA_MAGIC)
        return err_set(err, -EINVAL, "this is not an arena (wrong magic number)");
    if (h->version == 0)
        return err_set(err, -EINVAL, "the arena was never finished: make it again");
    if (h->version != ARENA_VERSION || h->layout_hash != layout_hash())
        return err_set(err, -EPROTO,
                       "the arena has version %" PRIu32 " and another layout than this program's "
                       "version %d: run the program that made it, or restore a savepoint",
                       h->version, ARENA_VERSION);
    if (h->sum != header_sum(h))
        return err_set(err, -EINVAL, "the arena's header is damaged: restore the last checkpoint");
    if (h->fingerprint != options->fingerprint)
        return err_set(err, -ESTALE,
                       "the arena belongs to another job (%016" PRIx64 ", not %016" PRIx64
                       "): give each job a name of its own",
                       h->fingerprint, options->fingerprint);
    if (options->boot_id && strcmp(h->boot_id, options->boot_id) != 0)
        return err_set(err, -ESTALE,
                       "the arena is from before a reboot: restore the last checkpoint");
    return 0;
}

static int words_check(const struct arena_header *h, uint64_t bytes, struct err *err)
{
    if (h->total_bytes != bytes)
        return err_set(err, -EINVAL, "the arena has %" PRIu64 " bytes, its file %" PRIu64,
                       h->total_bytes, bytes);
    uint64_t used = (uint32_t)h->log_word;
    if (h->log_word >> 32 != used || used % 8 || used > h->log_bytes)
        return err_set(err, -EINVAL,
                       "the arena's undo log is damaged: restore the last checkpoint");
    if (h->claimed < h->heap_offset || h->claimed > bytes || h->claimed % ARENA_PAGE_BYTES ||
        h->epoch < 1 || h->epoch > 255)
        return err_set(err, -EINVAL, "the arena's header is damaged: restore the last checkpoint");
    return 0;
}

static int top_check(const struct arena *a, struct err *err)
{
    uint64_t top = a->meta->top;
    if (top < a->header->heap_offset || top > a->header->claimed || top % ARENA_PAGE_BYTES)
        return err_set(err, -EINVAL, "the arena's end of heap is damaged: restore the checkpoint");
    return 0;
}

static void handle_fill(struct arena *a, void *base, const struct arena_options *options)
{
    a->base = base;
    a->header = base;
    a->meta = (struct arena_meta *)(a->base + a->header->meta_offset);
    a->log = a->base + a->header->log_offset;
    a->log_bytes = a->header->log_bytes;
    a->epochs = a->base + a->header->epochs_offset;
    a->epoch = (uint8_t)a->header->epoch;
    a->round = UINT64_C(1) << 48;
    a->options = *options;
#ifdef WEIR_MUTANT_4
    a->late_word = a->header->log_word;
#endif
}

static void log_clear(struct arena *a)
{
    ARENA_BARRIER();
    __atomic_store_n(&a->header->log_word, 0, __ATOMIC_RELAXED);
    ARENA_BARRIER();
#ifdef WEIR_MUTANT_4
    a->late_word = 0;
#endif
    a->log_reserve = 0;
    a->round += UINT64_C(1) << 48;
    if (a->round == 0) { // the mark of an old round must not come back
        memset(a->once, 0, sizeof a->once);
        a->round = UINT64_C(1) << 48;
    }
}

int arena_open(void *base, uint64_t bytes, const struct arena_options *options, struct arena **out,
               struct err *err)
{
    CHECK((uintptr_t)base % ARENA_PAGE_BYTES == 0);
    if (bytes < ARENA_PAGE_BYTES)
        return err_set(err, -EINVAL, "%" PRIu64 " bytes are not an arena", bytes);
    const struct arena_header *h = base;
    int r = header_check(h, options, err);
    if (!r)
        r = words_check(h, bytes, err);
    if (r)
        return r;
    struct arena *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(err, -ENOMEM, "no memory for an arena's handle");
    handle_fill(a, base, options);
    r = arena_undo_entries(a, arena_log(a), NULL, err);
    if (r)
        goto err_after_alloc;
    r = top_check(a, err);
    if (r)
        goto err_after_alloc;
    log_clear(a);
    *out = a;
    return 0;
err_after_alloc:
    arena_close(a);
    return r;
}

void arena_close(struct arena *a)
{
    if (!a)
        return;
    free(a->pending);
    free(a);
}

int arena_claim(struct arena *a, uint64_t end)
{
    struct arena_header *h = a->header;
    if (end <= h->claimed)
        return 0;
    uint64_t to = claim_end(h->total_bytes, end);
    if (a->options.claim && a->options.claim(a->options.claim_context, h->claimed, to))
        return -ENOSPC;
    h->claimed = to; // not undone: the memory stays
    return 0;
}

// --- the log ---

void *arena_touch(struct arena *a, uint64_t offset, uint64_t len)
{
    CHECK(len > 0 && offset >= a->header->data_offset && offset + len <= a->header->total_bytes);
    for (uint64_t b = offset >> ARENA_PAGE_SHIFT; b <= (offset + len - 1) >> ARENA_PAGE_SHIFT; b++)
        a->epochs[b] = a->epoch;
    for (uint64_t at = 0; at < len; at += TOUCH_MAX) {
        uint64_t part = len - at < TOUCH_MAX ? len - at : TOUCH_MAX;
        uint64_t room = (part + 7) & ~UINT64_C(7);
        uint64_t used = arena_log_used(a);
        CHECK(a->log_bytes - used >= room + 8);
#ifdef WEIR_MUTANT_1
        arena_log_count(a, used, room + 8);
#endif
        uint64_t trailer = (offset + at) << 16 | part;
        memcpy(a->log + used, a->base + offset + at, part);
        memcpy(a->log + used + room, &trailer, 8);
#ifndef WEIR_MUTANT_1
        arena_log_count(a, used, room + 8);
#endif
    }
    return a->base + offset;
}

struct slice arena_log(const struct arena *a)
{
    return slice_make(a->log, arena_log_used(a));
}

uint64_t arena_log_room(const struct arena *a)
{
    uint64_t taken = arena_log_used(a) + a->log_reserve;
    return taken < a->log_bytes ? a->log_bytes - taken : 0;
}

// Read the trailer of the entry that ends at `end`. false: no such entry can be.
static bool entry_read(const struct arena *a, struct slice entries, uint64_t end, struct slice *old,
                       uint64_t *offset)
{
    uint64_t trailer;
    if (end < 16)
        return false;
    memcpy(&trailer, entries.ptr + end - 8, 8);
    uint64_t len = trailer & 0xffff;
    uint64_t room = (len + 7) & ~UINT64_C(7);
    *offset = trailer >> 16;
    if (len == 0 || room > end - 8 || *offset < a->header->data_offset ||
        *offset + len > a->header->total_bytes)
        return false;
    *old = slice_make(entries.ptr + end - 8 - room, len);
    return true;
}

// Put old bytes back, in the blocks that are asked for.
static void entry_undo(struct arena *a, uint64_t offset, struct slice old, const uint8_t *blocks)
{
    while (old.len) {
        uint64_t block = offset >> ARENA_PAGE_SHIFT;
        uint64_t part = ARENA_PAGE_BYTES - offset % ARENA_PAGE_BYTES;
        part = part < old.len ? part : old.len;
        if (blocks[block / 8] >> block % 8 & 1)
            memcpy(a->base + offset, old.ptr, part);
        offset += part;
        old = slice_make(old.ptr + part, old.len - part);
    }
}

int arena_undo_entries(struct arena *a, struct slice entries, const uint8_t *blocks,
                       struct err *err)
{
    struct slice old;
    uint64_t offset;
    // First look, then write: a damaged log must not make things worse.
    for (uint64_t end = entries.len; end > 0; end = (uint64_t)(old.ptr - entries.ptr))
        if (!entry_read(a, entries, end, &old, &offset))
            return err_set(err, -EINVAL,
                           "the undo log is damaged %" PRIu64
                           " bytes before its end: restore the last checkpoint",
                           entries.len - end);
    for (uint64_t end = entries.len; end > 0; end = (uint64_t)(old.ptr - entries.ptr)) {
        CHECK(entry_read(a, entries, end, &old, &offset));
        if (blocks)
            entry_undo(a, offset, old, blocks);
        else
            memcpy(a->base + offset, old.ptr, old.len);
    }
    return 0;
}

// --- transactions ---

void arena_commit_prepare(struct arena *a)
{
    alloc_apply_frees(a);
}

static void note_end(struct arena *a)
{
    if (a->watcher.end)
        a->watcher.end(a->watcher.context, arena_log(a));
}

void arena_commit(struct arena *a)
{
    arena_commit_prepare(a);
    note_end(a);
    log_clear(a);
}

void arena_abort(struct arena *a)
{
    struct err err;
    note_end(a); // a copy that is made meanwhile may see what is undone here
    CHECK(arena_undo_entries(a, arena_log(a), NULL, &err) == 0);
    alloc_drop_frees(a);
    log_clear(a);
}

void arena_set_epoch(struct arena *a, uint8_t epoch)
{
    CHECK(arena_log_used(a) == 0);
    a->header->epoch = epoch;
    a->epoch = epoch;
}

void arena_watch(struct arena *a, const struct arena_watcher *watcher)
{
    CHECK(arena_log_used(a) == 0);
    a->watcher = watcher ? *watcher : (struct arena_watcher){0};
}

uint8_t arena_next_epoch(struct arena *a)
{
    CHECK(arena_log_used(a) == 0);
    if (a->epoch == UINT8_MAX) { // begin again: everything ever changed counts as changed long ago
        a->header->snapshot_base = 0;
        for (uint64_t i = 0; i < a->header->epochs_bytes; i++)
            a->epochs[i] = a->epochs[i] != 0;
        arena_set_epoch(a, 1);
    }
    arena_set_epoch(a, a->epoch + 1);
    return a->epoch;
}

uint8_t arena_epoch_behind(const struct arena *a)
{
    return a->epoch == UINT8_MAX ? 2 : a->epoch + 1;
}

uint64_t arena_snapshot_base(const struct arena *a, uint8_t *since_epoch)
{
    *since_epoch = (uint8_t)a->header->snapshot_base;
    return a->header->snapshot_base >> 8;
}

void arena_set_snapshot_base(struct arena *a, uint64_t checkpoint, uint8_t since_epoch)
{
    CHECK(checkpoint < UINT64_C(1) << 56);
    // One store: a kill leaves the old base or the new one.
    __atomic_store_n(&a->header->snapshot_base, checkpoint << 8 | since_epoch, __ATOMIC_RELAXED);
}

uint8_t arena_block_epoch(const struct arena *a, uint64_t block)
{
    CHECK(block < a->header->total_bytes >> ARENA_PAGE_SHIFT);
    return a->epochs[block];
}

// --- roots and figures ---

int arena_root(struct arena *a, uint32_t index, uint64_t bytes, uint64_t *offset)
{
    CHECK(index < ARENA_ROOT_COUNT && bytes > 0);
    uint64_t slot = a->header->meta_offset + offsetof(struct arena_meta, roots) +
                    index * sizeof(struct arena_root_slot);
    const struct arena_root_slot *root = arena_at(a, slot);
    if (root->offset) {
        *offset = root->offset;
        return root->bytes == bytes ? 0 : -EINVAL;
    }
    int r = arena_alloc(a, bytes, offset);
    if (r)
        return r;
    arena_store8(a, slot, *offset);
    arena_store8(a, slot + 8, bytes);
    return 0;
}

uint64_t arena_used_bytes(const struct arena *a)
{
    return a->meta->used_bytes;
}

uint64_t arena_capacity(const struct arena *a)
{
    return a->header->total_bytes - a->header->heap_offset;
}
