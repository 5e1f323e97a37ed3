// engine_pwrite.c: plain pwrite and fdatasync, where io_uring is forbidden.
//
// Both wait for the disk, for many milliseconds when it is busy, so a second thread of the engine's
// calls them; the task never does. That thread touches nothing but the buffers it was given: never
// the arena. What it may still write when the task's thread has died goes to a file that no
// successor writes (its name carries the attempt).
//
// A job is a write or an fdatasync; they are done one after the other, in their order. All that
// both threads use is under the mutex, which is never held during a call to the disk.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/checkpoint/engine.h"

// A write each buffer, the sync, and a sync for each output of a task.
enum { BUFFER_COUNT = 8, JOBS_MAX = 64, STACK_BYTES = 256 << 10 };

struct pwrite_job {
    int fd;
    int buffer; // -1: fdatasync
    bool close; // afterwards
    uint32_t bytes;
    uint64_t offset;
};

struct pwrite_engine {
    struct snapshot_engine base; // must be first
    struct env *env;
    uint8_t *memory;
    int fd;          // -1: no file; of the task's thread
    uint64_t offset; // likewise
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t has_job, has_done;
    // Under the mutex:
    bool is_taken[BUFFER_COUNT];
    struct pwrite_job jobs[JOBS_MAX];
    uint64_t given, done; // jobs, ever
    int failed;
    bool stops;
};

static struct pwrite_engine *engine_of(struct snapshot_engine *base)
{
    return (struct pwrite_engine *)base;
}

static void lock(struct pwrite_engine *e)
{
    CHECK(pthread_mutex_lock(&e->mutex) == 0);
}

static void unlock(struct pwrite_engine *e)
{
    CHECK(pthread_mutex_unlock(&e->mutex) == 0);
}

// --- the second thread ---

static int write_all(struct pwrite_engine *e, const struct pwrite_job *job)
{
    const struct slice bytes =
        slice_make((const char *)e->memory + (size_t)job->buffer * SNAPSHOT_FRAME_MAX, job->bytes);
    int rc = env_pwrite_all(e->env, job->fd, bytes, job->offset);
    if (rc < 0)
        return rc;
    // Begin to write it out, so that the fdatasync finds little left. Only a hint: an error shows
    // there.
    sync_file_range(job->fd, (off64_t)job->offset, job->bytes, SYNC_FILE_RANGE_WRITE);
    return 0;
}

static void do_job(struct pwrite_engine *e, const struct pwrite_job *job)
{
    int rc = e->failed;
    unlock(e);
    if (rc == 0)
        rc = job->buffer < 0 ? e->env->fdatasync(e->env, job->fd) : write_all(e, job);
    if (job->close)
        e->env->close(e->env, job->fd);
    lock(e);
    if (rc < 0 && !e->failed)
        e->failed = rc;
    if (job->buffer >= 0)
        e->is_taken[job->buffer] = false;
    e->done++;
    CHECK(pthread_cond_signal(&e->has_done) == 0);
}

static void *work(void *context)
{
    struct pwrite_engine *e = context;
    lock(e);
    while (!e->stops) {
        if (e->given == e->done) {
            pthread_cond_wait(&e->has_job, &e->mutex);
            continue;
        }
        const struct pwrite_job job = e->jobs[e->done % JOBS_MAX];
        do_job(e, &job);
    }
    unlock(e);
    return NULL;
}

// --- the task's thread ---

static int give(struct pwrite_engine *e, const struct pwrite_job *job)
{
    lock(e);
    int rc = e->failed;
    CHECK(e->given - e->done < JOBS_MAX);
    if (rc == 0) {
        e->jobs[e->given++ % JOBS_MAX] = *job;
        CHECK(pthread_cond_signal(&e->has_job) == 0);
    }
    if (rc < 0 && job->buffer >= 0)
        e->is_taken[job->buffer] = false;
    unlock(e);
    return rc;
}

static int pwrite_begin(struct snapshot_engine *base, const char *path, struct err *err)
{
    struct pwrite_engine *e = engine_of(base);
    CHECK(e->fd < 0);
    int fd = e->env->open(e->env, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, fd, "cannot make %s: %s", path, strerror(-fd));
    e->fd = fd;
    e->offset = 0;
    lock(e);
    e->failed = 0;
    unlock(e);
    return 0;
}

static void *pwrite_take(struct snapshot_engine *base)
{
    struct pwrite_engine *e = engine_of(base);
    void *buffer = NULL;
    lock(e);
    for (int i = 0; i < BUFFER_COUNT && !buffer; i++) {
        if (e->is_taken[i])
            continue;
        e->is_taken[i] = true;
        buffer = e->memory + (size_t)i * SNAPSHOT_FRAME_MAX;
    }
    unlock(e);
    return buffer;
}

static int pwrite_submit(struct snapshot_engine *base, void *buffer, uint32_t bytes)
{
    struct pwrite_engine *e = engine_of(base);
    CHECK(e->fd >= 0 && bytes <= SNAPSHOT_FRAME_MAX);
    const struct pwrite_job job = {.fd = e->fd,
                                   .buffer =
                                       (int)(((uint8_t *)buffer - e->memory) / SNAPSHOT_FRAME_MAX),
                                   .bytes = bytes,
                                   .offset = e->offset};
    e->offset += bytes;
    return give(e, &job);
}

static int pwrite_sync(struct snapshot_engine *base)
{
    struct pwrite_engine *e = engine_of(base);
    const struct pwrite_job job = {.fd = e->fd, .buffer = -1};
    return give(e, &job);
}

// The caller may close its fd at once, so the thread gets one of its own.
static int pwrite_sync_file(struct snapshot_engine *base, int fd)
{
    struct pwrite_engine *e = engine_of(base);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = e->env->open(e->env, path, O_RDONLY | O_CLOEXEC, 0);
    if (own < 0) // no /proc: then here
        return e->env->fdatasync(e->env, fd);
    const struct pwrite_job job = {.fd = own, .buffer = -1, .close = true};
    int rc = give(e, &job);
    if (rc < 0)
        e->env->close(e->env, own);
    return rc;
}

static int pwrite_poll(struct snapshot_engine *base, bool wait, bool *idle)
{
    struct pwrite_engine *e = engine_of(base);
    lock(e);
    if (wait && e->given != e->done)
        pthread_cond_wait(&e->has_done, &e->mutex);
    *idle = e->given == e->done;
    int rc = e->failed;
    unlock(e);
    return rc;
}

static void pwrite_end(struct snapshot_engine *base)
{
    struct pwrite_engine *e = engine_of(base);
    lock(e);
    e->failed = e->failed ? e->failed : -ECANCELED; // what has not begun is left
    while (e->given != e->done)
        pthread_cond_wait(&e->has_done, &e->mutex);
    memset(e->is_taken, 0, sizeof e->is_taken);
    unlock(e);
    if (e->fd >= 0)
        e->env->close(e->env, e->fd);
    e->fd = -1;
}

static void pwrite_destroy(struct snapshot_engine *base)
{
    struct pwrite_engine *e = engine_of(base);
    pwrite_end(base);
    lock(e);
    e->stops = true;
    CHECK(pthread_cond_signal(&e->has_job) == 0);
    unlock(e);
    pthread_join(e->thread, NULL);
    free(base->kept);
    free(e->memory);
    free(e);
}

static const struct snapshot_engine_class pwrite_class = {
    .name = "pwrite",
    .begin = pwrite_begin,
    .take = pwrite_take,
    .submit = pwrite_submit,
    .sync = pwrite_sync,
    .sync_file = pwrite_sync_file,
    .poll = pwrite_poll,
    .end = pwrite_end,
    .destroy = pwrite_destroy,
};

// Signals stay the task's.
static int start_thread(struct pwrite_engine *e)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    int rc = pthread_attr_init(&attributes);
    if (rc)
        return -rc;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&e->thread, &attributes, work, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -rc;
}

int engine_create_pwrite(struct env *env, struct snapshot_engine **out, struct err *err)
{
    struct pwrite_engine *e = calloc(1, sizeof *e);
    if (!e)
        return err_set(err, -ENOMEM, "no memory for a snapshot engine");
    e->base.class = &pwrite_class;
    e->env = env;
    e->fd = -1;
    CHECK(pthread_mutex_init(&e->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&e->has_job, NULL) == 0 && pthread_cond_init(&e->has_done, NULL) == 0);
    e->memory = aligned_alloc(SNAPSHOT_PAGE_BYTES, (size_t)BUFFER_COUNT * SNAPSHOT_FRAME_MAX);
    int rc = e->memory ? start_thread(e) : -ENOMEM;
    if (rc < 0) {
        free(e->memory);
        free(e);
        return err_set(err, rc, "cannot make a snapshot engine: %s", strerror(-rc));
    }
    *out = &e->base;
    return 0;
}
