// fuzz_snapshot.c: no snapshot file may crash its reader. The input is a script of changes to a
// chain of two sound files; with bit 0 of its first byte the checksums are made right again
// afterwards, so that what is behind them is reached; without, every change must be noticed.
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/snapshot/restore.h"
#include "core/snapshot/writer.h"
#include "tests/fuzz/memory_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 384 << 10, LOG_BYTES = 16 << 10, FILES = MEMORY_FILES, BLOCKS = 16 };

static const struct snapshot_id ids[FILES] = {{7, 1, 3, 1}, {7, 2, 3, 1}};
static const struct arena_options options = {.fingerprint = 7, .log_bytes = LOG_BYTES};

static struct buf sound[FILES];                // the files as they were written
static struct buf *const files = memory_files; // as they are now
static void *memory;

// --- an engine in memory ---

struct memory_engine {
    struct snapshot_engine base;
    struct buf *out;
    uint8_t *buffers[2];
    bool is_taken[2];
};

static void *engine_take(struct snapshot_engine *base)
{
    struct memory_engine *e = (struct memory_engine *)base;
    for (int i = 0; i < 2; i++)
        if (!e->is_taken[i]) {
            e->is_taken[i] = true;
            return e->buffers[i];
        }
    return NULL;
}

static int engine_submit(struct snapshot_engine *base, void *buffer, uint32_t bytes)
{
    struct memory_engine *e = (struct memory_engine *)base;
    buf_append(e->out, buffer, bytes);
    e->is_taken[buffer == e->buffers[1]] = false;
    return 0;
}

static int engine_sync(struct snapshot_engine *base)
{
    (void)base;
    return 0;
}

static int engine_poll(struct snapshot_engine *base, bool wait, bool *idle)
{
    (void)base;
    (void)wait;
    *idle = true;
    return 0;
}

static const struct snapshot_engine_class engine_class = {.name = "memory",
                                                          .take = engine_take,
                                                          .submit = engine_submit,
                                                          .sync = engine_sync,
                                                          .poll = engine_poll};

// --- the sound files ---

static void change(struct arena *a, uint64_t *blocks, unsigned round)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        unsigned n = (i * 7 + round * 13) % BLOCKS;
        uint64_t bytes = 64 + n * 300;
        if (blocks[n] && (i + round) % 5 == 0) {
            arena_free(a, blocks[n], bytes);
            blocks[n] = 0;
        } else if (blocks[n]) {
            memset(arena_touch(a, blocks[n], 16), (int)(round + i), 16);
        } else {
            CHECK(arena_alloc(a, bytes, &blocks[n]) == 0);
            memset(arena_fresh(a, blocks[n]), (int)i + 1, bytes);
        }
    }
    arena_commit(a);
}

static void write_file(struct arena *a, struct memory_engine *e, int n, uint64_t *blocks)
{
    struct snapshot *s = NULL;
    struct err err;
    bool done = false;
    uint8_t since, epoch;
    uint64_t base = arena_snapshot_base(a, &since);
    const struct snapshot_spec spec = {.id = ids[n], .base = base, .since_epoch = since};
    e->out = &sound[n];
    CHECK(snapshot_begin(a, &spec, &s, &err) == 0);
    snapshot_use(s, &e->base);
    epoch = arena_next_epoch(a);
    for (unsigned round = 0; !done; round++) {
        change(a, blocks, round + 100 * (unsigned)n);
        CHECK(snapshot_step(s, 3, &done, &err) == 0);
    }
    snapshot_end(s);
    arena_set_snapshot_base(a, ids[n].checkpoint, epoch);
}

static void make_files(void)
{
    struct memory_engine e = {.base = {&engine_class}};
    uint64_t blocks[BLOCKS] = {0};
    struct arena *a;
    struct err err;
    memory = aligned_alloc(4096, ARENA_BYTES);
    e.buffers[0] = aligned_alloc(4096, SNAPSHOT_FRAME_MAX);
    e.buffers[1] = aligned_alloc(4096, SNAPSHOT_FRAME_MAX);
    CHECK(memory && e.buffers[0] && e.buffers[1]);
    memset(memory, 0, ARENA_BYTES);
    CHECK(arena_format(memory, ARENA_BYTES, &options, &err) == 0);
    CHECK(arena_open(memory, ARENA_BYTES, &options, &a, &err) == 0);
    for (int n = 0; n < FILES; n++) {
        for (unsigned round = 0; round < 5; round++)
            change(a, blocks, round + 50 * (unsigned)n);
        write_file(a, &e, n, blocks);
    }
    arena_close(a);
    free(e.buffers[0]);
    free(e.buffers[1]);
}

// --- changes ---

struct edit {
    uint8_t op;
    uint32_t at;
    uint64_t value;
};

static void cut_or_grow(struct buf *file, uint32_t at, bool grow)
{
    static const char page[SNAPSHOT_PAGE_BYTES];
    if (grow)
        buf_append(file, page, at % SNAPSHOT_PAGE_BYTES + 1);
    else
        file->len = at % (file->len + 1);
}

// Change `file`; half of the places are words of header pages.
static void apply(struct buf *file, const struct edit *edit)
{
    uint64_t word;
    size_t at = edit->at;
    if (edit->op % 16 >= 14)
        cut_or_grow(file, edit->at, edit->op % 2);
    if (file->len < SNAPSHOT_PAGE_BYTES || edit->op % 16 >= 14)
        return;
    if (edit->op & 16)
        at = at / SNAPSHOT_PAGE_BYTES * SNAPSHOT_PAGE_BYTES + at % 128;
    at = at % (file->len - 8);
    memcpy(&word, file->data + at, 8);
    if (edit->op & 32)
        word = edit->value;
    else
        word ^= edit->value;
    memcpy(file->data + at, &word, 8);
}

static size_t read_edit(const uint8_t *data, size_t size, struct edit *out)
{
    uint8_t bytes[13] = {0};
    size_t used = size < sizeof bytes ? size : sizeof bytes;
    memcpy(bytes, data, used);
    out->op = bytes[0];
    memcpy(&out->at, bytes + 1, 4);
    memcpy(&out->value, bytes + 5, 8);
    return used;
}

// Make every checksum right that can be: of frames that follow each other from the begin.
static void heal(struct buf *file, const struct snapshot_id *id)
{
    struct snapshot_frame frame;
    uint64_t index = 0;
    for (size_t at = 0; at + sizeof frame <= file->len; index++) {
        memcpy(&frame, file->data + at, sizeof frame);
        const char *payload = file->data + at + sizeof frame;
        size_t room = file->len - at - sizeof frame;
        uint32_t padded = frame.bytes > SNAPSHOT_PAYLOAD_MAX ? 0 : snapshot_padded(frame.bytes);
        if (padded > room)
            padded = 0;
        for (uint32_t i = 0; i < padded / SNAPSHOT_PAGE_BYTES && frame.kind == SNAPSHOT_BLOCKS; i++)
            frame.block[i].crc = snapshot_block_crc(id, frame.block[i].number,
                                                    payload + (size_t)i * SNAPSHOT_PAGE_BYTES);
        if (frame.kind == SNAPSHOT_UNDO)
            frame.payload_crc = snapshot_undo_crc(id, frame.index, payload, padded);
        frame.id.job = id->job;
        frame.id.task = id->task;
        snapshot_seal(&frame);
        memcpy(file->data + at, &frame, sizeof frame);
        at += sizeof frame + padded;
    }
}

static void note_block(const struct snapshot_block *block, void *context)
{
    *(uint64_t *)context += block->number;
}

static int restore(struct err *err)
{
    static const struct snapshot_file chain_files[FILES] = {{"0", {7, 1, 3, 1}},
                                                            {"1", {7, 2, 3, 1}}};
    const struct snapshot_chain chain = {chain_files, FILES};
    uint64_t sum = 0;
    struct snapshot_visit visit = {note_block, &sum};
    struct snapshot_info info;
    for (int n = 0; n < FILES; n++) {
        if (snapshot_verify(&memory_env, &chain_files[n], &info, err) < 0)
            CHECK(err->text[0]);
        if (snapshot_blocks(&memory_env, &chain_files[n], &visit, err) < 0)
            CHECK(err->text[0]);
    }
    err->text[0] = '\0';
    memset(memory, 0, ARENA_BYTES);
    CHECK(arena_format(memory, ARENA_BYTES, &options, err) == 0);
    return snapshot_restore(&memory_env, &chain, memory, &options, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {.text = ""};
    bool changed = false;
    if (!memory)
        make_files();
    if (size == 0)
        return 0;
    for (int n = 0; n < FILES; n++) {
        buf_clear(&files[n]);
        buf_append(&files[n], sound[n].data, sound[n].len);
    }
    for (size_t at = 1; at < size;) {
        struct edit edit;
        at += read_edit(data + at, size - at, &edit);
        apply(&files[edit.op >> 7], &edit);
    }
    for (int n = 0; n < FILES; n++) {
        changed |= !slice_equal(buf_slice(&files[n]), buf_slice(&sound[n]));
        if (data[0] & 1)
            heal(&files[n], &ids[n]);
    }
    int rc = restore(&err);
    CHECK(rc < 0 ? err.text[0] != '\0' : !changed || (data[0] & 1));
    CHECK(rc == 0 || changed);
    return 0;
}
