// savepoint.c: `weir savepoint JOB.yaml DIR`: the newest complete checkpoint in its logical form.
//
// A job that runs is asked for a fresh checkpoint first: SIGUSR1 to its supervisor, which the lock
// of the job's folder names. Nothing else of the job is touched.
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/env.h"
#include "stages/runtime/savepoint.h"
#include "tools/checkpoint.h"
#include "tools/checkpoints.h"

enum { LOOK_US = 20 * 1000, TRIES = 3 };

struct making {
    struct job_load load;
    struct checkpoint_settings settings;
    struct store store;
    const char *dir;
    pid_t supervisor; // 0: the job does not run
};

static int find_job(const struct jobdir_entry *entry, void *context)
{
    struct making *m = context;
    if (strcmp(entry->job, m->load.config->job) == 0)
        m->supervisor = entry->holder;
    return 0;
}

static int find_supervisor(struct making *m, struct err *err)
{
    m->supervisor = 0;
    return jobdir_list(m->load.config->memory.dir, find_job, m, err);
}

static int newest(const struct making *m, uint64_t *out, struct err *err)
{
    struct store_entry *entries;
    int count, rc = store_list(&m->store, &entries, &count, err);
    *out = 0;
    if (rc < 0)
        return rc;
    for (int i = 0; i < count; i++)
        if (entries[i].is_complete)
            *out = entries[i].checkpoint;
    free(entries);
    return 0;
}

// Ask the running job for a checkpoint and wait until it is complete. A job that ends meanwhile
// leaves its last one, or has finished and leaves none.
static int wait_for_fresh(struct making *m, struct err *err)
{
    struct env *env = env_system();
    uint64_t before, now;
    int rc = newest(m, &before, err);
    int64_t until_ns = env->monotonic_ns(env) + m->settings.timeout_ms * 1000000;
    if (rc < 0)
        return rc;
    for (int looks = 0;; looks++) {
        if (looks % 50 == 0 && kill(m->supervisor, SIGUSR1) < 0)
            return errno == ESRCH ? 0
                                  : err_set(err, -errno, "cannot ask the running job (pid %d): %s",
                                            (int)m->supervisor, strerror(errno));
        usleep(LOOK_US);
        rc = newest(m, &now, err);
        if (rc < 0 || now > before)
            return rc;
        rc = find_supervisor(m, err);
        if (rc < 0 || m->supervisor == 0)
            return rc;
        if (env->monotonic_ns(env) > until_ns)
            return err_set(err, -ETIMEDOUT,
                           "the job runs, but made no checkpoint within checkpoint.timeout");
    }
}

static int write_newest(const struct making *m, uint64_t *checkpoint, struct err *err)
{
    struct pool pool = {0};
    struct manifest manifest;
    struct plan *plan = NULL;
    int rc = newest(m, checkpoint, err);
    if (rc == 0 && *checkpoint == 0)
        return err_set(err, -ESRCH, "there is no complete checkpoint in %s to make a savepoint of",
                       m->store.dir);
    if (rc == 0)
        rc = store_read(&m->store, *checkpoint, &pool, &manifest, err);
    if (rc == 0)
        rc = checkpoint_plan(&manifest, &plan, err);
    const struct savepoint_origin origin = {&m->store, &manifest, plan};
    if (rc == 0)
        rc = savepoint_write(&origin, m->dir, err);
    if (plan)
        plan_free(plan);
    pool_fini(&pool);
    return rc;
}

// Of a job that does not run its lock is held, so that no run begins meanwhile, perhaps from an
// older state, and leads the output back. `dir` is closed when a run holds it.
static int hold_or_ask(struct making *m, struct jobdir *dir, struct err *err)
{
    const struct config *config = m->load.config;
    int rc = jobdir_open(config->memory.dir, config->job, dir, err);
    if (rc != -EBUSY)
        return rc;
    dir->fd = dir->lock_fd = -1;
    rc = find_supervisor(m, err);
    return rc == 0 && m->supervisor ? wait_for_fresh(m, err) : rc;
}

static void let_go(struct jobdir *dir)
{
    struct err ignored;
    if (dir->lock_fd >= 0 && !dir->stale)
        jobdir_remove(dir, &ignored);
    else if (dir->lock_fd >= 0)
        jobdir_close(dir);
}

static int make(struct making *m, struct err *err)
{
    uint64_t checkpoint = 0;
    struct jobdir dir = {.fd = -1, .lock_fd = -1};
    int rc = hold_or_ask(m, &dir, err);
    if (rc < 0)
        return COMMAND_UNAVAILABLE;
    // A running job may remove the checkpoint that is being read: then there is a newer one.
    for (int i = 0; i < TRIES; i++) {
        rc = write_newest(m, &checkpoint, err);
        if (rc != -ENOENT)
            break;
    }
    let_go(&dir);
    if (rc < 0)
        return rc == -EBADMSG ? COMMAND_FAILED : COMMAND_UNAVAILABLE;
    fprintf(stderr, "weir: savepoint of checkpoint %" PRIu64 " in %s\n", checkpoint, m->dir);
    return COMMAND_OK;
}

static int open_job(struct making *m, const char *path, struct err *err)
{
    int rc = job_load(path, &m->load, err);
    if (rc == 0)
        rc = checkpoint_settings_read(&m->load, &m->settings, err);
    if (rc < 0)
        return COMMAND_CONFIG;
    rc = store_open(env_system(), m->settings.dir, m->load.config->job, &m->store, err);
    return rc < 0 ? COMMAND_UNAVAILABLE : COMMAND_OK;
}

static int savepoint(const struct command *command, int argc, char **argv)
{
    struct making m = {.supervisor = 0};
    struct err err = {.text = ""};
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(command->usage, stdout);
            return COMMAND_OK;
        }
    if (argc != 3 || argv[1][0] == '-' || argv[2][0] == '-') {
        fputs("weir savepoint: JOB.yaml and a folder, nothing else\nsee: weir savepoint --help\n",
              stderr);
        return COMMAND_USAGE;
    }
    m.dir = argv[2];
    int status = open_job(&m, argv[1], &err);
    if (!status)
        status = make(&m, &err);
    if (status)
        command_complain(&err);
    job_load_fini(&m.load);
    return status;
}

const struct command command_savepoint = {
    .name = "savepoint",
    .summary = "write a job's state so that it can go on at another parallelism",
    .usage =
        "usage: weir savepoint JOB.yaml DIR\n\n"
        "Write the state of the job into the new folder DIR, in a form that knows neither tasks\n"
        "nor cores; `weir run --from DIR JOB.yaml` goes on from it. A running job is asked for a\n"
        "checkpoint first and goes on; of one that was stopped the newest checkpoint is taken.\n\n"
        "example:\n\n"
        "  weir savepoint uv.yaml uv.savepoint\n"
        "  sed -i \"s/'parallelism.default' = '1'/'parallelism.default' = '4'/\" uv.sql\n"
        "  weir run --from uv.savepoint uv.yaml\n",
    .run = savepoint,
};
