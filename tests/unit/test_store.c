// test_store.c: a folder of checkpoints: whose it is, what is in it, what is kept, and what it says
// when the disk does not want.
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
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "stages/checkpoint/store.h"

// --- an env that fails the k-th change, and remembers in which order things were done ---

enum { FAIL_NEVER = 0 };

static struct env broken;
static int calls, fail_at, fail_with;
static struct buf history;

static int next_call(const char *what, const char *path)
{
    buf_printf(&history, "%s %s\n", what, path ? path : "");
    return ++calls == fail_at ? fail_with : 0;
}

static int broken_open(struct env *env, const char *path, int flags, mode_t mode)
{
    (void)env;
    int rc = flags & O_CREAT ? next_call("create", path) : 0;
    return rc ? rc : env_system()->open(env_system(), path, flags, mode);
}

static ssize_t broken_pwrite(struct env *env, int fd, const void *bytes, size_t len, off_t at)
{
    (void)env;
    int rc = next_call("pwrite", NULL);
    return rc ? rc : env_system()->pwrite(env_system(), fd, bytes, len, at);
}

static int broken_fdatasync(struct env *env, int fd)
{
    (void)env;
    int rc = next_call("fdatasync", NULL);
    return rc ? rc : env_system()->fdatasync(env_system(), fd);
}

static int broken_rename(struct env *env, const char *from, const char *to)
{
    (void)env;
    int rc = next_call("rename", to);
    return rc ? rc : env_system()->rename(env_system(), from, to);
}

static int broken_unlink(struct env *env, const char *path)
{
    (void)env;
    int rc = next_call("unlink", path);
    return rc ? rc : env_system()->unlink(env_system(), path);
}

static int broken_mkdir(struct env *env, const char *path, mode_t mode)
{
    (void)env;
    int rc = next_call("mkdir", path);
    return rc ? rc : env_system()->mkdir(env_system(), path, mode);
}

static int broken_rmdir(struct env *env, const char *path)
{
    (void)env;
    int rc = next_call("rmdir", path);
    return rc ? rc : env_system()->rmdir(env_system(), path);
}

static int broken_sync_dir(struct env *env, const char *path)
{
    (void)env;
    int rc = next_call("sync_dir", path);
    return rc ? rc : env_system()->sync_dir(env_system(), path);
}

static struct env *env_failing(int at, int with)
{
    broken = *env_system();
    broken.open = broken_open;
    broken.pwrite = broken_pwrite;
    broken.fdatasync = broken_fdatasync;
    broken.rename = broken_rename;
    broken.unlink = broken_unlink;
    broken.mkdir = broken_mkdir;
    broken.rmdir = broken_rmdir;
    broken.sync_dir = broken_sync_dir;
    calls = 0;
    fail_at = at;
    fail_with = with;
    buf_clear(&history);
    return &broken;
}

// --- a folder ---

struct place {
    char folder[64], dir[128];
    struct store store;
    struct err err;
};

static void place_make(struct place *p)
{
    *p = (struct place){.folder = "/tmp/weir-store-XXXXXX"};
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->dir, sizeof p->dir, "%s/a/b", p->folder);
    if (store_create(env_system(), p->dir, "uv", &p->store, &p->err) < 0)
        fail_msg("%s", p->err.text);
}

static void place_remove(struct place *p)
{
    char command[256];
    snprintf(command, sizeof command, "chmod -R u+w '%s'; rm -rf '%s'", p->folder, p->folder);
    assert_int_equal(system(command), 0);
}

static bool is_there(const struct place *p, const char *relative)
{
    char path[STORE_PATH_BYTES];
    store_path(&p->store, relative, path);
    return access(path, F_OK) == 0;
}

static void put_file(const struct place *p, const char *relative, const char *text)
{
    char path[STORE_PATH_BYTES];
    store_path(&p->store, relative, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void put_snapshot(const struct place *p, uint64_t checkpoint)
{
    char name[STORE_PATH_BYTES];
    store_snapshot_name(checkpoint, 0, 1, name);
    put_file(p, name, "snapshot");
}

// A complete checkpoint of one task, whose chain is `chain`, ended by a 0; it itself comes behind.
static int put_with(const struct place *p, uint64_t checkpoint, const uint64_t *chain)
{
    struct manifest_file files[8];
    char paths[8][STORE_PATH_BYTES];
    int count = 0;
    struct err err;
    for (; chain && chain[count]; count++) {
        store_snapshot_name(chain[count], 0, 1, paths[count]);
        files[count] = (struct manifest_file){chain[count], 1, paths[count]};
    }
    store_snapshot_name(checkpoint, 0, 1, paths[count]);
    files[count] = (struct manifest_file){checkpoint, 1, paths[count]};
    struct manifest_task task = {
        .name = "t", .files = files, .file_count = count + 1, .positions = "{}"};
    const struct manifest manifest = {
        .job = "uv", .checkpoint = checkpoint, .cores = 1, .tasks = &task, .task_count = 1};
    int rc = store_begin(&p->store, checkpoint, &err);
    if (rc == 0) {
        put_snapshot(p, checkpoint);
        rc = store_commit(&p->store, &manifest, &err);
    }
    return rc;
}

static void put(const struct place *p, uint64_t checkpoint, const uint64_t *chain)
{
    assert_int_equal(put_with(p, checkpoint, chain), 0);
}

// "1 2 4- 7": the numbers there are; a minus: not complete.
static const char *listed(const struct place *p)
{
    static char text[256];
    struct store_entry *entries;
    struct err err;
    int count;
    size_t at = 0;
    text[0] = '\0';
    assert_int_equal(store_list(&p->store, &entries, &count, &err), 0);
    for (int i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%llu%s", i ? " " : "",
                               (unsigned long long)entries[i].checkpoint,
                               entries[i].is_complete ? "" : "-");
    free(entries);
    return text;
}

// --- whose folder it is ---

static void test_store_is_of_one_job(void **state)
{
    (void)state;
    struct place p;
    struct store other;
    place_make(&p);
    assert_int_equal(store_create(env_system(), p.dir, "uv", &other, &p.err), 0);
    assert_int_equal(store_open(env_system(), p.dir, "uv", &other, &p.err), 0);
    assert_int_equal(store_open(env_system(), p.dir, NULL, &other, &p.err), 0);
    assert_int_equal(store_open(env_system(), p.dir, "uv2", &other, &p.err), -EEXIST);
    assert_non_null(strstr(p.err.text, "'uv'"));
    assert_non_null(strstr(p.err.text, "set checkpoint.dir to another folder"));
    assert_int_equal(store_create(env_system(), p.dir, "u", &other, &p.err), -EEXIST);
    put(&p, 1, NULL);
    assert_int_equal(store_create(env_system(), p.dir, "u", &other, &p.err), -EEXIST);
    assert_string_equal(listed(&p), "1");
    assert_int_equal(store_open(env_system(), p.folder, "uv", &other, &p.err), -ENOENT);
    assert_int_equal(store_open(env_system(), "/nowhere", "uv", &other, &p.err), -ENOENT);
    place_remove(&p);
}

static void test_store_says_what_is_in_the_way(void **state)
{
    (void)state;
    struct place p;
    struct store store;
    char path[5000];
    place_make(&p);
    snprintf(path, sizeof path, "%s/a/b/JOB/x", p.folder);
    assert_int_equal(store_create(env_system(), path, "uv", &store, &p.err), -ENOTDIR);
    assert_non_null(strstr(p.err.text, "set checkpoint.dir to a folder that can be written"));
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(store_create(env_system(), path, "uv", &store, &p.err), -ENAMETOOLONG);
    place_remove(&p);
}

// As somebody who may not write there: root may everywhere, so the process gives that up.
static int as_nobody(const struct place *p, const char *dir)
{
    struct store store;
    struct err err;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
            _exit(99);
        int rc = store_create(env_system(), dir, "uv", &store, &err);
        bool says = strstr(err.text, "checkpoint.dir") && strstr(err.text, p->folder);
        _exit(rc == 0 ? 0 : says ? -rc : 98);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_store_that_cannot_be_written(void **state)
{
    (void)state;
    struct place p;
    char path[256];
    place_make(&p);
    assert_int_equal(chmod(p.folder, 0755), 0);
    snprintf(path, sizeof path, "%s/new", p.folder);
    assert_int_equal(chmod(p.folder, 0555), 0);
    assert_int_equal(as_nobody(&p, path), EACCES); // a folder cannot be made
    assert_int_equal(chmod(p.folder, 0755), 0);
    assert_int_equal(mkdir(path, 0555), 0);
    assert_int_equal(as_nobody(&p, path), EACCES); // one is there, read-only
    assert_int_equal(rmdir(path), 0);
    place_remove(&p);
}

// --- what is in it ---

static void test_store_lists_what_is_a_checkpoint(void **state)
{
    (void)state;
    static const char *const others[] = {
        "chk-",     "chk-0",  "chk-x",  "chk-1x", "chk--1",
        "chk-+4",   "chk-04", "chk- 4", "xchk-1", "chk-18446744073709551616",
        "chk-4.tmp"};
    struct place p;
    char path[STORE_PATH_BYTES];
    place_make(&p);
    assert_string_equal(listed(&p), "");
    put(&p, 10, NULL);
    put(&p, 9, NULL);
    assert_int_equal(store_begin(&p.store, 2, &p.err), 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        store_path(&p.store, others[i], path);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    assert_string_equal(listed(&p), "2- 9 10");
    assert_int_equal(store_begin(&p.store, 9, &p.err), -EEXIST);
    place_remove(&p);
}

static void test_store_reads_only_its_own_number(void **state)
{
    (void)state;
    struct place p;
    struct pool pool = {0};
    struct manifest manifest;
    char from[STORE_PATH_BYTES], to[STORE_PATH_BYTES];
    place_make(&p);
    put(&p, 3, NULL);
    assert_int_equal(store_read(&p.store, 3, &pool, &manifest, &p.err), 0);
    assert_int_equal(store_read(&p.store, 4, &pool, &manifest, &p.err), -ENOENT);
    store_checkpoint_path(&p.store, 3, from);
    store_checkpoint_path(&p.store, 4, to);
    assert_int_equal(rename(from, to), 0); // a copy under another name is not that checkpoint
    assert_int_equal(store_read(&p.store, 4, &pool, &manifest, &p.err), -EBADMSG);
    assert_non_null(strstr(p.err.text, "chk-4/MANIFEST"));
    pool_fini(&pool);
    place_remove(&p);
}

// --- what is kept ---

static void test_store_retains_chains(void **state)
{
    (void)state;
    struct place p;
    place_make(&p);
    put(&p, 1, NULL);
    put(&p, 2, (const uint64_t[]){1, 0});
    put(&p, 3, (const uint64_t[]){1, 2, 0});
    put(&p, 4, NULL);
    assert_int_equal(store_begin(&p.store, 5, &p.err), 0); // was given up
    put(&p, 6, (const uint64_t[]){4, 0});
    assert_int_equal(store_begin(&p.store, 7, &p.err), 0); // under way
    assert_int_equal(store_retain(&p.store, 3, &p.err), 0);
    assert_string_equal(listed(&p), "1 2 3 4 6 7-"); // 3, 4 and 6, and what 3 builds on
    assert_int_equal(store_retain(&p.store, 2, &p.err), 0);
    assert_string_equal(listed(&p), "4 6 7-");
    assert_int_equal(store_retain(&p.store, 1, &p.err), 0);
    assert_string_equal(listed(&p), "4 6 7-");
    place_remove(&p);
}

// A run that was killed between the two may have left a folder whose name is not durable.
static void test_store_create_makes_the_folder_durable_again(void **state)
{
    (void)state;
    struct place p;
    struct store store;
    char want[256];
    place_make(&p);
    snprintf(want, sizeof want, "sync_dir %.*s\n", (int)(strrchr(p.dir, '/') - p.dir), p.dir);
    assert_int_equal(store_create(env_failing(FAIL_NEVER, 0), p.dir, "uv", &store, &p.err), 0);
    assert_non_null(strstr(buf_str(&history), want));
    place_remove(&p);
}

// What was given up leaves its number: the folder, durable since its begin, without the files.
static void test_store_keeps_the_number_of_what_was_given_up(void **state)
{
    (void)state;
    struct place p;
    place_make(&p);
    put(&p, 1, NULL);
    p.store.env = env_failing(FAIL_NEVER, 0);
    assert_int_equal(store_begin(&p.store, 2, &p.err), 0);
    char *made = strstr(buf_str(&history), "mkdir");
    assert_true(made && strstr(made, "sync_dir"));
    put_snapshot(&p, 2);
    put_file(&p, "chk-2/MANIFEST.tmp", "half");
    assert_int_equal(store_give_up(&p.store, 2, &p.err), 0);
    assert_string_equal(listed(&p), "1 2-");
    assert_false(is_there(&p, "chk-2/task-0-1.snap") || is_there(&p, "chk-2/MANIFEST.tmp"));
    assert_int_equal(store_give_up(&p.store, 4711, &p.err), 0); // never there
    put(&p, 3, NULL);
    assert_int_equal(store_retain(&p.store, 2, &p.err), 0);
    assert_string_equal(listed(&p), "1 3");
    place_remove(&p);
}

// One that cannot be read does not take the place of one that can.
static void test_store_retains_what_can_be_read(void **state)
{
    (void)state;
    struct place p;
    place_make(&p);
    put(&p, 1, NULL);
    put(&p, 2, (const uint64_t[]){1, 0});
    put(&p, 3, NULL);
    put_file(&p, "chk-3/MANIFEST", "damaged");
    assert_int_equal(store_retain(&p.store, 1, &p.err), 0);
    assert_true(is_there(&p, "chk-2/MANIFEST") && is_there(&p, "chk-1/MANIFEST"));
    put(&p, 4, NULL);
    assert_int_equal(store_retain(&p.store, 1, &p.err), 0);
    assert_true(is_there(&p, "chk-4/MANIFEST"));
    assert_false(is_there(&p, "chk-1") || is_there(&p, "chk-2") || is_there(&p, "chk-3"));
    place_remove(&p);
}

static void test_store_removes_the_manifest_first(void **state)
{
    (void)state;
    struct place p;
    place_make(&p);
    put(&p, 1, NULL);
    p.store.env = env_failing(FAIL_NEVER, 0);
    assert_int_equal(store_remove(&p.store, 1, &p.err), 0);
    char *manifest = strstr(buf_str(&history), "unlink");
    char *synced = strstr(buf_str(&history), "sync_dir");
    char *snapshot = strstr(buf_str(&history), ".snap");
    assert_true(manifest && synced && snapshot && manifest < synced && synced < snapshot);
    assert_non_null(strstr(manifest, "MANIFEST"));
    assert_int_equal(store_remove(&p.store, 1, &p.err), 0); // gone already
    place_remove(&p);
}

// Whatever fails while it is removed: with a manifest it is whole.
static void test_store_that_fails_to_remove_leaves_no_half(void **state)
{
    (void)state;
    int k = 1;
    for (bool failed = true; failed; k++) {
        struct place p;
        place_make(&p);
        put(&p, 1, NULL);
        p.store.env = env_failing(k, -EIO);
        failed = store_remove(&p.store, 1, &p.err) < 0;
        bool was_synced = strstr(buf_str(&history), "sync_dir") && k > 2;
        if (failed)
            assert_true(strstr(p.err.text, "cannot") != NULL);
        if (!was_synced) // the unlink of the manifest may be undone by a crash
            assert_true(is_there(&p, "chk-1/task-0-1.snap"));
        place_remove(&p);
    }
    assert_true(k > 4);
}

// --- making one complete ---

// Every change fails once: the checkpoint is not announced, those before it are untouched.
static void test_store_commit_fails_at_every_step(void **state)
{
    (void)state;
    int k = 1;
    for (bool failed = true; failed; k++) {
        struct place p;
        struct pool pool = {0};
        struct manifest manifest;
        place_make(&p);
        put(&p, 1, NULL);
        p.store.env = env_failing(k, k % 2 ? -EIO : -ENOSPC);
        failed = put_with(&p, 2, NULL) < 0;
        p.store.env = env_system();
        assert_int_equal(store_read(&p.store, 1, &pool, &manifest, &p.err), 0);
        if (!failed)
            assert_int_equal(store_read(&p.store, 2, &pool, &manifest, &p.err), 0);
        put(&p, 3, NULL); // the next one succeeds, and clears up
        assert_int_equal(store_retain(&p.store, 1, &p.err), 0);
        assert_string_equal(listed(&p), "3");
        pool_fini(&pool);
        place_remove(&p);
    }
    assert_int_equal(k - 1, 9); // mkdir, 2 folders, create, pwrite, fdatasync, rename, folder; all
}

static void test_store_commit_is_durable_in_order(void **state)
{
    (void)state;
    static const char *const steps[] = {"mkdir",  "sync_dir",  "sync_dir", "create",
                                        "pwrite", "fdatasync", "rename",   "sync_dir"};
    struct place p;
    place_make(&p);
    p.store.env = env_failing(FAIL_NEVER, 0);
    put(&p, 1, NULL);
    const char *line = buf_str(&history);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (strncmp(line, steps[i], strlen(steps[i])) != 0)
            fail_msg("step %zu is not %s but: %s", i, steps[i], line);
        line = strchr(line, '\n') + 1;
    }
    assert_string_equal(line, "");
    place_remove(&p);
}

// --- the end of the job ---

static void test_store_finishes_what_a_job_left(void **state)
{
    (void)state;
    struct place p;
    struct buf renames = {0};
    place_make(&p);
    put_file(&p, "hidden", "rows");
    buf_printf(&renames, "%s/hidden\t%s/part-0\n%s/gone\t%s/part-1\n", p.store.dir, p.folder,
               p.store.dir, p.folder);
    assert_int_equal(store_write_finish(&p.store, 0, buf_slice(&renames), &p.err), 0);
    assert_false(store_is_finished(&p.store));
    assert_int_equal(store_set_finished(&p.store, 1, &p.err), 0);
    assert_true(store_is_finished(&p.store));
    for (int i = 0; i < 2; i++) // again: nothing is left to do
        assert_int_equal(store_finish(&p.store, &p.err), 0);
    assert_false(is_there(&p, "hidden"));
    assert_true(is_there(&p, "../../part-0"));
    put_file(&p, "finish-1", "no tab\n");
    assert_int_equal(store_finish(&p.store, &p.err), -EBADMSG);
    buf_fini(&renames);
    place_remove(&p);
}

static void test_store_removes_all_but_what_is_others(void **state)
{
    (void)state;
    struct place p;
    place_make(&p);
    put(&p, 1, NULL);
    assert_int_equal(store_begin(&p.store, 2, &p.err), 0);
    put_file(&p, "finish-0", "");
    put_file(&p, "notes.txt", "mine");
    assert_int_equal(store_remove_all(&p.store, &p.err), 0);
    assert_true(is_there(&p, "notes.txt"));
    assert_false(is_there(&p, "JOB") || is_there(&p, "chk-1") || is_there(&p, "finish-0"));
    assert_int_equal(store_create(env_system(), p.dir, "other", &p.store, &p.err), 0);
    char path[STORE_PATH_BYTES];
    store_path(&p.store, "notes.txt", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(store_remove_all(&p.store, &p.err), 0);
    assert_int_equal(access(p.dir, F_OK), -1);
    place_remove(&p);
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&history);
    return 0;
}

// A kill between two of its calls leaves a folder that is known for ours, and no mark that the job
// is finished without what that needs.
static void test_store_removes_its_marks_in_order(void **state)
{
    struct place p;
    (void)state;
    place_make(&p);
    assert_int_equal(store_write_finish(&p.store, 0, slice_of("[]"), &p.err), 0);
    assert_int_equal(store_set_finished(&p.store, 1, &p.err), 0);
    p.store.env = env_failing(FAIL_NEVER, 0);
    assert_int_equal(store_remove_all(&p.store, &p.err), 0);
    const char *text = buf_str(&history);
    const char *finished = strstr(text, "/FINISHED\n"), *part = strstr(text, "/finish-");
    const char *job = strstr(text, "/JOB\n");
    assert_non_null(finished);
    assert_non_null(part);
    assert_non_null(job);
    assert_true(finished < part && part < job && !strstr(job, "unlink"));
    assert_int_equal(store_remove_all(&p.store, &p.err), 0); // gone: that was what was wanted
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_is_of_one_job),
        cmocka_unit_test(test_store_says_what_is_in_the_way),
        cmocka_unit_test(test_store_that_cannot_be_written),
        cmocka_unit_test(test_store_lists_what_is_a_checkpoint),
        cmocka_unit_test(test_store_reads_only_its_own_number),
        cmocka_unit_test(test_store_retains_chains),
        cmocka_unit_test(test_store_retains_what_can_be_read),
        cmocka_unit_test(test_store_create_makes_the_folder_durable_again),
        cmocka_unit_test(test_store_keeps_the_number_of_what_was_given_up),
        cmocka_unit_test(test_store_removes_the_manifest_first),
        cmocka_unit_test(test_store_that_fails_to_remove_leaves_no_half),
        cmocka_unit_test(test_store_commit_fails_at_every_step),
        cmocka_unit_test(test_store_commit_is_durable_in_order),
        cmocka_unit_test(test_store_finishes_what_a_job_left),
        cmocka_unit_test(test_store_removes_all_but_what_is_others),
        cmocka_unit_test(test_store_removes_its_marks_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
