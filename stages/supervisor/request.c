// request.c: see request.h. The file is input to both sides: the asker may be of another version,
// and what stands there may be anything that its owner has put there.
#include "stages/supervisor/request.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"

enum {
    CPU_TEXT_BYTES = 8, // a blank and a number
    TEXT_BYTES = REQUEST_PATH_BYTES + CONTROL_TASKS_MAX * CPU_TEXT_BYTES + 256,
    ANSWERS_MAX = 1 << 20,
};

static const char file_name[] = "request", first_line[] = "weir request 1\n";
static const char end_line[] = "end\n";

// --- the text ---

static const char *const asks[] = {
    [REQUEST_STOP] = "stop", [REQUEST_REPLACE] = "replace", [REQUEST_MOVE] = "move"};

static void append_cpus(const struct request *request, struct buf *out)
{
    buf_append_str(out, "cpus");
    for (int i = 0; i < request->cpu_count; i++)
        buf_printf(out, " %d", request->cpus[i]);
    buf_append_char(out, '\n');
}

static int text_make(const struct request *request, struct buf *out, struct err *err)
{
    CHECK(request->kind != REQUEST_NONE);
    if (strchr(request->path, '\n'))
        return err_set(err, -EINVAL, "a path with a line break in it cannot be asked for");
    buf_printf(out, "%sask %s\n", first_line, asks[request->kind]);
    if (request->drains)
        buf_append_str(out, "drain 1\n");
    if (request->timeout_ms > 0)
        buf_printf(out, "timeout_ms %" PRId64 "\n", request->timeout_ms);
    if (*request->path)
        buf_printf(out, "path %s\n", request->path);
    if (request->kind == REQUEST_MOVE)
        append_cpus(request, out);
    buf_append_str(out, end_line);
    return 0;
}

// What follows `key` and a blank in the line; NULL: it is another key.
static const char *value_of(const char *line, const char *key)
{
    size_t len = strlen(key);
    return strncmp(line, key, len) == 0 && line[len] == ' ' ? line + len + 1 : NULL;
}

static bool take_kind(const char *value, struct request *out)
{
    for (size_t i = REQUEST_STOP; i < ARRAY_SIZE(asks); i++)
        if (strcmp(value, asks[i]) == 0)
            out->kind = (enum request_kind)i;
    return out->kind != REQUEST_NONE;
}

static bool take_cpus(const char *value, struct request *out)
{
    char *end;
    for (const char *at = value; *at; at = end) {
        long cpu = strtol(at, &end, 10);
        if (end == at || cpu < -1 || cpu > INT16_MAX || out->cpu_count == CONTROL_TASKS_MAX)
            return false;
        out->cpus[out->cpu_count++] = (int16_t)cpu;
    }
    return out->cpu_count > 0;
}

static bool take_line(const char *line, struct request *out)
{
    const char *value;
    if ((value = value_of(line, "ask")))
        return take_kind(value, out);
    if ((value = value_of(line, "cpus")))
        return take_cpus(value, out);
    if ((value = value_of(line, "drain"))) {
        out->drains = strcmp(value, "1") == 0;
        return true;
    }
    if ((value = value_of(line, "timeout_ms"))) {
        out->timeout_ms = strtoll(value, NULL, 10);
        return out->timeout_ms > 0 && out->timeout_ms <= INT64_MAX / 1000000;
    }
    if (!(value = value_of(line, "path")) || *value != '/')
        return false; // of a version that knows more: better refused than half done
    snprintf(out->path, sizeof out->path, "%s", value);
    return strlen(value) < sizeof out->path;
}

static bool is_whole(const struct request *request)
{
    return request->kind != REQUEST_NONE &&
           (request->kind == REQUEST_MOVE) == (request->cpu_count > 0);
}

// Ours, ordinary, whole, and every line understood.
static int text_read(int fd, struct request *out)
{
    char text[TEXT_BYTES];
    struct stat st;
    *out = (struct request){.kind = REQUEST_NONE};
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != getuid())
        return -EBADMSG;
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    if (len < (ssize_t)sizeof first_line - 1)
        return -EBADMSG;
    text[len] = '\0';
    if (strncmp(text, first_line, sizeof first_line - 1) != 0)
        return -EBADMSG;
    for (char *line = text + sizeof first_line - 1, *next; *line; line = next) {
        char *end = strchr(line, '\n');
        if (!end)
            break;
        *end = '\0';
        next = end + 1;
        if (strcmp(line, "end") == 0)
            return is_whole(out) ? 0 : -EBADMSG;
        if (!take_line(line, out))
            break;
    }
    return -EBADMSG;
}

// --- the asker ---

// Give the nameless file its name. -EEXIST: the name is taken.
static int link_file(int dir_fd, int fd, bool instead)
{
    char own[64], temporary[64];
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, own, dir_fd, file_name, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno != EEXIST || !instead)
        return -errno;
    snprintf(temporary, sizeof temporary, "%s.%d", file_name, (int)getpid());
    unlinkat(dir_fd, temporary, 0); // of a process that had this pid and was killed right here
    if (linkat(AT_FDCWD, own, dir_fd, temporary, AT_SYMLINK_FOLLOW) < 0)
        return -errno;
    return renameat(dir_fd, temporary, dir_fd, file_name) < 0 ? -errno : 0;
}

int request_post(int dir_fd, const struct request *request, bool instead, int *fd, struct err *err)
{
    struct buf text = {0};
    int rc = text_make(request, &text, err);
    *fd = rc < 0 ? -1 : openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (rc == 0 && *fd < 0)
        rc = -errno;
    if (rc == 0 && write(*fd, text.data, text.len) != (ssize_t)text.len)
        rc = -EIO;
    if (rc == 0 && flock(*fd, LOCK_SH) < 0)
        rc = -errno;
    if (rc == 0)
        rc = link_file(dir_fd, *fd, instead);
    buf_fini(&text);
    if (rc < 0 && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    if (rc < 0 && rc != -EEXIST && rc != -EINVAL)
        err_set(err, rc, "cannot put a request into the job's folder: %s", strerror(-rc));
    return rc;
}

static int file_open(int dir_fd, int flags, struct request *out)
{
    int fd = openat(dir_fd, file_name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int rc = text_read(fd, out);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int request_open(int dir_fd, int *fd, struct request *out, struct err *err)
{
    *fd = file_open(dir_fd, O_RDONLY, out);
    if (*fd >= 0)
        return flock(*fd, LOCK_SH | LOCK_NB) < 0 && errno != EWOULDBLOCK ? -errno : 0;
    return err_set(err, *fd, "cannot read the request in the job's folder: %s", strerror(-*fd));
}

// The next line, without its newline; false: it is not whole yet.
static bool read_line(int fd, uint64_t *at, struct buf *line)
{
    char c;
    buf_clear(line);
    for (uint64_t i = *at; pread(fd, &c, 1, (off_t)i) == 1; i++) {
        if (c == '\n') {
            *at = i + 1;
            return true;
        }
        buf_append_char(line, c);
    }
    return false;
}

bool request_next_answer(int fd, uint64_t *at, struct buf *line)
{
    while (read_line(fd, at, line))
        if (line->len && line->data[0] == '{')
            return true;
    return false;
}

// Does the name in the folder still mean the file?
static bool is_named(int dir_fd, int fd)
{
    struct stat own, named;
    return fstat(fd, &own) == 0 && fstatat(dir_fd, file_name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

void request_withdraw(int dir_fd, int fd)
{
    if (fd >= 0 && is_named(dir_fd, fd))
        unlinkat(dir_fd, file_name, 0);
}

// --- the supervisor ---

bool request_take(struct request_box *box)
{
    struct request request;
    if (box->fd >= 0 && is_named(box->dir_fd, box->fd))
        return false;
    int fd = file_open(box->dir_fd, O_RDWR | O_APPEND, &request);
    if (fd == -EBADMSG) // whoever wrote it waits for an answer that we cannot give
        unlinkat(box->dir_fd, file_name, 0);
    if (fd < 0)
        return false;
    if (box->fd >= 0)
        request_answer(box, REQUEST_FAILED, NULL,
                       "another request has taken the place of this one");
    *box = (struct request_box){box->dir_fd, fd, request};
    return true;
}

bool request_is_awaited(const struct request_box *box)
{
    if (box->fd < 0)
        return false;
    if (flock(box->fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK;
    flock(box->fd, LOCK_UN);
    return false;
}

void request_answer(struct request_box *box, enum request_answer answer, const char *members,
                    const char *text)
{
    static const char *const names[] = {
        [REQUEST_TAKEN] = "taken",     [REQUEST_NEWS] = "news",     [REQUEST_DONE] = "done",
        [REQUEST_REFUSED] = "refused", [REQUEST_FAILED] = "failed",
    };
    struct buf line = {0};
    struct stat st;
    CHECK((size_t)answer < ARRAY_SIZE(names));
    if (!box || box->fd < 0)
        return;
    buf_printf(&line, "{\"answer\":\"%s\"%s", names[answer], members ? members : "");
    if (text) {
        buf_append_str(&line, ",\"text\":");
        buf_append_json_string(&line, slice_of(text));
    }
    buf_append_str(&line, "}\n");
    bool is_last = answer != REQUEST_TAKEN && answer != REQUEST_NEWS;
    // One write: a reader sees a line whole or not at all. It cannot be helped when there is no
    // room.
    if (is_last || (fstat(box->fd, &st) == 0 && st.st_size < ANSWERS_MAX))
        (void)!write(box->fd, line.data, line.len);
    buf_fini(&line);
    if (!is_last)
        return;
    request_withdraw(box->dir_fd, box->fd);
    request_box_close(box);
}

void request_box_close(struct request_box *box)
{
    if (box->fd >= 0)
        close(box->fd);
    box->fd = -1;
    box->request = (struct request){.kind = REQUEST_NONE};
}
