// env.c: the real clock and disk.
#include "core/base/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int64_t system_realtime_ms(struct env *env)
{
    (void)env;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_realtime_ns(struct env *env)
{
    (void)env;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t system_monotonic_ns(struct env *env)
{
    (void)env;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int system_open(struct env *env, const char *path, int flags, mode_t mode)
{
    (void)env;
    int fd = open(path, flags | O_CLOEXEC, mode);
    return fd < 0 ? -errno : fd;
}

static int system_close(struct env *env, int fd)
{
    (void)env;
    return close(fd) < 0 ? -errno : 0;
}

static ssize_t system_pread(struct env *env, int fd, void *bytes, size_t len, off_t offset)
{
    (void)env;
    ssize_t n = pread(fd, bytes, len, offset);
    return n < 0 ? -errno : n;
}

static ssize_t system_pwrite(struct env *env, int fd, const void *bytes, size_t len, off_t offset)
{
    (void)env;
    ssize_t n = pwrite(fd, bytes, len, offset);
    return n < 0 ? -errno : n;
}

static int system_ftruncate(struct env *env, int fd, off_t len)
{
    (void)env;
    return ftruncate(fd, len) < 0 ? -errno : 0;
}

static int system_fallocate(struct env *env, int fd, off_t offset, off_t len)
{
    (void)env;
    return fallocate(fd, 0, offset, len) < 0 ? -errno : 0;
}

static int system_fdatasync(struct env *env, int fd)
{
    (void)env;
    return fdatasync(fd) < 0 ? -errno : 0;
}

static int system_rename(struct env *env, const char *from, const char *to)
{
    (void)env;
    return rename(from, to) < 0 ? -errno : 0;
}

static int system_unlink(struct env *env, const char *path)
{
    (void)env;
    return unlink(path) < 0 ? -errno : 0;
}

static int system_mkdir(struct env *env, const char *path, mode_t mode)
{
    (void)env;
    return mkdir(path, mode) < 0 ? -errno : 0;
}

static int system_rmdir(struct env *env, const char *path)
{
    (void)env;
    return rmdir(path) < 0 ? -errno : 0;
}

static int system_sync_dir(struct env *env, const char *path)
{
    (void)env;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

static ssize_t system_write(struct env *env, int fd, const void *bytes, size_t len)
{
    (void)env;
    ssize_t n = write(fd, bytes, len);
    return n < 0 ? -errno : n;
}

struct env *env_system(void)
{
    static struct env env = {
        .realtime_ms = system_realtime_ms,
        .realtime_ns = system_realtime_ns,
        .monotonic_ns = system_monotonic_ns,
        .open = system_open,
        .close = system_close,
        .pread = system_pread,
        .pwrite = system_pwrite,
        .ftruncate = system_ftruncate,
        .fallocate = system_fallocate,
        .fdatasync = system_fdatasync,
        .rename = system_rename,
        .unlink = system_unlink,
        .mkdir = system_mkdir,
        .rmdir = system_rmdir,
        .sync_dir = system_sync_dir,
        .write = system_write,
    };
    return &env;
}

int env_pwrite_all(struct env *env, int fd, struct slice bytes, uint64_t offset)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n =
            env->pwrite(env, fd, bytes.ptr + done, bytes.len - done, (off_t)(offset + done));
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        done += (size_t)n;
    }
    return 0;
}

int env_write_file(struct env *env, const char *path, mode_t mode, struct slice bytes)
{
    int fd = env->open(env, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return fd;
    int rc = env_pwrite_all(env, fd, bytes, 0);
    if (rc == 0)
        rc = env->fdatasync(env, fd);
    int closed = env->close(env, fd);
    return rc < 0 ? rc : closed;
}
