// disk_scene.h: one task that makes checkpoints with the product's own coordinator, store, writer
// and pwrite engine, on a given env: what the crash and the fault tests have in common.
#ifndef WEIR_TESTS_FAULT_DISK_SCENE_H
#define WEIR_TESTS_FAULT_DISK_SCENE_H

#include "tests/unit/test_state_support.h"

#include <unistd.h>

#include "core/snapshot/restore.h"
#include "core/snapshot/writer.h"
#include "stages/checkpoint/engine.h"
#include "stages/checkpoint/store.h"
#include "stages/supervisor/coordinator.h"
#include "tests/crash/state_world.h"
#include "tests/fault/disk_env.h"

enum {
    SCENE_ARENA = 1 << 20,
    SCENE_LOG = 256 << 10,
    SCENE_OPS = 12,
    SCENE_IMAGES = 64,
    SCENE_FILES = 16,
};

struct scene {
    struct disk_env *disk;
    char memory[64], folder[128];
    int memory_fd;
    struct store store;
    struct control *supervisor, *task;
    struct coordinator *coordinator;
    struct arena *arena;
    uint64_t root, rng;
    struct snapshot_engine *engine;
    struct snapshot *snapshot;
    struct control_snapshot report;
    uint64_t barrier, completed;
    uint8_t epoch;
    struct test_image images[SCENE_IMAGES]; // at barrier n
    int failures;                           // checkpoints that were given up
    char last_failure[4096];
    int64_t now_ns;
};

static inline void scene_event(const struct coordinator_event *event, void *context)
{
    struct scene *scene = context;
    if (event->kind == COORDINATOR_COMPLETE)
        scene->disk->announced = event->checkpoint;
    if (event->kind == COORDINATOR_FAILED) {
        scene->failures++;
        snprintf(scene->last_failure, sizeof scene->last_failure, "%s", event->text);
    }
}

static inline void scene_tell(struct scene *s, enum control_snapshot_status status,
                              const char *text)
{
    s->report.status = status;
    snprintf(s->report.text, sizeof s->report.text, "%.1000s", text);
    control_report_snapshot(s->task, &s->report);
}

static inline void scene_drop(struct scene *s)
{
    snapshot_end(s->snapshot);
    s->snapshot = NULL;
    s->engine->class->end(s->engine);
}

// What stages/runtime/task_checkpoint.c does when a barrier passes.
static inline void scene_barrier(struct scene *s, uint64_t n)
{
    char name[STORE_PATH_BYTES], path[STORE_PATH_BYTES];
    struct err err = {{0}};
    uint8_t since;
    scene_drop(s);
    uint64_t base = arena_snapshot_base(s->arena, &since);
    if (control_checkpoint_is_full(s->task, n))
        base = 0;
    const struct snapshot_spec spec = {.id = {7, n, 0, 1}, .base = base, .since_epoch = since};
    s->barrier = n;
    CHECK(n < SCENE_IMAGES);
    test_image_free(&s->images[n]);
    s->images[n] = test_image_take(s->arena);
    s->report = (struct control_snapshot){.checkpoint = n, .base = base};
    store_snapshot_name(n, 0, 1, name);
    store_path(&s->store, name, path);
    int rc = s->engine->class->begin(s->engine, path, &err);
    if (rc == 0)
        rc = snapshot_begin(s->arena, &spec, &s->snapshot, &err);
    if (rc == 0)
        snapshot_use(s->snapshot, s->engine);
    s->epoch = arena_next_epoch(s->arena);
    scene_tell(s, rc < 0 ? CONTROL_SNAPSHOT_FAILED : CONTROL_SNAPSHOT_RUNNING, err.text);
    if (rc < 0)
        scene_drop(s);
}

static inline void scene_step(struct scene *s)
{
    struct err err = {{0}};
    bool done;
    int rc = snapshot_step(s->snapshot, 8, &done, &err);
    if (rc == 0 && !done)
        return;
    s->report.file_bytes = snapshot_stats(s->snapshot).file_bytes;
    scene_drop(s);
    scene_tell(s, done ? CONTROL_SNAPSHOT_DONE : CONTROL_SNAPSHOT_FAILED, err.text);
}

// A transaction, and everything that happens between two of them.
static inline void scene_round(struct scene *s)
{
    struct err err;
    int64_t again;
    world_transaction(s->arena, s->root, test_random(&s->rng, 1u << 30), SCENE_OPS);
    if (test_random(&s->rng, 5))
        arena_commit(s->arena);
    else
        arena_abort(s->arena);
    s->now_ns += 1000 * 1000;
    assert_int_equal(coordinator_tick(s->coordinator, s->now_ns, &again, &err), 0);
    uint64_t complete = control_complete_checkpoint(s->task);
    if (complete > s->completed && complete == s->barrier)
        arena_set_snapshot_base(s->arena, complete, s->epoch);
    s->completed = complete;
    uint64_t wanted = control_wanted_checkpoint(s->task);
    if (wanted > s->barrier)
        scene_barrier(s, wanted);
    else if (s->snapshot)
        scene_step(s);
}

static inline void scene_open(struct scene *s, uint64_t seed)
{
    static const char *const names[] = {"task"};
    struct err err = {{0}};
    *s = (struct scene){.disk = disk_env_make(), .rng = seed};
    snprintf(s->memory, sizeof s->memory, "/dev/shm/weir-scene-XXXXXX");
    assert_non_null(mkdtemp(s->memory));
    s->memory_fd = open(s->memory, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    snprintf(s->folder, sizeof s->folder, "%s/disk", s->memory);
    assert_int_equal(control_create(s->memory_fd, 7, names, 1, &err), 0);
    assert_int_equal(control_attach_supervisor(s->memory_fd, 7, &s->supervisor, &err), 0);
    assert_int_equal(control_attach_task(s->memory_fd, 7, 0, &s->task, &err), 0);
    control_begin(s->task, 1);
    s->arena = test_arena(SCENE_ARENA, SCENE_LOG);
    s->root = world_open(s->arena);
    assert_int_equal(engine_create_pwrite(&s->disk->env, &s->engine, &err), 0);
}

// The folder, and checkpoints every 20 rounds. 0 or -errno (with a fault planned, it may fail).
static inline int scene_begin(struct scene *s, int retain, struct err *err)
{
    int rc = store_create(&s->disk->env, s->folder, "scene", &s->store, err);
    if (rc < 0)
        return rc;
    const struct coordinator_options options = {.store = &s->store,
                                                .interval_ms = 20,
                                                .timeout_ms = 200,
                                                .retain = retain,
                                                .tolerable_failures = -1,
                                                .job = {.job = "scene", .fingerprint = 7},
                                                .on_event = scene_event,
                                                .context = s};
    return coordinator_create(&options, s->supervisor, s->now_ns, &s->coordinator, err);
}

static inline void scene_close(struct scene *s)
{
    char command[128];
    scene_drop(s);
    s->engine->class->destroy(s->engine);
    coordinator_free(s->coordinator);
    control_detach(s->task);
    control_detach(s->supervisor);
    test_arena_free(s->arena);
    for (int i = 0; i < SCENE_IMAGES; i++)
        test_image_free(&s->images[i]);
    close(s->memory_fd);
    snprintf(command, sizeof command, "rm -rf '%s'", s->memory);
    assert_int_equal(system(command), 0);
    disk_env_free(s->disk);
}

// --- restoring ---

// The newest complete checkpoint's number; 0: none, or the folder is not there yet.
static inline uint64_t scene_newest(const char *folder, struct store *store)
{
    struct err err;
    struct store_entry *entries;
    int count;
    if (store_open(env_system(), folder, NULL, store, &err) < 0 ||
        store_list(store, &entries, &count, &err) < 0)
        return 0;
    while (count > 0 && !entries[count - 1].is_complete)
        count--;
    uint64_t newest = count ? entries[count - 1].checkpoint : 0;
    free(entries);
    return newest;
}

static inline struct arena *scene_load(const struct store *store, const struct manifest_task *task,
                                       const char *where)
{
    static char paths[SCENE_FILES][STORE_PATH_BYTES];
    static uint8_t *memory; // one for all: there are thousands of restores
    struct snapshot_file files[SCENE_FILES];
    struct err err = {{0}};
    struct arena *arena = NULL;
    assert_true(task->file_count <= SCENE_FILES);
    for (int i = 0; i < task->file_count; i++) {
        store_path(store, task->files[i].path, paths[i]);
        files[i] = (struct snapshot_file){paths[i], {7, task->files[i].checkpoint, 0, 1}};
    }
    memory = memory ? memory : aligned_alloc(ARENA_PAGE_BYTES, SCENE_ARENA);
    memset(memory, 0, SCENE_ARENA);
    const struct arena_options options = {.fingerprint = 7, .log_bytes = SCENE_LOG};
    const struct snapshot_chain chain = {files, task->file_count};
    assert_int_equal(arena_format(memory, SCENE_ARENA, &options, &err), 0);
    if (snapshot_restore(env_system(), &chain, memory, &options, &err) < 0)
        fail_msg("%s: %s", where, err.text);
    assert_int_equal(arena_open(memory, SCENE_ARENA, &options, &arena, &err), 0);
    return arena;
}

// Restore the newest complete checkpoint of the folder; its number, 0: there is none. One that does
// not restore, or to another state than that at its barrier, fails the test: `where` says what was
// tried.
static inline uint64_t scene_restore(const struct scene *s, const char *folder, const char *where)
{
    struct store store;
    struct err err = {{0}};
    struct pool pool = {0};
    struct manifest manifest;
    uint64_t newest = scene_newest(folder, &store);
    if (newest == 0)
        return 0;
    if (store_read(&store, newest, &pool, &manifest, &err) < 0)
        fail_msg("%s: %s", where, err.text);
    struct arena *arena = scene_load(&store, &manifest.tasks[0], where);
    assert_true(newest < SCENE_IMAGES && s->images[newest].bytes);
    test_image_check(arena, &s->images[newest]);
    arena_close(arena);
    pool_fini(&pool);
    return newest;
}

#endif
