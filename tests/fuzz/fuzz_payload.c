// fuzz_payload.c: no bytes may crash a reader of payloads, a payload that is refused leaves the
// batch as it was, and what a payload without a line's end is does not depend on how it is read: by
// itself or as a line. Headers that were read from JSON are written as what is read again as the
// same.
//
// The first byte chooses the format and its options; byte 0xFE ends a payload.
#include <stddef.h>
#include <stdint.h>

#include "core/format/headers.h"
#include "tests/unit/payload_dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice next_payload(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *stop = memchr(*at, 0xFE, (size_t)(end - *at));
    stop = stop ? stop : end;
    struct slice payload = slice_make(*at, (size_t)(stop - *at));
    *at = stop < end ? stop + 1 : end;
    return payload;
}

// As a line: one row, one bad row or nothing, as by itself.
static void compare_with_line(const struct format_options *options,
                              const struct dump_schema *schema, struct slice payload)
{
    struct payload_reader p;
    struct buf one = {0}, line = {0};
    struct dump_settings settings = {.options = *options, .payload_lines = true};
    char *copy = malloc(payload.len + 1);
    CHECK(copy);
    memcpy(copy, payload.ptr, payload.len);
    copy[payload.len] = '\n';
    payload_open(&p, options, schema);
    int rows = payload_add(&p, payload, &one);
    if (rows == 0) // a comment: lines say nothing of it
        buf_clear(&one);
    payload_flush(&p, &one);
    payload_close(&p);
    dump_text(&settings, schema, slice_make(copy, payload.len + 1), &line);
    if (strcmp(buf_str(&one), buf_str(&line)) != 0) {
        fprintf(stderr, "alone: %s\nline: %s\n", buf_str(&one), buf_str(&line));
        CHECK(!"a payload is the same row however it is read");
    }
    free(copy);
    buf_fini(&one);
    buf_fini(&line);
}

static void read_headers(struct slice text)
{
    struct pool pool = {0};
    struct header *headers = NULL, *again = NULL;
    struct buf out = {0};
    int count = 0, again_count = 0;
    if (headers_parse(text, &pool, &headers, &count, NULL) == 0) {
        headers_format(headers, count, &out);
        CHECK(headers_parse(buf_slice(&out), &pool, &again, &again_count, NULL) == 0);
        CHECK(again_count == count);
        for (int i = 0; i < count; i++) // arrays bring equal names together: their order stays
            CHECK(slice_equal(headers[i].name, again[i].name) &&
                  slice_equal(headers[i].value, again[i].value) &&
                  headers[i].is_null == again[i].is_null);
    }
    buf_fini(&out);
    pool_fini(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dump_schema wide, single[4];
    static const char *const singles[] = {"s STRING", "n INT", "d DOUBLE", "b BOOLEAN"};
    struct format_options options;
    struct payload_reader p;
    struct buf out = {0};
    if (size < 1)
        return 0;
    if (!wide.schema.field_count) {
        dump_schema_init(&wide, "id INT, s STRING, t TIMESTAMP, -x STRING, d DOUBLE");
        for (size_t i = 0; i < ARRAY_SIZE(singles); i++)
            dump_schema_init(&single[i], singles[i]);
    }
    enum format_kind kind = (enum format_kind)(data[0] & 3);
    format_options_default(kind, &options);
    options.ignore_parse_errors = data[0] & 4;
    options.debezium_schema_include = data[0] & 8;
    options.csv_allow_comments = data[0] & 16;
    options.csv_escape = data[0] & 32 ? '\\' : -1;
    const struct dump_schema *schema = kind == FORMAT_RAW ? &single[data[0] >> 6] : &wide;
    payload_open(&p, &options, schema);
    const uint8_t *at = data + 1, *end = data + size;
    while (at < end && p.copy_count < 100) {
        struct slice payload = next_payload(&at, end);
        payload_add(&p, payload, &out);
        bool has_line_end = payload.len && memchr(payload.ptr, '\n', payload.len);
        if (reader_takes_lines(p.reader) && !has_line_end)
            compare_with_line(&options, schema, payload);
        read_headers(payload);
    }
    payload_flush(&p, &out);
    payload_close(&p);
    buf_fini(&out);
    return 0;
}
