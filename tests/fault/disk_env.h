// disk_env.h: an env whose disk operations are noted, and can be made to fail.
//
// Everything is done on the real file system too (the state that a running process sees); the notes
// say what a crash may leave of it. See disk_replay.h.
#ifndef WEIR_TESTS_FAULT_DISK_ENV_H
#define WEIR_TESTS_FAULT_DISK_ENV_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/check.h"
#include "core/base/env.h"

enum disk_kind {
    DISK_CREATE,
    DISK_WRITE,
    DISK_CUT,
    DISK_SYNC,
    DISK_RENAME,
    DISK_UNLINK,
    DISK_MKDIR,
    DISK_RMDIR,
    DISK_SYNC_DIR,
};

struct disk_op {
    enum disk_kind kind;
    uint64_t inode;          // CREATE, WRITE, CUT, SYNC; RENAME: of what was renamed
    char path[256], to[256]; // names; SYNC_DIR: of the folder
    uint64_t offset, len;    // WRITE; CUT: offset
    char *bytes;             // WRITE, owned
    uint64_t announced;      // checkpoint that was complete when it was called
};

enum { DISK_OPS_MAX = 8192, DISK_FDS_MAX = 4096, DISK_SHORT = -100000 };

struct disk_env {
    struct env env; // must be first
    struct env *real;
    struct disk_op *ops;
    int op_count;
    uint64_t inode_of_fd[DISK_FDS_MAX];
    uint64_t announced; // set by the scene
    // The fail_at-th operation that can fail (1 ..) does, with `error`; 0: none. DISK_SHORT: a
    // write is cut to half, and the next call finds no room.
    int fail_at, calls, error;
    bool failed; // it has
};

static inline struct disk_env *disk_of(struct env *env)
{
    return (struct disk_env *)env;
}

static inline int disk_fails(struct disk_env *d, bool is_write)
{
    if (++d->calls != d->fail_at)
        return 0;
    d->failed = true;
    return d->error == DISK_SHORT && !is_write ? -ENOSPC : d->error;
}

static inline struct disk_op *disk_note(struct disk_env *d, enum disk_kind kind, const char *path)
{
    CHECK(d->op_count < DISK_OPS_MAX);
    struct disk_op *op = &d->ops[d->op_count++];
    *op = (struct disk_op){.kind = kind, .announced = d->announced};
    if (path)
        snprintf(op->path, sizeof op->path, "%s", path);
    return op;
}

static inline int64_t disk_realtime_ns(struct env *env)
{
    return disk_of(env)->real->realtime_ns(disk_of(env)->real);
}

static inline int64_t disk_realtime_ms(struct env *env)
{
    return disk_of(env)->real->realtime_ms(disk_of(env)->real);
}

static inline int64_t disk_monotonic_ns(struct env *env)
{
    return disk_of(env)->real->monotonic_ns(disk_of(env)->real);
}

static inline int disk_open(struct env *env, const char *path, int flags, mode_t mode)
{
    struct disk_env *d = disk_of(env);
    struct stat st;
    bool is_new = (flags & O_CREAT) && stat(path, &st) < 0;
    int rc = (flags & O_ACCMODE) != O_RDONLY ? disk_fails(d, false) : 0;
    int fd = rc < 0 ? rc : d->real->open(d->real, path, flags, mode);
    if (fd < 0)
        return fd;
    CHECK(fd < DISK_FDS_MAX && fstat(fd, &st) == 0);
    d->inode_of_fd[fd] = st.st_ino;
    if (is_new)
        disk_note(d, DISK_CREATE, path)->inode = st.st_ino;
    else if (flags & O_TRUNC)
        disk_note(d, DISK_CUT, path)->inode = st.st_ino;
    return fd;
}

static inline int disk_close(struct env *env, int fd)
{
    return disk_of(env)->real->close(disk_of(env)->real, fd);
}

static inline ssize_t disk_pread(struct env *env, int fd, void *bytes, size_t len, off_t offset)
{
    return disk_of(env)->real->pread(disk_of(env)->real, fd, bytes, len, offset);
}

static inline ssize_t disk_pwrite(struct env *env, int fd, const void *bytes, size_t len,
                                  off_t offset)
{
    struct disk_env *d = disk_of(env);
    int rc = disk_fails(d, true);
    if (rc < 0 && rc != DISK_SHORT)
        return rc;
    if (rc == DISK_SHORT) {
        len = (len + 1) / 2;
        d->fail_at = d->calls + 1;
        d->error = -ENOSPC;
    }
    ssize_t n = d->real->pwrite(d->real, fd, bytes, len, offset);
    if (n <= 0)
        return n;
    struct disk_op *op = disk_note(d, DISK_WRITE, NULL);
    op->inode = d->inode_of_fd[fd];
    op->offset = (uint64_t)offset;
    op->len = (uint64_t)n;
    op->bytes = malloc((size_t)n);
    CHECK(op->bytes);
    memcpy(op->bytes, bytes, (size_t)n);
    return n;
}

static inline int disk_ftruncate(struct env *env, int fd, off_t len)
{
    struct disk_env *d = disk_of(env);
    int rc = disk_fails(d, false);
    if (rc == 0)
        rc = d->real->ftruncate(d->real, fd, len);
    if (rc == 0) {
        struct disk_op *op = disk_note(d, DISK_CUT, NULL);
        op->inode = d->inode_of_fd[fd];
        op->offset = (uint64_t)len;
    }
    return rc;
}

static inline int disk_fdatasync(struct env *env, int fd)
{
    struct disk_env *d = disk_of(env);
    int rc = disk_fails(d, false);
    if (rc == 0)
        disk_note(d, DISK_SYNC, NULL)->inode = d->inode_of_fd[fd];
    return rc;
}

static inline int disk_rename(struct env *env, const char *from, const char *to)
{
    struct disk_env *d = disk_of(env);
    struct stat st;
    int rc = disk_fails(d, false);
    if (rc == 0)
        rc = d->real->rename(d->real, from, to);
    if (rc == 0) {
        struct disk_op *op = disk_note(d, DISK_RENAME, from);
        snprintf(op->to, sizeof op->to, "%s", to);
        CHECK(stat(to, &st) == 0);
        op->inode = st.st_ino;
    }
    return rc;
}

static inline int disk_unlink(struct env *env, const char *path)
{
    struct disk_env *d = disk_of(env);
    int rc = disk_fails(d, false);
    if (rc == 0)
        rc = d->real->unlink(d->real, path);
    if (rc == 0)
        disk_note(d, DISK_UNLINK, path);
    return rc;
}

static inline int disk_mkdir(struct env *env, const char *path, mode_t mode)
{
    struct disk_env *d = disk_of(env);
    int rc = disk_fails(d, false);
    if (rc == 0)
        rc = d->real->mkdir(d->real, path, mode);
    if (rc == 0)
        disk_note(d, DISK_MKDIR, path);
    return rc;
}

static inline int disk_rmdir(struct env *env, const char *path)
{
    struct disk_env *d = disk_of(env);
    int rc = disk_fails(d, false);
    if (rc == 0)
        rc = d->real->rmdir(d->real, path);
    if (rc == 0)
        disk_note(d, DISK_RMDIR, path);
    return rc;
}

static inline int disk_sync_dir(struct env *env, const char *path)
{
    struct disk_env *d = disk_of(env);
    int rc = disk_fails(d, false);
    if (rc == 0)
        disk_note(d, DISK_SYNC_DIR, path); // the notes are the disk: nothing else to do
    return rc;
}

static inline struct disk_env *disk_env_make(void)
{
    struct disk_env *d = calloc(1, sizeof *d);
    CHECK(d);
    d->ops = calloc(DISK_OPS_MAX, sizeof *d->ops);
    CHECK(d->ops);
    d->real = env_system();
    d->env = (struct env){.realtime_ms = disk_realtime_ms,
                          .realtime_ns = disk_realtime_ns,
                          .monotonic_ns = disk_monotonic_ns,
                          .open = disk_open,
                          .close = disk_close,
                          .pread = disk_pread,
                          .pwrite = disk_pwrite,
                          .ftruncate = disk_ftruncate,
                          .fdatasync = disk_fdatasync,
                          .rename = disk_rename,
                          .unlink = disk_unlink,
                          .mkdir = disk_mkdir,
                          .rmdir = disk_rmdir,
                          .sync_dir = disk_sync_dir};
    return d;
}

static inline void disk_env_free(struct disk_env *d)
{
    for (int i = 0; i < d->op_count; i++)
        free(d->ops[i].bytes);
    free(d->ops);
    free(d);
}

#endif
