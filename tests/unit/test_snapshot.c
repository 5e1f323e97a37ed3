// test_snapshot.c: a snapshot taken while the arena changes is the arena at the barrier, byte for
// byte, in full and in increments, with both engines; and no damaged file is believed.
#include "tests/unit/test_state_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/snapshot/restore.h"
#include "core/snapshot/writer.h"
#include "stages/checkpoint/engine.h"
#include "tests/crash/state_world.h"

enum { ARENA_BYTES = 4 << 20, LOG_BYTES = 512 << 10, OPS = 24, CHAIN_MAX = 8 };

static const struct snapshot_id base_id = {.job = 7, .task = 3, .attempt = 1};

struct place {
    char folder[64];
    char paths[CHAIN_MAX][128];
    struct snapshot_file files[CHAIN_MAX];
    int count;
};

static void place_make(struct place *p)
{
    snprintf(p->folder, sizeof p->folder, "/tmp/weir-snapshot-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    p->count = 0;
}

static const char *place_add(struct place *p, uint64_t checkpoint)
{
    char *path = p->paths[p->count], folder[64];
    memcpy(folder, p->folder, sizeof folder);
    snprintf(path, sizeof p->paths[0], "%s/%llu", folder, (unsigned long long)checkpoint);
    p->files[p->count] = (struct snapshot_file){path, base_id};
    p->files[p->count].id.checkpoint = checkpoint;
    p->count++;
    return path;
}

static void place_remove(struct place *p)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", p->folder);
    assert_int_equal(system(command), 0);
}

static struct snapshot_engine *engine_make(enum engine_kind kind)
{
    struct snapshot_engine *engine = NULL;
    struct err err;
    if (kind == ENGINE_IO_URING && engine_probe_io_uring(&err) < 0) {
        printf("io_uring is not tested: %s\n", err.text);
        kind = ENGINE_PWRITE;
    }
    if (engine_create(kind, env_system(), &engine, &err) < 0)
        fail_msg("%s", err.text);
    return engine;
}

// A transaction, committed or (every fourth time) aborted.
static void change(struct arena *a, uint64_t root, uint64_t *rng, uint64_t ops)
{
    world_transaction(a, root, test_random(rng, 1u << 30), ops);
    if (test_random(rng, 4))
        arena_commit(a);
    else
        arena_abort(a);
}

struct job {
    struct arena *a;
    uint64_t root, rng;
    struct snapshot_engine *engine;
};

static struct snapshot *begin(struct job *job, const char *path, uint64_t checkpoint)
{
    struct snapshot *s = NULL;
    struct err err;
    uint8_t since;
    uint64_t base = arena_snapshot_base(job->a, &since);
    struct snapshot_spec spec = {.id = base_id, .base = base, .since_epoch = since};
    spec.id.checkpoint = checkpoint;
    assert_int_equal(job->engine->class->begin(job->engine, path, &err), 0);
    assert_int_equal(snapshot_begin(job->a, &spec, &s, &err), 0);
    snapshot_use(s, job->engine);
    arena_next_epoch(job->a);
    return s;
}

// The writer is another thread's: it copies at any moment, also between the changes of a
// transaction, which may yet be aborted.
static void change_amid(struct job *job, struct snapshot *s, bool *done)
{
    struct err err;
    for (int i = 0; i < 3; i++) {
        world_transaction(job->a, job->root, test_random(&job->rng, 1u << 30), OPS / 4);
        uint32_t blocks = (uint32_t)test_random(&job->rng, 8);
        if (!*done && snapshot_write(s, blocks, done, &err) < 0)
            fail_msg("%s", err.text);
    }
    if (test_random(&job->rng, 2))
        arena_commit(job->a);
    else
        arena_abort(job->a);
}

// Take snapshot `checkpoint` with `changes` a step; what the arena was at the barrier.
static struct test_image take(struct job *job, const char *path, uint64_t checkpoint, int changes)
{
    struct err err;
    bool done = false;
    struct snapshot *s = begin(job, path, checkpoint);
    uint8_t epoch = job->a->epoch;
    struct test_image image = test_image_take(job->a);
    while (!done) {
        for (int i = 0; i < changes; i++)
            change(job->a, job->root, &job->rng, OPS);
        if (changes)
            change_amid(job, s, &done);
        if (!done && snapshot_step(s, 1 + (uint32_t)test_random(&job->rng, 16), &done, &err) < 0)
            fail_msg("%s", err.text);
    }
    snapshot_end(s);
    job->engine->class->end(job->engine);
    arena_set_snapshot_base(job->a, checkpoint, epoch);
    return image;
}

static struct arena *restore(const struct snapshot_file *files, int count, int *rc, struct err *err)
{
    const struct arena_options options = {.fingerprint = 7, .log_bytes = LOG_BYTES};
    const struct snapshot_chain chain = {files, count};
    struct arena *a = NULL;
    void *base = aligned_alloc(ARENA_PAGE_BYTES, ARENA_BYTES);
    assert_non_null(base);
    memset(base, 0, ARENA_BYTES); // a segment's memory is
    assert_int_equal(arena_format(base, ARENA_BYTES, &options, err), 0);
    *rc = snapshot_restore(env_system(), &chain, base, &options, err);
    if (*rc == 0)
        assert_int_equal(arena_open(base, ARENA_BYTES, &options, &a, err), 0);
    else
        free(base);
    return a;
}

static void check_restored(const struct place *p, const struct test_image *want)
{
    struct err err;
    int rc;
    struct arena *a = restore(p->files, p->count, &rc, &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    test_image_check(a, want);
    test_arena_sound(a);
    test_arena_free(a);
}

static void check_chain(enum engine_kind kind, uint64_t seed)
{
    struct place p;
    struct job job = {.a = test_arena(ARENA_BYTES, LOG_BYTES), .rng = seed};
    job.root = world_open(job.a);
    job.engine = engine_make(kind);
    place_make(&p);
    for (int i = 0; i < 60; i++)
        change(job.a, job.root, &job.rng, OPS);
    for (uint64_t checkpoint = 1; checkpoint <= 5; checkpoint++) {
        struct test_image image = take(&job, place_add(&p, checkpoint), checkpoint, 2);
        check_restored(&p, &image);
        test_image_free(&image);
        for (int i = 0; i < 10; i++)
            change(job.a, job.root, &job.rng, OPS);
    }
    job.engine->class->destroy(job.engine);
    test_arena_free(job.a);
    place_remove(&p);
}

static void test_snapshot_is_the_arena_at_the_barrier(void **state)
{
    (void)state;
    uint64_t seed = test_seed(__func__);
    for (uint64_t i = 0; i < 16; i++)
        check_chain(i % 2 ? ENGINE_PWRITE : ENGINE_IO_URING, seed + i * 1000003);
}

// What changed before an abandoned checkpoint is in the next one all the same.
static void test_snapshot_that_is_abandoned_loses_no_mark(void **state)
{
    (void)state;
    struct place p, lost;
    struct err err;
    bool done;
    struct job job = {.a = test_arena(ARENA_BYTES, LOG_BYTES), .rng = test_seed(__func__)};
    job.root = world_open(job.a);
    job.engine = engine_make(ENGINE_IO_URING);
    place_make(&p);
    place_make(&lost);
    for (int i = 0; i < 40; i++)
        change(job.a, job.root, &job.rng, OPS);
    struct test_image image = take(&job, place_add(&p, 1), 1, 1);
    test_image_free(&image);
    for (uint64_t n = 2; n < 6; n++) {
        change(job.a, job.root, &job.rng, OPS);
        struct snapshot *s = begin(&job, place_add(&lost, n), n);
        change(job.a, job.root, &job.rng, OPS);
        assert_int_equal(snapshot_step(s, 3, &done, &err), 0);
        snapshot_end(s);
        job.engine->class->end(job.engine);
    }
    image = take(&job, place_add(&p, 6), 6, 1);
    check_restored(&p, &image);
    test_image_free(&image);
    job.engine->class->destroy(job.engine);
    test_arena_free(job.a);
    place_remove(&p);
    place_remove(&lost);
}

// Epochs are a byte: after 255 barriers the next snapshot is full again, and right.
static void test_snapshot_survives_the_end_of_the_epochs(void **state)
{
    (void)state;
    struct place p;
    uint8_t since;
    struct job job = {.a = test_arena(ARENA_BYTES, LOG_BYTES), .rng = test_seed(__func__)};
    job.root = world_open(job.a);
    job.engine = engine_make(ENGINE_PWRITE);
    place_make(&p);
    change(job.a, job.root, &job.rng, OPS);
    struct test_image image = take(&job, place_add(&p, 1), 1, 0);
    test_image_free(&image);
    while (job.a->epoch < 255)
        arena_next_epoch(job.a);
    assert_int_equal(arena_snapshot_base(job.a, &since), 1);
    change(job.a, job.root, &job.rng, OPS);
    arena_next_epoch(job.a);
    assert_int_equal(arena_snapshot_base(job.a, &since), 0);
    change(job.a, job.root, &job.rng, OPS);
    p.count = 0;
    image = take(&job, place_add(&p, 2), 2, 1);
    check_restored(&p, &image);
    test_image_free(&image);
    job.engine->class->destroy(job.engine);
    test_arena_free(job.a);
    place_remove(&p);
}

static void test_snapshot_of_little_change_is_little(void **state)
{
    (void)state;
    struct place p;
    struct stat full, increment;
    struct job job = {.a = test_arena(ARENA_BYTES, LOG_BYTES), .rng = test_seed(__func__)};
    job.root = world_open(job.a);
    job.engine = engine_make(ENGINE_PWRITE);
    place_make(&p);
    for (int i = 0; i < 80; i++)
        change(job.a, job.root, &job.rng, OPS);
    struct test_image image = take(&job, place_add(&p, 1), 1, 0);
    test_image_free(&image);
    uint64_t word = WORLD(job.a, job.root, sum);
    arena_store8(job.a, word, 42);
    arena_commit(job.a);
    image = take(&job, place_add(&p, 2), 2, 0);
    check_restored(&p, &image);
    test_image_free(&image);
    assert_int_equal(stat(p.paths[0], &full), 0);
    assert_int_equal(stat(p.paths[1], &increment), 0);
    // HEAD, one block behind its header, FOOT.
    assert_int_equal(increment.st_size, 4 * SNAPSHOT_PAGE_BYTES);
    assert_true(full.st_size > 8 * increment.st_size);
    job.engine->class->destroy(job.engine);
    test_arena_free(job.a);
    place_remove(&p);
}

// --- damage ---

static void read_file(const char *path, struct buf *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    char *to = buf_reserve(out, (size_t)st.st_size);
    assert_int_equal(read(fd, to, (size_t)st.st_size), st.st_size);
    out->len = (size_t)st.st_size;
    close(fd);
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

static void small_snapshot(struct place *p, struct buf *bytes)
{
    struct job job = {.a = test_arena(ARENA_BYTES, LOG_BYTES), .rng = 5};
    job.root = world_open(job.a);
    job.engine = engine_make(ENGINE_PWRITE);
    place_make(p);
    change(job.a, job.root, &job.rng, OPS);
    struct test_image image = take(&job, place_add(p, 1), 1, 1);
    test_image_free(&image);
    job.engine->class->destroy(job.engine);
    test_arena_free(job.a);
    read_file(p->paths[0], bytes);
}

// Every byte of every page header and, of the payloads, every 61st (all of them take a minute).
static void test_snapshot_notices_every_changed_byte(void **state)
{
    (void)state;
    struct buf bytes = {0};
    struct snapshot_info info;
    struct err err = {{0}};
    struct place p;
    small_snapshot(&p, &bytes);
    assert_int_equal(snapshot_verify(env_system(), &p.files[0], &info, &err), 0);
    assert_int_equal(info.file_bytes, bytes.len);
    for (size_t i = 0; i < bytes.len; i += i < 300 || i % 4096 < 80 ? 1 : 61) {
        int fd = open(p.paths[0], O_WRONLY);
        char changed = (char)(bytes.data[i] ^ (1 << i % 8));
        assert_int_equal(pwrite(fd, &changed, 1, (off_t)i), 1);
        int rc = snapshot_verify(env_system(), &p.files[0], &info, &err);
        if (rc != -EBADMSG && rc != -EPROTO)
            fail_msg("byte %zu changed: %d", i, rc);
        assert_non_null(strstr(err.text, p.paths[0]));
        assert_int_equal(pwrite(fd, &bytes.data[i], 1, (off_t)i), 1);
        close(fd);
    }
    assert_int_equal(snapshot_verify(env_system(), &p.files[0], &info, &err), 0);
    buf_fini(&bytes);
    place_remove(&p);
}

static void test_snapshot_that_was_cut_is_refused(void **state)
{
    (void)state;
    struct buf bytes = {0};
    struct err err;
    int rc;
    struct place p;
    small_snapshot(&p, &bytes);
    for (size_t len = 0; len < bytes.len; len += 2048) {
        write_file(p.paths[0], bytes.data, len);
        assert_null(restore(p.files, 1, &rc, &err));
        assert_int_equal(rc, -EBADMSG);
    }
    buf_append(&bytes, "more", 4);
    write_file(p.paths[0], bytes.data, bytes.len);
    assert_null(restore(p.files, 1, &rc, &err));
    assert_int_equal(rc, -EBADMSG);
    buf_fini(&bytes);
    place_remove(&p);
}

static void test_snapshot_of_another_is_refused(void **state)
{
    (void)state;
    struct buf bytes = {0};
    struct snapshot_info info;
    struct err err;
    struct place p;
    small_snapshot(&p, &bytes);
    struct snapshot_file others[] = {p.files[0], p.files[0], p.files[0], p.files[0]};
    others[0].id.job++;
    others[1].id.checkpoint++;
    others[2].id.task++;
    others[3].path = "/nowhere/1";
    for (int i = 0; i < 3; i++)
        assert_int_equal(snapshot_verify(env_system(), &others[i], &info, &err), -EBADMSG);
    assert_int_equal(snapshot_verify(env_system(), &others[3], &info, &err), -ENOENT);
    buf_fini(&bytes);
    place_remove(&p);
}

static void test_snapshot_crc_is_castagnoli(void **state)
{
    (void)state;
    assert_int_equal(snapshot_crc(0, "123456789", 9), 0xe3069283u); // the value of RFC 3720
    assert_int_equal(snapshot_crc(snapshot_crc(0, "1234", 4), "56789", 5), 0xe3069283u);
}

// A disk that takes nothing: the entries must not fill the memory.
static void *no_buffer(struct snapshot_engine *engine)
{
    (void)engine;
    return NULL;
}

static int poll_nothing(struct snapshot_engine *engine, bool wait, bool *idle)
{
    (void)engine;
    (void)wait;
    *idle = false;
    return 0;
}

static void test_snapshot_gives_up_on_a_slow_disk(void **state)
{
    (void)state;
    const struct snapshot_engine_class class = {.take = no_buffer, .poll = poll_nothing};
    struct snapshot_engine engine = {.class = &class};
    const struct snapshot_spec spec = {.id = {7, 1, 3, 1}, .undo_limit = 64 << 10};
    struct snapshot *s = NULL;
    struct err err;
    bool done = false;
    uint64_t rng = 1;
    int rc = 0, steps = 0;
    struct arena *a = test_arena(ARENA_BYTES, LOG_BYTES);
    uint64_t root = world_open(a);
    assert_int_equal(snapshot_begin(a, &spec, &s, &err), 0);
    snapshot_use(s, &engine);
    while (rc == 0 && ++steps < 10000) {
        change(a, root, &rng, OPS);
        rc = snapshot_step(s, 8, &done, &err);
        assert_false(done);
        assert_int_equal(snapshot_waits(s), SNAPSHOT_WAITS_DISK);
    }
    assert_int_equal(rc, -ENOBUFS);
    assert_true(steps > 1);
    snapshot_stop(s);
    assert_int_equal(snapshot_write(s, 8, &done, &err), -ECANCELED);
    snapshot_end(s);
    change(a, root, &rng, OPS); // nobody watches any more
    test_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_is_the_arena_at_the_barrier),
        cmocka_unit_test(test_snapshot_that_is_abandoned_loses_no_mark),
        cmocka_unit_test(test_snapshot_survives_the_end_of_the_epochs),
        cmocka_unit_test(test_snapshot_of_little_change_is_little),
        cmocka_unit_test(test_snapshot_notices_every_changed_byte),
        cmocka_unit_test(test_snapshot_that_was_cut_is_refused),
        cmocka_unit_test(test_snapshot_of_another_is_refused),
        cmocka_unit_test(test_snapshot_crc_is_castagnoli),
        cmocka_unit_test(test_snapshot_gives_up_on_a_slow_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
