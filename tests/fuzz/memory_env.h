// memory_env.h: an env whose files are in memory, for what only reads them: the fd of a file is its
// index in memory_files, and its path begins with that digit.
#ifndef WEIR_TESTS_FUZZ_MEMORY_ENV_H
#define WEIR_TESTS_FUZZ_MEMORY_ENV_H

#include <stdint.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/env.h"

enum { MEMORY_FILES = 2 };

static struct buf memory_files[MEMORY_FILES];

static int memory_open(struct env *env, const char *path, int flags, mode_t mode)
{
    (void)env;
    (void)flags;
    (void)mode;
    return path[0] - '0';
}

static int memory_close(struct env *env, int fd)
{
    (void)env;
    (void)fd;
    return 0;
}

static ssize_t memory_pread(struct env *env, int fd, void *bytes, size_t len, off_t offset)
{
    (void)env;
    const struct buf *file = &memory_files[fd];
    if ((uint64_t)offset >= file->len)
        return 0;
    size_t left = file->len - (size_t)offset;
    len = len < left ? len : left;
    memcpy(bytes, file->data + offset, len);
    return (ssize_t)len;
}

static struct env memory_env = {.open = memory_open, .close = memory_close, .pread = memory_pread};

#endif
