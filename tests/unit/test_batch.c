// test_batch.c: columns: compaction, views, summaries.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/row/batch.h"

enum { ROWS = 10 };

// Columns: n BIGINT = 10 x row, NULL in every fourth; s STRING = the row's digit.
static void batch_make(struct batch *batch)
{
    static const char digits[] = "0123456789";
    struct field fields[] = {{.name = "n", .type = type_of(TYPE_BIGINT)},
                             {.name = "s", .type = type_of(TYPE_STRING)}};
    const struct schema schema = {.fields = fields, .field_count = 2};
    batch_init(batch, &schema);
    batch->count = ROWS;
    for (uint32_t row = 0; row < ROWS; row++) {
        batch->columns[0].i64[row] = row * 10;
        batch->columns[0].state[row] = row % 4 == 3 ? VALUE_NULL : VALUE_PRESENT;
        batch->columns[1].str[row] = slice_make(&digits[row], 1);
        batch->kinds[row] = (uint8_t)(row % 4);
    }
    batch->columns[0].all_present = false;
    batch->has_kinds = true;
}

static void assert_is_row(const struct batch *batch, uint32_t at, uint32_t row)
{
    assert_int_equal(batch->columns[0].i64[at], row * 10);
    assert_int_equal(batch->columns[0].state[at], row % 4 == 3 ? VALUE_NULL : VALUE_PRESENT);
    assert_int_equal(batch->columns[1].str[at].ptr[0], '0' + row);
    assert_int_equal(batch_kind(batch, at), row % 4);
}

static void test_batch_begins_empty_and_present(void **state)
{
    (void)state;
    struct field field = {.name = "x", .type = type_of(TYPE_STRING)};
    const struct schema schema = {.fields = &field, .field_count = 1};
    struct batch batch;
    batch_init(&batch, &schema);
    assert_int_equal(batch.count, 0);
    assert_false(batch.has_kinds);
    assert_true(batch.columns[0].all_present);
    for (uint32_t i = 0; i < BATCH_ROWS; i++) {
        assert_int_equal(batch.columns[0].state[i], VALUE_PRESENT);
        assert_int_equal(batch_kind(&batch, i), ROW_INSERT);
        batch.columns[0].str[i] = slice_of("all slots are there");
    }
    batch_fini(&batch);
    assert_null(batch.columns);
}

static void test_batch_compact_keeps_chosen_rows(void **state)
{
    (void)state;
    const uint16_t rows[] = {0, 3, 4, 9};
    struct batch batch;
    batch_make(&batch);
    batch_compact(&batch, rows, 4);
    assert_int_equal(batch.count, 4);
    for (uint32_t at = 0; at < 4; at++)
        assert_is_row(&batch, at, rows[at]);
    assert_false(batch.columns[0].all_present);
    batch_compact(&batch, NULL, 0);
    assert_int_equal(batch.count, 0);
    batch_fini(&batch);
}

static void test_batch_compact_notices_that_no_null_is_left(void **state)
{
    (void)state;
    const uint16_t rows[] = {1, 2, 8};
    struct batch batch;
    batch_make(&batch);
    batch_compact(&batch, rows, 3);
    assert_true(batch.columns[0].all_present);
    batch_fini(&batch);
}

static void test_batch_view_shows_the_same_rows(void **state)
{
    (void)state;
    struct column columns[2];
    struct batch batch;
    batch_make(&batch);
    struct batch view = batch_view(&batch, 2, 7, columns);
    assert_int_equal(view.count, 5);
    for (uint32_t at = 0; at < 5; at++)
        assert_is_row(&view, at, at + 2);
    view.columns[0].i64[0] = -1; // shared, not copied
    assert_int_equal(batch.columns[0].i64[2], -1);
    assert_int_equal(batch_view(&batch, ROWS, ROWS, columns).count, 0);
    batch_fini(&batch);
}

// Where rows came from goes with them.
static void test_batch_origin_follows_its_rows(void **state)
{
    (void)state;
    const uint16_t rows[] = {1, 5, 8};
    uint16_t origin[ROWS];
    struct column columns[2];
    struct batch batch;
    batch_make(&batch);
    for (uint16_t i = 0; i < ROWS; i++)
        origin[i] = (uint16_t)(100 + i);
    batch.origin = origin;
    batch_compact(&batch, rows, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(batch.origin[i], 100 + rows[i]);
    assert_int_equal(batch_view(&batch, 1, 3, columns).origin[0], 105);
    batch_fini(&batch);
}

static void test_batch_column_summarize_sees_only_its_rows(void **state)
{
    (void)state;
    struct batch batch;
    batch_make(&batch);
    struct column *column = &batch.columns[0];
    column_summarize(column, 3);
    assert_true(column->all_present);
    column_summarize(column, 4);
    assert_false(column->all_present);
    column->state[3] = VALUE_ERROR;
    column_summarize(column, 4);
    assert_false(column->all_present);
    column_summarize(column, 0);
    assert_true(column->all_present);
    batch_fini(&batch);
}

static void test_batch_kinds_have_flinks_names(void **state)
{
    (void)state;
    assert_string_equal(row_kind_name(ROW_INSERT), "+I");
    assert_string_equal(row_kind_name(ROW_UPDATE_BEFORE), "-U");
    assert_string_equal(row_kind_name(ROW_UPDATE_AFTER), "+U");
    assert_string_equal(row_kind_name(ROW_DELETE), "-D");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_begins_empty_and_present),
        cmocka_unit_test(test_batch_compact_keeps_chosen_rows),
        cmocka_unit_test(test_batch_compact_notices_that_no_null_is_left),
        cmocka_unit_test(test_batch_view_shows_the_same_rows),
        cmocka_unit_test(test_batch_origin_follows_its_rows),
        cmocka_unit_test(test_batch_column_summarize_sees_only_its_rows),
        cmocka_unit_test(test_batch_kinds_have_flinks_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
