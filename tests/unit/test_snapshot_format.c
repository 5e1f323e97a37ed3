// test_snapshot_format.c: docs/checkpoint-format.md is true: a reader that was written from that
// page alone (tests/golden/checkpoint_reader.py) restores the arena as it was at the barrier, from
// a chain of snapshots taken while the arena changed; and it notices every changed byte.
#include "tests/unit/test_state_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/snapshot/restore.h"
#include "core/snapshot/writer.h"
#include "stages/checkpoint/engine.h"
#include "stages/checkpoint/store.h"
#include "tests/crash/state_world.h"

enum { ARENA_BYTES = 4 << 20, LOG_BYTES = 256 << 10, OPS = 16, CHAIN = 3, TASK = 0, FLIPS = 8 };

#define READER "tests/golden/checkpoint_reader.py"

struct scene {
    char folder[64];
    struct store store;
    struct arena *a;
    uint64_t root, rng;
    struct snapshot_engine *engine;
    struct manifest_file files[CHAIN];
    char names[CHAIN][STORE_PATH_BYTES];
    struct manifest_task task;
    struct err err;
};

static void change(struct scene *s, int times)
{
    for (int i = 0; i < times; i++) {
        world_transaction(s->a, s->root, test_random(&s->rng, 1u << 30), OPS);
        arena_commit(s->a);
    }
}

static void scene_make(struct scene *s, uint64_t seed)
{
    *s = (struct scene){.folder = "/tmp/weir-format-XXXXXX", .rng = seed};
    assert_non_null(mkdtemp(s->folder));
    assert_int_equal(store_create(env_system(), s->folder, "format", &s->store, &s->err), 0);
    s->a = test_arena(ARENA_BYTES, LOG_BYTES);
    s->root = world_open(s->a);
    assert_int_equal(engine_create(ENGINE_AUTO, env_system(), &s->engine, &s->err), 0);
    s->task = (struct manifest_task){
        .name = "world", .files = s->files, .watermark_ms = INT64_MIN, .positions = "{}"};
    change(s, 40);
}

static void scene_free(struct scene *s)
{
    char command[128];
    s->engine->class->destroy(s->engine);
    test_arena_free(s->a);
    snprintf(command, sizeof command, "rm -rf '%s'", s->folder);
    assert_int_equal(system(command), 0);
}

static void write_manifest(struct scene *s, uint64_t checkpoint)
{
    const struct manifest manifest = {.job = "format",
                                      .fingerprint = 7,
                                      .checkpoint = checkpoint,
                                      .state_bytes = ARENA_BYTES,
                                      .cores = 1,
                                      .version = "test",
                                      .sql = "-- \"caf\xc3\xa9\"",
                                      .tasks = &s->task,
                                      .task_count = 1};
    assert_int_equal(store_commit(&s->store, &manifest, &s->err), 0);
}

// Checkpoint `n`, while the arena changes; what the arena was at the barrier.
static struct test_image take(struct scene *s, uint64_t n)
{
    char path[STORE_PATH_BYTES];
    struct snapshot *snapshot = NULL;
    bool done = false;
    uint8_t since;
    uint64_t base = arena_snapshot_base(s->a, &since);
    const struct snapshot_spec spec = {.id = {7, n, TASK, 1}, .base = base, .since_epoch = since};
    char *name = s->names[s->task.file_count];
    assert_int_equal(store_begin(&s->store, n, &s->err), 0);
    store_snapshot_name(n, TASK, 1, name);
    store_path(&s->store, name, path);
    s->files[s->task.file_count++] = (struct manifest_file){n, 1, name};
    assert_int_equal(s->engine->class->begin(s->engine, path, &s->err), 0);
    assert_int_equal(snapshot_begin(s->a, &spec, &snapshot, &s->err), 0);
    snapshot_use(snapshot, s->engine);
    uint8_t epoch = arena_next_epoch(s->a);
    struct test_image image = test_image_take(s->a);
    while (!done) {
        change(s, 1);
        assert_int_equal(snapshot_step(snapshot, 20, &done, &s->err), 0);
    }
    const struct snapshot_stats stats = snapshot_stats(snapshot);
    snapshot_end(snapshot);
    s->engine->class->end(s->engine);
    arena_set_snapshot_base(s->a, n, epoch);
    s->task.file_bytes = stats.file_bytes;
    s->task.blocks = stats.blocks;
    s->task.undo_bytes = stats.undo_bytes;
    assert_true(stats.undo_bytes > 0);
    write_manifest(s, n);
    return image;
}

static int run_reader(const struct scene *s, const char *arguments)
{
    char command[512];
    snprintf(command, sizeof command, "python3 " READER " %s 2>'%s/complaint'", arguments,
             s->folder);
    int status = system(command);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int reader_restores(const struct scene *s, uint64_t checkpoint)
{
    char arguments[192];
    snprintf(arguments, sizeof arguments, "restore '%s' %llu %d '%s/out'", s->folder,
             (unsigned long long)checkpoint, TASK, s->folder);
    return run_reader(s, arguments);
}

// What the reader made, as an arena.
static void check_restored(const struct scene *s, const struct test_image *want)
{
    const struct arena_options options = {.fingerprint = 7, .log_bytes = LOG_BYTES};
    struct arena *a = NULL;
    struct err err;
    char path[128];
    uint8_t *base = aligned_alloc(ARENA_PAGE_BYTES, ARENA_BYTES);
    assert_non_null(base);
    memset(base, 0, ARENA_BYTES);
    assert_int_equal(arena_format(base, ARENA_BYTES, &options, &err), 0);
    uint64_t from = ((struct arena_header *)base)->data_offset;
    snprintf(path, sizeof path, "%s/out", s->folder);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, base + from, ARENA_BYTES - from, (off_t)from), ARENA_BYTES - from);
    close(fd);
    assert_int_equal(arena_open(base, ARENA_BYTES, &options, &a, &err), 0);
    test_image_check(a, want);
    test_arena_sound(a);
    test_arena_free(a);
}

static bool has_python(void)
{
    return system("python3 -c '' 2>/dev/null") == 0;
}

static void test_snapshot_format_is_as_the_page_says(void **state)
{
    (void)state;
    struct scene s;
    char check[128];
    if (!has_python())
        skip();
    scene_make(&s, test_seed(__func__));
    for (uint64_t n = 1; n <= CHAIN; n++) {
        struct test_image image = take(&s, n);
        assert_int_equal(reader_restores(&s, n), 0);
        check_restored(&s, &image);
        test_image_free(&image);
        change(&s, 10);
    }
    snprintf(check, sizeof check, "check '%s' >/dev/null", s.folder);
    assert_int_equal(run_reader(&s, check), 0);
    scene_free(&s);
}

static void flip(const char *path, uint64_t at, uint8_t bits)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= bits;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

// The page and the program agree on what is damaged: both notice a changed byte anywhere.
static void test_snapshot_format_notices_changes(void **state)
{
    (void)state;
    struct scene s;
    struct stat st;
    char path[STORE_PATH_BYTES];
    if (!has_python())
        skip();
    scene_make(&s, test_seed(__func__));
    struct test_image image = take(&s, 1);
    store_path(&s.store, s.names[0], path);
    const struct snapshot_file file = {path, {7, 1, TASK, 1}};
    assert_int_equal(stat(path, &st), 0);
    for (int i = 0; i < FLIPS; i++) {
        struct snapshot_info info;
        uint64_t at = test_random(&s.rng, (uint64_t)st.st_size);
        flip(path, at, 0x10);
        assert_true(snapshot_verify(env_system(), &file, &info, &s.err) < 0);
        if (reader_restores(&s, 1) != 1)
            fail_msg("the reader believes a changed byte at %llu", (unsigned long long)at);
        flip(path, at, 0x10);
    }
    assert_int_equal(reader_restores(&s, 1), 0);
    test_image_free(&image);
    scene_free(&s);
}

// --- every byte ---

static struct {
    struct env env;
    uint64_t at; // of the byte that reads wrong, in whatever file
    uint8_t bits;
} flipping;

static ssize_t flipping_pread(struct env *env, int fd, void *bytes, size_t len, off_t offset)
{
    (void)env;
    ssize_t n = env_system()->pread(env_system(), fd, bytes, len, offset);
    if (n > 0 && flipping.at >= (uint64_t)offset && flipping.at < (uint64_t)offset + (uint64_t)n)
        ((uint8_t *)bytes)[flipping.at - (uint64_t)offset] ^= flipping.bits;
    return n;
}

// -EBADMSG is what makes a run fall back to the checkpoint before (tools/resume.c): every byte of a
// snapshot gives it, of every kind of frame, and every bit of a manifest.
static void test_snapshot_format_notices_every_byte(void **state)
{
    (void)state;
    struct scene s;
    struct stat st;
    struct snapshot_info info;
    char path[STORE_PATH_BYTES];
    scene_make(&s, test_seed(__func__));
    struct test_image image = take(&s, 1);
    flipping.env = *env_system();
    flipping.env.pread = flipping_pread;
    flipping.at = UINT64_MAX;
    store_path(&s.store, s.names[0], path);
    const struct snapshot_file file = {path, {7, 1, TASK, 1}};
    assert_int_equal(snapshot_verify(&flipping.env, &file, &info, &s.err), 0);
    assert_true(info.foot.blocks > 0 && info.foot.undo_bytes > 0);
    for (flipping.at = 0; flipping.at < info.file_bytes; flipping.at++) {
        struct snapshot_info ignored;
        flipping.bits = (uint8_t)(1u << test_random(&s.rng, 8));
        if (snapshot_verify(&flipping.env, &file, &ignored, &s.err) != -EBADMSG)
            fail_msg("byte %llu of a snapshot", (unsigned long long)flipping.at);
    }
    store_path(&s.store, "chk-1/MANIFEST", path);
    assert_int_equal(stat(path, &st), 0);
    struct store store = s.store;
    store.env = &flipping.env;
    for (uint64_t bit = 0; bit < 8 * (uint64_t)st.st_size; bit++) {
        struct pool pool = {0};
        struct manifest manifest;
        flipping.at = bit / 8;
        flipping.bits = (uint8_t)(1u << bit % 8);
        if (store_read(&store, 1, &pool, &manifest, &s.err) != -EBADMSG)
            fail_msg("bit %llu of a manifest", (unsigned long long)bit);
        pool_fini(&pool);
    }
    printf("%llu bytes of a snapshot, %llu of a manifest\n", (unsigned long long)info.file_bytes,
           (unsigned long long)st.st_size);
    test_image_free(&image);
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_format_is_as_the_page_says),
        cmocka_unit_test(test_snapshot_format_notices_changes),
        cmocka_unit_test(test_snapshot_format_notices_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
