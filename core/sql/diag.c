// diag.c: the three lines of a message: where and what, the line itself, a caret.
//
// The caret line copies tabs, so that it stays under the text whatever a tab's width is; other
// characters count one column each. Long lines are cut to a piece around the caret.
#include "core/sql/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/check.h"
#include "core/base/utf8.h"

enum {
    MESSAGE_BYTES = 1024,
    LEFT_BYTES = 90,  // of the line shown in front of the caret
    SHOWN_BYTES = 160 // of the line shown in all
};

struct source_pos source_span(struct source_pos first, struct source_pos last)
{
    if (first.line == 0)
        return last;
    if (last.line == 0 || last.offset < first.offset)
        return first;
    uint32_t end = last.offset + last.length;
    uint32_t first_end = first.offset + first.length;
    first.length = (end > first_end ? end : first_end) - first.offset;
    return first;
}

struct slice source_slice(const struct source_text *source, struct source_pos pos)
{
    CHECK(pos.offset <= source->text.len && pos.length <= source->text.len - pos.offset);
    return slice_make(source->text.ptr + pos.offset, pos.length);
}

// The character at p in bytes: 1 for what is not UTF-8.
static size_t character_bytes(const char *p, size_t len)
{
    size_t bytes = utf8_sequence_bytes(p, len);
    return bytes ? bytes : 1;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

// The line around pos, cut to what is worth showing. *mark and *mark_end are offsets into it.
static struct slice shown_line(const struct source_text *source, struct source_pos pos,
                               size_t *mark, size_t *mark_end)
{
    const char *text = source->text.ptr;
    size_t len = source->text.len, begin = pos.offset, end = pos.offset;
    while (begin > 0 && text[begin - 1] != '\n' && pos.offset - begin < LEFT_BYTES)
        begin--;
    while (begin < pos.offset && is_continuation(text[begin]))
        begin++;
    while (end < len && text[end] != '\n' && text[end] != '\r' && end - begin < SHOWN_BYTES)
        end++;
    while (end > pos.offset && end < len && is_continuation(text[end]))
        end--;
    size_t stop = (size_t)pos.offset + pos.length;
    *mark = pos.offset - begin;
    *mark_end = (stop < end ? stop : end) - begin;
    if (*mark_end < *mark)
        *mark_end = *mark;
    return slice_make(text + begin, end - begin);
}

// One shown column of text: what does not print becomes '?', so that no script writes to a terminal
// what it should not.
static size_t put_character(char *out, const char *p, size_t len)
{
    size_t bytes = character_bytes(p, len);
    bool broken = (unsigned char)*p >= 0x80 && bytes == 1;
    if (broken || ((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
        *out = '?';
    else
        memcpy(out, p, bytes);
    return bytes;
}

static void append_excerpt(struct err *err, const struct source_text *source, struct source_pos pos)
{
    char line[SHOWN_BYTES + 8], caret[2 * SHOWN_BYTES + 8];
    size_t mark, mark_end, line_bytes = 0, caret_bytes = 0;
    struct slice shown = shown_line(source, pos, &mark, &mark_end);
    for (size_t at = 0; at < shown.len;) {
        size_t bytes = put_character(line + line_bytes, shown.ptr + at, shown.len - at);
        if (at < mark)
            caret[caret_bytes++] = shown.ptr[at] == '\t' ? '\t' : ' ';
        else if (at == mark || at < mark_end)
            caret[caret_bytes++] = at == mark ? '^' : '~';
        line_bytes += line[line_bytes] == '?' ? 1 : bytes;
        at += bytes;
    }
    if (mark >= shown.len)
        caret[caret_bytes++] = '^';
    err_append(err, 0, "  %.*s", (int)line_bytes, line);
    err_append(err, 0, "  %.*s", (int)caret_bytes, caret);
}

int diag_error(struct err *err, const struct source_text *source, struct source_pos pos,
               const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (pos.line == 0)
        return err_set(err, -EINVAL, "%s: error: %s", source->file_name, message);
    err_set(err, -EINVAL, "%s:%u:%u: error: %s", source->file_name, pos.line, pos.column, message);
    if (err)
        append_excerpt(err, source, pos);
    return -EINVAL;
}

int diag_hint(struct err *err, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return err_append(err, -EINVAL, "hint: %s", message);
}

int diag_suggest(struct err *err, const char *word, const char *const *candidates, int count)
{
    const char *meant = err_suggest(word, candidates, count);
    if (meant)
        diag_hint(err, "did you mean '%s'?", meant);
    return -EINVAL;
}
