// restore.c: see restore.h. Everything read is input: sizes and offsets are checked before they are
// used, and a file that is not whole from HEAD to FOOT restores nothing.
#include "core/snapshot/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"

// What a walk does with what it finds; any may be NULL.
struct visitor {
    void *context;
    int (*head)(void *context, const struct snapshot_head *head, struct err *err);
    int (*block)(void *context, const struct snapshot_block *block, const void *page,
                 struct err *err);
    void (*undo)(void *context, struct slice entries);
    bool headers_only; // payloads are not read: no page, no undo
    bool head_only;    // stop behind the first frame
};

struct walk {
    struct env *env;
    int fd;
    const struct snapshot_id *id;
    const struct visitor *visitor;
    struct snapshot_frame *frame; // the frame read last; its payload follows it
    uint64_t offset;              // in the file
    uint64_t index, blocks, undo_bytes, last_block;
    bool has_head;
    struct snapshot_info *info;
};

static int read_all(struct walk *w, void *bytes, size_t len, struct err *err)
{
    uint8_t *to = bytes;
    for (size_t done = 0; done < len;) {
        ssize_t n = w->env->pread(w->env, w->fd, to + done, len - done, (off_t)(w->offset + done));
        if (n == -EINTR)
            continue;
        if (n < 0)
            return err_set(err, (int)n, "cannot read: %s", strerror((int)-n));
        if (n == 0)
            return err_set(err, -EBADMSG,
                           "the file ends in frame %" PRIu64 ": it was never finished, or was cut",
                           w->index);
        done += (size_t)n;
    }
    w->offset += len;
    return 0;
}

static int see_head(struct walk *w, struct err *err)
{
    const struct snapshot_head *head = &w->frame->head;
    if (w->has_head)
        return err_set(err, -EBADMSG, "frame %" PRIu64 " is a second head", w->index);
    w->has_head = true;
    if (head->total_bytes > ARENA_BYTES_MAX || head->total_bytes % ARENA_PAGE_BYTES ||
        head->top > head->total_bytes || head->top % ARENA_PAGE_BYTES ||
        head->base >= w->id->checkpoint)
        return err_set(err, -EBADMSG, "the head has sizes that cannot be");
    w->info->head = *head;
    return w->visitor->head ? w->visitor->head(w->visitor->context, head, err) : 0;
}

static int see_blocks(struct walk *w, struct err *err)
{
    const struct snapshot_frame *frame = w->frame;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < frame->blocks; i++) {
        const struct snapshot_block *block = &frame->block[i];
        const uint8_t *page = (const uint8_t *)(frame + 1) + (size_t)i * SNAPSHOT_PAGE_BYTES;
        if (block->number >= w->info->head.top >> ARENA_PAGE_SHIFT ||
            block->number <= w->last_block)
            return err_set(err, -EBADMSG,
                           "frame %" PRIu64 " has block %" PRIu64 " out of its place", w->index,
                           block->number);
        w->last_block = block->number;
        if (!w->visitor->headers_only &&
            block->crc != snapshot_block_crc(w->id, block->number, page))
            return err_set(err, -EBADMSG,
                           "block %" PRIu64 " in frame %" PRIu64 " is damaged (its checksum)",
                           block->number, w->index);
        if (w->visitor->block)
            rc = w->visitor->block(w->visitor->context, block, page, err);
    }
    w->blocks += frame->blocks;
    return rc;
}

static int see_undo(struct walk *w, struct err *err)
{
    const struct snapshot_frame *frame = w->frame;
    w->undo_bytes += frame->bytes;
    if (w->visitor->headers_only)
        return 0;
    if (frame->payload_crc !=
        snapshot_undo_crc(w->id, w->index, frame + 1, snapshot_padded(frame->bytes)))
        return err_set(err, -EBADMSG,
                       "the undo entries in frame %" PRIu64 " are damaged (their checksum)",
                       w->index);
    if (w->visitor->undo)
        w->visitor->undo(w->visitor->context, slice_make((const char *)(frame + 1), frame->bytes));
    return 0;
}

static int see_foot(struct walk *w, struct err *err)
{
    const struct snapshot_foot *foot = &w->frame->foot;
    if (foot->frames != w->index + 1 || foot->blocks != w->blocks ||
        foot->undo_bytes != w->undo_bytes)
        return err_set(err, -EBADMSG,
                       "the counts at the end of the file are not those of the file");
    w->info->foot = *foot;
    w->info->file_bytes = w->offset;
    return 0;
}

// One frame. *last: it was the foot.
static int walk_frame(struct walk *w, bool *last, struct err *err)
{
    int rc = read_all(w, w->frame, sizeof *w->frame, err);
    if (rc == 0)
        rc = snapshot_frame_check(w->frame, w->id, w->index, err);
    if (rc < 0)
        return rc;
    if ((w->frame->kind == SNAPSHOT_HEAD) != (w->index == 0))
        return err_set(err, -EBADMSG, "the file does not begin with one head");
    uint32_t padded = snapshot_padded(w->frame->bytes);
    if (w->visitor->headers_only)
        w->offset += padded;
    else
        rc = read_all(w, w->frame + 1, padded, err);
    if (rc < 0)
        return rc;
    switch (w->frame->kind) {
    case SNAPSHOT_HEAD:
        rc = see_head(w, err);
        break;
    case SNAPSHOT_BLOCKS:
        rc = see_blocks(w, err);
        break;
    case SNAPSHOT_UNDO:
        rc = see_undo(w, err);
        break;
    default:
        *last = true;
        return see_foot(w, err);
    }
    w->index++;
    return rc;
}

static int check_end(struct walk *w, struct err *err)
{
    char byte;
    ssize_t n = w->env->pread(w->env, w->fd, &byte, 1, (off_t)w->offset);
    if (n < 0)
        return err_set(err, (int)n, "cannot read: %s", strerror((int)-n));
    return n == 0 ? 0 : err_set(err, -EBADMSG, "the file goes on behind its end");
}

static int walk_file(struct env *env, const struct snapshot_file *file,
                     const struct visitor *visitor, struct snapshot_info *info, struct err *err)
{
    struct walk w = {.env = env, .id = &file->id, .visitor = visitor, .info = info};
    bool last = false;
    int rc = 0;
    w.fd = env->open(env, file->path, O_RDONLY | O_CLOEXEC, 0);
    if (w.fd < 0)
        return err_set(err, w.fd, "cannot open %s: %s", file->path, strerror(-w.fd));
    w.frame = aligned_alloc(SNAPSHOT_PAGE_BYTES, SNAPSHOT_FRAME_MAX);
    if (!w.frame)
        rc = err_set(err, -ENOMEM, "no memory to read a snapshot");
    while (rc == 0 && !last && !(visitor->head_only && w.index))
        rc = walk_frame(&w, &last, err);
    if (rc == 0 && last)
        rc = check_end(&w, err);
    free(w.frame);
    env->close(env, w.fd);
    return rc < 0 ? err_prefix(err, rc, "%s", file->path) : 0;
}

int snapshot_read_head(struct env *env, const struct snapshot_file *file, struct snapshot_head *out,
                       struct err *err)
{
    const struct visitor visitor = {.headers_only = true, .head_only = true};
    struct snapshot_info info;
    int rc = walk_file(env, file, &visitor, &info, err);
    if (rc == 0)
        *out = info.head;
    return rc;
}

int snapshot_verify(struct env *env, const struct snapshot_file *file, struct snapshot_info *out,
                    struct err *err)
{
    const struct visitor visitor = {.context = NULL};
    return walk_file(env, file, &visitor, out, err);
}

static int pass_block(void *context, const struct snapshot_block *block, const void *page,
                      struct err *err)
{
    const struct snapshot_visit *visit = context;
    (void)page;
    (void)err;
    visit->block(block, visit->context);
    return 0;
}

int snapshot_blocks(struct env *env, const struct snapshot_file *file,
                    const struct snapshot_visit *visit, struct err *err)
{
    struct snapshot_visit copy = *visit;
    const struct visitor visitor = {.context = &copy, .block = pass_block, .headers_only = true};
    struct snapshot_info info;
    return walk_file(env, file, &visitor, &info, err);
}

// --- into an arena ---

struct target {
    uint8_t *base;
    struct arena_header *header;
    const struct arena_options *options;
    uint8_t *blocks; // a bit each: in the file that is being read
    struct buf undo;
};

static size_t blocks_bytes(const struct arena_header *header)
{
    return (header->total_bytes >> ARENA_PAGE_SHIFT) / 8 + 1;
}

static int claim_to(struct target *t, uint64_t end, struct err *err)
{
    struct arena_header *h = t->header;
    if (end <= h->claimed)
        return 0;
    if (t->options->claim && t->options->claim(t->options->claim_context, h->claimed, end))
        return err_set(err, -ENOSPC, "no memory for the %" PRIu64 " bytes of the snapshot", end);
    h->claimed = end;
    return 0;
}

static int restore_head(void *context, const struct snapshot_head *head, struct err *err)
{
    struct target *t = context;
    const struct arena_header *h = t->header;
    if (head->layout_hash != h->layout_hash)
        return err_set(err, -EPROTO,
                       "the snapshot's arena has another layout than this program's: "
                       "run the program that wrote it, or restore a savepoint");
    if (head->total_bytes != h->total_bytes || head->log_bytes != h->log_bytes)
        return err_set(err, -EINVAL,
                       "the snapshot is of an arena of %" PRIu64 " bytes, the task's has %" PRIu64,
                       head->total_bytes, h->total_bytes);
    return claim_to(t, head->top, err);
}

static int restore_block(void *context, const struct snapshot_block *block, const void *page,
                         struct err *err)
{
    struct target *t = context;
    uint64_t offset = block->number << ARENA_PAGE_SHIFT;
    if (offset < t->header->data_offset)
        return err_set(err, -EBADMSG, "block %" PRIu64 " is not of the arena's data",
                       block->number);
    memcpy(t->base + offset, page, ARENA_PAGE_BYTES);
    // Changed "since ever": an increment on a later full checkpoint decides by later epochs.
    t->base[t->header->epochs_offset + block->number] = 1;
    t->blocks[block->number / 8] |= (uint8_t)(1u << block->number % 8);
    return 0;
}

static void restore_undo(void *context, struct slice entries)
{
    struct target *t = context;
    buf_append(&t->undo, entries.ptr, entries.len);
}

// Only in the blocks of this file: what was not copied has not changed since the base, which has
// it. A block's memory may have been freed and taken again since, without a note in the stream.
static int apply_undo(struct target *t, struct err *err)
{
    struct arena arena = {.base = t->base, .header = t->header};
    int rc = arena_undo_entries(&arena, buf_slice(&t->undo), t->blocks, err);
    buf_clear(&t->undo);
    memset(t->blocks, 0, blocks_bytes(t->header));
    return rc;
}

// Is it now what arena_open and all that follows may believe?
static int check_result(struct target *t, struct err *err)
{
    struct arena *arena;
    int rc = arena_open(t->base, t->header->total_bytes, t->options, &arena, err);
    if (rc < 0)
        return rc;
    rc = arena_check(arena, err);
    arena_close(arena);
    return rc == -EINVAL ? -EBADMSG : rc;
}

int snapshot_restore(struct env *env, const struct snapshot_chain *chain, void *base,
                     const struct arena_options *options, struct err *err)
{
    const struct snapshot_file *files = chain->files;
    struct target t = {.base = base, .header = base, .options = options};
    const struct visitor visitor = {
        .context = &t, .head = restore_head, .block = restore_block, .undo = restore_undo};
    int rc = 0;
    t.blocks = calloc(1, blocks_bytes(t.header));
    if (!t.blocks)
        return err_set(err, -ENOMEM, "no memory to restore a snapshot");
    for (int i = 0; rc == 0 && i < chain->count; i++) {
        struct snapshot_info info;
        uint64_t expected = i ? files[i - 1].id.checkpoint : 0;
        rc = walk_file(env, &files[i], &visitor, &info, err);
        if (rc == 0 && info.head.base != expected)
            rc = err_set(err, -EBADMSG, "%s builds on checkpoint %" PRIu64 ", not on %" PRIu64,
                         files[i].path, info.head.base, expected);
        if (rc == 0)
            rc = apply_undo(&t, err);
    }
    if (rc == 0)
        rc = check_result(&t, err);
    buf_fini(&t.undo);
    free(t.blocks);
    return rc;
}
