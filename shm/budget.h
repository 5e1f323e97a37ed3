// budget.h: memory is a promise made before the start.
//
// Segments outlive processes: not even the OOM killer can take them back, and a full tmpfs is
// SIGBUS. So before a job starts, what it will hold is compared with what the folder's file system,
// the host and the control groups can give, minus what other jobs were promised and have not
// claimed yet.
#ifndef WEIR_SHM_BUDGET_H
#define WEIR_SHM_BUDGET_H

#include <stdint.h>

#include "core/base/err.h"

struct budget_request {
    const char *memory_dir;   // where the segments will be
    const char *job;          // its own folder is not counted twice; NULL: count all
    uint64_t wanted_bytes;    // all segments of the job
    uint64_t reserve_bytes;   // what must stay free; 0: reserve_percent decides
    unsigned reserve_percent; // of each limit (host memory, control group)
    const char *proc_dir;     // NULL: /proc (tests give their own)
    const char *cgroup_dir;   // NULL: /sys/fs/cgroup
};

struct budget {
    uint64_t available_bytes; // what could be promised now, the reserve taken off
    uint64_t limit_bytes;     // of the limit that binds
    uint64_t reserve_bytes;   // kept back from it
    uint64_t promised_bytes;  // other jobs' promises not yet claimed
    char binding[192];        // which limit binds, for people: "/dev/shm (tmpfs, 64.0 MiB)"
};

// What is there. `out` is filled on success; wanted_bytes is not looked at.
int budget_measure(const struct budget_request *request, struct budget *out, struct err *err);

// 0 when wanted_bytes fits; -ENOSPC with a text that says how much was asked, how much there is,
// which limit binds and what to set. `out` may be NULL.
int budget_check(const struct budget_request *request, struct budget *out, struct err *err);

// "1.5 GiB" for people.
const char *budget_format_bytes(uint64_t bytes, char out[32]);

#endif
