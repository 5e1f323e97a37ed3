// savepoint_internal.h: what writing and reading of a savepoint share.
#ifndef WEIR_STAGES_RUNTIME_SAVEPOINT_INTERNAL_H
#define WEIR_STAGES_RUNTIME_SAVEPOINT_INTERNAL_H

#include "core/snapshot/manifest.h"
#include "stages/runtime/operator.h"

#define SAVEPOINT_STATE    "STATE"
#define SAVEPOINT_MANIFEST "SAVEPOINT"

// How the operator's state is carried; NULL: it has none.
const struct savepoint_class *savepoint_class_of(const struct op *op);

// DIR/NAME. `out` has STORE_PATH_BYTES.
void savepoint_path(const char *dir, const char *name, char *out);

// What its frames are bound to.
uint64_t savepoint_id(const struct manifest *manifest);

struct savepoint_match; // savepoint.h; NULL in what follows: the script is the same

// The operator that goes on with the state of operator `op` of the savepoint; -1: none.
int savepoint_match_op(const struct savepoint_match *match, int op);
// May the clock of source `op` go on?
bool savepoint_match_clock(const struct savepoint_match *match, int op);
// Is operator `number` of the new plan given state?
bool savepoint_match_feeds(const struct savepoint_match *match, int number);

#endif
