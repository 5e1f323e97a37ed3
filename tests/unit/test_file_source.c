// test_file_source.c: every line of a file exactly once, however it is cut, aborted or taken over.
#include <errno.h>

#include "tests/unit/test_task_support.h"

static struct field fields[] = {
    {"n", {.kind = TYPE_BIGINT}},
    {"s", {.kind = TYPE_STRING}},
};

static void write_file(const struct bench *b, const char *name, const char *text, const char *mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void write_lines(const struct bench *b, const char *name, int from, int to)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = from; i < to; i++)
        fprintf(file, "{\"n\": %d, \"s\": \"%.*s\"}\n", i, i % 90,
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                "xxxxxxxx");
    assert_int_equal(fclose(file), 0);
}

static void start(struct bench *b, const char *format)
{
    bench_init(b, OP_SOURCE, fields, 2);
    bench_option(b, "connector", "filesystem");
    bench_option(b, "path", b->folder);
    bench_option(b, "format", format);
}

static struct source *open_source(struct bench *b)
{
    struct source *source;
    int rc = file_source_class.open(&b->context, &source, &b->err);
    if (rc < 0)
        fail_msg("%s", b->err.text);
    arena_commit(b->arena);
    return source;
}

static enum source_status poll(struct bench *b, struct source *source, struct batch *batch,
                               uint32_t rows)
{
    struct source_poll found;
    int rc = file_source_class.poll(source, batch, rows, &found, &b->err);
    if (rc < 0)
        fail_msg("%s", b->err.text);
    return found.status;
}

struct taken {
    int64_t rows, sum, bad;
};

// Read to the end; with `disturb`, abort and be replaced on the way.
static void take_all(struct bench *b, bool disturb, struct taken *taken)
{
    struct batch batch;
    uint64_t round = 0;
    batch_init(&batch, &b->table.physical);
    struct source *source = open_source(b);
    while (poll(b, source, &batch, disturb ? 97 : 1024) == SOURCE_ROWS) {
        uint32_t rows = disturb && round % 3 ? (batch.count + 1) / 2 : batch.count;
        assert_int_equal(file_source_class.advance(source, rows), 0);
        if (disturb && round++ % 5 == 1) {
            arena_abort(b->arena);
            file_source_class.reset(source);
            continue;
        }
        arena_commit(b->arena);
        taken->rows += rows;
        for (uint32_t i = 0; i < rows; i++)
            taken->sum += batch.columns[0].i64[i];
        for (int i = 0; i < source->bad_row_count; i++)
            taken->bad += rows == batch.count || source->bad_rows[i].rows_before < rows;
        if (rows < batch.count)
            file_source_class.reset(source);
        if (disturb && round % 11 == 0) {
            file_source_class.close(source);
            bench_reopen(b);
            source = open_source(b);
        }
    }
    file_source_class.close(source);
    batch_fini(&batch);
}

static void test_file_source_reads_a_folder_once(void **state)
{
    (void)state;
    for (int disturb = 0; disturb < 2; disturb++) {
        struct bench b;
        struct taken taken = {0};
        start(&b, "json");
        write_lines(&b, "b.json", 0, 5000);
        write_lines(&b, "a.json", 5000, 9000);
        write_file(&b, ".hidden", "no json\n", "w");
        write_file(&b, "empty", "", "w");
        take_all(&b, disturb, &taken);
        assert_int_equal(taken.rows, 9000);
        assert_int_equal(taken.sum, 9000LL * 8999 / 2);
        assert_int_equal(taken.bad, 0);
        bench_fini(&b);
    }
}

// One file of some 5 MiB, shared by subtasks in chunks.
static void test_file_source_shares_one_file(void **state)
{
    (void)state;
    enum { ROWS = 80000 };
    for (int parallelism = 1; parallelism <= 4; parallelism++) {
        struct taken taken = {0};
        int busy = 0;
        for (int subtask = 0; subtask < parallelism; subtask++) {
            struct bench b;
            int64_t before = taken.rows;
            start(&b, "json");
            write_lines(&b, "one.json", 0, ROWS);
            b.stage.parallelism = parallelism;
            b.context.subtask = subtask;
            take_all(&b, subtask % 2, &taken);
            busy += taken.rows > before;
            bench_fini(&b);
        }
        assert_int_equal(taken.rows, ROWS);
        assert_int_equal(taken.sum, (int64_t)ROWS * (ROWS - 1) / 2);
        assert_int_equal(busy, parallelism);
    }
}

static void test_file_source_reports_bad_rows(void **state)
{
    (void)state;
    for (int disturb = 0; disturb < 2; disturb++) {
        struct bench b;
        struct taken taken = {0};
        start(&b, "json");
        write_file(&b, "x",
                   "{\"n\":1,\"s\":\"a\"}\nnot json\n\n{\"n\":2,\"s\":\"b\"}\n{\"n\":", "w");
        take_all(&b, disturb, &taken);
        assert_int_equal(taken.rows, 2);
        assert_int_equal(taken.sum, 3);
        assert_int_equal(taken.bad, 2);
        bench_fini(&b);
    }
}

static void test_file_source_follows_growth(void **state)
{
    (void)state;
    struct bench b;
    struct batch batch;
    start(&b, "csv");
    bench_option(&b, "source.monitor-interval", "1ms");
    write_file(&b, "x.csv", "1,a\n2,", "w");
    batch_init(&batch, &b.table.physical);
    struct source *source = open_source(&b);
    assert_int_equal(poll(&b, source, &batch, 1024), SOURCE_ROWS);
    assert_int_equal(batch.count, 1);
    file_source_class.advance(source, 1);
    arena_commit(b.arena);
    assert_false(source->has_caught_up);
    assert_int_equal(poll(&b, source, &batch, 1024), SOURCE_IDLE);
    assert_true(source->has_caught_up);
    write_file(&b, "x.csv", "b\n", "a");
    write_file(&b, "y.csv", "3,c\n", "w");
    usleep(3000);
    int64_t sum = 0;
    while (poll(&b, source, &batch, 1024) == SOURCE_ROWS) {
        for (uint32_t i = 0; i < batch.count; i++)
            sum += batch.columns[0].i64[i];
        file_source_class.advance(source, batch.count);
        arena_commit(b.arena);
    }
    assert_int_equal(sum, 5);
    file_source_class.close(source);
    batch_fini(&batch);
    bench_fini(&b);
}

static void test_file_source_checks_before_start(void **state)
{
    (void)state;
    struct bench b;
    start(&b, "json");
    assert_int_equal(file_source_class.check(&b.table, &b.err), -ENOENT);
    assert_non_null(strstr(b.err.text, "no file matches"));
    b.options[1].value = "/nonexistent/file.json";
    assert_int_equal(file_source_class.check(&b.table, &b.err), -ENOENT);
    assert_non_null(strstr(b.err.text, "/nonexistent/file.json"));
    b.options[1].key = "pat";
    assert_int_equal(file_source_class.check(&b.table, &b.err), -EINVAL);
    assert_non_null(strstr(b.err.text, "needs 'path'"));
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_source_reads_a_folder_once),
        cmocka_unit_test(test_file_source_shares_one_file),
        cmocka_unit_test(test_file_source_reports_bad_rows),
        cmocka_unit_test(test_file_source_follows_growth),
        cmocka_unit_test(test_file_source_checks_before_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
