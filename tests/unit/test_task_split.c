// test_task_split.c: a whole task in this process, over real segments, whose source has splits:
// each watermark that its chain is given is what a plain model makes of the rows before it,
// whatever pieces the polls are cut into, aborted or killed between; and sources of one group do
// not run away from each other.
//
// The task is opened as any is; then a scripted source stands in for its own, and an operator that
// looks at everything for its chain.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "stages/runtime/task_internal.h"

enum { SPLITS_MAX = 24, SOURCE_ROOT = 200, TASKS_MAX = 2, TIMEOUT_MS = 100 };

// --- time ---

static int64_t now_ms = INT64_C(1700000000000);

static int64_t fake_realtime_ms(struct env *env)
{
    (void)env;
    return now_ms;
}

static int64_t fake_monotonic_ns(struct env *env)
{
    (void)env;
    return now_ms * 1000000;
}

// --- the source: row j of split p says so, and has a time that anybody can compute ---

struct kept_split {
    uint64_t next;
    int64_t watermark_ms;
    uint64_t is_idle, is_done;
};

struct kept {
    uint64_t count;
    struct kept_split splits[SPLITS_MAX];
};

struct scripted {
    struct source base;
    uint64_t kept_at;
    struct source_split array[SPLITS_MAX];
    struct source_run runs[BATCH_ROWS];
    uint64_t next[SPLITS_MAX], polled[SPLITS_MAX]; // before the last poll; behind it
    uint64_t limit[SPLITS_MAX];                    // rows that there are by now
    uint32_t row_split[BATCH_ROWS];
    uint32_t rows_of_poll;
    unsigned *seed;
    bool ends;
};

static int64_t time_of(uint64_t split, uint64_t row)
{
    uint64_t mixed = (split * 7919 + row) * UINT64_C(0x9e3779b97f4a7c15);
    return (int64_t)(row * 10 + split % 3 * 40 + (mixed >> 32) % 60);
}

static const struct kept *kept_of(struct scripted *s)
{
    return arena_at(s->base.context.arena, s->kept_at);
}

static void scripted_add_split(struct scripted *s)
{
    CHECK(s->base.split_count < SPLITS_MAX);
    s->polled[s->base.split_count] = 0;
    s->array[s->base.split_count++] = (struct source_split){.watermark_ms = INT64_MIN};
}

static void scripted_reset(struct source *source)
{
    struct scripted *s = (struct scripted *)source;
    const struct kept *kept = kept_of(s);
    // What the arena does not know yet was found in an aborted transaction, and is found again.
    for (uint32_t i = 0; i < s->base.split_count; i++) {
        const bool is_kept = i < kept->count;
        s->polled[i] = is_kept ? kept->splits[i].next : 0;
        s->array[i].watermark_ms = is_kept ? kept->splits[i].watermark_ms : INT64_MIN;
        s->array[i].is_idle = is_kept && kept->splits[i].is_idle;
        s->array[i].is_done = is_kept && kept->splits[i].is_done;
    }
}

static bool scripted_has_rows(const struct scripted *s, uint32_t split)
{
    return s->polled[split] < s->limit[split] && !s->array[split].is_ahead;
}

static int scripted_poll(struct source *source, struct batch *batch, uint32_t max_rows,
                         struct source_poll *out, struct err *err)
{
    (void)err;
    struct scripted *s = (struct scripted *)source;
    uint32_t want = 1 + (uint32_t)rand_r(s->seed) % 60;
    batch->count = s->base.run_count = 0;
    memcpy(s->next, s->polled, sizeof s->next);
    s->base.has_caught_up = true;
    for (uint32_t tries = 0; batch->count < want && batch->count < max_rows && tries < 100;
         tries++) {
        uint32_t split = s->base.split_count ? (uint32_t)rand_r(s->seed) % s->base.split_count : 0;
        uint32_t length = 1 + (uint32_t)rand_r(s->seed) % 5, rows = 0;
        for (; rows < length && batch->count < max_rows && scripted_has_rows(s, split); rows++) {
            s->row_split[batch->count] = split;
            batch->columns[0].i64[batch->count] = time_of(split, s->polled[split]);
            batch->columns[1].i64[batch->count] = (int64_t)(split << 20 | s->polled[split]++);
            for (int c = 0; c < 2; c++)
                batch->columns[c].state[batch->count] = VALUE_PRESENT;
            batch->count++;
        }
        if (rows)
            s->runs[s->base.run_count++] = (struct source_run){rows, split};
    }
    s->rows_of_poll = batch->count;
    batch->columns[0].all_present = batch->columns[1].all_present = true;
    out->status = batch->count ? SOURCE_ROWS : s->ends ? SOURCE_END : SOURCE_IDLE;
    return 0;
}

static int scripted_advance(struct source *source, uint32_t rows)
{
    struct scripted *s = (struct scripted *)source;
    struct kept *kept = arena_touch(s->base.context.arena, s->kept_at, sizeof *kept);
    uint64_t next[SPLITS_MAX];
    CHECK(rows <= s->rows_of_poll);
    memcpy(next, s->next, sizeof next);
    for (uint32_t i = 0; i < rows; i++)
        next[s->row_split[i]]++;
    kept->count = s->base.split_count;
    for (uint32_t i = 0; i < s->base.split_count; i++)
        kept->splits[i] = (struct kept_split){next[i], s->array[i].watermark_ms,
                                              s->array[i].is_idle, s->array[i].is_done};
    return 0;
}

static void scripted_close(struct source *source)
{
    free(source);
}

static const struct source_class scripted_class = {.name = "scripted",
                                                   .poll = scripted_poll,
                                                   .advance = scripted_advance,
                                                   .reset = scripted_reset,
                                                   .close = scripted_close};

// --- the model, and the operator that holds the task to it ---

struct model {
    int64_t watermark_ms[SPLITS_MAX];
    int64_t combined_ms, given_ms;
    uint64_t rows[SPLITS_MAX]; // seen of each
    uint64_t watermarks;
};

struct witness {
    struct operator base;
    struct model now, committed;
    struct scripted *source;
    unsigned *seed;
    int fails_in; // 100: how many of the calls do not fit
    int owed;     // pieces of work
    uint64_t events;
};

// Idle or not is the clock's to say (test_split.c): here what the head has said.
static void model_combine(struct witness *w)
{
    int64_t least = INT64_MAX, greatest = INT64_MIN;
    for (uint32_t i = 0; i < w->source->base.split_count; i++) {
        const struct source_split *split = &w->source->array[i];
        int64_t own = w->now.watermark_ms[i];
        if (split->is_done)
            continue;
        greatest = own > greatest ? own : greatest;
        if (!split->is_idle && own < least)
            least = own;
    }
    least = least == INT64_MAX ? greatest : least;
    if (least > w->now.combined_ms)
        w->now.combined_ms = least;
}

static int witness_may_fail(struct witness *w)
{
    return rand_r(w->seed) % 100 < w->fails_in ? -EAGAIN : 0;
}

static int witness_push(struct operator* op, struct batch *batch)
{
    struct witness *w = (struct witness *)op;
    for (uint32_t i = 0; i < batch->count; i++) {
        uint64_t row = (uint64_t)batch->columns[1].i64[i], split = row >> 20;
        row &= (1 << 20) - 1;
        assert_int_equal(row, w->now.rows[split]); // each once, in order
        w->now.rows[split]++;
        if (time_of(split, row) > w->now.watermark_ms[split])
            w->now.watermark_ms[split] = time_of(split, row);
        model_combine(w);
    }
    w->events++;
    return witness_may_fail(w);
}

static int witness_watermark(struct operator* op, int64_t watermark_ms)
{
    struct witness *w = (struct witness *)op;
    if (watermark_ms != INT64_MAX) {
        model_combine(w);
        assert_int_equal(watermark_ms, w->now.combined_ms);
        assert_true(watermark_ms > w->now.given_ms);
    }
    w->now.given_ms = watermark_ms;
    w->now.watermarks++;
    w->owed = rand_r(w->seed) % 3;
    w->events++;
    return witness_may_fail(w);
}

static int witness_work(struct operator* op, bool *more)
{
    struct witness *w = (struct witness *)op;
    *more = w->owed > 0 && --w->owed > 0;
    return 0;
}

static void witness_after_commit(struct operator* op)
{
    struct witness *w = (struct witness *)op;
    const struct kept *kept = kept_of(w->source);
    for (uint32_t i = 0; w->source->base.splits && i < kept->count;
         i++) { // what the arena has is of exactly these rows
        assert_int_equal(kept->splits[i].next, w->now.rows[i]);
        assert_int_equal(kept->splits[i].watermark_ms, w->now.watermark_ms[i]);
    }
    w->committed = w->now;
}

static void witness_reset(struct operator* op)
{
    struct witness *w = (struct witness *)op;
    w->now = w->committed;
    w->owed = 0;
}

static void witness_close(struct operator* op)
{
    (void)op;
}

static const struct operator_class witness_class = {.name = "witness",
                                                    .push = witness_push,
                                                    .watermark = witness_watermark,
                                                    .work = witness_work,
                                                    .after_commit = witness_after_commit,
                                                    .reset = witness_reset,
                                                    .close = witness_close};

// --- a job of one or two such tasks ---

struct world {
    char folder[64];
    struct jobdir dir;
    struct plan *plan;
    struct env env;
    struct task *tasks[TASKS_MAX];
    struct scripted *sources[TASKS_MAX];
    struct witness witnesses[TASKS_MAX];
    struct chain chains[TASKS_MAX]; // as they were opened
    const char *align_group;
    int64_t align_drift_ms, idle_timeout_ms;
    int deaths_in; // 100: how many of the transactions that fail are a death instead
    int deaths;
    unsigned seed;
};

static const char one_task[] =
    "CREATE TABLE t (at TIMESTAMP(3), k BIGINT, WATERMARK FOR at AS at) WITH ("
    "'connector' = 'datagen', 'number-of-rows' = '0');"
    "CREATE TABLE o (at TIMESTAMP(3), k BIGINT) WITH ('connector' = 'blackhole');"
    "SET 'pipeline.auto-watermark-interval' = '0 ms';"
    "INSERT INTO o SELECT at, k FROM t;";
static const char two_tasks[] =
    "CREATE TABLE t (at TIMESTAMP(3), k BIGINT, WATERMARK FOR at AS at) WITH ("
    "'connector' = 'datagen', 'number-of-rows' = '0');"
    "CREATE TABLE u (at TIMESTAMP(3), k BIGINT, WATERMARK FOR at AS at) WITH ("
    "'connector' = 'datagen', 'number-of-rows' = '0');"
    "CREATE TABLE o (at TIMESTAMP(3), k BIGINT) WITH ('connector' = 'blackhole');"
    "CREATE TABLE q (at TIMESTAMP(3), k BIGINT) WITH ('connector' = 'blackhole');"
    "SET 'pipeline.auto-watermark-interval' = '0 ms';"
    "EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT at, k FROM t;"
    "INSERT INTO q SELECT at, k FROM u; END;";

// The options that a connector's tables would have given.
static void set_options(const struct world *w, struct plan *plan)
{
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].op_count; i++) {
            struct op *op = plan->stages[s].ops[i];
            if (op->kind != OP_WATERMARK)
                continue;
            op->watermark.idle_timeout_ms = w->idle_timeout_ms;
            op->watermark.align_group = w->align_group;
            op->watermark.align_drift_ms = w->align_drift_ms;
            op->watermark.align_update_ms = 1000;
        }
}

// The scripted source for the task's own. In a transaction of its own.
static void put_source(struct world *w, int at)
{
    struct task *task = w->tasks[at];
    struct scripted *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->base = (struct source){.class = &scripted_class, .context = task->head.source->context};
    s->base.splits = s->array;
    s->base.runs = s->runs;
    s->seed = &w->seed;
    assert_int_equal(arena_root(task->arena, SOURCE_ROOT, sizeof(struct kept), &s->kept_at), 0);
    arena_commit(task->arena);
    task->head.source->class->close(task->head.source);
    task->head.source = &s->base;
    s->base.split_count = (uint32_t)kept_of(s)->count;
    w->sources[at] = s;
    w->witnesses[at].source = s;
}

static void open_task(struct world *w, int at)
{
    struct task *task = w->tasks[at] = calloc(1, sizeof *task);
    struct witness *witness = &w->witnesses[at];
    assert_non_null(task);
    task->index = at;
    task->spare = -1;
    if (task_open(task, w->dir.path) < 0)
        fail_msg("%s", task->err.text);
    task->env = &w->env;
    put_source(w, at);
    align_close(&task->head);
    set_options(w, task->job.plan);
    align_open(task);
    task->head.step_ms = 1; // every watermark matters
    witness->base = (struct operator){.class = &witness_class};
    witness->seed = &w->seed;
    w->chains[at] = task->chain;
    task->chain.ops[0] = &witness->base;
    task->chain.count = 1;
    chain_reset(&task->chain);
    head_reset(task);
}

// As a death leaves it: what was not committed is in the undo log.
static void close_task(struct world *w, int at)
{
    struct task *task = w->tasks[at];
    task->chain = w->chains[at];
    task_close(task);
    free(task);
}

static void world_begin(struct world *w, const char *sql, int tasks)
{
    struct err err = {0};
    snprintf(w->folder, sizeof w->folder, "/dev/shm/weir-split-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    const struct job_options options = {.job_name = "split",
                                        .sql_file = "split.sql",
                                        .sql = slice_of(sql),
                                        .cores = 1,
                                        .state_bytes = 2 << 20,
                                        .ring_bytes = 64 << 10};
    const struct plan_settings settings = {
        .file_name = "split.sql", .sql = options.sql, .cores = 1};
    if (plan_make(&settings, &w->plan, &err) < 0 ||
        jobdir_open(w->folder, "split", &w->dir, &err) < 0 ||
        job_create(&w->dir, w->plan, &options, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(w->plan->task_count, tasks);
    w->env = *env_system();
    w->env.realtime_ms = fake_realtime_ms;
    w->env.monotonic_ns = fake_monotonic_ns;
    for (int at = 0; at < tasks; at++) {
        struct model *model = &w->witnesses[at].committed;
        model->combined_ms = model->given_ms = INT64_MIN;
        for (int i = 0; i < SPLITS_MAX; i++)
            model->watermark_ms[i] = INT64_MIN;
        open_task(w, at);
    }
}

static void world_end(struct world *w, int tasks)
{
    char command[128];
    for (int at = 0; at < tasks; at++)
        close_task(w, at);
    plan_free(w->plan);
    jobdir_close(&w->dir);
    snprintf(command, sizeof command, "rm -rf %s", w->folder);
    assert_int_equal(system(command), 0);
}

// Where it stands; the next process finds as many rows as there were.
static void die(struct world *w, int at)
{
    uint64_t limit[SPLITS_MAX];
    memcpy(limit, w->sources[at]->limit, sizeof limit);
    close_task(w, at);
    open_task(w, at);
    memcpy(w->sources[at]->limit, limit, sizeof limit);
    if (w->sources[at]->base.split_count == 0)
        scripted_add_split(w->sources[at]);
    w->deaths++;
}

// What the loop does (task_loop.c), a round. Returns false when it was aborted.
static bool round_of(struct world *w, int at, struct head_idle *idle)
{
    struct task *task = w->tasks[at];
    bool ended;
    int rc = head_step(task, idle, &ended);
    if (rc < 0) {
        assert_int_equal(rc, -EAGAIN);
        if (rand_r(&w->seed) % 100 < w->deaths_in) {
            die(w, at);
        } else {
            task_abort(task);
            task_drain_work(task);
        }
        return false;
    }
    model_combine(&w->witnesses[at]);
    assert_int_equal(task->state.current_ms, w->witnesses[at].now.combined_ms);
    return true;
}

static void give(struct world *w, int at, uint32_t split, uint64_t rows)
{
    w->sources[at]->limit[split] += rows;
}

static bool all_read(const struct scripted *s)
{
    for (uint32_t i = 0; i < s->base.split_count; i++)
        if (s->polled[i] < s->limit[i])
            return false;
    return true;
}

// --- tests ---

// Rows of splits that come, go silent, end; transactions that do not fit; a process that dies with
// one open.
static void run_at_random(struct world *w)
{
    struct head_idle idle;
    int aborts = 0;
    scripted_add_split(w->sources[0]);
    for (int step = 0; step < 600; step++) {
        struct scripted *s = w->sources[0];
        uint32_t split = (uint32_t)rand_r(&w->seed) % s->base.split_count;
        int dice = rand_r(&w->seed) % 100;
        if (dice < 3 && s->base.split_count < SPLITS_MAX)
            scripted_add_split(s);
        else if (dice < 4 && s->polled[split] == s->limit[split]) {
            s->array[split].is_done = true;
            now_ms += 300; // the head looks for that no more often
        } else if (dice < 70 && !s->array[split].is_done)
            give(w, 0, split, (uint64_t)(rand_r(&w->seed) % 40));
        now_ms += rand_r(&w->seed) % 20;
        aborts += !round_of(w, 0, &idle);
        if (rand_r(&w->seed) % 1000 < w->deaths_in)
            die(w, 0);
    }
    w->witnesses[0].fails_in = 0;
    for (int i = 0; i < 10000 && !all_read(w->sources[0]); i++)
        round_of(w, 0, &idle);
    assert_true(all_read(w->sources[0]));
    assert_in_range(w->witnesses[0].now.watermarks, 10, 100000);
    print_message("%d aborts, %d deaths, %llu watermarks\n", aborts, w->deaths,
                  (unsigned long long)w->witnesses[0].now.watermarks);
}

static void test_task_split_watermarks_are_exact(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        struct world w = {.seed = (unsigned)time(NULL) + (unsigned)round,
                          .deaths_in = round % 4 > 1 ? 30 : 0,
                          .idle_timeout_ms = round % 2 ? TIMEOUT_MS : 0};
        print_message("seed %u, ", w.seed);
        w.witnesses[0].fails_in = round % 3 ? 3 : 0;
        world_begin(&w, one_task, 1);
        run_at_random(&w);
        world_end(&w, 1);
    }
}

static int64_t given(const struct world *w)
{
    return w->witnesses[0].now.given_ms;
}

static void settle(struct world *w, int at)
{
    struct head_idle idle;
    for (int i = 0; i < 300; i++)
        round_of(w, at, &idle);
}

// One partition gives rows, another never does: nothing moves, until a timeout says that it may.
static void test_task_split_silent_one(void **state)
{
    (void)state;
    struct head_idle idle;
    struct world w = {.seed = 7};
    world_begin(&w, one_task, 1);
    scripted_add_split(w.sources[0]);
    scripted_add_split(w.sources[0]);
    give(&w, 0, 0, 100);
    settle(&w, 0);
    now_ms += 3600000;
    settle(&w, 0);
    assert_int_equal(given(&w), INT64_MIN);
    w.idle_timeout_ms = TIMEOUT_MS;
    set_options(&w, w.tasks[0]->job.plan);
    now_ms += 1000;
    give(&w, 0, 0, 1);
    settle(&w, 0);
    assert_true(w.sources[0]->array[1].is_idle && !w.sources[0]->array[0].is_idle);
    assert_int_equal(given(&w), w.witnesses[0].now.watermark_ms[0]);
    // Its flag and everybody's watermark outlive the process; then it comes back, far behind.
    close_task(&w, 0);
    open_task(&w, 0);
    settle(&w, 0);
    assert_true(w.sources[0]->array[1].is_idle);
    const int64_t before = given(&w);
    w.sources[0]->limit[0] = 101;
    w.sources[0]->limit[1] = 5;
    settle(&w, 0);
    w.sources[0]->limit[0] = 200;
    settle(&w, 0);
    assert_false(w.sources[0]->array[1].is_idle);
    assert_int_equal(given(&w), before);
    assert_true(round_of(&w, 0, &idle) && idle.is_idle);
    assert_in_range(idle.until_ms, now_ms + 1, now_ms + TIMEOUT_MS + 200); // to see who is silent
    world_end(&w, 1);
}

// A task without any split is idle at once, but not before it knows that there are none.
static void test_task_split_none(void **state)
{
    (void)state;
    struct world w = {.seed = 7};
    world_begin(&w, one_task, 1);
    settle(&w, 0);
    assert_true(w.tasks[0]->head.is_idle);
    assert_int_equal(given(&w), INT64_MIN);
    scripted_add_split(w.sources[0]);
    give(&w, 0, 0, 10);
    settle(&w, 0);
    assert_false(w.tasks[0]->head.is_idle);
    assert_int_equal(given(&w), w.witnesses[0].now.watermark_ms[0]);
    world_end(&w, 1);
}

static int64_t reached(const struct world *w, int at, uint32_t split)
{
    return w->witnesses[at].now.watermark_ms[split];
}

static void pass_seconds(struct world *w, int seconds)
{
    for (int i = 0; i < 4 * seconds; i++) {
        now_ms += 250;
        settle(w, 0);
        settle(w, 1);
    }
}

// Two tasks of a group, splits with thousands of rows: none gets further ahead of the slowest than
// the drift and a poll's rows; when that one moves, so do they.
static void test_task_split_alignment(void **state)
{
    (void)state;
    enum { DRIFT_MS = 2000, POLL_MS = 70 * 10 + 200, SPLITS = 3 };
    struct world w = {.seed = 11, .align_group = "g", .align_drift_ms = DRIFT_MS};
    world_begin(&w, two_tasks, 2);
    for (int at = 0; at < 2; at++)
        for (uint32_t i = 0; i < SPLITS; i++) {
            scripted_add_split(w.sources[at]);
            give(&w, at, i, 10);
        }
    pass_seconds(&w, 3);
    for (int at = 0; at < 2; at++)
        for (uint32_t i = 0; i < SPLITS; i++)
            give(&w, at, i, at == 1 && i == 0 ? 0 : 20000);
    pass_seconds(&w, 3);
    const uint64_t slow_at[] = {300, 2000, 2010};
    for (int n = 0; n < 3; n++) {
        int64_t least = reached(&w, 1, 0);
        for (int at = 0; at < 2; at++)
            for (uint32_t i = 0; i < SPLITS; i++)
                if (at == 0 || i > 0)
                    assert_in_range(reached(&w, at, i), least + DRIFT_MS - 100,
                                    least + DRIFT_MS + POLL_MS);
        assert_true(w.sources[0]->array[0].is_ahead && !w.sources[1]->array[0].is_ahead);
        w.sources[1]->limit[0] = slow_at[n];
        pass_seconds(&w, 100);
    }
    // A dead process holds the others where its counter stands; its successor goes on from there.
    const int64_t before = reached(&w, 0, 0);
    close_task(&w, 1);
    open_task(&w, 1);
    for (uint32_t i = 0; i < SPLITS; i++)
        w.sources[1]->limit[i] = 20000;
    w.sources[1]->limit[0] = 2010;
    pass_seconds(&w, 20);
    assert_int_equal(reached(&w, 0, 0), before);
    // The slow one ends: the others go on without it. The whole task ends: so they do.
    w.sources[1]->array[0].is_done = true;
    pass_seconds(&w, 400);
    assert_true(all_read(w.sources[0]) && all_read(w.sources[1]));
    world_end(&w, 2);
}

// A split that is silent does hold the group without a timeout, and does not with one; and one that
// is held back is not taken to be silent.
static void test_task_split_alignment_and_silence(void **state)
{
    (void)state;
    enum { DRIFT_MS = 1000 };
    struct world w = {.seed = 11, .align_group = "g", .align_drift_ms = DRIFT_MS};
    world_begin(&w, two_tasks, 2);
    for (int at = 0; at < 2; at++)
        scripted_add_split(w.sources[at]);
    give(&w, 0, 0, 10000);
    pass_seconds(&w, 3);
    assert_true(all_read(w.sources[0])); // who has no watermark yet does not hold anybody
    give(&w, 1, 0, 5);
    pass_seconds(&w, 3);
    give(&w, 0, 0, 1000);
    pass_seconds(&w, 30);
    assert_false(all_read(w.sources[0]));
    w.idle_timeout_ms = TIMEOUT_MS;
    for (int at = 0; at < 2; at++)
        set_options(&w, w.tasks[at]->job.plan);
    pass_seconds(&w, 3);
    assert_true(w.sources[1]->array[0].is_idle);
    assert_true(all_read(w.sources[0]));
    world_end(&w, 2);
}

// A source without splits is held back as a whole.
static void test_task_split_alignment_without_splits(void **state)
{
    (void)state;
    struct head_idle idle;
    bool ended;
    struct world w = {.seed = 3, .align_group = "g", .align_drift_ms = 1000};
    world_begin(&w, two_tasks, 2);
    struct task *task = w.tasks[0];
    scripted_add_split(w.sources[0]);
    scripted_add_split(w.sources[1]);
    give(&w, 1, 0, 10);
    settle(&w, 1);
    w.sources[0]->base.splits = NULL; // the head keeps the one watermark
    give(&w, 0, 0, 5000);
    for (int i = 0; i < 200; i++, now_ms += 10)
        assert_int_equal(head_step(task, &idle, &ended), 0);
    assert_in_range(task->state.current_ms, reached(&w, 1, 0) + 1000,
                    reached(&w, 1, 0) + 1000 + 11000);
    assert_true(align_holds(task) && idle.is_idle);
    assert_in_range(idle.until_ms, now_ms - 10, now_ms + 1000);
    give(&w, 1, 0, 6000);
    pass_seconds(&w, 0);
    for (int i = 0; i < 400; i++, now_ms += 250) {
        settle(&w, 1);
        assert_int_equal(head_step(task, &idle, &ended), 0);
    }
    assert_true(all_read(w.sources[0]));
    world_end(&w, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_task_split_watermarks_are_exact),
        cmocka_unit_test(test_task_split_silent_one),
        cmocka_unit_test(test_task_split_none),
        cmocka_unit_test(test_task_split_alignment),
        cmocka_unit_test(test_task_split_alignment_and_silence),
        cmocka_unit_test(test_task_split_alignment_without_splits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
