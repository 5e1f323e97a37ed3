// test_engine.c: both ways to write a snapshot file: every byte in its place, short writes gone on
// with, and each way in which a disk refuses is an error of that file, never of the next.
//
// io_uring_submit of the library is replaced by the one here, so that the kernel can be made to
// refuse a submission.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "stages/checkpoint/engine.h"

enum { EIO_SUBMIT = -EAGAIN };

static int submits, fail_submit; // the fail_submit-th fails; 0: none

int io_uring_submit(struct io_uring *ring)
{
    static int (*real)(struct io_uring *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "io_uring_submit");
    return ++submits == fail_submit ? EIO_SUBMIT : real(ring);
}

// --- an env whose pwrite is short, or fails, and which has no room ---

static struct env odd;
static int pwrites, pwrite_most, pwrite_fails_at, sync_fails;
static int rooms, room_error, cut_error;

static ssize_t odd_pwrite(struct env *env, int fd, const void *bytes, size_t len, off_t at)
{
    (void)env;
    if (++pwrites == pwrite_fails_at)
        return -ENOSPC;
    if (pwrites % 3 == 0)
        return -EINTR;
    size_t most = (size_t)pwrite_most < len ? (size_t)pwrite_most : len;
    return env_system()->pwrite(env_system(), fd, bytes, most, at);
}

static int odd_fdatasync(struct env *env, int fd)
{
    (void)env;
    return sync_fails ? -EIO : env_system()->fdatasync(env_system(), fd);
}

static int odd_fallocate(struct env *env, int fd, off_t offset, off_t len)
{
    (void)env;
    rooms++;
    return room_error ? room_error : env_system()->fallocate(env_system(), fd, offset, len);
}

static int odd_ftruncate(struct env *env, int fd, off_t len)
{
    (void)env;
    return cut_error ? cut_error : env_system()->ftruncate(env_system(), fd, len);
}

static struct env *env_odd(int most, int fails_at)
{
    odd = *env_system();
    odd.pwrite = odd_pwrite;
    odd.fdatasync = odd_fdatasync;
    odd.fallocate = odd_fallocate;
    odd.ftruncate = odd_ftruncate;
    rooms = room_error = cut_error = 0;
    pwrites = 0;
    pwrite_most = most;
    pwrite_fails_at = fails_at;
    sync_fails = 0;
    return &odd;
}

// --- a file ---

struct bench {
    char folder[64], path[128];
    struct snapshot_engine *engine;
    struct err err;
};

static bool has_uring(void)
{
    struct err why;
    return engine_probe_io_uring(&why) == 0;
}

static void bench_make(struct bench *b, enum engine_kind kind, struct env *env)
{
    *b = (struct bench){.folder = "/tmp/weir-engine-XXXXXX"};
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/file", b->folder);
    if (engine_create(kind, env, &b->engine, &b->err) < 0)
        fail_msg("%s", b->err.text);
    assert_string_equal(b->engine->class->name, engine_kind_name(kind));
}

static void bench_free(struct bench *b)
{
    char command[128];
    b->engine->class->destroy(b->engine);
    snprintf(command, sizeof command, "rm -rf '%s'", b->folder);
    assert_int_equal(system(command), 0);
}

static uint32_t frame_bytes(int frame)
{
    return 4096 * (1 + (uint32_t)(frame * 7 % 64));
}

static void fill(uint8_t *bytes, int frame, uint32_t len)
{
    for (uint32_t i = 0; i < len; i += 8) {
        uint64_t word = hash_u64((uint64_t)frame << 32 | i);
        memcpy(bytes + i, &word, 8);
    }
}

// Give `frames` frames to the engine, sync, wait. The first error.
static int write_frames(struct snapshot_engine *e, int frames)
{
    int rc = 0;
    bool idle = false;
    for (int i = 0; i < frames && rc == 0; i++) {
        uint8_t *buffer = e->class->take(e);
        while (rc == 0 && !buffer) {
            rc = e->class->poll(e, true, &idle);
            buffer = e->class->take(e);
        }
        if (rc < 0)
            break;
        fill(buffer, i, frame_bytes(i));
        rc = e->class->submit(e, buffer, frame_bytes(i));
    }
    if (rc == 0)
        rc = e->class->sync(e);
    for (idle = false; rc == 0 && !idle;)
        rc = e->class->poll(e, true, &idle);
    return rc;
}

static void check_file(const char *path, int frames)
{
    static uint8_t got[SNAPSHOT_FRAME_MAX], want[SNAPSHOT_FRAME_MAX];
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    for (int i = 0; i < frames; i++) {
        fill(want, i, frame_bytes(i));
        assert_int_equal(read(fd, got, frame_bytes(i)), frame_bytes(i));
        assert_memory_equal(got, want, frame_bytes(i));
    }
    assert_int_equal(read(fd, got, 1), 0);
    close(fd);
}

// A file on this engine works from begin to end; after trouble, too.
static void check_works(struct bench *b, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    assert_int_equal(b->engine->class->begin(b->engine, path, &b->err), 0);
    assert_int_equal(write_frames(b->engine, 40), 0);
    b->engine->class->end(b->engine);
    check_file(path, 40);
}

static void each_engine(void (*check)(enum engine_kind kind))
{
    check(ENGINE_PWRITE);
    if (has_uring())
        check(ENGINE_IO_URING);
    else
        printf("io_uring is not tested: it does not work here\n");
}

// --- tests ---

static void check_in_place(enum engine_kind kind)
{
    struct bench b;
    bench_make(&b, kind, env_system());
    check_works(&b, "one");
    check_works(&b, "two");
    snprintf(b.path, sizeof b.path, "%s/one", b.folder);
    assert_int_equal(b.engine->class->begin(b.engine, b.path, &b.err), -EEXIST); // never over one
    assert_non_null(strstr(b.err.text, b.path));
    b.engine->class->end(b.engine); // none open: nothing
    check_file(b.path, 40);
    assert_int_equal(b.engine->class->begin(b.engine, "/nowhere/x", &b.err), -ENOENT);
    check_works(&b, "three");
    bench_free(&b);
}

static void test_engine_writes_every_byte_in_its_place(void **state)
{
    (void)state;
    each_engine(check_in_place);
}

static void check_abandoned(enum engine_kind kind)
{
    struct bench b;
    char name[32];
    bench_make(&b, kind, env_system());
    for (int taken = 0; taken < 3; taken++) {
        snprintf(b.path, sizeof b.path, "%s/left-%d", b.folder, taken);
        assert_int_equal(b.engine->class->begin(b.engine, b.path, &b.err), 0);
        for (int i = 0; i < taken; i++) {
            void *buffer = b.engine->class->take(b.engine);
            if (buffer && i == 0)
                b.engine->class->submit(b.engine, buffer, 4096);
        }
        b.engine->class->end(b.engine);
        snprintf(name, sizeof name, "next-%d", taken);
        check_works(&b, name); // every buffer is back
    }
    bench_free(&b);
}

static void test_engine_takes_every_buffer_back(void **state)
{
    (void)state;
    each_engine(check_abandoned);
}

static void test_engine_pwrite_goes_on_after_short_writes(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, ENGINE_PWRITE, env_odd(1000, 0));
    check_works(&b, "short");
    bench_free(&b);
}

static void test_engine_pwrite_errors_are_of_one_file(void **state)
{
    (void)state;
    struct bench b;
    bool idle;
    bench_make(&b, ENGINE_PWRITE, env_odd(1 << 20, 20));
    assert_int_equal(b.engine->class->begin(b.engine, b.path, &b.err), 0);
    assert_int_equal(write_frames(b.engine, 40), -ENOSPC);
    assert_int_equal(b.engine->class->poll(b.engine, false, &idle), -ENOSPC); // again and again
    assert_int_equal(b.engine->class->sync(b.engine), -ENOSPC);
    b.engine->class->end(b.engine);
    check_works(&b, "next");
    sync_fails = 1;
    snprintf(b.path, sizeof b.path, "%s/sync", b.folder);
    assert_int_equal(b.engine->class->begin(b.engine, b.path, &b.err), 0);
    assert_int_equal(write_frames(b.engine, 3), -EIO);
    sync_fails = 0;
    assert_int_equal(b.engine->class->sync(b.engine), -EIO); // a failed fsync is final
    b.engine->class->end(b.engine);
    check_works(&b, "last");
    bench_free(&b);
}

// Room that is made before the writes come is given back; where there is none, writes do without.
static void test_engine_uring_room(void **state)
{
    (void)state;
    struct bench b;
    if (!has_uring())
        skip();
    bench_make(&b, ENGINE_IO_URING, env_odd(1 << 20, 0));
    check_works(&b, "roomy");
    assert_int_equal(rooms, 3); // 1, 2 and 4 of some 5 MiB
    for (int i = 0; i < 2; i++) {
        char name[16];
        rooms = 0;
        room_error = i ? -EOPNOTSUPP : -ENOSPC;
        snprintf(name, sizeof name, "without-%d", i);
        check_works(&b, name);
        assert_int_equal(rooms, 1); // not asked again
    }
    room_error = 0;
    cut_error = -EIO;
    assert_int_equal(b.engine->class->begin(b.engine, b.path, &b.err), 0);
    assert_int_equal(write_frames(b.engine, 40), -EIO);
    b.engine->class->end(b.engine);
    cut_error = 0;
    check_works(&b, "last");
    bench_free(&b);
}

// The kernel takes a submission not: the file is lost, and nothing of it is ever written later,
// when its descriptor may be another file's.
static void test_engine_uring_refused_submission(void **state)
{
    (void)state;
    if (!has_uring())
        skip();
    enum { FRAMES = 10 };
    for (int k = 1; k <= FRAMES + 1; k++) { // each write, then the fsync
        struct bench b;
        bench_make(&b, ENGINE_IO_URING, env_system());
        assert_int_equal(b.engine->class->begin(b.engine, b.path, &b.err), 0);
        submits = 0;
        fail_submit = k;
        assert_int_equal(write_frames(b.engine, FRAMES), EIO_SUBMIT);
        fail_submit = 0;
        b.engine->class->end(b.engine);
        check_works(&b, "next");
        check_works(&b, "last");
        bench_free(&b);
    }
}

// In a process of its own: a tmpfs of 1 MiB in its own mount namespace. 77: not allowed here.
static int full_disk(enum engine_kind kind)
{
    struct bench b;
    char path[128];
    bench_make(&b, kind, env_system());
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", b.folder, "tmpfs", 0, "size=1m") < 0) {
        bench_free(&b);
        return 77;
    }
    int rc = b.engine->class->begin(b.engine, b.path, &b.err);
    if (rc == 0)
        rc = write_frames(b.engine, 40);
    b.engine->class->end(b.engine);
    unlink(b.path);
    snprintf(path, sizeof path, "%s/small", b.folder);
    if (b.engine->class->begin(b.engine, path, &b.err) < 0 || write_frames(b.engine, 2) < 0)
        return 2;
    b.engine->class->end(b.engine);
    check_file(path, 2);
    umount(b.folder);
    bench_free(&b);
    return rc == -ENOSPC ? 0 : 1;
}

// A limit of the size of files, in the middle of a page: the write must fail, not the process, and
// say that there is no room.
static int limited_files(enum engine_kind kind)
{
    struct bench b;
    const struct rlimit limit = {196 * 512, 196 * 512}; // as ulimit -f 196
    bench_make(&b, kind, env_system());
    signal(SIGXFSZ, SIG_IGN); // as a task does
    setrlimit(RLIMIT_FSIZE, &limit);
    int rc = b.engine->class->begin(b.engine, b.path, &b.err);
    if (rc == 0)
        rc = write_frames(b.engine, 40);
    b.engine->class->end(b.engine);
    bench_free(&b);
    if (rc != -EFBIG && rc != -ENOSPC)
        fprintf(stderr, "%s: %d\n", engine_kind_name(kind), rc);
    return rc == -EFBIG || rc == -ENOSPC ? 0 : 1;
}

static int in_child(int (*body)(enum engine_kind kind), enum engine_kind kind)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(body(kind));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void check_full(enum engine_kind kind)
{
    int status = in_child(full_disk, kind);
    if (status == 77)
        printf("a full disk is not tested: no mount namespace here\n");
    else
        assert_int_equal(status, 0);
}

static void test_engine_on_a_full_disk(void **state)
{
    (void)state;
    each_engine(check_full);
}

static void check_limited(enum engine_kind kind)
{
    for (int i = 0; i < 20; i++) // which write comes first is the kernel's to choose
        assert_int_equal(in_child(limited_files, kind), 0);
}

static void test_engine_under_a_limit_of_file_sizes(void **state)
{
    (void)state;
    each_engine(check_limited);
}

static void test_engine_names(void **state)
{
    (void)state;
    enum engine_kind kind;
    for (int i = 0; i < ENGINE_KIND_COUNT; i++) {
        assert_int_equal(engine_kind_parse(engine_kind_name((enum engine_kind)i), &kind), 0);
        assert_int_equal(kind, i);
    }
    assert_int_equal(engine_kind_parse("aio", &kind), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_writes_every_byte_in_its_place),
        cmocka_unit_test(test_engine_takes_every_buffer_back),
        cmocka_unit_test(test_engine_pwrite_goes_on_after_short_writes),
        cmocka_unit_test(test_engine_pwrite_errors_are_of_one_file),
        cmocka_unit_test(test_engine_uring_room),
        cmocka_unit_test(test_engine_uring_refused_submission),
        cmocka_unit_test(test_engine_on_a_full_disk),
        cmocka_unit_test(test_engine_under_a_limit_of_file_sizes),
        cmocka_unit_test(test_engine_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
