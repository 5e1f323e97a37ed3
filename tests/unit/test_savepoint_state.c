// test_savepoint_state.c: what a group window and followed files keep goes into one task, three and
// one again, and is the same.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/plan/plan.h"
#include "core/snapshot/savepoint.h"
#include "stages/runtime/operator.h"
#include "stages/runtime/savepoint_internal.h"

enum { ARENA_BYTES = 4 << 20, TASKS = 16, GROUPS = 40, FILES = 12, START = 600000, LINES = 256 };

static const struct arena_options options = {.fingerprint = 3};

struct job {
    struct plan *plan;
    void *memory[TASKS];
    struct arena *arenas[TASKS];
    int source, window; // numbers of the operators
};

static void make_job(struct job *job, int tasks)
{
    char sql[1024];
    struct err err = {.text = ""};
    *job = (struct job){.source = -1, .window = -1};
    snprintf(sql, sizeof sql,
             "SET 'parallelism.default' = '%d'; SET 'table.exec.emit.early-fire.enabled' = 'true';"
             "SET 'table.exec.emit.early-fire.delay' = '1 s';"
             "CREATE TABLE b (n BIGINT, id STRING, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ("
             "'connector' = 'filesystem', 'path' = '/nowhere/b', 'format' = 'csv', "
             "'source.monitor-interval' = '1 s');"
             "SELECT id, SUM(n), MIN(id) FROM b GROUP BY TUMBLE(t, INTERVAL '1' MINUTE), id;",
             tasks);
    const struct plan_settings settings = {"test.sql", slice_of(sql), 2};
    if (plan_make(&settings, &job->plan, &err) < 0)
        fail_msg("%s", err.text);
    for (int i = 0; i < plan_logical_count(job->plan); i++) {
        enum op_kind kind = plan_logical_at(job->plan, i)->kind;
        job->source = kind == OP_SOURCE ? i : job->source;
        job->window = kind == OP_WINDOW ? i : job->window;
    }
    assert_true(job->plan->task_count <= TASKS && job->window > 0);
    for (int t = 0; t < job->plan->task_count; t++) {
        job->memory[t] = aligned_alloc(4096, ARENA_BYTES);
        assert_non_null(job->memory[t]);
        assert_int_equal(arena_format(job->memory[t], ARENA_BYTES, &options, &err), 0);
        assert_int_equal(arena_open(job->memory[t], ARENA_BYTES, &options, &job->arenas[t], &err),
                         0);
    }
}

static void free_job(struct job *job)
{
    for (int t = 0; t < job->plan->task_count; t++) {
        arena_close(job->arenas[t]);
        free(job->memory[t]);
    }
    plan_free(job->plan);
}

static struct op_context context_of(const struct job *job, const struct stage *stage,
                                    const struct op *op, int subtask)
{
    return (struct op_context){.env = env_system(),
                               .arena = job->arenas[stage->first_task + subtask],
                               .plan = job->plan,
                               .op = op,
                               .stage = stage,
                               .subtask = subtask,
                               .job_name = "test"};
}

// --- the file of the savepoint ---

static char path[64];

static void begin_file(struct savepoint_writer *w)
{
    struct err err;
    snprintf(path, sizeof path, "/tmp/weir-savepoint-state-%d", (int)getpid());
    unlink(path);
    assert_int_equal(savepoint_create(env_system(), path, 1, w, &err), 0);
}

static void put_ints(struct savepoint_writer *w, const int64_t *values, int count)
{
    for (int i = 0; i < count; i++)
        savepoint_put_int(w, values[i]);
}

static void write_state(const struct job *job)
{
    struct savepoint_writer w;
    struct err err;
    char text[32];
    begin_file(&w);
    savepoint_begin(&w, job->window, SAVEPOINT_WATERMARK);
    put_ints(&w, (const int64_t[]){1, START + 5}, 2);
    savepoint_end(&w);
    for (int i = 0; i < GROUPS; i++) {
        const struct slice id = slice_make(text, (size_t)snprintf(text, sizeof text, "id%d", i));
        const int64_t start = START + i % 3 * 60000;
        savepoint_begin(&w, job->window, SAVEPOINT_GROUP);
        savepoint_put_text(&w, id);
        put_ints(&w, (const int64_t[]){start, start + 60000, 1, i * 10}, 4);
        savepoint_put_text(&w, id);
        savepoint_end(&w);
        savepoint_begin(&w, job->window, SAVEPOINT_EMITTED);
        savepoint_put_text(&w, id);
        put_ints(&w, (const int64_t[]){start, 1000 + i, i % 4 != 0}, 3);
        if (i % 4 != 0) {
            savepoint_put_int(&w, i * 9);
            savepoint_put_text(&w, id);
        }
        savepoint_end(&w);
    }
    for (int i = 0; i < FILES; i++) {
        savepoint_begin(&w, job->source, SAVEPOINT_FOLLOWED);
        savepoint_put_text(
            &w, slice_make(text, (size_t)snprintf(text, sizeof text, "/nowhere/b/%d", i)));
        put_ints(&w, (const int64_t[]){i * 100, i % 2, 77 + i, i % 5, -i}, 5);
        savepoint_end(&w);
    }
    assert_int_equal(savepoint_finish(&w, &err), 0);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Every record as a line, sorted, but for those of the window's PARTIALs: they put none.
static int read_lines(char **lines)
{
    struct savepoint_reader r;
    struct savepoint_record record;
    struct err err;
    int count = 0;
    assert_int_equal(savepoint_open(env_system(), path, 1, &r, &err), 0);
    while (savepoint_next(&r, &record, &err) == 1) {
        struct buf line = {0};
        buf_printf(&line, "%d %d", record.op, (int)record.kind);
        while (record.left) {
            struct savepoint_value value = savepoint_take(&record);
            if (value.tag == SAVEPOINT_TEXT)
                buf_printf(&line, " '%.*s'", (int)value.text.len, value.text.ptr);
            else
                buf_printf(&line, " %" PRId64, value.number);
        }
        bool is_clock = record.kind == SAVEPOINT_WATERMARK; // one a task
        assert_true(count < LINES);
        if (!is_clock)
            lines[count++] = strdup(buf_str(&line));
        buf_fini(&line);
    }
    assert_true(r.at_end);
    savepoint_close(&r);
    qsort(lines, (size_t)count, sizeof *lines, by_text);
    return count;
}

// --- into the tasks and out of them ---

static void take_into(const struct job *job, const struct stage *stage, const struct op *op)
{
    const struct savepoint_class *class = savepoint_class_of(op);
    struct op_context contexts[TASKS];
    struct savepoint_reader r;
    struct savepoint_record record;
    struct err err = {.text = ""};
    void *restoring;
    if (!class)
        return;
    for (int s = 0; s < stage->parallelism; s++)
        contexts[s] = context_of(job, stage, op, s);
    assert_int_equal(class->begin(contexts, stage->parallelism, &restoring, &err), 0);
    assert_int_equal(savepoint_open(env_system(), path, 1, &r, &err), 0);
    while (savepoint_next(&r, &record, &err) == 1) {
        if (record.op == plan_logical_op(job->plan, op) &&
            class->take(restoring, &record, &err) < 0)
            fail_msg("%s", err.text);
    }
    savepoint_close(&r);
    assert_int_equal(class->end(restoring, &err), 0);
    class->free(restoring);
}

static void put_all(const struct job *job, struct savepoint_writer *w, bool clocks)
{
    struct err err = {.text = ""};
    for (int s = 0; s < job->plan->stage_count; s++)
        for (int i = 0; i < job->plan->stages[s].op_count; i++) {
            const struct stage *stage = &job->plan->stages[s];
            const struct op *op = stage->ops[i];
            const struct savepoint_class *class = savepoint_class_of(op);
            for (int t = 0; class && t < stage->parallelism; t++) {
                const struct op_context context = context_of(job, stage, op, t);
                if (class->put(&context, w, plan_logical_op(job->plan, op), clocks, &err) < 0)
                    fail_msg("%s", err.text);
            }
        }
}

// The savepoint goes on with so many tasks, and the next one is made of those.
static void travel(int tasks)
{
    struct job job;
    struct savepoint_writer w;
    struct err err = {.text = ""};
    make_job(&job, tasks);
    for (int s = 0; s < job.plan->stage_count; s++)
        for (int i = 0; i < job.plan->stages[s].op_count; i++)
            take_into(&job, &job.plan->stages[s], job.plan->stages[s].ops[i]);
    for (int t = 0; t < job.plan->task_count; t++)
        assert_int_equal(arena_check(job.arenas[t], &err), 0);
    begin_file(&w);
    put_all(&job, &w, true);
    put_all(&job, &w, false);
    assert_int_equal(savepoint_finish(&w, &err), 0);
    free_job(&job);
}

static void test_savepoint_state_travels(void **state)
{
    (void)state;
    static const int tasks[] = {1, 3, 4, 1};
    char *before[LINES], *now[LINES];
    struct job job;
    make_job(&job, 1);
    write_state(&job);
    free_job(&job);
    int count = read_lines(before);
    assert_int_equal(count, 2 * GROUPS + FILES);
    for (size_t leg = 0; leg < ARRAY_SIZE(tasks); leg++) {
        travel(tasks[leg]);
        assert_int_equal(read_lines(now), count);
        for (int i = 0; i < count; i++) {
            assert_string_equal(now[i], before[i]);
            free(now[i]);
        }
    }
    for (int i = 0; i < count; i++)
        free(before[i]);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_savepoint_state_travels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
