// asking.h: what `weir stop`, `weir replace` and `weir pin --apply` share: find the supervisor of a
// running job, ask it (stages/supervisor/request.h), show what it answers.
#ifndef WEIR_TOOLS_ASKING_H
#define WEIR_TOOLS_ASKING_H

#include <jansson.h>

#include "shm/jobdir.h"
#include "shm/process.h"
#include "stages/supervisor/request.h"
#include "tools/command.h"
#include "tools/config.h"

// How a wait for answers has ended.
enum asking_end {
    ASKING_SILENT,   // the supervisor does not answer; nothing was done
    ASKING_ANSWERED, // its last answer came
    ASKING_LOST,     // it was killed before that, and had begun
    ASKING_ENDED,    // it had not begun, and nobody will: the request is taken back
};

struct asking {
    const struct command *command;
    const struct config *config;
    const char *path; // of the config, for what is told
    bool json;
    struct jobdir dir; // of the job, attached
    struct process_id supervisor;
    int pidfd;
    int request_fd;
    void (*take)(const json_t *answer, void *context); // instead of showing answers; may be NULL
    void *take_context;
    enum asking_end end; // of asking_wait
};

// What is there when another request is: may ours do instead?
enum asking_choice { ASKING_JOIN, ASKING_INSTEAD, ASKING_REFUSED };

// All zero but for these is empty.
void asking_init(struct asking *asking);
void asking_fini(struct asking *asking);

// Find the job and who supervises it. COMMAND_OK, or another status with a text that says what
// there is instead: no such job, tasks without a supervisor, another user's.
int asking_find(struct asking *asking, struct err *err);

// Put the request there. `choose` is asked when there is another one; it fills err when it refuses.
// COMMAND_OK or another status.
int asking_post(struct asking *asking, const struct request *request,
                enum asking_choice (*choose)(const struct request *ours,
                                             const struct request *theirs, struct err *err),
                struct err *err);

// Show the answers until the last one; until_end: and until the supervisor has ended. Returns an
// exit status, and a text when it is not COMMAND_OK and nothing has been shown yet.
int asking_wait(struct asking *asking, bool until_end, struct err *err);

#endif
