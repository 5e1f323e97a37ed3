// file_window.c: pread into a buffer that slides over a file.
#include "stages/source/file_window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

enum { BEYOND_BYTES = 16 << 10 }; // read behind `until`, more when a row has no end in them

void file_window_init(struct file_window *w, struct env *env, size_t capacity)
{
    *w = (struct file_window){.env = env, .fd = -1, .capacity = capacity};
    w->data = malloc(capacity);
    CHECK(w->data && capacity > 0);
}

void file_window_fini(struct file_window *w)
{
    free(w->data);
    *w = (struct file_window){.fd = -1};
}

void file_window_set(struct file_window *w, int fd)
{
    w->fd = fd;
    w->len = 0;
    w->offset = 0;
    w->until = 0;
    w->at_end = false;
}

const char *file_window_at(const struct file_window *w, uint64_t at, size_t *len)
{
    if (at < w->offset || at > w->offset + w->len) {
        *len = 0;
        return w->data;
    }
    *len = w->len - (size_t)(at - w->offset);
    return w->data + (at - w->offset);
}

// How many bytes to read behind those that are there.
static size_t room(const struct file_window *w)
{
    uint64_t next = w->offset + w->len, free = w->capacity - w->len, wanted = free;
    if (w->until)
        wanted = next < w->until ? w->until - next : w->len > BEYOND_BYTES ? w->len : BEYOND_BYTES;
    return wanted < free ? wanted : free;
}

int64_t file_window_fill(struct file_window *w, uint64_t at)
{
    size_t keep;
    const char *from = file_window_at(w, at, &keep);
    if (keep)
        memmove(w->data, from, keep);
    w->offset = at;
    w->len = keep;
    if (w->len == w->capacity) {
        w->capacity *= 2;
        w->data = realloc(w->data, w->capacity);
        CHECK(w->data);
    }
    for (;;) {
        ssize_t n =
            w->env->pread(w->env, w->fd, w->data + w->len, room(w), (off_t)(w->offset + w->len));
        if (n == -EINTR)
            continue;
        if (n < 0)
            return n;
        w->at_end = n == 0;
        w->len += (size_t)n;
        return n;
    }
}

int file_window_find_line_end(struct file_window *w, uint64_t from, uint64_t *found)
{
    for (;;) {
        size_t len;
        const char *bytes = file_window_at(w, from, &len);
        const char *newline = len ? memchr(bytes, '\n', len) : NULL;
        if (newline) {
            *found = from + (uint64_t)(newline - bytes) + 1;
            return 1;
        }
        from += len;
        int64_t n = file_window_fill(w, from);
        if (n <= 0)
            return (int)n;
    }
}
