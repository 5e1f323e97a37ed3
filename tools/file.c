// file.c: reading a small file whole. Folders, devices and files that are too large are refused.
#include "tools/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse_open(const char *path, int code, struct err *err)
{
    err_set(err, -code, "%s: cannot be read: %s", path, strerror(code));
    if (code == ENOENT)
        err_append(err, -code, "check the spelling; a path in a config is relative to the config");
    return -code;
}

static int read_fd(int fd, const char *path, size_t max_bytes, struct buf *out, struct err *err)
{
    for (size_t total = 0;;) {
        char *space = buf_reserve(out, 64 * 1024);
        ssize_t n = read(fd, space, 64 * 1024);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return refuse_open(path, errno, err);
        if (n == 0)
            return 0;
        out->len += (size_t)n;
        total += (size_t)n;
        if (total > max_bytes)
            return err_set(err, -EFBIG, "%s: is larger than %zu bytes", path, max_bytes);
    }
}

int file_read_all(const char *path, size_t max_bytes, struct buf *out, struct err *err)
{
    struct stat st;
    // O_NONBLOCK: a fifo without a writer must not hang us; it is refused below.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return refuse_open(path, errno, err);
    int code;
    if (fstat(fd, &st))
        code = refuse_open(path, errno, err);
    else if (!S_ISREG(st.st_mode))
        code = err_set(err, -EINVAL, "%s: is not a file%s", path,
                       S_ISDIR(st.st_mode) ? " but a folder" : "");
    else
        code = read_fd(fd, path, max_bytes, out, err);
    close(fd);
    return code;
}
