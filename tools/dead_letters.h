// dead_letters.h: bad rows are put aside once, though a run that was killed before its first
// checkpoint begins anew.
#ifndef WEIR_TOOLS_DEAD_LETTERS_H
#define WEIR_TOOLS_DEAD_LETTERS_H

#include "stages/checkpoint/store.h"

// A run of `task_count` tasks begins at the begin of its input. The first time, note in the store
// how long the dead-letter files in `folder` are; when a run was killed since, before it made a
// checkpoint, cut them to that length again. -errno with a text.
int dead_letters_begin(const struct store *store, const char *folder, int task_count,
                       struct err *err);

// Some tasks (one flag each) begin anew while the others run on: cut the files of those to what the
// note says.
int dead_letters_cut(const struct store *store, const char *folder, const bool *tasks,
                     int task_count, struct err *err);

// A run goes on from a savepoint, which knows the files of its own tasks only: note how long all
// are, and when it is killed before its first checkpoint (`again`) cut them to that.
int dead_letters_begin_from(const struct store *store, const char *folder, bool again,
                            struct err *err);

#endif
