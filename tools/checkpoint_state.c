// checkpoint_state.c: a task's keyed state out of a checkpoint, in memory of this process.
//
// The arena is restored as a run would do it, into anonymous memory of its size, of which only what
// is used is ever touched; then the operators open on it, and are asked what they keep.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/snapshot/restore.h"
#include "tools/checkpoint.h"

int checkpoint_plan(const struct manifest *manifest, struct plan **out, struct err *err)
{
    const struct plan_settings settings = {
        .file_name = "the checkpoint's script",
        .sql = slice_of(manifest->sql),
        .cores = manifest->cores > 0 ? manifest->cores : 1,
    };
    int rc = plan_make(&settings, out, err);
    if (rc < 0)
        return rc;
    if ((*out)->fingerprint == manifest->fingerprint && (*out)->task_count == manifest->task_count)
        return 0;
    plan_free(*out);
    *out = NULL;
    return err_set(err, -ESTALE,
                   "checkpoint %" PRIu64
                   " was made by weir %s, whose plan of the script was another "
                   "one than this program's: use that version",
                   manifest->checkpoint, manifest->version);
}

struct relay {
    const struct checkpoint_visitor *visitor;
    const struct arena *arena;
    int task;
};

static int relay_group(void *context, const struct state_group *group)
{
    const struct relay *relay = context;
    return relay->visitor->group(relay->visitor->context, relay->task, relay->arena, group);
}

static int visit_op(const struct op_context *context, const struct state_visitor *visitor,
                    struct err *err)
{
    struct operator* op = NULL;
    int rc = window_class.open(context, &op, err);
    if (rc < 0)
        return rc;
    rc = op->class->visit(op, visitor);
    op->class->close(op);
    return rc;
}

static int visit_ops(const struct plan *plan, int task, struct arena *arena,
                     const struct checkpoint_visitor *visitor, struct err *err)
{
    struct relay relay = {visitor, arena, task};
    const struct state_visitor each = {&relay, relay_group};
    int subtask, rc = 0;
    const struct stage *stage = plan_stage_of(plan, task, &subtask);
    for (int i = 0; i < stage->op_count && rc == 0; i++) {
        const struct op_context context = {
            .env = env_system(),
            .arena = arena,
            .plan = plan,
            .op = stage->ops[i],
            .stage = stage,
            .subtask = subtask,
        };
        if (stage->ops[i]->kind == OP_WINDOW)
            rc = visit_op(&context, &each, err);
    }
    return rc;
}

static int restore(struct env *env, const struct snapshot_chain *chain,
                   struct checkpoint_copy *copy, struct err *err)
{
    const struct arena_options options = {.fingerprint = chain->files[0].id.job,
                                          .log_bytes = copy->log_bytes};
    int rc = arena_format(copy->base, copy->bytes, &options, err);
    if (rc == 0)
        rc = snapshot_restore(env, chain, copy->base, &options, err);
    return rc < 0 ? rc : arena_open(copy->base, copy->bytes, &options, &copy->arena, err);
}

int checkpoint_load(const struct store *store, const struct manifest *manifest, int task,
                    struct checkpoint_copy *out, struct err *err)
{
    struct snapshot_head head;
    struct snapshot_file *files = checkpoint_files(store, manifest, task);
    const struct snapshot_chain chain = {files, manifest->tasks[task].file_count};
    *out = (struct checkpoint_copy){.base = NULL};
    int rc = snapshot_read_head(store->env, &files[chain.count - 1], &head, err);
    if (rc < 0)
        goto err_after_files;
    void *base = mmap(NULL, head.total_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        rc = err_set(err, -errno, "no memory for the %" PRIu64 " bytes of task %d's state: %s",
                     head.total_bytes, task, strerror(errno));
        goto err_after_files;
    }
    *out = (struct checkpoint_copy){
        .base = base, .bytes = head.total_bytes, .log_bytes = head.log_bytes};
    rc = restore(store->env, &chain, out, err);
    if (rc < 0)
        checkpoint_unload(out);
err_after_files:
    free(files);
    return rc;
}

void checkpoint_unload(struct checkpoint_copy *copy)
{
    arena_close(copy->arena);
    if (copy->base)
        munmap(copy->base, copy->bytes);
    *copy = (struct checkpoint_copy){.base = NULL};
}

int checkpoint_visit(const struct checkpoint_view *view, int task,
                     const struct checkpoint_visitor *visitor, struct err *err)
{
    struct checkpoint_copy copy;
    int rc = checkpoint_load(view->store, view->manifest, task, &copy, err);
    if (rc < 0)
        return rc;
    rc = visit_ops(view->plan, task, copy.arena, visitor, err);
    checkpoint_unload(&copy);
    return rc;
}
