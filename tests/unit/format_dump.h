// format_dump.h: for the tests and fuzzers of core/format: read a text as a source would, piece by
// piece, and write down everything that the reader said, so that two ways of reading can be
// compared as text. The pieces are copied to memory of their exact size: a sanitizer sees a read
// too far.
#ifndef WEIR_TESTS_UNIT_FORMAT_DUMP_H
#define WEIR_TESTS_UNIT_FORMAT_DUMP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/format/reader.h"
#include "core/format/writer.h"

enum { DUMP_COLUMNS = 16 };

struct dump_schema {
    struct schema schema; // all columns
    struct schema taken;  // the needed ones
    struct field fields[DUMP_COLUMNS];
    struct field taken_fields[DUMP_COLUMNS];
    bool needed[DUMP_COLUMNS];
    char text[512];
};

struct dump_settings {
    struct format_options options;
    uint64_t piece;   // bytes that the buffer grows by; 0: all at once
    uint32_t rows;    // a call; 0: BATCH_ROWS
    uint64_t row_max; // bytes; 0: the default
    bool positions;   // write row ends and offsets too
    bool payload_lines;
};

// "n INT, -s STRING": '-' marks a column that is not needed.
static inline void dump_schema_init(struct dump_schema *out, const char *text)
{
    static const struct {
        const char *name;
        enum type_kind kind;
    } types[] = {{"INT", TYPE_INT},           {"BIGINT", TYPE_BIGINT},
                 {"DOUBLE", TYPE_DOUBLE},     {"STRING", TYPE_STRING},
                 {"BOOLEAN", TYPE_BOOLEAN},   {"DATE", TYPE_DATE},
                 {"TIME", TYPE_TIME},         {"TIMESTAMP", TYPE_TIMESTAMP},
                 {"LTZ", TYPE_TIMESTAMP_LTZ}, {"NULL", TYPE_NULL}};
    *out = (struct dump_schema){0};
    out->schema.fields = out->fields;
    out->taken.fields = out->taken_fields;
    snprintf(out->text, sizeof(out->text), "%s", text);
    char *rest = out->text, *part;
    while ((part = strsep(&rest, ",")) != NULL) {
        part += strspn(part, " ");
        bool needed = *part != '-';
        part += !needed;
        char *type = strchr(part, ' ');
        CHECK(type && out->schema.field_count < DUMP_COLUMNS);
        *type++ = 0;
        struct field field = {.name = part, .type = type_of(TYPE_KIND_COUNT)};
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
            if (strcmp(types[i].name, type) == 0)
                field.type = type_of(types[i].kind);
        CHECK(field.type.kind != TYPE_KIND_COUNT);
        out->needed[out->schema.field_count] = needed;
        out->fields[out->schema.field_count++] = field;
        if (needed)
            out->taken_fields[out->taken.field_count++] = field;
    }
}

// The rows and bad rows of one call, in the order of the file. `position`: of the call's bytes in
// the text, when positions are wanted.
static inline void dump_result(const struct batch *batch, const struct reader_result *result,
                               const struct dump_schema *schema, const uint64_t *position,
                               struct buf *out)
{
    uint32_t bad = 0;
    uint64_t last = 0;
    for (uint32_t row = 0; row <= batch->count; row++) {
        for (; bad < result->bad_row_count && result->bad_rows[bad].rows_before == row; bad++) {
            const struct reader_bad_row *b = &result->bad_rows[bad];
            CHECK(b->offset >= last && b->offset + b->length <= result->consumed);
            last = b->offset;
            if (position)
                buf_printf(out, "@%llu+%llu ", (unsigned long long)(*position + b->offset),
                           (unsigned long long)b->length);
            buf_printf(out, "! %s\n", b->reason);
        }
        if (row == batch->count)
            break;
        CHECK(result->row_end[row] > last && result->row_end[row] <= result->consumed);
        last = result->row_end[row];
        if (position)
            buf_printf(out, "@%llu ", (unsigned long long)(*position + last));
        writer_print_row(batch, row, &schema->taken, out);
    }
    CHECK(bad == result->bad_row_count);
}

static inline void dump_text(const struct dump_settings *settings, const struct dump_schema *schema,
                             struct slice text, struct buf *out)
{
    struct reader *reader;
    struct batch batch;
    struct reader_result *result = malloc(sizeof(*result));
    CHECK(result);
    CHECK(reader_create(&settings->options, &schema->schema, schema->needed, &reader, NULL) == 0);
    if (settings->rows)
        reader_set_max_rows(reader, settings->rows);
    if (settings->row_max)
        reader_set_max_row_bytes(reader, settings->row_max);
    reader_set_payload_lines(reader, settings->payload_lines);
    batch_init(&batch, &schema->taken);
    uint64_t at = 0, have = 0, piece = settings->piece ? settings->piece : text.len;
    while (at < text.len) {
        have = have ? have : piece;
        have = text.len - at < have ? text.len - at : have;
        char *copy = malloc(have);
        CHECK(copy);
        memcpy(copy, text.ptr + at, have);
        bool final = at + have == text.len;
        reader_parse(reader, slice_make(copy, have), final, result, &batch);
        dump_result(&batch, result, schema, settings->positions ? &at : NULL, out);
        free(copy);
        // Something must have happened, or more bytes must be able to make a difference.
        CHECK(result->consumed > 0 || !final);
        CHECK(settings->row_max == 0 || result->consumed > 0 || have <= settings->row_max);
        at += result->consumed;
        have = result->consumed ? 0 : have + piece;
    }
    batch_fini(&batch);
    reader_free(reader);
    free(result);
}

// Every way of reading must say the same. False: `out` holds the first difference.
static inline bool dump_all_ways(const struct dump_settings *settings,
                                 const struct dump_schema *schema, struct slice text,
                                 struct buf *out)
{
    struct buf first = {0}, other = {0};
    bool same = true;
    for (int way = 0; way < 6 && same; way++) {
        struct dump_settings variant = *settings;
        variant.options.no_fast_path = way & 1;
        variant.options.no_avx2 = way / 2 == 1;
        variant.options.no_simd = way / 2 == 2;
        variant.positions = true;
        if (way == 0) { // the plainest calls against those of the settings
            variant.piece = 0;
            variant.rows = 0;
        }
        struct buf *to = way == 0 ? &first : &other;
        buf_clear(to);
        dump_text(&variant, schema, text, to);
        same = way == 0 || slice_equal(buf_slice(&first), buf_slice(&other));
    }
    if (!same)
        buf_printf(out, "--- one way\n%s--- another\n%s", buf_str(&first), buf_str(&other));
    buf_fini(&first);
    buf_fini(&other);
    return same;
}

#endif
