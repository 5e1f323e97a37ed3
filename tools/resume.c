// resume.c: see resume.h. Everything is read and checked before the first task starts.
#include "tools/resume.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/runtime/job_restore.h"
#include "stages/runtime/savepoint.h"
#include "tools/dead_letters.h"
#include "tools/new_state.h"

// The last run ended between "all input is handled" and the last rename.
static int finish_last_run(struct resume *r, struct err *err)
{
    int rc = store_finish(&r->store, err);
    if (rc == 0)
        rc = store_remove_all(&r->store, err);
    r->is_finished = rc == 0;
    return rc;
}

int resume_open(const struct job_load *load, const struct checkpoint_settings *settings, bool fresh,
                struct resume *out, struct err *err)
{
    out->settings = *settings;
    out->is_on = settings->interval_ms > 0;
    if (!out->is_on)
        return 0;
    int rc = checkpoint_store_open(load, settings, &out->store, err);
    if (rc == 0 && store_is_finished(&out->store))
        return finish_last_run(out, err);
    if (rc == 0 && fresh) {
        rc = store_remove_all(&out->store, err);
        if (rc == 0)
            rc = checkpoint_store_open(load, settings, &out->store, err);
    }
    return rc;
}

void resume_fini(struct resume *resume)
{
    pool_fini(&resume->pool);
}

void resume_find_newest(struct resume *r, const struct plan *plan)
{
    struct store_entry *entries;
    struct err ignored;
    int count = 0;
    if (!r->is_on || store_list(&r->store, &entries, &count, &ignored) < 0)
        return;
    for (int i = count - 1; i >= 0 && !r->has_newest; i--)
        r->has_newest =
            entries[i].is_complete &&
            store_read(&r->store, entries[i].checkpoint, &r->pool, &r->manifest, &ignored) == 0 &&
            r->manifest.fingerprint == plan->fingerprint &&
            r->manifest.task_count == plan->task_count;
    free(entries);
}

void resume_complain(uint64_t checkpoint, const struct err *err)
{
    fprintf(stderr, "weir: CHECKPOINT %" PRIu64 " CANNOT BE RESTORED: %s\n", checkpoint, err->text);
}

static void size_as(struct job_memory *memory, const struct plan *plan,
                    const struct manifest *manifest)
{
    memory->options.state_bytes = manifest->state_bytes;
    memory->options.is_restored = true;
    memory->request.wanted_bytes = job_memory_bytes(plan, &memory->options, &memory->huge);
}

bool resume_is_damage(int rc)
{
    return rc == -EBADMSG || rc == -ENOENT || rc == -EIO;
}

static int create_from_savepoint(struct resume *r, const struct resume_job *job, const char *dir,
                                 bool allowed, struct err *err);

// The plan is another one: on to its state in the logical form.
static int create_from_changed(struct resume *r, const struct resume_job *job, struct err *err)
{
    char dir[STORE_PATH_BYTES];
    int rc = new_state_make(&r->store, &r->manifest, dir, err);
    if (rc == 0)
        fprintf(stderr, "weir: the plan has changed since checkpoint %" PRIu64 "\n",
                r->manifest.checkpoint);
    if (rc < 0)
        return rc;
    rc = create_from_savepoint(r, job, dir, true, err);
    return resume_is_damage(rc) ? -EPROTO
                                : rc; // no older one: the folders may have been led back to this
}

static int create_from(struct resume *r, const struct resume_job *job, uint64_t checkpoint,
                       struct err *err)
{
    const struct plan *plan = job->load->plan;
    int rc = store_read(&r->store, checkpoint, &r->pool, &r->manifest, err);
    if (rc == 0)
        rc = job_restore_check(plan, &job->memory->options, &r->manifest, err);
    if (rc == -ESTALE && job->allow_new_state)
        return create_from_changed(r, job, err);
    if (rc < 0)
        return rc;
    size_as(job->memory, plan, &r->manifest);
    rc = job_memory_check(job->memory, err);
    if (rc == 0)
        rc = job_create(job->dir, plan, &job->memory->options, err);
    if (rc == 0)
        rc = job_restore(job->dir, plan, &r->store, &r->manifest, err);
    r->is_restored = r->has_state = rc == 0;
    return rc;
}

static void say_restored(const struct resume *r)
{
    if (!r->is_quiet)
        fprintf(stderr, "weir: going on from checkpoint %" PRIu64 " in %s\n",
                r->manifest.checkpoint, r->store.dir);
}

// The run goes on from an older checkpoint and its sinks are led back to it. What is newer belongs
// to a past that will not have been: nobody may go on from there later.
static int set_newer_aside(const struct resume *r, const struct store_entry *entries, int count,
                           struct err *err)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < count; i++)
        if (entries[i].is_complete && entries[i].checkpoint > r->manifest.checkpoint)
            rc = store_set_aside(&r->store, entries[i].checkpoint, err);
    return rc;
}

// Newest first. *tried: there was something to go on from.
static int try_all(struct resume *r, const struct resume_job *job, bool *tried, struct err *err)
{
    struct store_entry *entries;
    int count, rc = store_list(&r->store, &entries, &count, err);
    *tried = false;
    if (rc < 0)
        return rc;
    for (int i = count - 1; i >= 0 && !r->has_state; i--) {
        struct err ignored;
        if (!entries[i].is_complete || (job->from && entries[i].checkpoint != job->from))
            continue;
        *tried = true;
        rc = create_from(r, job, entries[i].checkpoint, err);
        if (!resume_is_damage(rc))
            break;
        resume_complain(entries[i].checkpoint, err);
        if (jobdir_clear(job->dir, &ignored) < 0)
            break;
    }
    if (r->is_restored)
        rc = set_newer_aside(r, entries, count, err);
    free(entries);
    return rc;
}

// --- a savepoint ---

struct beginning {
    const struct resume *resume;
    const struct resume_job *job;
    const char *savepoint;
    uint64_t allowed; // the changed script that may go on from it; 0: it has not changed
};

// FROM: the folder, and in a second line the script that --allow-new-state has let go on from it.
static int write_from(const struct beginning *b, struct err *err)
{
    struct buf text = {0};
    buf_printf(&text, "%s\n%016" PRIx64, b->savepoint, b->allowed);
    int rc = store_write_from(&b->resume->store, buf_str(&text), err);
    buf_fini(&text);
    return rc;
}

// Has an earlier run begun from there?
static bool has_begun_from(const struct beginning *b)
{
    struct buf text = {0};
    bool has = false;
    if (store_read_from(&b->resume->store, &text) == 0) {
        size_t len = strlen(b->savepoint);
        has = text.len >= len && memcmp(text.data, b->savepoint, len) == 0 &&
              (text.len == len || text.data[len] == '\n');
    }
    buf_fini(&text);
    return has;
}

// Files are about to change: from now on the job goes on from the savepoint, also when it is killed
// before its first checkpoint. Its old ones belong to a past that will not have been.
static int settle_on_savepoint(void *context, struct err *err)
{
    const struct beginning *b = context;
    const struct store *store = &b->resume->store;
    struct store_entry *entries;
    int count;
    int rc = dead_letters_begin_from(store, b->job->memory->options.dead_letter_dir,
                                     has_begun_from(b), err);
    if (rc == 0)
        rc = write_from(b, err);
    if (rc == 0)
        rc = store_list(store, &entries, &count, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < count && rc == 0; i++)
        if (entries[i].is_complete)
            rc = store_set_aside(store, entries[i].checkpoint, err);
    free(entries);
    return rc;
}

// Said even when asked to be quiet: results will not be what they would have been.
static void say_new_state(const struct new_state *state)
{
    fprintf(stderr, "weir: THE SCRIPT HAS CHANGED, and with --allow-new-state:\n%.*s",
            (int)state->text.len, state->text.len ? state->text.data : "");
}

// *state says what fits whom when the script is another one and that is allowed.
static int check_savepoint(const struct resume_job *job, const char *dir, bool allowed,
                           struct new_state *state, struct err *err)
{
    const struct plan *plan = job->load->plan;
    struct pool pool = {0};
    struct manifest manifest;
    int rc = savepoint_read(env_system(), dir, &pool, &manifest, err);
    if (rc == 0)
        rc = savepoint_check(plan, &job->memory->options, &manifest, err);
    if (rc == -ESTALE && allowed)
        rc = new_state_match(&manifest, plan, state, err);
    pool_fini(&pool);
    return rc;
}

static int restore_savepoint(struct resume *r, const struct resume_job *job, const char *dir,
                             const struct new_state *state, struct err *err)
{
    const struct plan *plan = job->load->plan;
    struct beginning beginning = {r, job, dir, state->old ? plan_logical_fingerprint(plan) : 0};
    const struct savepoint_from from = {dir, state->old ? &state->match : NULL, settle_on_savepoint,
                                        &beginning};
    int rc = job_memory_check(job->memory, err);
    if (rc == 0)
        rc = job_create(job->dir, plan, &job->memory->options, err);
    if (rc == 0)
        rc = savepoint_restore(job->dir, plan, &job->memory->options, &from, err);
    if (rc == 0 && state->old)
        say_new_state(state);
    return rc;
}

static int create_from_savepoint(struct resume *r, const struct resume_job *job, const char *dir,
                                 bool allowed, struct err *err)
{
    struct new_state state = {.old = NULL};
    if (!r->is_on)
        return err_set(err, -EINVAL,
                       "a job that goes on from a savepoint must make checkpoints: set "
                       "checkpoint.interval");
    int rc = check_savepoint(job, dir, allowed, &state, err);
    if (rc == 0)
        rc = restore_savepoint(r, job, dir, &state, err);
    new_state_free(&state);
    if (rc < 0)
        return err_prefix(err, rc, "savepoint %s", dir);
    r->has_state = true;
    if (!r->is_quiet)
        fprintf(stderr, "weir: going on from the savepoint in %s\n", dir);
    return 0;
}

// The one that a killed run had begun from, as its note says.
static int go_on_as_noted(struct resume *r, const struct resume_job *job, char *note,
                          struct err *err)
{
    char *second = strrchr(note, '\n');
    uint64_t allowed = second ? strtoull(second + 1, NULL, 16) : 0;
    if (second)
        *second = '\0';
    bool is_same = allowed && allowed == plan_logical_fingerprint(job->load->plan);
    return create_from_savepoint(r, job, note, job->allow_new_state || is_same, err);
}

// The one that was asked for, or that a killed run had begun from. *tried: there is one.
static int try_savepoint(struct resume *r, const struct resume_job *job, bool *tried,
                         struct err *err)
{
    struct buf text = {0};
    int rc = 0;
    char *path = job->savepoint ? realpath(job->savepoint, NULL) : NULL;
    if (job->savepoint && !path)
        rc = err_set(err, -errno, "cannot open the savepoint %s: %s", job->savepoint,
                     strerror(errno));
    else if (path)
        rc = create_from_savepoint(r, job, path, job->allow_new_state, err);
    if (!job->savepoint && r->is_on && store_read_from(&r->store, &text) == 0) {
        buf_append_char(&text, '\0');
        rc = go_on_as_noted(r, job, text.data, err);
    }
    *tried = job->savepoint || text.len;
    free(path);
    buf_fini(&text);
    return rc;
}

static int nothing_there(const struct resume *r, uint64_t from, struct err *err)
{
    if (!r->is_on)
        return err_set(err, -ENOENT, "the job makes no checkpoints (checkpoint.interval is none)");
    return err_set(err, -ENOENT, "there is no complete checkpoint %" PRIu64 " in %s", from,
                   r->store.dir);
}

int resume_create_job(struct resume *r, const struct resume_job *job, struct err *err)
{
    bool tried = false;
    int rc = r->is_on && !job->savepoint ? try_all(r, job, &tried, err) : 0;
    if (tried && resume_is_damage(rc))
        return err_append(err, rc,
                          "no checkpoint is left to go on from; run with --fresh to begin anew "
                          "(they are removed then)");
    if (rc < 0)
        return rc;
    if (tried) {
        if (r->is_restored)
            say_restored(r);
        return 0;
    }
    if (job->from)
        return nothing_there(r, job->from, err);
    rc = try_savepoint(r, job, &tried, err);
    if (rc < 0 || tried)
        return rc;
    if (r->is_on)
        rc = dead_letters_begin(&r->store, job->memory->options.dead_letter_dir,
                                job->load->plan->task_count, err);
    if (rc == 0)
        rc = job_memory_check(job->memory, err);
    return rc < 0 ? rc : job_create(job->dir, job->load->plan, &job->memory->options, err);
}
