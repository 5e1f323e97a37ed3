// setup_host.h: what `weir setup-host` does, step by step: steps are said, and then done, unless it
// is asked only what they would be.
#ifndef WEIR_TOOLS_SETUP_HOST_H
#define WEIR_TOOLS_SETUP_HOST_H

#include <limits.h>
#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/err.h"

struct setup {
    bool json, dry_run, remove;
    char path[PATH_MAX];  // the mount point
    bool is_given;        // --path was
    char size[32];        // as the mount takes it: "50%", "17179869184"; empty: not given
    char mount[PATH_MAX]; // where it is mounted now; empty: nowhere
    struct buf steps;     // JSON: those so far
};

// One step, before it is done.
void setup_say(struct setup *setup, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Mount it now and at boot. An exit status; err has a text when it is not 0.
int setup_mount(struct setup *setup, struct err *err);

// Take it away again, where no job has its memory there.
int setup_remove(struct setup *setup, struct err *err);

#endif
