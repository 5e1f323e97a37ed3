// test_journal.c: the journal against a plain model: random rows, aborts, processes that end and
// attach again, drops from the front; what it costs, and what is left of it.
#include <errno.h>

#include "tests/unit/test_state_support.h"

#include "stages/kafka/journal.h"

enum { BYTES = 64 << 20, LOG_BYTES = 1 << 20, PART_MAX = 70000 };

// Row n: everything about it follows from n.
static void row_of(uint64_t n, struct journal_row *row)
{
    static char bytes[3][PART_MAX];
    uint64_t h = hash_u64(n + 1);
    uint64_t lens[3] = {h % 20, h >> 8 & 127, n % 5 == 0 ? h >> 16 & 63 : 0};
    if (n % 97 == 0)
        lens[1] = 4000 + h % (PART_MAX - 4000);
    *row = (struct journal_row){.has_key = n % 3 != 0,
                                .is_tombstone = n % 7 == 0,
                                .partition = n % 11 == 0 ? (int32_t)(n % 100) : -1,
                                .topic = (uint32_t)(n % 65536),
                                .timestamp_ms = (int64_t)(h >> 20)};
    lens[0] = row->has_key ? lens[0] : 0;
    lens[1] = row->is_tombstone ? 0 : lens[1];
    for (int i = 0; i < 3; i++)
        memset(bytes[i], (int)((n + (uint64_t)i) % 251), lens[i]);
    row->key = slice_make(bytes[0], lens[0]);
    row->value = slice_make(bytes[1], lens[1]);
    row->headers = slice_make(bytes[2], lens[2]);
}

static int compose(struct buf *rows, const struct journal_row *row)
{
    struct journal_draft draft;
    journal_row_begin(rows, &draft);
    buf_append(rows, row->key.ptr, row->key.len);
    journal_row_key_done(rows, &draft);
    buf_append(rows, row->value.ptr, row->value.len);
    journal_row_value_done(rows, &draft);
    buf_append(rows, row->headers.ptr, row->headers.len);
    return journal_row_end(rows, &draft, row);
}

static void expect_row(const struct journal_row *row, uint64_t n, bool is_dead)
{
    struct journal_row want;
    row_of(n, &want);
    assert_true(slice_equal(row->key, want.key));
    assert_true(slice_equal(row->value, want.value));
    assert_true(slice_equal(row->headers, want.headers));
    assert_int_equal(row->has_key, want.has_key);
    assert_int_equal(row->is_tombstone, want.is_tombstone);
    assert_int_equal(row->is_dead, is_dead);
    assert_int_equal(row->partition, want.partition);
    assert_int_equal(row->topic, want.topic);
    assert_int_equal(row->timestamp_ms, want.timestamp_ms);
}

// A journal and what it should hold.
struct scene {
    void *memory;
    struct arena *a;
    uint64_t head;
    uint64_t first, next; // rows that must be there; earlier ones may be
    bool dead[1 << 16];
};

static const struct arena_options options = {.fingerprint = 7, .log_bytes = LOG_BYTES};

static void attach(struct scene *s)
{
    struct err err;
    assert_int_equal(arena_open(s->memory, BYTES, &options, &s->a, &err), 0);
    assert_int_equal(arena_root(s->a, 0, sizeof(struct journal_head), &s->head), 0);
}

static struct scene *start(void)
{
    struct scene *s = calloc(1, sizeof *s);
    struct err err;
    s->memory = test_memory(BYTES);
    assert_int_equal(arena_format(s->memory, BYTES, &options, &err), 0);
    attach(s);
    arena_commit(s->a);
    return s;
}

static void stop(struct scene *s)
{
    test_arena_sound(s->a);
    arena_close(s->a);
    free(s->memory);
    free(s);
}

static void expect_all(const struct scene *s, uint64_t from)
{
    struct journal_cursor cursor;
    struct journal_row row;
    journal_seek(s->a, s->head, from, &cursor);
    for (uint64_t n = from; n < s->next; n++) {
        assert_int_equal(cursor.row, n);
        assert_int_equal(journal_read(s->a, s->head, &cursor, &row), 1);
        expect_row(&row, n, s->dead[n % ARRAY_SIZE(s->dead)]);
    }
    assert_int_equal(journal_read(s->a, s->head, &cursor, &row), 0);
    const struct journal_head *h = arena_at(s->a, s->head);
    assert_int_equal(cursor.bytes, h->bytes);
}

static uint64_t append(struct scene *s, uint64_t count)
{
    struct buf rows = {0};
    struct journal_row row;
    for (uint64_t i = 0; i < count; i++) {
        row_of(s->next + i, &row);
        assert_int_equal(compose(&rows, &row), 0);
    }
    assert_int_equal(journal_append(s->a, s->head, &rows, count), 0);
    buf_fini(&rows);
    return count;
}

// One transaction of random work; it is committed, aborted, or left for the next process.
static void round_of(struct scene *s, uint64_t *rng)
{
    uint64_t appended = append(s, test_random(rng, 4) ? test_random(rng, 30) : 0);
    uint64_t first = s->first + test_random(rng, s->next - s->first + 1), buried = UINT64_MAX;
    if (test_random(rng, 3) == 0 && s->next > first) {
        struct journal_cursor cursor;
        buried = first + test_random(rng, s->next - first);
        journal_seek(s->a, s->head, buried, &cursor);
        journal_bury(s->a, s->head, &cursor);
    }
    journal_drop(s->a, s->head, first, (uint32_t)test_random(rng, 5));
    uint64_t fate = test_random(rng, 5);
    if (fate == 0) {
        arena_abort(s->a);
    } else if (fate == 1) {
        arena_close(s->a);
        attach(s);
    } else {
        arena_commit(s->a);
        for (uint64_t n = s->next; n < s->next + appended; n++)
            s->dead[n % ARRAY_SIZE(s->dead)] = false;
        s->next += appended;
        s->first = first;
        if (buried != UINT64_MAX)
            s->dead[buried % ARRAY_SIZE(s->dead)] = true;
    }
    assert_int_equal(journal_next(s->a, s->head), s->next);
    assert_true(journal_first(s->a, s->head) <= s->first);
}

static void test_journal_follows_a_model(void **state)
{
    (void)state;
    uint64_t rng = test_seed(__func__);
    struct scene *s = start();
    for (int round = 0; round < 600; round++) {
        round_of(s, &rng);
        if (round % 10 == 0)
            expect_all(s, s->first);
    }
    expect_all(s, journal_first(s->a, s->head));
    while (!journal_drop(s->a, s->head, s->next, 3))
        arena_commit(s->a);
    arena_commit(s->a);
    assert_int_equal(journal_first(s->a, s->head), s->next);
    assert_true(arena_used_bytes(s->a) < 256); // the head alone
    stop(s);
}

// A cursor that has read everything sees what comes later, also where everything was dropped.
static void test_journal_reads_on_at_the_end(void **state)
{
    (void)state;
    struct scene *s = start();
    struct journal_cursor cursor = {0};
    struct journal_row row;
    assert_int_equal(journal_read(s->a, s->head, &cursor, &row), 0);
    for (int i = 0; i < 50; i++) {
        s->next += append(s, 3);
        arena_commit(s->a);
        for (uint64_t n = s->next - 3; n < s->next; n++) {
            assert_int_equal(journal_read(s->a, s->head, &cursor, &row), 1);
            expect_row(&row, n, false);
        }
        assert_int_equal(journal_read(s->a, s->head, &cursor, &row), 0);
        if (i % 5 == 0) {
            assert_int_equal(journal_drop(s->a, s->head, s->next, 100), 1);
            arena_commit(s->a);
            journal_seek(s->a, s->head, s->next, &cursor);
        }
    }
    stop(s);
}

// Everything is dropped, a cursor is made, and it has never been.
static void test_journal_reads_on_after_an_abort(void **state)
{
    (void)state;
    struct scene *s = start();
    struct journal_cursor cursor;
    struct journal_row row;
    s->next += append(s, 10);
    arena_commit(s->a);
    assert_int_equal(journal_drop(s->a, s->head, s->next, 100), 1);
    journal_seek(s->a, s->head, s->next, &cursor);
    arena_abort(s->a);
    s->next += append(s, 1);
    assert_int_equal(journal_read(s->a, s->head, &cursor, &row), 1);
    expect_row(&row, 10, false);
    assert_int_equal(journal_read(s->a, s->head, &cursor, &row), 0);
    stop(s);
}

// Rows are not logged: neither many nor long ones. What a row costs is what the header says.
static void test_journal_costs_what_it_says(void **state)
{
    (void)state;
    enum { ROWS = 2000, VALUE = 104 };
    struct scene *s = start();
    struct buf rows = {0};
    char value[VALUE];
    memset(value, 'v', sizeof value);
    const struct journal_row row = {.value = slice_make(value, VALUE), .partition = -1};
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(compose(&rows, &row), 0);
    assert_int_equal(rows.len, ROWS * (32 + VALUE));
    uint64_t before = arena_used_bytes(s->a);
    assert_int_equal(journal_append(s->a, s->head, &rows, ROWS), 0);
    assert_true(arena_log(s->a).len < 4096);
    arena_commit(s->a);
    uint64_t used = arena_used_bytes(s->a) - before;
    assert_true(used >= rows.len && used < rows.len + 2 * (40 + 4096));
    buf_clear(&rows);
    buf_reserve(&rows, 20 << 20);
    struct journal_draft draft;
    journal_row_begin(&rows, &draft);
    memset(rows.data + rows.len, 'x', 10 << 20);
    rows.len += 10 << 20;
    journal_row_value_done(&rows, &draft);
    assert_int_equal(journal_row_end(&rows, &draft, &row), 0);
    assert_int_equal(journal_append(s->a, s->head, &rows, 1), 0);
    assert_true(arena_log(s->a).len < 4096);
    buf_fini(&rows);
    stop(s);
}

// No room: -ENOSPC, and after the abort everything is as it was.
static void test_journal_that_is_full(void **state)
{
    (void)state;
    struct scene *s = start();
    struct buf rows = {0};
    struct journal_row row;
    s->next += append(s, 100);
    arena_commit(s->a);
    row_of(97, &row);
    uint64_t count = 0;
    for (; rows.len <= BYTES; count++)
        assert_int_equal(compose(&rows, &row), 0);
    assert_int_equal(journal_append(s->a, s->head, &rows, count), -ENOSPC);
    arena_abort(s->a);
    expect_all(s, 0);
    buf_fini(&rows);
    stop(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_follows_a_model),
        cmocka_unit_test(test_journal_reads_on_at_the_end),
        cmocka_unit_test(test_journal_reads_on_after_an_abort),
        cmocka_unit_test(test_journal_costs_what_it_says),
        cmocka_unit_test(test_journal_that_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
