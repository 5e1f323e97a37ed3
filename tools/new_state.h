// new_state.h: `weir run --allow-new-state`: a changed script goes on with the state that still
// fits.
//
// Checkpoints are images of tasks of one plan, so another plan goes on from a savepoint: that of
// the user, or one that is made of the checkpoint in the folder of the checkpoints.
#ifndef WEIR_TOOLS_NEW_STATE_H
#define WEIR_TOOLS_NEW_STATE_H

#include "stages/checkpoint/store.h"
#include "stages/runtime/savepoint.h"

// Make it of the checkpoint; `dir` has STORE_PATH_BYTES. -EBADMSG, -ENOENT: the checkpoint is
// damaged, an older one may do; others with a text.
int new_state_make(const struct store *store, const struct manifest *manifest, char *dir,
                   struct err *err);

struct new_state {
    struct plan *old;
    struct savepoint_match match;
    struct buf text; // a line for each state that goes on, is dropped or begins empty
};

// Whose state of the savepoint fits whom in the plan. Free with new_state_free, also after -errno.
int new_state_match(const struct manifest *savepoint, const struct plan *plan,
                    struct new_state *out, struct err *err);
void new_state_free(struct new_state *state);

#endif
