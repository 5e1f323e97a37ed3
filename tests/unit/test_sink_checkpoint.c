// test_sink_checkpoint.c: the file sink of a job with checkpoints: what is pending, what gets its
// name when, what a kill and a restore find.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/test_task_support.h"

static struct field fields[] = {{"n", {.kind = TYPE_BIGINT}}};

// What the sink asked of the disk, in order: "r" a rename, "s" names made durable.
static char asked[256];

static int noting_rename(struct env *env, const char *from, const char *to)
{
    (void)env;
    strncat(asked, "r", sizeof asked - strlen(asked) - 1);
    return env_system()->rename(env_system(), from, to);
}

static int noting_sync_dir(struct env *env, const char *path)
{
    (void)env;
    strncat(asked, "s", sizeof asked - strlen(asked) - 1);
    return env_system()->sync_dir(env_system(), path);
}

static int noting_fdatasync(struct env *env, int fd)
{
    (void)env;
    strncat(asked, "f", sizeof asked - strlen(asked) - 1);
    return env_system()->fdatasync(env_system(), fd);
}

struct scene {
    struct bench b;
    struct env env;
    struct operator* op;
};

static void open_sink(struct scene *s)
{
    if (file_sink_class.open(&s->b.context, &s->op, &s->b.err) < 0)
        fail_msg("%s", s->b.err.text);
    arena_commit(s->b.arena);
}

static void start(struct scene *s)
{
    bench_init(&s->b, OP_SINK, fields, 1);
    bench_option(&s->b, "connector", "filesystem");
    bench_option(&s->b, "path", s->b.folder);
    bench_option(&s->b, "format", "csv");
    bench_option(&s->b, "sink.rolling-policy.file-size", "4 bytes");
    s->env = *env_system();
    s->env.rename = noting_rename;
    s->env.sync_dir = noting_sync_dir;
    s->env.fdatasync = noting_fdatasync;
    s->b.context.env = &s->env;
    s->b.context.checkpoints = true;
    asked[0] = '\0';
    open_sink(s);
}

static void stop(struct scene *s)
{
    s->op->class->close(s->op);
    bench_fini(&s->b);
}

static void commit(struct scene *s)
{
    assert_int_equal(s->op->class->before_commit(s->op), 0);
    arena_commit(s->b.arena);
    s->op->class->after_commit(s->op);
    arena_commit(s->b.arena);
}

static void push(struct scene *s, int64_t value)
{
    struct batch batch;
    batch_init(&batch, &s->op->context.op->output);
    batch.columns[0].i64[0] = value;
    batch.count = 1;
    assert_int_equal(operator_push(s->op, &batch), 0);
    batch_fini(&batch);
    commit(s);
}

static void die(struct scene *s)
{
    s->op->class->close(s->op);
    bench_reopen(&s->b);
}

// The finished parts as one string.
static void expect(const struct scene *s, const char *expected)
{
    char command[256], text[256];
    snprintf(command, sizeof command, "cat %s/part-* 2>/dev/null", s->b.folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    text[fread(text, 1, sizeof text - 1, pipe)] = '\0';
    pclose(pipe);
    assert_string_equal(text, expected);
}

static void pass_barrier(struct scene *s, uint64_t checkpoint)
{
    assert_int_equal(s->op->class->barrier(s->op, checkpoint), 0);
    commit(s);
}

static void test_sink_checkpoint_finishes_parts_when_complete(void **state)
{
    (void)state;
    struct scene s;
    start(&s);
    push(&s, 100);
    push(&s, 1000);
    pass_barrier(&s, 1);
    push(&s, 2000); // behind the barrier
    expect(&s, "");
    assert_int_equal(s.op->class->complete(s.op, 1), 0);
    commit(&s);
    expect(&s, "100\n1000\n");
    assert_int_equal(s.op->class->complete(s.op, 1), 0); // told twice
    expect(&s, "100\n1000\n");
    stop(&s);
}

// A task has handled all its input, a checkpoint becomes complete, and it dies between the renames
// and the commit that knows of them: its replacement prepares the end again.
static void test_sink_checkpoint_prepares_an_end_that_is_partly_done(void **state)
{
    (void)state;
    struct scene s;
    struct buf renames = {0};
    start(&s);
    push(&s, 100);
    push(&s, 1000);
    pass_barrier(&s, 1);
    assert_int_equal(s.op->class->complete(s.op, 1), 0); // never committed
    expect(&s, "100\n1000\n");
    die(&s);
    open_sink(&s);
    push(&s, 2);
    assert_int_equal(s.op->class->prepare_finish(s.op, &renames, &s.b.err), 0);
    commit(&s);
    char *first = strchr(buf_str(&renames), '\n');
    assert_non_null(first);
    assert_string_equal(first, "\n"); // one line: the part that is not finished yet
    assert_non_null(strstr(buf_str(&renames), "/.part-0-2.inprogress\t"));
    assert_int_equal(s.op->class->finish(s.op, &s.b.err), 0);
    expect(&s, "100\n1000\n2\n");
    buf_fini(&renames);
    stop(&s);
}

static void test_sink_checkpoint_misses_a_part_that_somebody_removed(void **state)
{
    (void)state;
    struct scene s;
    struct buf renames = {0};
    char path[512];
    start(&s);
    push(&s, 100);
    snprintf(path, sizeof path, "%s/.part-0-0.inprogress", s.b.folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(s.op->class->prepare_finish(s.op, &renames, &s.b.err), -ENOENT);
    assert_non_null(strstr(s.b.err.text, ".part-0-0.inprogress"));
    buf_fini(&renames);
    stop(&s);
}

// A snapshot counts on names, too: of the part in progress, and of parts that are finished.
static void test_sink_checkpoint_shows_the_folder_to_make_durable(void **state)
{
    (void)state;
    struct scene s;
    struct stat folder, shown;
    start(&s);
    int fd = s.op->class->folder_fd(s.op);
    assert_int_equal(fstat(fd, &shown), 0);
    assert_int_equal(stat(s.b.folder, &folder), 0);
    assert_int_equal(shown.st_ino, folder.st_ino);
    assert_int_equal(shown.st_dev, folder.st_dev);
    push(&s, 100);
    push(&s, 1000);
    assert_int_equal(s.op->class->finish(s.op, &s.b.err), 0);
    assert_string_equal(asked, "rrs"); // before anybody forgets that the renames are due
    stop(&s);
}

// Files of the folder whose names begin and end so.
static int count_files(const struct scene *s, const char *begin, const char *end)
{
    DIR *dir = opendir(s->b.folder);
    int count = 0;
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        size_t len = strlen(entry->d_name), tail = strlen(end);
        count += strncmp(entry->d_name, begin, strlen(begin)) == 0 && len >= tail &&
                 strcmp(entry->d_name + len - tail, end) == 0;
    }
    closedir(dir);
    return count;
}

// The state goes back to the barrier, the folder does not. Unfinished parts behind it may never be
// written again: they go; those of another task stay.
static void test_sink_checkpoint_leads_the_folder_back(void **state)
{
    (void)state;
    struct scene s;
    start(&s);
    push(&s, 1);
    pass_barrier(&s, 1);
    uint8_t *image = malloc(s.b.bytes);
    assert_non_null(image);
    memcpy(image, s.b.memory, s.b.bytes);
    push(&s, 200);
    push(&s, 3000);
    pass_barrier(&s, 2);
    assert_int_equal(s.op->class->complete(s.op, 2), 0);
    commit(&s);
    expect(&s, "1\n200\n3000\n");
    push(&s, 5000);
    push(&s, 6000);
    char path[512];
    snprintf(path, sizeof path, "%s/.part-1-9.inprogress", s.b.folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_true(count_files(&s, ".part-0-", ".inprogress") >= 2);
    s.op->class->close(s.op);
    arena_close(s.b.arena);
    memcpy(s.b.memory, image, s.b.bytes);
    free(image);
    bench_open_arena(&s.b);
    s.b.context.is_restored = true;
    open_sink(&s);
    expect(&s, "");
    assert_int_equal(count_files(&s, ".part-0-", ".inprogress"), 1);
    assert_int_equal(count_files(&s, ".part-1-", ".inprogress"), 1);
    push(&s, 200);
    push(&s, 4000);
    assert_int_equal(s.op->class->finish(s.op, &s.b.err), 0);
    expect(&s, "1\n200\n4000\n");
    stop(&s);
}

// Numbers of the parts behind the files that a snapshot must make durable: "0 1 2".
static const char *shown_parts(const struct scene *s)
{
    static char text[512];
    int fds[OP_OUTPUTS_MAX];
    int count = s->op->class->output_fds(s->op, fds);
    text[0] = '\0';
    assert_true(count <= OP_OUTPUTS_MAX);
    for (int i = 0; i < count; i++) {
        char link[64], path[512] = "";
        unsigned long long part;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fds[i]);
        assert_true(readlink(link, path, sizeof path - 1) > 0);
        assert_int_equal(sscanf(strrchr(path, '/'), "/.part-0-%llu.inprogress", &part), 1);
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%llu", i ? " " : "", part);
    }
    return text;
}

// A roll, and the name that follows a complete checkpoint, ask the disk for nothing that takes
// time: the snapshot's writer has every file that is not durable yet, also a dead process's.
static void test_sink_checkpoint_rolls_without_the_disk(void **state)
{
    (void)state;
    struct scene s;
    start(&s);
    push(&s, 100);
    push(&s, 1000);
    pass_barrier(&s, 1);
    push(&s, 2000);
    push(&s, 1);
    assert_string_equal(shown_parts(&s), "0 1 2 3");
    assert_int_equal(s.op->class->complete(s.op, 1), 0);
    commit(&s);
    assert_string_equal(asked, "rr");
    assert_string_equal(shown_parts(&s), "2 3");
    die(&s);
    open_sink(&s);
    assert_string_equal(shown_parts(&s), "2 3");
    pass_barrier(&s, 2);
    assert_int_equal(s.op->class->complete(s.op, 2), 0);
    commit(&s);
    assert_string_equal(asked, "rrr");
    expect(&s, "100\n1000\n2000\n");
    stop(&s);
}

// Checkpoints do not become complete: the parts that wait are bounded, and nothing is lost.
static void test_sink_checkpoint_bounds_what_is_pending(void **state)
{
    (void)state;
    enum { ROWS = 200 };
    struct scene s;
    struct buf want = {0};
    char command[256];
    start(&s);
    for (int i = 0; i < ROWS; i++) {
        push(&s, 1000 + i);
        buf_printf(&want, "%d\n", 1000 + i);
    }
    int fds[OP_OUTPUTS_MAX];
    assert_int_equal(s.op->class->output_fds(s.op, fds), OP_OUTPUTS_MAX);
    assert_string_equal(asked, "");
    pass_barrier(&s, 1);
    assert_int_equal(s.op->class->complete(s.op, 1), 0);
    commit(&s);
    assert_int_equal(s.op->class->output_fds(s.op, fds), 1);
    push(&s, 5000); // the long part has rolled, this one does
    assert_int_equal(s.op->class->output_fds(s.op, fds), 2);
    buf_append_str(&want, "5000\n");
    pass_barrier(&s, 2);
    assert_int_equal(s.op->class->complete(s.op, 2), 0);
    commit(&s);
    char *text = malloc(want.len + 2);
    snprintf(command, sizeof command, "cd %s && cat $(ls -v part-*)", s.b.folder);
    FILE *pipe = popen(command, "r");
    assert_true(pipe && text);
    text[fread(text, 1, want.len + 1, pipe)] = '\0';
    pclose(pipe);
    assert_string_equal(text, buf_str(&want));
    free(text);
    buf_fini(&want);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sink_checkpoint_finishes_parts_when_complete),
        cmocka_unit_test(test_sink_checkpoint_prepares_an_end_that_is_partly_done),
        cmocka_unit_test(test_sink_checkpoint_misses_a_part_that_somebody_removed),
        cmocka_unit_test(test_sink_checkpoint_shows_the_folder_to_make_durable),
        cmocka_unit_test(test_sink_checkpoint_rolls_without_the_disk),
        cmocka_unit_test(test_sink_checkpoint_bounds_what_is_pending),
        cmocka_unit_test(test_sink_checkpoint_leads_the_folder_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
