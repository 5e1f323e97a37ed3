// metrics.h: `metrics.listen`: a job's metrics over HTTP, from a process of their own that the
// supervisor starts, watches and ends. It only reads the job's memory; it may die or hang, be
// flooded or starved: the job does not notice.
//
// The address is bound before the job starts, so that one that cannot be had is an error then. The
// process dies with its supervisor; the next one starts another.
#ifndef WEIR_TOOLS_METRICS_H
#define WEIR_TOOLS_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/err.h"

struct metrics {
    const char *listen; // NULL: nobody wants them
    const char *path;   // of the job's folder
    const char *job;
    int fd;           // that is listened on; -1: none
    pid_t pid;        // of the process; 0: none
    int64_t again_ns; // when one is started in the place of one that died; monotonic
    int64_t pause_ns; // until the one after that
};

// Can it be an address of this host? -EINVAL with a text. `listen` NULL is fine.
int metrics_check(const char *listen, struct err *err);

// Bind the address and start the process; listen, path and job are set and outlive it. -EADDRINUSE
// when somebody else has the port, -EINVAL as above, another -errno; all with a text. Safe where
// nobody wants them.
int metrics_open(struct metrics *metrics, struct err *err);

// Now and then: a process that has died is replaced, later each time.
void metrics_tick(struct metrics *metrics, int64_t now_ns);

// End the process, give the address back. Safe on a closed one.
void metrics_close(struct metrics *metrics);

#endif
