// buf.h: a growable byte buffer on the heap. For the control path and for per-process scratch that
// reaches its size once; nothing grows a buffer per row.
#ifndef WEIR_CORE_BASE_BUF_H
#define WEIR_CORE_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct buf {
    char *data;      // owned; NULL until the first byte
    size_t len;      // bytes used
    size_t capacity; // bytes allocated
};

// An empty buffer is all zero. Out of memory aborts: a task that cannot get scratch cannot go on.
void buf_fini(struct buf *buf);

// Room for `bytes` more after len; returns where they go. The caller adds to len what it used.
char *buf_reserve(struct buf *buf, size_t bytes);

void buf_append(struct buf *buf, const void *bytes, size_t len);
void buf_append_str(struct buf *buf, const char *text);
void buf_append_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Append a JSON string literal: quotes, escapes, control characters as \u00XX; bytes that are not
// valid UTF-8 become U+FFFD.
void buf_append_json_string(struct buf *buf, struct slice text);

// The content as a NUL-terminated string; the NUL is not counted in len. Valid until the next
// append.
const char *buf_str(struct buf *buf);

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_make(buf->data, buf->len);
}

static inline void buf_clear(struct buf *buf)
{
    buf->len = 0;
}

#endif
