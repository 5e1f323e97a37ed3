// test_row.c: row bytes there and back, equal rows as equal bytes, and what is refused on the way
// back.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/row/row.h"

// More than 64 fields: two words of null bitmap.
enum { FIELDS = 70, STRING_EVERY = 3, ROWS = 20, TEXT_MAX_BYTES = 40 };

static struct field fields[FIELDS];
static const struct schema schema = {.fields = fields, .field_count = FIELDS};
static char text[TEXT_MAX_BYTES];

static int setup(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < FIELDS; i++)
        fields[i].type = type_of(i % STRING_EVERY == 0 ? TYPE_STRING : TYPE_BIGINT);
    for (int i = 0; i < TEXT_MAX_BYTES; i++)
        text[i] = (char)rand();
    return 0;
}

static uint64_t random_bits(void)
{
    return (uint64_t)rand() << 62 | (uint64_t)rand() << 31 | (uint64_t)rand();
}

static void fill(struct batch *batch)
{
    batch->count = ROWS;
    batch->has_kinds = true;
    for (uint32_t row = 0; row < ROWS; row++) {
        batch->kinds[row] = (uint8_t)(rand() % 4);
        for (int c = 0; c < FIELDS; c++) {
            struct column *column = &batch->columns[c];
            column->state[row] = (uint8_t)(rand() % 3); // present, NULL or an error
            if (column->kind == TYPE_STRING)
                column->str[row] = slice_make(text, (size_t)rand() % (TEXT_MAX_BYTES + 1));
            else
                column->i64[row] = (int64_t)random_bits();
        }
    }
}

static void assert_row_equal(const struct batch *in, uint32_t row, const struct batch *out)
{
    assert_int_equal(batch_kind(out, 0), batch_kind(in, row));
    for (int c = 0; c < FIELDS; c++) {
        const struct column *a = &in->columns[c], *b = &out->columns[c];
        bool present = a->state[row] == VALUE_PRESENT;
        assert_int_equal(b->state[0], present ? VALUE_PRESENT : VALUE_NULL);
        if (present && a->kind == TYPE_STRING)
            assert_true(slice_equal(a->str[row], b->str[0]));
        else if (present)
            assert_true(a->i64[row] == b->i64[0]);
    }
}

static void test_row_survives_the_way_to_bytes_and_back(void **state)
{
    (void)state;
    struct batch in, out;
    uint32_t sizes[ROWS];
    batch_init(&in, &schema);
    batch_init(&out, &schema);
    fill(&in);
    row_sizes(&in, sizes);
    for (uint32_t row = 0; row < ROWS; row++) {
        void *bytes = malloc(sizes[row]); // of its exact size: AddressSanitizer looks on
        assert_int_equal(row_encode(&in, row, bytes), sizes[row]);
        assert_int_equal(sizes[row] % 8, 0);
        out.count = 0;
        assert_int_equal(row_decode(bytes, sizes[row], &out), 0);
        assert_int_equal(out.count, 1);
        assert_row_equal(&in, row, &out);
        row_decode_done(&out);
        for (int c = 0; c < FIELDS; c++)
            assert_int_equal(out.columns[c].all_present, out.columns[c].state[0] == 0);
        free(bytes);
    }
    batch_fini(&in);
    batch_fini(&out);
}

// What lies in the memory before, in the slots of NULLs and behind the strings does not show.
static void test_row_equal_rows_are_equal_bytes(void **state)
{
    (void)state;
    static uint64_t first[1024], second[1024];
    struct batch batch;
    batch_init(&batch, &schema);
    fill(&batch);
    for (uint32_t row = 0; row < ROWS; row++) {
        memset(first, 0xff, sizeof(first));
        memset(second, 0x55, sizeof(second));
        uint32_t size = row_encode(&batch, row, first);
        assert_true(size <= sizeof(first));
        for (int c = 0; c < FIELDS; c++)
            if (batch.columns[c].state[row] != VALUE_PRESENT && c % STRING_EVERY)
                batch.columns[c].i64[row] = (int64_t)random_bits();
        assert_int_equal(row_encode(&batch, row, second), size);
        assert_memory_equal(first, second, size);
    }
    batch_fini(&batch);
}

static void test_row_decode_refuses_what_is_cut(void **state)
{
    (void)state;
    static uint64_t bytes[1024];
    struct batch in, out;
    batch_init(&in, &schema);
    batch_init(&out, &schema);
    fill(&in);
    uint32_t size = row_encode(&in, 0, bytes);
    for (uint32_t available = 0; available < size; available++)
        assert_int_equal(row_decode(bytes, available, &out), -EBADMSG);
    assert_int_equal(row_decode(bytes, size, &out), 0);
    out.count = BATCH_ROWS;
    assert_int_equal(row_decode(bytes, size, &out), -EBADMSG); // no room
    batch_fini(&in);
    batch_fini(&out);
}

static void test_row_decode_refuses_a_wrong_header_or_string(void **state)
{
    (void)state;
    static uint64_t bytes[1024];
    struct batch in, out;
    batch_init(&in, &schema);
    batch_init(&out, &schema);
    fill(&in);
    in.columns[0].state[0] = VALUE_PRESENT;
    uint32_t size = row_encode(&in, 0, bytes);
    uint64_t *slot = bytes + 3; // header, two words of null bitmap
    const struct {
        uint64_t *word;
        uint64_t value;
    } wrong[] = {
        {bytes, (uint64_t)4 << 32 | size},                      // a fifth kind
        {bytes, (uint64_t)(row_fixed_bytes(FIELDS) - 8)},       // shorter than its fields
        {bytes, (uint64_t)size - 4},                            // not a multiple of 8
        {slot, (uint64_t)size << 32 | row_fixed_bytes(FIELDS)}, // a string that is too long
        {slot, (uint64_t)1 << 32 | size},                       // that begins at the row's end
        {slot, UINT64_MAX},                                     // offset and length wrap around
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t right = *wrong[i].word;
        *wrong[i].word = wrong[i].value;
        out.count = 0;
        assert_int_equal(row_decode(bytes, size, &out), -EBADMSG);
        assert_int_equal(out.count, 0);
        *wrong[i].word = right;
    }
    assert_int_equal(row_decode(bytes, size, &out), 0);
    batch_fini(&in);
    batch_fini(&out);
}

// Bytes that another process got wrong are refused or read within the row, never beyond it.
static void test_row_decode_stays_in_the_row_whatever_it_says(void **state)
{
    (void)state;
    struct batch in, out;
    uint32_t sizes[ROWS];
    batch_init(&in, &schema);
    batch_init(&out, &schema);
    fill(&in);
    row_sizes(&in, sizes);
    for (int round = 0; round < 20000; round++) {
        uint32_t row = (uint32_t)rand() % ROWS;
        unsigned char *bytes = malloc(sizes[row]);
        row_encode(&in, row, bytes);
        for (int flips = rand() % 4; flips >= 0; flips--)
            bytes[(uint32_t)rand() % sizes[row]] ^= (unsigned char)(1 << rand() % 8);
        out.count = 0;
        if (row_decode(bytes, sizes[row], &out) == 0)
            for (int c = 0; c < FIELDS; c += STRING_EVERY)
                for (uint64_t i = 0; i < out.columns[c].str[0].len; i++)
                    assert_in_range((uintptr_t)&out.columns[c].str[0].ptr[i], (uintptr_t)bytes,
                                    (uintptr_t)bytes + sizes[row] - 1);
        free(bytes);
    }
    batch_fini(&in);
    batch_fini(&out);
}

static void test_row_sizes_saturate(void **state)
{
    (void)state;
    struct batch batch;
    uint32_t size;
    batch_init(&batch, &schema);
    batch.count = 1;
    batch.columns[0].str[0] = slice_make(text, 0x7fffffff); // only measured, never read
    row_sizes(&batch, &size);
    assert_int_equal(size, row_fixed_bytes(FIELDS) + 0x80000000u);
    batch.columns[3].str[0] = slice_make(text, 0x80000000u);
    row_sizes(&batch, &size);
    assert_int_equal(size, UINT32_MAX);
    batch_fini(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_survives_the_way_to_bytes_and_back),
        cmocka_unit_test(test_row_equal_rows_are_equal_bytes),
        cmocka_unit_test(test_row_decode_refuses_what_is_cut),
        cmocka_unit_test(test_row_decode_refuses_a_wrong_header_or_string),
        cmocka_unit_test(test_row_decode_stays_in_the_row_whatever_it_says),
        cmocka_unit_test(test_row_sizes_saturate),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
