// file_careful.c: see file_careful.h. A row is taken to end with its line; where it does not (a
// line's end in quotes), the reader consumes nothing and is given one line more.
#include "stages/source/file_careful.h"

#include <string.h>

#include "core/base/check.h"

// Bytes up to the end of the line that `from` is in.
static size_t to_line_end(struct slice bytes, size_t from)
{
    const char *newline = memchr(bytes.ptr + from, '\n', bytes.len - from);
    return newline ? (size_t)(newline - bytes.ptr) + 1 : bytes.len;
}

static void put_aside(struct slice line, struct reader_result *result, struct batch *batch)
{
    size_t len = line.len;
    while (len && (line.ptr[len - 1] == '\n' || line.ptr[len - 1] == '\r'))
        len--;
    batch->count = 0;
    batch->has_kinds = false;
    result->consumed = line.len;
    result->bad_row_count = 1;
    result->bad_rows[0] = (struct reader_bad_row){.offset = 0, .length = len};
}

const char *file_careful_parse(const struct file_careful *careful,
                               const struct file_careful_input *input, struct reader_result *result,
                               struct batch *batch)
{
    const struct row_trial *trial = careful->trial;
    struct slice bytes = input->bytes;
    CHECK(bytes.len > 0);
    size_t len = to_line_end(bytes, 0);
    bool is_whole = bytes.ptr[len - 1] == '\n' || input->ends;
    bool begins = is_whole && !reader_is_skipping(careful->reader);
    if (begins && trial->begin(trial->context, careful->path, careful->at, slice_of(""))) {
        put_aside(slice_make(bytes.ptr, len), result, batch);
        if (trial->is_blind)
            result->bad_rows[0].length = 0;
        return trial->reason;
    }
    for (;;) {
        bool is_last = len == bytes.len;
        reader_parse(careful->reader, slice_make(bytes.ptr, len), input->ends && is_last, result,
                     batch);
        if (result->consumed || is_last)
            return NULL;
        len = to_line_end(bytes, len);
    }
}
