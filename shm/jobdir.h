// jobdir.h: a job's private folder, <memory.dir>/weir-<uid>/<job>/ (0700, files 0600).
//
// It holds the job's segments and outlives every process of the job. The file `lock` in it is held
// (flock) by the supervisor for life and says its pid: one supervisor a job. Tasks attach without
// it.
#ifndef WEIR_SHM_JOBDIR_H
#define WEIR_SHM_JOBDIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/err.h"

enum { JOBDIR_PATH_BYTES = 512, JOBDIR_JOB_BYTES = 65 };

struct jobdir {
    char path[JOBDIR_PATH_BYTES]; // absolute, no trailing slash
    char job[JOBDIR_JOB_BYTES];   // name of the job
    int fd;                       // of the folder, for openat; -1: closed
    int lock_fd;                  // holds the lock; -1: attached without it
    bool stale;                   // jobdir_open found segments that an earlier run left
};

// One job folder on the host, as jobdir_list sees it.
struct jobdir_entry {
    const char *memory_dir;
    const char *job;
    const char *path;
    pid_t holder;            // pid that holds the lock; 0: nobody does
    uint64_t bytes_held;     // memory that its segments have claimed
    uint64_t bytes_promised; // memory that they may claim in all (sum of file sizes)
    int segment_count;
};

// Is this a job name that a folder may have: 1..64 of A-Z a-z 0-9 _ . -, not beginning with a dot
// or a dash?
bool jobdir_name_valid(const char *job);

// Make the folder if needed and take its lock. -EBUSY when another run of the job holds it; the
// text names its pid. `out->stale` says that segments of an earlier run are there: see
// control_sweep.
int jobdir_open(const char *memory_dir, const char *job, struct jobdir *out, struct err *err);

// The same for a process that holds the lock already, because it was another program when it took
// it: lock_fd is that descriptor, which is the folder's from now on. -EBADF: it is no such thing.
int jobdir_reopen(const char *memory_dir, const char *job, int lock_fd, struct jobdir *out,
                  struct err *err);

// A task's way in: open the folder at `path`, which its supervisor has locked.
int jobdir_attach(const char *path, struct jobdir *out, struct err *err);

// Let go of folder and lock; the segments stay. Safe on a closed one.
void jobdir_close(struct jobdir *dir);

// Remove one name of it, if it is there: a file, or somebody's empty folder.
int jobdir_remove_name(const struct jobdir *dir, const char *name, struct err *err);

// Segments that take the place of others when all of them are whole: make them in `out`, an empty
// folder inside this one (path, job and fd are set; close it with jobdir_close), then put all in
// place, under their names. What a crash leaves of it, in part or whole, the next begin removes;
// so the others must have been removed before.
int jobdir_begin_new(const struct jobdir *dir, struct jobdir *out, struct err *err);
int jobdir_end_new(const struct jobdir *dir, const struct jobdir *made, struct err *err);

// Remove every file but the lock. The caller holds the lock and knows that no task lives.
int jobdir_clear(struct jobdir *dir, struct err *err);

// Remove the folder and all in it, then close. The caller holds the lock and knows that no task
// lives.
int jobdir_remove(struct jobdir *dir, struct err *err);

// Visit the job folders of this user under memory_dir, in no order; a visitor's nonzero return ends
// the walk and is returned. No folder at all is no error.
int jobdir_list(const char *memory_dir,
                int (*visit)(const struct jobdir_entry *entry, void *context), void *context,
                struct err *err);

#endif
