// test_task.c: whole tasks, as processes, over real segments: one task alone, and two over rings,
// undisturbed and killed at random moments. What they write must be equal byte for byte.
//
// The plan is made by hand here, so that this test needs no SQL.
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "core/base/pool.h"
#include "shm/control.h"
#include "stages/runtime/job.h"
#include "stages/runtime/task.h"
#include "tests/unit/test_task_support.h"

enum { ROWS = 300000 };

static struct {
    bool two_stages;
    bool windows; // source -> watermark -> TUMBLE of a second by key -> sink, in one task
    int sources, sinks;
    char out[128];
} shape;

static struct field fields[] = {
    {"n", {.kind = TYPE_BIGINT}},
    {"s", {.kind = TYPE_STRING}},
};

// --- the plan that every process makes ---

static struct field event_fields[] = {
    {"at", {.kind = TYPE_TIMESTAMP, .precision = 3}},
    {"k", {.kind = TYPE_BIGINT}},
};
static struct field count_fields[] = {
    {"k", {.kind = TYPE_BIGINT}},
    {"window_start", {.kind = TYPE_TIMESTAMP, .precision = 3}},
    {"window_end", {.kind = TYPE_TIMESTAMP, .precision = 3}},
    {"window_time", {.kind = TYPE_TIMESTAMP, .precision = 3}},
    {"rows", {.kind = TYPE_BIGINT}},
};

// One task whose rows are out of order by up to twice what the watermark allows: some are late.
static void plan_windows(struct plan *plan, struct plan_table *sink)
{
    static const struct plan_option options[] = {
        {"connector", "datagen"},  {"rows-per-second", "0"}, {"number-of-rows", "300000"},
        {"fields.k.min", "0"},     {"fields.k.max", "20"},   {"fields.at.start", "2024-01-01"},
        {"fields.at.jitter", "4s"}};
    static const int keys[] = {1};
    static const struct agg_call count = {.kind = AGG_COUNT_STAR,
                                          .arg = -1,
                                          .filter = -1,
                                          .type = {.kind = TYPE_BIGINT, .not_null = true}};
    struct pool *pool = &plan->pool;
    struct plan_table *source = pool_zalloc(pool, sizeof *source);
    struct op *ops = pool_zalloc(pool, 4 * sizeof *ops);
    struct op **list = pool_zalloc(pool, 4 * sizeof(struct op *));
    struct expr *expr = pool_zalloc(pool, sizeof *expr);
    const struct schema events = {event_fields, 2}, counts = {count_fields, 5};
    *expr = (struct expr){.kind = EXPR_COLUMN, .type = event_fields[0].type, .column = 0};
    *source = (struct plan_table){.name = "events",
                                  .connector = "datagen",
                                  .options = options,
                                  .option_count = 7,
                                  .physical = events};
    ops[0] = (struct op){.kind = OP_SOURCE, .id = 0, .output = events, .table = source};
    ops[1] = (struct op){.kind = OP_WATERMARK, .id = 1, .output = events};
    ops[1].watermark = (struct op_watermark){.rowtime_column = 0, .expr = expr};
    ops[2] = (struct op){.kind = OP_WINDOW, .id = 2, .output = counts};
    ops[2].window = (struct op_window){.kind = WINDOW_TUMBLE,
                                       .phase = WINDOW_SINGLE,
                                       .size_ms = 1000,
                                       .step_ms = 1000,
                                       .time_column = 0,
                                       .key_count = 1,
                                       .keys = keys,
                                       .agg_count = 1,
                                       .aggs = &count,
                                       .early_delay_ms = -1,
                                       .late_delay_ms = -1};
    sink->physical = counts;
    ops[3] = (struct op){.kind = OP_SINK, .id = 3, .output = counts, .table = sink};
    for (int i = 0; i < 4; i++)
        list[i] = &ops[i];
    plan->stages[0].ops = list;
    plan->stages[0].op_count = 4;
}

int plan_make(const struct plan_settings *settings, struct plan **out, struct err *err)
{
    static const struct plan_option source_options[] = {
        {"connector", "datagen"},      {"rows-per-second", "0"},     {"number-of-rows", "300000"},
        {"fields.n.kind", "sequence"}, {"fields.n.start", "0"},      {"fields.n.end", "299999"},
        {"fields.s.length", "24"},     {"fields.s.var-len", "true"},
    };
    static struct plan_option sink_options[] = {{"connector", "filesystem"},
                                                {"path", NULL},
                                                {"format", "csv"},
                                                {"sink.rolling-policy.file-size", "1MB"}};
    (void)settings;
    (void)err;
    struct plan *plan = calloc(1, sizeof *plan);
    CHECK(plan);
    struct pool *pool = &plan->pool;
    struct plan_table *tables = pool_zalloc(pool, 2 * sizeof *tables);
    struct op *ops = pool_zalloc(pool, 2 * sizeof *ops);
    struct op **lists = pool_zalloc(pool, 2 * sizeof(struct op *));
    sink_options[1].value = shape.out;
    tables[0] = (struct plan_table){.name = "numbers",
                                    .connector = "datagen",
                                    .options = source_options,
                                    .option_count = 8,
                                    .physical = {fields, 2}};
    tables[1] = (struct plan_table){.name = "out",
                                    .connector = "filesystem",
                                    .options = sink_options,
                                    .option_count = 4,
                                    .physical = {fields, 2}};
    ops[0] = (struct op){.kind = OP_SOURCE, .id = 0, .output = {fields, 2}, .table = &tables[0]};
    ops[1] = (struct op){.kind = OP_SINK, .id = 1, .output = {fields, 2}, .table = &tables[1]};
    lists[0] = &ops[0];
    lists[1] = &ops[1];
    plan->stages = pool_zalloc(pool, 2 * sizeof *plan->stages);
    plan->stages[0] = (struct stage){lists, 2, shape.sources, -1, -1, 0, "source", ""};
    plan->stage_count = 1;
    plan->task_count = shape.sources;
    plan->fingerprint = 99;
    if (shape.two_stages) {
        static const int columns[] = {0};
        plan->exchanges = pool_zalloc(pool, sizeof *plan->exchanges);
        plan->exchanges[0] = (struct exchange){.from_stage = 0,
                                               .to_stage = 1,
                                               .kind = EXCHANGE_HASH,
                                               .hash_columns = columns,
                                               .hash_column_count = 1};
        plan->exchange_count = 1;
        plan->stages[0].op_count = 1;
        plan->stages[0].output_exchange = 0;
        plan->stages[1] =
            (struct stage){lists + 1, 1, shape.sinks, 0, -1, shape.sources, "sink", ""};
        plan->stage_count = 2;
        plan->task_count += shape.sinks;
    }
    if (shape.windows)
        plan_windows(plan, &tables[1]);
    *out = plan;
    return 0;
}

void plan_free(struct plan *plan)
{
    pool_fini(&plan->pool);
    free(plan);
}

const char *plan_setting(const struct plan *plan, const char *key, const char *fallback)
{
    (void)plan;
    (void)key;
    return fallback;
}

// The only expressions here are bare columns; the real core/expr does when it is linked.
#define UNUSED_HERE __attribute__((weak))

UNUSED_HERE struct expr_program *expr_compile(const struct expr *expr, const struct schema *input)
{
    (void)input;
    return (struct expr_program *)(uintptr_t)expr;
}

UNUSED_HERE void expr_program_free(struct expr_program *program)
{
    (void)program;
}

UNUSED_HERE void expr_eval(struct expr_program *program, const struct batch *batch,
                           struct expr_context *context, const struct column **out)
{
    (void)context;
    *out = &batch->columns[((const struct expr *)(const void *)program)->column];
}

UNUSED_HERE const char *expr_error_text(enum expr_error error)
{
    (void)error;
    abort();
}

// --- running ---

static pid_t spawn(const char *path, int task, int spare)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(task_main(path, task, spare));
    return pid;
}

static void show_failure(const struct jobdir *dir, int task)
{
    struct control *control;
    struct control_view view;
    struct err err;
    assert_int_equal(control_attach_reader(dir->fd, 0, &control, &err), 0);
    control_view(control, task, &view);
    fail_msg("task %d: %s", task, view.error);
}

enum { TASKS_MAX = 16 };

// The processes of a job.
struct processes {
    const struct jobdir *dir;
    struct control *control;
    int count, left, killed, promoted;
    pid_t tasks[TASKS_MAX], spares[TASKS_MAX];
    int spare_number; // 0 and 1 in turn: two can live beside each other for a moment
};

static bool is_the_task(const struct processes *p, int at)
{
    struct control_view view;
    control_view(p->control, at, &view);
    return p->tasks[at] && view.process.pid == p->tasks[at];
}

// A task that owns its arena gets a spare.
static void add_spares(struct processes *p)
{
    for (int at = 0; at < p->count; at++)
        if (!p->spares[at] && is_the_task(p, at))
            p->spares[at] = spawn(p->dir->path, at, p->spare_number ^= 1);
}

static void on_end(struct processes *p, pid_t pid, int status)
{
    int at = 0;
    bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    while (at < p->count && p->tasks[at] != pid && p->spares[at] != pid)
        at++;
    assert_true(at < p->count);
    if (!is_killed && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        show_failure(p->dir, at);
    if (p->spares[at] == pid) {
        p->spares[at] = 0;
    } else if (is_killed) {
        p->killed++;
        p->promoted += p->spares[at] != 0;
        p->tasks[at] = p->spares[at] ? p->spares[at] : spawn(p->dir->path, at, -1);
        p->spares[at] = 0;
    } else {
        p->tasks[at] = 0;
        p->left--;
    }
}

static void kill_one(struct processes *p, unsigned *seed)
{
    usleep((useconds_t)(rand_r(seed) % 4000));
    int at = rand_r(seed) % p->count;
    pid_t victim = rand_r(seed) % 8 ? p->tasks[at] : p->spares[at];
    if (victim)
        kill(victim, SIGKILL);
}

// Run every task to its end, killing `kills` times. Spares end by themselves. Returns how many
// tasks were really killed.
static int run_tasks(const struct jobdir *dir, int count, int kills, bool with_spares)
{
    unsigned seed = (unsigned)time(NULL);
    struct processes p = {.dir = dir, .count = count, .left = count};
    struct err err;
    print_message("seed %u\n", seed);
    assert_int_equal(control_attach_supervisor(dir->fd, 99, &p.control, &err), 0);
    for (int at = 0; at < count; at++) {
        control_set_pass(p.control, at, CONTROL_PASS_FREE);
        p.tasks[at] = spawn(dir->path, at, -1);
    }
    while (p.left > 0) {
        int status;
        if (with_spares)
            add_spares(&p);
        if (kills > 0) {
            kill_one(&p, &seed);
            kills--;
        }
        pid_t pid = waitpid(-1, &status, kills > 0 ? WNOHANG : 0);
        if (pid > 0)
            on_end(&p, pid, status);
    }
    for (int status; waitpid(-1, &status, 0) > 0;)
        assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) || WIFSIGNALED(status));
    assert_true(!with_spares || p.promoted > 0);
    control_detach(p.control);
    return p.killed;
}

// Every row of the sequence is in the part files exactly once; returns a hash of the sorted lines.
static void check_output(void)
{
    char command[512];
    long lines = 0, distinct = 0, hidden = 0;
    snprintf(command, sizeof command,
             "cat %s/part-* | wc -l; cat %s/part-* | cut -d, -f1 | sort -u | wc -l; "
             "ls -A %s | grep -c '^[.]'",
             shape.out, shape.out, shape.out);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%ld %ld %ld", &lines, &distinct, &hidden), 3);
    pclose(pipe);
    assert_int_equal(lines, ROWS);
    assert_int_equal(distinct, ROWS);
    assert_int_equal(hidden, 0);
}

// What the windows gave, whatever the order: its sum, and its rows' sum.
static void sum_windows(char *out, size_t bytes)
{
    char command[512];
    snprintf(command, sizeof command, "cat %s/part-* | sort | sha256sum; cat %s/part-* | wc -l",
             shape.out, shape.out);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    out[fread(out, 1, bytes - 1, pipe)] = '\0';
    pclose(pipe);
}

static char windows_seen[256];

static void run_job_with(int kills, bool with_spares)
{
    char folder[] = "/tmp/weir-test-task-XXXXXX", memory[64], command[128];
    struct err err = {0};
    struct jobdir dir;
    struct plan *plan;
    assert_non_null(mkdtemp(folder));
    snprintf(shape.out, sizeof shape.out, "%s/out", folder);
    snprintf(memory, sizeof memory, "%s/memory", folder);
    assert_int_equal(mkdir(memory, 0700), 0);
    if (jobdir_open(memory, "test", &dir, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(plan_make(NULL, &plan, &err), 0);
    const struct job_options options = {.job_name = "test",
                                        .sql_file = "test.sql",
                                        .sql = slice_of("SELECT 1;"),
                                        .cores = 1,
                                        .state_bytes = 8 << 20,
                                        .ring_bytes = 64 << 10};
    if (job_create(&dir, plan, &options, &err) < 0)
        fail_msg("%s", err.text);
    int killed = run_tasks(&dir, plan->task_count, kills, with_spares);
    print_message("%d tasks, %d killed\n", plan->task_count, killed);
    if (shape.windows)
        sum_windows(windows_seen, sizeof windows_seen);
    else
        check_output();
    plan_free(plan);
    jobdir_remove(&dir, &err);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static void run_job(int kills)
{
    run_job_with(kills, false);
}

static void test_task_alone(void **state)
{
    (void)state;
    shape.two_stages = false;
    shape.sources = 1;
    run_job(0);
    run_job(20);
}

static void test_task_two_over_a_ring(void **state)
{
    (void)state;
    shape.two_stages = true;
    shape.sources = 1;
    shape.sinks = 1;
    run_job(0);
    run_job(40);
}

static void test_task_four_over_rings(void **state)
{
    (void)state;
    shape.two_stages = true;
    shape.sources = 2;
    shape.sinks = 2;
    run_job(0);
    run_job(60);
}

static void test_task_windows_survive_kills(void **state)
{
    (void)state;
    char undisturbed[256];
    shape.two_stages = false;
    shape.windows = true;
    shape.sources = 1;
    run_job(0);
    memcpy(undisturbed, windows_seen, sizeof undisturbed);
    long rows = strtol(strchr(undisturbed, '\n') + 1, NULL, 10);
    assert_in_range(rows, 290 * 21, 304 * 21); // 300 seconds and some before, 21 keys
    run_job(60);
    assert_string_equal(windows_seen, undisturbed);
    shape.windows = false;
}

// Whoever is killed, task or spare, in whatever state: nothing is lost, and no spare stays behind.
static void test_task_spares_take_over(void **state)
{
    (void)state;
    shape.two_stages = true;
    shape.sources = 2;
    shape.sinks = 2;
    run_job_with(60, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_task_alone),
        cmocka_unit_test(test_task_two_over_a_ring),
        cmocka_unit_test(test_task_four_over_rings),
        cmocka_unit_test(test_task_windows_survive_kills),
        cmocka_unit_test(test_task_spares_take_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
