// checkpoint.h: what the verbs of `weir checkpoint` share. They read a folder of checkpoints, also
// one that a running job writes, and change nothing in it.
#ifndef WEIR_TOOLS_CHECKPOINT_H
#define WEIR_TOOLS_CHECKPOINT_H

#include "stages/checkpoint/store.h"
#include "stages/runtime/operator.h"
#include "tools/command.h"

struct checkpoint_args {
    bool json;
    const char *bitmaps; // folder for Roaring files; NULL: none are written
    const char *path;    // JOB.yaml, or the folder itself
    uint64_t numbers[2];
    int number_count;
};

// The folder, and what was in it a moment ago.
struct checkpoint_place {
    struct store store;
    struct store_entry *entries;
    int count;
};

struct checkpoint_verb {
    const char *name;
    int least_numbers, most_numbers;
    bool takes_json, takes_bitmaps;
    // Returns an exit status; with a text in err when it is not 0 and there is something to add.
    int (*run)(const struct checkpoint_args *args, const struct checkpoint_place *place,
               struct err *err);
};

extern const struct checkpoint_verb checkpoint_list, checkpoint_show, checkpoint_verify,
    checkpoint_diff, checkpoint_export;

// Read the manifest of the checkpoint that was asked for, or of the newest complete one.
int checkpoint_read(const struct checkpoint_args *args, const struct checkpoint_place *place,
                    struct pool *pool, struct manifest *out, struct err *err);

// The files of a task's chain; the caller frees both arrays in one: free(*out). Paths are behind.
struct snapshot_file *checkpoint_files(const struct store *store, const struct manifest *manifest,
                                       int task);

// Bytes of all files that a restore reads, as they are on disk; 0 for those that are gone.
uint64_t checkpoint_chain_bytes(const struct store *store, const struct manifest *manifest);

// Bytes written for this very checkpoint.
uint64_t checkpoint_own_bytes(const struct manifest *manifest);

// Does every task have a file without a base?
bool checkpoint_is_full(const struct manifest *manifest);

// Is it the task of a source?
bool checkpoint_is_source(const struct manifest_task *task);

// Rows that its sources have read.
uint64_t checkpoint_rows(const struct manifest *manifest);

// --- state (checkpoint_state.c) ---

struct checkpoint_visitor {
    void *context;
    int (*group)(void *context, int task, const struct arena *arena,
                 const struct state_group *group);
};

// The plan that the checkpoint was made with. -ESTALE: this program makes another one.
int checkpoint_plan(const struct manifest *manifest, struct plan **out, struct err *err);

// A checkpoint, and the plan that it was made with.
struct checkpoint_view {
    const struct store *store;
    const struct manifest *manifest;
    const struct plan *plan;
};

// One task's arena in memory of this process, of which only what is used is ever touched.
struct checkpoint_copy {
    void *base;
    uint64_t bytes, log_bytes;
    struct arena *arena;
};

// -errno with a text; then there is nothing to unload.
int checkpoint_load(const struct store *store, const struct manifest *manifest, int task,
                    struct checkpoint_copy *out, struct err *err);
void checkpoint_unload(struct checkpoint_copy *copy);

// Restore one task's state into memory of this process and visit its groups. -errno with a text, or
// what the visitor returned.
int checkpoint_visit(const struct checkpoint_view *view, int task,
                     const struct checkpoint_visitor *visitor, struct err *err);

// --- a bitmap as a Roaring file (roaring_file.c) ---

// Write the set in the portable format that CRoaring, Java and Go read: of 32-bit numbers when all
// are below 2^32, else of 64-bit ones (*is_64).
int roaring_file_write(const struct arena *arena, uint64_t head, const char *path, bool *is_64,
                       struct err *err);

#endif
