// writer.h: batches into bytes of a file: JSON lines, CSV, Debezium's changelog JSON, and the lines
// of the print connector.
#ifndef WEIR_CORE_FORMAT_WRITER_H
#define WEIR_CORE_FORMAT_WRITER_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/format/options.h"
#include "core/row/batch.h"
#include "core/row/type.h"

struct writer;

// A writer of rows of this schema; the schema is copied. 0, or -EINVAL with a text.
int writer_create(const struct format_options *options, const struct schema *schema,
                  struct writer **out, struct err *err);
void writer_free(struct writer *writer);

// Can the format say +U, -U and -D? Only debezium-json can; the others write rows of kind +I
// only (writer_append checks it: the planner has refused other changelogs before).
bool writer_takes_changelog(const struct writer *writer);

// Append each row of the batch to `out`, one line a row. Columns as the schema.
void writer_append(struct writer *writer, const struct batch *batch, struct buf *out);

// Rows [from, to) only.
void writer_append_rows(struct writer *writer, const struct batch *batch, uint32_t from,
                        uint32_t to, struct buf *out);

// Append one row as the payload of a message: no line's end behind it. Of the row's kind only
// debezium-json takes notice. False: the payload is null (raw: the value is NULL).
bool writer_append_payload(struct writer *writer, const struct batch *batch, uint32_t row,
                           struct buf *out);

// Append every row as the print connector shows it: "PREFIX> +I[a, null, 1.5]" and a line's end;
// without "PREFIX> " when `prefix` is empty or NULL. Values as Flink prints them.
void writer_print(const struct batch *batch, const struct schema *schema, const char *prefix,
                  struct buf *out);

// One row, without a prefix.
void writer_print_row(const struct batch *batch, uint32_t row, const struct schema *schema,
                      struct buf *out);

// One value as the print connector shows it.
void writer_print_value(const struct column *column, uint32_t row, const struct type *type,
                        struct buf *out);

#endif
