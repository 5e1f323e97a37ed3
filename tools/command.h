// command.h: what a subcommand of weir is, and what all of them share: exit statuses, arguments.
#ifndef WEIR_TOOLS_COMMAND_H
#define WEIR_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

#define WEIR_VERSION "0.1.0"

// Exit statuses, as sysexits.h has them.
enum {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1,
    COMMAND_USAGE = 64,       // the command line is wrong
    COMMAND_UNAVAILABLE = 69, // the host cannot do it now: memory, another run of the job
    COMMAND_CONFIG = 78,      // the config or the SQL is wrong or cannot be read
};

struct command {
    const char *name;
    const char *summary;  // one line; NULL hides the command from the list
    const char *usage;    // whole text of --help, with an example
    bool restores;        // takes --fresh, --from and --verbose
    bool looks_at_memory; // takes --arena
    // argv[0] is the name of the subcommand. Returns an exit status.
    int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command command_run, command_check, command_explain, command_task,
    command_checkpoint, command_doctor, command_savepoint, command_events, command_setup_host,
    command_stop, command_replace, command_pin, command_bench, command_top, command_clean,
    command_metrics_server;

// "12" or the name of its folder, "chk-12" (a path to it is one too).
bool checkpoint_number(const char *word, uint64_t *out);

// What the subcommands that take a job's config share.
struct arguments {
    bool json, quiet, verbose;
    bool arena;            // look at the memory of the job
    bool fresh;            // forget the checkpoints
    bool allow_new_state;  // of a changed script: go on with what fits
    uint64_t from;         // go on from this checkpoint; 0: the newest
    const char *savepoint; // go on from the savepoint in this folder; NULL: from a checkpoint
    const char *path;      // the config
    int lock_fd; // this process supervised the job with another program; it holds the lock. 0: no
};

// Read options and the one path. On success *exit_status is not touched and true is returned;
// false: the command is done (help was printed, or the mistake) and ends with *exit_status.
bool arguments_parse(const struct command *command, int argc, char **argv, struct arguments *out,
                     int *exit_status);

// "weir: text" on stderr.
void command_complain(const struct err *err);

#endif
