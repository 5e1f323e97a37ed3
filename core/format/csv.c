// csv.c: CSV by RFC 4180 and Flink's options. One pass over the bytes: a field without quotes and
// escapes is found by the quick scan and stays where it is; every other field, and all of them when
// no_fast_path asks for the twin, go through the careful functions byte by byte.
//
// A quoted field may hold line ends, so only reading a row tells where it ends. When that cannot be
// told (a quote is never closed, text follows a closing quote) the row ends with its line.
#include "core/format/csv_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/utf8.h"

// How a row or a field came to its end.
enum csv_end {
    CSV_DELIMITER, // another field follows
    CSV_ROW_END,   // the row is complete
    CSV_CUT_OFF,   // the bytes end first
    CSV_BROKEN,    // structure: the reason is noted
};

// One row being read.
struct csv_row {
    struct reader *reader;
    const char *start;     // of the row
    const char *p;         // next byte
    const char *field_end; // of the field read last: the delimiter or line's end, or limit
    const char *limit;
    bool final;   // nothing follows limit
    bool bad;     // a field was bad; the reason is noted, the rest is read for the row's end
    uint32_t row; // of the batch
    int field;    // index of the current field
};

int csv_create(struct reader *reader, struct err *err)
{
    (void)err;
    struct csv_reader *csv = calloc(1, sizeof(*csv));
    CHECK(csv);
    reader->csv = csv;
    csv->by_position = calloc((size_t)reader->field_count + 1, sizeof(struct reader_slot *));
    CHECK(csv->by_position);
    for (int i = 0; i < reader->slot_count; i++)
        csv->by_position[reader->slots[i].position] = &reader->slots[i];
    char delimiter = reader->options.csv_delimiter;
    int escape = reader->options.csv_escape;
    csv->plain_stops = (struct scan_set){delimiter, '\n', escape < 0 ? '\n' : (char)escape};
    // Where there is no quote or escape, a byte that is odd anyway stands for it.
    int quote = reader->options.csv_quote;
    csv->marks = (struct index_set){.stop = delimiter,
                                    .lines_stop = true,
                                    .odd = quote < 0 ? '\x80' : (char)quote,
                                    .also_odd = escape < 0 ? '\x80' : (char)escape};
    return 0;
}

void csv_free(struct reader *reader)
{
    if (reader->csv)
        free(reader->csv->by_position);
    free(reader->csv);
}

// --- fields ---

// What `c` behind the escape character stands for, as in Jackson.
static char unescaped(char c)
{
    switch (c) {
    case '0':
        return '\0';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

// At the end of a field: step over what ends it.
static enum csv_end step_over(struct csv_row *row, const char *p)
{
    row->field_end = p;
    if (p == row->limit) {
        row->p = p;
        return row->final ? CSV_ROW_END : CSV_CUT_OFF;
    }
    row->p = p + 1;
    return *p == '\n' ? CSV_ROW_END : CSV_DELIMITER;
}

// A field's carriage return before the line's end belongs to the line's end.
static size_t without_return(const char *from, const char *to, enum csv_end end)
{
    size_t len = (size_t)(to - from);
    return end == CSV_ROW_END && len && to[-1] == '\r' ? len - 1 : len;
}

static bool needed(const struct csv_row *row)
{
    return row->field < row->reader->field_count && row->reader->csv->by_position[row->field];
}

// Room for a decoded field of at most `bytes` bytes, NULL when nobody needs it.
static char *decode_room(const struct csv_row *row, size_t bytes)
{
    return needed(row) ? pool_alloc(&row->reader->scratch, bytes) : NULL;
}

static bool is_byte(char c, int byte) // -1: no byte at all
{
    return (unsigned char)c == byte;
}

// An unquoted field without its escapes; a lone one at the end stands for itself.
static void decode_plain(const char *from, const char *to, int escape, char *out)
{
    while (from < to) {
        bool escaped = is_byte(*from, escape) && to - from >= 2;
        *out++ = escaped ? unescaped(from[1]) : *from;
        from += escaped ? 2 : 1;
    }
}

// An unquoted field that has an escape, or any unquoted field in the twin.
static enum csv_end careful_plain(struct csv_row *row, struct slice *text)
{
    char delimiter = row->reader->options.csv_delimiter;
    int escape = row->reader->options.csv_escape;
    const char *p = row->p;
    bool escaped = false; // the byte read last
    size_t kept = 0;
    for (; p < row->limit && *p != delimiter && *p != '\n'; kept++) {
        escaped = is_byte(*p, escape) && row->limit - p >= 2;
        p += escaped ? 2 : 1;
    }
    char *out = decode_room(row, kept);
    if (out)
        decode_plain(row->p, p, escape, out);
    enum csv_end end = step_over(row, p);
    if (end == CSV_ROW_END && kept && p[-1] == '\r' && !escaped)
        kept--;
    *text = slice_make(out, out ? kept : 0);
    return end;
}

static enum csv_end plain_field(struct csv_row *row, struct slice *text, unsigned *high)
{
    struct reader *reader = row->reader;
    const char *from = row->p;
    const char *stop = scan_until(from, row->limit, reader->csv->plain_stops, reader->scan, high);
    if (stop < row->limit && is_byte(*stop, reader->options.csv_escape)) {
        *high = 1; // the escape hides bytes from the scan: look at the whole field
        return careful_plain(row, text);
    }
    enum csv_end end = step_over(row, stop);
    *text = slice_make(from, without_return(from, stop, end));
    return end;
}

// The closing quote of the field whose content begins at p; limit when there is none. *decode: the
// content is not what stands there.
static const char *find_close(const struct csv_row *row, const char *p, bool *decode,
                              unsigned *high)
{
    const struct reader *reader = row->reader;
    char quote = (char)reader->options.csv_quote;
    int escape = reader->options.csv_escape;
    struct scan_set stops = {quote, escape < 0 ? quote : (char)escape, quote};
    for (;; p += 2) {
        p = scan_until(p, row->limit, stops, reader->scan, high);
        if (p == row->limit)
            return p;
        bool escaped = is_byte(*p, escape);
        if (p + 1 == row->limit)
            return escaped || !row->final ? row->limit : p;
        if (!escaped && p[1] != quote)
            return p;
        *decode = true;
        if (escaped)
            *high = 1;
    }
}

static struct slice decode_quoted(const struct csv_row *row, const char *p, const char *close)
{
    int escape = row->reader->options.csv_escape;
    char quote = (char)row->reader->options.csv_quote;
    char *start = decode_room(row, (size_t)(close - p));
    char *out = start;
    while (start && p < close) {
        if (is_byte(*p, escape)) {
            *out++ = unescaped(p[1]);
            p += 2;
        } else {
            *out++ = *p;
            p += *p == quote ? 2 : 1;
        }
    }
    return slice_make(start, (size_t)(out - start));
}

// Behind a closing quote: blanks, then the field's end.
static enum csv_end after_quote(struct csv_row *row, const char *p)
{
    char delimiter = row->reader->options.csv_delimiter;
    while (p < row->limit && *p != delimiter && (*p == ' ' || *p == '\t'))
        p++;
    if (p < row->limit && *p == '\r') {
        if (p + 1 == row->limit || p[1] == '\n')
            p++;
    }
    if (p < row->limit && *p != delimiter && *p != '\n') {
        char shown[READER_SHOWN_BYTES];
        reader_fail(row->reader, "field %d: the closing quote is followed by \"%s\"",
                    row->field + 1, reader_shown(slice_make(p, 1), shown));
        row->p = p;
        return CSV_BROKEN;
    }
    return step_over(row, p);
}

static enum csv_end quoted_field(struct csv_row *row, struct slice *text, unsigned *high)
{
    bool decode = false;
    const char *content = row->p + 1;
    const char *close = find_close(row, content, &decode, high);
    if (close == row->limit) {
        if (!row->final)
            return CSV_CUT_OFF;
        reader_fail(row->reader, "field %d: its quote is not closed", row->field + 1);
        row->p = row->start;
        return CSV_BROKEN;
    }
    *text = slice_make(content, (size_t)(close - content));
    if (decode)
        *text = decode_quoted(row, content, close);
    return after_quote(row, close + 1);
}

// --- rows ---

// A field's text is known: check it and put it where it goes.
static void take_field(struct csv_row *row, struct slice text, struct slice raw, unsigned high,
                       enum csv_end end)
{
    struct reader *reader = row->reader;
    if (UNLIKELY(high) && !utf8_valid(raw.ptr, raw.len)) {
        row->bad = true;
        reader_fail(reader, "field %d: not valid UTF-8", row->field + 1);
        return;
    }
    if (UNLIKELY(row->field >= reader->field_count)) {
        // One empty field after the last is a delimiter at the line's end, which Flink takes.
        if (row->field == reader->field_count && end == CSV_ROW_END && raw.len == 0)
            return;
        row->bad = true;
        reader_fail(reader, "the row has more than %d fields", reader->field_count);
        return;
    }
    struct reader_slot *slot = reader->csv->by_position[row->field];
    if (!slot || row->bad)
        return;
    if (slot->kind == TYPE_STRING && !reader->options.csv_has_null_literal)
        slot_set_string(slot, row->row, text);
    else if (!convert_text(reader, slot, row->row, text, TOKEN_CSV))
        row->bad = true;
}

// After the last field: were there enough? Missing ones are NULL under ignore_parse_errors.
static void finish_fields(struct csv_row *row)
{
    struct reader *reader = row->reader;
    if (LIKELY(row->field >= reader->field_count))
        return;
    if (!reader->options.ignore_parse_errors) {
        row->bad = true;
        reader_fail(reader, "the row has %d fields, the table has %d", row->field,
                    reader->field_count);
        return;
    }
    for (int i = row->field; i < reader->field_count; i++)
        if (reader->csv->by_position[i])
            slot_set_null(reader->csv->by_position[i], row->row);
}

static enum csv_end read_row(struct csv_row *row)
{
    const struct format_options *options = &row->reader->options;
    for (;;) {
        struct slice text = {0};
        unsigned high = 0;
        enum csv_end end;
        const char *from = row->p;
        if (row->p < row->limit && is_byte(*row->p, options->csv_quote)) {
            end = quoted_field(row, &text, &high);
        } else if (UNLIKELY(options->no_fast_path)) {
            high = 1;
            end = careful_plain(row, &text);
        } else {
            end = plain_field(row, &text, &high);
        }
        if (end == CSV_CUT_OFF || end == CSV_BROKEN)
            return end;
        size_t raw = without_return(from, row->field_end, end);
        take_field(row, text, slice_make(from, raw), high, end);
        row->field++;
        if (end == CSV_ROW_END) {
            finish_fields(row);
            return end;
        }
    }
}

// Lines that are no rows: empty ones and comments. NULL: the line at p is a row; p: it is cut off.
static const char *skip_line(const struct reader *reader, const struct reader_run *run)
{
    const char *p = run->p;
    uint64_t left = (uint64_t)(run->limit - p);
    if (*p == '\n')
        return p + 1;
    if (*p == '\r' && left >= 2 && p[1] == '\n')
        return p + 2;
    if (*p == '\r' && left == 1)
        return run->final ? run->limit : p;
    if (*p != '#' || !reader->options.csv_allow_comments)
        return NULL;
    const char *line_end = memchr(p, '\n', left);
    if (line_end)
        return line_end + 1;
    return run->final ? run->limit : p;
}

// Are there more bytes than a row may have?
static bool exceeds(const struct reader *reader, const struct reader_run *run)
{
    return (uint64_t)(run->limit - run->p) > reader->max_row_bytes;
}

// No end was found in as many bytes as a row may have. A row with a quote that is not closed ends
// with its line, so that the next line is read as usual; one that is a single line is skipped.
static void report_endless(struct reader *reader, struct reader_run *run)
{
    uint64_t max = reader->max_row_bytes;
    const char *line_end = memchr(run->p, '\n', max + 1);
    if (!line_end) {
        reader_report_overlong(reader, run);
        return;
    }
    reader_fail(reader, "a quote is not closed within %llu bytes", (unsigned long long)max);
    reader_report(reader, run, (uint64_t)(line_end - run->p), line_end + 1);
}

// A row whose structure does not tell its end: it ends with the line that `row->p` stands in.
// False: that line is cut off.
static bool report_broken(struct reader *reader, struct reader_run *run, const struct csv_row *row)
{
    const char *line_end = memchr(row->p, '\n', (size_t)(row->limit - row->p));
    if (!line_end && exceeds(reader, run)) {
        report_endless(reader, run);
        return true;
    }
    if (!line_end && !run->final)
        return false;
    const char *end = line_end ? line_end : run->limit;
    reader_report(reader, run, (uint64_t)(end - run->p), line_end ? line_end + 1 : run->limit);
    return true;
}

static uint64_t without_line_end(const char *from, const char *to)
{
    uint64_t len = (uint64_t)(to - from);
    if (len && from[len - 1] == '\n')
        len--;
    if (len && from[len - 1] == '\r')
        len--;
    return len;
}

// What came of a row that is not good. False: it is cut off.
static bool report_bad(struct reader *reader, struct reader_run *run, const struct csv_row *row,
                       enum csv_end end)
{
    if (end == CSV_BROKEN)
        return report_broken(reader, run, row);
    if (end == CSV_ROW_END) {
        reader_report(reader, run, without_line_end(run->p, row->p), row->p);
        return true;
    }
    if (!exceeds(reader, run))
        return false;
    report_endless(reader, run);
    return true;
}

static const char *skip_mark(const char *p, const char *limit)
{
    bool has = limit - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0;
    return has ? p + 3 : p; // the byte order mark that editors put in front of a file
}

// Nothing but lines that are no rows from run->p on?
static bool only_skipped(const struct reader *reader, struct reader_run *run)
{
    while (run->p < run->limit) {
        const char *next = skip_line(reader, run);
        if (!next)
            return false;
        run->p = next;
    }
    return true;
}

int csv_payload(struct reader *reader, struct slice payload, uint32_t row)
{
    const char *limit = payload.ptr + payload.len;
    struct reader_run run = {.p = payload.ptr, .limit = limit, .final = true};
    if (only_skipped(reader, &run)) {
        if (payload.len && *payload.ptr == '#')
            return 0; // a comment
        reader_fail(reader, "the payload is empty");
        return -EBADMSG;
    }
    struct csv_row csv = {.reader = reader,
                          .start = run.p,
                          .p = skip_mark(run.p, limit),
                          .limit = limit,
                          .final = true,
                          .row = row};
    enum csv_end end = read_row(&csv);
    if (end != CSV_ROW_END || csv.bad)
        return -EBADMSG;
    run.p = csv.p;
    if (only_skipped(reader, &run))
        return 1;
    reader_fail(reader, "a second row follows in the payload");
    return -EBADMSG;
}

// The line at run->p, which is a payload: whatever is in it ends with it. False: the line is cut
// off or the list of bad rows is full.
static bool read_line(struct reader *reader, struct reader_run *run)
{
    const char *line_end = memchr(run->p, '\n', (size_t)(run->limit - run->p));
    if (!reader_has_room(run) || (!line_end && !run->final && !exceeds(reader, run)))
        return false;
    const char *end = line_end ? line_end : run->limit;
    if ((uint64_t)(end - run->p) > reader->max_row_bytes) {
        reader_report_overlong(reader, run);
        return true;
    }
    const char *next = line_end ? line_end + 1 : end;
    if (csv_payload(reader, slice_make(run->p, (size_t)(end - run->p)), run->row) < 0)
        reader_report(reader, run, without_line_end(run->p, end), next);
    else
        reader_accept(run, next);
    return true;
}

// The row at run->p. False: nothing was done, because it is cut off or the list of bad rows is
// full.
static bool read_one(struct reader *reader, struct reader_run *run)
{
    bool longer = exceeds(reader, run); // then only so much may belong to this row
    struct csv_row row = {.reader = reader,
                          .start = run->p,
                          .p = run->p,
                          .limit = longer ? run->p + reader->max_row_bytes + 1 : run->limit,
                          .final = run->final && !longer,
                          .row = run->row};
    row.p = skip_mark(row.p, row.limit);
    enum csv_end end = read_row(&row);
    if (end == CSV_ROW_END && !row.bad) {
        reader_accept(run, row.p);
        return true;
    }
    bool done = reader_has_room(run) && report_bad(reader, run, &row, end);
    reader->reason[0] = 0;
    return done;
}

void csv_read(struct reader *reader, struct reader_run *run)
{
    bool walks = !reader->options.no_fast_path && reader->scan == SCAN_AVX2;
    index_drop(&reader->csv->index);
    while (run->row < reader->max_rows && run->p < run->limit) {
        if (walks) {
            csv_walk(reader, run);
            if (run->row == reader->max_rows || run->p == run->limit)
                return;
        }
        bool is_payload = reader->payload_lines && *run->p != '#';
        const char *next = is_payload ? NULL : skip_line(reader, run);
        if (next == run->p) {
            // A comment that is cut off: an endless one must not fill the caller's buffer.
            if (exceeds(reader, run)) {
                reader->skipping = true;
                run->p = run->limit;
            }
            return;
        }
        if (next)
            run->p = next;
        else if (!(reader->payload_lines ? read_line(reader, run) : read_one(reader, run)))
            return;
    }
}
