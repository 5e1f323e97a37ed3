// print.c: rows for people, as Flink's print connector and its Row.toString show them: Java's texts
// of the values, strings without quotes, NULL as "null".
#include <stdlib.h>

#include "core/base/calendar.h"
#include "core/base/check.h"
#include "core/base/number.h"
#include "core/format/writer.h"

enum { TEXT_BYTES = 64 };

// LocalTime.toString: zero seconds are left out, a fraction has three digits.
static size_t print_time(int64_t ms, char out[TEXT_BYTES])
{
    size_t len = calendar_format_time(ms, ms % 1000 ? 3 : 0, out);
    return ms % CALENDAR_MINUTE_MS == 0 ? 5 : len;
}

// "+1 02:03:04.005" and "-0-11", the texts of CAST(interval AS STRING).
static void print_interval(enum type_kind kind, int64_t value, struct buf *out)
{
    char text[TEXT_BYTES];
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    char sign = value < 0 ? '-' : '+';
    if (kind == TYPE_INTERVAL_MONTH) {
        buf_printf(out, "%c%llu-%02llu", sign, (unsigned long long)(size / 12),
                   (unsigned long long)(size % 12));
        return;
    }
    buf_printf(out, "%c%llu ", sign, (unsigned long long)(size / CALENDAR_DAY_MS));
    size_t len = calendar_format_time((int64_t)(size % CALENDAR_DAY_MS), 3, text);
    buf_append(out, text, len);
}

void writer_print_value(const struct column *column, uint32_t row, const struct type *type,
                        struct buf *out)
{
    char text[TEXT_BYTES];
    size_t len = 0;
    if (column->state[row] != VALUE_PRESENT) {
        buf_append(out, "null", 4);
        return;
    }
    switch (type->kind) {
    case TYPE_STRING:
        buf_append(out, column->str[row].ptr, column->str[row].len);
        return;
    case TYPE_INTERVAL_DAY:
    case TYPE_INTERVAL_MONTH:
        print_interval(type->kind, column->i64[row], out);
        return;
    case TYPE_BOOLEAN:
        buf_append_str(out, column->i64[row] ? "true" : "false");
        return;
    case TYPE_DOUBLE:
        len = number_format_double(column->f64[row], text);
        break;
    case TYPE_DATE:
        len = calendar_format_date(column->i64[row], text);
        break;
    case TYPE_TIME:
        len = print_time(column->i64[row], text);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        len = calendar_format_timestamp(column->i64[row], CALENDAR_JAVA,
                                        type->kind == TYPE_TIMESTAMP_LTZ, text);
        break;
    default:
        CHECK(type->kind == TYPE_INT || type->kind == TYPE_BIGINT);
        len = number_format_int64(column->i64[row], text);
    }
    buf_append(out, text, len);
}

void writer_print_row(const struct batch *batch, uint32_t row, const struct schema *schema,
                      struct buf *out)
{
    CHECK(row < batch->count);
    CHECK(batch->column_count == schema->field_count);
    buf_append_str(out, row_kind_name(batch_kind(batch, row)));
    buf_append_char(out, '[');
    for (int i = 0; i < batch->column_count; i++) {
        if (i > 0)
            buf_append_str(out, ", ");
        writer_print_value(&batch->columns[i], row, &schema->fields[i].type, out);
    }
    buf_append_str(out, "]\n");
}

void writer_print(const struct batch *batch, const struct schema *schema, const char *prefix,
                  struct buf *out)
{
    for (uint32_t row = 0; row < batch->count; row++) {
        if (prefix && *prefix) {
            buf_append_str(out, prefix);
            buf_append_str(out, "> ");
        }
        writer_print_row(batch, row, schema, out);
    }
}
