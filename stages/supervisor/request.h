// request.h: what `weir stop`, `weir replace` and `weir pin --apply` ask of the supervisor of a
// running job, and what it answers.
//
//   <job folder>/request   the request, lines "key value"; behind them answers, a JSON object a
//   line
//
// The asker writes the request into a file without a name and then links it: so there is one at a
// time, and it is whole. From then on the supervisor alone writes to it, at its end. The asker
// keeps it open and so reads the last answer also when the folder is gone. SIGUSR1 says that there
// is something to read; the asker sends it again until it is answered. An asker that waits holds a
// lock (flock) on the file, so it can be seen whether there is one.
//
// What a crash leaves: of the asker, a request that is done all the same; of the supervisor, one
// that the next supervisor finds, as it finds the segments, and goes on with.
#ifndef WEIR_STAGES_SUPERVISOR_REQUEST_H
#define WEIR_STAGES_SUPERVISOR_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "shm/control.h"

enum { REQUEST_PATH_BYTES = 4096 };

enum request_kind { REQUEST_NONE, REQUEST_STOP, REQUEST_REPLACE, REQUEST_MOVE };

struct request {
    enum request_kind kind;
    bool drains;                     // STOP: sources end as if their input had
    int64_t timeout_ms;              // STOP: how long it may take; 0: as long as after SIGTERM
    char path[REQUEST_PATH_BYTES];   // STOP: folder of a savepoint, or ""; REPLACE: the program
    int16_t cpus[CONTROL_TASKS_MAX]; // MOVE: the core of each task, -1: anywhere
    int cpu_count;
};

enum request_answer {
    REQUEST_TAKEN,   // the supervisor has read it
    REQUEST_NEWS,    // something on the way
    REQUEST_DONE,    // the last answer, as the next two
    REQUEST_REFUSED, // nothing was begun
    REQUEST_FAILED,
};

// --- the asker ---

// Put a request into the folder; *fd is the caller's to close. -EEXIST: there is one already;
// others with a text. `instead`: it takes the place of one that is there.
int request_post(int dir_fd, const struct request *request, bool instead, int *fd, struct err *err);

// The request that is there. -ENOENT: none; -EBADMSG: it is none of ours.
int request_open(int dir_fd, int *fd, struct request *out, struct err *err);

// The next whole line behind *at, which moves on. Lines of the request itself are skipped. false:
// there is none yet.
bool request_next_answer(int fd, uint64_t *at, struct buf *line);

// Nobody has answered: take it back. Safe when it is gone.
void request_withdraw(int dir_fd, int fd);

// --- the supervisor ---

// The request that is being done; all zero but fd, which is -1: none.
struct request_box {
    int dir_fd; // the job's folder
    int fd;
    struct request request;
};

// Is there a request that is another one than the box holds? Then it takes its place. What is no
// request is removed.
bool request_take(struct request_box *box);

// Does somebody wait for the answer?
bool request_is_awaited(const struct request_box *box);

// Append an answer: `members` are more members of the object, each behind a comma (NULL: none). A
// last answer also takes the request out of the folder. Nothing without a request.
void request_answer(struct request_box *box, enum request_answer answer, const char *members,
                    const char *text);

// Forget it; what was not answered stays in the folder.
void request_box_close(struct request_box *box);

#endif
