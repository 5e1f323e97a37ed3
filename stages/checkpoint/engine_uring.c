// engine_uring.c: asynchronous writes through io_uring, O_DIRECT where the file system has it.
//
// Submissions and completions belong to one thread, the copier's. Writes go to a file that no other
// process ever writes (its name carries the attempt), so a write of a dead task that arrives late
// harms nobody. The ring is small: newer kernels charge it to the user's locked memory.
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/check.h"
#include "stages/checkpoint/engine.h"

enum {
    BUFFER_COUNT = 8,
    RING_ENTRIES = 16,
    ROOM_MIN_BYTES = 1 << 20,
    ROOM_MAX_BYTES = 64 << 20,
    HUGE_BYTES = 2 << 20,
};

enum buffer_state { BUFFER_FREE, BUFFER_TAKEN, BUFFER_UNDER_WAY };

struct uring_buffer {
    uint8_t *bytes;
    enum buffer_state state;
    uint32_t done, len; // of the write under way
    uint64_t offset;    // in the file
};

struct uring_engine {
    struct snapshot_engine base; // must be first
    struct env *env;
    struct io_uring ring;
    bool has_ring, is_registered;
    bool is_stuck; // a submission was refused and is still in the ring: it must never be made
    bool is_used;  // a file has been begun
    uint8_t *memory;
    struct uring_buffer buffers[BUFFER_COUNT];
    int fd; // -1: no file
    int failed;
    int under_way; // submissions without a completion yet
    bool wants_sync;
    uint64_t offset;
    uint64_t room;  // the file has blocks for so many bytes, and is so long
    bool asks_room; // until it is refused
};

// user_data of the fsync; a write has the index of its buffer.
#define SYNC_TAG UINT64_C(0xffff)

static struct uring_engine *engine_of(struct snapshot_engine *base)
{
    return (struct uring_engine *)base;
}

// --- the ring ---

static int why_not(int rc, struct err *err)
{
    if (rc == -EPERM || rc == -EACCES)
        return err_set(err, rc,
                       "io_uring is forbidden here (a container's seccomp profile, or sysctl "
                       "kernel.io_uring_disabled); use checkpoint.engine: pwrite");
    if (rc == -ENOSYS)
        return err_set(err, rc, "this kernel has no io_uring; use checkpoint.engine: pwrite");
    if (rc == -ENOMEM)
        return err_set(err, rc,
                       "no locked memory for an io_uring; raise `ulimit -l`, or use "
                       "checkpoint.engine: pwrite");
    return err_set(err, rc, "io_uring does not work here: %s", strerror(-rc));
}

static int probe_operations(struct io_uring *ring, struct err *err)
{
    static const int needed[] = {IORING_OP_WRITE, IORING_OP_WRITE_FIXED, IORING_OP_FSYNC};
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    if (!probe)
        return why_not(-ENOSYS, err);
    int rc = 0;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!io_uring_opcode_supported(probe, needed[i]))
            rc = -ENOSYS;
    io_uring_free_probe(probe);
    return rc ? why_not(rc, err) : 0;
}

// Not before the second file: registering touches all of the memory at once, which is a pause; by
// then the first file has, a buffer at a time.
static void register_buffers(struct uring_engine *e)
{
    struct iovec places[BUFFER_COUNT];
    for (int i = 0; i < BUFFER_COUNT; i++)
        places[i] = (struct iovec){e->buffers[i].bytes, SNAPSHOT_FRAME_MAX};
    // Where locked memory is scarce, plain writes do the same, a little slower.
    e->is_registered = io_uring_register_buffers(&e->ring, places, BUFFER_COUNT) == 0;
}

static int make_ring(struct uring_engine *e, struct err *err)
{
    int rc = io_uring_queue_init(RING_ENTRIES, &e->ring, 0);
    if (rc < 0)
        return why_not(rc, err);
    e->has_ring = true;
    e->is_stuck = false;
    e->is_registered = false;
    return probe_operations(&e->ring, err);
}

static void drop_ring(struct uring_engine *e)
{
    if (e->has_ring)
        io_uring_queue_exit(&e->ring);
    e->has_ring = false;
}

// --- submissions ---

static struct io_uring_sqe *next_sqe(struct uring_engine *e)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&e->ring);
    CHECK(sqe); // more entries than buffers, and each submission is handed over at once
    return sqe;
}

static int hand_over(struct uring_engine *e)
{
    int rc;
    do
        rc = io_uring_submit(&e->ring);
    while (rc == -EINTR);
    if (rc == 1) {
        e->under_way++;
        return 0;
    }
    e->is_stuck = true;
    return rc < 0 ? rc : -EAGAIN;
}

static int submit_write(struct uring_engine *e, int index)
{
    struct uring_buffer *b = &e->buffers[index];
    struct io_uring_sqe *sqe = next_sqe(e);
    uint8_t *from = b->bytes + b->done;
    uint32_t len = b->len - b->done;
    if (e->is_registered)
        io_uring_prep_write_fixed(sqe, e->fd, from, len, b->offset + b->done, index);
    else
        io_uring_prep_write(sqe, e->fd, from, len, b->offset + b->done);
    io_uring_sqe_set_data64(sqe, (unsigned)index);
    return hand_over(e);
}

static int submit_sync(struct uring_engine *e, int fd)
{
    struct io_uring_sqe *sqe = next_sqe(e);
    io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(sqe, SYNC_TAG);
    int rc = hand_over(e);
    if (rc < 0 && !e->failed)
        e->failed = rc;
    return rc;
}

// --- completions ---

static int complete_write(struct uring_engine *e, int index, int result)
{
    struct uring_buffer *b = &e->buffers[index];
    if (result == -EINTR || result == -EAGAIN)
        result = 0;
    else if (result <= 0)
        return result ? result : -EIO;
    // O_DIRECT goes on at whole pages only. Not even one: there is no more room.
    uint32_t pages = (uint32_t)result & ~(uint32_t)(SNAPSHOT_PAGE_BYTES - 1);
    if (result > 0 && pages == 0)
        return -ENOSPC;
    b->done += pages;
    if (b->done < b->len && !e->failed) // a short write goes on where it stopped
        return submit_write(e, index);
    b->state = BUFFER_FREE;
    return 0;
}

static void complete(struct uring_engine *e, const struct io_uring_cqe *cqe)
{
    int rc = cqe->res;
    uint64_t tag = io_uring_cqe_get_data64(cqe);
    e->under_way--;
    if (tag != SYNC_TAG) {
        CHECK(tag < BUFFER_COUNT);
        rc = complete_write(e, (int)tag, cqe->res);
        if (rc < 0)
            e->buffers[tag].state = BUFFER_FREE;
    }
    if (rc < 0 && !e->failed)
        e->failed = rc;
}

static void reap(struct uring_engine *e, bool wait)
{
    struct io_uring_cqe *cqe;
    while (e->under_way &&
           (wait ? io_uring_wait_cqe(&e->ring, &cqe) : io_uring_peek_cqe(&e->ring, &cqe)) == 0) {
        struct io_uring_cqe copy = *cqe;
        io_uring_cqe_seen(&e->ring, cqe);
        complete(e, &copy);
        wait = false;
    }
}

// --- the engine ---

static int uring_begin(struct snapshot_engine *base, const char *path, struct err *err)
{
    struct uring_engine *e = engine_of(base);
    CHECK(e->fd < 0 && e->under_way == 0);
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int rc = e->has_ring ? 0 : make_ring(e, err);
    if (rc < 0)
        return rc;
    int fd = e->env->open(e->env, path, flags | O_DIRECT, 0600);
    if (fd == -EINVAL) { // tmpfs and others have no O_DIRECT, but may have made the file by now
        e->env->unlink(e->env, path);
        fd = e->env->open(e->env, path, flags, 0600);
    }
    if (fd < 0)
        return err_set(err, fd, "cannot make %s: %s", path, strerror(-fd));
    if (e->is_used && !e->is_registered)
        register_buffers(e);
    e->is_used = true;
    e->fd = fd;
    e->failed = 0;
    e->offset = 0;
    e->wants_sync = false;
    e->room = 0;
    e->asks_room = true;
    return 0;
}

static void *uring_take(struct snapshot_engine *base)
{
    struct uring_engine *e = engine_of(base);
    for (int i = 0; i < BUFFER_COUNT; i++) {
        if (e->buffers[i].state != BUFFER_FREE)
            continue;
        e->buffers[i].state = BUFFER_TAKEN;
        return e->buffers[i].bytes;
    }
    return NULL;
}

// Have room before the writes come: one that makes a file longer is none that a file system does
// beside others (ext4 waits for it with the inode locked, so the writes would go one by one). Never
// more than as much again as there is: what a small file does not need, others may. Where the disk
// is full or knows no such call, the writes tell.
static void make_room(struct uring_engine *e)
{
    uint64_t more = e->offset < ROOM_MAX_BYTES ? e->offset : ROOM_MAX_BYTES;
    uint64_t room = e->offset + more;
    if (!e->asks_room || e->offset <= e->room || e->offset < ROOM_MIN_BYTES)
        return;
    e->asks_room = e->env->fallocate(e->env, e->fd, (off_t)e->room, (off_t)(room - e->room)) == 0;
    if (e->asks_room)
        e->room = room;
}

// What is left of the room; nothing is under way.
static int give_room_back(struct uring_engine *e)
{
    return e->room > e->offset ? e->env->ftruncate(e->env, e->fd, (off_t)e->offset) : 0;
}

static int uring_submit(struct snapshot_engine *base, void *buffer, uint32_t bytes)
{
    struct uring_engine *e = engine_of(base);
    int index = (int)(((uint8_t *)buffer - e->memory) / SNAPSHOT_FRAME_MAX);
    struct uring_buffer *b = &e->buffers[index];
    CHECK(e->fd >= 0 && b->state == BUFFER_TAKEN && bytes <= SNAPSHOT_FRAME_MAX);
    b->len = bytes;
    b->done = 0;
    b->offset = e->offset;
    e->offset += bytes;
    make_room(e);
    int rc = e->failed ? e->failed : submit_write(e, index);
    b->state = rc < 0 ? BUFFER_FREE : BUFFER_UNDER_WAY;
    if (rc < 0 && !e->failed)
        e->failed = rc;
    return rc;
}

static int uring_sync(struct snapshot_engine *base)
{
    struct uring_engine *e = engine_of(base);
    e->wants_sync = true; // when the writes are done: see poll
    return e->failed;
}

static int uring_sync_file(struct snapshot_engine *base, int fd)
{
    struct uring_engine *e = engine_of(base);
    return e->failed ? e->failed : submit_sync(e, fd);
}

static int uring_poll(struct snapshot_engine *base, bool wait, bool *idle)
{
    struct uring_engine *e = engine_of(base);
    reap(e, wait);
    if (e->wants_sync && e->under_way == 0 && !e->failed) {
        e->wants_sync = false;
        e->failed = give_room_back(e);
        if (!e->failed)
            submit_sync(e, e->fd);
    }
    *idle = e->under_way == 0;
    return e->failed;
}

static void uring_end(struct snapshot_engine *base)
{
    struct uring_engine *e = engine_of(base);
    e->failed = e->failed ? e->failed : -ECANCELED; // a short write is not gone on with
    while (e->under_way)
        reap(e, true);
    for (int i = 0; i < BUFFER_COUNT; i++)
        e->buffers[i].state = BUFFER_FREE;
    if (e->fd >= 0)
        e->env->close(e->env, e->fd);
    e->fd = -1;
    if (e->is_stuck) // what is left in it names a file that is closed now
        drop_ring(e);
}

static void uring_destroy(struct snapshot_engine *base)
{
    struct uring_engine *e = engine_of(base);
    uring_end(base);
    drop_ring(e);
    free(e->memory);
    free(e);
}

static const struct snapshot_engine_class uring_class = {
    .name = "io_uring",
    .begin = uring_begin,
    .take = uring_take,
    .submit = uring_submit,
    .sync = uring_sync,
    .sync_file = uring_sync_file,
    .poll = uring_poll,
    .end = uring_end,
    .destroy = uring_destroy,
};

int engine_probe_io_uring(struct err *why)
{
    struct io_uring ring;
    int rc = io_uring_queue_init(RING_ENTRIES, &ring, 0);
    if (rc < 0)
        return why_not(rc, why);
    rc = probe_operations(&ring, why);
    io_uring_queue_exit(&ring);
    return rc;
}

int engine_create_io_uring(struct env *env, struct snapshot_engine **out, struct err *err)
{
    struct uring_engine *e = calloc(1, sizeof *e);
    if (!e)
        return err_set(err, -ENOMEM, "no memory for a snapshot engine");
    e->base.class = &uring_class;
    e->env = env;
    e->fd = -1;
    size_t bytes = (size_t)BUFFER_COUNT * SNAPSHOT_FRAME_MAX;
    // One piece for the device, not one a page.
    e->memory = aligned_alloc(HUGE_BYTES, bytes);
    if (e->memory)
        madvise(e->memory, bytes, MADV_HUGEPAGE);
    if (!e->memory) {
        uring_destroy(&e->base);
        return err_set(err, -ENOMEM, "no memory for the buffers of a snapshot engine");
    }
    for (int i = 0; i < BUFFER_COUNT; i++)
        e->buffers[i].bytes = e->memory + (size_t)i * SNAPSHOT_FRAME_MAX;
    int rc = make_ring(e, err);
    if (rc < 0) {
        uring_destroy(&e->base);
        return rc;
    }
    *out = &e->base;
    return 0;
}
