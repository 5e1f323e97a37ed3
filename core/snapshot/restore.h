// restore.h: read snapshot files back into an arena, and check them.
#ifndef WEIR_CORE_SNAPSHOT_RESTORE_H
#define WEIR_CORE_SNAPSHOT_RESTORE_H

#include "core/base/env.h"
#include "core/snapshot/format.h"
#include "core/state/arena.h"

// What a file says of itself.
struct snapshot_info {
    struct snapshot_head head;
    struct snapshot_foot foot;
    uint64_t file_bytes;
};

// A file, and what must be in it.
struct snapshot_file {
    const char *path;
    struct snapshot_id id;
};

// The files that an arena is made from: from the full one to the one wanted.
struct snapshot_chain {
    const struct snapshot_file *files;
    int count;
};

// Read the first frame only: of which arena is it, and what does it build on?
int snapshot_read_head(struct env *env, const struct snapshot_file *file, struct snapshot_head *out,
                       struct err *err);

// Read and check every byte, without an arena. -EBADMSG: damaged or unfinished; -EPROTO: another
// version; other -errno: of the disk. The text names file, frame and block.
int snapshot_verify(struct env *env, const struct snapshot_file *file, struct snapshot_info *out,
                    struct err *err);

// Make base[0, bytes), which arena_format has just made with the fingerprint of the job, the arena
// that the last file of the chain describes; everything is checked before arena_open would believe
// it. `claim` as in arena_options (asked for bytes before they are written; may be NULL). Errors
// as snapshot_verify; -EINVAL: the arena has another size than the snapshot's; -ENOSPC. After an
// error the memory is good for arena_format only.
int snapshot_restore(struct env *env, const struct snapshot_chain *chain, void *base,
                     const struct arena_options *options, struct err *err);

// Visit the block headers of a file, in order, without the payload (for `weir checkpoint diff`).
struct snapshot_visit {
    void (*block)(const struct snapshot_block *block, void *context);
    void *context;
};

int snapshot_blocks(struct env *env, const struct snapshot_file *file,
                    const struct snapshot_visit *visit, struct err *err);

#endif
