// test_sink.c: what sinks write is what was committed, whatever is aborted or dies on the way.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "core/base/histogram.h"
#include "tests/unit/test_task_support.h"

static struct field fields[] = {
    {"n", {.kind = TYPE_BIGINT}},
    {"s", {.kind = TYPE_STRING}},
};

static void push(struct operator* op, int64_t from, uint32_t count)
{
    struct batch batch;
    batch_init(&batch, &op->context.op->output);
    for (uint32_t i = 0; i < count; i++) {
        batch.columns[0].i64[i] = from + i;
        batch.columns[1].str[i] = slice_of("abc");
    }
    batch.count = count;
    assert_int_equal(operator_push(op, &batch), 0);
    batch_fini(&batch);
}

static void commit(struct bench *b, struct operator* op)
{
    if (op->class->before_commit)
        assert_int_equal(op->class->before_commit(op), 0);
    arena_commit(b->arena);
    if (op->class->after_commit)
        op->class->after_commit(op);
    arena_commit(b->arena);
}

static void abort_batch(struct bench *b, struct operator* op)
{
    arena_abort(b->arena);
    op->class->reset(op);
}

static struct operator* open_op(struct bench *b, const struct operator_class *class)
{
    struct operator* op;
    if (class->open(&b->context, &op, &b->err) < 0)
        fail_msg("%s", b->err.text);
    arena_commit(b->arena);
    return op;
}

// All of the folder's finished parts, in order, as one string; caller frees.
static char *read_parts(const struct bench *b, const char *pattern)
{
    char command[256], *text = calloc(1, 1 << 16);
    snprintf(command, sizeof command, "cat %s/%s 2>/dev/null", b->folder, pattern);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t n = fread(text, 1, (1 << 16) - 1, pipe);
    text[n] = '\0';
    pclose(pipe);
    return text;
}

static void expect_parts(const struct bench *b, const char *pattern, const char *expected)
{
    char *text = read_parts(b, pattern);
    assert_string_equal(text, expected);
    free(text);
}

static void start_files(struct bench *b)
{
    bench_init(b, OP_SINK, fields, 2);
    bench_option(b, "connector", "filesystem");
    bench_option(b, "path", b->folder);
    bench_option(b, "format", "csv");
}

static void test_sink_file_forgets_what_was_aborted(void **state)
{
    (void)state;
    struct bench b;
    start_files(&b);
    struct operator* op = open_op(&b, &file_sink_class);
    push(op, 1, 2);
    commit(&b, op);
    push(op, 100, 2);
    assert_int_equal(op->class->before_commit(op), 0); // in the file, but never committed
    abort_batch(&b, op);
    push(op, 3, 1);
    commit(&b, op);
    expect_parts(&b, "part-*", "");
    assert_int_equal(op->class->finish(op, &b.err), 0);
    expect_parts(&b, "part-0-0", "1,abc\n2,abc\n3,abc\n");
    op->class->close(op);
    bench_fini(&b);
}

static void test_sink_file_cuts_what_a_dead_process_left(void **state)
{
    (void)state;
    struct bench b;
    start_files(&b);
    struct operator* op = open_op(&b, &file_sink_class);
    push(op, 1, 2);
    commit(&b, op);
    push(op, 100, 2);
    assert_int_equal(op->class->before_commit(op), 0);
    op->class->close(op); // dies here
    bench_reopen(&b);
    op = open_op(&b, &file_sink_class);
    push(op, 3, 1);
    commit(&b, op);
    assert_int_equal(op->class->finish(op, &b.err), 0);
    expect_parts(&b, "part-*", "1,abc\n2,abc\n3,abc\n");
    op->class->close(op);
    bench_fini(&b);
}

static void test_sink_file_rolls_and_renames_after_a_kill(void **state)
{
    (void)state;
    struct bench b;
    start_files(&b);
    bench_option(&b, "sink.rolling-policy.file-size", "10b");
    struct operator* op = open_op(&b, &file_sink_class);
    push(op, 1, 2);
    assert_int_equal(op->class->before_commit(op), 0);
    arena_commit(b.arena);
    op->class->close(op); // dies between the commit and the rename
    expect_parts(&b, "part-*", "");
    bench_reopen(&b);
    op = open_op(&b, &file_sink_class);
    expect_parts(&b, "part-0-0", "1,abc\n2,abc\n");
    push(op, 3, 2);
    assert_int_equal(op->class->before_commit(op), 0);
    arena_commit(b.arena);
    op->class->after_commit(op);
    arena_abort(b.arena); // dies between the rename and the commit that clears the note
    op->class->close(op);
    bench_reopen(&b);
    op = open_op(&b, &file_sink_class);
    assert_int_equal(op->class->finish(op, &b.err), 0);
    expect_parts(&b, "part-0-1", "3,abc\n4,abc\n");
    expect_parts(&b, ".part*", "");
    op->class->close(op);
    bench_fini(&b);
}

static void test_sink_file_keeps_an_earlier_run(void **state)
{
    (void)state;
    struct bench b;
    char command[128];
    start_files(&b);
    snprintf(command, sizeof command, "echo old > %s/part-0-4", b.folder);
    assert_int_equal(system(command), 0);
    struct operator* op = open_op(&b, &file_sink_class);
    push(op, 1, 1);
    commit(&b, op);
    assert_int_equal(op->class->finish(op, &b.err), 0);
    expect_parts(&b, "part-0-4", "old\n");
    expect_parts(&b, "part-0-5", "1,abc\n");
    op->class->close(op);
    bench_fini(&b);
}

// stdout goes to the file "stdout" of the bench; what it was before.
static int take_stdout(const struct bench *b, int flags)
{
    char path[128];
    snprintf(path, sizeof path, "%s/stdout", b->folder);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO), fd = open(path, flags | O_CREAT, 0600);
    assert_true(dup2(fd, STDOUT_FILENO) >= 0);
    close(fd);
    return saved;
}

static void give_stdout_back(int saved)
{
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
}

static void test_sink_print_writes_after_the_commit(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, OP_SINK, fields, 2);
    bench_option(&b, "connector", "print");
    bench_option(&b, "print-identifier", "out");
    int saved = take_stdout(&b, O_RDWR);
    struct operator* op = open_op(&b, &print_class);
    push(op, 1, 1);
    commit(&b, op);
    push(op, 100, 1);
    abort_batch(&b, op);
    push(op, 2, 1);
    op->class->before_commit(op);
    arena_commit(b.arena);
    op->class->close(op); // dies before it has written: the next process does
    bench_reopen(&b);
    op = open_op(&b, &print_class);
    push(op, 3, 1);
    commit(&b, op);
    struct buf text = {0};
    op->class->describe(op, &text);
    op->class->close(op);
    give_stdout_back(saved);
    assert_non_null(strstr(buf_str(&text), "\"stream\":\"stdout\",\"rows\":4}"));
    buf_fini(&text);
    expect_parts(&b, "stdout", "out> +I[1, abc]\nout> +I[2, abc]\nout> +I[3, abc]\n");
    assert_int_equal(b.rows_out, 4);
    bench_fini(&b);
}

// A kill leaves the begin of a line at the end of a file's page: it is cut off, not written behind.
static void test_sink_print_tears_no_line_of_a_file(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, OP_SINK, fields, 2);
    bench_option(&b, "connector", "print");
    int saved = take_stdout(&b, O_WRONLY);
    struct operator* op = open_op(&b, &print_class);
    push(op, 1, 1);
    commit(&b, op);
    push(op, 2, 2);
    op->class->before_commit(op);
    arena_commit(b.arena);
    assert_int_equal(write(STDOUT_FILENO, "+I[2, abc]\n+I[3, a", 18), 18); // and dies there
    op->class->close(op);
    bench_reopen(&b);
    op = open_op(&b, &print_class);
    op->class->close(op);
    give_stdout_back(saved);
    expect_parts(&b, "stdout", "+I[1, abc]\n+I[2, abc]\n+I[2, abc]\n+I[3, abc]\n");
    bench_fini(&b);
}

// The renames that end a job are lines with a tab in the middle: a folder with either in its
// name would make them mean something else, and the last parts would stay hidden.
static void test_sink_file_refuses_what_renames_cannot_say(void **state)
{
    (void)state;
    static const char *const paths[] = {"/tmp/a\tb", "/tmp/a\nb", "\t"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct bench b;
        bench_init(&b, OP_SINK, fields, 2);
        bench_option(&b, "path", paths[i]);
        bench_option(&b, "format", "csv");
        assert_int_equal(file_sink_class.check(&b.op, &b.err), -EINVAL);
        assert_non_null(strstr(b.err.text, "tab"));
        bench_fini(&b);
    }
}

// A pipe in packet mode gives back what was written piece by piece: each must be whole lines.
static void test_sink_print_gives_a_pipe_whole_lines(void **state)
{
    (void)state;
    struct bench b;
    char piece[2 * PIPE_BUF];
    int fds[2];
    bench_init(&b, OP_SINK, fields, 2);
    bench_option(&b, "connector", "print");
    fflush(stdout);
    assert_int_equal(pipe2(fds, O_DIRECT | O_NONBLOCK), 0);
    int saved = dup(STDOUT_FILENO);
    assert_true(dup2(fds[1], STDOUT_FILENO) >= 0);
    struct operator* op = open_op(&b, &print_class);
    push(op, 1, 900);
    commit(&b, op);
    op->class->close(op);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    int pieces = 0;
    for (ssize_t n; (n = read(fds[0], piece, sizeof piece)) > 0; pieces++)
        assert_true(n <= PIPE_BUF && piece[n - 1] == '\n');
    assert_true(pieces > 1);
    close(fds[0]);
    close(fds[1]);
    bench_fini(&b);
}

static int64_t sink_now_ns;

static int64_t fake_realtime_ns(struct env *env)
{
    (void)env;
    return sink_now_ns;
}

// Counted when its batch is committed, once, also by the next process; never of an aborted one.
static void test_sink_blackhole_measures_what_was_committed(void **state)
{
    (void)state;
    struct bench b;
    struct env env = *env_system();
    char path[160];
    struct histogram *seen = histogram_new(3);
    env.realtime_ns = fake_realtime_ns;
    bench_init(&b, OP_SINK, fields, 2);
    b.context.env = &env;
    snprintf(path, sizeof path, "%s/latency", b.folder);
    bench_option(&b, "connector", "blackhole");
    bench_option(&b, "latency.column", "n");
    bench_option(&b, "latency.file", path);
    assert_int_equal(blackhole_class.check(&b.op, &b.err), 0);
    struct operator* op = open_op(&b, &blackhole_class);
    push(op, 1000, 3); // due at 1000, 1001, 1002
    abort_batch(&b, op);
    push(op, 1000, 2);
    sink_now_ns = 1500;
    commit(&b, op);
    commit(&b, op); // nothing more
    op->class->close(op);
    op = open_op(&b, &blackhole_class);
    push(op, 2000, 1);
    sink_now_ns = 2007;
    commit(&b, op);
    snprintf(path, sizeof path, "%s/latency-%d", b.folder, b.stage.first_task);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(seen, 1, histogram_bytes(3), file), histogram_bytes(3));
    fclose(file);
    assert_int_equal(histogram_check(seen, histogram_bytes(3), &b.err), 0);
    assert_int_equal(histogram_total(seen), 3);
    assert_int_equal(histogram_min(seen), 7);
    assert_int_equal(histogram_max(seen), 500);
    op->class->close(op);
    free(seen);
    bench_fini(&b);
}

static void test_sink_blackhole_refuses_half_of_its_options(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {
        {"latency.column", "n", "need each other"},
        {"latency.file", "x", "need each other"},
        {"latency.column", "s", "neither BIGINT"},
        {"latency.column", "m", "names no column"},
    };
    for (int i = 0; i < 4; i++) {
        struct bench b;
        bench_init(&b, OP_SINK, fields, 2);
        bench_option(&b, "connector", "blackhole");
        bench_option(&b, wrong[i][0], wrong[i][1]);
        if (i >= 2)
            bench_option(&b, "latency.file", "x");
        assert_int_equal(blackhole_class.check(&b.op, &b.err), -EINVAL);
        assert_non_null(strstr(b.err.text, wrong[i][2]));
        bench_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sink_file_forgets_what_was_aborted),
        cmocka_unit_test(test_sink_file_cuts_what_a_dead_process_left),
        cmocka_unit_test(test_sink_file_rolls_and_renames_after_a_kill),
        cmocka_unit_test(test_sink_file_keeps_an_earlier_run),
        cmocka_unit_test(test_sink_file_refuses_what_renames_cannot_say),
        cmocka_unit_test(test_sink_print_writes_after_the_commit),
        cmocka_unit_test(test_sink_print_tears_no_line_of_a_file),
        cmocka_unit_test(test_sink_print_gives_a_pipe_whole_lines),
        cmocka_unit_test(test_sink_blackhole_measures_what_was_committed),
        cmocka_unit_test(test_sink_blackhole_refuses_half_of_its_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
