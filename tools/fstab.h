// fstab.h: the line of /etc/fstab that mounts the jobs' memory at boot. Found by its source,
// "weir", and its type, tmpfs; every other line stays as it is, byte for byte.
#ifndef WEIR_TOOLS_FSTAB_H
#define WEIR_TOOLS_FSTAB_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/err.h"

#define FSTAB_PATH "/etc/fstab"

// What the file is to hold: `line` (without its end; NULL: none) in the place of all lines that are
// ours. A file that is not there has no lines. *changed: it says something else now. -errno.
int fstab_plan(const char *path, const char *line, struct buf *out, bool *changed, struct err *err);

// Is one of our lines there? Appends it to `out` without its end.
bool fstab_find(const char *path, struct buf *out);

// Write the whole file, as of one moment: beside it, then renamed over it. Mode and owner stay.
int fstab_write(const char *path, struct slice text, struct err *err);

#endif
