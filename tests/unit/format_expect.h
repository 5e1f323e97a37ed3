// format_expect.h: what the tests of the JSON and the CSV reader compare with, on top of
// format_dump.h.
#ifndef WEIR_TESTS_UNIT_FORMAT_EXPECT_H
#define WEIR_TESTS_UNIT_FORMAT_EXPECT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/format_dump.h"

// Read `text` with the schema and compare the dump; then all other ways must agree.
static inline void expect_with(const struct dump_settings *settings, const char *columns,
                               struct slice text, const char *expected)
{
    struct dump_schema schema;
    struct buf out = {0};
    dump_schema_init(&schema, columns);
    dump_text(settings, &schema, text, &out);
    assert_string_equal(buf_str(&out), expected);
    for (uint64_t piece = 1; piece < text.len && piece < 200; piece = piece * 3 + 1) {
        struct dump_settings cut = *settings;
        cut.piece = piece;
        cut.rows = (uint32_t)(piece % 3 + 1);
        buf_clear(&out);
        if (!dump_all_ways(&cut, &schema, text, &out))
            fail_msg("piece %d:\n%s", (int)piece, buf_str(&out));
    }
    buf_fini(&out);
}

#endif
