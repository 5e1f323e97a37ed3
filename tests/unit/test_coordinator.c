// test_coordinator.c: checkpoints from the supervisor's side, with a task that the test plays.
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
#include <unistd.h>

#include "stages/supervisor/coordinator.h"

enum { FINGERPRINT = 7 };

struct scene {
    char folder[64], dir[128];
    int fd;
    struct store store;
    struct control *supervisor, *task;
    struct coordinator *coordinator;
    int64_t now_ns;
    uint64_t complete, failed;
    char why[512], trouble[512];
};

static void on_event(const struct coordinator_event *event, void *context)
{
    struct scene *s = context;
    if (event->kind == COORDINATOR_COMPLETE)
        s->complete = event->checkpoint;
    if (event->kind == COORDINATOR_TROUBLE)
        snprintf(s->trouble, sizeof s->trouble, "%s", event->text);
    if (event->kind == COORDINATOR_FAILED) {
        s->failed = event->checkpoint;
        snprintf(s->why, sizeof s->why, "%s", event->text);
    }
}

// A supervisor's process begins: it knows what the disk says.
static void begin_run(struct scene *s)
{
    struct err err;
    const struct coordinator_options options = {.store = &s->store,
                                                .interval_ms = 10,
                                                .timeout_ms = 100,
                                                .retain = 2,
                                                .tolerable_failures = -1,
                                                .job = {.job = "scene", .fingerprint = FINGERPRINT},
                                                .on_event = on_event,
                                                .context = s};
    coordinator_free(s->coordinator);
    assert_int_equal(coordinator_create(&options, s->supervisor, s->now_ns, &s->coordinator, &err),
                     0);
}

static void scene_open(struct scene *s)
{
    static const char *const names[] = {"task"};
    struct err err;
    *s = (struct scene){.folder = "/tmp/weir-coordinator-XXXXXX"};
    assert_non_null(mkdtemp(s->folder));
    s->fd = open(s->folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    snprintf(s->dir, sizeof s->dir, "%s/checkpoints", s->folder);
    assert_int_equal(store_create(env_system(), s->dir, "scene", &s->store, &err), 0);
    assert_int_equal(control_create(s->fd, FINGERPRINT, names, 1, &err), 0);
    assert_int_equal(control_attach_supervisor(s->fd, FINGERPRINT, &s->supervisor, &err), 0);
    assert_int_equal(control_attach_task(s->fd, FINGERPRINT, 0, &s->task, &err), 0);
    control_begin(s->task, 1);
    begin_run(s);
}

static void scene_close(struct scene *s)
{
    char command[128];
    coordinator_free(s->coordinator);
    control_detach(s->task);
    control_detach(s->supervisor);
    close(s->fd);
    snprintf(command, sizeof command, "rm -rf '%s'", s->folder);
    assert_int_equal(system(command), 0);
}

// The number that is asked for, at the latest one interval from now.
static uint64_t next_wanted(struct scene *s)
{
    int64_t again;
    struct err err;
    s->now_ns += 20 * 1000 * 1000;
    assert_int_equal(coordinator_tick(s->coordinator, s->now_ns, &again, &err), 0);
    assert_false(coordinator_is_idle(s->coordinator));
    return control_wanted_checkpoint(s->task);
}

static void answer(struct scene *s, uint64_t checkpoint, enum control_snapshot_status status,
                   const char *text)
{
    struct control_snapshot report = {.checkpoint = checkpoint, .status = status};
    int64_t again;
    struct err err;
    snprintf(report.text, sizeof report.text, "%s", text);
    control_report_snapshot(s->task, &report);
    s->now_ns += 1000 * 1000;
    assert_int_equal(coordinator_tick(s->coordinator, s->now_ns, &again, &err), 0);
}

static bool has_folder(const struct scene *s, uint64_t checkpoint)
{
    char path[STORE_PATH_BYTES];
    store_checkpoint_path(&s->store, checkpoint, path);
    return access(path, F_OK) == 0;
}

// --- when one begins ---

static void test_coordinator_is_put_off(void **state)
{
    (void)state;
    struct scene s;
    int64_t again;
    struct err err;
    scene_open(&s);
    coordinator_put_off(s.coordinator, s.now_ns + 500 * 1000 * 1000);
    s.now_ns += 100 * 1000 * 1000; // several intervals
    assert_int_equal(coordinator_tick(s.coordinator, s.now_ns, &again, &err), 0);
    assert_true(coordinator_is_idle(s.coordinator));
    assert_int_equal(again, s.now_ns + 400 * 1000 * 1000);
    s.now_ns = again;
    assert_int_equal(next_wanted(&s), 1);
    scene_close(&s);
}

// --- numbers ---

// Whatever becomes of a checkpoint, and whoever supervises: no number comes twice.
static void test_coordinator_numbers_only_grow(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    assert_int_equal(next_wanted(&s), 1);
    answer(&s, 1, CONTROL_SNAPSHOT_FAILED, "no disk");
    assert_true(s.failed == 1 && strstr(s.why, "no disk"));
    begin_run(&s);
    assert_int_equal(next_wanted(&s), 2);
    assert_int_equal(s.complete, 0);
    answer(&s, 2, CONTROL_SNAPSHOT_DONE, "{}");
    assert_int_equal(s.complete, 2);
    assert_int_equal(next_wanted(&s), 3);
    coordinator_task_died(s.coordinator, 0, s.now_ns);
    assert_int_equal(s.failed, 3);
    assert_int_equal(next_wanted(&s), 4);
    assert_false(has_folder(&s, 3)); // the newer one says it
    coordinator_hold(s.coordinator, s.now_ns);
    assert_int_equal(s.failed, 4);
    begin_run(&s);
    assert_int_equal(next_wanted(&s), 5);
    begin_run(&s); // killed while it was under way
    assert_int_equal(next_wanted(&s), 6);
    answer(&s, 6, CONTROL_SNAPSHOT_DONE, "{}");
    assert_int_equal(s.complete, 6);
    assert_false(has_folder(&s, 4) || has_folder(&s, 5));
    scene_close(&s);
}

// Without room for a folder the number of the one before is still known.
static void test_coordinator_that_cannot_begin_keeps_the_numbers(void **state)
{
    (void)state;
    struct scene s;
    int64_t again;
    struct err err;
    char path[STORE_PATH_BYTES];
    scene_open(&s);
    assert_int_equal(next_wanted(&s), 1);
    answer(&s, 1, CONTROL_SNAPSHOT_FAILED, "no disk");
    store_checkpoint_path(&s.store, 2, path);
    FILE *file = fopen(path, "w"); // in the way
    assert_non_null(file);
    fclose(file);
    s.now_ns += 20 * 1000 * 1000;
    assert_int_equal(coordinator_tick(s.coordinator, s.now_ns, &again, &err), 0);
    assert_true(s.failed == 2 && strstr(s.why, "cannot make"));
    assert_int_equal(control_wanted_checkpoint(s.task), 1);
    assert_true(has_folder(&s, 1));
    assert_int_equal(unlink(path), 0);
    begin_run(&s);
    assert_int_equal(next_wanted(&s), 2);
    scene_close(&s);
}

// --- a region goes back ---

// The checkpoint under way is lost, and none begins until the memory is there again.
static void test_coordinator_rests_while_a_region_goes_back(void **state)
{
    (void)state;
    struct scene s;
    int64_t again;
    struct err err;
    scene_open(&s);
    assert_int_equal(next_wanted(&s), 1);
    answer(&s, 1, CONTROL_SNAPSHOT_DONE, "{}");
    assert_int_equal(next_wanted(&s), 2);
    coordinator_pause(s.coordinator, s.now_ns);
    assert_true(s.failed == 2 && strstr(s.why, "memory of a task was lost"));
    s.now_ns += INT64_C(1000000000);
    assert_int_equal(coordinator_tick(s.coordinator, s.now_ns, &again, &err), 0);
    assert_true(coordinator_is_idle(s.coordinator));
    assert_true(again == INT64_MAX);
    coordinator_went_back(s.coordinator, 1);
    coordinator_resume(s.coordinator);
    assert_int_equal(coordinator_complete(s.coordinator), 1);
    assert_int_equal(next_wanted(&s), 3);
    assert_false(control_checkpoint_is_full(s.task, 3)); // increments on 1 fit
    answer(&s, 3, CONTROL_SNAPSHOT_DONE, "{}");
    assert_int_equal(s.complete, 3);
    scene_close(&s);
}

// Behind the newest complete one: nobody may take its number for one that is still to come, and
// nothing builds on it.
static void test_coordinator_goes_back_behind_a_complete_one(void **state)
{
    (void)state;
    struct scene s;
    struct control_snapshot increment = {.status = CONTROL_SNAPSHOT_DONE, .base = 2};
    int64_t again;
    struct err err;
    scene_open(&s);
    assert_int_equal(next_wanted(&s), 1);
    answer(&s, 1, CONTROL_SNAPSHOT_DONE, "{}");
    assert_int_equal(next_wanted(&s), 2);
    answer(&s, 2, CONTROL_SNAPSHOT_DONE, "{}");
    coordinator_pause(s.coordinator, s.now_ns);
    assert_int_equal(store_set_aside(&s.store, 2, &err), 0);
    coordinator_went_back(s.coordinator, 1);
    coordinator_resume(s.coordinator);
    assert_int_equal(coordinator_complete(s.coordinator), 1);
    assert_true(control_wanted_checkpoint(s.task) > control_complete_checkpoint(s.task));
    uint64_t wanted = next_wanted(&s);
    assert_true(wanted > 3 && control_checkpoint_is_full(s.task, wanted));
    increment.checkpoint = wanted; // a task that had not seen that it is to be full
    control_report_snapshot(s.task, &increment);
    s.now_ns += 1000 * 1000;
    assert_int_equal(coordinator_tick(s.coordinator, s.now_ns, &again, &err), 0);
    assert_true(s.failed == wanted && strstr(s.why, "builds on a checkpoint that is gone"));
    wanted = next_wanted(&s);
    assert_true(control_checkpoint_is_full(s.task, wanted));
    answer(&s, wanted, CONTROL_SNAPSHOT_DONE, "{}");
    assert_int_equal(s.complete, wanted);
    scene_close(&s);
}

// --- positions ---

// Longer than the report's room in shared memory: they come to the manifest all the same.
static void test_coordinator_takes_positions_of_any_length(void **state)
{
    (void)state;
    enum { NEXT_COUNT = 5000 };
    struct scene s;
    struct err err;
    struct buf text = {0};
    struct pool pool = {0};
    struct manifest manifest;
    scene_open(&s);
    assert_int_equal(next_wanted(&s), 1);
    buf_append_str(&text, "{\"next\":[0");
    for (int i = 1; i < NEXT_COUNT; i++)
        buf_printf(&text, ",%d", i);
    buf_append_str(&text, "]}");
    const struct store_part part = {1, 0, (uint32_t)control_attempt(s.task)};
    assert_int_equal(store_write_positions(&s.store, &part, buf_slice(&text), &err), 0);
    answer(&s, 1, CONTROL_SNAPSHOT_DONE, "");
    assert_int_equal(s.complete, 1);
    assert_int_equal(store_read(&s.store, 1, &pool, &manifest, &err), 0);
    assert_string_equal(manifest.tasks[0].positions, buf_str(&text));
    buf_clear(&text);
    assert_int_equal(store_take_positions(&s.store, &part, &text, &err), -ENOENT); // it is in there
    assert_non_null(strstr(err.text, "task-0-1.positions"));
    pool_fini(&pool);
    buf_fini(&text);
    scene_close(&s);
}

// Gone, whoever did it: that is told, and is no reason to lose the checkpoint.
static void test_coordinator_misses_positions(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    assert_int_equal(next_wanted(&s), 1);
    answer(&s, 1, CONTROL_SNAPSHOT_DONE, "");
    assert_int_equal(s.complete, 1);
    assert_non_null(strstr(s.trouble, "positions"));
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coordinator_is_put_off),
        cmocka_unit_test(test_coordinator_numbers_only_grow),
        cmocka_unit_test(test_coordinator_that_cannot_begin_keeps_the_numbers),
        cmocka_unit_test(test_coordinator_takes_positions_of_any_length),
        cmocka_unit_test(test_coordinator_misses_positions),
        cmocka_unit_test(test_coordinator_rests_while_a_region_goes_back),
        cmocka_unit_test(test_coordinator_goes_back_behind_a_complete_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
