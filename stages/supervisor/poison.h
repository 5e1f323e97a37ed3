// poison.h: is it a row that kills a task? From each death that may be a row's doing to what the
// task's next process is told. Private to stages/supervisor; no system call.
//
//   two deaths within one batch of each other     -> the next process goes row by row
//   three deaths with the same row alone in hand  -> the next process puts that row aside
//   one more, while it did that                   -> it does so without a look into the row
//
// A kill from outside is never counted here: a good row must not become poison by chaos (see
// postmortem.h for which ends count).
#ifndef WEIR_STAGES_SUPERVISOR_POISON_H
#define WEIR_STAGES_SUPERVISOR_POISON_H

#include <stdbool.h>

#include "shm/control.h"

enum {
    POISON_BATCH_DEATHS = 2,
    POISON_ROW_DEATHS = 3,
    POISON_BLIND_DEATHS = 4,
    POISON_OUT_SPAN = 4096,  // rows of output within which two deaths are near each other
    POISON_LETTERS_FREE = 8, // rows given up near each other; more: it is not the rows
};

enum poison_step {
    POISON_NONE,    // nothing can be said: no row was in hand
    POISON_FIRST,   // a death like any other, so far
    POISON_CAREFUL, // the next process goes row by row
    POISON_ROW,     // a row alone in hand: it is tried again
    POISON_GIVE_UP, // that row goes to the dead letters
    POISON_OTHER,   // row by row, but no row was in hand
};

// Take the death into account. `cause`: how it died, for the dead letter.
enum poison_step poison_judge(struct control_verdict *verdict, const struct control_trial *trial,
                              const char *cause);

// Is a death with this outcome on the way to an end of its own, so that no restart strategy need
// hold it up? Not when too many rows near each other were given up.
bool poison_leads_on(enum poison_step step, const struct control_verdict *verdict);

#endif
