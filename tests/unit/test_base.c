// test_base.c: errors, buffers, pools, UTF-8, batches and row bytes.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/pool.h"
#include "core/base/utf8.h"
#include "core/row/row.h"

static void test_err_builds_a_sentence(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_set(&err, -22, "no column '%s'", "idd"), -22);
    assert_int_equal(err_prefix(&err, -22, "a.sql:3:7"), -22);
    assert_int_equal(err_append(&err, -22, "hint: did you mean '%s'?", "id"), -22);
    assert_string_equal(err.text, "a.sql:3:7: no column 'idd'\nhint: did you mean 'id'?");
    assert_int_equal(err_set(NULL, -5, "x"), -5);
}

static void test_err_suggests_only_what_is_close(void **state)
{
    (void)state;
    static const char *const names[] = {"connector", "path", "format"};
    assert_string_equal(err_suggest("conector", names, 3), "connector");
    assert_string_equal(err_suggest("FORMAT", names, 3), "format");
    const char *const from[] = {"FROM"};
    assert_string_equal(err_suggest("FORM", from, 1), "FROM"); // two letters swapped: one mistake
    assert_null(err_suggest("zzzz", names, 3));
}

static void test_buf_writes_json_strings(void **state)
{
    (void)state;
    struct buf buf = {0};
    buf_append_json_string(&buf, slice_make("a\"\n\x01\xff\xc3\xa9", 7));
    assert_string_equal(buf_str(&buf), "\"a\\\"\\n\\u0001\xEF\xBF\xBD\xc3\xa9\"");
    buf_fini(&buf);
}

static void test_pool_keeps_chunks_over_a_reset(void **state)
{
    (void)state;
    struct pool pool = {0};
    char *first = pool_strdup(&pool, "hello");
    assert_string_equal(first, "hello");
    assert_non_null(pool_alloc(&pool, 100000));
    pool_reset(&pool);
    assert_ptr_equal(pool_alloc(&pool, 16), first);
    assert_string_equal(pool_printf(&pool, "%d-%s", 7, "x"), "7-x");
    pool_fini(&pool);
}

static void test_utf8_refuses_what_unicode_refuses(void **state)
{
    (void)state;
    assert_true(utf8_valid("plain ascii text \xe2\x82\xac \xf0\x9f\x98\x80", 25));
    assert_false(utf8_valid("\xc0\xaf", 2));         // overlong
    assert_false(utf8_valid("\xed\xa0\x80", 3));     // surrogate
    assert_false(utf8_valid("\xf4\x90\x80\x80", 4)); // above U+10FFFF
    assert_false(utf8_valid("\xe2\x82", 2));         // cut off
    assert_int_equal(utf8_length("\xe2\x82\xac!", 4), 2);
    char out[4];
    assert_int_equal(utf8_encode(0x20AC, out), 3);
    assert_memory_equal(out, "\xe2\x82\xac", 3);
}

static struct schema two_fields(struct field *fields)
{
    fields[0] = (struct field){.name = "n", .type = type_of(TYPE_BIGINT)};
    fields[1] = (struct field){.name = "s", .type = type_of(TYPE_STRING)};
    return (struct schema){.fields = fields, .field_count = 2};
}

static void fill_rows(struct batch *batch)
{
    batch->count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        batch->columns[0].i64[i] = (int64_t)i - 1;
        batch->columns[1].str[i] = slice_of(i == 1 ? "" : "twelve bytes");
    }
    batch->columns[1].state[2] = VALUE_NULL;
    batch->columns[1].all_present = false;
    batch->has_kinds = true;
    batch->kinds[2] = ROW_DELETE;
}

static void test_row_survives_the_way_to_bytes_and_back(void **state)
{
    (void)state;
    struct field fields[2];
    struct schema schema = two_fields(fields);
    struct batch in, out;
    batch_init(&in, &schema);
    batch_init(&out, &schema);
    fill_rows(&in);
    uint32_t sizes[3];
    uint64_t bytes[16];
    row_sizes(&in, sizes);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(row_encode(&in, i, bytes), sizes[i]);
        out.count = 0;
        assert_int_equal(row_decode(bytes, sizes[i] - 1, &out), -EBADMSG);
        assert_int_equal(row_decode(bytes, sizes[i], &out), 0);
        assert_int_equal(out.columns[0].i64[0], (int64_t)i - 1);
        assert_int_equal(out.columns[1].state[0], in.columns[1].state[i]);
        if (i < 2)
            assert_true(slice_equal(out.columns[1].str[0], in.columns[1].str[i]));
        assert_int_equal(batch_kind(&out, 0), batch_kind(&in, i));
    }
    batch_fini(&in);
    batch_fini(&out);
}

static void test_row_decode_refuses_a_string_outside_the_row(void **state)
{
    (void)state;
    struct field fields[2];
    struct schema schema = two_fields(fields);
    struct batch batch;
    batch_init(&batch, &schema);
    fill_rows(&batch);
    uint64_t bytes[16];
    uint32_t size = row_encode(&batch, 0, bytes);
    bytes[3] = (uint64_t)size << 32 | 8; // the second field's slot: length beyond the end
    batch.count = 0;
    assert_int_equal(row_decode(bytes, size, &batch), -EBADMSG);
    batch_fini(&batch);
}

static void test_batch_compact_keeps_chosen_rows(void **state)
{
    (void)state;
    struct field fields[2];
    struct schema schema = two_fields(fields);
    struct batch batch;
    batch_init(&batch, &schema);
    fill_rows(&batch);
    const uint16_t rows[] = {0, 2};
    batch_compact(&batch, rows, 2);
    assert_int_equal(batch.count, 2);
    assert_int_equal(batch.columns[0].i64[1], 1);
    assert_int_equal(batch.columns[1].state[1], VALUE_NULL);
    assert_int_equal(batch_kind(&batch, 1), ROW_DELETE);
    batch_fini(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_builds_a_sentence),
        cmocka_unit_test(test_err_suggests_only_what_is_close),
        cmocka_unit_test(test_buf_writes_json_strings),
        cmocka_unit_test(test_pool_keeps_chunks_over_a_reset),
        cmocka_unit_test(test_utf8_refuses_what_unicode_refuses),
        cmocka_unit_test(test_row_survives_the_way_to_bytes_and_back),
        cmocka_unit_test(test_row_decode_refuses_a_string_outside_the_row),
        cmocka_unit_test(test_batch_compact_keeps_chosen_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
