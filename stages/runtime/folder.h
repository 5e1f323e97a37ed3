// folder.h: the folders that a job writes to: looked at before the start, made when needed.
#ifndef WEIR_STAGES_RUNTIME_FOLDER_H
#define WEIR_STAGES_RUNTIME_FOLDER_H

#include "core/base/err.h"

enum { FOLDER_PATH_BYTES = 4096 };

// Could the folder be made and written to by this process? Changes nothing. -errno with a text that
// names what is in the way.
int folder_check(const char *folder, struct err *err);

// Make the folder and those above it, each with its name durable; one that is there is fine.
int folder_make(const char *folder, struct err *err);

#endif
