// replace.c: `weir replace`: put this program, or another, in under a running job. Its supervisor
// does it (stages/supervisor/roll.c); this process asks and waits.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/asking.h"

struct replace_args {
    const char *path, *program;
    bool json;
};

// The file that this process runs; one that was put in its place since then is the newer one.
static int own_program(char out[REQUEST_PATH_BYTES], struct err *err)
{
    static const char deleted[] = " (deleted)";
    ssize_t len = readlink("/proc/self/exe", out, REQUEST_PATH_BYTES - 1);
    if (len < 0)
        return err_set(err, -errno, "cannot read /proc/self/exe: %s", strerror(errno));
    out[len] = '\0';
    size_t tail = sizeof deleted - 1;
    if ((size_t)len > tail && strcmp(out + (size_t)len - tail, deleted) == 0)
        out[(size_t)len - tail] = '\0';
    if (access(out, X_OK) < 0)
        return err_set(err, -errno, "%s: %s; name the program with --program", out,
                       strerror(errno));
    return 0;
}

static int find_program(const struct replace_args *args, char out[REQUEST_PATH_BYTES],
                        struct err *err)
{
    char whole[PATH_MAX];
    if (!args->program)
        return own_program(out, err);
    if (!realpath(args->program, whole) || access(whole, X_OK) < 0)
        return err_set(err, -errno, "program %s: %s", args->program, strerror(errno));
    snprintf(out, REQUEST_PATH_BYTES, "%s", whole);
    return 0;
}

static enum asking_choice choose(const struct request *ours, const struct request *theirs,
                                 struct err *err)
{
    if (theirs->kind == REQUEST_REPLACE && strcmp(ours->path, theirs->path) == 0)
        return ASKING_JOIN;
    if (theirs->kind == REQUEST_REPLACE)
        err_set(err, -EBUSY, "%s is being put in already; wait until that is done", theirs->path);
    else
        err_set(err, -EBUSY, "the job is being stopped");
    return ASKING_REFUSED;
}

static int ask(struct asking *asking, const struct replace_args *args, struct err *err)
{
    struct request request = {.kind = REQUEST_REPLACE};
    if (find_program(args, request.path, err) < 0)
        return COMMAND_UNAVAILABLE;
    int status = asking_find(asking, err);
    if (status == COMMAND_OK)
        status = asking_post(asking, &request, choose, err);
    return status == COMMAND_OK ? asking_wait(asking, false, err) : status;
}

static int complain(const char *what, const char *word)
{
    fprintf(stderr, "weir replace: %s%s%s\nsee: weir replace --help\n", what, word ? " " : "",
            word ? word : "");
    return COMMAND_USAGE;
}

// true: go on; else the command ends with *status.
static bool parse(const struct command *command, int argc, char **argv, struct replace_args *out,
                  int *status)
{
    *out = (struct replace_args){.path = NULL};
    *status = COMMAND_USAGE;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            fputs(command->usage, stdout);
            *status = COMMAND_OK;
            return false;
        }
        if (strcmp(word, "--json") == 0) {
            out->json = true;
        } else if (strcmp(word, "--program") == 0) {
            if (++i == argc)
                return complain("the program must follow", word) == 0;
            out->program = argv[i];
        } else if (*word == '-') {
            return complain("unknown option", word) == 0;
        } else if (out->path) {
            return complain("one config only, not also", word) == 0;
        } else {
            out->path = word;
        }
    }
    return out->path ? true : complain("which job? give its config", NULL) == 0;
}

static int replace(const struct command *command, int argc, char **argv)
{
    struct replace_args args;
    struct config *config;
    struct err err = {.text = ""};
    int status;
    if (!parse(command, argc, argv, &args, &status))
        return status;
    if (config_load(args.path, &config, &err)) {
        command_complain(&err);
        return COMMAND_CONFIG;
    }
    struct asking asking = {
        .command = command, .config = config, .path = args.path, .json = args.json};
    asking_init(&asking);
    status = ask(&asking, &args, &err);
    if (status && err.text[0])
        command_complain(&err);
    asking_fini(&asking);
    config_free(config);
    return status;
}

const struct command command_replace = {
    .name = "replace",
    .summary = "put this program in under a running job, task by task",
    .usage =
        "usage: weir replace [--program PATH] [--json] JOB.yaml\n\n"
        "Have a running job go on with the program that this command is, or with PATH: each task "
        "in\n"
        "turn, when a process of the new program is ready to take over, and in the end the\n"
        "supervisor, which keeps its pid. No row is lost or comes twice, no checkpoint is read. A\n"
        "program that cannot go on with the job's memory is refused before anything is touched; "
        "one\n"
        "that fails three times at a task is taken out again. When this command is killed the\n"
        "supervisor goes on.\n\n"
        "  --program PATH  put that program in\n"
        "  --json          the answers as JSON lines on stdout\n\n"
        "example:\n\n"
        "  make install            # the new version\n"
        "  weir replace uv.yaml\n",
    .run = replace,
};
