// test_copier.c: snapshots written by a thread beside the transactions are the arena at the
// barrier; one that is abandoned, at any moment, harms neither the next nor the task; errors of the
// disk are told once.
#include "tests/unit/test_state_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/snapshot/restore.h"
#include "stages/checkpoint/copier.h"
#include "tests/crash/state_world.h"

enum { ARENA_BYTES = 8 << 20, LOG_BYTES = 512 << 10, OPS = 24 };

struct bench {
    char folder[64], path[128];
    struct arena *a;
    uint64_t root, rng, checkpoint;
    struct copier *copier;
    struct snapshot_stats stats;
    struct err err;
};

static enum engine_kind a_kind(uint64_t i)
{
    struct err err;
    return i % 2 || engine_probe_io_uring(&err) < 0 ? ENGINE_PWRITE : ENGINE_IO_URING;
}

static void change(struct bench *b)
{
    world_transaction(b->a, b->root, test_random(&b->rng, 1u << 30), OPS);
    if (test_random(&b->rng, 4))
        arena_commit(b->a);
    else
        arena_abort(b->a);
}

static void bench_make(struct bench *b, struct env *env, enum engine_kind kind, uint64_t seed)
{
    *b = (struct bench){.folder = "/tmp/weir-copier-XXXXXX", .rng = seed};
    assert_non_null(mkdtemp(b->folder));
    b->a = test_arena(ARENA_BYTES, LOG_BYTES);
    b->root = world_open(b->a);
    for (int i = 0; i < 200; i++)
        change(b);
    if (copier_create(env, kind, 0, &b->copier, &b->err) < 0)
        fail_msg("%s", b->err.text);
}

static void bench_free(struct bench *b)
{
    char command[128];
    copier_destroy(b->copier);
    test_arena_free(b->a);
    snprintf(command, sizeof command, "rm -rf '%s'", b->folder);
    assert_int_equal(system(command), 0);
}

static int begin(struct bench *b)
{
    const struct snapshot_spec spec = {.id = {7, ++b->checkpoint, 3, 1}};
    char folder[64];
    memcpy(folder, b->folder, sizeof folder);
    snprintf(b->path, sizeof b->path, "%s/%llu", folder, (unsigned long long)b->checkpoint);
    const struct copier_job job = {.path = b->path, .spec = &spec};
    int rc = copier_begin(b->copier, b->a, &job, &b->err);
    arena_next_epoch(b->a);
    return rc;
}

// Change and poll until the end.
static enum copier_status to_its_end(struct bench *b)
{
    enum copier_status status;
    do {
        change(b);
        status = copier_poll(b->copier, &b->stats, &b->err);
    } while (status == COPIER_RUNNING);
    assert_int_equal(copier_poll(b->copier, &b->stats, &b->err), COPIER_IDLE); // told once
    return status;
}

static void check_restored(struct bench *b, const struct test_image *want)
{
    const struct arena_options options = {.fingerprint = 7, .log_bytes = LOG_BYTES};
    const struct snapshot_file file = {b->path, {7, b->checkpoint, 3, 1}};
    const struct snapshot_chain chain = {&file, 1};
    struct arena *a = NULL;
    void *base = aligned_alloc(ARENA_PAGE_BYTES, ARENA_BYTES);
    assert_non_null(base);
    memset(base, 0, ARENA_BYTES);
    assert_int_equal(arena_format(base, ARENA_BYTES, &options, &b->err), 0);
    if (snapshot_restore(env_system(), &chain, base, &options, &b->err) < 0)
        fail_msg("%s", b->err.text);
    assert_int_equal(arena_open(base, ARENA_BYTES, &options, &a, &b->err), 0);
    test_image_check(a, want);
    test_arena_sound(a);
    test_arena_free(a);
}

static void take_and_check(struct bench *b)
{
    struct test_image image = test_image_take(b->a);
    assert_int_equal(begin(b), 0);
    if (to_its_end(b) != COPIER_DONE)
        fail_msg("%s", b->err.text);
    assert_true(b->stats.blocks > 0 && b->stats.blocks_left == 0);
    check_restored(b, &image);
    test_image_free(&image);
}

static void test_copier_gives_the_arena_at_the_barrier(void **state)
{
    (void)state;
    uint64_t seed = test_seed(__func__);
    for (uint64_t i = 0; i < 4; i++) {
        struct bench b;
        bench_make(&b, env_system(), a_kind(i), seed + i);
        for (int n = 0; n < 8; n++)
            take_and_check(&b);
        bench_free(&b);
    }
}

// Left before the thread has it, while it copies, while it waits for the owner, when it has done.
static void test_copier_abandons_at_any_moment(void **state)
{
    (void)state;
    uint64_t seed = test_seed(__func__);
    for (uint64_t i = 0; i < 4; i++) {
        struct bench b;
        bench_make(&b, env_system(), a_kind(i), seed + i);
        for (int n = 0; n < 40; n++) {
            assert_int_equal(begin(&b), 0);
            for (uint64_t k = test_random(&b.rng, 30); k > 0; k--)
                change(&b);
            if (n % 3 == 0)
                copier_poll(b.copier, &b.stats, &b.err);
            copier_abandon(b.copier);
            assert_int_equal(copier_poll(b.copier, &b.stats, &b.err), COPIER_IDLE);
        }
        take_and_check(&b);
        assert_int_equal(begin(&b), 0); // and is destroyed amid one
        change(&b);
        bench_free(&b);
    }
}

// --- a disk that is slow, or fails ---

static struct env odd;
static int syncs, sync_fails_at, write_ms;
static int synced[8];

static int odd_fdatasync(struct env *env, int fd)
{
    (void)env;
    if (syncs < 8)
        synced[syncs] = fd;
    return ++syncs == sync_fails_at ? -EIO : env_system()->fdatasync(env_system(), fd);
}

static ssize_t odd_pwrite(struct env *env, int fd, const void *bytes, size_t len, off_t at)
{
    (void)env;
    nanosleep(&(struct timespec){.tv_nsec = write_ms * 1000000L}, NULL);
    return env_system()->pwrite(env_system(), fd, bytes, len, at);
}

static struct env *env_odd(int fails_at, int ms)
{
    odd = *env_system();
    odd.fdatasync = odd_fdatasync;
    odd.pwrite = odd_pwrite;
    syncs = 0;
    sync_fails_at = fails_at;
    write_ms = ms;
    return &odd;
}

static void test_copier_tells_of_a_failing_disk(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, env_odd(1, 0), ENGINE_PWRITE, 3);
    assert_int_equal(begin(&b), 0);
    assert_int_equal(to_its_end(&b), COPIER_FAILED);
    assert_non_null(strstr(b.err.text, "Input/output error"));
    take_and_check(&b);
    b.checkpoint--; // a file that is there already
    assert_int_equal(begin(&b), 0);
    assert_int_equal(to_its_end(&b), COPIER_FAILED);
    assert_non_null(strstr(b.err.text, "File exists"));
    assert_non_null(strstr(b.err.text, b.path));
    take_and_check(&b);
    bench_free(&b);
}

// What is slow keeps the thread for long; the task goes on, abandons, and begins the next, which
// has its turn.
static void test_copier_of_a_slow_disk_keeps_nobody(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, env_odd(0, 20), ENGINE_PWRITE, test_seed(__func__));
    for (int n = 0; n < 5; n++) {
        assert_int_equal(begin(&b), 0);
        change(&b);
        copier_abandon(b.copier);
    }
    take_and_check(&b);
    bench_free(&b);
}

// An output that could not be synced is lost for good, also when the snapshot was abandoned by
// then.
static void test_copier_never_forgets_a_lost_output(void **state)
{
    (void)state;
    struct bench b;
    struct err why = {.text = ""};
    const struct snapshot_spec spec = {.id = {7, 1, 3, 1}};
    for (int abandon = 0; abandon < 2; abandon++) {
        bench_make(&b, env_odd(1, 0), ENGINE_PWRITE, 3);
        int fd = open(b.folder, O_RDONLY);
        assert_true(fd >= 0);
        snprintf(b.path, sizeof b.path, "%.60s/1", b.folder);
        const struct copier_job job = {
            .path = b.path, .spec = &spec, .sync_fds = &fd, .sync_count = 1};
        assert_int_equal(copier_begin(b.copier, b.a, &job, &b.err), 0);
        if (!abandon)
            assert_int_equal(to_its_end(&b), COPIER_FAILED);
        while (!copier_has_lost_output(b.copier, &why))
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        copier_abandon(b.copier);
        b.checkpoint++;
        take_and_check(&b); // a later sync succeeds, as the kernel's does
        assert_true(copier_has_lost_output(b.copier, &why));
        assert_non_null(strstr(why.text, "cannot make the output durable: Input/output error"));
        close(fd);
        bench_free(&b);
    }
}

static void test_copier_syncs_other_files_too(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, env_odd(0, 0), ENGINE_PWRITE, 3);
    const struct snapshot_spec spec = {.id = {7, 1, 3, 1}};
    int fds[2] = {open("/dev/null", O_RDONLY), open(b.folder, O_RDONLY)};
    assert_true(fds[0] >= 0 && fds[1] >= 0);
    snprintf(b.path, sizeof b.path, "%.60s/1", b.folder);
    const struct copier_job job = {
        .path = b.path, .spec = &spec, .sync_fds = fds + 1, .sync_count = 1};
    assert_int_equal(copier_begin(b.copier, b.a, &job, &b.err), 0);
    close(fds[1]); // it has its own
    assert_int_equal(to_its_end(&b), COPIER_DONE);
    assert_int_equal(syncs, 2); // the folder and the snapshot
    assert_int_not_equal(synced[0], synced[1]);
    close(fds[0]);
    bench_free(&b);
}

// What is too long for the task's report is on disk, whole, before the snapshot is told to be done,
// and of this snapshot, not of one before.
static void test_copier_writes_long_positions(void **state)
{
    (void)state;
    struct bench b;
    struct store store;
    struct buf got = {0};
    char folder[80];
    bench_make(&b, env_system(), ENGINE_PWRITE, 3);
    assert_int_equal(store_create(env_system(), b.folder, "t", &store, &b.err), 0);
    for (uint64_t checkpoint = 1; checkpoint <= 3; checkpoint++) {
        const struct snapshot_spec spec = {.id = {7, checkpoint, 3, 1}};
        const struct store_part part = {checkpoint, 3, 1};
        bool is_long = checkpoint != 2;
        char text[32] = "";
        if (is_long)
            snprintf(text, sizeof text, "{\"offset\":%d}", (int)checkpoint);
        snprintf(folder, sizeof folder, "%.60s/chk-%d", b.folder, (int)checkpoint);
        assert_int_equal(mkdir(folder, 0700), 0);
        snprintf(b.path, sizeof b.path, "%.70s/task", folder);
        const struct copier_job job = {
            .path = b.path, .spec = &spec, .store = &store, .positions = slice_of(text)};
        assert_int_equal(copier_begin(b.copier, b.a, &job, &b.err), 0);
        memset(text, 'x', sizeof text - 1); // it has its own
        assert_int_equal(to_its_end(&b), COPIER_DONE);
        buf_clear(&got);
        assert_int_equal(store_take_positions(&store, &part, &got, &b.err), is_long ? 0 : -ENOENT);
        if (is_long)
            assert_string_equal(buf_str(&got),
                                checkpoint == 1 ? "{\"offset\":1}" : "{\"offset\":3}");
    }
    buf_fini(&got);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copier_gives_the_arena_at_the_barrier),
        cmocka_unit_test(test_copier_abandons_at_any_moment),
        cmocka_unit_test(test_copier_tells_of_a_failing_disk),
        cmocka_unit_test(test_copier_of_a_slow_disk_keeps_nobody),
        cmocka_unit_test(test_copier_syncs_other_files_too),
        cmocka_unit_test(test_copier_never_forgets_a_lost_output),
        cmocka_unit_test(test_copier_writes_long_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
