// file_sink.c: the filesystem connector as a sink: part files, each row exactly once.
//
// Task t writes `.part-t-n.inprogress` with a transactional file (runtime/txfile.h). When it is
// large enough, or at the end of input, it is *pending*: the transaction goes on to part n + 1. A
// pending part becomes *finished*, `part-t-n`, by a rename: in a job without checkpoints right
// after that commit, else when a checkpoint is complete whose barrier came after it. A kill
// anywhere is harmless: the state says which renames are due, and the next process does them, or
// finds them done.
//
// The task never waits for the disk to take a part (pending_parts.h): who writes the snapshot makes
// pending parts durable, so they are before their checkpoint is complete, and only then they get
// their names. Without checkpoints nothing of a job outlives the host before its end.
//
// Restored from a checkpoint, the folder may be ahead of the state: the part in progress is cut
// (and taken back if it was finished since), finished parts beyond it are set aside as
// `.part-t-n.beyond`, unfinished ones removed: their rows will come again.
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/format/writer.h"
#include "core/snapshot/savepoint.h"
#include "stages/runtime/folder.h"
#include "stages/runtime/operator.h"
#include "stages/runtime/schema.h"
#include "stages/runtime/txfile.h"
#include "stages/runtime/pending_parts.h"

enum { PART_PATH_BYTES = 4096 };

#define ROLL_DEFAULT_BYTES (UINT64_C(128) << 20)

struct sink_state {        // in the arena
    uint64_t length;       // committed bytes of the part in progress
    uint64_t part;         // its number
    uint64_t published;    // parts before this one are finished
    uint64_t due;          // parts before this one are to be finished now
    uint64_t barrier;      // the last checkpoint whose barrier came
    uint64_t barrier_part; // the part in progress then
    uint64_t is_known;     // the numbers have been laid behind what the folder held at the start
};

struct file_sink {
    struct operator base; // must be first
    uint64_t state_at;
    struct writer *writer;
    struct txfile file;
    bool is_open;
    uint64_t open_part; // number of the open file
    const char *folder;
    int folder_fd;                // with checkpoints, else -1: to make names durable
    struct pending_parts pending; // with checkpoints
    uint64_t first_part;          // that this process wrote
    uint64_t roll_bytes;
    int task;   // global index: part of the names
    int failed; // -errno of a rename; the next push reports it
};

static const struct sink_state *state_of(const struct file_sink *sink)
{
    return arena_at(sink->base.context.arena, sink->state_at);
}

static struct sink_state *touch_state(struct file_sink *sink)
{
    return arena_touch(sink->base.context.arena, sink->state_at, sizeof(struct sink_state));
}

static void part_paths(const struct file_sink *sink, uint64_t part, char *hidden, char *visible)
{
    unsigned long long n = part;
    if (hidden)
        snprintf(hidden, PART_PATH_BYTES, "%s/.part-%d-%llu.inprogress", sink->folder, sink->task,
                 n);
    if (visible)
        snprintf(visible, PART_PATH_BYTES, "%s/part-%d-%llu", sink->folder, sink->task, n);
}

// --- options ---

// What the options of a table say: folder, size of a part, and the writer for rows of `schema`.
static int parse_options(const struct plan_table *table, const struct schema *schema,
                         struct file_sink *sink, struct err *err)
{
    const char *keys[64], *values[64];
    struct format_options format;
    int64_t roll_bytes = ROLL_DEFAULT_BYTES;
    const char *roll = table_option(table, "sink.rolling-policy.file-size", NULL);
    if (table->option_count > (int)ARRAY_SIZE(keys))
        return err_set(err, -EINVAL, "more than %zu options", ARRAY_SIZE(keys));
    for (int i = 0; i < table->option_count; i++) {
        keys[i] = table->options[i].key;
        values[i] = table->options[i].value;
    }
    sink->folder = table_option(table, "path", NULL);
    if (!sink->folder || !*sink->folder)
        return err_set(err, -EINVAL, "the filesystem connector needs 'path': a folder");
    if (strncmp(sink->folder, "file://", strlen("file://")) == 0)
        sink->folder += strlen("file://");
    if (strpbrk(sink->folder, "\t\n")) // the renames that end a job are lines (see store.h)
        return err_set(err, -EINVAL, "option 'path' has a tab or a newline in it");
    if (roll && plan_size_bytes(roll, &roll_bytes) < 0)
        return err_set(
            err, -EINVAL,
            "option 'sink.rolling-policy.file-size' = '%s' is not a size such as '128MB'", roll);
    sink->roll_bytes = (uint64_t)roll_bytes;
    int rc = format_options_parse(keys, values, table->option_count, &format, err);
    if (rc < 0)
        return rc;
    return writer_create(&format, schema, &sink->writer, err);
}

static int file_sink_check(const struct op *op, struct err *err)
{
    struct file_sink probe = {.writer = NULL};
    const struct plan_table *table = op->table;
    int rc = parse_options(table, &op->output, &probe, err);
    if (rc < 0)
        return err_prefix(err, rc, "table %s", table->name);
    writer_free(probe.writer);
    rc = folder_check(probe.folder, err);
    return rc < 0 ? err_prefix(err, rc, "table %s: rows cannot go to 'path' = '%s'", table->name,
                               probe.folder)
                  : 0;
}

// --- parts ---

// The first part number that no earlier run has used: finished parts are never written over.
static int first_free_part(const struct file_sink *sink, uint64_t *out, struct err *err)
{
    DIR *dir = opendir(sink->folder);
    if (!dir)
        return err_set(err, -errno, "cannot read folder %s: %s", sink->folder, strerror(errno));
    *out = 0;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        int task;
        unsigned long long part;
        if (part_name_parse(entry->d_name, &task, &part) && task == sink->task && part >= *out)
            *out = part + 1;
    }
    closedir(dir);
    return 0;
}

static int open_part(struct file_sink *sink, struct err *err)
{
    char hidden[PART_PATH_BYTES];
    const struct op_context *context = &sink->base.context;
    part_paths(sink, state_of(sink)->part, hidden, NULL);
    const struct txfile_place place = {
        context->env, context->arena, sink->state_at + offsetof(struct sink_state, length), hidden};
    int rc = txfile_open(&sink->file, &place, err);
    sink->is_open = rc == 0;
    sink->open_part = state_of(sink)->part;
    return rc;
}

// The disk, not the task's memory, is what failed: say which file.
static int broken(const struct file_sink *sink, int rc)
{
    const struct op_context *context = &sink->base.context;
    char text[PART_PATH_BYTES + 256];
    snprintf(
        text, sizeof text,
        "table %s: rows cannot be written to %s: %s; what was committed is kept, the rest of the "
        "input stays unread",
        context->op->table->name, sink->folder, strerror(-rc));
    op_fail(context, text);
    return rc;
}

// A predecessor's pending parts: nobody knows which of them are durable.
static int open_pending(struct file_sink *sink)
{
    struct env *env = sink->base.context.env;
    char hidden[PART_PATH_BYTES];
    int rc = 0;
    for (uint64_t part = state_of(sink)->published; part < state_of(sink)->part && rc == 0;
         part++) {
        part_paths(sink, part, hidden, NULL);
        int fd = env->open(env, hidden, O_RDWR | O_CLOEXEC, 0);
        rc = fd < 0 ? fd : pending_parts_keep(&sink->pending, env, part, fd);
        rc = rc == -ENOENT ? 0 : rc; // it has its name already, or its rename will say so
    }
    return rc;
}

static void close_part(struct file_sink *sink)
{
    if (sink->is_open)
        txfile_close(&sink->file);
    sink->is_open = false;
}

// The part in progress is complete; in a transaction.
static void roll(struct file_sink *sink)
{
    struct sink_state *state = touch_state(sink);
    state->part++;
    state->length = 0;
    if (!sink->base.context.checkpoints)
        state->due = state->part;
}

// One pending part. Done before a kill: its file has the new name already.
static int publish_part(struct file_sink *sink, uint64_t part)
{
    char hidden[PART_PATH_BYTES], visible[PART_PATH_BYTES];
    struct env *env = sink->base.context.env;
    part_paths(sink, part, hidden, visible);
    int rc = env->rename(env, hidden, visible);
    return rc == -ENOENT && access(visible, F_OK) == 0 ? 0 : rc;
}

// The part in progress is pending.
static int leave_part(struct file_sink *sink)
{
    int rc = 0;
    if (sink->base.context.checkpoints) {
        rc = pending_parts_keep(&sink->pending, sink->file.env, sink->open_part, sink->file.fd);
        sink->file.fd = -1;
    }
    close_part(sink);
    return rc;
}

// Finish the parts that are due; the caller commits. Idempotent.
static int publish_due(struct file_sink *sink)
{
    bool is_behind = sink->is_open && sink->open_part < state_of(sink)->part;
    int rc = is_behind ? leave_part(sink) : 0;
    while (rc == 0 && state_of(sink)->published < state_of(sink)->due) {
        rc = publish_part(sink, state_of(sink)->published);
        if (rc == 0)
            touch_state(sink)->published++;
    }
    pending_parts_drop(&sink->pending, sink->base.context.env, state_of(sink)->published);
    return rc;
}

// --- after a restore ---

// A finished part whose rows will come again.
static int set_aside(const struct file_sink *sink, const char *name, uint64_t part)
{
    char from[PART_PATH_BYTES], to[PART_PATH_BYTES];
    snprintf(from, sizeof from, "%s/%.255s", sink->folder, name);
    snprintf(to, sizeof to, "%s/.part-%d-%llu.beyond", sink->folder, sink->task,
             (unsigned long long)part);
    return sink->base.context.env->rename(sink->base.context.env, from, to);
}

static int set_aside_beyond(const struct file_sink *sink, struct err *err)
{
    DIR *dir = opendir(sink->folder);
    int rc = 0;
    if (!dir)
        return err_set(err, -errno, "cannot read folder %s: %s", sink->folder, strerror(errno));
    for (struct dirent *entry = readdir(dir); entry && rc == 0; entry = readdir(dir)) {
        int task;
        unsigned long long part;
        if (part_name_parse(entry->d_name, &task, &part) && task == sink->task &&
            part >= state_of(sink)->part)
            rc = set_aside(sink, entry->d_name, part);
    }
    closedir(dir);
    return rc < 0
               ? err_set(err, rc, "cannot set parts of %s aside: %s", sink->folder, strerror(-rc))
               : 0;
}

// The folder may be ahead of the state that was restored: lead it back.
static int lead_back(const struct file_sink *sink, struct err *err)
{
    char hidden[PART_PATH_BYTES], visible[PART_PATH_BYTES];
    struct env *env = sink->base.context.env;
    const struct sink_state *state = state_of(sink);
    part_paths(sink, state->part, hidden, visible);
    int rc = 0;
    if (state->length > 0 && access(hidden, F_OK) < 0 && access(visible, F_OK) == 0)
        rc = env->rename(env, visible, hidden);
    rc = rc ? rc : pending_parts_remove(env, sink->folder, sink->task, state->part);
    return rc < 0 ? err_set(err, rc, "cannot lead %s back: %s", sink->folder, strerror(-rc))
                  : set_aside_beyond(sink, err);
}

// --- the operator ---

static void file_sink_close(struct operator* op)
{
    struct file_sink *sink = (struct file_sink *)op;
    close_part(sink);
    pending_parts_drop(&sink->pending, op->context.env, UINT64_MAX);
    if (sink->folder_fd >= 0)
        op->context.env->close(op->context.env, sink->folder_fd);
    if (sink->writer)
        writer_free(sink->writer);
    free(sink);
}

static int open_folder(struct file_sink *sink, struct err *err)
{
    struct env *env = sink->base.context.env;
    int rc = folder_make(sink->folder, err);
    if (rc < 0 || !sink->base.context.checkpoints)
        return rc;
    sink->folder_fd = env->open(env, sink->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    return sink->folder_fd < 0 ? err_set(err, sink->folder_fd, "cannot open folder %s: %s",
                                         sink->folder, strerror(-sink->folder_fd))
                               : 0;
}

static int open_state(struct file_sink *sink, struct err *err)
{
    const struct op_context *context = &sink->base.context;
    uint64_t part = 0;
    int rc = arena_root(context->arena, (uint32_t)context->op->id, sizeof(struct sink_state),
                        &sink->state_at);
    if (rc < 0)
        return err_set(err, rc, "no room in the task's memory");
    if (!state_of(sink)->is_known) {
        rc = first_free_part(sink, &part, err);
        if (rc < 0)
            return rc;
        struct sink_state *state = touch_state(sink);
        state->part = state->published = state->due = part;
        state->is_known = 1;
    } else if (context->is_restored) {
        rc = lead_back(sink, err);
        if (rc < 0)
            return rc;
    }
    rc = context->checkpoints ? open_pending(sink) : 0;
    if (rc == 0)
        rc = publish_due(sink);
    if (rc < 0)
        return err_set(err, rc, "cannot finish a part in %s: %s", sink->folder, strerror(-rc));
    sink->first_part = state_of(sink)->part;
    return open_part(sink, err);
}

static int file_sink_open(const struct op_context *context, struct operator** out, struct err *err)
{
    struct file_sink *sink = calloc(1, sizeof *sink);
    CHECK(sink && !context->next);
    sink->base = (struct operator){.class = &file_sink_class, .context = *context};
    sink->folder_fd = -1;
    sink->task = context->stage->first_task + context->subtask;
    int rc = parse_options(context->op->table, &context->op->output, sink, err);
    if (rc == 0)
        rc = open_folder(sink, err);
    if (rc == 0)
        rc = open_state(sink, err);
    if (rc < 0) {
        err_prefix(err, rc, "table %s", context->op->table->name);
        file_sink_close(&sink->base);
        return rc;
    }
    *out = &sink->base;
    return 0;
}

static int file_sink_push(struct operator* op, struct batch *batch)
{
    struct file_sink *sink = (struct file_sink *)op;
    struct err err;
    if (sink->failed)
        return broken(sink, sink->failed);
    if (!sink->is_open) {
        int rc = open_part(sink, &err);
        if (rc < 0)
            return broken(sink, rc);
    }
    struct buf *out = txfile_buffer(&sink->file);
    size_t before = out->len;
    writer_append(sink->writer, batch, out);
    *op->context.rows_out += batch->count;
    op_count_bytes(op->context.bytes_out, out->len - before);
    int rc = txfile_appended(&sink->file);
    return rc < 0 ? broken(sink, rc) : 0;
}

static int file_sink_watermark(struct operator* op, int64_t watermark_ms)
{
    (void)op;
    (void)watermark_ms;
    return 0;
}

static int file_sink_before_commit(struct operator* op)
{
    struct file_sink *sink = (struct file_sink *)op;
    if (sink->failed)
        return broken(sink, sink->failed);
    if (!sink->is_open)
        return 0;
    int rc = txfile_before_commit(&sink->file);
    if (rc < 0)
        return broken(sink, rc);
    // A part that would be one too many grows beyond its size instead.
    if (state_of(sink)->length >= sink->roll_bytes && !pending_parts_are_full(&sink->pending))
        roll(sink);
    return rc;
}

static void file_sink_after_commit(struct operator* op)
{
    struct file_sink *sink = (struct file_sink *)op;
    int rc = publish_due(sink);
    if (rc < 0)
        sink->failed = rc;
}

static int file_sink_barrier(struct operator* op, uint64_t checkpoint)
{
    struct sink_state *state = touch_state((struct file_sink *)op);
    state->barrier = checkpoint;
    state->barrier_part = state->part;
    return 0;
}

static int file_sink_complete(struct operator* op, uint64_t checkpoint)
{
    struct file_sink *sink = (struct file_sink *)op;
    const struct sink_state *state = state_of(sink);
    if (state->barrier != checkpoint || state->due >= state->barrier_part)
        return 0;
    touch_state(sink)->due = state->barrier_part;
    int rc = publish_due(sink);
    return rc < 0 ? broken(sink, rc) : 0;
}

static int file_sink_output_fds(const struct operator* op, int *fds)
{
    const struct file_sink *sink = (const struct file_sink *)op;
    int count = 0;
    for (int i = 0; i < sink->pending.count; i++)
        fds[count++] = sink->pending.files[i].fd;
    if (sink->is_open)
        fds[count++] = sink->file.fd;
    return count;
}

// Make every pending part durable, and say how it gets its name.
static int file_sink_prepare_finish(struct operator* op, struct buf *renames, struct err *err)
{
    struct file_sink *sink = (struct file_sink *)op;
    struct env *env = op->context.env;
    char hidden[PART_PATH_BYTES], visible[PART_PATH_BYTES];
    if (state_of(sink)->length > 0)
        roll(sink);
    for (uint64_t part = state_of(sink)->published; part < state_of(sink)->part; part++) {
        part_paths(sink, part, hidden, visible);
        int fd = env->open(env, hidden, O_RDWR | O_CLOEXEC, 0);
        // A process that was killed, or a run before this one, has given it its name.
        if (fd == -ENOENT && access(visible, F_OK) == 0)
            continue;
        int rc = fd < 0 ? fd : env->fdatasync(env, fd);
        if (fd >= 0)
            env->close(env, fd);
        if (rc < 0)
            return err_set(err, rc, "cannot make %s durable: %s", hidden, strerror(-rc));
        buf_printf(renames, "%s\t%s\n", hidden, visible);
    }
    return 0;
}

static int file_sink_folder_fd(const struct operator* op)
{
    return ((const struct file_sink *)op)->folder_fd;
}

static void file_sink_describe(const struct operator* op, struct buf *out)
{
    const struct file_sink *sink = (const struct file_sink *)op;
    const struct sink_state *state = state_of(sink);
    buf_append_str(out, "\"sink\":{\"table\":");
    buf_append_json_string(out, slice_of(op->context.op->table->name));
    buf_printf(out, ",\"connector\":\"filesystem\",\"part\":%llu,\"length\":%llu,\"pending\":%llu}",
               (unsigned long long)state->part, (unsigned long long)state->length,
               (unsigned long long)(state->part - state->published));
}

// Without checkpoints nobody has done it before the names were given.
static int sync_parts(const struct file_sink *sink)
{
    struct env *env = sink->base.context.env;
    char visible[PART_PATH_BYTES];
    int rc = 0;
    for (uint64_t part = sink->first_part; part < state_of(sink)->part && rc == 0; part++) {
        part_paths(sink, part, NULL, visible);
        int fd = env->open(env, visible, O_RDWR | O_CLOEXEC, 0);
        if (fd < 0) // somebody has taken it away: it is theirs
            continue;
        rc = env->fdatasync(env, fd);
        env->close(env, fd);
    }
    return rc;
}

// All input is committed. The rest becomes a part; an empty one disappears. With checkpoints the
// names are durable before anybody may forget how the job is finished.
static int file_sink_finish(struct operator* op, struct err *err)
{
    struct file_sink *sink = (struct file_sink *)op;
    char hidden[PART_PATH_BYTES];
    if (state_of(sink)->length > 0)
        roll(sink);
    touch_state(sink)->due = state_of(sink)->part;
    arena_commit(op->context.arena);
    int rc = publish_due(sink);
    if (rc < 0)
        return err_set(err, rc, "cannot finish a part in %s: %s", sink->folder, strerror(-rc));
    arena_commit(op->context.arena);
    close_part(sink);
    part_paths(sink, state_of(sink)->part, hidden, NULL);
    op->context.env->unlink(op->context.env, hidden);
    struct env *env = op->context.env;
    rc = op->context.checkpoints ? env->sync_dir(env, sink->folder) : sync_parts(sink);
    return rc < 0 ? err_set(err, rc, "cannot make what is in %s durable: %s", sink->folder,
                            strerror(-rc))
                  : 0;
}

static void file_sink_reset(struct operator* op)
{
    struct file_sink *sink = (struct file_sink *)op;
    if (sink->is_open)
        txfile_reset(&sink->file);
}

// --- savepoints ---

static void put_state(struct savepoint_writer *out, int id, const char *folder, int task,
                      const struct sink_state *state)
{
    savepoint_begin(out, id, SAVEPOINT_PART);
    savepoint_put_text(out, slice_of(folder));
    savepoint_put_int(out, task);
    savepoint_put_int(out, (int64_t)state->part);
    savepoint_put_int(out, (int64_t)state->length);
    savepoint_put_int(out, (int64_t)state->published);
    savepoint_end(out);
}

// Finished parts of tasks that the job does not have: another job's, which stay.
static int put_others(const struct file_sink *sink, struct savepoint_writer *out, int id,
                      struct err *err)
{
    const struct stage *stage = sink->base.context.stage;
    DIR *dir = opendir(sink->folder);
    if (!dir)
        return errno == ENOENT ? 0
                               : err_set(err, -errno, "cannot read folder %s: %s", sink->folder,
                                         strerror(errno));
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        int task;
        unsigned long long part;
        if (!part_name_parse(entry->d_name, &task, &part) || task < 0 ||
            (task >= stage->first_task && task < stage->first_task + stage->parallelism))
            continue;
        const struct sink_state state = {.part = part + 1, .published = part + 1};
        put_state(out, id, sink->folder, task, &state);
    }
    closedir(dir);
    return 0;
}

static int file_sink_put(const struct op_context *context, struct savepoint_writer *out, int id,
                         bool clocks, struct err *err)
{
    struct file_sink sink = {.base = {.context = *context}};
    const struct arena_root_slot *slot = &context->arena->meta->roots[context->op->id];
    if (clocks)
        return 0;
    int rc = parse_options(context->op->table, &context->op->output, &sink, err);
    if (rc < 0)
        return rc;
    writer_free(sink.writer);
    if (slot->offset && slot->bytes == sizeof(struct sink_state))
        put_state(out, id, sink.folder, context->stage->first_task + context->subtask,
                  arena_at(context->arena, slot->offset));
    return context->subtask == 0 ? put_others(&sink, out, id, err) : 0;
}

// What a task of the savepoint had written: `length` bytes of the part in progress, those from
// `published` to it pending.
struct written {
    int task;
    uint64_t part, length, published;
};

struct leading {
    const struct op_context *contexts; // one a task
    int context_count;
    struct file_sink sink; // for its paths
    struct written *tasks;
    int count;
};

static int leading_begin(const struct op_context *contexts, int count, void **out, struct err *err)
{
    struct leading *l = calloc(1, sizeof *l);
    CHECK(l && count > 0);
    l->contexts = contexts;
    l->context_count = count;
    l->sink.base.context = contexts[0];
    int rc = parse_options(contexts[0].op->table, &contexts[0].op->output, &l->sink, err);
    if (rc < 0) {
        free(l);
        return rc;
    }
    writer_free(l->sink.writer);
    *out = l;
    return 0;
}

static void leading_free(void *restoring)
{
    free(((struct leading *)restoring)->tasks);
    free(restoring);
}

static struct written *written_of(const struct leading *l, int task)
{
    for (int i = 0; i < l->count; i++)
        if (l->tasks[i].task == task)
            return &l->tasks[i];
    return NULL;
}

static int leading_take(void *restoring, struct savepoint_record *record, struct err *err)
{
    struct leading *l = restoring;
    struct written w;
    savepoint_take_text(record);
    uint64_t task = savepoint_take_count(record);
    w.part = savepoint_take_count(record);
    w.length = savepoint_take_count(record);
    w.published = savepoint_take_count(record);
    w.task = (int)task;
    if (record->kind != SAVEPOINT_PART || record->is_bad || task > INT32_MAX ||
        w.published > w.part)
        return err_set(err, -EBADMSG, "the savepoint's state of table %s is none of a file sink",
                       l->sink.base.context.op->table->name);
    struct written *same = written_of(l, w.task);
    if (same) { // one record a finished part of others
        same->part = w.part > same->part ? w.part : same->part;
        same->published = same->part;
        return 0;
    }
    l->tasks = realloc(l->tasks, (size_t)(l->count + 1) * sizeof *l->tasks);
    CHECK(l->tasks);
    l->tasks[l->count++] = w;
    return 0;
}

static int part_is_gone(const char *hidden, const char *visible, struct err *err)
{
    return err_set(err, -ENOENT,
                   "the savepoint counts on rows in %s (or %s), which is not there, or shorter: a "
                   "savepoint needs the folders that its job wrote to",
                   hidden, visible);
}

// Finish a part, cut to `length` bytes; -1: as long as it is.
static int finish_part(const struct leading *l, int task, uint64_t part, int64_t length,
                       struct err *err)
{
    char hidden[PART_PATH_BYTES], visible[PART_PATH_BYTES];
    struct file_sink sink = l->sink;
    struct env *env = sink.base.context.env;
    struct stat st;
    sink.task = task;
    part_paths(&sink, part, hidden, visible);
    bool is_hidden = stat(hidden, &st) == 0;
    if (!is_hidden && stat(visible, &st) < 0)
        return part_is_gone(hidden, visible, err);
    if (length >= 0 && st.st_size < length)
        return part_is_gone(hidden, visible, err);
    int fd = env->open(env, is_hidden ? hidden : visible, O_RDWR | O_CLOEXEC, 0);
    int rc = fd < 0 ? fd : 0;
    if (rc == 0 && length >= 0 && st.st_size > length)
        rc = env->ftruncate(env, fd, length);
    if (rc == 0)
        rc = env->fdatasync(env, fd);
    if (fd >= 0)
        env->close(env, fd);
    if (rc == 0 && is_hidden)
        rc = env->rename(env, hidden, visible);
    return rc < 0 ? err_set(err, rc, "cannot finish %s: %s", visible, strerror(-rc)) : 0;
}

static int finish_parts(const struct leading *l, const struct written *w, struct err *err)
{
    int rc = 0;
    for (uint64_t part = w->published; part < w->part && rc == 0; part++)
        rc = finish_part(l, w->task, part, -1, err);
    return rc == 0 && w->length ? finish_part(l, w->task, w->part, (int64_t)w->length, err) : rc;
}

// What was finished behind the savepoint: its rows will come again.
static int set_all_beyond_aside(const struct leading *l, struct err *err)
{
    DIR *dir = opendir(l->sink.folder);
    int rc = 0;
    if (!dir)
        return errno == ENOENT ? 0
                               : err_set(err, -errno, "cannot read folder %s: %s", l->sink.folder,
                                         strerror(errno));
    for (struct dirent *entry = readdir(dir); entry && rc == 0; entry = readdir(dir)) {
        struct file_sink sink = l->sink;
        unsigned long long part;
        if (!part_name_parse(entry->d_name, &sink.task, &part))
            continue;
        const struct written *w = written_of(l, sink.task);
        if (!w || part >= w->part + (w->length > 0))
            rc = set_aside(&sink, entry->d_name, part);
    }
    closedir(dir);
    return rc < 0
               ? err_set(err, rc, "cannot set parts of %s aside: %s", l->sink.folder, strerror(-rc))
               : 0;
}

// Behind every part of the folder, so that the numbers say what came first also where other tasks
// have written: a changelog's reader needs that.
static int number_parts(const struct leading *l, struct err *err)
{
    DIR *dir = opendir(l->sink.folder);
    uint64_t first = 0, at;
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        int task;
        unsigned long long part;
        if (part_name_parse(entry->d_name, &task, &part) && part >= first)
            first = part + 1;
    }
    if (dir)
        closedir(dir);
    for (int i = 0; i < l->context_count && l->contexts[i].arena; i++) { // none: nobody goes on
        struct arena *arena = l->contexts[i].arena;
        int rc = arena_root(arena, (uint32_t)l->contexts[i].op->id, sizeof(struct sink_state), &at);
        if (rc < 0)
            return err_set(err, rc, "no room in the task's memory; set memory.state higher");
        struct sink_state *state = arena_touch(arena, at, sizeof *state);
        *state =
            (struct sink_state){.part = first, .published = first, .due = first, .is_known = 1};
        arena_commit(arena);
    }
    return 0;
}

// Before any task opens: lead the folder back to what it held at the savepoint. The new tasks begin
// parts of their own behind. Idempotent.
static int leading_end(void *restoring, struct err *err)
{
    const struct leading *l = restoring;
    int rc = 0;
    for (int i = 0; i < l->count && rc == 0; i++)
        rc = finish_parts(l, &l->tasks[i], err);
    if (rc == 0)
        rc = set_all_beyond_aside(l, err);
    return rc < 0 ? rc : number_parts(l, err);
}

static const struct savepoint_class file_sink_savepoint = {
    .put = file_sink_put,
    .begin = leading_begin,
    .take = leading_take,
    .end = leading_end,
    .free = leading_free,
};

const struct operator_class file_sink_class = {
    .name = "filesystem",
    .check = file_sink_check,
    .open = file_sink_open,
    .push = file_sink_push,
    .watermark = file_sink_watermark,
    .before_commit = file_sink_before_commit,
    .after_commit = file_sink_after_commit,
    .barrier = file_sink_barrier,
    .complete = file_sink_complete,
    .prepare_finish = file_sink_prepare_finish,
    .output_fds = file_sink_output_fds,
    .folder_fd = file_sink_folder_fd,
    .describe = file_sink_describe,
    .finish = file_sink_finish,
    .reset = file_sink_reset,
    .close = file_sink_close,
    .savepoint = &file_sink_savepoint,
};
