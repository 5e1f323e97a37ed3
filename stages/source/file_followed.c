// file_followed.c: how far followed files are read, into a savepoint and out of it.
//
// A record: path, offset, is the rest of an overlong row to be skipped, and the file's identity
// (see file_identity.h): inode, how many of the first bytes are known, their hash. A file is known
// again by its identity, as in a run: names may have moved since, so a restore looks where each
// file is now, and gives it to the subtask that its inode says. What is nowhere stays known under
// its old path, for it may come back; what is not known yet is found by the first look of the run.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/snapshot/savepoint.h"
#include "stages/source/file_list.h"
#include "stages/source/file_positions.h"
#include "stages/source/file_savepoint.h"

void file_put_followed(const struct file_positions *files, struct savepoint_writer *out, int id)
{
    for (int i = 0; i < files->count; i++) {
        const struct file_position at = file_positions_get(files, i);
        const struct file_identity known = file_positions_identity(files, i);
        if (!known.inode)
            continue; // its file has another name now, which is an entry of its own
        savepoint_begin(out, id, SAVEPOINT_FOLLOWED);
        savepoint_put_text(out, slice_of(files->entries[i].path));
        savepoint_put_int(out, (int64_t)at.offset);
        savepoint_put_int(out, (int64_t)(at.chunk & 1));
        savepoint_put_int(out, (int64_t)known.inode);
        savepoint_put_int(out, (int64_t)known.prefix_bytes);
        savepoint_put_int(out, (int64_t)known.prefix_hash);
        savepoint_end(out);
    }
}

// --- into the tasks ---

struct followed {
    char *path;
    struct file_position at;
    struct file_identity identity;
};

struct restoring {
    const struct op_context *contexts;
    int count;
    struct followed *files;
    int file_count;
    struct file_list list;     // what is there now
    uint64_t *inodes;          // of it; 0: gone meanwhile
    struct file_positions *to; // one a subtask
};

void *file_followed_begin(const struct op_context *contexts, int count)
{
    struct restoring *r = calloc(1, sizeof *r);
    CHECK(r && count > 0);
    *r = (struct restoring){.contexts = contexts, .count = count};
    r->to = calloc((size_t)count, sizeof *r->to);
    CHECK(r->to);
    return r;
}

void file_followed_free(void *restoring)
{
    struct restoring *r = restoring;
    for (int i = 0; i < r->file_count; i++)
        free(r->files[i].path);
    for (int i = 0; i < r->count; i++)
        file_positions_close(&r->to[i]);
    file_list_fini(&r->list);
    free(r->inodes);
    free(r->files);
    free(r->to);
    free(r);
}

int file_followed_take(void *restoring, struct savepoint_record *record, struct err *err)
{
    struct restoring *r = restoring;
    struct slice path = savepoint_take_text(record);
    struct followed file = {.at.offset = savepoint_take_count(record)};
    file.at.chunk = savepoint_take_count(record) != 0;
    file.identity.inode = (uint64_t)savepoint_take_int(record);
    file.identity.prefix_bytes = savepoint_take_count(record);
    file.identity.prefix_hash = (uint64_t)savepoint_take_int(record);
    if (record->kind != SAVEPOINT_FOLLOWED || record->is_bad || record->left || !path.len ||
        memchr(path.ptr, '\0', path.len) || !file.identity.inode)
        return err_set(err, -EBADMSG,
                       "the savepoint's position of table %s is none of a followed file",
                       r->contexts[0].op->table->name);
    file.path = strndup(path.ptr, path.len);
    r->files = realloc(r->files, (size_t)(r->file_count + 1) * sizeof file);
    CHECK(file.path && r->files);
    r->files[r->file_count++] = file;
    return 0;
}

// What is there now. A path that leads nowhere is waited for in the run.
static int look_around(struct restoring *r, const char *path, struct err *err)
{
    struct err why;
    int rc = file_list_make(path, &r->list, &why);
    if (rc < 0 && rc != -ENOENT)
        return err_set(err, rc, "%s", why.text);
    r->inodes = calloc((size_t)r->list.count + 1, sizeof *r->inodes);
    CHECK(r->inodes);
    for (int i = 0; i < r->list.count; i++) {
        struct file_look now;
        r->inodes[i] = file_look_at(r->list.paths[i], &now) == 0 ? now.inode : 0;
    }
    return 0;
}

static bool is_at(struct env *env, const struct followed *file, const char *path)
{
    int fd = env->open(env, path, O_RDONLY | O_CLOEXEC, 0);
    bool same = fd >= 0 && file_identity_holds(env, fd, &file->identity);
    if (fd >= 0)
        env->close(env, fd);
    return same;
}

// The file's path of now; NULL: it is not in the folder. Its old path comes first: a hard link
// would be another.
static const char *find(const struct restoring *r, const struct followed *file)
{
    struct env *env = r->contexts[0].env;
    struct file_look now;
    if (file_look_at(file->path, &now) == 0 && now.inode == file->identity.inode)
        return is_at(env, file, file->path) ? file->path : NULL;
    for (int i = 0; i < r->list.count; i++)
        if (r->inodes[i] == file->identity.inode && is_at(env, file, r->list.paths[i]))
            return r->list.paths[i];
    return NULL;
}

static int add(const struct restoring *r, const struct followed *file, const char *path)
{
    uint64_t subtask = file->identity.inode % (uint64_t)r->count;
    struct file_positions *to = &r->to[subtask];
    int rc = file_positions_find(to, path) >= 0 ? 0 : file_positions_add(to, path);
    if (rc <= 0)
        return rc; // another file has the name, and nobody can say where this one is
    file_positions_set(to, to->count - 1, file->at);
    file_positions_identify(to, to->count - 1, &file->identity);
    arena_commit(r->contexts[subtask].arena);
    return 0;
}

static int open_subtasks(struct restoring *r)
{
    int rc = 0;
    for (int s = 0; s < r->count && rc == 0; s++) {
        const struct op_context *context = &r->contexts[s];
        uint64_t flags;
        rc = file_positions_open(&r->to[s], context->arena, (uint32_t)context->op->id);
        if (rc == 0)
            rc = arena_root(context->arena, file_flags_root(context->op), 16, &flags);
        if (rc == 0) {
            arena_store8(context->arena, flags, 1);
            arena_commit(context->arena);
        }
    }
    return rc;
}

int file_followed_end(void *restoring, const char *path, struct err *err)
{
    struct restoring *r = restoring;
    const char **now = calloc((size_t)r->file_count + 1, sizeof(char *));
    CHECK(now);
    int rc = look_around(r, path, err);
    if (rc == 0)
        rc = open_subtasks(r);
    // Those that are somewhere first: no name of theirs may go to one that is gone.
    for (int i = 0; i < r->file_count && rc == 0; i++) {
        now[i] = find(r, &r->files[i]);
        rc = now[i] ? add(r, &r->files[i], now[i]) : 0;
    }
    for (int i = 0; i < r->file_count && rc == 0; i++)
        rc = now[i] ? 0 : add(r, &r->files[i], r->files[i].path);
    free(now);
    if (rc < 0 && !err->text[0])
        err_set(err, rc, "no room in the task's memory; set memory.state higher");
    return rc;
}
