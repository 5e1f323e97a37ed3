// region.c: see region.h. The old segments are removed before the new ones are made, so that the
// memory is there for them; those lie in a folder of their own until all of them are whole.
//
// What a crash leaves: segments of the region that are missing. The next run sees that and does
// this again.
#include "tools/region.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shm/control.h"
#include "stages/runtime/job_restore.h"
#include "stages/runtime/job_resume.h"
#include "stages/runtime/job_text.h"
#include "tools/dead_letters.h"
#include "tools/resume.h"

struct remaking {
    const struct region_context *context;
    const bool *tasks;
    struct job_options options; // as the other regions were made with
    struct jobdir made;         // the folder of the new segments
};

// --- from a checkpoint, or anew ---

static int make_empty(struct remaking *r, struct err *err)
{
    const struct region_context *c = r->context;
    jobdir_close(&r->made);
    int rc = jobdir_begin_new(c->dir, &r->made, err);
    return rc < 0 ? rc : job_create_tasks(&r->made, c->plan, &r->options, r->tasks, err);
}

static int make_from(struct remaking *r, uint64_t checkpoint, struct err *err)
{
    const struct region_context *c = r->context;
    struct pool pool = {0};
    struct manifest manifest;
    int rc = store_read(c->store, checkpoint, &pool, &manifest, err);
    if (rc == 0)
        rc = job_restore_check(c->plan, &r->options, &manifest, err);
    if (rc == 0)
        rc = make_empty(r, err);
    const struct job_restoring restoring = {&r->made, c->plan, c->store, &manifest, r->tasks};
    if (rc == 0)
        rc = job_restore_tasks(&restoring, err);
    pool_fini(&pool);
    return rc;
}

// The newest that is whole; those that are newer are none any more. *checkpoint 0: there is none.
static int make_from_newest(struct remaking *r, uint64_t *checkpoint, struct err *err)
{
    const struct store *store = r->context->store;
    struct store_entry *entries;
    int count, rc = store_list(store, &entries, &count, err), at = count - 1;
    bool tried = false;
    *checkpoint = 0;
    if (rc < 0)
        return rc;
    for (; at >= 0 && *checkpoint == 0; at--) {
        if (!entries[at].is_complete)
            continue;
        tried = true;
        rc = make_from(r, entries[at].checkpoint, err);
        if (rc == 0)
            *checkpoint = entries[at].checkpoint;
        else if (!resume_is_damage(rc))
            break;
        else
            resume_complain(entries[at].checkpoint, err);
    }
    for (int i = at + 2; i < count && rc == 0 && tried; i++)
        if (entries[i].is_complete)
            rc = store_set_aside(store, entries[i].checkpoint, err);
    free(entries);
    return tried ? rc : 0;
}

// Has the job handled anything that only a checkpoint, or a savepoint, knows of?
static int check_beginning(const struct remaking *r, struct err *err)
{
    const struct region_context *c = r->context;
    struct control *control;
    struct buf text = {0};
    int rc = control_attach_reader(c->dir->fd, c->plan->fingerprint, &control, err);
    if (rc < 0)
        return rc;
    if (control_complete_checkpoint(control))
        rc = err_set(err, -ENOENT, "there is no complete checkpoint any more in %s", c->store->dir);
    else if (store_read_from(c->store, &text) == 0)
        rc = err_set(err, -ENOENT,
                     "the job began from a savepoint and has made no checkpoint since");
    buf_fini(&text);
    control_detach(control);
    return rc;
}

static int make_anew(struct remaking *r, struct err *err)
{
    const struct region_context *c = r->context;
    int rc = check_beginning(r, err);
    if (rc == 0)
        rc = make_empty(r, err);
    return rc < 0 ? rc
                  : dead_letters_cut(c->store, r->options.dead_letter_dir, r->tasks,
                                     c->plan->task_count, err);
}

// Where the tasks are by now: they may have been moved. NULL: nobody knows.
static int *cores_now(const struct jobdir *dir, const struct plan *plan)
{
    struct control *control;
    struct control_view view;
    int *cpus = NULL;
    if (control_attach_reader(dir->fd, plan->fingerprint, &control, NULL) < 0)
        return NULL;
    cpus = calloc((size_t)plan->task_count, sizeof *cpus);
    for (int task = 0; cpus && task < plan->task_count; task++) {
        control_view(control, task, &view);
        cpus[task] = view.cpu;
    }
    control_detach(control);
    return cpus;
}

int region_remake(const bool *tasks, uint64_t *checkpoint, void *context, struct err *err)
{
    const struct region_context *c = context;
    struct job left = {.dir = *c->dir};
    struct remaking r = {.context = c, .tasks = tasks, .made = {.fd = -1, .lock_fd = -1}};
    int rc = job_check_shared(c->dir, c->plan, err);
    if (rc == 0)
        rc = job_text_read(&left, err);
    r.options = left.options;
    r.options.ring_bytes = c->options->ring_bytes;
    r.options.nodes = c->options->nodes;
    int *cpus = rc == 0 ? cores_now(c->dir, c->plan) : NULL;
    r.options.cpus = cpus;
    if (rc == 0)
        rc = job_remove_tasks(c->dir, c->plan, tasks, err);
    if (rc == 0)
        rc = make_from_newest(&r, checkpoint, err);
    if (rc == 0 && *checkpoint == 0)
        rc = make_anew(&r, err);
    if (rc == 0)
        rc = jobdir_end_new(c->dir, &r.made, err);
    jobdir_close(&r.made);
    free(cpus);
    buf_fini(&left.text);
    return rc;
}

int region_examine(int task, void *context, struct err *err)
{
    const struct region_context *c = context;
    return job_check_memory(c->dir, c->plan, task, err);
}

// --- telling ---

static void append_tasks(const struct supervisor_region *region, const char *between,
                         struct buf *out)
{
    const char *comma = "";
    for (int i = 0; i < region->task_count; i++)
        if (region->tasks[i]) {
            buf_printf(out, "%s%d", comma, i);
            comma = between;
        }
}

static int count_tasks(const struct supervisor_region *region)
{
    int count = 0;
    for (int i = 0; i < region->task_count; i++)
        count += region->tasks[i];
    return count;
}

void region_format_event(const struct supervisor_event *event, const char *job, struct buf *out)
{
    const struct supervisor_region *region = event->region;
    int count = count_tasks(region);
    bool is_whole = count == region->task_count;
    if (event->kind == SUPERVISOR_MEMORY_LOST) {
        buf_printf(out, "weir: THE MEMORY OF %s CANNOT BE USED: %s", job, event->text);
        if (!is_whole) {
            buf_printf(out, "\nweir: task%s ", count == 1 ? "" : "s");
            append_tasks(region, ", ", out);
            buf_printf(out, " go%s back to the last checkpoint, the other tasks run on",
                       count == 1 ? "es" : "");
        }
        return;
    }
    buf_printf(out, "weir: task%s ", count == 1 ? "" : "s");
    append_tasks(region, ", ", out);
    if (region->checkpoint)
        buf_printf(out, ": going on from checkpoint %" PRIu64 ", after %.1f ms", region->checkpoint,
                   region->duration_ms);
    else
        buf_append_str(out, ": there was no checkpoint yet, so the input is read from its begin; "
                            "lines that were printed come twice");
}

void region_append_json(const struct supervisor_event *event, struct buf *out)
{
    const struct supervisor_region *region = event->region;
    buf_append_str(out, ",\"tasks\":[");
    append_tasks(region, ",", out);
    buf_append_char(out, ']');
    if (event->kind == SUPERVISOR_REMADE)
        buf_printf(out, ",\"checkpoint\":%" PRIu64 ",\"duration_ms\":%.3f", region->checkpoint,
                   region->duration_ms);
}
