// savepoint_write.c: the logical form of a checkpoint.
//
// Every task's arena is restored into anonymous memory of this process, of which only what is used
// is touched; then each operator puts what it keeps. A savepoint is there when its manifest is.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/snapshot/restore.h"
#include "core/snapshot/savepoint.h"
#include "stages/runtime/chain.h"
#include "stages/runtime/folder.h"
#include "stages/runtime/savepoint.h"
#include "stages/runtime/savepoint_internal.h"
#include "stages/runtime/task_state.h"

struct copy { // a task's arena
    void *base;
    uint64_t bytes;
    struct arena *arena;
};

struct writing {
    const struct savepoint_origin *origin;
    struct copy *copies; // one a task
    struct savepoint_writer out;
    struct err *err;
};

const struct savepoint_class *savepoint_class_of(const struct op *op)
{
    if (op->kind == OP_WINDOW)
        return window_class.savepoint;
    if (plan_calc_reads_watermark(op))
        return calc_class.savepoint;
    if (op->kind == OP_SINK)
        return chain_sink_class(op->table) ? chain_sink_class(op->table)->savepoint : NULL;
    if (op->kind == OP_SOURCE)
        return chain_source_class(op->table) ? chain_source_class(op->table)->savepoint : NULL;
    return NULL;
}

int savepoint_can_carry(const struct plan *plan, struct err *err)
{
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].op_count; i++) {
            const struct op *op = plan->stages[s].ops[i];
            if (op->kind == OP_SOURCE && !savepoint_class_of(op))
                return err_set(err, -ENOTSUP,
                               "table %s: a savepoint cannot carry the position of connector '%s'",
                               op->table->name, op->table->connector);
        }
    return 0;
}

void savepoint_path(const char *dir, const char *name, char *out)
{
    snprintf(out, STORE_PATH_BYTES, "%s/%s", dir, name);
}

uint64_t savepoint_id(const struct manifest *manifest)
{
    const uint64_t words[] = {manifest->fingerprint, manifest->checkpoint,
                              (uint64_t)manifest->started_ms};
    return hash_bytes(words, sizeof words);
}

// --- arenas ---

static int open_copy(const struct snapshot_chain *chain, struct env *env, struct copy *copy,
                     struct err *err)
{
    struct snapshot_head head;
    int rc = snapshot_read_head(env, &chain->files[chain->count - 1], &head, err);
    if (rc < 0)
        return rc;
    const struct arena_options options = {.fingerprint = chain->files[0].id.job,
                                          .log_bytes = head.log_bytes};
    void *base = mmap(NULL, head.total_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return err_set(err, -errno, "no memory for %" PRIu64 " bytes of state: %s",
                       head.total_bytes, strerror(errno));
    copy->base = base;
    copy->bytes = head.total_bytes;
    rc = arena_format(base, head.total_bytes, &options, err);
    if (rc == 0)
        rc = snapshot_restore(env, chain, base, &options, err);
    return rc < 0 ? rc : arena_open(base, head.total_bytes, &options, &copy->arena, err);
}

static int restore_copy(struct writing *w, int task)
{
    const struct manifest *manifest = w->origin->manifest;
    const struct manifest_task *from = &manifest->tasks[task];
    struct snapshot_file *files = calloc((size_t)from->file_count, sizeof *files);
    char(*paths)[STORE_PATH_BYTES] = calloc((size_t)from->file_count, sizeof *paths);
    CHECK(files && paths);
    for (int i = 0; i < from->file_count; i++) {
        store_path(w->origin->store, from->files[i].path, paths[i]);
        files[i] = (struct snapshot_file){paths[i],
                                          {manifest->fingerprint, from->files[i].checkpoint,
                                           (uint32_t)task, from->files[i].attempt}};
    }
    const struct snapshot_chain chain = {files, from->file_count};
    int rc = open_copy(&chain, w->origin->store->env, &w->copies[task], w->err);
    free(paths);
    free(files);
    return rc;
}

static void free_copies(struct writing *w)
{
    for (int i = 0; i < w->origin->plan->task_count; i++) {
        arena_close(w->copies[i].arena);
        if (w->copies[i].base)
            munmap(w->copies[i].base, w->copies[i].bytes);
    }
    free(w->copies);
}

// --- what the tasks keep themselves ---

static void put_ints(struct writing *w, int id, enum savepoint_kind kind, const int64_t *values,
                     int count)
{
    savepoint_begin(&w->out, id, kind);
    for (int i = 0; i < count; i++)
        savepoint_put_int(&w->out, values[i]);
    savepoint_end(&w->out);
}

static int put_task_state(struct writing *w, int task)
{
    int subtask;
    const struct stage *stage = plan_stage_of(w->origin->plan, task, &subtask);
    const struct arena *arena = w->copies[task].arena;
    const struct arena_root_slot *slot = &arena->meta->roots[TASK_ROOT];
    const struct op *first = stage->ops[0], *last = stage->ops[stage->op_count - 1];
    if (!slot->offset || slot->bytes < sizeof(struct task_state))
        return err_set(w->err, -EBADMSG, "the snapshot of task %d has no state of a task", task);
    const struct task_state *s = arena_at(arena, slot->offset);
    const bool reads = first->kind == OP_SOURCE, ends = last->kind == OP_SINK;
    const int64_t counts[] = {
        reads ? (int64_t)s->rows_in : 0,  0, (int64_t)s->bad_rows, (int64_t)s->late_rows,
        reads ? (int64_t)s->bytes_in : 0, 0};
    const int64_t written[] = {0, (int64_t)s->rows_out, 0, 0, 0, (int64_t)s->bytes_out};
    const int64_t clock[] = {s->current_ms, s->flink_ms, s->emitted_ms, s->newest_ms,
                             s->end_started != 0};
    if (reads)
        put_ints(w, plan_logical_op(w->origin->plan, first), SAVEPOINT_CLOCK, clock, 5);
    put_ints(w, plan_logical_op(w->origin->plan, first), SAVEPOINT_COUNTS, counts, 6);
    if (ends)
        put_ints(w, plan_logical_op(w->origin->plan, last), SAVEPOINT_COUNTS, written, 6);
    return 0;
}

static void put_dead_letters(struct writing *w, int task)
{
    const struct arena *arena = w->copies[task].arena;
    const struct arena_root_slot *slot = &arena->meta->roots[DEAD_LETTER_ROOT];
    savepoint_begin(&w->out, 0, SAVEPOINT_DEAD);
    savepoint_put_int(&w->out, task);
    savepoint_put_int(&w->out, slot->offset ? (int64_t)arena_word(arena, slot->offset) : 0);
    savepoint_end(&w->out);
}

static int put_task(struct writing *w, int task, bool clocks)
{
    const struct plan *plan = w->origin->plan;
    int subtask, rc = 0;
    const struct stage *stage = plan_stage_of(plan, task, &subtask);
    if (clocks)
        rc = put_task_state(w, task);
    else
        put_dead_letters(w, task);
    for (int i = 0; i < stage->op_count && rc == 0; i++) {
        const struct savepoint_class *class = savepoint_class_of(stage->ops[i]);
        const struct op_context context = {
            .env = env_system(),
            .arena = w->copies[task].arena,
            .plan = plan,
            .op = stage->ops[i],
            .stage = stage,
            .subtask = subtask,
            .job_name = w->origin->manifest->job,
        };
        if (class)
            rc =
                class->put(&context, &w->out, plan_logical_op(plan, stage->ops[i]), clocks, w->err);
    }
    return rc;
}

// --- the folder ---

static struct manifest manifest_of(const struct savepoint_origin *origin)
{
    struct manifest manifest = *origin->manifest;
    manifest.fingerprint = plan_logical_fingerprint(origin->plan);
    manifest.task_count = 1;
    return manifest;
}

static int write_state(struct writing *w, const char *dir, const struct manifest *manifest)
{
    const struct plan *plan = w->origin->plan;
    char path[STORE_PATH_BYTES];
    savepoint_path(dir, SAVEPOINT_STATE, path);
    int rc = savepoint_create(w->origin->store->env, path, savepoint_id(manifest), &w->out, w->err);
    if (rc < 0)
        return rc;
    for (int task = 0; task < plan->task_count && rc == 0; task++)
        rc = put_task(w, task, true);
    for (int task = 0; task < plan->task_count && rc == 0; task++)
        rc = put_task(w, task, false);
    struct err ignored;
    int finished = savepoint_finish(&w->out, rc < 0 ? &ignored : w->err);
    return rc < 0 ? rc : finished;
}

static int write_manifest(const struct writing *w, const char *dir,
                          const struct manifest *without_tasks)
{
    struct manifest manifest = *without_tasks;
    struct env *env = w->origin->store->env;
    char hidden[STORE_PATH_BYTES], path[STORE_PATH_BYTES];
    // The form asks for FOLDER/FILE; the folder may be moved, so its name says nothing.
    struct manifest_file file = {manifest.checkpoint, 0, "savepoint/" SAVEPOINT_STATE};
    struct manifest_task task = {.name = "all tasks",
                                 .files = &file,
                                 .file_count = 1,
                                 .file_bytes = w->out.offset,
                                 .blocks = w->out.frames,
                                 .rows_out = w->out.records,
                                 .watermark_ms = INT64_MIN};
    struct buf text = {0};
    manifest.tasks = &task;
    manifest_write(&manifest, &text);
    savepoint_path(dir, SAVEPOINT_MANIFEST ".tmp", hidden);
    savepoint_path(dir, SAVEPOINT_MANIFEST, path);
    int rc = env->sync_dir(env, dir);
    if (rc == 0)
        rc = env_write_file(env, hidden, 0666, buf_slice(&text));
    if (rc == 0)
        rc = env->rename(env, hidden, path);
    if (rc == 0)
        rc = env->sync_dir(env, dir);
    buf_fini(&text);
    return rc < 0 ? err_set(w->err, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

static int make_dir(struct env *env, const char *dir, struct err *err)
{
    int rc = strlen(dir) < STORE_PATH_BYTES - 64 ? env->mkdir(env, dir, 0777) : -ENAMETOOLONG;
    if (rc == -EEXIST)
        rc = env->rmdir(env, dir); // an empty one
    else
        return rc < 0 ? err_set(err, rc, "cannot make the folder %s: %s", dir, strerror(-rc)) : 0;
    if (rc == 0)
        rc = env->mkdir(env, dir, 0777);
    return rc < 0 ? err_set(err, -EEXIST,
                            "%s is there and not an empty folder: a savepoint needs one of its own",
                            dir)
                  : 0;
}

static void remove_begun(struct env *env, const char *dir)
{
    char path[STORE_PATH_BYTES];
    savepoint_path(dir, SAVEPOINT_STATE, path);
    env->unlink(env, path);
    savepoint_path(dir, SAVEPOINT_MANIFEST ".tmp", path);
    env->unlink(env, path);
    env->rmdir(env, dir);
}

int savepoint_write(const struct savepoint_origin *origin, const char *dir, struct err *err)
{
    struct env *env = origin->store->env;
    struct writing w = {.origin = origin, .err = err};
    struct manifest manifest = manifest_of(origin);
    int rc = savepoint_can_carry(origin->plan, err);
    if (rc < 0)
        return rc;
    w.copies = calloc((size_t)origin->plan->task_count, sizeof *w.copies);
    CHECK(w.copies);
    for (int task = 0; task < origin->plan->task_count && rc == 0; task++)
        rc = restore_copy(&w, task);
    if (rc == 0)
        rc = make_dir(env, dir, err);
    if (rc == 0) {
        rc = write_state(&w, dir, &manifest);
        if (rc == 0)
            rc = write_manifest(&w, dir, &manifest);
        if (rc < 0)
            remove_begun(env, dir);
    }
    free_copies(&w);
    return rc;
}
