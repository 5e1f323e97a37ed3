// handover.h: this process, the supervisor of a job, becomes another program (`weir replace`). It
// keeps its pid, its children and the lock of the job's folder; the new program adopts the tasks as
// after the death of a supervisor.
#ifndef WEIR_TOOLS_HANDOVER_H
#define WEIR_TOOLS_HANDOVER_H

#include "tools/command.h"

struct handover {
    const char *program; // its path
    int program_fd;      // the file itself (O_PATH)
    int lock_fd;
    const struct arguments *arguments; // of this run
};

// Returns only when it failed, with a text.
int handover_exec(const struct handover *handover, struct err *err);

#endif
