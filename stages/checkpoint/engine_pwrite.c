// engine_pwrite.c: plain pwrite and fdatasync, where io_uring is forbidden.
//
// Both wait for the disk, for many milliseconds when it is busy; the copier's thread is there for
// that. A submission has ended when it comes back, so two buffers are enough: a frame of blocks
// that is being filled, and one of undo entries.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/checkpoint/engine.h"

enum { BUFFER_COUNT = 2 };

struct pwrite_engine {
    struct snapshot_engine base; // must be first
    struct env *env;
    uint8_t *memory;
    bool is_taken[BUFFER_COUNT];
    int fd; // -1: no file
    int failed;
    uint64_t offset;
};

static struct pwrite_engine *engine_of(struct snapshot_engine *base)
{
    return (struct pwrite_engine *)base;
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
    e->failed = 0;
    return 0;
}

static void *pwrite_take(struct snapshot_engine *base)
{
    struct pwrite_engine *e = engine_of(base);
    for (int i = 0; i < BUFFER_COUNT; i++) {
        if (e->is_taken[i])
            continue;
        e->is_taken[i] = true;
        return e->memory + (size_t)i * SNAPSHOT_FRAME_MAX;
    }
    return NULL;
}

// The first failure stays that of the file.
static int note(struct pwrite_engine *e, int rc)
{
    if (rc < 0 && !e->failed)
        e->failed = rc;
    return e->failed;
}

static int pwrite_submit(struct snapshot_engine *base, void *buffer, uint32_t bytes)
{
    struct pwrite_engine *e = engine_of(base);
    size_t index = (size_t)((uint8_t *)buffer - e->memory) / SNAPSHOT_FRAME_MAX;
    CHECK(e->fd >= 0 && index < BUFFER_COUNT && e->is_taken[index] && bytes <= SNAPSHOT_FRAME_MAX);
    e->is_taken[index] = false;
    if (e->failed)
        return e->failed;
    const uint64_t at = e->offset;
    e->offset += bytes;
    int rc = note(e, env_pwrite_all(e->env, e->fd, slice_make(buffer, bytes), at));
    // Begin to write it out, so that the fdatasync finds little left. Only a hint: an error shows
    // there.
    if (rc == 0)
        sync_file_range(e->fd, (off64_t)at, bytes, SYNC_FILE_RANGE_WRITE);
    return rc;
}

static int pwrite_sync_file(struct snapshot_engine *base, int fd)
{
    struct pwrite_engine *e = engine_of(base);
    return e->failed ? e->failed : note(e, e->env->fdatasync(e->env, fd));
}

static int pwrite_sync(struct snapshot_engine *base)
{
    return pwrite_sync_file(base, engine_of(base)->fd);
}

static int pwrite_poll(struct snapshot_engine *base, bool wait, bool *idle)
{
    (void)wait;
    *idle = true;
    return engine_of(base)->failed;
}

static void pwrite_end(struct snapshot_engine *base)
{
    struct pwrite_engine *e = engine_of(base);
    memset(e->is_taken, 0, sizeof e->is_taken);
    if (e->fd >= 0)
        e->env->close(e->env, e->fd);
    e->fd = -1;
}

static void pwrite_destroy(struct snapshot_engine *base)
{
    pwrite_end(base);
    free(engine_of(base)->memory);
    free(base);
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

int engine_create_pwrite(struct env *env, struct snapshot_engine **out, struct err *err)
{
    struct pwrite_engine *e = calloc(1, sizeof *e);
    uint8_t *memory = aligned_alloc(SNAPSHOT_PAGE_BYTES, (size_t)BUFFER_COUNT * SNAPSHOT_FRAME_MAX);
    if (!e || !memory) {
        free(memory);
        free(e);
        return err_set(err, -ENOMEM, "no memory for a snapshot engine");
    }
    *e =
        (struct pwrite_engine){.base.class = &pwrite_class, .env = env, .memory = memory, .fd = -1};
    *out = &e->base;
    return 0;
}
