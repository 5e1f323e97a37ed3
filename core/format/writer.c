// writer.c: rows as JSON lines, Debezium's changelog JSON and CSV, byte for byte as Flink's sinks
// write them (asked of Flink 2.3), with one exception: characters beyond U+FFFF stand in JSON as
// they are, where Flink writes the same text as two \u escapes.
#include "core/format/writer.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/calendar.h"
#include "core/base/check.h"
#include "core/base/number.h"
#include "core/base/pool.h"
#include "core/base/utf8.h"
#include "core/format/raw.h"

// Longer texts are put in quotes without a look at them, as in Jackson.
enum { CSV_UNQUOTED_UNITS = 24 };

// Room for the text of any value that is no string.
enum { TEXT_BYTES = 64 };

static_assert((int)TEXT_BYTES >= CALENDAR_TEXT_BYTES && (int)TEXT_BYTES >= NUMBER_TEXT_BYTES,
              "every formatter's text fits");

struct writer {
    struct format_options options;
    struct schema schema;     // copied into the pool
    struct slice *json_names; // "\"name\":" of each field
    struct slice null_text;   // CSV
    int csv_min_safe;         // a byte below it needs quotes
    struct pool pool;
};

// --- making one ---

static bool writable(enum type_kind kind)
{
    return kind >= TYPE_BOOLEAN && kind <= TYPE_TIMESTAMP_LTZ;
}

static void copy_schema(struct writer *writer, const struct schema *schema)
{
    size_t count = (size_t)schema->field_count;
    struct buf name = {0};
    writer->schema.field_count = schema->field_count;
    writer->schema.fields = pool_alloc(&writer->pool, (count + 1) * sizeof(struct field));
    writer->json_names = pool_alloc(&writer->pool, (count + 1) * sizeof(struct slice));
    for (size_t i = 0; i < count; i++) {
        writer->schema.fields[i] = schema->fields[i];
        writer->schema.fields[i].name = pool_strdup(&writer->pool, schema->fields[i].name);
        buf_clear(&name);
        buf_append_json_string(&name, slice_of(schema->fields[i].name));
        buf_append_char(&name, ':');
        writer->json_names[i] = pool_copy(&writer->pool, buf_slice(&name));
    }
    buf_fini(&name);
}

int writer_create(const struct format_options *options, const struct schema *schema,
                  struct writer **out, struct err *err)
{
    for (int i = 0; i < schema->field_count; i++)
        if (!writable(schema->fields[i].type.kind))
            return err_set(
                err, -EINVAL,
                "column \"%s\": the format '%s' cannot write its type: CAST it to STRING",
                schema->fields[i].name, format_kind_name(options->kind));
    int rc = options->kind == FORMAT_RAW ? raw_check(schema, err) : 0;
    if (rc)
        return rc;
    if (options->debezium_schema_include)
        return err_set(err, -EINVAL,
                       "'debezium-json.schema-include' = 'true' is for tables that are read: "
                       "changes are written without a schema");
    struct writer *writer = calloc(1, sizeof(*writer));
    CHECK(writer);
    writer->options = *options;
    copy_schema(writer, schema);
    if (options->csv_has_null_literal)
        writer->null_text = slice_of(writer->options.csv_null_literal);
    int highest = options->csv_delimiter > '\r' ? options->csv_delimiter : '\r';
    writer->csv_min_safe = (options->csv_quote > highest ? options->csv_quote : highest) + 1;
    *out = writer;
    return 0;
}

void writer_free(struct writer *writer)
{
    if (!writer)
        return;
    pool_fini(&writer->pool);
    free(writer);
}

bool writer_takes_changelog(const struct writer *writer)
{
    return format_is_changelog(writer->options.kind);
}

// --- values ---

// Digits of the fraction without trailing zeros.
static int fraction_digits(int64_t ms)
{
    return ms % 1000 == 0 ? 0 : ms % 100 == 0 ? 1 : ms % 10 == 0 ? 2 : 3;
}

// The text of a present value that is no string.
static size_t format_value(const struct writer *writer, const struct column *column, uint32_t row,
                           char out[TEXT_BYTES])
{
    bool csv = writer->options.kind == FORMAT_CSV;
    bool iso = !csv && writer->options.json_timestamp == FORMAT_TIMESTAMP_ISO;
    int64_t value = column->kind == TYPE_DOUBLE ? 0 : column->i64[row];
    switch (column->kind) {
    case TYPE_BOOLEAN:
        memcpy(out, value ? "true" : "false", 5);
        return value ? 4 : 5;
    case TYPE_INT:
    case TYPE_BIGINT:
        return number_format_int64(value, out);
    case TYPE_DOUBLE:
        return number_format_double(column->f64[row], out);
    case TYPE_DATE:
        return calendar_format_date(value, out);
    case TYPE_TIME:
        return calendar_format_time(value, fraction_digits(value), out);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return calendar_format_timestamp(value, iso ? CALENDAR_ISO : CALENDAR_SQL,
                                         column->kind == TYPE_TIMESTAMP_LTZ, out);
    default:
        CHECK(!"a kind that writer_create refuses");
        return 0;
    }
}

// --- JSON ---

// Does the text stand in JSON as it is?
static bool json_plain(struct slice text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            return false;
    }
    return true;
}

static void append_quoted(struct buf *out, struct slice text)
{
    char *p = buf_reserve(out, text.len + 2);
    p[0] = '"';
    if (text.len)
        memcpy(p + 1, text.ptr, text.len);
    p[text.len + 1] = '"';
    out->len += text.len + 2;
}

static void append_json_value(const struct writer *writer, const struct column *column,
                              uint32_t row, struct buf *out)
{
    if (column->kind == TYPE_STRING) {
        if (json_plain(column->str[row]))
            append_quoted(out, column->str[row]);
        else
            buf_append_json_string(out, column->str[row]);
        return;
    }
    char text[TEXT_BYTES];
    size_t len = format_value(writer, column, row, text);
    bool bare =
        column->kind == TYPE_DOUBLE ? isfinite(column->f64[row]) != 0 : column->kind <= TYPE_BIGINT;
    if (bare)
        buf_append(out, text, len);
    else
        append_quoted(out, slice_make(text, len));
}

static_assert(TYPE_BOOLEAN < TYPE_BIGINT && TYPE_INT < TYPE_BIGINT && TYPE_DATE > TYPE_BIGINT,
              "kinds up to BIGINT are bare in JSON and CSV");

static void append_object(const struct writer *writer, const struct batch *batch, uint32_t row,
                          struct buf *out)
{
    char separator = '{';
    for (int i = 0; i < batch->column_count; i++) {
        const struct column *column = &batch->columns[i];
        bool null = column->state[row] != VALUE_PRESENT;
        if (null && writer->options.json_ignore_null_fields)
            continue;
        buf_append_char(out, separator);
        separator = ',';
        buf_append(out, writer->json_names[i].ptr, writer->json_names[i].len);
        if (null)
            buf_append(out, "null", 4);
        else
            append_json_value(writer, column, row, out);
    }
    if (separator == '{')
        buf_append_char(out, '{');
    buf_append_char(out, '}');
}

// An update is a deletion and an insertion, as Flink's debezium-json writes it.
static void append_debezium(const struct writer *writer, const struct batch *batch, uint32_t row,
                            struct buf *out)
{
    enum row_kind kind = batch_kind(batch, row);
    if (kind == ROW_INSERT || kind == ROW_UPDATE_AFTER) {
        buf_append_str(out, "{\"before\":null,\"after\":");
        append_object(writer, batch, row, out);
        buf_append_str(out, ",\"op\":\"c\"}");
    } else {
        buf_append_str(out, "{\"before\":");
        append_object(writer, batch, row, out);
        buf_append_str(out, ",\"after\":null,\"op\":\"d\"}");
    }
}

// --- CSV ---

// Jackson's loose rule: more than 24 UTF-16 units, a backslash, or any byte up to the highest of
// delimiter and quote.
static bool csv_needs_quotes(const struct writer *writer, struct slice text)
{
    if (writer->options.csv_quote < 0)
        return false;
    uint64_t units = 0;
    for (uint64_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < writer->csv_min_safe || c == '\\' || c == writer->options.csv_escape)
            return true;
        units += (c & 0xC0) != 0x80; // a character,
        units += c >= 0xF0;          // two units when beyond U+FFFF
    }
    return units > CSV_UNQUOTED_UNITS;
}

static void append_csv_quoted(const struct writer *writer, struct slice text, struct buf *out)
{
    char quote = (char)writer->options.csv_quote;
    char *start = buf_reserve(out, 2 * text.len + 2), *p = start;
    *p++ = quote;
    for (uint64_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == quote || (unsigned char)c == writer->options.csv_escape)
            *p++ = c;
        *p++ = c;
    }
    *p++ = quote;
    out->len += (size_t)(p - start);
}

static void append_csv_value(const struct writer *writer, const struct column *column, uint32_t row,
                             struct buf *out)
{
    char bytes[TEXT_BYTES];
    struct slice text;
    if (column->state[row] != VALUE_PRESENT) {
        buf_append(out, writer->null_text.ptr, writer->null_text.len);
        return;
    }
    if (column->kind == TYPE_STRING)
        text = column->str[row];
    else
        text = slice_make(bytes, format_value(writer, column, row, bytes));
    bool bare = column->kind <= TYPE_BIGINT || column->kind == TYPE_DOUBLE;
    if (!bare && csv_needs_quotes(writer, text))
        append_csv_quoted(writer, text, out);
    else
        buf_append(out, text.ptr, text.len);
}

static void append_csv(const struct writer *writer, const struct batch *batch, uint32_t row,
                       struct buf *out)
{
    for (int i = 0; i < batch->column_count; i++) {
        if (i > 0)
            buf_append_char(out, writer->options.csv_delimiter);
        append_csv_value(writer, &batch->columns[i], row, out);
    }
}

// --- raw ---

static bool append_raw(const struct writer *writer, const struct column *column, uint32_t row,
                       struct buf *out)
{
    if (column->state[row] != VALUE_PRESENT)
        return false;
    if (column->kind == TYPE_STRING) {
        buf_append(out, column->str[row].ptr, column->str[row].len);
        return true;
    }
    uint32_t bytes = raw_bytes(column->kind);
    uint64_t value;
    memcpy(&value, &column->i64[row], sizeof(value)); // a DOUBLE's bits too
    value = raw_swap(&writer->options, value, bytes);
    buf_append(out, &value, bytes);
    return true;
}

// --- rows ---

bool writer_append_payload(struct writer *writer, const struct batch *batch, uint32_t row,
                           struct buf *out)
{
    switch (writer->options.kind) {
    case FORMAT_JSON:
        append_object(writer, batch, row, out);
        return true;
    case FORMAT_CSV:
        append_csv(writer, batch, row, out);
        return true;
    case FORMAT_DEBEZIUM_JSON:
        append_debezium(writer, batch, row, out);
        return true;
    case FORMAT_RAW:
        return append_raw(writer, &batch->columns[0], row, out);
    }
    CHECK(!"a format of no kind");
    return false;
}

void writer_append_rows(struct writer *writer, const struct batch *batch, uint32_t from,
                        uint32_t to, struct buf *out)
{
    CHECK(from <= to && to <= batch->count);
    CHECK(batch->column_count == writer->schema.field_count);
    CHECK(writer->options.kind != FORMAT_RAW); // nothing would tell where a row ends
    for (uint32_t row = from; row < to; row++) {
        CHECK(writer_takes_changelog(writer) || batch_kind(batch, row) == ROW_INSERT);
        writer_append_payload(writer, batch, row, out);
        buf_append_char(out, '\n');
    }
}

void writer_append(struct writer *writer, const struct batch *batch, struct buf *out)
{
    writer_append_rows(writer, batch, 0, batch->count, out);
}
