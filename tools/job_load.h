// job_load.h: from the path of a config to a plan: what check, explain and run begin with.
#ifndef WEIR_TOOLS_JOB_LOAD_H
#define WEIR_TOOLS_JOB_LOAD_H

#include "core/base/buf.h"
#include "core/plan/plan.h"
#include "tools/command.h"
#include "tools/config.h"

struct job_load {
    struct config *config;
    struct buf sql; // the script's text
    struct plan *plan;
    int cores; // what the plan could use
};

// Read config and script, compile. All zero is empty; free with job_load_fini also after a failure.
// The plan's file name for messages is the script's path. -errno with a text.
int job_load(const char *config_path, struct job_load *out, struct err *err);
void job_load_fini(struct job_load *load);

// A subcommand that takes a job: read the arguments, load, do `body`, complain, free. `body`
// returns an exit status, and a text when it is not 0. Returns the exit status.
int job_command(const struct command *command, int argc, char **argv,
                int (*body)(const struct job_load *load, const struct arguments *arguments,
                            struct err *err));

// The exit status for what job_check has found: a broker that does not answer may later, so a
// service manager shall try again; everything else a person must mend.
int job_check_status(int rc);

// Cores that this process may run on: its affinity mask, and not more than its control group's
// quota. At least 1.
int job_load_host_cores(void);

#endif
