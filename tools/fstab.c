// fstab.c: see fstab.h.
#include "tools/fstab.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/file.h"
#include "tools/memory_dir.h"

enum { FSTAB_BYTES_MAX = 1 << 20 };

// "weir /mnt/weir tmpfs options 0 0"; a comment is no line of ours, whatever it says.
static bool is_ours(const char *line, size_t len)
{
    char text[512], source[16], type[16];
    snprintf(text, sizeof text, "%.*s", (int)(len < sizeof text ? len : sizeof text - 1), line);
    return sscanf(text, " %15s %*s %15s", source, type) == 2 &&
           strcmp(source, MEMORY_DIR_SOURCE) == 0 && strcmp(type, "tmpfs") == 0;
}

// Of the line that begins at `line`: its length, its end included if it has one.
static size_t line_bytes(const char *line, const char *end)
{
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    return newline ? (size_t)(newline + 1 - line) : (size_t)(end - line);
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
    int rc = file_read_all(path, FSTAB_BYTES_MAX, out, err);
    return rc == -ENOENT ? 0 : rc;
}

int fstab_plan(const char *path, const char *line, struct buf *out, bool *changed, struct err *err)
{
    struct buf old = {.data = NULL};
    int rc = read_file(path, &old, err);
    const char *at = buf_str(&old), *end = at + old.len;
    for (size_t len; rc == 0 && at < end; at += len) {
        len = line_bytes(at, end);
        if (!is_ours(at, len))
            buf_append(out, at, len);
    }
    if (line && out->len && out->data[out->len - 1] != '\n')
        buf_append_char(out, '\n');
    if (line)
        buf_printf(out, "%s\n", line);
    *changed = out->len != old.len || (old.len && memcmp(out->data, old.data, old.len) != 0);
    buf_fini(&old);
    return rc;
}

bool fstab_find(const char *path, struct buf *out)
{
    struct buf text = {.data = NULL};
    struct err ignored;
    bool found = false;
    read_file(path, &text, &ignored);
    const char *at = buf_str(&text), *end = at + text.len;
    for (size_t len; at < end && !found; at += len) {
        len = line_bytes(at, end);
        found = is_ours(at, len);
        if (found)
            buf_append(out, at, at[len - 1] == '\n' ? len - 1 : len);
    }
    buf_fini(&text);
    return found;
}

static int write_all(int fd, struct slice text)
{
    for (uint64_t done = 0; done < text.len;) {
        ssize_t len = write(fd, (const char *)text.ptr + done, text.len - done);
        if (len < 0 && errno != EINTR)
            return -errno;
        done += len > 0 ? (uint64_t)len : 0;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

int fstab_write(const char *path, struct slice text, struct err *err)
{
    char beside[PATH_MAX];
    struct stat st = {.st_mode = 0644};
    snprintf(beside, sizeof beside, "%s.weir-new", path);
    bool is_there = stat(path, &st) == 0;
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc = fd < 0 ? -errno : 0;
    if (rc == 0 && is_there && fchown(fd, st.st_uid, st.st_gid) < 0)
        rc = -errno;
    if (rc == 0 && fchmod(fd, st.st_mode & 07777) < 0)
        rc = -errno;
    if (rc == 0)
        rc = write_all(fd, text);
    if (fd >= 0)
        close(fd);
    if (rc == 0 && rename(beside, path) < 0)
        rc = -errno;
    if (rc < 0) {
        if (fd >= 0)
            unlink(beside);
        return err_set(err, rc, "cannot write %s: %s", path, strerror(-rc));
    }
    sync_folder(path);
    return 0;
}
