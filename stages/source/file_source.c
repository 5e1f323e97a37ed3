// file_source.c: the filesystem connector as a source: files of JSON lines or CSV.
//
// Private: the window, the reader, where the next poll begins. In the arena: the list of files and,
// for each, the offset of the next row. One file is read by all subtasks together when a line's end
// is always a row's end: subtask s of p takes the chunks s, s + p, s + 2p ... of 1 MiB, and the
// lines that begin in a chunk are the chunk's. Several files are given out by the hash of their
// paths, followed ones by their inodes.
//
// A followed file may grow, be renamed, replaced, cut or removed: see file_identity.h. The file
// that was read last stays open, so that what is written to it before it is replaced is read as
// well.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/format/reader.h"
#include "stages/runtime/operator.h"
#include "stages/runtime/schema.h"
#include "stages/source/file_careful.h"
#include "stages/source/file_list.h"
#include "stages/source/file_positions.h"
#include "stages/source/file_savepoint.h"
#include "stages/source/file_window.h"

enum {
    CHUNK_BYTES = FILE_CHUNK_BYTES,
    WINDOW_BYTES = 256 << 10,  // read at once: it stays in the second cache until it is parsed
    ROW_BYTES = 1 << 10,       // a usual row has less
    REPORTED_BYTES = 64 << 10, // of a bad row
    IDLE_RETRY_MS = 200,
};

struct file_options {
    const char *path;
    int64_t monitor_ms; // 0: read what is there at the start, then end
    bool line_is_row;   // no row holds a line's end, so a file can be cut at any line
    struct format_options format;
};

struct file_source {
    struct source base; // must be first
    struct file_options options;
    struct file_positions files;
    struct reader *reader;
    struct file_window window;
    struct reader_result result; // of the last poll
    struct bad_row bad_rows[READER_BAD_ROWS];
    bool in_chunks;       // one file, shared by the subtasks
    int current;          // index of the open file, -1: none
    int fd;               // of it, -1: none
    uint64_t at;          // private: where the next poll begins
    bool is_chunked;      // the open entry: it is the shared file, not a piece of it
    uint64_t chunk;       // is_chunked: the chunk that `at` belongs to
    uint64_t end;         // else: of the entry's piece; 0: the file's
    uint64_t polled_from; // file offset of the bytes of the last poll
    uint32_t polled_rows; // rows of the last poll
    const char *given_up; // why the bad row of the last poll is one that kills; NULL: it is not
    bool polled_skipping; // the last poll ended in the middle of an overlong row
    bool is_ending;       // the open file was replaced: its last row needs no line's end
    bool skip_to_line;    // begin by skipping the rest of an overlong row
    bool chunk_is_new;    // `at` is a chunk's, or piece's, first byte: its first line must be found
    int64_t next_list_ms; // when to look for new files
};

// --- options ---

static int parse_format(const struct plan_table *table, struct format_options *out, struct err *err)
{
    const char *keys[64], *values[64];
    int count = 0;
    if (table->option_count > (int)ARRAY_SIZE(keys))
        return err_set(err, -EINVAL, "table %s has more than %zu options", table->name,
                       ARRAY_SIZE(keys));
    for (; count < table->option_count; count++) {
        keys[count] = table->options[count].key;
        values[count] = table->options[count].value;
    }
    int rc = format_options_parse(keys, values, count, out, err);
    return rc < 0 ? err_prefix(err, rc, "table %s", table->name) : 0;
}

static int parse_options(const struct plan_table *table, struct file_options *out, struct err *err)
{
    const char *monitor = table_option(table, "source.monitor-interval", NULL);
    *out = (struct file_options){.path = table_option(table, "path", NULL)};
    if (!out->path || !*out->path)
        return err_set(
            err, -EINVAL,
            "table %s: the filesystem connector needs 'path': a file, a folder or a glob",
            table->name);
    int rc = monitor ? plan_duration_ms(monitor, &out->monitor_ms, err) : 0;
    if (rc < 0)
        return err_prefix(err, rc, "table %s: option 'source.monitor-interval'", table->name);
    rc = parse_format(table, &out->format, err);
    if (rc < 0)
        return rc;
    const char *lines = table_option(table, "source.line-is-row", "false");
    out->line_is_row =
        out->format.kind == FORMAT_JSON || out->format.csv_quote < 0 || strcmp(lines, "true") == 0;
    return 0;
}

// What is not there yet is waited for when files are followed.
static int list_files(const struct file_options *options, struct file_list *out, struct err *err)
{
    int rc = file_list_make(options->path, out, err);
    return rc == -ENOENT && options->monitor_ms > 0 ? 0 : rc;
}

static int file_source_check(const struct plan_table *table, struct err *err)
{
    struct file_options options;
    struct file_list list;
    struct reader *reader;
    int rc = parse_options(table, &options, err);
    if (rc < 0)
        return rc;
    rc = reader_create(&options.format, &table->physical, table->needed, &reader, err);
    if (rc < 0)
        return err_prefix(err, rc, "table %s", table->name);
    reader_free(reader);
    rc = list_files(&options, &list, err);
    if (rc < 0)
        return err_prefix(err, rc, "table %s, 'path' = '%s'", table->name, options.path);
    bool is_empty = list.count == 0;
    file_list_fini(&list);
    if (is_empty && options.monitor_ms == 0)
        return err_set(err, -ENOENT,
                       "table %s: no file matches 'path' = '%s' (set 'source.monitor-interval' to "
                       "wait for files)",
                       table->name, options.path);
    return 0;
}

// --- files ---

static bool is_followed(const struct file_source *f)
{
    return f->options.monitor_ms > 0;
}

static bool is_mine(const struct file_source *f, uint64_t hash)
{
    const struct op_context *context = &f->base.context;
    uint64_t subtasks = (uint64_t)context->stage->parallelism;
    return hash % subtasks == (uint64_t)context->subtask;
}

static void note(const struct file_source *f, const char *format, const char *path)
{
    char text[512];
    snprintf(text, sizeof text, format, path);
    op_note(&f->base.context, text);
}

struct known_file {
    struct file_identity identity;
    struct file_position position;
};

static void assign(struct file_source *f, int index, struct known_file file)
{
    file_positions_set(&f->files, index, file.position);
    file_positions_identify(&f->files, index, &file.identity);
    f->files.entries[index].done.size = -1;
}

// Of `count` files, the one that is at `path` now, or a new one.
static struct known_file match(const struct file_source *f, const struct known_file *files,
                               int count, const char *path, uint64_t inode)
{
    struct env *env = f->base.context.env;
    for (int i = 0; i < count; i++) {
        if (files[i].identity.inode != inode)
            continue;
        int fd = env->open(env, path, O_RDONLY | O_CLOEXEC, 0);
        bool same = fd >= 0 && file_identity_holds(env, fd, &files[i].identity);
        if (fd >= 0)
            env->close(env, fd);
        if (same)
            return files[i];
    }
    return (struct known_file){.identity = {.inode = inode}};
}

// Is the file still at the entry's path?
static bool has_file(const struct file_source *f, int index, uint64_t inode)
{
    struct file_look now;
    return file_look_at(f->files.entries[index].path, &now) == 0 && now.inode == inode;
}

// A path that was not seen before: a new file, or a known one under a new name. 1 added, 0 not
// mine, gone, or read at this moment; or -errno.
static int add_followed(struct file_source *f, const char *path)
{
    struct file_look now, open_file_look;
    if (file_look_at(path, &now) < 0 || !is_mine(f, now.inode))
        return 0;
    if (f->fd >= 0 && file_look_at_fd(f->fd, &open_file_look) == 0 &&
        open_file_look.inode == now.inode)
        return 0; // it was renamed while it is read: when it is read to its end
    struct known_file file = {.identity = {.inode = now.inode}};
    for (int i = 0; i < f->files.count; i++) {
        struct known_file known = {file_positions_identity(&f->files, i),
                                   file_positions_get(&f->files, i)};
        if (known.identity.inode != now.inode)
            continue;
        file = match(f, &known, 1, path, now.inode);
        if (!has_file(f, i, now.inode)) // it has moved: only one name may go on with it
            assign(f, i, (struct known_file){0});
        break;
    }
    int rc = file_positions_add(&f->files, path);
    if (rc > 0)
        assign(f, f->files.count - 1, file);
    return rc;
}

// Put files that are new into the arena. Returns how many, or -errno.
static int find_files(struct file_source *f, struct err *err)
{
    struct file_list list;
    int added = 0, rc = list_files(&f->options, &list, err);
    if (rc < 0)
        return rc;
    bool first = f->files.count == 0;
    bool shared = first && list.count == 1 && f->options.line_is_row && !is_followed(f);
    for (int i = 0; i < list.count && rc >= 0; i++) {
        const char *path = list.paths[i];
        if (is_followed(f)) {
            rc = file_positions_find(&f->files, path) < 0 ? add_followed(f, path) : 0;
            added += rc > 0;
            continue;
        }
        if (!shared && !is_mine(f, hash_bytes(path, strlen(path))))
            continue;
        rc = file_positions_add(&f->files, path);
        if (rc > 0 && shared) // chunk 0 is subtask 0's
            file_positions_set(&f->files, 0,
                               (struct file_position){
                                   .offset = (uint64_t)f->base.context.subtask * CHUNK_BYTES,
                                   .chunk = (uint64_t)f->base.context.subtask << 1,
                               });
        added += rc > 0;
    }
    file_list_fini(&list);
    return rc < 0 ? err_set(err, rc, "no room in the task's memory for the list of files") : added;
}

// Whether one file is shared must not depend on what lies in the folder after a restart: the root
// keeps it.
static int open_positions(struct file_source *f, struct err *err)
{
    const struct op_context *context = &f->base.context;
    uint64_t flag_at;
    int rc = file_positions_open(&f->files, context->arena, (uint32_t)context->op->id);
    if (rc == 0)
        rc = arena_root(context->arena, file_flags_root(context->op), 16, &flag_at);
    if (rc < 0)
        return err_set(err, rc, "no room in the task's memory for the positions of files");
    if (arena_word(context->arena, flag_at) == 0) { // 1: listed; the second word: in chunks
        struct file_list list;
        rc = list_files(&f->options, &list, err);
        if (rc < 0)
            return rc;
        bool in_chunks = context->stage->parallelism > 1 && list.count == 1 &&
                         f->options.line_is_row && f->options.monitor_ms == 0;
        file_list_fini(&list);
        rc = find_files(f, err);
        if (rc < 0)
            return rc;
        arena_store8(context->arena, flag_at, 1);
        arena_store8(context->arena, flag_at + 8, in_chunks);
    }
    f->in_chunks = arena_word(context->arena, flag_at + 8) != 0;
    return 0;
}

static void close_current(struct file_source *f)
{
    if (f->fd >= 0)
        f->base.context.env->close(f->base.context.env, f->fd);
    f->fd = -1;
    f->current = -1;
    f->is_ending = false;
    file_window_set(&f->window, -1);
}

// Private view := the arena's position of file `index`.
static void load_position(struct file_source *f, int index)
{
    struct file_position position = file_positions_get(&f->files, index);
    f->at = position.offset;
    f->chunk = position.chunk >> 1;
    f->end = file_positions_end(&f->files, index);
    f->is_chunked = f->in_chunks && f->end == 0;
    f->skip_to_line = position.chunk & 1;
    f->chunk_is_new = f->is_chunked ? f->chunk > 0 && f->at == f->chunk * CHUNK_BYTES
                                    : f->chunk == FILE_FIND_LINE;
    reader_reset(f->reader);
}

// Names have moved between files (a rotation: b to c, a to b, a new a): find for every file where
// it is now, all at once, so that no position is lost on the way. In a transaction.
static int follow_names(struct file_source *f, struct err *err)
{
    int rc = find_files(f, err), count = f->files.count;
    if (rc < 0)
        return rc;
    struct known_file *before = calloc((size_t)count + 1, sizeof *before);
    CHECK(before);
    for (int i = 0; i < count; i++)
        before[i] = (struct known_file){file_positions_identity(&f->files, i),
                                        file_positions_get(&f->files, i)};
    for (int i = 0; i < count; i++) {
        struct file_look now;
        const char *path = f->files.entries[i].path;
        if (file_look_at(path, &now) == 0 && now.inode != before[i].identity.inode)
            assign(f, i, match(f, before, count, path, now.inode));
    }
    for (int i = 0; i < count; i++) // a file that has moved goes on under its new name only
        for (int j = 0; j < count && before[i].identity.inode != 0; j++)
            if (j != i && file_positions_identity(&f->files, i).inode == before[i].identity.inode &&
                file_positions_identity(&f->files, j).inode == before[i].identity.inode &&
                !has_file(f, i, before[i].identity.inode))
                assign(f, i, (struct known_file){0});
    free(before);
    return 0;
}

// The open file is the one that the entry stands for, or else it is read from its begin. In a
// transaction. 0 or -errno.
static int verify(struct file_source *f, int index, struct err *err)
{
    struct env *env = f->base.context.env;
    struct file_look now;
    int rc = file_look_at_fd(f->fd, &now);
    if (rc < 0)
        return err_set(err, rc, "cannot look at %s: %s", f->files.entries[index].path,
                       strerror(-rc));
    uint64_t inode = file_positions_identity(&f->files, index).inode;
    if (inode != now.inode)
        rc = follow_names(f, err);
    if (rc < 0)
        return rc;
    struct file_identity known = file_positions_identity(&f->files, index);
    const struct known_file fresh = {.identity = {.inode = now.inode}};
    if (known.inode != now.inode) {
        assign(f, index, fresh);
    } else if ((uint64_t)now.size < file_positions_get(&f->files, index).offset ||
               !file_identity_holds(env, f->fd, &known)) {
        note(f, "%s was cut or written anew while it was followed; it is read from its begin again",
             f->files.entries[index].path);
        assign(f, index, fresh);
    }
    return 0;
}

// 1 opened, 0 gone (only of followed files), or -errno.
static int open_file(struct file_source *f, int index, struct err *err)
{
    struct env *env = f->base.context.env;
    const char *path = f->files.entries[index].path;
    close_current(f);
    int fd = env->open(env, path, O_RDONLY | O_CLOEXEC, 0), rc = 0;
    if (fd < 0 && is_followed(f)) {
        note(f, "%s cannot be read now; its rows are left out until it can", path);
        return 0;
    }
    if (fd < 0)
        return err_set(err, fd, "cannot open %s: %s", path, strerror(-fd));
    f->fd = fd;
    if (is_followed(f))
        rc = verify(f, index, err);
    f->current = index;
    file_window_set(&f->window, fd);
    load_position(f, index);
    return rc < 0 ? rc : 1;
}

// Is there, as far as a look tells, something to read in the file?
static bool is_worth_opening(const struct file_source *f, struct file_entry *entry)
{
    struct file_look now;
    bool is_done = entry->done.size >= 0;
    if (!is_followed(f))
        return !is_done;
    if (file_look_at(entry->path, &now) < 0)
        return false;
    if (!is_mine(f, now.inode))
        return false; // another file took the name; another subtask reads it
    return !is_done || now.inode != entry->done.inode || now.size != entry->done.size ||
           now.changed_ns != entry->done.changed_ns;
}

// Open the next file that has something to read. 1 opened, 0 none, or -errno.
static int next_file(struct file_source *f, struct err *err)
{
    for (int i = 0; i < f->files.count; i++) {
        if (!is_worth_opening(f, &f->files.entries[i]))
            continue;
        int rc = open_file(f, i, err);
        if (rc)
            return rc;
    }
    return 0;
}

// Has the open file's path come to name another file, or none?
static bool is_replaced(const struct file_source *f)
{
    struct file_look now, own;
    if (!is_followed(f) || file_look_at_fd(f->fd, &own) < 0)
        return false;
    return file_look_at(f->files.entries[f->current].path, &now) < 0 || now.inode != own.inode;
}

// A file that was held open at its end has grown, or was cut: then it is opened anew.
static void look_at_held(struct file_source *f)
{
    struct file_entry *entry = &f->files.entries[f->current];
    struct file_look now;
    if (!is_followed(f) || entry->done.size < 0 || file_look_at_fd(f->fd, &now) < 0 ||
        (now.size == entry->done.size && now.changed_ns == entry->done.changed_ns))
        return;
    entry->done.size = -1;
    struct file_identity known = file_positions_identity(&f->files, f->current);
    if ((uint64_t)now.size < f->at || !file_identity_holds(f->base.context.env, f->fd, &known))
        close_current(f);
}

// Nothing is left of the open file for now. A followed one stays open.
static void note_done(struct file_source *f)
{
    struct file_entry *entry = &f->files.entries[f->current];
    struct file_look now = {.size = 0};
    uint64_t end = f->window.offset + f->window.len;
    bool seen = file_look_at_fd(f->fd, &now) == 0; // else it was read to its end by a predecessor
    if (!is_followed(f)) {
        bool beyond = f->is_chunked && f->window.len == 0; // this subtask's next chunk
        if (seen && (uint64_t)now.size < end && !beyond)
            note(f, "%s became shorter while it was read", entry->path);
        entry->done.size = now.size;
        close_current(f);
        return;
    }
    if ((uint64_t)now.size != end)
        now.changed_ns = 0; // it has grown since the last read: look again
    entry->done = now;
    struct file_identity known = file_positions_identity(&f->files, f->current), fresh;
    if (file_identity_make(f->base.context.env, f->fd, f->at, &fresh) == 0 &&
        fresh.prefix_bytes > known.prefix_bytes)
        file_positions_identify(&f->files, f->current, &fresh);
}

// --- reading ---

// Go to where the private position may be parsed: the first line of a new chunk, the end of a row
// that is being skipped. 1 ready, 0 end of the file or piece, or -errno.
static int find_row(struct file_source *f)
{
    if (f->skip_to_line) {
        int rc = file_window_find_line_end(&f->window, f->at, &f->at);
        if (rc <= 0)
            return rc;
        f->skip_to_line = false;
    }
    if (!f->is_chunked && f->chunk_is_new) {
        int rc = file_window_find_line_end(&f->window, f->at - 1, &f->at);
        if (rc <= 0)
            return rc;
        f->chunk_is_new = false;
        f->chunk = 0;
    }
    if (f->end && f->at >= f->end)
        return 0;
    while (f->is_chunked && (f->chunk_is_new || f->at >= (f->chunk + 1) * CHUNK_BYTES)) {
        if (!f->chunk_is_new) {
            f->chunk += (uint64_t)f->base.context.stage->parallelism;
            f->chunk_is_new = true;
        }
        int rc = file_window_find_line_end(&f->window, f->chunk * CHUNK_BYTES - 1, &f->at);
        if (rc <= 0)
            return rc;
        f->chunk_is_new = false;
    }
    return 1;
}

// find_row, and of the file no more is read than this chunk or piece and its last row need.
static int settle(struct file_source *f)
{
    int rc = find_row(f);
    uint64_t end = f->is_chunked ? (f->chunk + 1) * CHUNK_BYTES : f->end;
    f->window.until = end ? end + ROW_BYTES : 0;
    return rc;
}

// How many of the window's `len` bytes from `at` may be parsed: in chunks, up to the end of the
// last line that begins in the chunk. *complete: what follows is not ours.
static size_t limit_to_chunk(const struct file_source *f, const char *bytes, size_t len)
{
    uint64_t end = f->is_chunked ? (f->chunk + 1) * CHUNK_BYTES : f->end;
    if (!end || f->at + len < end)
        return len;
    size_t from = (size_t)(end - 1 - f->at);
    const char *newline = memchr(bytes + from, '\n', len - from);
    return newline ? (size_t)(newline - bytes) + 1 : len;
}

static void take_bad_rows(struct file_source *f, const char *bytes)
{
    for (uint32_t i = 0; i < f->result.bad_row_count; i++) {
        const struct reader_bad_row *bad = &f->result.bad_rows[i];
        uint64_t len = bad->length < REPORTED_BYTES ? bad->length : REPORTED_BYTES;
        f->bad_rows[i] = (struct bad_row){
            .rows_before = bad->rows_before,
            .position = f->at + bad->offset,
            .source = f->files.entries[f->current].path,
            .reason = f->given_up ? f->given_up : bad->reason,
            .row = slice_make(bytes + bad->offset, len),
        };
    }
    f->base.bad_rows = f->bad_rows;
    f->base.bad_row_count = (int)f->result.bad_row_count;
}

static void parse(struct file_source *f, struct slice bytes, bool ends, struct batch *batch)
{
    const struct row_trial *trial = f->base.context.input_trial;
    f->given_up = NULL;
    if (trial && trial->is_on)
        f->given_up = file_careful_parse(
            &(struct file_careful){trial, f->files.entries[f->current].path, f->at, f->reader},
            &(struct file_careful_input){bytes, ends}, &f->result, batch);
    else
        reader_parse(f->reader, bytes, ends, &f->result, batch);
}

// Parse from the open file. 1: something was consumed; 0: the file has no more for now; -errno.
static int parse_some(struct file_source *f, struct batch *batch)
{
    bool is_last = false; // the window ends where the file does
    for (;;) {
        int rc = settle(f);
        if (rc <= 0)
            return rc;
        size_t len;
        const char *bytes = file_window_at(&f->window, f->at, &len);
        size_t usable = limit_to_chunk(f, bytes, len);
        bool ends = is_last && usable == len && (!is_followed(f) || f->is_ending);
        if (usable > 0) {
            parse(f, slice_make(bytes, usable), ends, batch);
            if (f->result.consumed > 0) {
                take_bad_rows(f, bytes);
                f->polled_from = f->at;
                f->polled_rows = batch->count;
                f->at += f->result.consumed;
                f->polled_skipping = reader_is_skipping(f->reader);
                return 1;
            }
        }
        if (is_last)
            return 0;
        int64_t n = file_window_fill(&f->window, f->at);
        if (n < 0)
            return (int)n;
        is_last = n == 0;
    }
}

static int look_for_files(struct file_source *f, int64_t now_ms, struct err *err)
{
    if (!is_followed(f) || now_ms < f->next_list_ms)
        return 0;
    // The list goes into the arena with the next commit; after an abort it is simply made again.
    f->next_list_ms = now_ms + f->options.monitor_ms;
    int rc = find_files(f, err);
    if (rc == -ENOSPC || rc >= 0)
        return rc < 0 ? rc : 0;
    note(f, "new files are not looked for: %s", err->text); // and try again next time
    return 0;
}

static int file_source_poll(struct source *source, struct batch *batch, uint32_t max_rows,
                            struct source_poll *out, struct err *err)
{
    struct file_source *f = (struct file_source *)source;
    int64_t now_ms = source->context.env->realtime_ms(source->context.env);
    source->bad_row_count = 0;
    batch->count = 0;
    batch->has_kinds = false;
    reader_set_max_rows(f->reader, max_rows < BATCH_ROWS ? max_rows : BATCH_ROWS);
    int rc = look_for_files(f, now_ms, err);
    if (f->current >= 0)
        look_at_held(f);
    while (rc >= 0) {
        if (f->current >= 0) {
            f->is_ending = f->is_ending || is_replaced(f);
            rc = parse_some(f, batch);
            out->status = SOURCE_ROWS;
            if (rc > 0)
                return 0;
            if (rc < 0)
                return err_set(err, rc, "cannot read %s: %s", f->files.entries[f->current].path,
                               strerror(-rc));
            note_done(f);
        }
        rc = next_file(f, err);
        if (rc <= 0) {
            out->status = is_followed(f) ? SOURCE_IDLE : SOURCE_END;
            source->has_caught_up = is_followed(f);
            out->retry_ms =
                f->next_list_ms < now_ms + IDLE_RETRY_MS ? f->next_list_ms : now_ms + IDLE_RETRY_MS;
            return rc;
        }
    }
    return rc;
}

static int file_source_advance(struct source *source, uint32_t rows)
{
    struct file_source *f = (struct file_source *)source;
    struct file_position position = {.chunk = f->chunk << 1};
    CHECK(f->current >= 0);
    uint64_t before = file_positions_get(&f->files, f->current).offset;
    if (f->polled_from + f->result.consumed == f->at && rows == f->polled_rows)
        position.offset = f->at;
    else
        position.offset = f->polled_from + (rows ? f->result.row_end[rows - 1] : 0);
    if (position.offset == f->at && f->polled_skipping)
        position.chunk |= 1;
    // What lies between two chunks is for others to read.
    before = before > f->polled_from ? before : f->polled_from;
    op_count_bytes(source->context.bytes_in, position.offset - before);
    file_positions_set(&f->files, f->current, position);
    return 0;
}

// The first byte of row `row` of the last poll, from its begin on: behind the row before, the bad
// rows between the two and empty lines.
static uint32_t row_begin(const struct file_source *f, uint32_t row, const char *bytes)
{
    const struct reader_result *result = &f->result;
    uint32_t end = result->row_end[row], at = row ? result->row_end[row - 1] : 0;
    for (uint32_t i = 0; i < result->bad_row_count; i++) {
        const struct reader_bad_row *bad = &result->bad_rows[i];
        if (bad->rows_before != row || bad->offset + bad->length >= end)
            continue;
        uint32_t from = (uint32_t)(bad->offset + bad->length);
        const char *newline = memchr(bytes + from, '\n', end - from);
        at = newline ? (uint32_t)(newline - bytes) + 1 : from;
    }
    while (at < end && (bytes[at] == '\n' || bytes[at] == '\r'))
        at++;
    return at;
}

static void file_source_place(const struct source *source, uint32_t row, struct row_place *out)
{
    const struct file_source *f = (const struct file_source *)source;
    size_t len;
    const char *bytes = file_window_at(&f->window, f->polled_from, &len);
    CHECK(f->current >= 0 && row < f->polled_rows && f->result.row_end[row] <= len);
    uint32_t begin = row_begin(f, row, bytes), end = f->result.row_end[row];
    while (end > begin && (bytes[end - 1] == '\n' || bytes[end - 1] == '\r'))
        end--;
    *out = (struct row_place){
        .source = f->files.entries[f->current].path,
        .position = f->polled_from + begin,
        .text =
            slice_make(bytes + begin, end - begin < REPORTED_BYTES ? end - begin : REPORTED_BYTES),
    };
}

// That the open file took the place of another may have been undone.
static bool is_still_current(const struct file_source *f)
{
    struct file_identity known = file_positions_identity(&f->files, f->current);
    struct file_look now;
    return !is_followed(f) ||
           (file_look_at_fd(f->fd, &now) == 0 && known.inode != 0 && known.inode == now.inode);
}

static void file_source_reset(struct source *source)
{
    struct file_source *f = (struct file_source *)source;
    file_positions_reload(&f->files);
    f->next_list_ms = 0;
    for (int i = 0; i < f->files.count; i++)
        f->files.entries[i].done.size = -1;
    if (f->current >= 0 && f->current < f->files.count && is_still_current(f))
        load_position(f, f->current);
    else
        close_current(f);
}

// The report of a snapshot has little room: a long path is cut at its front.
static void describe_path(const char *path, struct buf *out)
{
    enum { PATH_SHOWN = 200 };
    size_t len = strlen(path);
    const char *from = len > PATH_SHOWN ? path + len - PATH_SHOWN : path;
    while ((*from & 0xc0) == 0x80)
        from++;
    buf_append_json_string(out, slice_of(from));
}

// How far it is in the file that it was in last, and in all of them together.
static void file_source_describe(const struct source *source, struct buf *out)
{
    const struct file_source *f = (const struct file_source *)source;
    uint64_t total = 0;
    int last = f->current;
    for (int i = 0; i < f->files.count; i++) {
        uint64_t offset = file_positions_get(&f->files, i).offset;
        total += offset;
        if (offset && f->current < 0)
            last = i;
    }
    buf_append_str(out, "\"source\":{\"table\":");
    buf_append_json_string(out, slice_of(source->context.op->table->name));
    buf_printf(out, ",\"connector\":\"filesystem\",\"files\":%d", f->files.count);
    if (last >= 0) {
        buf_append_str(out, ",\"path\":");
        describe_path(f->files.entries[last].path, out);
        buf_printf(out, ",\"offset\":%llu",
                   (unsigned long long)file_positions_get(&f->files, last).offset);
    }
    // In chunks the offset is where this subtask stands, not what it has read.
    if (!f->in_chunks)
        buf_printf(out, ",\"bytes\":%llu", (unsigned long long)total);
    buf_append_str(out, "}");
}

static void file_source_close(struct source *source)
{
    struct file_source *f = (struct file_source *)source;
    if (f->window.env)
        close_current(f);
    file_window_fini(&f->window);
    file_positions_close(&f->files);
    reader_free(f->reader);
    free(f);
}

static int file_source_open(const struct op_context *context, struct source **out, struct err *err)
{
    const struct plan_table *table = context->op->table;
    struct file_source *f = calloc(1, sizeof *f);
    CHECK(f && context->op->kind == OP_SOURCE);
    f->base = (struct source){.class = &file_source_class, .context = *context};
    f->fd = -1;
    f->current = -1;
    int rc = parse_options(table, &f->options, err);
    if (rc == 0)
        rc = reader_create(&f->options.format, &table->physical, table->needed, &f->reader, err);
    if (rc == 0)
        rc = open_positions(f, err);
    if (rc < 0) {
        err_prefix(err, rc, "table %s", table->name);
        file_source_close(&f->base);
        return rc;
    }
    file_window_init(&f->window, context->env, WINDOW_BYTES);
    *out = &f->base;
    return 0;
}

const struct source_class file_source_class = {
    .name = "filesystem",
    .check = file_source_check,
    .open = file_source_open,
    .poll = file_source_poll,
    .advance = file_source_advance,
    .place = file_source_place,
    .reset = file_source_reset,
    .describe = file_source_describe,
    .close = file_source_close,
    .savepoint = &file_savepoint,
};

int file_source_shape(const struct plan_table *table, struct file_shape *out, struct err *err)
{
    struct file_options options;
    int rc = parse_options(table, &options, err);
    *out = (struct file_shape){.path = options.path,
                               .line_is_row = options.line_is_row,
                               .is_followed = rc == 0 && options.monitor_ms > 0};
    return rc;
}
