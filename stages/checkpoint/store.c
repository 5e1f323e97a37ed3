// store.c: see store.h. What a crash leaves: a folder without MANIFEST (never complete, removed
// later), or a MANIFEST.tmp (the same).
#include "stages/checkpoint/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/check.h"

enum { MANIFEST_BYTES_MAX = 64 << 20, JOB_LINE_MAX = 256 };

// --- names ---

void store_path(const struct store *store, const char *relative, char *out)
{
    snprintf(out, STORE_PATH_BYTES, "%s/%s", store->dir, relative);
}

void store_checkpoint_path(const struct store *store, uint64_t checkpoint, char *out)
{
    snprintf(out, STORE_PATH_BYTES, "%s/chk-%" PRIu64, store->dir, checkpoint);
}

void store_snapshot_name(uint64_t checkpoint, int task, uint32_t attempt, char *out)
{
    snprintf(out, STORE_PATH_BYTES, "chk-%" PRIu64 "/task-%d-%" PRIu32 ".snap", checkpoint, task,
             attempt);
}

static void manifest_path(const struct store *store, uint64_t checkpoint, const char *suffix,
                          char *out)
{
    snprintf(out, STORE_PATH_BYTES, "%s/chk-%" PRIu64 "/MANIFEST%s", store->dir, checkpoint,
             suffix);
}

// --- small files ---

static int read_file(struct env *env, const char *path, struct buf *out)
{
    int fd = env->open(env, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    ssize_t n;
    do {
        char *to = buf_reserve(out, 65536);
        n = env->pread(env, fd, to, 65536, (off_t)out->len);
        out->len += n > 0 ? (size_t)n : 0;
    } while (n > 0 && out->len < MANIFEST_BYTES_MAX);
    env->close(env, fd);
    return n < 0 ? (int)n : n > 0 ? -EFBIG : 0;
}

static int write_file(struct env *env, const char *path, struct slice bytes)
{
    return env_write_file(env, path, 0600, bytes);
}

// --- the folder ---

static int set_dir(struct env *env, const char *dir, struct store *out, struct err *err)
{
    *out = (struct store){.env = env};
    if (strlen(dir) >= sizeof out->dir)
        return err_set(err, -ENAMETOOLONG, "checkpoint.dir is longer than %zu bytes",
                       sizeof out->dir - 1);
    snprintf(out->dir, sizeof out->dir, "%s", dir);
    return 0;
}

// Whose folder is it? -ENOENT: nobody's yet.
static int check_owner(const struct store *store, const char *job, struct err *err)
{
    char path[STORE_PATH_BYTES], want[JOB_LINE_MAX];
    struct buf text = {0};
    store_path(store, "JOB", path);
    int rc = read_file(store->env, path, &text);
    if (rc == 0 && job) {
        snprintf(want, sizeof want, "%s\n", job);
        if (text.len != strlen(want) || memcmp(text.data, want, text.len) != 0)
            rc = err_set(err, -EEXIST,
                         "%s has the checkpoints of job '%.*s', not of '%s'; set checkpoint.dir to "
                         "another folder",
                         store->dir, (int)strcspn(buf_str(&text), "\n"), text.data, job);
    } else if (rc < 0 && rc != -ENOENT) {
        err_set(err, rc, "cannot read %s: %s", path, strerror(-rc));
    }
    buf_fini(&text);
    return rc;
}

int store_open(struct env *env, const char *dir, const char *job, struct store *out,
               struct err *err)
{
    int rc = set_dir(env, dir, out, err);
    if (rc == 0)
        rc = check_owner(out, job, err);
    return rc == -ENOENT ? err_set(err, rc, "%s has no checkpoints", dir) : rc;
}

static int cannot_use(const struct store *store, int code, struct err *err)
{
    const char *advice = code == -ENOSPC  ? "make room, or set checkpoint.dir to another disk"
                         : code == -EROFS ? "the file system is read-only: set checkpoint.dir to "
                                            "a folder that can be written"
                                          : "set checkpoint.dir to a folder that can be written";
    return err_set(err, code, "cannot keep checkpoints in %s: %s; %s", store->dir, strerror(-code),
                   advice);
}

// One folder, and its name in its parent durable: a crash must not lose the checkpoints with it.
static int make_folder(const struct store *store, const char *path)
{
    char parent[STORE_PATH_BYTES];
    struct stat st;
    int rc = store->env->mkdir(store->env, path, 0700);
    if (rc < 0 && rc != -EEXIST)
        return rc;
    if (rc == -EEXIST && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
        return -ENOTDIR;
    if (rc == -EEXIST && strcmp(path, store->dir) != 0)
        return 0;
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
    int synced = store->env->sync_dir(store->env, slash ? parent : ".");
    // One that is there may have been made by a run that was killed a moment later; one that
    // somebody else has made may lie in a folder that we may not read.
    return rc == -EEXIST && synced == -EACCES ? 0 : synced;
}

// All parts of the path.
static int make_folders(const struct store *store)
{
    char path[STORE_PATH_BYTES];
    size_t len = strlen(store->dir);
    int rc = 0;
    memcpy(path, store->dir, len + 1);
    for (size_t i = 1; i <= len && rc == 0; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        path[i] = '\0';
        rc = make_folder(store, path);
        path[i] = store->dir[i];
    }
    return rc;
}

int store_create(struct env *env, const char *dir, const char *job, struct store *out,
                 struct err *err)
{
    char path[STORE_PATH_BYTES], line[JOB_LINE_MAX];
    int rc = set_dir(env, dir, out, err);
    if (rc < 0)
        return rc;
    rc = make_folders(out);
    if (rc < 0)
        return cannot_use(out, rc, err);
    rc = check_owner(out, job, err);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    // Written also when it is there: so that a folder that cannot be written shows now.
    snprintf(line, sizeof line, "%s\n", job);
    store_path(out, "JOB.tmp", path);
    rc = write_file(env, path, slice_of(line));
    if (rc == 0) {
        char to[STORE_PATH_BYTES];
        store_path(out, "JOB", to);
        rc = env->rename(env, path, to);
    }
    if (rc == 0)
        rc = env->sync_dir(env, out->dir);
    return rc < 0 ? cannot_use(out, rc, err) : 0;
}

// --- what is there ---

static int compare_entries(const void *left, const void *right)
{
    const struct store_entry *a = left, *b = right;
    return a->checkpoint < b->checkpoint ? -1 : a->checkpoint > b->checkpoint;
}

// "chk-12", written as we write it: no sign, no zero in front, nothing behind.
static bool parse_name(const char *name, uint64_t *checkpoint)
{
    static const char prefix[] = "chk-";
    char *end;
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return false;
    name += strlen(prefix);
    if (*name < '1' || *name > '9')
        return false;
    errno = 0;
    long long number = strtoll(name, &end, 10);
    *checkpoint = (uint64_t)number;
    return errno == 0 && *end == '\0';
}

// Is there a manifest? What may not be looked at is not taken for incomplete: the job would begin
// anew.
static int find_manifest(const struct store *store, struct store_entry *entry, struct err *err)
{
    char path[STORE_PATH_BYTES];
    struct stat st;
    manifest_path(store, entry->checkpoint, "", path);
    entry->is_complete = stat(path, &st) == 0;
    if (entry->is_complete || errno == ENOENT || errno == ENOTDIR)
        return 0;
    return err_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
}

int store_list(const struct store *store, struct store_entry **out, int *count, struct err *err)
{
    struct buf entries = {0};
    int rc = 0;
    DIR *dir = opendir(store->dir);
    *out = NULL;
    *count = 0;
    if (!dir)
        return err_set(err, -errno, "cannot read %s: %s", store->dir, strerror(errno));
    for (struct dirent *e = readdir(dir); e && rc == 0; e = readdir(dir)) {
        struct store_entry entry = {0};
        if (!parse_name(e->d_name, &entry.checkpoint))
            continue;
        rc = find_manifest(store, &entry, err);
        buf_append(&entries, &entry, sizeof entry);
    }
    closedir(dir);
    if (rc < 0) {
        buf_fini(&entries);
        return rc;
    }
    *count = (int)(entries.len / sizeof **out);
    *out = malloc(entries.len + 1);
    CHECK(*out);
    if (entries.len)
        memcpy(*out, entries.data, entries.len);
    qsort(*out, (size_t)*count, sizeof **out, compare_entries);
    buf_fini(&entries);
    return 0;
}

int store_read(const struct store *store, uint64_t checkpoint, struct pool *pool,
               struct manifest *out, struct err *err)
{
    char path[STORE_PATH_BYTES];
    struct buf text = {0};
    manifest_path(store, checkpoint, "", path);
    int rc = read_file(store->env, path, &text);
    if (rc < 0)
        err_set(err, rc, "cannot read: %s", strerror(-rc));
    else
        rc = manifest_read(buf_slice(&text), pool, out, err);
    if (rc == 0 && out->checkpoint != checkpoint)
        rc = err_set(err, -EBADMSG, "it is of checkpoint %" PRIu64, out->checkpoint);
    buf_fini(&text);
    return rc < 0 ? err_prefix(err, rc, "%s", path) : 0;
}

// --- making one ---

int store_begin(const struct store *store, uint64_t checkpoint, struct err *err)
{
    char path[STORE_PATH_BYTES];
    store_checkpoint_path(store, checkpoint, path);
    int rc = store->env->mkdir(store->env, path, 0700);
    if (rc == 0)
        rc = store->env->sync_dir(store->env, store->dir);
    return rc < 0 ? err_set(err, rc, "cannot make %s: %s", path, strerror(-rc)) : 0;
}

static void positions_path(const struct store *store, const struct store_part *part, char *out)
{
    snprintf(out, STORE_PATH_BYTES, "%s/chk-%" PRIu64 "/task-%d-%" PRIu32 ".positions", store->dir,
             part->checkpoint, part->task, part->attempt);
}

int store_write_positions(const struct store *store, const struct store_part *part,
                          struct slice positions, struct err *err)
{
    char path[STORE_PATH_BYTES];
    struct env *env = store->env;
    positions_path(store, part, path);
    int fd = env->open(env, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc = fd < 0 ? fd : env_pwrite_all(env, fd, positions, 0);
    if (fd >= 0)
        env->close(env, fd);
    return rc < 0 ? err_set(err, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

int store_take_positions(const struct store *store, const struct store_part *part, struct buf *out,
                         struct err *err)
{
    char path[STORE_PATH_BYTES];
    positions_path(store, part, path);
    int rc = read_file(store->env, path, out);
    if (rc == 0)
        rc = store->env->unlink(store->env, path);
    return rc < 0 ? err_set(err, rc, "cannot take %s: %s", path, strerror(-rc)) : 0;
}

int store_commit(const struct store *store, const struct manifest *manifest, struct err *err)
{
    char folder[STORE_PATH_BYTES], temporary[STORE_PATH_BYTES], path[STORE_PATH_BYTES];
    struct env *env = store->env;
    struct buf text = {0};
    store_checkpoint_path(store, manifest->checkpoint, folder);
    manifest_path(store, manifest->checkpoint, ".tmp", temporary);
    manifest_path(store, manifest->checkpoint, "", path);
    manifest_write(manifest, &text);
    int rc = env->sync_dir(env, folder); // its own name is durable since store_begin
    if (rc == 0)
        rc = write_file(env, temporary, buf_slice(&text));
    if (rc == 0)
        rc = env->rename(env, temporary, path);
    if (rc == 0)
        rc = env->sync_dir(env, folder);
    buf_fini(&text);
    return rc < 0 ? err_set(err, rc, "cannot complete %s: %s", folder, strerror(-rc)) : 0;
}

// --- the begin of the job ---

static int write_note(const struct store *store, const char *name, struct slice text,
                      struct err *err)
{
    char temporary[STORE_PATH_BYTES], path[STORE_PATH_BYTES];
    store_path(store, name, path);
    store_path(store, strcmp(name, "DEAD") == 0 ? "DEAD.tmp" : "FROM.tmp", temporary);
    int rc = write_file(store->env, temporary, text);
    if (rc == 0)
        rc = store->env->rename(store->env, temporary, path);
    if (rc == 0)
        rc = store->env->sync_dir(store->env, store->dir);
    return rc < 0 ? err_set(err, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

int store_write_dead(const struct store *store, struct slice lengths, struct err *err)
{
    return write_note(store, "DEAD", lengths, err);
}

int store_write_from(const struct store *store, const char *savepoint, struct err *err)
{
    return write_note(store, "FROM", slice_of(savepoint), err);
}

int store_read_from(const struct store *store, struct buf *out)
{
    char path[STORE_PATH_BYTES];
    store_path(store, "FROM", path);
    return read_file(store->env, path, out);
}

int store_read_dead(const struct store *store, struct buf *out)
{
    char path[STORE_PATH_BYTES];
    store_path(store, "DEAD", path);
    return read_file(store->env, path, out);
}

// --- the end of the job ---

int store_write_finish(const struct store *store, int task, struct slice renames, struct err *err)
{
    char path[STORE_PATH_BYTES], name[64];
    snprintf(name, sizeof name, "finish-%d", task);
    store_path(store, name, path);
    int rc = write_file(store->env, path, renames);
    if (rc < 0)
        store->env->unlink(store->env, path); // a part of it would be worse than none
    return rc < 0 ? err_set(err, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

static int check_finishes(const struct store *store, int task_count, struct err *err)
{
    char path[STORE_PATH_BYTES], name[64];
    struct stat st;
    for (int task = 0; task < task_count; task++) {
        snprintf(name, sizeof name, "finish-%d", task);
        store_path(store, name, path);
        if (stat(path, &st) < 0)
            return err_set(err, -errno, "%s is missing: the output is made final without it", path);
    }
    return 0;
}

int store_set_finished(const struct store *store, int task_count, struct err *err)
{
    char temporary[STORE_PATH_BYTES], path[STORE_PATH_BYTES];
    int rc = check_finishes(store, task_count, err);
    if (rc < 0)
        return rc;
    store_path(store, "FINISHED.tmp", temporary);
    store_path(store, "FINISHED", path);
    rc = store->env->sync_dir(store->env, store->dir); // the names of finish-T
    if (rc == 0)
        rc = write_file(store->env, temporary, slice_of(""));
    if (rc == 0)
        rc = store->env->rename(store->env, temporary, path);
    if (rc == 0)
        rc = store->env->sync_dir(store->env, store->dir);
    return rc < 0 ? err_set(err, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

bool store_is_finished(const struct store *store)
{
    char path[STORE_PATH_BYTES];
    struct stat st;
    store_path(store, "FINISHED", path);
    return stat(path, &st) == 0;
}

// Give a file its name, durably: what says so is removed next.
static int finish_file(struct env *env, const char *from, char *to)
{
    int rc = env->rename(env, from, to);
    char *slash = strrchr(to, '/');
    if (rc == -ENOENT || rc == 0) {
        if (slash)
            slash[slash == to] = '\0';
        rc = env->sync_dir(env, slash ? to : ".");
    }
    return rc == -ENOENT ? 0 : rc;
}

// The renames of one task. A source that is gone has been renamed before.
static int finish_task(const struct store *store, const char *path, struct err *err)
{
    struct buf text = {0};
    int rc = read_file(store->env, path, &text);
    char *line = buf_str(&text) ? text.data : NULL;
    while (rc == 0 && line && *line) {
        char *end = strchr(line, '\n'), *tab = strchr(line, '\t');
        if (!end || !tab || tab > end) {
            rc = -EBADMSG;
            break;
        }
        *end = *tab = '\0';
        rc = finish_file(store->env, line, tab + 1);
        line = end + 1;
    }
    buf_fini(&text);
    return rc < 0 ? err_set(err, rc, "cannot finish the output as %s says: %s", path, strerror(-rc))
                  : 0;
}

int store_finish(const struct store *store, struct err *err)
{
    char path[STORE_PATH_BYTES];
    int rc = 0;
    DIR *dir = opendir(store->dir);
    if (!dir)
        return err_set(err, -errno, "cannot read %s: %s", store->dir, strerror(errno));
    for (struct dirent *e = readdir(dir); e && rc == 0; e = readdir(dir)) {
        if (strncmp(e->d_name, "finish-", strlen("finish-")) != 0)
            continue;
        store_path(store, e->d_name, path);
        rc = finish_task(store, path, err);
    }
    closedir(dir);
    return rc;
}

// --- removing ---

static int remove_files(const struct store *store, const char *folder, struct err *err)
{
    char path[STORE_PATH_BYTES];
    int rc = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT
                   ? 0
                   : err_set(err, -errno, "cannot read %s: %s", folder, strerror(errno));
    for (struct dirent *e = readdir(dir); rc == 0 && e; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path)
            continue;
        rc = store->env->unlink(store->env, path);
    }
    closedir(dir);
    return rc < 0 ? err_set(err, rc, "cannot remove %s: %s", path, strerror(-rc)) : 0;
}

int store_remove(const struct store *store, uint64_t checkpoint, struct err *err)
{
    char folder[STORE_PATH_BYTES], manifest[STORE_PATH_BYTES];
    struct env *env = store->env;
    store_checkpoint_path(store, checkpoint, folder);
    manifest_path(store, checkpoint, "", manifest);
    int rc = env->unlink(env, manifest);
    if (rc < 0 && rc != -ENOENT)
        return err_set(err, rc, "cannot remove %s: %s", manifest, strerror(-rc));
    // Its blocks go only when it is sure that no manifest names them any more.
    rc = rc == 0 ? env->sync_dir(env, folder) : 0;
    if (rc < 0 && rc != -ENOENT)
        return err_set(err, rc, "cannot write %s to disk: %s", folder, strerror(-rc));
    rc = remove_files(store, folder, err);
    if (rc < 0)
        return rc;
    rc = env->rmdir(env, folder);
    return rc < 0 && rc != -ENOENT ? err_set(err, rc, "cannot remove %s: %s", folder, strerror(-rc))
                                   : 0;
}

void store_new_state_path(const struct store *store, char *out)
{
    store_path(store, "new-state", out);
}

int store_remove_new_state(const struct store *store, struct err *err)
{
    char folder[STORE_PATH_BYTES];
    store_new_state_path(store, folder);
    int rc = remove_files(store, folder, err);
    if (rc < 0)
        return rc;
    rc = store->env->rmdir(store->env, folder);
    return rc < 0 && rc != -ENOENT ? err_set(err, rc, "cannot remove %s: %s", folder, strerror(-rc))
                                   : 0;
}

int store_give_up(const struct store *store, uint64_t checkpoint, struct err *err)
{
    char folder[STORE_PATH_BYTES];
    store_checkpoint_path(store, checkpoint, folder);
    return remove_files(store, folder, err);
}

int store_set_aside(const struct store *store, uint64_t checkpoint, struct err *err)
{
    char folder[STORE_PATH_BYTES], from[STORE_PATH_BYTES], to[STORE_PATH_BYTES];
    struct env *env = store->env;
    store_checkpoint_path(store, checkpoint, folder);
    manifest_path(store, checkpoint, "", from);
    manifest_path(store, checkpoint, ".aside", to);
    int rc = env->rename(env, from, to);
    if (rc == 0)
        rc = env->sync_dir(env, folder);
    return rc < 0 ? err_set(err, rc, "cannot set %s aside: %s", folder, strerror(-rc)) : 0;
}

static bool is_needed(const struct manifest *manifest, uint64_t checkpoint)
{
    for (int t = 0; t < manifest->task_count; t++)
        for (int f = 0; f < manifest->tasks[t].file_count; f++)
            if (manifest->tasks[t].files[f].checkpoint == checkpoint)
                return true;
    return false;
}

// Mark what the kept checkpoints need. One whose manifest cannot be read needs nothing: it cannot
// be restored, but it is not removed either.
static void mark_needed(const struct store *store, const struct store_entry *entries, int count,
                        int first_kept, bool *needed)
{
    for (int k = first_kept; k < count; k++) {
        struct pool pool = {0};
        struct manifest manifest;
        needed[k] = needed[k] || entries[k].is_complete;
        if (entries[k].is_complete &&
            store_read(store, entries[k].checkpoint, &pool, &manifest, NULL) == 0)
            for (int i = 0; i < count; i++)
                needed[i] = needed[i] || is_needed(&manifest, entries[i].checkpoint);
        pool_fini(&pool);
    }
}

static bool is_readable(const struct store *store, uint64_t checkpoint)
{
    struct pool pool = {0};
    struct manifest manifest;
    int rc = store_read(store, checkpoint, &pool, &manifest, NULL);
    pool_fini(&pool);
    return rc == 0;
}

// Index of the oldest of the newest `retain` ones with a sound manifest; `count` when there are
// none. A damaged one does not take the place of one that could be restored.
static int first_to_keep(const struct store *store, const struct store_entry *entries, int count,
                         int retain)
{
    int first = count;
    for (int i = count - 1; i >= 0 && retain > 0; i--) {
        if (!entries[i].is_complete || !is_readable(store, entries[i].checkpoint))
            continue;
        first = i;
        retain--;
    }
    return first;
}

// Index behind the newest complete one: what follows it may still be under way.
static int behind_newest(const struct store_entry *entries, int count)
{
    while (count > 0 && !entries[count - 1].is_complete)
        count--;
    return count;
}

int store_retain(const struct store *store, int retain, struct err *err)
{
    struct store_entry *entries;
    int count, rc = store_list(store, &entries, &count, err);
    if (rc < 0)
        return rc;
    bool *needed = calloc((size_t)count + 1, sizeof *needed);
    CHECK(needed);
    int first = first_to_keep(store, entries, count, retain);
    int end = first < count ? behind_newest(entries, count) : 0; // nothing sound: keep all
    mark_needed(store, entries, count, first, needed);
    for (int i = 0; rc == 0 && i < end; i++)
        if (!needed[i])
            rc = store_remove(store, entries[i].checkpoint, err);
    if (rc == 0 && first < count)
        rc = store_remove_new_state(store, err);
    free(needed);
    free(entries);
    return rc;
}

// Files of the store that lie in the folder itself, but for the two marks.
static bool is_own_file(const char *name)
{
    static const char *const names[] = {"FINISHED.tmp", "JOB.tmp", "DEAD",
                                        "DEAD.tmp",     "FROM",    "FROM.tmp"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return strncmp(name, "finish-", strlen("finish-")) == 0;
}

static void remove_file(const struct store *store, const char *name)
{
    char path[STORE_PATH_BYTES];
    store_path(store, name, path);
    store->env->unlink(store->env, path);
}

// A kill may come between any two of these. While JOB is there the folder is known for ours, so it
// goes last; FINISHED goes before what it needs.
int store_remove_all(const struct store *store, struct err *err)
{
    struct store_entry *entries;
    int count, rc = store_list(store, &entries, &count, err);
    if (rc == -ENOENT)
        return 0;
    for (int i = count - 1; rc == 0 && i >= 0; i--)
        rc = store_remove(store, entries[i].checkpoint, err);
    free(entries);
    rc = rc == 0 ? store_remove_new_state(store, err) : rc;
    if (rc == 0)
        remove_file(store, "FINISHED");
    DIR *dir = rc == 0 ? opendir(store->dir) : NULL;
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        if (is_own_file(e->d_name))
            remove_file(store, e->d_name);
    if (dir)
        closedir(dir);
    if (rc == 0)
        remove_file(store, "JOB");
    if (rc == 0)
        store->env->rmdir(store->env, store->dir); // stays if something else is in it
    return rc;
}
