// doctor_host.c: reading the host's files, below a root.
#include "tools/doctor_host.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_file(const char *path, char *out, size_t bytes)
{
    size_t len = 0;
    ssize_t n = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (fd >= 0 && n > 0 && len < bytes - 1) {
        n = read(fd, out + len, bytes - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
    while (len > 0 && out[len - 1] == '\n')
        len--;
    out[len] = '\0';
    return fd >= 0 && n >= 0;
}

bool doctor_read(const struct host *host, const char *path, char *out, size_t bytes)
{
    char whole[PATH_MAX];
    *out = '\0';
    return snprintf(whole, sizeof whole, "%s%s", host->root, path) < (int)sizeof whole &&
           read_file(whole, out, bytes);
}

bool doctor_read_number(const struct host *host, const char *path, int64_t *out)
{
    char text[64], *end;
    if (!doctor_read(host, path, text, sizeof text))
        return false;
    *out = strtoll(text, &end, 10);
    return end != text;
}

void doctor_chosen(const char *text, char *out, size_t bytes)
{
    const char *begin = strchr(text, '['), *end = begin ? strchr(begin, ']') : NULL;
    if (end)
        snprintf(out, bytes, "%.*s", (int)(end - begin - 1), begin + 1);
    else
        snprintf(out, bytes, "%s", text);
}

int doctor_visit(const struct host *host, const char *pattern,
                 void (*visit)(const char *path, const char *text, void *context), void *context)
{
    char whole[PATH_MAX], text[512];
    glob_t found;
    int count = 0;
    if (snprintf(whole, sizeof whole, "%s%s", host->root, pattern) >= (int)sizeof whole ||
        glob(whole, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (!read_file(found.gl_pathv[i], text, sizeof text))
            continue;
        visit(found.gl_pathv[i] + strlen(host->root), text, context);
        count++;
    }
    globfree(&found);
    return count;
}

const char *doctor_format_ns(double ns, char out[32])
{
    if (ns < 1000)
        snprintf(out, 32, "%.0f ns", ns);
    else if (ns < 10000)
        snprintf(out, 32, "%.1f us", ns / 1000);
    else if (ns < 1e6)
        snprintf(out, 32, "%.0f us", ns / 1000);
    else
        snprintf(out, 32, "%.1f ms", ns / 1e6);
    return out;
}
