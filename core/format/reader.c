// reader.c: what is the same for every format: which columns are needed, the edges of the caller's
// buffer, overlong rows, and the lists of the result.
//
// Invariant: consumed, row_end and the batch's rows agree at every return: giving the bytes from
// row_end[i] on again reads rows i + 1 and later again.
#include "core/format/reader_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/utf8.h"
#include "core/format/raw.h"

bool reader_fail(struct reader *reader, const char *format, ...)
{
    if (reader->quiet || reader->reason[0])
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(reader->reason, sizeof(reader->reason), format, args);
    va_end(args);
    return false;
}

const char *reader_shown(struct slice text, char out[READER_SHOWN_BYTES])
{
    size_t n = 0;
    for (uint64_t i = 0; i < text.len;) {
        size_t bytes = utf8_sequence_bytes(text.ptr + i, text.len - i);
        if (n + (bytes ? bytes : 1) + 4 > READER_SHOWN_BYTES) {
            memcpy(out + n, "...", 3);
            n += 3;
            break;
        }
        unsigned char c = (unsigned char)text.ptr[i];
        if (bytes == 0 || c < 0x20 || c == 0x7f) {
            out[n++] = '?';
            i++;
        } else {
            memcpy(out + n, text.ptr + i, bytes);
            n += bytes;
            i += bytes;
        }
    }
    out[n] = 0;
    return out;
}

void reader_report(struct reader *reader, struct reader_run *run, uint64_t length, const char *next)
{
    struct reader_result *result = run->result;
    CHECK(reader_has_room(run));
    CHECK(next > run->p);
    struct reader_bad_row *bad = &result->bad_rows[result->bad_row_count++];
    bad->offset = (uint64_t)(run->p - run->base);
    bad->length = length;
    bad->rows_before = run->row;
    memcpy(bad->reason, reader->reason, sizeof(bad->reason));
    reader->reason[0] = 0;
    run->p = next;
}

void reader_report_overlong(struct reader *reader, struct reader_run *run)
{
    uint64_t max = reader->max_row_bytes;
    uint64_t left = (uint64_t)(run->limit - run->p);
    const char *line_end = memchr(run->p, '\n', left);
    CHECK(left > max && (!line_end || (uint64_t)(line_end - run->p) > max));
    reader->reason[0] = 0;
    reader_fail(reader, "the row is longer than %llu bytes", (unsigned long long)max);
    reader->skipping = !line_end && !run->final;
    reader_report(reader, run, max, line_end ? line_end + 1 : run->limit);
}

// Pass the rest of an overlong row. False: all of the bytes belong to it.
static bool skip_overlong(struct reader *reader, struct reader_run *run)
{
    const char *line_end = memchr(run->p, '\n', (size_t)(run->limit - run->p));
    if (!line_end && !run->final) {
        run->p = run->limit;
        return false;
    }
    run->p = line_end ? line_end + 1 : run->limit;
    reader->skipping = false;
    return true;
}

void reader_bind(struct reader *reader, struct batch *batch)
{
    CHECK(batch->column_count == reader->slot_count);
    for (int i = 0; i < reader->slot_count; i++) {
        struct column *column = &batch->columns[i];
        struct reader_slot *slot = &reader->slots[i];
        CHECK(column->kind == slot->kind);
        slot->i64 = column->i64;
        slot->state = column->state;
    }
}

void reader_begin(struct reader *reader, struct batch *batch)
{
    pool_reset(&reader->scratch);
    batch->count = 0;
    batch->has_kinds = format_is_changelog(reader->options.kind);
    for (int i = 0; i < batch->column_count; i++)
        batch->columns[i].all_present = true;
}

void reader_parse(struct reader *reader, struct slice bytes, bool end_of_input,
                  struct reader_result *result, struct batch *batch)
{
    reader_begin(reader, batch);
    reader_parse_more(reader, bytes, end_of_input, result, batch);
}

bool reader_takes_lines(const struct reader *reader)
{
    return reader->options.kind == FORMAT_JSON || reader->options.kind == FORMAT_CSV;
}

void reader_set_payload_lines(struct reader *reader, bool on)
{
    reader->payload_lines = on;
}

// Rows [from, batch->count) are new.
static void summarize_new(struct batch *batch, uint32_t from)
{
    for (int i = 0; i < batch->column_count; i++) {
        struct column *column = &batch->columns[i];
        if (from == 0) {
            column_summarize(column, batch->count);
            continue;
        }
        for (uint32_t row = from; row < batch->count; row++)
            column->all_present &= column->state[row] == VALUE_PRESENT;
    }
}

void reader_parse_more(struct reader *reader, struct slice bytes, bool end_of_input,
                       struct reader_result *result, struct batch *batch)
{
    CHECK(bytes.len < UINT32_MAX && reader_takes_lines(reader));
    uint32_t from = batch->count;
    struct reader_run run = {.base = bytes.ptr,
                             .p = bytes.ptr,
                             .limit = bytes.ptr + bytes.len,
                             .final = end_of_input,
                             .row = from,
                             .result = result};
    result->bad_row_count = 0;
    reader->reason[0] = 0;
    reader_bind(reader, batch);
    if (bytes.len > 0 && (!reader->skipping || skip_overlong(reader, &run))) {
        if (reader->json)
            json_read(reader, &run);
        else
            csv_read(reader, &run);
    }
    if (bytes.len == 0 && end_of_input)
        reader->skipping = false;
    CHECK(run.p >= run.base && run.p <= run.limit);
    result->consumed = (uint64_t)(run.p - run.base);
    batch->count = run.row;
    summarize_new(batch, from);
}

int reader_parse_one(struct reader *reader, struct slice payload, struct batch *batch,
                     char reason[READER_REASON_BYTES])
{
    uint32_t from = batch->count;
    int rows = 0;
    CHECK(from + READER_PAYLOAD_ROWS <= BATCH_ROWS);
    reader->reason[0] = 0;
    reader_bind(reader, batch);
    if (reader->options.kind == FORMAT_RAW)
        rows = raw_payload(reader, payload, from);
    else if (!payload.ptr)
        return 0;
    else if (reader->options.kind == FORMAT_DEBEZIUM_JSON)
        rows = debezium_payload(reader, payload, from, batch->kinds);
    else
        rows =
            reader->json ? json_payload(reader, payload, from) : csv_payload(reader, payload, from);
    if (rows < 0) {
        CHECK(reader->reason[0]);
        memcpy(reason, reader->reason, READER_REASON_BYTES);
        reader->reason[0] = 0;
        return rows;
    }
    batch->count += (uint32_t)rows;
    summarize_new(batch, from);
    return rows;
}

static int check_type(const struct field *field, struct err *err)
{
    switch (field->type.kind) {
    case TYPE_BOOLEAN:
    case TYPE_INT:
    case TYPE_BIGINT:
    case TYPE_DOUBLE:
    case TYPE_STRING:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return 0;
    default:
        return err_set(err, -EINVAL,
                       "column \"%s\": a value of its type cannot be read from a file",
                       field->name);
    }
}

static void add_slot(struct reader *reader, const struct field *field, int position)
{
    struct reader_slot *slot = &reader->slots[reader->slot_count++];
    *slot = (struct reader_slot){.kind = field->type.kind,
                                 .position = position,
                                 .date = QUICK_DATE_NONE,
                                 .name = slice_of(pool_strdup(&reader->names, field->name))};
}

int reader_create(const struct format_options *options, const struct schema *schema,
                  const bool *needed, struct reader **out, struct err *err)
{
    int rc = options->kind == FORMAT_RAW ? raw_check(schema, err) : 0;
    if (rc)
        return rc;
    struct reader *reader = calloc(1, sizeof(*reader));
    CHECK(reader);
    reader->options = *options;
    reader->scan = scan_mode_choose(options->no_simd   ? SCAN_SCALAR
                                    : options->no_avx2 ? SCAN_SSE2
                                                       : SCAN_AVX2);
    reader->max_rows = BATCH_ROWS;
    reader->max_row_bytes = READER_MAX_ROW_BYTES;
    reader->field_count = schema->field_count;
    reader->slots = calloc((size_t)schema->field_count + 1, sizeof(*reader->slots));
    CHECK(reader->slots);
    for (int i = 0; i < schema->field_count && rc == 0; i++) {
        if (needed && !needed[i])
            continue;
        rc = check_type(&schema->fields[i], err);
        add_slot(reader, &schema->fields[i], i);
    }
    if (rc == 0 && options->kind == FORMAT_CSV)
        rc = csv_create(reader, err);
    else if (rc == 0 && options->kind != FORMAT_RAW)
        rc = json_create(reader, err);
    if (rc) {
        reader_free(reader);
        return rc;
    }
    *out = reader;
    return 0;
}

void reader_free(struct reader *reader)
{
    if (!reader)
        return;
    json_free(reader);
    csv_free(reader);
    pool_fini(&reader->names);
    pool_fini(&reader->scratch);
    buf_fini(&reader->spare);
    free(reader->slots);
    free(reader);
}

void reader_set_max_rows(struct reader *reader, uint32_t rows)
{
    CHECK(rows >= 1 && rows <= BATCH_ROWS);
    reader->max_rows = rows;
}

void reader_set_max_row_bytes(struct reader *reader, uint64_t bytes)
{
    CHECK(bytes >= 1);
    reader->max_row_bytes = bytes;
}

void reader_reset(struct reader *reader)
{
    reader->skipping = false;
}

bool reader_is_skipping(const struct reader *reader)
{
    return reader->skipping;
}
