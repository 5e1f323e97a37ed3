// test_job_restore.c: a job's arenas and rings from a checkpoint: what fits together is taken, what
// does not is damage, so that an older checkpoint may do.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/snapshot/writer.h"
#include "shm/ring.h"
#include "stages/checkpoint/engine.h"
#include "stages/runtime/job_arena.h"
#include "stages/runtime/job_restore.h"
#include "stages/runtime/job_resume.h"
#include "stages/runtime/task_state.h"

// Two sources, two windows, one channel from each to each.
static const char sql[] =
    "SET 'parallelism.default' = '2';\n"
    "CREATE TABLE t (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH\n"
    "  ('connector' = 'datagen', 'rows-per-second' = '1');\n"
    "CREATE TABLE o (k STRING, n BIGINT) WITH ('connector' = 'blackhole');\n"
    "INSERT INTO o SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '1' DAY)) GROUP BY window_start, window_end, k;\n";

// The same, and beside it a job that has nothing to do with it.
static const char two_regions[] =
    "SET 'parallelism.default' = '2';\n"
    "CREATE TABLE t (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH\n"
    "  ('connector' = 'datagen', 'rows-per-second' = '1');\n"
    "CREATE TABLE u (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH\n"
    "  ('connector' = 'datagen', 'rows-per-second' = '1');\n"
    "CREATE TABLE o (k STRING, n BIGINT) WITH ('connector' = 'blackhole');\n"
    "CREATE TABLE p (k STRING, n BIGINT) WITH ('connector' = 'blackhole');\n"
    "INSERT INTO o SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '1' DAY)) GROUP BY window_start, window_end, k;\n"
    "INSERT INTO p SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE u, DESCRIPTOR(ts), "
    "INTERVAL '1' DAY)) GROUP BY window_start, window_end, k;\n";

enum { CHECKPOINT = 3, TASKS_MAX = 16, CHANNELS_MAX = 16, STATE_BYTES = 1 << 20 };

struct scene {
    char folder[64];
    struct jobdir dir;
    struct plan *plan;
    struct job_options options;
    struct store store;
    struct snapshot_engine *engine;
    struct err err;
    const bool *only; // restore these tasks, into `made`
    struct jobdir made;
    // What the tasks' snapshots will say.
    struct channel_state channels[TASKS_MAX][CHANNELS_MAX];
    int counts[TASKS_MAX];
    int inputs[TASKS_MAX];
};

static void clear(struct scene *s)
{
    assert_int_equal(jobdir_clear(&s->dir, &s->err), 0);
    if (job_create(&s->dir, s->plan, &s->options, &s->err) < 0)
        fail_msg("%s", s->err.text);
}

// Every channel has come as far as its number says.
static void set_channels(struct scene *s)
{
    const struct plan *plan = s->plan;
    memset(s->counts, 0, sizeof s->counts);
    memset(s->inputs, 0, sizeof s->inputs);
    memset(s->channels, 0, sizeof s->channels);
    for (int side = 0; side < 2; side++) // inputs first
        for (int e = 0; e < plan->exchange_count; e++) {
            const struct stage *from = &plan->stages[plan->exchanges[e].from_stage];
            const struct stage *to = &plan->stages[plan->exchanges[e].to_stage];
            const struct stage *own = side ? from : to, *other = side ? to : from;
            for (int i = 0; i < own->parallelism; i++)
                for (int j = 0; j < other->parallelism; j++) {
                    int f = side ? i : j, t = side ? j : i, task = own->first_task + i;
                    if (!job_has_channel(plan, e, f, t))
                        continue;
                    assert_true(task < TASKS_MAX && s->counts[task] < CHANNELS_MAX);
                    s->channels[task][s->counts[task]++].position =
                        (uint64_t)(1000 * (e + 1) + 100 * f + 10 * t) * 8;
                    s->inputs[task] += !side;
                }
        }
}

static void scene_open_of(struct scene *s, const char *script)
{
    char path[128];
    *s = (struct scene){.folder = "/tmp/weir-restore-XXXXXX"};
    const struct plan_settings settings = {
        .file_name = "t.sql", .sql = slice_of(script), .cores = 2};
    s->options = (struct job_options){.job_name = "t",
                                      .sql_file = "t.sql",
                                      .sql = slice_of(script),
                                      .cores = 2,
                                      .state_bytes = STATE_BYTES,
                                      .ring_bytes = 64 << 10};
    assert_non_null(mkdtemp(s->folder));
    snprintf(path, sizeof path, "%s/memory", s->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    if (plan_make(&settings, &s->plan, &s->err) < 0 ||
        jobdir_open(path, "t", &s->dir, &s->err) < 0 ||
        job_create(&s->dir, s->plan, &s->options, &s->err) < 0)
        fail_msg("%s", s->err.text);
    assert_true(s->plan->exchange_count > 0 && s->plan->task_count > 2);
    snprintf(path, sizeof path, "%s/checkpoints", s->folder);
    assert_int_equal(store_create(env_system(), path, "t", &s->store, &s->err), 0);
    assert_int_equal(engine_create_pwrite(env_system(), &s->engine, &s->err), 0);
    set_channels(s);
}

static void scene_open(struct scene *s)
{
    scene_open_of(s, sql);
}

static void scene_close(struct scene *s)
{
    char command[128];
    s->engine->class->destroy(s->engine);
    plan_free(s->plan);
    jobdir_remove(&s->dir, &s->err);
    snprintf(command, sizeof command, "rm -rf '%s'", s->folder);
    assert_int_equal(system(command), 0);
}

// A task's arena with its state as the scene wants it, in a snapshot file.
static void write_snapshot(struct scene *s, int task, char *name)
{
    char path[STORE_PATH_BYTES];
    struct job_arena mapped;
    struct arena *arena;
    struct snapshot *snapshot = NULL;
    uint64_t at, bytes = (uint64_t)s->counts[task] * sizeof(struct channel_state);
    bool done = false;
    const struct snapshot_spec spec = {.id = {s->plan->fingerprint, CHECKPOINT, (uint32_t)task, 1}};
    assert_int_equal(job_arena_map(&s->dir, s->plan, task, &mapped, &s->err), 0);
    assert_int_equal(arena_open(mapped.base, mapped.bytes, &mapped.options, &arena, &s->err), 0);
    assert_int_equal(arena_root(arena, TASK_ROOT, sizeof(struct task_state) + bytes, &at), 0);
    struct task_state *state = arena_touch(arena, at, sizeof *state + bytes);
    *state = (struct task_state){.is_known = 1, .barrier = CHECKPOINT, .barrier_epoch = 2};
    memcpy(state + 1, s->channels[task], bytes);
    arena_commit(arena);
    store_snapshot_name(CHECKPOINT, task, 1, name);
    store_path(&s->store, name, path);
    assert_int_equal(s->engine->class->begin(s->engine, path, &s->err), 0);
    assert_int_equal(snapshot_begin(arena, &spec, &snapshot, &s->err), 0);
    snapshot_use(snapshot, s->engine);
    while (!done)
        assert_int_equal(snapshot_step(snapshot, 64, &done, &s->err), 0);
    snapshot_end(snapshot);
    s->engine->class->end(s->engine);
    arena_close(arena);
    job_arena_unmap(&mapped);
}

// Make the checkpoint, and restore it into memory made anew.
static int restore(struct scene *s)
{
    static char names[TASKS_MAX][STORE_PATH_BYTES];
    struct manifest_file files[TASKS_MAX];
    struct manifest_task tasks[TASKS_MAX] = {{0}};
    struct manifest manifest = {.job = "t",
                                .fingerprint = s->plan->fingerprint,
                                .checkpoint = CHECKPOINT,
                                .tasks = tasks,
                                .task_count = s->plan->task_count};
    assert_true(store_remove(&s->store, CHECKPOINT, &s->err) == 0);
    assert_int_equal(store_begin(&s->store, CHECKPOINT, &s->err), 0);
    clear(s);
    for (int task = 0; task < manifest.task_count; task++) {
        write_snapshot(s, task, names[task]);
        files[task] = (struct manifest_file){CHECKPOINT, 1, names[task]};
        tasks[task] = (struct manifest_task){.name = "t", .files = &files[task], .file_count = 1};
    }
    clear(s);
    s->err.text[0] = '\0';
    if (s->only) {
        assert_int_equal(jobdir_begin_new(&s->dir, &s->made, &s->err), 0);
        assert_int_equal(job_create_tasks(&s->made, s->plan, &s->options, s->only, &s->err), 0);
    }
    const struct job_restoring some = {&s->made, s->plan, &s->store, &manifest, s->only};
    return s->only ? job_restore_tasks(&some, &s->err)
                   : job_restore(&s->dir, s->plan, &s->store, &manifest, &s->err);
}

static int first_consumer(const struct scene *s)
{
    int task = 0;
    while (s->inputs[task] == 0)
        task++;
    return task;
}

// Each ring begins where both of its sides stood: both can attach there, and nowhere else.
static void test_job_restore_starts_rings(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    if (restore(&s) < 0)
        fail_msg("%s", s.err.text);
    int rings = 0;
    for (int e = 0; e < s.plan->exchange_count; e++)
        for (int from = 0; from < s.plan->stages[s.plan->exchanges[e].from_stage].parallelism;
             from++)
            for (int to = 0; to < s.plan->stages[s.plan->exchanges[e].to_stage].parallelism; to++) {
                char name[64];
                struct ring_consumer ring;
                if (!job_has_channel(s.plan, e, from, to))
                    continue;
                job_ring_name(e, from, to, name);
                int fd = openat(s.dir.fd, name, O_RDWR | O_CLOEXEC);
                assert_true(fd >= 0);
                uint64_t position = (uint64_t)(1000 * (e + 1) + 100 * from + 10 * to) * 8;
                assert_int_equal(
                    ring_attach_consumer(fd, s.plan->fingerprint, position, &ring, &s.err), 0);
                ring_consumer_close(&ring);
                assert_int_equal(
                    ring_attach_consumer(fd, s.plan->fingerprint, position - 8, &ring, &s.err),
                    -EPROTO);
                close(fd);
                rings++;
            }
    assert_true(rings > 2);
    scene_close(&s);
}

// The two sides of any channel disagree: the checkpoint is damaged, not the run.
static void test_job_restore_refuses_other_positions(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    for (int task = 0; task < s.plan->task_count; task++)
        for (int i = 0; i < s.counts[task]; i++) {
            s.channels[task][i].position += 8;
            assert_int_equal(restore(&s), -EBADMSG);
            assert_non_null(strstr(s.err.text, "are not of one cut"));
            s.channels[task][i].position -= 8;
        }
    struct channel_state *channel = &s.channels[first_consumer(&s)][0];
    channel->rows_left = 1;
    assert_int_equal(restore(&s), -EBADMSG);
    assert_non_null(strstr(s.err.text, "in part"));
    channel->rows_left = 0;
    assert_int_equal(restore(&s), 0);
    scene_close(&s);
}

// Both sides say the same that cannot be.
static void test_job_restore_refuses_positions_of_no_ring(void **state)
{
    (void)state;
    static const uint64_t bad[] = {UINT64_MAX - 7, (UINT64_C(1) << 62) + 8, 8004};
    struct scene s;
    scene_open(&s);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        set_channels(&s);
        uint64_t old = s.channels[first_consumer(&s)][0].position;
        for (int task = 0; task < s.plan->task_count; task++)
            for (int c = 0; c < s.counts[task]; c++)
                if (s.channels[task][c].position == old)
                    s.channels[task][c].position = bad[i];
        assert_int_equal(restore(&s), -EBADMSG);
        assert_non_null(strstr(s.err.text, "which no task can have"));
    }
    scene_close(&s);
}

static bool has_name(const struct jobdir *dir, const char *name)
{
    return faccessat(dir->fd, name, F_OK, 0) == 0;
}

// Of two regions one is made anew, in a folder of its own: its segments and no others, each as the
// checkpoint has it; what the snapshots of the other say is not looked at.
static void test_job_restore_of_one_region(void **state)
{
    (void)state;
    struct scene s;
    char name[64];
    struct err err;
    scene_open_of(&s, two_regions);
    int *regions = job_regions(s.plan), rings = 0;
    bool only[TASKS_MAX] = {false};
    for (int task = 0; task < s.plan->task_count; task++)
        only[task] = regions[task] == regions[s.plan->task_count - 1];
    assert_false(only[0]);
    s.channels[0][0].position += 8; // of the other region: not of one cut
    assert_int_equal(restore(&s), -EBADMSG);
    s.only = only;
    if (restore(&s) < 0)
        fail_msg("%s", s.err.text);
    for (int task = 0; task < s.plan->task_count; task++) {
        job_arena_name(task, name);
        assert_int_equal(has_name(&s.made, name), only[task]);
    }
    for (int e = 0; e < s.plan->exchange_count; e++)
        for (int i = 0; i < 4; i++) {
            int writer = s.plan->stages[s.plan->exchanges[e].from_stage].first_task + i / 2;
            if (!job_has_channel(s.plan, e, i / 2, i % 2))
                continue;
            job_ring_name(e, i / 2, i % 2, name);
            assert_int_equal(has_name(&s.made, name), only[writer]);
            rings += only[writer];
        }
    assert_true(rings >= 2);
    assert_int_equal(job_remove_tasks(&s.dir, s.plan, only, &err), 0);
    job_arena_name(s.plan->task_count - 1, name);
    assert_false(has_name(&s.dir, name));
    assert_int_equal(job_check_memory(&s.dir, s.plan, 0, &err), 0);
    assert_true(job_check_memory(&s.dir, s.plan, s.plan->task_count - 1, &err) < 0);
    assert_non_null(strstr(err.text, name));
    assert_int_equal(jobdir_end_new(&s.dir, &s.made, &err), 0);
    jobdir_close(&s.made);
    for (int task = 0; task < s.plan->task_count; task++)
        assert_int_equal(job_check_memory(&s.dir, s.plan, task, &err), 0);
    free(regions);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_restore_starts_rings),
        cmocka_unit_test(test_job_restore_refuses_other_positions),
        cmocka_unit_test(test_job_restore_refuses_positions_of_no_ring),
        cmocka_unit_test(test_job_restore_of_one_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
