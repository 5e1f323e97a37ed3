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
    bool has_tail;      // bytes past the committed length may be in the file
    int failed;         // -errno of a cut that failed: the next commit reports it
    int fd;             // -1: not open
};

struct txfile_place {
    struct env *env;
    struct arena *arena;
    uint64_t length_at; // a word in the arena
    const char *path;
};

// Open or create the file and cut it to the committed length.
int txfile_open(struct txfile *file, const struct txfile_place *place, struct err *err);
void txfile_close(struct txfile *file);

// Append here; then call txfile_appended, which writes when much has gathered. 0 or -errno.
struct buf *txfile_buffer(struct txfile *file);
int txfile_appended(struct txfile *file);

// Before a commit: everything into the file, the new length into the arena. 0 or -errno.
int txfile_before_commit(struct txfile *file);

// After an abort (of the arena too): cuts off what the transaction had written already.
void txfile_reset(struct txfile *file);

#endif
