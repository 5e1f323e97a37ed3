// pending_parts.h: the open files of a sink's pending parts, until they have their names.
//
// Whoever writes a snapshot makes them durable with it; the sink itself waits for no disk. Asking
// for it at the roll was measured, 128 MiB on ext4: fdatasync takes 30 to 60 ms, and
// sync_file_range, which shall only begin it, 33 ms.
#ifndef WEIR_STAGES_RUNTIME_PENDING_PARTS_H
#define WEIR_STAGES_RUNTIME_PENDING_PARTS_H

#include "core/base/env.h"
#include "stages/runtime/operator.h"

enum { PENDING_PARTS_MAX = OP_OUTPUTS_MAX - 1 }; // one is in progress

struct pending_parts { // all zero: none
    struct {
        uint64_t part;
        int fd;
    } files[PENDING_PARTS_MAX]; // ascending
    int count;
};

static inline bool pending_parts_are_full(const struct pending_parts *pending)
{
    return pending->count == PENDING_PARTS_MAX;
}

// Take a file over. When there are too many it is made durable here and closed. 0 or -errno.
int pending_parts_keep(struct pending_parts *pending, struct env *env, uint64_t part, int fd);

// Close those of parts before `published`.
void pending_parts_drop(struct pending_parts *pending, struct env *env, uint64_t published);

// Remove what a task has left unfinished of parts above this one: a restore led it back behind
// them, and their rows will come again. 0 or -errno.
int pending_parts_remove(struct env *env, const char *folder, int task, uint64_t above);

// A part file's name: "part-3-17".
bool part_name_parse(const char *name, int *task, unsigned long long *part);

#endif
