// secret.c: see secret.h.
#include "stages/kafka/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// One reference at the begin of a text.
struct reference {
    bool is_file;
    struct slice name; // path or variable
    size_t len;        // of all of it, with ${ and }
};

enum { NAME_BYTES = 4096 };

// 1: one is there, 0: none, -EINVAL.
static int read_reference(const char *at, struct reference *out, struct err *err)
{
    if (at[0] != '$' || at[1] != '{')
        return 0;
    const char *end = strchr(at, '}');
    if (!end)
        return err_set(err, -EINVAL, "a reference that begins with ${ has no }");
    bool is_env = strncmp(at + 2, "env:", 4) == 0;
    out->is_file = strncmp(at + 2, "file:", 5) == 0;
    out->len = (size_t)(end - at) + 1;
    if (!is_env && !out->is_file)
        return err_set(err, -EINVAL,
                       "%.*s is no reference; write ${file:/path} or ${env:NAME}, and $${ for ${",
                       (int)(out->len < 64 ? out->len : 64), at);
    const char *name = at + (is_env ? 6 : 7);
    out->name = slice_make(name, (size_t)(end - name));
    if (out->name.len == 0 || out->name.len >= NAME_BYTES)
        return err_set(err, -EINVAL,
                       is_env ? "${env:} names no variable" : "${file:} names no file");
    if (out->is_file && name[0] != '/')
        return err_set(err, -EINVAL, "${file:%.*s}: write the whole path, from / on",
                       (int)out->name.len, name);
    return 1;
}

static bool is_escaped(const char *at)
{
    return strncmp(at, "$${", 3) == 0;
}

int secret_check(const char *value, bool *has_any, struct err *err)
{
    *has_any = false;
    for (const char *at = value; *at;) {
        struct reference found = {0};
        if (is_escaped(at)) {
            at += 3;
            continue;
        }
        int rc = read_reference(at, &found, err);
        if (rc < 0)
            return rc;
        *has_any = *has_any || rc;
        at += rc ? found.len : 1;
    }
    return 0;
}

bool secret_is_whole(const char *value)
{
    struct reference found = {0};
    return read_reference(value, &found, NULL) == 1 && value[found.len] == '\0';
}

void secret_wipe(struct buf *secret)
{
    if (secret->data)
        explicit_bzero(secret->data, secret->capacity);
    buf_fini(secret);
}

// Grows without leaving the old bytes behind.
static void append(struct buf *out, const void *bytes, size_t len)
{
    if (out->len + len >= out->capacity) { // room for the NUL of buf_str too
        struct buf larger = {0};
        buf_reserve(&larger, 2 * (out->len + len) + 64);
        buf_append(&larger, out->data, out->len);
        secret_wipe(out);
        *out = larger;
    }
    buf_append(out, bytes, len);
}

static int expand_env(const char *name, struct buf *out, struct err *err)
{
    const char *value = getenv(name);
    if (!value)
        return err_set(err, -ENOENT, "${env:%s}: the variable is not set where the job was started",
                       name);
    if (!*value)
        return err_set(err, -EINVAL, "${env:%s}: the variable is empty", name);
    append(out, value, strlen(value));
    return 0;
}

// A final newline is the editor's.
static size_t without_newline(const char *bytes, size_t len)
{
    if (len == 0 || bytes[len - 1] != '\n')
        return len;
    return len > 1 && bytes[len - 2] == '\r' ? len - 2 : len - 1;
}

static int take_file(int fd, const char *path, struct buf *out, struct err *err)
{
    char bytes[SECRET_FILE_BYTES + 1];
    size_t len = 0;
    ssize_t got = 1;
    while (len < sizeof bytes && (got = read(fd, bytes + len, sizeof bytes - len)) > 0)
        len += (size_t)got;
    int rc = 0;
    if (got < 0)
        rc = err_set(err, -errno, "${file:%s} cannot be read: %s", path, strerror(errno));
    else if (len > SECRET_FILE_BYTES)
        rc = err_set(err, -EFBIG, "${file:%s} is longer than %d bytes", path, SECRET_FILE_BYTES);
    else if (memchr(bytes, '\0', len))
        rc = err_set(err, -EINVAL, "${file:%s} holds a zero byte; it must be text", path);
    else if ((len = without_newline(bytes, len)) == 0)
        rc = err_set(err, -EINVAL, "${file:%s} is empty", path);
    else
        append(out, bytes, len);
    explicit_bzero(bytes, sizeof bytes);
    return rc;
}

static int expand_file(const char *path, struct buf *out, struct buf *warnings, struct err *err)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set(err, -errno, "${file:%s} cannot be opened: %s", path, strerror(errno));
    int rc = 0;
    if (fstat(fd, &about) < 0 || !S_ISREG(about.st_mode))
        rc = err_set(err, -EINVAL, "${file:%s} is not a regular file", path);
    else
        rc = take_file(fd, path, out, err);
    if (rc == 0 && (about.st_mode & S_IROTH))
        buf_printf(warnings,
                   "%s can be read by every user of this machine: it holds a secret; chmod o-r\n",
                   path);
    close(fd);
    return rc;
}

static int expand_reference(const struct reference *found, struct buf *out, struct buf *warnings,
                            struct err *err)
{
    char name[NAME_BYTES];
    memcpy(name, found->name.ptr, found->name.len); // read_reference has looked at its length
    name[found->name.len] = '\0';
    return found->is_file ? expand_file(name, out, warnings, err) : expand_env(name, out, err);
}

int secret_expand(const char *value, struct buf *out, struct buf *warnings, struct err *err)
{
    for (const char *at = value; *at;) {
        struct reference found = {0};
        if (is_escaped(at)) {
            append(out, "${", 2);
            at += 3;
            continue;
        }
        int rc = read_reference(at, &found, err);
        if (rc == 0)
            append(out, at, 1);
        else if (rc == 1)
            rc = expand_reference(&found, out, warnings, err);
        if (rc < 0)
            return rc;
        at += found.len ? found.len : 1;
    }
    append(out, "", 0);
    return 0;
}
