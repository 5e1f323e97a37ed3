// fuzz_csv.c: no bytes may crash the CSV reader, and the quick scan, the scalar scan and the twin
// that goes byte by byte say the same about them, in pieces and at once. The first byte chooses
// options, the second the size of the pieces.
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/format_dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dump_schema schema;
    struct dump_settings settings = {0};
    struct buf out = {0};
    if (size < 2)
        return 0;
    if (!schema.schema.field_count)
        dump_schema_init(&schema, "n INT, s STRING, t TIMESTAMP, d DOUBLE, -x STRING, day DATE");
    format_options_default(FORMAT_CSV, &settings.options);
    settings.options.ignore_parse_errors = data[0] & 1;
    settings.options.csv_escape = data[0] & 2 ? '\\' : -1;
    settings.options.csv_quote = data[0] & 4 ? -1 : '"';
    settings.row_max = data[0] & 8 ? 30 : 0;
    settings.rows = data[0] & 16 ? 2 : 0;
    settings.options.csv_allow_comments = data[0] & 32;
    settings.options.csv_has_null_literal = data[0] & 64;
    settings.options.csv_delimiter = data[0] & 128 ? '\t' : ',';
    settings.piece = data[1] & 127;
    settings.payload_lines = data[1] & 128;
    if (!dump_all_ways(&settings, &schema, slice_make(data + 2, size - 2), &out)) {
        fprintf(stderr, "%s", buf_str(&out));
        CHECK(!"every way says the same");
    }
    return 0;
}
