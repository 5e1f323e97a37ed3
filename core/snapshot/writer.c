// writer.c: see writer.h.
//
// Why the result is right. Let B be the barrier. A page is copied at some time after B, perhaps
// while a transaction is changing it. Every change after B, before the copy or behind it, is either
// in an undo entry of a transaction that has ended, by a commit or an abort, and so in the stream,
// or was made without a log to memory that was free in the transaction before. Such memory may have
// been live at B (freed and taken again since): the arena's watcher shows us its bytes before they
// go, and they go into the stream too, in their place in time. So a byte of a copied page was never
// changed since B, or the stream holds what it was at B, as the first of its entries: undone from
// the end, the stream leads every page that was copied back to B, whatever the copy saw. It is
// undone in no other page (of an increment). A page that was free at B is not copied, and its bytes
// mean nothing.
//
// Once the last page has been copied, no later change can be in the file. The writer says so
// (stream_want_end); when the owner sees it between two transactions, all that the copies can have
// seen has ended, and its entries are in the stream: the stream ends there.
#include "core/snapshot/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/snapshot/stream.h"

#define UNDO_LIMIT_BYTES (UINT64_C(256) << 20)

enum phase { COPYING, DRAINING, SYNCING, DONE };

struct snapshot {
    // Set at the barrier, then only read.
    struct arena *arena;
    struct snapshot_spec spec;
    struct snapshot_head head;
    uint64_t first, end; // blocks: of the data part, behind the last in use
    uint8_t *marks;      // epochs of [first, end) at the barrier
    uint8_t *runs;       // page map of [first, end) at the barrier
    uint64_t map_bytes;  // of the memory of both
    // The owner's.
    uint64_t round, log_taken; // transaction, and how much of its log is in `undo`
    bool watches;
    bool ends; // it watches no more, and the stream is to be ended
    // From the owner to the writer.
    struct stream undo; // entries not yet in a frame
    // The writer's.
    struct snapshot_engine *engine;
    enum phase phase;
    uint64_t cursor;              // next block to look at
    struct snapshot_frame *frame; // BLOCKS frame that is being filled, in a taken buffer, or NULL
    bool head_written;
    enum snapshot_wait waits;
    uint64_t frame_count;
    struct snapshot_stats stats;
};

// --- what is to be copied ---

// Was it in use by then, and has it changed since the base? Pages that were never changed since the
// arena's making are zero, and stay so without being written.
static bool is_wanted(const struct snapshot *s, uint64_t block)
{
    uint8_t mark = s->marks[block - s->first];
    return s->spec.base ? mark >= s->spec.since_epoch : mark != 0;
}

// The block behind this one that is to be looked at: the inside of a free run means nothing.
static uint64_t next_block(const struct snapshot *s, uint64_t block)
{
    uint8_t run = s->runs[block - s->first];
    return block + (run ? UINT64_C(1) << (run - 1) : 1);
}

static void append_entry(struct snapshot *s, uint64_t offset, uint64_t len)
{
    static const char padding[8];
    const uint64_t trailer = offset << 16 | len;
    stream_append(&s->undo, arena_at(s->arena, offset), len);
    stream_append(&s->undo, padding, -len & 7);
    stream_append(&s->undo, &trailer, sizeof trailer);
}

// The entries of the open transaction that the stream does not have yet.
static void append_log(struct snapshot *s, struct slice entries)
{
    if (s->round != s->arena->round) { // another transaction
        s->round = s->arena->round;
        s->log_taken = 0;
    }
    stream_append(&s->undo, entries.ptr + s->log_taken, entries.len - s->log_taken);
    s->log_taken = entries.len;
}

static void before_end(void *context, struct slice entries)
{
    struct snapshot *s = context;
    append_log(s, entries);
    s->round = 0;
}

// What the memory holds now may have been written earlier in this very transaction, so the entries
// so far come first.
static void before_reuse(void *context, uint64_t offset, uint64_t bytes)
{
    struct snapshot *s = context;
    while (bytes) {
        uint64_t block = offset >> ARENA_PAGE_SHIFT;
        uint64_t part = ARENA_PAGE_BYTES - offset % ARENA_PAGE_BYTES;
        part = part < bytes ? part : bytes;
        if (block < s->end && is_wanted(s, block)) {
            append_log(s, arena_log(s->arena));
            append_entry(s, offset, part);
        }
        offset += part;
        bytes -= part;
    }
}

// Room for the two maps of an arena as large as this one may become: of it, only what is in use is
// touched, and after the first snapshot it has been. Taking it anew at each barrier is a pause.
static int keep_maps(struct snapshot *s)
{
    uint64_t pages = s->arena->header->total_bytes >> ARENA_PAGE_SHIFT;
    if (s->map_bytes < 2 * pages) {
        const uint64_t huge = UINT64_C(2) << 20, bytes = (2 * pages + huge - 1) & ~(huge - 1);
        free(s->marks);
        s->marks = aligned_alloc(huge, bytes);
        s->map_bytes = s->marks ? 2 * pages : 0;
        if (s->marks &&
            2 * pages >= huge / 2) // a fault each 4 KiB would be a pause of a millisecond
            madvise(s->marks, bytes, MADV_HUGEPAGE);
    }
    s->runs = s->marks + pages;
    return s->marks ? 0 : -ENOMEM;
}

// As new, but for the memory that it has.
static void reset(struct snapshot *s)
{
    CHECK(!s->watches);
    s->ends = false;
    stream_reset(&s->undo);
    s->round = s->log_taken = 0;
    s->phase = COPYING;
    s->frame = NULL;
    s->head_written = false;
    s->waits = SNAPSHOT_WAITS_NOT;
    s->frame_count = 0;
    s->stats = (struct snapshot_stats){0};
}

static struct snapshot *new_snapshot(void)
{
    struct snapshot *s = calloc(1, sizeof *s);
    if (s)
        stream_init(&s->undo);
    return s;
}

int snapshot_begin(struct arena *arena, const struct snapshot_spec *spec, struct snapshot **out,
                   struct err *err)
{
    CHECK(arena_log_used(arena) == 0);
    const struct arena_header *h = arena->header;
    struct snapshot *s = *out ? *out : new_snapshot();
    *out = s;
    if (!s)
        return err_set(err, -ENOMEM, "no memory for a snapshot");
    reset(s);
    s->arena = arena;
    s->spec = *spec;
    if (!s->spec.undo_limit)
        s->spec.undo_limit = UNDO_LIMIT_BYTES;
    s->first = s->cursor = h->data_offset >> ARENA_PAGE_SHIFT;
    s->end = arena->meta->top >> ARENA_PAGE_SHIFT;
    size_t count = s->end - s->first;
    if (keep_maps(s) < 0)
        return err_set(err, -ENOMEM, "no memory for a snapshot of %zu blocks", count);
    memcpy(s->marks, arena->epochs + s->first, count);
    memcpy(s->runs, arena->base + h->data_offset + s->first, count);
    s->stats.blocks_left = count;
    s->head = (struct snapshot_head){spec->base,   h->layout_hash,   h->total_bytes,
                                     h->log_bytes, arena->meta->top, arena->meta->used_bytes};
    const struct arena_watcher watcher = {s, before_reuse, before_end};
    arena_watch(arena, &watcher);
    s->watches = true;
    return 0;
}

static void stop_watching(struct snapshot *s)
{
    if (s->watches)
        arena_watch(s->arena, NULL);
    s->watches = false;
}

int snapshot_poll(struct snapshot *s, struct err *err)
{
    if (s->ends)
        s->ends = !stream_end(&s->undo);
    if (!s->watches)
        return 0;
    const struct stream_news news = stream_give(&s->undo);
    if (news.is_end_wanted) {
        stop_watching(s);
        s->ends = !stream_end(&s->undo);
    }
    if (news.waiting <= s->spec.undo_limit)
        return 0;
    if (news.waiting == UINT64_MAX)
        return err_set(err, -ENOMEM, "no memory for the undo entries of a snapshot");
    return err_set(err, -ENOBUFS,
                   "the disk is slower than the state changes: %" PRIu64
                   " bytes of undo entries wait",
                   news.waiting);
}

void snapshot_stop(struct snapshot *s)
{
    stop_watching(s);
    stream_stop(&s->undo);
}

void snapshot_end(struct snapshot *s)
{
    if (!s)
        return;
    stop_watching(s);
    stream_fini(&s->undo);
    free(s->marks);
    free(s);
}

// --- frames ---

static struct snapshot_frame *take_frame(struct snapshot *s, enum snapshot_frame_kind kind)
{
    struct snapshot_frame *frame = s->engine->class->take(s->engine);
    if (!frame)
        return NULL;
    memset(frame, 0, sizeof *frame);
    frame->kind = kind;
    frame->id = s->spec.id;
    return frame;
}

static int submit_frame(struct snapshot *s, struct snapshot_frame *frame)
{
    uint32_t padded = snapshot_padded(frame->bytes);
    memset((uint8_t *)(frame + 1) + frame->bytes, 0, padded - frame->bytes);
    frame->index = s->frame_count++;
    if (frame->kind == SNAPSHOT_UNDO)
        frame->payload_crc = snapshot_undo_crc(&s->spec.id, frame->index, frame + 1, padded);
    snapshot_seal(frame);
    s->stats.file_bytes += sizeof *frame + padded;
    return s->engine->class->submit(s->engine, frame, (uint32_t)sizeof *frame + padded);
}

static int submit_head(struct snapshot *s)
{
    struct snapshot_frame *frame = take_frame(s, SNAPSHOT_HEAD);
    if (!frame)
        return -EAGAIN;
    frame->head = s->head;
    s->head_written = true;
    return submit_frame(s, frame);
}

static int submit_foot(struct snapshot *s)
{
    struct snapshot_frame *frame = take_frame(s, SNAPSHOT_FOOT);
    if (!frame)
        return -EAGAIN;
    frame->foot = (struct snapshot_foot){s->frame_count + 1, s->stats.blocks, s->stats.undo_bytes};
    return submit_frame(s, frame);
}

static int submit_undo(struct snapshot *s)
{
    struct snapshot_frame *frame = take_frame(s, SNAPSHOT_UNDO);
    if (!frame)
        return -EAGAIN;
    struct slice entries = stream_first(&s->undo);
    frame->bytes = (uint32_t)entries.len;
    memcpy(frame + 1, entries.ptr, entries.len);
    stream_drop_first(&s->undo);
    s->stats.undo_bytes += frame->bytes;
    return submit_frame(s, frame);
}

static int submit_blocks(struct snapshot *s)
{
    struct snapshot_frame *frame = s->frame;
    s->frame = NULL;
    frame->bytes = frame->blocks * SNAPSHOT_PAGE_BYTES;
    s->stats.blocks += frame->blocks;
    return submit_frame(s, frame);
}

// Of memory that its owner may be changing: what has changed does not matter (see the head), so
// what the race reads does not either. A processor fetches ahead inside a page, but not across its
// end, so `next` is asked for; and not to stay, for the task needs its caches.
__attribute__((no_sanitize("thread"))) static void copy_page(uint8_t *to, const uint8_t *from,
                                                             const uint8_t *next)
{
    enum { LINE_BYTES = 64 }; // inline, where TSan does not see it
    for (size_t at = 0; at < SNAPSHOT_PAGE_BYTES; at += LINE_BYTES) {
        __builtin_prefetch(next + at, 0, 0);
        memcpy(to + at, from + at, LINE_BYTES);
    }
}

static int copy_block(struct snapshot *s, uint64_t number)
{
    if (!s->frame && !(s->frame = take_frame(s, SNAPSHOT_BLOCKS)))
        return -EAGAIN;
    struct snapshot_frame *frame = s->frame;
    uint8_t *page = (uint8_t *)(frame + 1) + (size_t)frame->blocks * SNAPSHOT_PAGE_BYTES;
    uint64_t next = next_block(s, number) < s->end ? next_block(s, number) : number;
    copy_page(page, arena_at(s->arena, number << ARENA_PAGE_SHIFT),
              arena_at(s->arena, next << ARENA_PAGE_SHIFT));
    frame->block[frame->blocks++] =
        (struct snapshot_block){number, snapshot_block_crc(&s->spec.id, number, page), 0};
    return frame->blocks == SNAPSHOT_BLOCKS_MAX ? submit_blocks(s) : 0;
}

// --- the way to the end ---

// Looking at a block that is not copied costs little, but there may be millions of them.
static int copy_some(struct snapshot *s, uint32_t blocks)
{
    uint64_t looks = (uint64_t)blocks * 256;
    int rc = 0;
    while (rc == 0 && blocks && looks-- && s->cursor < s->end) {
        uint64_t block = s->cursor;
        if (is_wanted(s, block)) {
            rc = copy_block(s, block);
            blocks--;
        }
        if (rc == 0)
            s->cursor = next_block(s, block);
    }
    s->cursor = s->cursor < s->end ? s->cursor : s->end;
    s->stats.blocks_left = s->end - s->cursor;
    return rc;
}

static int flush_undo(struct snapshot *s)
{
    return stream_first(&s->undo).len ? submit_undo(s) : 0;
}

// Everything has been copied: no later change matters any more.
static int end_copying(struct snapshot *s)
{
    stream_want_end(&s->undo);
    s->phase = DRAINING;
    return s->frame ? submit_blocks(s) : 0;
}

static int drain(struct snapshot *s)
{
    int rc = flush_undo(s);
    if (rc < 0)
        return rc;
    if (!stream_is_empty_for_good(&s->undo)) {
        if (!stream_first(&s->undo).len)
            s->waits = SNAPSHOT_WAITS_OWNER;
        return 0;
    }
    rc = submit_foot(s);
    if (rc == 0)
        rc = s->engine->class->sync(s->engine);
    if (rc == 0)
        s->phase = SYNCING;
    return rc;
}

// Give to the disk what it takes now: of both, so that neither starves. -EAGAIN: it takes nothing
// more.
static int feed(struct snapshot *s, uint32_t blocks)
{
    int rc = s->head_written ? 0 : submit_head(s);
    if (rc == 0 && s->phase == COPYING)
        rc = flush_undo(s);
    if (rc == 0 && s->phase == COPYING)
        rc = copy_some(s, blocks);
    if (rc == 0 && s->phase == COPYING && s->cursor == s->end)
        rc = end_copying(s);
    if (rc == 0 && s->phase == DRAINING)
        rc = drain(s);
    return rc;
}

void snapshot_use(struct snapshot *s, struct snapshot_engine *engine)
{
    s->engine = engine;
}

int snapshot_write(struct snapshot *s, uint32_t blocks, bool *done, struct err *err)
{
    bool idle;
    *done = false;
    s->waits = SNAPSHOT_WAITS_NOT;
    if (stream_is_stopped(&s->undo))
        return err_set(err, -ECANCELED, "the checkpoint was given up");
    int rc = s->engine->class->poll(s->engine, false, &idle);
    if (rc == 0 && s->phase == SYNCING && idle)
        s->phase = DONE;
    if (rc == 0 && s->phase < SYNCING)
        rc = feed(s, blocks);
    if (rc == -EAGAIN || s->phase == SYNCING)
        s->waits = SNAPSHOT_WAITS_DISK;
    *done = s->phase == DONE;
    if (rc == 0 || rc == -EAGAIN)
        return 0;
    return err_set(err, rc, "cannot write the snapshot: %s", strerror(-rc));
}

enum snapshot_wait snapshot_waits(const struct snapshot *s)
{
    return s->waits;
}

void snapshot_wait_owner(struct snapshot *s, int64_t ns)
{
    stream_wait_end(&s->undo, ns);
}

struct snapshot_stats snapshot_stats(const struct snapshot *s)
{
    return s->stats;
}

int snapshot_step(struct snapshot *s, uint32_t blocks, bool *done, struct err *err)
{
    int rc = snapshot_poll(s, err);
    if (rc == 0)
        rc = snapshot_write(s, blocks, done, err);
    return rc == 0 ? snapshot_poll(s, err) : rc;
}
