// stop.c: `weir stop`: end a running job, and say where the next run goes on. Its supervisor does
// it (stages/supervisor/asked.c, tools/conclude.c); this process asks and waits.
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/runtime/job.h"
#include "stages/runtime/savepoint.h"
#include "tools/asking.h"

struct stop_args {
    const char *path, *savepoint;
    bool drains, json;
    int64_t timeout_ms;
};

// --- the savepoint's folder ---

static bool is_empty_folder(const char *path)
{
    DIR *stream = opendir(path);
    int entries = 0;
    if (!stream)
        return false;
    while (readdir(stream))
        entries++;
    closedir(stream);
    return entries <= 2; // "." and ".."
}

// What is not there yet: in a folder that is.
static int resolve_new(const char *dir, char out[REQUEST_PATH_BYTES], struct err *err)
{
    char *one = strdup(dir), *other = strdup(dir), whole[PATH_MAX];
    CHECK(one && other);
    const char *parent = dirname(one), *name = basename(other);
    int rc = 0;
    if (!realpath(parent, whole))
        rc = err_set(err, -errno, "folder %s: %s", parent, strerror(errno));
    else if (snprintf(out, REQUEST_PATH_BYTES, "%s/%s", strcmp(whole, "/") ? whole : "", name) >=
             REQUEST_PATH_BYTES)
        rc = err_set(err, -ENAMETOOLONG, "'%s' is too long", dir);
    free(one);
    free(other);
    return rc;
}

// The supervisor has a working directory of its own: make the path absolute.
static int resolve(const char *dir, char out[REQUEST_PATH_BYTES], struct err *err)
{
    char whole[PATH_MAX];
    if (!realpath(dir, whole))
        return errno == ENOENT ? resolve_new(dir, out, err)
                               : err_set(err, -errno, "%s: %s", dir, strerror(errno));
    if (!is_empty_folder(whole))
        return err_set(err, -EEXIST,
                       "%s is there and is no empty folder; a savepoint needs a new one", whole);
    snprintf(out, REQUEST_PATH_BYTES, "%s", whole);
    return 0;
}

// Can the job that runs be carried by a savepoint at all? Better known before it has stopped.
static int check_job(const struct asking *asking, struct err *err)
{
    struct job job;
    int rc = job_attach(asking->dir.path, &job, err);
    if (rc < 0)
        return rc;
    if (*job.options.checkpoint_dir == '\0')
        rc = err_set(
            err, -ENOTSUP,
            "the job makes no checkpoints (checkpoint.interval is none), so there can be no "
            "savepoint; stop it without --savepoint");
    else
        rc = savepoint_can_carry(job.plan, err);
    job_detach(&job);
    return rc;
}

// --- asking ---

static enum asking_choice choose(const struct request *ours, const struct request *theirs,
                                 struct err *err)
{
    if (theirs->kind != REQUEST_STOP)
        return ASKING_INSTEAD; // the job is to end: a replacement is not worth waiting for
    if (theirs->drains != ours->drains) {
        if (theirs->drains && !*ours->path)
            return ASKING_INSTEAD; // no time to drain it after all
        err_set(err, -EBUSY, "the job is being %s already",
                theirs->drains ? "drained" : "stopped, not drained,");
        return ASKING_REFUSED;
    }
    if (*ours->path && strcmp(ours->path, theirs->path) != 0) {
        err_set(
            err, -EBUSY,
            "the job is being stopped already, %s%s; when it has, `weir savepoint JOB.yaml DIR` "
            "makes one of where it stopped",
            *theirs->path ? "with a savepoint in " : "without a savepoint", theirs->path);
        return ASKING_REFUSED;
    }
    return ASKING_JOIN;
}

static int ask(struct asking *asking, const struct stop_args *args, struct err *err)
{
    struct request request = {
        .kind = REQUEST_STOP, .drains = args->drains, .timeout_ms = args->timeout_ms};
    if (args->savepoint && resolve(args->savepoint, request.path, err) < 0)
        return COMMAND_UNAVAILABLE;
    int status = asking_find(asking, err);
    if (status == COMMAND_OK && args->savepoint && check_job(asking, err) < 0)
        status = COMMAND_UNAVAILABLE;
    if (status == COMMAND_OK)
        status = asking_post(asking, &request, choose, err);
    return status == COMMAND_OK ? asking_wait(asking, true, err) : status;
}

// --- the command line ---

static int complain(const char *what, const char *word)
{
    fprintf(stderr, "weir stop: %s%s%s\nsee: weir stop --help\n", what, word ? " " : "",
            word ? word : "");
    return COMMAND_USAGE;
}

// One word at argv[*at], and its value. COMMAND_OK or COMMAND_USAGE.
static int parse_word(int argc, char **argv, int *at, struct stop_args *out)
{
    const char *word = argv[*at];
    struct err err;
    if (strcmp(word, "--json") == 0)
        out->json = true;
    else if (strcmp(word, "--drain") == 0)
        out->drains = true;
    else if (strcmp(word, "--savepoint") == 0) {
        if (++*at == argc || *argv[*at] == '-')
            return complain("the new folder of the savepoint must follow", word);
        out->savepoint = argv[*at];
    } else if (strcmp(word, "--timeout") == 0) {
        if (++*at == argc || plan_duration_ms(argv[*at], &out->timeout_ms, &err) < 0 ||
            out->timeout_ms <= 0)
            return complain("a duration as 30s must follow", word);
    } else if (*word == '-') {
        return complain("unknown option", word);
    } else if (out->path) {
        return complain("one config only, not also", word);
    } else {
        out->path = word;
    }
    return COMMAND_OK;
}

// true: go on; else the command ends with *status.
static bool parse(const struct command *command, int argc, char **argv, struct stop_args *out,
                  int *status)
{
    *out = (struct stop_args){.path = NULL};
    *status = COMMAND_OK;
    for (int i = 1; i < argc && *status == COMMAND_OK; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(command->usage, stdout);
            return false;
        }
        *status = parse_word(argc, argv, &i, out);
    }
    if (*status == COMMAND_OK && !out->path)
        *status = complain("which job? give its config", NULL);
    if (*status == COMMAND_OK && out->drains && out->savepoint)
        *status = complain("a job that was drained has ended, there is nothing to go on from: "
                           "--drain or --savepoint",
                           NULL);
    return *status == COMMAND_OK;
}

static int stop(const struct command *command, int argc, char **argv)
{
    struct stop_args args;
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

const struct command command_stop = {
    .name = "stop",
    .summary = "end a running job so that the next run goes on there",
    .usage =
        "usage: weir stop [--savepoint DIR | --drain] [--timeout DURATION] [--json] JOB.yaml\n\n"
        "Stop the job as Ctrl-C does and wait until it has ended: what was read arrives, a last\n"
        "checkpoint is made, sinks make their output final. Says what the next run goes on from.\n"
        "When this command is killed the job stops all the same; a second one waits for the same "
        "end.\n\n"
        "  --savepoint DIR  write the state at which it stops into the new folder DIR, too; "
        "nothing\n"
        "                   is output behind it. `weir run --from DIR` goes on there, at any\n"
        "                   parallelism\n"
        "  --drain          end the input instead: every window fires, the job is finished and "
        "will\n"
        "                   not go on\n"
        "  --timeout DURATION  what has not stopped by then is killed; the next run goes on from "
        "the\n"
        "                   last checkpoint. Default: 10s, and as long as the last checkpoint "
        "takes.\n"
        "                   With --drain: then it is stopped; the next run goes on with the drain\n"
        "  --json           the answers as JSON lines on stdout\n\n"
        "example:\n\n"
        "  weir stop uv.yaml\n"
        "  weir stop --savepoint /var/uv.savepoint uv.yaml\n"
        "  weir run --from /var/uv.savepoint uv.yaml\n",
    .run = stop,
};
