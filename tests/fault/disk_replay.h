// disk_replay.h: what a disk may hold after a crash, made from the notes of a disk_env.
//
// A crash comes after the first `end` operations. Of those, an operation that was made durable by a
// later sync (fdatasync of its file; sync of its folder for names) is there. Every other one may be
// there or not, each on its own, and a write may be there in some of its 512-byte sectors.
#ifndef WEIR_TESTS_FAULT_DISK_REPLAY_H
#define WEIR_TESTS_FAULT_DISK_REPLAY_H

#include "tests/fault/disk_env.h"

enum { REPLAY_FILES = 512, REPLAY_SECTOR = 512 };

struct replay_file {
    uint64_t inode;
    char *bytes;
    uint64_t len, capacity;
};

struct replay_name {
    char path[256];
    uint64_t inode;
    bool is_dir;
};

struct replay {
    struct replay_file files[REPLAY_FILES];
    int file_count;
    struct replay_name names[REPLAY_FILES];
    int name_count;
};

static inline struct replay_file *replay_inode(struct replay *r, uint64_t inode)
{
    for (int i = 0; i < r->file_count; i++)
        if (r->files[i].inode == inode)
            return &r->files[i];
    CHECK(r->file_count < REPLAY_FILES);
    r->files[r->file_count] = (struct replay_file){.inode = inode};
    return &r->files[r->file_count++];
}

static inline void replay_grow(struct replay_file *f, uint64_t len)
{
    if (len > f->capacity) {
        uint64_t capacity = len * 2;
        f->bytes = realloc(f->bytes, capacity);
        CHECK(f->bytes);
        memset(f->bytes + f->capacity, 0, capacity - f->capacity);
        f->capacity = capacity;
    }
    f->len = len > f->len ? len : f->len;
}

static inline void replay_unname(struct replay *r, const char *path)
{
    for (int i = 0; i < r->name_count; i++)
        if (strcmp(r->names[i].path, path) == 0)
            r->names[i--] = r->names[--r->name_count];
}

static inline void replay_set_name(struct replay *r, const char *path, uint64_t inode, bool is_dir)
{
    replay_unname(r, path);
    CHECK(r->name_count < REPLAY_FILES);
    struct replay_name *name = &r->names[r->name_count++];
    snprintf(name->path, sizeof name->path, "%s", path);
    name->inode = inode;
    name->is_dir = is_dir;
}

// Below a folder that goes, everything goes.
static inline void replay_remove_tree(struct replay *r, const char *path)
{
    size_t len = strlen(path);
    for (int i = 0; i < r->name_count; i++)
        if (strncmp(r->names[i].path, path, len) == 0 &&
            (r->names[i].path[len] == '/' || r->names[i].path[len] == '\0'))
            r->names[i--] = r->names[--r->name_count];
}

// sectors: a bit a sector (the first 63; later ones follow the last bit).
static inline void replay_write(struct replay *r, const struct disk_op *op, uint64_t sectors)
{
    struct replay_file *f = replay_inode(r, op->inode);
    for (uint64_t at = 0; at < op->len; at += REPLAY_SECTOR) {
        uint64_t part = op->len - at < REPLAY_SECTOR ? op->len - at : REPLAY_SECTOR;
        uint64_t bit = at / REPLAY_SECTOR < 63 ? at / REPLAY_SECTOR : 63;
        if (!(sectors >> bit & 1))
            continue;
        replay_grow(f, op->offset + at + part);
        memcpy(f->bytes + op->offset + at, op->bytes + at, part);
    }
}

static inline void replay_apply(struct replay *r, const struct disk_op *op, uint64_t sectors)
{
    switch (op->kind) {
    case DISK_CREATE:
        replay_set_name(r, op->path, op->inode, false);
        break;
    case DISK_WRITE:
        replay_write(r, op, sectors);
        break;
    case DISK_CUT:
        replay_inode(r, op->inode)->len = 0;
        replay_grow(replay_inode(r, op->inode), op->offset);
        break;
    case DISK_RENAME:
        replay_unname(r, op->path);
        replay_set_name(r, op->to, op->inode, false);
        break;
    case DISK_UNLINK:
        replay_unname(r, op->path);
        break;
    case DISK_MKDIR:
        replay_set_name(r, op->path, 0, true);
        break;
    case DISK_RMDIR:
        replay_remove_tree(r, op->path);
        break;
    default:
        break;
    }
}

static inline bool replay_is_parent(const char *folder, const char *path)
{
    size_t len = strlen(folder);
    return strncmp(folder, path, len) == 0 && path[len] == '/' && !strchr(path + len + 1, '/');
}

// Has a later operation, before `end`, made it durable?
static inline bool replay_is_durable(const struct disk_op *ops, int index, int end)
{
    const struct disk_op *op = &ops[index];
    bool is_data = op->kind == DISK_WRITE || op->kind == DISK_CUT;
    for (int i = index + 1; i < end; i++) {
        if (is_data && ops[i].kind == DISK_SYNC && ops[i].inode == op->inode)
            return true;
        if (!is_data && ops[i].kind == DISK_SYNC_DIR && replay_is_parent(ops[i].path, op->path))
            return true;
    }
    return op->kind == DISK_SYNC || op->kind == DISK_SYNC_DIR;
}

static inline bool replay_is_reachable(const struct replay *r, const char *root, const char *path)
{
    char parent[256];
    snprintf(parent, sizeof parent, "%s", path);
    *strrchr(parent, '/') = '\0';
    if (strlen(parent) < strlen(root))
        return true;
    for (int i = 0; i < r->name_count; i++)
        if (r->names[i].is_dir && strcmp(r->names[i].path, parent) == 0)
            return replay_is_reachable(r, root, parent);
    return false;
}

static inline int replay_by_path(const void *left, const void *right)
{
    const struct replay_name *a = left, *b = right;
    return strcmp(a->path, b->path);
}

static inline void replay_lay_file(struct replay *r, uint64_t inode, const char *path)
{
    struct env *env = env_system();
    const struct replay_file *f = replay_inode(r, inode);
    int fd = env->open(env, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    CHECK(env->pwrite(env, fd, f->bytes ? f->bytes : "", f->len, 0) == (ssize_t)f->len);
    env->close(env, fd);
}

// Lay the state out on the real file system: what lay below `root` then now lies below `to`.
static inline void replay_lay_out(struct replay *r, const char *root, const char *to)
{
    char path[512], command[640];
    struct env *env = env_system();
    snprintf(command, sizeof command, "rm -rf '%s'", to);
    CHECK(system(command) == 0);
    qsort(r->names, (size_t)r->name_count, sizeof r->names[0], replay_by_path);
    for (int i = 0; i < r->name_count; i++) {
        if (!replay_is_reachable(r, root, r->names[i].path))
            continue;
        snprintf(path, sizeof path, "%s%s", to, r->names[i].path + strlen(root));
        if (r->names[i].is_dir)
            CHECK(env->mkdir(env, path, 0700) == 0);
        else
            replay_lay_file(r, r->names[i].inode, path);
    }
}

static inline void replay_fini(struct replay *r)
{
    for (int i = 0; i < r->file_count; i++)
        free(r->files[i].bytes);
    r->file_count = r->name_count = 0;
}

#endif
