// file_positions.c: the list of files and offsets of one file source.
#include "stages/source/file_positions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/hash.h"

struct root_block {
    uint64_t first, last; // blocks; 0: none
    uint64_t count;
};

struct entry_block {
    uint64_t next;
    uint64_t path_bytes;
    uint64_t offset;
    uint64_t chunk;
    uint64_t end; // 0: the file's
    struct file_identity identity;
    char path[]; // path_bytes of it
};

static const struct entry_block *entry_at(const struct file_positions *p, uint64_t block)
{
    return arena_at(p->arena, block);
}

static void view_add(struct file_positions *p, uint64_t block)
{
    const struct entry_block *entry = entry_at(p, block);
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 16;
        p->entries = realloc(p->entries, (size_t)p->capacity * sizeof *p->entries);
        CHECK(p->entries);
    }
    char *path = strndup(entry->path, entry->path_bytes);
    CHECK(path);
    p->entries[p->count++] = (struct file_entry){
        .path = path,
        .hash = hash_bytes(entry->path, entry->path_bytes),
        .block = block,
        .done = {.size = -1},
    };
}

static void view_clear(struct file_positions *p)
{
    for (int i = 0; i < p->count; i++)
        free(p->entries[i].path);
    p->count = 0;
}

void file_positions_reload(struct file_positions *p)
{
    const struct root_block *root = arena_at(p->arena, p->root);
    if (root->count == (uint64_t)p->count)
        return; // the list only grows, so the view is right
    view_clear(p);
    for (uint64_t block = root->first; block; block = entry_at(p, block)->next)
        view_add(p, block);
    CHECK(root->count == (uint64_t)p->count);
}

int file_positions_open(struct file_positions *p, struct arena *arena, uint32_t root_index)
{
    *p = (struct file_positions){.arena = arena};
    int rc = arena_root(arena, root_index, sizeof(struct root_block), &p->root);
    if (rc < 0)
        return rc;
    file_positions_reload(p);
    return 0;
}

void file_positions_close(struct file_positions *p)
{
    view_clear(p);
    free(p->entries);
    *p = (struct file_positions){0};
}

int file_positions_find(const struct file_positions *p, const char *path)
{
    uint64_t hash = hash_bytes(path, strlen(path));
    for (int i = 0; i < p->count; i++)
        if (p->entries[i].hash == hash && strcmp(p->entries[i].path, path) == 0)
            return i;
    return -1;
}

int file_positions_add(struct file_positions *p, const char *path)
{
    return file_positions_find(p, path) >= 0
               ? 0
               : file_positions_add_piece(p, path, (struct file_position){0}, 0);
}

int file_positions_add_piece(struct file_positions *p, const char *path, struct file_position at,
                             uint64_t end)
{
    size_t len = strlen(path);
    uint64_t block;
    int rc = arena_alloc(p->arena, sizeof(struct entry_block) + len, &block);
    if (rc < 0)
        return rc;
    struct entry_block *entry = arena_fresh(p->arena, block);
    *entry =
        (struct entry_block){.path_bytes = len, .offset = at.offset, .chunk = at.chunk, .end = end};
    memcpy(entry->path, path, len);
    struct root_block *root = arena_touch(p->arena, p->root, sizeof *root);
    if (root->last)
        arena_store8(p->arena, root->last + offsetof(struct entry_block, next), block);
    else
        root->first = block;
    root->last = block;
    root->count++;
    view_add(p, block);
    return 1;
}

struct file_position file_positions_get(const struct file_positions *p, int index)
{
    CHECK(index >= 0 && index < p->count);
    const struct entry_block *entry = entry_at(p, p->entries[index].block);
    return (struct file_position){entry->offset, entry->chunk};
}

void file_positions_set(struct file_positions *p, int index, struct file_position at)
{
    CHECK(index >= 0 && index < p->count);
    uint64_t block = p->entries[index].block;
    memcpy(arena_touch(p->arena, block + offsetof(struct entry_block, offset), sizeof at), &at,
           sizeof at);
}

uint64_t file_positions_end(const struct file_positions *p, int index)
{
    CHECK(index >= 0 && index < p->count);
    return entry_at(p, p->entries[index].block)->end;
}

struct file_identity file_positions_identity(const struct file_positions *p, int index)
{
    CHECK(index >= 0 && index < p->count);
    return entry_at(p, p->entries[index].block)->identity;
}

void file_positions_identify(struct file_positions *p, int index,
                             const struct file_identity *identity)
{
    CHECK(index >= 0 && index < p->count);
    uint64_t block = p->entries[index].block;
    memcpy(arena_touch(p->arena, block + offsetof(struct entry_block, identity), sizeof *identity),
           identity, sizeof *identity);
}
