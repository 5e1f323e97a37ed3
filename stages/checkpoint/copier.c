// copier.c: see copier.h.
//
// A flight is one snapshot from begin to end. The task makes it, the thread flies it, and who comes
// last puts it aside for the next. At most two are there: one that the task wants, and one that it
// has abandoned and the thread is leaving.
#include "stages/checkpoint/copier.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/atomic.h"
#include "shm/process.h"
#include "shm/thread.h"

enum {
    STACK_BYTES = 256 << 10,
    PATH_BYTES = 4096,
    NICE = 5,
    BLOCKS_A_STEP = 32, // between two looks at the undo entries
};

#define OWNER_NS (INT64_C(100) * 1000 * 1000)

struct flight {
    struct snapshot *snapshot;
    char path[PATH_BYTES];
    int sync_fds[COPIER_SYNC_MAX];
    int sync_count;
    const struct store *store;
    struct store_part part;
    struct buf positions; // empty: nothing to write
    // Under the mutex:
    bool is_abandoned;
    enum copier_status status;
    struct snapshot_stats stats;
    struct err err;
};

struct copier {
    struct env *env;
    enum engine_kind kind;
    struct snapshot_engine *engine; // of the thread; NULL: not made yet
    cpu_set_t cpus;
    pthread_t thread;
    struct flight *wanted; // of the task: what it has begun and not seen to its end
    bool knows_lost;       // of the task: it has seen has_lost_output
    struct waiter *waiter; // of the task; NULL: it looks by itself
    uint32_t news;         // of the thread: grows when the task should look
    uint32_t news_seen;    // of the task
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    // Under the mutex:
    struct flight *next;  // for the thread to take
    struct flight *spare; // its memory is used again
    bool stops, has_lost_output;
    struct err lost; // why
};

static void lock(struct copier *c)
{
    CHECK(pthread_mutex_lock(&c->mutex) == 0);
}

static void unlock(struct copier *c)
{
    CHECK(pthread_mutex_unlock(&c->mutex) == 0);
}

static void free_flight(struct flight *f)
{
    if (!f)
        return;
    snapshot_end(f->snapshot);
    buf_fini(&f->positions);
    free(f);
}

static void close_fds(struct flight *f)
{
    for (int i = 0; i < f->sync_count; i++)
        close(f->sync_fds[i]);
    f->sync_count = 0;
}

// Nobody needs it any more. With the mutex.
static void put_aside(struct copier *c, struct flight *f)
{
    close_fds(f);
    if (c->spare)
        free_flight(f);
    else
        c->spare = f;
}

// --- the thread ---

// Before anything else is written, so that an error is known to be of these files.
static int sync_outputs(struct copier *c, const struct flight *f, struct err *err)
{
    bool idle = false;
    int rc = 0;
    for (int i = 0; i < f->sync_count && rc == 0; i++)
        rc = c->engine->class->sync_file(c->engine, f->sync_fds[i]);
    while (rc == 0 && !idle && f->sync_count)
        rc = c->engine->class->poll(c->engine, true, &idle);
    if (rc == 0)
        return 0;
    err_set(err, rc, "cannot make the output durable: %s", strerror(-rc));
    lock(c);
    if (!c->has_lost_output)
        c->lost = *err;
    c->has_lost_output = true;
    unlock(c);
    return rc;
}

static int begin_file(struct copier *c, struct flight *f, struct err *err)
{
    int rc = c->engine ? 0 : engine_create(c->kind, c->env, &c->engine, err);
    if (rc == 0)
        rc = c->engine->class->begin(c->engine, f->path, err);
    if (rc < 0)
        return rc;
    snapshot_use(f->snapshot, c->engine);
    rc = sync_outputs(c, f, err);
    if (rc == 0 && f->positions.len)
        rc = store_write_positions(f->store, &f->part, buf_slice(&f->positions), err);
    return rc;
}

static void tell_owner(struct copier *c)
{
    if (!c->waiter)
        return;
    atomic_write_u32(&c->news, c->news + 1); // relaxed: waiter_wake has the fence; a hint to look
    waiter_wake(c->waiter);
}

static void wait_for(struct copier *c, struct flight *f)
{
    bool idle;
    switch (snapshot_waits(f->snapshot)) {
    case SNAPSHOT_WAITS_NOT:
        break;
    case SNAPSHOT_WAITS_DISK:
        c->engine->class->poll(c->engine, true, &idle);
        break;
    case SNAPSHOT_WAITS_OWNER:
        tell_owner(c);
        snapshot_wait_owner(f->snapshot, OWNER_NS);
        break;
    }
}

static int fly(struct copier *c, struct flight *f, struct err *err)
{
    bool done = false;
    int rc = begin_file(c, f, err);
    while (rc == 0 && !done) {
        rc = snapshot_write(f->snapshot, BLOCKS_A_STEP, &done, err);
        if (rc == 0 && !done)
            wait_for(c, f);
    }
    if (c->engine)
        c->engine->class->end(c->engine);
    return rc;
}

static void land(struct copier *c, struct flight *f, int rc, const struct err *err)
{
    f->stats = snapshot_stats(f->snapshot);
    f->status = rc < 0 ? COPIER_FAILED : COPIER_DONE;
    f->err = *err;
    if (f->is_abandoned)
        put_aside(c, f);
}

static void *work(void *context)
{
    struct copier *c = context;
    sched_setaffinity(0, sizeof c->cpus, &c->cpus);  // no such core: beside the task
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); // on Linux, of this thread
    lock(c);
    while (!c->stops) {
        struct flight *f = c->next;
        struct err err = {.text = ""};
        if (!f) {
            CHECK(pthread_cond_wait(&c->has_work, &c->mutex) == 0);
            continue;
        }
        c->next = NULL;
        unlock(c);
        int rc = fly(c, f, &err);
        lock(c);
        land(c, f, rc, &err);
        unlock(c);
        tell_owner(c);
        lock(c);
    }
    unlock(c);
    return NULL;
}

// --- the task's thread ---

int copier_create(struct env *env, enum engine_kind kind, pid_t host, struct copier **out,
                  struct err *err)
{
    struct copier *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(err, -ENOMEM, "no memory for a copier");
    c->env = env;
    c->kind = kind;
    process_cores_beside(host, &c->cpus);
    CHECK(pthread_mutex_init(&c->mutex, NULL) == 0 && pthread_cond_init(&c->has_work, NULL) == 0);
    int rc = thread_start(&c->thread, STACK_BYTES, work, c);
    if (rc < 0) {
        free(c);
        return err_set(err, rc, "cannot start the thread that writes snapshots: %s", strerror(-rc));
    }
    *out = c;
    return 0;
}

void copier_wakes(struct copier *c, struct waiter *waiter)
{
    CHECK(!c->wanted);
    c->waiter = waiter;
}

bool copier_has_news(const struct copier *c)
{
    return atomic_read_u32(&c->news) != c->news_seen; // relaxed: what it says is under the mutex
}

static struct flight *take_flight(struct copier *c)
{
    lock(c);
    struct flight *f = c->spare;
    c->spare = NULL;
    unlock(c);
    return f ? f : calloc(1, sizeof *f);
}

static int fill_flight(struct flight *f, const struct copier_job *job, struct err *err)
{
    size_t len = strlen(job->path);
    CHECK(job->sync_count <= COPIER_SYNC_MAX);
    if (len >= PATH_BYTES)
        return err_set(err, -ENAMETOOLONG, "%s: the path is too long", job->path);
    memcpy(f->path, job->path, len + 1);
    f->store = job->store;
    f->part = (struct store_part){job->spec->id.checkpoint, (int)job->spec->id.task,
                                  job->spec->id.attempt};
    buf_clear(&f->positions);
    if (job->positions.len)
        buf_append(&f->positions, job->positions.ptr, job->positions.len);
    f->is_abandoned = false;
    f->status = COPIER_RUNNING;
    while (f->sync_count < job->sync_count) {
        int fd = fcntl(job->sync_fds[f->sync_count], F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return err_set(err, -errno, "cannot keep an output open: %s", strerror(errno));
        f->sync_fds[f->sync_count++] = fd;
    }
    return 0;
}

int copier_begin(struct copier *c, struct arena *arena, const struct copier_job *job,
                 struct err *err)
{
    CHECK(!c->wanted);
    struct flight *f = take_flight(c);
    if (!f)
        return err_set(err, -ENOMEM, "no memory for a snapshot");
    int rc = fill_flight(f, job, err);
    if (rc == 0)
        rc = snapshot_begin(arena, job->spec, &f->snapshot, err);
    lock(c);
    if (rc < 0) {
        put_aside(c, f);
    } else {
        CHECK(!c->next);
        c->wanted = c->next = f;
        CHECK(pthread_cond_signal(&c->has_work) == 0);
    }
    unlock(c);
    return rc;
}

// With the mutex: who is the last one to have it?
static void leave(struct copier *c)
{
    struct flight *f = c->wanted;
    c->wanted = NULL;
    f->is_abandoned = true;
    if (c->next == f) { // never taken
        c->next = NULL;
        f->status = COPIER_IDLE;
    }
    if (f->status != COPIER_RUNNING)
        put_aside(c, f);
}

enum copier_status copier_poll(struct copier *c, struct snapshot_stats *stats, struct err *err)
{
    struct flight *f = c->wanted;
    c->news_seen = atomic_read_u32(&c->news); // relaxed: before the look; what comes later is news
    if (!f)
        return COPIER_IDLE;
    if (snapshot_poll(f->snapshot, err) < 0) {
        *stats = (struct snapshot_stats){0};
        copier_abandon(c);
        return COPIER_FAILED;
    }
    if (pthread_mutex_trylock(
            &c->mutex)) // the thread may have been put off its core while it has it
        return COPIER_RUNNING;
    enum copier_status status = f->status;
    if (status != COPIER_RUNNING) {
        c->knows_lost = c->has_lost_output; // also by one that was abandoned before this
        *stats = f->stats;
        *err = f->err;
        snapshot_stop(f->snapshot); // an error of the disk has left it watching
        leave(c);
    }
    unlock(c);
    return status;
}

bool copier_has_lost_output(struct copier *c, struct err *err)
{
    if (!c->knows_lost && pthread_mutex_trylock(&c->mutex) == 0) { // else the next time
        c->knows_lost = c->has_lost_output;
        unlock(c);
    }
    if (c->knows_lost)
        *err = c->lost; // never written again
    return c->knows_lost;
}

void copier_abandon(struct copier *c)
{
    if (!c->wanted)
        return;
    snapshot_stop(c->wanted->snapshot);
    lock(c);
    leave(c);
    unlock(c);
}

void copier_destroy(struct copier *c)
{
    if (!c)
        return;
    copier_abandon(c);
    lock(c);
    c->stops = true;
    CHECK(pthread_cond_signal(&c->has_work) == 0);
    unlock(c);
    pthread_join(c->thread, NULL);
    if (c->engine)
        c->engine->class->destroy(c->engine);
    free_flight(c->spare);
    pthread_cond_destroy(&c->has_work);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}
