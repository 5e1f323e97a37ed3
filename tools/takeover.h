// takeover.h: can this program take a running job over from another? What `weir task --check`
// answers to the supervisor that is asked to put this program in.
#ifndef WEIR_TOOLS_TAKEOVER_H
#define WEIR_TOOLS_TAKEOVER_H

#include "core/base/err.h"

// `folder` is the job's, `config` the path that its supervisor was started with. 0; -EPROTO: this
// program cannot go on with what is in memory; -EINVAL: config, script or cores are not what runs.
int takeover_check(const char *folder, const char *config, struct err *err);

// "weir VERSION DEVICE INODE" of the file that this process runs, on stdout.
int takeover_print_name(struct err *err);

#endif
