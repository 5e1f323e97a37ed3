// file_savepoint.c: what is left of the files of a source, into a savepoint and out of it.
//
// A record: path, `from`, must the first line behind `from` be found (else a line begins there),
// `to`, `stride`. stride 0: the lines that begin in [from, to), or to the end when `to` is -1.
// stride > 0: those of the chunks of 1 MiB at from, from + stride .. to the end. In a restore the
// pieces come first, in the file's order, so event time goes on as it would have. Followed files
// have records of their own: file_followed.c.
#include "stages/source/file_savepoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/snapshot/savepoint.h"

#define CHUNK ((uint64_t)FILE_CHUNK_BYTES)

struct piece {
    uint64_t from, to; // 0: the file's end
    bool find_line;
    uint64_t stride;
};

// --- out of the task ---

static void put_piece(struct savepoint_writer *out, int id, const char *path,
                      const struct piece *piece)
{
    savepoint_begin(out, id, SAVEPOINT_FILE);
    savepoint_put_text(out, slice_of(path));
    savepoint_put_int(out, (int64_t)piece->from);
    savepoint_put_int(out, piece->find_line);
    savepoint_put_int(out, piece->to ? (int64_t)piece->to : -1);
    savepoint_put_int(out, (int64_t)piece->stride);
    savepoint_end(out);
}

struct putting {
    struct savepoint_writer *out;
    int id;
    const struct file_positions *files;
    bool in_chunks;
    uint64_t subtasks;
};

// An entry in chunks: the rest of the chunk that it is in, then every p-th chunk.
static void put_chunks(const struct putting *p, const char *path, struct piece first,
                       uint64_t chunk)
{
    const uint64_t end = (chunk + 1) * CHUNK, stride = p->subtasks * CHUNK;
    first.to = end;
    first.find_line |= chunk > 0 && first.from == chunk * CHUNK;
    if (first.from < end)
        put_piece(p->out, p->id, path, &first);
    const struct piece rest = {.from = chunk * CHUNK + stride, .find_line = true, .stride = stride};
    put_piece(p->out, p->id, path, &rest);
}

static void put_entry(const struct putting *p, int index)
{
    const struct file_position at = file_positions_get(p->files, index);
    const char *path = p->files->entries[index].path;
    const bool skips = at.chunk & 1; // the rest of an overlong row, which is reported already
    struct piece piece = {.from = at.offset + skips, .find_line = skips};
    piece.to = file_positions_end(p->files, index);
    if (p->in_chunks && !piece.to) {
        put_chunks(p, path, piece, at.chunk >> 1);
        return;
    }
    piece.find_line |= at.chunk >> 1 == FILE_FIND_LINE;
    if (!piece.to || piece.from < piece.to)
        put_piece(p->out, p->id, path, &piece);
}

static int file_put(const struct op_context *context, struct savepoint_writer *out, int id,
                    bool clocks, struct err *err)
{
    struct file_positions files;
    struct file_shape shape;
    uint64_t flags;
    int rc = file_source_shape(context->op->table, &shape, err);
    if (rc < 0 || clocks)
        return rc;
    rc = arena_root(context->arena, file_flags_root(context->op), 16, &flags);
    if (rc == 0)
        rc = file_positions_open(&files, context->arena, (uint32_t)context->op->id);
    if (rc < 0)
        return err_set(err, rc, "table %s: its positions are damaged", context->op->table->name);
    const struct putting putting = {out, id, &files, arena_word(context->arena, flags + 8) != 0,
                                    (uint64_t)context->stage->parallelism};
    for (int i = 0; i < files.count && !shape.is_followed; i++)
        put_entry(&putting, i);
    if (shape.is_followed)
        file_put_followed(&files, out, id);
    file_positions_close(&files);
    return 0;
}

// --- into the tasks ---

// One path: pieces in order, and from where on everything is left.
struct left {
    char *path;
    struct piece *pieces;
    int piece_count;
    bool has_rest, has_chunks;
    struct piece rest;
    uint64_t chunks_from; // has_chunks: all chunks from this byte on
};

struct restoring {
    const struct op_context *contexts;
    int count;
    struct file_shape shape;
    struct left *files;
    int file_count;
    void *followed; // NULL: they are not
};

static int restoring_begin(const struct op_context *contexts, int count, void **out,
                           struct err *err)
{
    struct file_shape shape;
    int rc = file_source_shape(contexts[0].op->table, &shape, err);
    if (rc < 0)
        return rc;
    struct restoring *r = calloc(1, sizeof *r);
    CHECK(r);
    *r = (struct restoring){.contexts = contexts, .count = count, .shape = shape};
    r->followed = shape.is_followed ? file_followed_begin(contexts, count) : NULL;
    *out = r;
    return 0;
}

static void restoring_free(void *restoring)
{
    struct restoring *r = restoring;
    for (int i = 0; i < r->file_count; i++) {
        free(r->files[i].path);
        free(r->files[i].pieces);
    }
    if (r->followed)
        file_followed_free(r->followed);
    free(r->files);
    free(r);
}

static struct left *left_of(struct restoring *r, struct slice path)
{
    for (int i = 0; i < r->file_count; i++)
        if (slice_equal(slice_of(r->files[i].path), path))
            return &r->files[i];
    r->files = realloc(r->files, (size_t)(r->file_count + 1) * sizeof *r->files);
    CHECK(r->files);
    struct left *file = &r->files[r->file_count++];
    *file = (struct left){.path = strndup(path.ptr, path.len)};
    CHECK(file->path);
    return file;
}

static void add_piece(struct left *file, struct piece piece)
{
    file->pieces = realloc(file->pieces, (size_t)(file->piece_count + 1) * sizeof piece);
    CHECK(file->pieces);
    file->pieces[file->piece_count++] = piece;
}

// Could it be left of a file?
static bool is_sound(const struct piece *piece)
{
    if (piece->find_line && piece->from == 0)
        return false;
    if (piece->to && (piece->stride || piece->to <= piece->from))
        return false;
    return piece->stride % CHUNK == 0 && (!piece->stride || piece->from % CHUNK == 0) &&
           piece->from >= piece->stride;
}

static int restoring_take(void *restoring, struct savepoint_record *record, struct err *err)
{
    struct restoring *r = restoring;
    if (r->followed)
        return file_followed_take(r->followed, record, err);
    struct slice path = savepoint_take_text(record);
    struct piece piece = {.from = savepoint_take_count(record)};
    piece.find_line = savepoint_take_count(record) != 0;
    int64_t to = savepoint_take_int(record);
    piece.stride = savepoint_take_count(record);
    piece.to = to < 0 ? 0 : (uint64_t)to;
    if (record->kind != SAVEPOINT_FILE || record->is_bad || !path.len ||
        memchr(path.ptr, '\0', path.len) || to == 0 || !is_sound(&piece))
        return err_set(err, -EBADMSG, "the savepoint's position of table %s is none of a file",
                       r->contexts[0].op->table->name);
    struct left *file = left_of(r, path);
    if (piece.to || piece.stride)
        add_piece(file, piece);
    else
        file->rest = piece;
    file->has_rest |= !piece.to && !piece.stride;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct piece *p = a, *q = b;
    return p->from < q->from ? -1 : p->from > q->from;
}

// Single chunks below that of the subtask that was ahead: no sound file has so many of them.
static bool is_bounded(const struct left *file)
{
    const uint64_t chunks_max = 1 << 20;
    uint64_t behind = 0, chunks = 0;
    for (int i = 0; i < file->piece_count; i++)
        if (file->pieces[i].stride && file->pieces[i].from > behind)
            behind = file->pieces[i].from;
    for (int i = 0; i < file->piece_count && chunks <= chunks_max; i++)
        if (file->pieces[i].stride)
            chunks += (behind - file->pieces[i].from) / file->pieces[i].stride;
    return chunks <= chunks_max;
}

// Behind the chunk of the subtask that was ahead everything is left; below it, single chunks.
static void cut_strides(struct left *file)
{
    int count = file->piece_count;
    for (int i = 0; i < count; i++) {
        const struct piece *piece = &file->pieces[i];
        if (!piece->stride)
            continue;
        uint64_t behind = piece->from - piece->stride + CHUNK;
        file->has_chunks = true;
        file->chunks_from = behind > file->chunks_from ? behind : file->chunks_from;
    }
    for (int i = 0; i < count; i++) {
        const struct piece piece = file->pieces[i];
        for (uint64_t at = piece.from; piece.stride && at < file->chunks_from; at += piece.stride)
            add_piece(file, (struct piece){.from = at, .to = at + CHUNK, .find_line = true});
    }
    int kept = 0;
    for (int i = 0; i < file->piece_count; i++)
        if (!file->pieces[i].stride)
            file->pieces[kept++] = file->pieces[i];
    file->piece_count = kept;
    if (kept)
        qsort(file->pieces, (size_t)kept, sizeof *file->pieces, by_place);
}

// The file will be shared in chunks: what is left of the chunk that its rest begins in is a piece.
static void cut_rest(struct left *file)
{
    if (!file->has_rest)
        return;
    uint64_t end = (file->rest.from / CHUNK + 1) * CHUNK;
    struct piece piece = file->rest;
    piece.to = end;
    add_piece(file, piece);
    file->has_rest = false;
    file->has_chunks = true;
    file->chunks_from = end;
}

static struct file_position start_of(const struct piece *piece)
{
    return (struct file_position){piece->from, piece->find_line ? FILE_FIND_LINE << 1 : 0};
}

// The subtask's entries of one file that is shared.
static int restore_shared(const struct left *file, struct file_positions *files, int subtask,
                          int subtasks)
{
    int rc = 0;
    for (int i = subtask; i < file->piece_count && rc >= 0; i += subtasks)
        rc = file_positions_add_piece(files, file->path, start_of(&file->pieces[i]),
                                      file->pieces[i].to);
    uint64_t chunk = file->chunks_from / CHUNK + (uint64_t)subtask;
    const struct file_position first = {chunk * CHUNK, chunk << 1};
    return rc < 0 ? rc : file_positions_add_piece(files, file->path, first, 0);
}

static int restore_whole(const struct left *file, struct file_positions *files)
{
    int rc = 0;
    for (int i = 0; i < file->piece_count && rc >= 0; i++)
        rc = file_positions_add_piece(files, file->path, start_of(&file->pieces[i]),
                                      file->pieces[i].to);
    const struct piece chunks = {.from = file->chunks_from, .find_line = true};
    const struct piece *rest = file->has_rest ? &file->rest : &chunks;
    if (rc < 0 || (!file->has_rest && !file->has_chunks))
        return rc;
    return file_positions_add_piece(files, file->path, start_of(rest), 0);
}

static int restore_subtask(const struct restoring *r, int subtask, bool shared)
{
    const struct op_context *context = &r->contexts[subtask];
    struct file_positions files;
    uint64_t flags;
    int rc = file_positions_open(&files, context->arena, (uint32_t)context->op->id);
    if (rc == 0)
        rc = arena_root(context->arena, file_flags_root(context->op), 16, &flags);
    if (rc < 0)
        return rc;
    arena_store8(context->arena, flags, 1);
    arena_store8(context->arena, flags + 8, shared);
    for (int i = 0; i < r->file_count && rc >= 0; i++) {
        const struct left *file = &r->files[i];
        uint64_t owner = hash_bytes(file->path, strlen(file->path)) % (uint64_t)r->count;
        if (shared)
            rc = restore_shared(file, &files, subtask, r->count);
        else if (owner == (uint64_t)subtask)
            rc = restore_whole(file, &files);
        arena_commit(context->arena);
    }
    file_positions_close(&files);
    return rc < 0 ? rc : 0;
}

static int restoring_end(void *restoring, struct err *err)
{
    struct restoring *r = restoring;
    int rc = 0;
    if (r->followed)
        return file_followed_end(r->followed, r->shape.path, err);
    bool shared = r->count > 1 && r->file_count == 1 && r->shape.line_is_row;
    for (int i = 0; i < r->file_count; i++) {
        if (!is_bounded(&r->files[i]))
            return err_set(err, -EBADMSG, "the savepoint's positions in %s are none of a file",
                           r->files[i].path);
        cut_strides(&r->files[i]);
        if (shared)
            cut_rest(&r->files[i]);
    }
    for (int s = 0; s < r->count && rc == 0; s++)
        rc = restore_subtask(r, s, shared);
    return rc < 0 ? err_set(err, rc, "no room in the task's memory; set memory.state higher") : 0;
}

const struct savepoint_class file_savepoint = {
    .put = file_put,
    .begin = restoring_begin,
    .take = restoring_take,
    .end = restoring_end,
    .free = restoring_free,
};
