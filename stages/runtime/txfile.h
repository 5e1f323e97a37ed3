// txfile.h: a file that only grows, and grows in step with the task's transactions.
//
// The arena holds the committed length. Bytes are buffered, written behind that length before the
// commit, and the new length is part of the commit; so a kill leaves at worst bytes past the
// committed length, which the next opening cuts off. Plain pwrite by the owner thread: no write of
// a dead process can arrive later.
#ifndef WEIR_STAGES_RUNTIME_TXFILE_H
#define WEIR_STAGES_RUNTIME_TXFILE_H

#include "core/base/buf.h"
#include "core/base/env.h"
#include "core/base/err.h"
#include "core/state/arena.h"

struct txfile {
    struct env *env;
    struct arena *arena;
    uint64_t length_at; // offset in the arena of the committed length
    uint64_t written;   // bytes of the open transaction that are in the file already
    struct buf buffer;  // bytes of the open transaction that are not
    int fd;             // -1: not open
};

// Open or create `path` and cut it to the committed length. `length_at` is a word in the arena.
int txfile_open(struct txfile *file, struct env *env, struct arena *arena, uint64_t length_at,
                const char *path, struct err *err);
void txfile_close(struct txfile *file);

// Append here; then call txfile_appended, which writes when much has gathered. 0 or -errno.
struct buf *txfile_buffer(struct txfile *file);
int txfile_appended(struct txfile *file);

// Before a commit: everything into the file, the new length into the arena. 0 or -errno.
int txfile_before_commit(struct txfile *file);

// After an abort.
void txfile_reset(struct txfile *file);

// Length with what the open transaction has appended.
uint64_t txfile_length(const struct txfile *file);

#endif
