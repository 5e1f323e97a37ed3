// engine_pwrite.c: plain pwrite and fdatasync, where io_uring is forbidden.
//
// A submit copies into the page cache and asks the kernel to begin writing it out, so that the
// fdatasync at the end has little left to wait for. That wait stops the task; io_uring's does not.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/checkpoint/engine.h"

struct pwrite_engine {
    struct snapshot_engine base; // must be first
    struct env *env;
    void *buffer[2]; // the writer may fill one with blocks while another goes out with entries
    bool is_taken[2];
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
    e->failed = 0;
    e->offset = 0;
    return 0;
}

static void *pwrite_take(struct snapshot_engine *base)
{
    struct pwrite_engine *e = engine_of(base);
    for (int i = 0; i < 2; i++) {
        if (e->is_taken[i])
            continue;
        e->is_taken[i] = true;
        return e->buffer[i];
    }
    return NULL;
}

static int write_all(struct pwrite_engine *e, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t done = 0; done < len;) {
        ssize_t n =
            e->env->pwrite(e->env, e->fd, bytes + done, len - done, (off_t)(e->offset + done));
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        done += (uint32_t)n;
    }
    return 0;
}

static int pwrite_submit(struct snapshot_engine *base, void *buffer, uint32_t bytes)
{
    struct pwrite_engine *e = engine_of(base);
    CHECK(e->fd >= 0 && bytes <= SNAPSHOT_FRAME_MAX);
    int rc = e->failed ? e->failed : write_all(e, buffer, bytes);
    if (rc == 0) // only a hint: an error shows at the fdatasync
        sync_file_range(e->fd, (off64_t)e->offset, bytes, SYNC_FILE_RANGE_WRITE);
    e->offset += bytes;
    e->is_taken[buffer == e->buffer[1]] = false;
    e->failed = rc;
    return rc;
}

static int pwrite_sync(struct snapshot_engine *base)
{
    struct pwrite_engine *e = engine_of(base);
    if (!e->failed)
        e->failed = e->env->fdatasync(e->env, e->fd);
    return e->failed;
}

static int pwrite_sync_file(struct snapshot_engine *base, int fd)
{
    struct pwrite_engine *e = engine_of(base);
    if (!e->failed)
        e->failed = e->env->fdatasync(e->env, fd);
    return e->failed;
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
    if (e->fd >= 0)
        e->env->close(e->env, e->fd);
    e->fd = -1;
    e->is_taken[0] = e->is_taken[1] = false;
}

static void pwrite_destroy(struct snapshot_engine *base)
{
    struct pwrite_engine *e = engine_of(base);
    pwrite_end(base);
    free(e->buffer[0]);
    free(e->buffer[1]);
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

int engine_create_pwrite(struct env *env, struct snapshot_engine **out, struct err *err)
{
    struct pwrite_engine *e = calloc(1, sizeof *e);
    if (!e)
        return err_set(err, -ENOMEM, "no memory for a snapshot engine");
    e->base.class = &pwrite_class;
    e->env = env;
    e->fd = -1;
    e->buffer[0] = aligned_alloc(SNAPSHOT_PAGE_BYTES, SNAPSHOT_FRAME_MAX);
    e->buffer[1] = aligned_alloc(SNAPSHOT_PAGE_BYTES, SNAPSHOT_FRAME_MAX);
    if (!e->buffer[0] || !e->buffer[1]) {
        pwrite_destroy(&e->base);
        return err_set(err, -ENOMEM, "no memory for the buffers of a snapshot engine");
    }
    *out = &e->base;
    return 0;
}
