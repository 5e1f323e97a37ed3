// pin_write.c: `weir pin --write`: the placement into the config, in one step, or not at all.
//
// The new file is made beside the old one and the two change places (renameat2); then the old one
// is read once more. If it is not what was edited, somebody has changed it meanwhile, and the two
// change places again. What a crash leaves: the old file or the new one, and perhaps a file beside
// it whose name says what it is.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "tools/file.h"
#include "tools/pin.h"

enum { CONFIG_BYTES_MAX = 1 << 20, CONTEXT = 3 };

// --- the diff ---

struct lines {
    struct slice *at;
    int count;
};

static struct lines split(struct slice text)
{
    struct lines lines = {.at = calloc(text.len + 1, sizeof(struct slice))};
    CHECK(lines.at);
    const char *p = text.ptr, *end = text.ptr + text.len;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline + 1 : end;
        lines.at[lines.count++] = slice_make(p, (size_t)(stop - p));
        p = stop;
    }
    return lines;
}

static void put_line(struct buf *out, char mark, struct slice line)
{
    buf_append_char(out, mark);
    buf_append(out, line.ptr, line.len);
    if (line.len == 0 || line.ptr[line.len - 1] != '\n')
        buf_append_str(out, "\n\\ No newline at end of file\n");
}

void pin_diff(const char *name, struct slice before, struct slice after, struct buf *out)
{
    struct lines a = split(before), b = split(after);
    int head = 0, tail = 0;
    while (head < a.count && head < b.count && slice_equal(a.at[head], b.at[head]))
        head++;
    while (tail < a.count - head && tail < b.count - head &&
           slice_equal(a.at[a.count - 1 - tail], b.at[b.count - 1 - tail]))
        tail++;
    int above = head < CONTEXT ? head : CONTEXT, below = tail < CONTEXT ? tail : CONTEXT;
    int first = head - above, old = a.count - tail - head, new = b.count - tail - head;
    if (old || new) {
        buf_printf(out, "--- %s\n+++ %s\n@@ -%d,%d +%d,%d @@\n", name, name,
                   first + (above + old + below > 0), above + old + below,
                   first + (above + new + below > 0), above + new + below);
        for (int i = first; i < head; i++)
            put_line(out, ' ', a.at[i]);
        for (int i = head; i < head + old; i++)
            put_line(out, '-', a.at[i]);
        for (int i = head; i < head + new; i++)
            put_line(out, '+', b.at[i]);
        for (int i = 0; i < below; i++)
            put_line(out, ' ', a.at[head + old + i]);
    }
    free(a.at);
    free(b.at);
}

// --- the file ---

static int write_beside(const char *path, const char *beside, struct slice text, struct err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(err, -errno, "%s: cannot be made: %s", beside, strerror(errno));
    size_t done = 0;
    ssize_t n = 0;
    while (done < text.len && (n = write(fd, text.ptr + done, text.len - done)) > 0)
        done += (size_t)n;
    // The owner can only be kept by root; whoever else may write the folder has a file of its own.
    bool failed = done < text.len || fchmod(fd, st.st_mode & 07777) < 0;
    if (!failed && fchown(fd, st.st_uid, st.st_gid) < 0 && geteuid() == 0)
        failed = true;
    failed |= fsync(fd) < 0;
    int code = errno;
    failed |= close(fd) < 0;
    if (!failed)
        return 0;
    unlink(beside);
    return err_set(err, -EIO, "%s: cannot be written: %s", beside, strerror(code));
}

static bool holds(const char *path, struct slice text)
{
    struct buf found = {.data = NULL};
    bool same = file_read_all(path, CONFIG_BYTES_MAX, &found, NULL) == 0 &&
                slice_equal(buf_slice(&found), text);
    buf_fini(&found);
    return same;
}

static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1,
             slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd); // what fails here, a crash of the host shows: then the old file is there
    close(fd);
}

static int refuse_changed(const char *path, struct err *err)
{
    return err_set(err, -ESTALE,
                   "%s has changed since it was read; nothing was written. Run the command again",
                   path);
}

static int change_places(const char *path, const char *beside, struct slice before, struct err *err)
{
    if (renameat2(AT_FDCWD, beside, AT_FDCWD, path, RENAME_EXCHANGE) == 0) {
        if (holds(beside, before))
            return 0;
        renameat2(AT_FDCWD, beside, AT_FDCWD, path, RENAME_EXCHANGE);
        return refuse_changed(path, err);
    }
    // A file system that cannot exchange: there is a moment in which a change would be lost.
    if (!holds(path, before))
        return refuse_changed(path, err);
    if (rename(beside, path) < 0)
        return err_set(err, -errno, "%s: cannot be replaced: %s", path, strerror(errno));
    return 0;
}

int pin_replace_file(const char *path, struct slice before, struct slice after, struct err *err)
{
    char real[PATH_MAX], beside[PATH_MAX + 32];
    if (!realpath(path, real))
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (!holds(real, before))
        return refuse_changed(path, err);
    snprintf(beside, sizeof beside, "%s.weir-pin-%d", real, (int)getpid());
    int rc = write_beside(real, beside, after, err);
    if (rc < 0)
        return rc;
    rc = change_places(real, beside, before, err);
    unlink(beside); // what is there now is not needed: the old file, or ours that was refused
    if (rc == 0)
        sync_folder(real);
    return rc;
}

// --- the command ---

static int edit_and_replace(const struct pin *pin, const struct pin_settings *settings,
                            struct err *err)
{
    const char *path = pin->options->path;
    struct buf before = {.data = NULL}, after = {.data = NULL}, diff = {.data = NULL};
    int status = COMMAND_OK;
    if (file_read_all(path, CONFIG_BYTES_MAX, &before, err))
        status = COMMAND_CONFIG;
    else if (pin_yaml_edit(path, buf_slice(&before), settings, &after, err))
        status = COMMAND_CONFIG;
    else if (pin_replace_file(path, buf_slice(&before), buf_slice(&after), err))
        status = COMMAND_FAILED;
    if (status == COMMAND_OK) {
        pin_diff(path, buf_slice(&before), buf_slice(&after), &diff);
        fputs(diff.len ? buf_str(&diff) : "nothing to write: the config says so already\n",
              pin->options->json ? stderr : stdout);
    }
    buf_fini(&before);
    buf_fini(&after);
    buf_fini(&diff);
    return status;
}

int pin_write(const struct pin *pin, struct err *err)
{
    struct buf cores = {.data = NULL}, tasks = {.data = NULL}, house = {.data = NULL};
    struct pin_settings settings = {.count = 0};
    if (!pin->load.config->placement.cores.list) {
        buf_printf(&cores, "%d", pin->cores);
        settings.at[settings.count++] = (struct pin_setting){"cores", buf_str(&cores)};
    }
    buf_append_char(&tasks, '"');
    pin_tasks_value(pin, &tasks);
    buf_append_char(&tasks, '"');
    settings.at[settings.count++] = (struct pin_setting){"tasks", buf_str(&tasks)};
    if (!pin->housekeeping_is_given) {
        if (pin->housekeeping_count) {
            buf_append_char(&house, '"');
            pin_housekeeping_value(pin, &house);
            buf_append_char(&house, '"');
        } else {
            buf_append_str(&house, "auto");
        }
        settings.at[settings.count++] = (struct pin_setting){"housekeeping", buf_str(&house)};
    }
    int status = edit_and_replace(pin, &settings, err);
    buf_fini(&cores);
    buf_fini(&tasks);
    buf_fini(&house);
    return status;
}
