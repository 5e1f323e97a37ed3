// env.h: the one door through which clock and disk reach the code, so that a test can drive time
// and break the disk.
#ifndef WEIR_CORE_BASE_ENV_H
#define WEIR_CORE_BASE_ENV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/slice.h"

// All calls return what the system call of the same name returns, with -errno instead of -1.
struct env {
    void *context;
    int64_t (*realtime_ms)(struct env *env);  // wall clock, Unix epoch, milliseconds
    int64_t (*realtime_ns)(struct env *env);  // the same in nanoseconds
    int64_t (*monotonic_ns)(struct env *env); // never runs back
    int (*open)(struct env *env, const char *path, int flags, mode_t mode);
    int (*close)(struct env *env, int fd);
    ssize_t (*pread)(struct env *env, int fd, void *bytes, size_t len, off_t offset);
    ssize_t (*pwrite)(struct env *env, int fd, const void *bytes, size_t len, off_t offset);
    int (*ftruncate)(struct env *env, int fd, off_t len);
    int (*fallocate)(struct env *env, int fd, off_t offset, off_t len); // of mode 0
    int (*fdatasync)(struct env *env, int fd);
    int (*rename)(struct env *env, const char *from, const char *to);
    int (*unlink)(struct env *env, const char *path);
    int (*mkdir)(struct env *env, const char *path, mode_t mode);
    int (*rmdir)(struct env *env, const char *path);
    int (*sync_dir)(struct env *env, const char *path); // makes its names durable
    ssize_t (*write)(struct env *env, int fd, const void *bytes, size_t len);
};

// The real clock and the real disk. Lives for ever.
struct env *env_system(void);

// Its monotonic clock, for threads that have no other env.
static inline int64_t env_system_ns(void)
{
    struct env *env = env_system();
    return env->monotonic_ns(env);
}

// Write all of the bytes at `offset`, however often the disk takes only a part. 0 or -errno; then a
// part may have been written.
int env_pwrite_all(struct env *env, int fd, struct slice bytes, uint64_t offset);

// Make or replace the file, and its bytes (not its name) durable. 0 or -errno.
int env_write_file(struct env *env, const char *path, mode_t mode, struct slice bytes);

#endif
