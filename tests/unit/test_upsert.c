// test_upsert.c: in front of a sink by key no -U comes past: dropped where the +U of its key
// follows, else a -D of its key.
#include "tests/unit/test_task_support.h"

static struct field fields[] = {
    {"v", {.kind = TYPE_DOUBLE}},
    {"id", {.kind = TYPE_STRING, .not_null = true}},
    {"n", {.kind = TYPE_BIGINT, .not_null = true}},
};

static char passed[512]; // "+I a1 -D b2 "

static int note_push(struct operator* op, struct batch *batch)
{
    (void)op;
    size_t used = strlen(passed);
    for (uint32_t i = 0; i < batch->count; i++)
        used +=
            (size_t)snprintf(passed + used, sizeof passed - used, "%s %.*s%lld ",
                             row_kind_name(batch_kind(batch, i)), (int)batch->columns[1].str[i].len,
                             batch->columns[1].str[i].ptr, (long long)batch->columns[2].i64[i]);
    return 0;
}

static int note_watermark(struct operator* op, int64_t watermark_ms)
{
    (void)op;
    snprintf(passed + strlen(passed), 32, "@%lld ", (long long)watermark_ms);
    return 0;
}

static const struct operator_class note_class = {
    .name = "note", .push = note_push, .watermark = note_watermark};

struct row {
    enum row_kind kind;
    const char *id;
    int64_t n;
};

static void push(struct bench *b, struct operator* op, const struct row *rows, uint32_t count,
                 bool has_kinds)
{
    struct batch batch;
    batch_init(&batch, &b->op.output);
    for (uint32_t i = 0; i < count; i++) {
        batch.kinds[i] = (uint8_t)rows[i].kind;
        batch.columns[1].str[i] = slice_of(rows[i].id);
        batch.columns[2].i64[i] = rows[i].n;
    }
    batch.count = count;
    batch.has_kinds = has_kinds;
    assert_int_equal(operator_push(op, &batch), 0);
    batch_fini(&batch);
}

static void expect(const struct row *rows, uint32_t count, bool has_kinds, const char *expected)
{
    static const int key[] = {2, 3};
    static const bool is_virtual[] = {false, true, false, false};
    struct bench b;
    struct operator next = {.class = &note_class};
    struct operator* op = NULL;
    bench_init(&b, OP_SINK, fields, 3);
    struct plan_table table = *b.op.table; // v, a virtual column, id, n; the key is id and n
    table.primary_key = key;
    table.primary_key_count = 2;
    table.is_virtual = is_virtual;
    b.op.table = &table;
    b.context.next = &next;
    assert_int_equal(upsert_class.open(&b.context, &op, &b.err), 0);
    passed[0] = '\0';
    push(&b, op, rows, count, has_kinds);
    assert_int_equal(operator_watermark(op, 7), 0);
    assert_string_equal(passed, expected);
    upsert_class.reset(op);
    upsert_class.close(op);
    bench_fini(&b);
}

static void test_upsert_lets_inserts_pass(void **state)
{
    (void)state;
    const struct row rows[] = {{ROW_DELETE, "a", 1}, {ROW_UPDATE_BEFORE, "b", 2}};
    expect(rows, 2, false, "+I a1 +I b2 @7 ");
    expect(rows, 0, true, "@7 ");
}

static void test_upsert_drops_what_a_row_was(void **state)
{
    (void)state;
    const struct row rows[] = {{ROW_INSERT, "a", 1},       {ROW_UPDATE_BEFORE, "a", 1},
                               {ROW_UPDATE_AFTER, "a", 1}, {ROW_UPDATE_BEFORE, "b", 2},
                               {ROW_UPDATE_AFTER, "b", 2}, {ROW_DELETE, "a", 1}};
    expect(rows, 6, true, "+I a1 +U a1 +U b2 -D a1 @7 ");
}

static void test_upsert_deletes_a_key_that_has_changed(void **state)
{
    (void)state;
    const struct row rows[] = {{ROW_UPDATE_BEFORE, "a", 1}, {ROW_UPDATE_AFTER, "a", 2},
                               {ROW_UPDATE_BEFORE, "b", 1}, {ROW_UPDATE_AFTER, "c", 1},
                               {ROW_UPDATE_BEFORE, "d", 1}, {ROW_INSERT, "d", 1},
                               {ROW_UPDATE_BEFORE, "e", 1}};
    expect(rows, 7, true, "-D a1 +U a2 -D b1 +U c1 -D d1 +I d1 -D e1 @7 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upsert_lets_inserts_pass),
        cmocka_unit_test(test_upsert_drops_what_a_row_was),
        cmocka_unit_test(test_upsert_deletes_a_key_that_has_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
