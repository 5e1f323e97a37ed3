// conclude.h: the last answer to who has asked something of a job that has ended, and the savepoint
// that was asked for.
#ifndef WEIR_TOOLS_CONCLUDE_H
#define WEIR_TOOLS_CONCLUDE_H

#include "core/plan/plan.h"
#include "stages/checkpoint/store.h"
#include "stages/supervisor/supervisor.h"

struct conclusion {
    struct request_box *requests;
    const struct supervisor_result *result;
    const struct plan *plan;
    const struct store *store; // NULL: the job makes no checkpoints
    const char *config;        // path of the config, for what is told
    int status;                // that the run ends with; when it is a failure err says why
};

// For the sentence that says where the job has stopped: ", which .." or nothing.
const char *conclude_unsettled(const struct supervisor_result *result);

// Does somebody wait for a savepoint of where the job stops?
bool conclude_wants_savepoint(const struct request_box *requests);

// No task lives any more, and the job's folder is still locked.
void conclude(const struct conclusion *conclusion, const struct err *err);

#endif
