// test_file_source.c: every line of a file exactly once, however it is cut, aborted or taken over.
#include <errno.h>
#include <stddef.h>
#include <time.h>

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

// What the report of a checkpoint says: the committed offset in the file that was read last.
static void test_file_source_describes_its_position(void **state)
{
    (void)state;
    struct bench b;
    struct batch batch;
    struct buf text = {0};
    char want[256];
    start(&b, "json");
    write_file(&b, "a", "{\"n\":1}\n{\"n\":2}\n", "w");
    write_file(&b, "b", "{\"n\":3}\n{\"n\":4}\n", "w");
    batch_init(&batch, &b.table.physical);
    struct source *source = open_source(&b);
    assert_int_equal(poll(&b, source, &batch, 100), SOURCE_ROWS);
    assert_int_equal(file_source_class.advance(source, 2), 0);
    arena_commit(b.arena);
    assert_int_equal(poll(&b, source, &batch, 100), SOURCE_ROWS);
    assert_int_equal(file_source_class.advance(source, 1), 0);
    arena_commit(b.arena);
    file_source_class.describe(source, &text);
    snprintf(
        want, sizeof want,
        "\"source\":{\"table\":\"t\",\"connector\":\"filesystem\",\"files\":2,\"path\":\"%s/b\","
        "\"offset\":8,\"bytes\":24}",
        b.folder);
    assert_string_equal(buf_str(&text), want);
    file_source_class.close(source);
    batch_fini(&batch);
    buf_fini(&text);
    bench_fini(&b);
}

static void fail_note(void *context, const char *text)
{
    (void)context;
    fail_msg("noted: %s", text);
}

// The second subtask's first chunk begins behind the end: that is not a file that was cut.
static void test_file_source_has_nothing_to_say_of_a_small_shared_file(void **state)
{
    (void)state;
    struct taken taken = {0};
    for (int subtask = 0; subtask < 2; subtask++) {
        struct bench b;
        start(&b, "json");
        write_lines(&b, "one.json", 0, 100);
        b.stage.parallelism = 2;
        b.context.subtask = subtask;
        b.context.note = fail_note;
        take_all(&b, 0, &taken);
        assert_int_equal(taken.rows, 100);
        bench_fini(&b);
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

// --- followed folders ---

struct follower {
    struct bench bench;
    struct batch batch;
    struct source *source;
    int written, names; // rows; names that rotated files have got
    int *seen;          // one a row
    unsigned seed;
    int notes;
};

enum { FOLLOW_ROWS = 4000 };

static void count_note(void *context, const char *text)
{
    struct follower *f = (struct follower *)((char *)context - offsetof(struct follower, bench));
    assert_non_null(strstr(text, "read from its begin again"));
    f->notes++;
}

static void follow_start(struct follower *f, unsigned seed)
{
    *f = (struct follower){.seed = seed, .seen = calloc(FOLLOW_ROWS, sizeof(int))};
    assert_non_null(f->seen);
    start(&f->bench, "json");
    bench_option(&f->bench, "source.monitor-interval", "1ms");
    f->bench.context.note = count_note;
    batch_init(&f->batch, &f->bench.table.physical);
    f->source = open_source(&f->bench);
}

static void follow_end(struct follower *f)
{
    file_source_class.close(f->source);
    batch_fini(&f->batch);
    bench_fini(&f->bench);
    free(f->seen);
}

static int draw(struct follower *f, int below)
{
    return rand_r(&f->seed) % below;
}

static void append_rows(struct follower *f, const char *name, int rows)
{
    char text[64];
    for (int i = 0; i < rows && f->written < FOLLOW_ROWS; i++) {
        snprintf(text, sizeof text, "{\"n\": %d, \"s\": \"x\"}\n", f->written++);
        write_file(&f->bench, name, text, "a");
    }
}

static void rename_file(struct follower *f, const char *from, const char *to)
{
    char old[256], new[256];
    snprintf(old, sizeof old, "%s/%s", f->bench.folder, from);
    snprintf(new, sizeof new, "%s/%s", f->bench.folder, to);
    if (rename(old, new) < 0)
        assert_int_equal(errno, ENOENT);
}

// One thing that a writer may do to its files without losing a row: log.2 is closed for good before
// it is pushed out under a name of its own.
static void write_something(struct follower *f)
{
    char name[32];
    switch (draw(f, 6)) {
    case 0:
        snprintf(name, sizeof name, "own.%d", f->names++);
        rename_file(f, "log.2", name);
        rename_file(f, "log.1", "log.2");
        rename_file(f, "log", "log.1");
        break;
    case 1:
        snprintf(name, sizeof name, "own.%d", f->names++);
        append_rows(f, name, 1 + draw(f, 3));
        break;
    case 2:
        append_rows(f, "log.1", draw(f, 4));
        break;
    default:
        append_rows(f, "log", draw(f, 30));
    }
}

// Poll once; take some rows, all, or none; now and then the process dies.
static bool read_something(struct follower *f)
{
    struct bench *b = &f->bench;
    bool has_rows = poll(b, f->source, &f->batch, (uint32_t)(1 + draw(f, 40))) == SOURCE_ROWS;
    uint32_t rows = draw(f, 3) ? f->batch.count : (uint32_t)draw(f, (int)f->batch.count + 1);
    assert_int_equal(b->bad_rows + (uint64_t)f->source->bad_row_count, 0);
    if (has_rows && rows)
        assert_int_equal(file_source_class.advance(f->source, rows), 0);
    if (draw(f, 4) == 0) {
        arena_abort(b->arena);
        file_source_class.reset(f->source);
    } else {
        arena_commit(b->arena);
        for (uint32_t i = 0; has_rows && i < rows; i++)
            f->seen[f->batch.columns[0].i64[i]]++;
        if (has_rows && rows < f->batch.count)
            file_source_class.reset(f->source);
    }
    if (draw(f, 20) == 0) {
        file_source_class.close(f->source);
        bench_reopen(b);
        f->source = open_source(b);
    }
    return has_rows;
}

// Rotations, new files and growth in any order, aborts and deaths between: every row once.
static void test_file_source_follows_rotations(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    for (unsigned round = 0; round < 20; round++) {
        struct follower f;
        follow_start(&f, seed + round);
        print_message("seed %u\n", f.seed);
        while (f.written < FOLLOW_ROWS / 10) {
            write_something(&f);
            for (int i = draw(&f, 4); i > 0; i--)
                read_something(&f);
            if (draw(&f, 5) == 0)
                usleep(1500);
        }
        for (int idle = 0; idle < 30;) {
            idle = read_something(&f) ? 0 : idle + 1;
            usleep(500);
        }
        for (int i = 0; i < f.written; i++)
            if (f.seen[i] != 1)
                fail_msg("row %d of %d was read %d times", i, f.written, f.seen[i]);
        assert_int_equal(f.notes, 0);
        follow_end(&f);
    }
}

static void drain(struct follower *f)
{
    for (int idle = 0; idle < 4;) {
        bool has_rows = poll(&f->bench, f->source, &f->batch, 1024) == SOURCE_ROWS;
        idle = has_rows ? 0 : idle + 1;
        for (uint32_t i = 0; has_rows && i < f->batch.count; i++)
            f->seen[f->batch.columns[0].i64[i]]++;
        if (has_rows)
            file_source_class.advance(f->source, f->batch.count);
        arena_commit(f->bench.arena);
        usleep(1500);
    }
}

// Cut, cut and grown beyond what was read, removed and made again: read from the begin.
static void test_file_source_notices_cut_files(void **state)
{
    (void)state;
    struct follower f;
    follow_start(&f, 1);
    append_rows(&f, "a", 3);
    drain(&f);
    write_file(&f.bench, "a", "", "w");
    append_rows(&f, "a", 1);
    drain(&f);
    assert_int_equal(f.notes, 1);
    write_file(&f.bench, "a", "", "w");
    append_rows(&f, "a", 9);
    drain(&f);
    assert_int_equal(f.notes, 2);
    char path[256];
    snprintf(path, sizeof path, "%s/a", f.bench.folder);
    assert_int_equal(unlink(path), 0);
    drain(&f);
    append_rows(&f, "a", 2);
    drain(&f);
    for (int i = 0; i < f.written; i++)
        assert_int_equal(f.seen[i], 1);
    follow_end(&f);
}

// Where a row is: its text stands there, whatever lies between the rows.
static void test_file_source_knows_the_place_of_a_row(void **state)
{
    (void)state;
    static const char text[] = "\n{\"n\":1,\"s\":\"a\"}\n\r\nbad\n\n{\"n\":2,\"s\":\"b\"}\r\n"
                               "{\"n\":3}\nbad\nbad\n  {\"n\":4}\n";
    struct bench b;
    struct batch batch;
    uint64_t bytes_in = 0;
    start(&b, "json");
    b.context.bytes_in = &bytes_in;
    write_file(&b, "x", text, "w");
    batch_init(&batch, &b.table.physical);
    struct source *source = open_source(&b);
    assert_int_equal(poll(&b, source, &batch, 1024), SOURCE_ROWS);
    assert_int_equal(batch.count, 4);
    static const char *const rows[] = {"{\"n\":1,\"s\":\"a\"}", "{\"n\":2,\"s\":\"b\"}",
                                       "{\"n\":3}", "  {\"n\":4}"};
    for (uint32_t i = 0; i < 4; i++) {
        struct row_place place;
        file_source_class.place(source, i, &place);
        assert_int_equal(place.text.len, strlen(rows[i]));
        assert_memory_equal(place.text.ptr, rows[i], place.text.len);
        assert_memory_equal(text + place.position, rows[i], place.text.len);
        assert_non_null(strstr(place.source, "/x"));
    }
    file_source_class.advance(source, 2);
    file_source_class.advance(source, 4);
    assert_int_equal(bytes_in, strlen(text));
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
        cmocka_unit_test(test_file_source_has_nothing_to_say_of_a_small_shared_file),
        cmocka_unit_test(test_file_source_reports_bad_rows),
        cmocka_unit_test(test_file_source_describes_its_position),
        cmocka_unit_test(test_file_source_follows_growth),
        cmocka_unit_test(test_file_source_follows_rotations),
        cmocka_unit_test(test_file_source_notices_cut_files),
        cmocka_unit_test(test_file_source_knows_the_place_of_a_row),
        cmocka_unit_test(test_file_source_checks_before_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
