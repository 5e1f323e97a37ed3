// checkpoint_verify.c: `weir checkpoint verify`: read every byte that a restore would read.
//
// A file that several checkpoints build on is read once.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/snapshot/restore.h"
#include "shm/budget.h"
#include "tools/checkpoint.h"

// A file that was read.
struct verified {
    char *path;
    struct snapshot_info info;
    bool is_good;
};

struct verify {
    const struct store *store;
    struct verified *files;
    int file_count;
    uint64_t bytes, blocks;
    int damaged; // checkpoints
};

static const struct verified *read_file(struct verify *v, const struct snapshot_file *file)
{
    for (int i = 0; i < v->file_count; i++)
        if (strcmp(v->files[i].path, file->path) == 0)
            return &v->files[i];
    v->files = realloc(v->files, ((size_t)v->file_count + 1) * sizeof *v->files);
    CHECK(v->files);
    struct verified *read = &v->files[v->file_count++];
    struct err err;
    *read = (struct verified){.path = strdup(file->path)};
    CHECK(read->path);
    read->is_good = snapshot_verify(v->store->env, file, &read->info, &err) == 0;
    if (read->is_good) {
        v->bytes += read->info.file_bytes;
        v->blocks += read->info.foot.blocks;
    } else {
        printf("DAMAGED %s\n", err.text);
    }
    return read;
}

// Does each file build on the one before, in the same arena?
static bool check_chain(struct verify *v, const struct manifest *manifest, int task)
{
    struct snapshot_file *files = checkpoint_files(v->store, manifest, task);
    bool good = true;
    for (int f = 0; f < manifest->tasks[task].file_count; f++) {
        struct verified read = *read_file(v, &files[f]); // a copy: the array may move
        uint64_t base = f ? files[f - 1].id.checkpoint : 0;
        good = good && read.is_good;
        if (read.is_good && read.info.head.base != base) {
            printf("DAMAGED %s: it builds on checkpoint %" PRIu64 ", not on %" PRIu64 "\n",
                   files[f].path, read.info.head.base, base);
            good = false;
        }
    }
    free(files);
    return good;
}

static void verify_one(struct verify *v, uint64_t checkpoint)
{
    struct pool pool = {0};
    struct manifest manifest;
    struct err err;
    bool good = store_read(v->store, checkpoint, &pool, &manifest, &err) == 0;
    if (!good) {
        printf("DAMAGED %s\n", err.text);
        manifest.task_count = 0;
    }
    for (int t = 0; t < manifest.task_count; t++)
        good = check_chain(v, &manifest, t) && good;
    printf("checkpoint %" PRIu64 ": %s\n", checkpoint,
           good ? "sound" : "damaged, a run falls back to the one before");
    v->damaged += !good;
    pool_fini(&pool);
}

static int verify(const struct checkpoint_args *args, const struct checkpoint_place *place,
                  struct err *err)
{
    struct verify v = {.store = &place->store};
    char bytes[32];
    int count = 0;
    for (int i = 0; i < place->count; i++) {
        const struct store_entry *entry = &place->entries[i];
        if (!entry->is_complete || (args->number_count && entry->checkpoint != args->numbers[0]))
            continue;
        verify_one(&v, entry->checkpoint);
        count++;
    }
    if (count)
        printf("%d checkpoint%s, %d file%s, %s, %" PRIu64 " blocks; %d damaged\n", count,
               count == 1 ? "" : "s", v.file_count, v.file_count == 1 ? "" : "s",
               budget_format_bytes(v.bytes, bytes), v.blocks, v.damaged);
    else if (args->number_count)
        err_set(err, -ENOENT, "there is no complete checkpoint %" PRIu64 " in %s", args->numbers[0],
                place->store.dir);
    else
        err_set(err, -ENOENT, "%s has no complete checkpoint", place->store.dir);
    for (int i = 0; i < v.file_count; i++)
        free(v.files[i].path);
    free(v.files);
    return !count ? COMMAND_UNAVAILABLE : v.damaged ? COMMAND_FAILED : COMMAND_OK;
}

const struct checkpoint_verb checkpoint_verify = {
    .name = "verify", .most_numbers = 1, .run = verify};
