// fuzz_json.c: no bytes may crash the JSON reader, and the fast way, the full way and the scalar
// scan say the same about them, in pieces and at once. The first byte chooses options, the second
// the size of the pieces.
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
        dump_schema_init(&schema, "id STRING, n INT, b BIGINT, d DOUBLE, t TIMESTAMP, l LTZ, "
                                  "day DATE, at TIME, ok BOOLEAN, -x STRING");
    format_options_default(FORMAT_JSON, &settings.options);
    settings.options.ignore_parse_errors = data[0] & 1;
    settings.options.json_fail_on_missing_field = data[0] & 2;
    settings.options.json_timestamp = data[0] & 4 ? FORMAT_TIMESTAMP_ISO : FORMAT_TIMESTAMP_SQL;
    settings.row_max = data[0] & 8 ? 30 : 0;
    settings.rows = data[0] & 16 ? 2 : 0;
    settings.payload_lines = data[0] & 32;
    settings.piece = data[1];
    if (!dump_all_ways(&settings, &schema, slice_make(data + 2, size - 2), &out)) {
        fprintf(stderr, "%s", buf_str(&out));
        CHECK(!"every way says the same");
    }
    return 0;
}
