// journal.h: what the supervisor does and is told, as records of the event log; deaths have their
// own (postmortem.h). Private to stages/supervisor.
#ifndef WEIR_STAGES_SUPERVISOR_JOURNAL_H
#define WEIR_STAGES_SUPERVISOR_JOURNAL_H

#include "stages/supervisor/supervisor.h"

// The tasks run; so many of them ran before this supervisor did.
void journal_start(const struct supervisor_options *options, int adopted);
// What is worth a record: a stop, a task killed late, a checkpoint given up, a failure.
void journal_event(const struct supervisor_options *options, const struct supervisor_event *event);
// `error`: why the job failed, or could not be run; NULL or "": it did not.
void journal_end(const struct supervisor_options *options, const struct supervisor_result *result,
                 const char *error);

#endif
