// payload_dump.h: for the tests and fuzzers of core/format: read payloads one by one and write down
// what the reader said. Each is copied to memory of its exact size: a sanitizer sees a read too
// far.
#ifndef WEIR_TESTS_UNIT_PAYLOAD_DUMP_H
#define WEIR_TESTS_UNIT_PAYLOAD_DUMP_H

#include "tests/unit/format_dump.h"

struct payload_reader {
    struct reader *reader;
    struct batch batch;
    const struct dump_schema *schema;
    char *copies[BATCH_ROWS];
    uint32_t copy_count;
};

static inline void payload_open(struct payload_reader *out, const struct format_options *options,
                                const struct dump_schema *schema)
{
    *out = (struct payload_reader){.schema = schema};
    CHECK(reader_create(options, &schema->schema, schema->needed, &out->reader, NULL) == 0);
    batch_init(&out->batch, &schema->taken);
    reader_begin(out->reader, &out->batch);
}

// Add one payload (ptr NULL: a null one) to the batch; a bad one, or one of no row, to `out`.
static inline int payload_add(struct payload_reader *p, struct slice payload, struct buf *out)
{
    char reason[READER_REASON_BYTES] = "";
    struct slice copy = payload;
    uint32_t before = p->batch.count;
    if (payload.ptr) {
        CHECK(p->copy_count < BATCH_ROWS);
        p->copies[p->copy_count] = malloc(payload.len ? payload.len : 1);
        CHECK(p->copies[p->copy_count]);
        memcpy(p->copies[p->copy_count], payload.ptr, payload.len);
        copy.ptr = p->copies[p->copy_count++];
    }
    int rows = reader_parse_one(p->reader, copy, &p->batch, reason);
    CHECK(p->batch.count == before + (rows > 0 ? (uint32_t)rows : 0));
    CHECK((rows < 0) == (reason[0] != 0));
    if (rows < 0)
        buf_printf(out, "! %s\n", reason);
    if (rows == 0)
        buf_append_str(out, "nothing\n");
    return rows;
}

// The batch's rows as print shows them; then it is empty again.
static inline void payload_flush(struct payload_reader *p, struct buf *out)
{
    for (int i = 0; i < p->batch.column_count; i++) {
        bool all_present = p->batch.columns[i].all_present;
        column_summarize(&p->batch.columns[i], p->batch.count);
        CHECK(all_present == p->batch.columns[i].all_present);
    }
    for (uint32_t row = 0; row < p->batch.count; row++)
        writer_print_row(&p->batch, row, &p->schema->taken, out);
    for (uint32_t i = 0; i < p->copy_count; i++)
        free(p->copies[i]);
    p->copy_count = 0;
    reader_begin(p->reader, &p->batch);
}

static inline void payload_close(struct payload_reader *p)
{
    for (uint32_t i = 0; i < p->copy_count; i++)
        free(p->copies[i]);
    batch_fini(&p->batch);
    reader_free(p->reader);
}

#endif
