// clean.c: `weir clean`: memory that dead jobs have left, shown, and freed when it is asked for by
// name. What a killed run has left is newer than any checkpoint, so nothing goes unasked.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/check.h"
#include "shm/budget.h"
#include "shm/control.h"
#include "shm/jobdir.h"
#include "shm/sweep.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/memory_dir.h"

enum { JOBS_MAX = 1024 };

struct dead_job {
    char job[JOBDIR_JOB_BYTES];
    char memory_dir[JOBDIR_PATH_BYTES];
    uint64_t bytes_held, bytes_promised;
};

struct clean {
    bool json, all;
    const char *folder; // look here; NULL: where jobs are when nobody says otherwise
    char *const *names; // jobs to free
    int name_count;
    struct dead_job *jobs;
    int count;
    int exit_status;
};

// --- looking ---

static int note_job(const struct jobdir_entry *entry, void *context)
{
    struct clean *c = context;
    if (entry->holder || c->count == JOBS_MAX)
        return 0;
    struct dead_job *dead = &c->jobs[c->count++];
    *dead =
        (struct dead_job){.bytes_held = entry->bytes_held, .bytes_promised = entry->bytes_promised};
    snprintf(dead->job, sizeof dead->job, "%s", entry->job);
    snprintf(dead->memory_dir, sizeof dead->memory_dir, "%s", entry->memory_dir);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct dead_job *)a)->job, ((const struct dead_job *)b)->job);
}

static int find_jobs(struct clean *c, struct err *err)
{
    char mount[PATH_MAX];
    int rc = jobdir_list(c->folder ? c->folder : MEMORY_DIR_DEFAULT, note_job, c, err);
    if (rc == 0 && !c->folder && memory_dir_mount(mount))
        rc = jobdir_list(mount, note_job, c, err);
    qsort(c->jobs, (size_t)c->count, sizeof *c->jobs, by_name);
    return rc;
}

// --- freeing ---

// Tasks outlive their supervisor for recovery.orphan_after, and a next run would take them over.
static int living_tasks(const struct jobdir *dir)
{
    struct control *control;
    if (control_attach_reader(dir->fd, 0, &control, NULL))
        return 0;
    int living = control_living_tasks(control);
    control_detach(control);
    return living;
}

static int free_job(const struct dead_job *dead, struct err *err)
{
    struct jobdir dir;
    int rc = jobdir_open(dead->memory_dir, dead->job, &dir, err); // from here on nobody may run it
    if (rc < 0)
        return rc;
    int living = living_tasks(&dir);
    if (living)
        rc = err_set(err, -EBUSY,
                     "%d task%s of job '%s' still run%s, without a supervisor: `weir run` takes "
                     "them over, or they stop by themselves after recovery.orphan_after",
                     living, living == 1 ? "" : "s", dead->job, living == 1 ? "s" : "");
    if (rc == 0)
        rc = sweep_tasks(&dir, NULL, err);
    if (rc == 0)
        return jobdir_remove(&dir, err);
    jobdir_close(&dir);
    return rc;
}

// --- telling ---

static void tell(struct clean *c, const struct dead_job *dead, const char *end, const char *why)
{
    char held[32], promised[32];
    struct buf line = {0};
    if (c->json) {
        buf_append_str(&line, "{\"job\":");
        buf_append_json_string(&line, slice_of(dead->job));
        buf_append_str(&line, ",\"memory_dir\":");
        buf_append_json_string(&line, slice_of(dead->memory_dir));
        buf_printf(&line, ",\"bytes_held\":%llu,\"bytes_promised\":%llu,\"freed\":%s",
                   (unsigned long long)dead->bytes_held, (unsigned long long)dead->bytes_promised,
                   strcmp(end, "freed") == 0 ? "true" : "false");
        if (why) {
            buf_append_str(&line, ",\"text\":");
            buf_append_json_string(&line, slice_of(why));
        }
        buf_append_str(&line, "}\n");
    } else if (!why) {
        buf_printf(&line, "%s: %s held, %s promised, in %s: %s\n", dead->job,
                   budget_format_bytes(dead->bytes_held, held),
                   budget_format_bytes(dead->bytes_promised, promised), dead->memory_dir, end);
    } else {
        fprintf(stderr, "weir: %s\n", why);
    }
    fwrite(line.data, 1, line.len, stdout);
    buf_fini(&line);
}

static bool is_wanted(const struct clean *c, const char *job)
{
    for (int i = 0; i < c->name_count; i++)
        if (strcmp(c->names[i], job) == 0)
            return true;
    return c->all;
}

static void free_wanted(struct clean *c)
{
    struct err err;
    for (int i = 0; i < c->count; i++) {
        const struct dead_job *dead = &c->jobs[i];
        if (!is_wanted(c, dead->job)) {
            if (c->name_count == 0)
                tell(c, dead, "left by a run that was killed", NULL);
            continue;
        }
        if (free_job(dead, &err) == 0) {
            tell(c, dead, "freed", NULL);
            continue;
        }
        tell(c, dead, "kept", err.text);
        c->exit_status = COMMAND_UNAVAILABLE;
    }
}

// A name that is no dead job's is a mistake, and is told as one.
static void check_names(struct clean *c)
{
    for (int i = 0; i < c->name_count; i++) {
        bool found = false;
        for (int j = 0; j < c->count; j++)
            found |= strcmp(c->jobs[j].job, c->names[i]) == 0;
        if (found)
            continue;
        fprintf(stderr,
                "weir: job '%s' has left no memory, or runs (`weir top` lists jobs, `weir stop` "
                "ends one)\n",
                c->names[i]);
        c->exit_status = COMMAND_UNAVAILABLE;
    }
}

// --- the command ---

static bool parse(int argc, char **argv, struct clean *out)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--json") == 0)
            out->json = true;
        else if (strcmp(argv[at], "--all") == 0)
            out->all = true;
        else if (strcmp(argv[at], "--dir") == 0 && at + 1 < argc)
            out->folder = argv[++at];
        else
            break;
    }
    out->names = argv + at;
    out->name_count = argc - at;
    bool is_option = at < argc && argv[at][0] == '-';
    if (is_option || (out->all && out->name_count))
        fprintf(stderr, "weir clean: %s%s\nsee: weir clean --help\n",
                is_option ? "unknown option, or one without its value: " : "--all or names, not ",
                is_option ? argv[at] : "both");
    return !is_option && !(out->all && out->name_count);
}

static int run_clean(const struct command *command, int argc, char **argv)
{
    struct err err;
    struct clean c = {.json = false};
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(command->usage, stdout);
        return COMMAND_OK;
    }
    if (!parse(argc, argv, &c))
        return COMMAND_USAGE;
    c.jobs = calloc(JOBS_MAX, sizeof *c.jobs);
    CHECK(c.jobs);
    if (find_jobs(&c, &err) < 0) {
        command_complain(&err);
        c.exit_status = COMMAND_UNAVAILABLE;
    } else {
        check_names(&c);
        free_wanted(&c);
    }
    if (c.exit_status == COMMAND_OK && c.count == 0 && !c.json)
        puts("no job has left memory behind");
    free(c.jobs);
    return c.exit_status;
}

const struct command command_clean = {
    .name = "clean",
    .summary = "free the memory that killed jobs have left",
    .usage =
        "usage: weir clean [--json] [--dir MEMORY_DIR] [--all | JOB...]\n"
        "\n"
        "Without a job: list the memory of jobs whose supervisor and tasks are dead; it counts\n"
        "against every other job of the host. Jobs that are named (--all: all of them) lose it: "
        "what\n"
        "it holds is newer than their last checkpoint, which the next weir run then goes on from.\n"
        "A job that runs, or whose tasks do, is left alone.\n"
        "\n"
        "  --dir MEMORY_DIR  look there; without it where jobs are by default\n"
        "  --all             free every one that is listed\n"
        "  --json            one object a line\n"
        "\n"
        "example:\n"
        "\n"
        "  weir clean\n"
        "  weir clean uv\n",
    .run = run_clean,
};
