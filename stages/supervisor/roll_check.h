// roll_check.h: can another program take this job over? It is asked itself, before anything is
// done: `weir task --check FOLDER CONFIG` compares the layouts that it was built with with the
// segments, and the plan that it makes of the script with the one that runs. Private to
// stages/supervisor.
#ifndef WEIR_STAGES_SUPERVISOR_ROLL_CHECK_H
#define WEIR_STAGES_SUPERVISOR_ROLL_CHECK_H

#include <sched.h>
#include <signal.h>

#include "core/base/err.h"

enum { ROLL_VERSION_BYTES = 64 };

struct roll_question {
    int program_fd; // O_PATH
    const char *folder, *config;
    const sigset_t *mask;     // of signals, for the child
    const cpu_set_t *allowed; // where a run may be, for the child
};

// 0 and its version; -errno with what it said. Waits some seconds at most.
int roll_check(const struct roll_question *question, char version[ROLL_VERSION_BYTES],
               struct err *err);

#endif
