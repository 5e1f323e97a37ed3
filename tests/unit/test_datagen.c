// test_datagen.c: rows are a function of seed and row number, whoever makes them.
#include "tests/unit/test_task_support.h"

static struct field fields[] = {
    {"id", {.kind = TYPE_STRING}},
    {"n", {.kind = TYPE_BIGINT}},
    {"at", {.kind = TYPE_TIMESTAMP, .precision = 3}},
};

static void person_options(struct bench *b, const char *rows)
{
    bench_option(b, "connector", "datagen");
    bench_option(b, "rows-per-second", "0");
    bench_option(b, "number-of-rows", rows);
    bench_option(b, "seed", "42");
    bench_option(b, "fields.id.pattern", "d%07d");
    bench_option(b, "fields.id.max", "1999999");
    bench_option(b, "fields.n.min", "1");
    bench_option(b, "fields.n.max", "100");
    bench_option(b, "fields.n.zipf", "1.1");
    bench_option(b, "fields.at.start", "2024-01-01 00:00:00");
    bench_option(b, "fields.at.rows-per-second", "100");
    bench_option(b, "fields.at.jitter", "4s");
}

static struct source *open_source(struct bench *b)
{
    struct source *source;
    int rc = datagen_class.open(&b->context, &source, &b->err);
    if (rc < 0)
        fail_msg("%s", b->err.text);
    arena_commit(b->arena);
    return source;
}

static enum source_status poll(struct bench *b, struct source *source, struct batch *batch,
                               uint32_t rows)
{
    struct source_poll found;
    assert_int_equal(datagen_class.poll(source, batch, rows, &found, &b->err), 0);
    return found.status;
}

static void test_datagen_values(void **state)
{
    (void)state;
    struct bench b;
    struct batch batch;
    bench_init(&b, OP_SOURCE, fields, 3);
    person_options(&b, "1000");
    batch_init(&batch, &b.table.physical);
    struct source *source = open_source(&b);
    assert_int_equal(poll(&b, source, &batch, 4096), SOURCE_ROWS);
    assert_int_equal(batch.count, 1000);
    int ones = 0, hundreds = 0;
    for (uint32_t i = 0; i < batch.count; i++) {
        int64_t due = INT64_C(1704067200000) + i * 10;
        assert_int_equal(batch.columns[0].str[i].len, 8);
        assert_int_equal(batch.columns[0].str[i].ptr[0], 'd');
        assert_true(batch.columns[1].i64[i] >= 1 && batch.columns[1].i64[i] <= 100);
        assert_true(batch.columns[2].i64[i] <= due && batch.columns[2].i64[i] >= due - 4000);
        ones += batch.columns[1].i64[i] == 1;
        hundreds += batch.columns[1].i64[i] == 100;
    }
    assert_true(ones > 100 && hundreds < 30);
    assert_int_equal(poll(&b, source, &batch, 10), SOURCE_END);
    datagen_class.close(source);
    batch_fini(&batch);
    bench_fini(&b);
}

// The texts of a sequence from `start` on, by a pattern of `width`, are what printf makes of them.
static void check_pattern(int64_t start, int64_t end, int width)
{
    struct bench b;
    struct batch batch;
    char pattern[32], from[32], to[32], wanted[64];
    snprintf(pattern, sizeof pattern, width ? "<%%0%dd>!" : "<%%d>!", width); // NOLINT: both fit
    snprintf(from, sizeof from, "%lld", (long long)start);
    snprintf(to, sizeof to, "%lld", (long long)end);
    bench_init(&b, OP_SOURCE, fields, 1);
    bench_option(&b, "connector", "datagen");
    bench_option(&b, "rows-per-second", "0");
    bench_option(&b, "fields.id.kind", "sequence");
    bench_option(&b, "fields.id.start", from);
    bench_option(&b, "fields.id.end", to);
    bench_option(&b, "fields.id.pattern", pattern);
    batch_init(&batch, &b.table.physical);
    struct source *source = open_source(&b);
    assert_int_equal(poll(&b, source, &batch, 4096), SOURCE_ROWS);
    assert_int_equal(batch.count, end - start + 1);
    for (uint32_t i = 0; i < batch.count; i++) {
        long long number = start + i;
        snprintf(wanted, sizeof wanted, "<%s%0*lld>!", number < 0 ? "-" : "", width,
                 number < 0 ? -number : number);
        struct slice text = batch.columns[0].str[i];
        assert_int_equal(text.len, strlen(wanted));
        assert_memory_equal(text.ptr, wanted, text.len);
    }
    datagen_class.close(source);
    batch_fini(&batch);
    bench_fini(&b);
}

static void test_datagen_patterns(void **state)
{
    (void)state;
    check_pattern(-120, 120, 2);
    check_pattern(-12, 12, 0);
    check_pattern(990, 1010, 3);
    check_pattern(INT64_MAX - 20, INT64_MAX - 1, 0);
    check_pattern(999999999999999990, 1000000000000000010, 18);
}

// What the report of a checkpoint says: the committed position, not the private one.
static void test_datagen_describes_its_position(void **state)
{
    (void)state;
    static const char want[] =
        "\"source\":{\"table\":\"t\",\"connector\":\"datagen\",\"offset\":14,"
        "\"rows\":6,\"has_ended\":false,\"next\":{\"n\":113}}";
    struct bench b;
    struct batch batch;
    struct buf text = {0};
    bench_init(&b, OP_SOURCE, fields, 2);
    b.stage.parallelism = 2;
    b.context.subtask = 1;
    bench_option(&b, "connector", "datagen");
    bench_option(&b, "rows-per-second", "0");
    bench_option(&b, "fields.n.kind", "sequence");
    bench_option(&b, "fields.n.start", "100");
    bench_option(&b, "fields.n.end", "200");
    batch_init(&batch, &b.table.physical);
    struct source *source = open_source(&b);
    assert_int_equal(poll(&b, source, &batch, 10), SOURCE_ROWS);
    datagen_class.advance(source, 6);
    arena_commit(b.arena);
    datagen_class.describe(source, &text);
    assert_string_equal(buf_str(&text), want);
    datagen_class.close(source);
    batch_fini(&batch);
    buf_fini(&text);
    bench_fini(&b);
}

// Take rows with aborts and takeovers; `sum` is of all columns of committed rows.
static uint64_t take_all(struct bench *b, bool disturb)
{
    struct batch batch;
    uint64_t sum = 0, round = 0;
    batch_init(&batch, &b->table.physical);
    struct source *source = open_source(b);
    while (poll(b, source, &batch, 97) == SOURCE_ROWS) {
        uint32_t rows = disturb && round % 3 ? batch.count / 2 + 1 : batch.count;
        datagen_class.advance(source, rows);
        if (disturb && round++ % 5 == 1) {
            arena_abort(b->arena);
            datagen_class.reset(source);
            continue;
        }
        arena_commit(b->arena);
        for (uint32_t i = 0; i < rows; i++)
            sum += (uint64_t)batch.columns[1].i64[i] * 31 + (uint64_t)batch.columns[2].i64[i] +
                   (uint64_t)batch.columns[0].str[i].ptr[7];
        if (rows < batch.count)
            datagen_class.reset(source);
        if (disturb && round % 7 == 0) {
            datagen_class.close(source);
            bench_reopen(b);
            source = open_source(b);
        }
    }
    datagen_class.close(source);
    batch_fini(&batch);
    return sum;
}

static uint64_t sum_of(int parallelism, bool disturb)
{
    uint64_t sum = 0;
    for (int subtask = 0; subtask < parallelism; subtask++) {
        struct bench b;
        bench_init(&b, OP_SOURCE, fields, 3);
        person_options(&b, "5001");
        b.stage.parallelism = parallelism;
        b.context.subtask = subtask;
        sum += take_all(&b, disturb);
        bench_fini(&b);
    }
    return sum;
}

static void test_datagen_position_is_exact(void **state)
{
    (void)state;
    uint64_t sum = sum_of(1, false);
    assert_int_equal(sum_of(1, true), sum);
    assert_int_equal(sum_of(3, false), sum);
    assert_int_equal(sum_of(2, true), sum);
}

static void expect_refused(const char *key, const char *value, const char *text)
{
    struct bench b;
    bench_init(&b, OP_SOURCE, fields, 3);
    bench_option(&b, key, value);
    assert_true(datagen_class.check(&b.table, &b.err) < 0);
    if (!strstr(b.err.text, text))
        fail_msg("'%s' is not in: %s", text, b.err.text);
    bench_fini(&b);
}

static void test_datagen_refuses_wrong_options(void **state)
{
    (void)state;
    expect_refused("row-per-second", "1", "did you mean 'rows-per-second'");
    expect_refused("fields.x.min", "1", "names no column");
    expect_refused("fields.n.mim", "1", "did you mean 'min'");
    expect_refused("fields.n.min", "one", "not a whole number");
    expect_refused("fields.n.kind", "odd", "'random', 'sequence' or 'due'");
    expect_refused("fields.id.pattern", "abc", "%d");
    expect_refused("fields.at.jitter", "4 parsecs", "jitter");
    expect_refused("number-of-rows", "-4", "0 or more");
}

// Doubles over their range, random text of fixed and of varying length, a share of NULLs.
static void test_datagen_random_values(void **state)
{
    (void)state;
    static struct field mixed[] = {
        {"x", {.kind = TYPE_DOUBLE}},
        {"fixed", {.kind = TYPE_STRING, .length = 7}},
        {"varying", {.kind = TYPE_STRING}},
    };
    struct bench b;
    struct batch batch;
    bench_init(&b, OP_SOURCE, mixed, 3);
    bench_option(&b, "rows-per-second", "0");
    bench_option(&b, "number-of-rows", "1000");
    bench_option(&b, "seed", "3");
    bench_option(&b, "fields.x.min", "-2.5");
    bench_option(&b, "fields.x.max", "7.5");
    bench_option(&b, "fields.x.null-rate", "0.25");
    bench_option(&b, "fields.varying.length", "9");
    bench_option(&b, "fields.varying.var-len", "true");
    batch_init(&batch, &b.table.physical);
    struct source *source = open_source(&b);
    assert_int_equal(poll(&b, source, &batch, 4096), SOURCE_ROWS);
    uint32_t nulls = 0, lengths[10] = {0};
    double low = 8, high = -3;
    for (uint32_t i = 0; i < batch.count; i++) {
        double x = batch.columns[0].f64[i];
        nulls += batch.columns[0].state[i] == VALUE_NULL;
        low = x < low ? x : low;
        high = x > high ? x : high;
        assert_int_equal(batch.columns[1].str[i].len, 7);
        assert_in_range(batch.columns[2].str[i].len, 1, 9);
        lengths[batch.columns[2].str[i].len]++;
    }
    assert_true(low >= -2.5 && low < -2 && high < 7.5 && high > 7);
    assert_in_range(nulls, 200, 300);
    assert_false(batch.columns[0].all_present);
    assert_true(batch.columns[1].all_present);
    for (int len = 1; len <= 9; len++)
        assert_in_range(lengths[len], 60, 165);
    assert_false(slice_equal(batch.columns[1].str[0], batch.columns[1].str[1]));
    datagen_class.close(source);
    batch_fini(&batch);
    bench_fini(&b);
}

static void test_datagen_refuses_an_empty_range_of_doubles(void **state)
{
    (void)state;
    static struct field one[] = {{"x", {.kind = TYPE_DOUBLE}}};
    struct bench b;
    bench_init(&b, OP_SOURCE, one, 1);
    bench_option(&b, "fields.x.min", "2");
    bench_option(&b, "fields.x.max", "1.5");
    assert_true(datagen_class.check(&b.table, &b.err) < 0);
    assert_non_null(strstr(b.err.text, "fields.x.min"));
    assert_non_null(strstr(b.err.text, "at most 'max'"));
    bench_fini(&b);
}

static int64_t due_now_ns;

static int64_t fake_realtime_ns(struct env *env)
{
    (void)env;
    return due_now_ns;
}

static int64_t fake_realtime_ms(struct env *env)
{
    return fake_realtime_ns(env) / 1000000;
}

static int64_t fake_monotonic_ns(struct env *env)
{
    return fake_realtime_ns(env) - INT64_C(1600000000000000000);
}

static struct field due_fields[] = {
    {"due", {.kind = TYPE_BIGINT}},
    {"at", {.kind = TYPE_TIMESTAMP, .precision = 3}},
};

static void start_due(struct bench *b, struct env *env)
{
    *env = (struct env){.realtime_ms = fake_realtime_ms,
                        .realtime_ns = fake_realtime_ns,
                        .monotonic_ns = fake_monotonic_ns};
    due_now_ns = INT64_C(1700000000000000000);
    bench_init(b, OP_SOURCE, due_fields, 2);
    b->context.env = env;
    bench_option(b, "connector", "datagen");
    bench_option(b, "rows-per-second", "100000"); // each 10 us
    bench_option(b, "fields.due.kind", "due");
    bench_option(b, "fields.at.kind", "due");
}

// Rows come when they are due, say so, and are late, not left out, after a pause or a death.
static void test_datagen_rows_are_due_by_the_rate(void **state)
{
    (void)state;
    struct bench b;
    struct env env;
    struct batch batch;
    start_due(&b, &env);
    const int64_t start = due_now_ns;
    batch_init(&batch, &b.table.physical);
    struct source *source = open_source(&b);
    assert_int_equal(poll(&b, source, &batch, 100), SOURCE_ROWS);
    assert_int_equal(batch.count, 1); // the first is due at once
    assert_int_equal(batch.columns[0].i64[0], start);
    assert_int_equal(batch.columns[1].i64[0], start / 1000000);
    datagen_class.advance(source, 1);
    due_now_ns += 9000;
    struct source_poll found;
    assert_int_equal(datagen_class.poll(source, &batch, 100, &found, &b.err), 0);
    assert_int_equal(found.status, SOURCE_IDLE);
    assert_in_range(found.retry_ns, 1000, 1001);
    due_now_ns = start + 35000; // three more, and half of a step
    assert_int_equal(poll(&b, source, &batch, 100), SOURCE_ROWS);
    assert_int_equal(batch.count, 3);
    assert_int_equal(batch.columns[0].i64[2], start + 30000);
    datagen_class.advance(source, 3);
    arena_commit(b.arena);
    datagen_class.close(source);
    due_now_ns = start + 1000000; // dead for a while: 97 rows have become due
    source = open_source(&b);
    assert_int_equal(poll(&b, source, &batch, 1000), SOURCE_ROWS);
    assert_int_equal(batch.count, 97);
    assert_int_equal(batch.columns[0].i64[0], start + 40000);
    datagen_class.close(source);
    b.context.is_restored = true; // from a checkpoint: the schedule begins with the next row
    due_now_ns = start + 5000000;
    source = open_source(&b);
    assert_int_equal(poll(&b, source, &batch, 1000), SOURCE_ROWS);
    assert_int_equal(batch.count, 1);
    assert_int_equal(batch.columns[0].i64[0], due_now_ns);
    datagen_class.close(source);
    batch_fini(&batch);
    bench_fini(&b);
}

static void test_datagen_refuses_due_of_a_text(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, OP_SOURCE, fields, 1);
    bench_option(&b, "fields.id.kind", "due");
    assert_true(datagen_class.check(&b.table, &b.err) < 0);
    assert_non_null(strstr(b.err.text, "of a BIGINT or TIMESTAMP column"));
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_datagen_values),
        cmocka_unit_test(test_datagen_random_values),
        cmocka_unit_test(test_datagen_refuses_an_empty_range_of_doubles),
        cmocka_unit_test(test_datagen_patterns),
        cmocka_unit_test(test_datagen_describes_its_position),
        cmocka_unit_test(test_datagen_position_is_exact),
        cmocka_unit_test(test_datagen_rows_are_due_by_the_rate),
        cmocka_unit_test(test_datagen_refuses_due_of_a_text),
        cmocka_unit_test(test_datagen_refuses_wrong_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
