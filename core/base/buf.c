// buf.c: growth by doubling; out of memory aborts.
#include "core/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/utf8.h"

enum { BUF_FIRST_BYTES = 256 };

void buf_fini(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

char *buf_reserve(struct buf *buf, size_t bytes)
{
    if (buf->capacity - buf->len < bytes) {
        size_t capacity = buf->capacity ? buf->capacity : BUF_FIRST_BYTES;
        while (capacity - buf->len < bytes)
            capacity *= 2;
        char *data = realloc(buf->data, capacity);
        CHECK(data);
        buf->data = data;
        buf->capacity = capacity;
    }
    return buf->data + buf->len;
}

void buf_append(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    memcpy(buf_reserve(buf, len), bytes, len);
    buf->len += len;
}

void buf_append_str(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_append_char(struct buf *buf, char c)
{
    *buf_reserve(buf, 1) = c;
    buf->len++;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(needed >= 0);
    char *out = buf_reserve(buf, (size_t)needed + 1);
    va_start(args, format);
    vsnprintf(out, (size_t)needed + 1, format, args);
    va_end(args);
    buf->len += (size_t)needed;
}

static const char *json_short_escape(unsigned char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    default:
        return NULL;
    }
}

void buf_append_json_string(struct buf *buf, struct slice text)
{
    buf_append_char(buf, '"');
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.ptr[i];
        const char *escape = json_short_escape(c);
        size_t bytes = utf8_sequence_bytes(text.ptr + i, text.len - i);
        if (escape)
            buf_append_str(buf, escape);
        else if (c < 0x20)
            buf_printf(buf, "\\u%04x", c);
        else if (bytes == 0)
            buf_append_str(buf, "\xEF\xBF\xBD");
        else
            buf_append(buf, text.ptr + i, bytes);
        i += bytes ? bytes : 1;
    }
    buf_append_char(buf, '"');
}

const char *buf_str(struct buf *buf)
{
    *buf_reserve(buf, 1) = 0;
    return buf->data;
}
