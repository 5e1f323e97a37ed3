// memory_dir.h: which folder holds a job's memory when its config does not say so: the tmpfs that
// `weir setup-host` has mounted, else /dev/shm. Every subcommand finds the same one, because
// config_load asks here.
//
// That mount is known by its source, "weir", in the table of mounts: there is no file that could
// say something else, and whoever mounts it by hand or from /etc/fstab is found as well.
#ifndef WEIR_TOOLS_MEMORY_DIR_H
#define WEIR_TOOLS_MEMORY_DIR_H

#include <limits.h>
#include <stdbool.h>

#include "core/base/err.h"

#define MEMORY_DIR_DEFAULT "/dev/shm"
#define MEMORY_DIR_SOURCE  "weir" // of the mount

// The mount point. false: nothing is mounted. Whether this user may use it is another question.
bool memory_dir_mount(char out[PATH_MAX]);

// The folder for this job. One that runs, or has left its memory, is where it is, though the other
// may have come since; any other goes to the mount, where there is one that this user may use.
void memory_dir_find(const char *job, char out[PATH_MAX]);

// For a run that has taken the job's lock in `dir`, as found above: the job must not run in the
// other folder, too, where a run may have begun before the mount came. -EBUSY with its pid.
int memory_dir_check(const char *job, const char *dir, struct err *err);

#endif
