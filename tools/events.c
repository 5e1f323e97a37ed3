// events.c: `weir events`: what has happened to a job: deaths and what came of them, checkpoints
// that were given up, starts and ends. Reads the event log (and the one before it, PATH.1) and,
// while the job runs, the counters of its tasks. The file is input: a line that is no record is
// shown as such.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "shm/control.h"
#include "shm/jobdir.h"
#include "stages/supervisor/events.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/file.h"

enum { FOLLOW_LOOK_MS = 200, SETTLE_LOOKS = 5, FILE_MAX = 4 * EVENTS_FILE_BYTES };

struct events_args {
    bool json, follow;
    const char *path;
};

// --- one record ---

static const char *text_of(const json_t *record, const char *key)
{
    const char *text = json_string_value(json_object_get(record, key));
    return text ? text : "";
}

static long long number_of(const json_t *record, const char *key)
{
    return (long long)json_integer_value(json_object_get(record, key));
}

static void print_position(const json_t *record)
{
    const json_t *position = json_object_get(record, "position");
    if (!json_is_object(position))
        return;
    printf("; %lld rows in", number_of(position, "rows_in"));
    if (json_object_get(position, "source"))
        printf(", at %s:%lld", text_of(position, "source"), number_of(position, "offset"));
}

static void print_death(const json_t *record)
{
    const json_t *frames = json_object_get(record, "backtrace");
    const json_t *log = json_object_get(record, "log");
    const json_t *gap = json_object_get(record, "gap_ms");
    long long signal_number = number_of(record, "signal");
    printf("task %lld (%s, pid %lld): %s", number_of(record, "task"), text_of(record, "name"),
           number_of(record, "pid"), text_of(record, "cause"));
    if (signal_number > 0 && signal_number < 65)
        printf(", signal %lld (%s)", signal_number, strsignal((int)signal_number));
    else
        printf(", status %lld", number_of(record, "exit_status"));
    print_position(record);
    if (json_object_get(record, "poison"))
        printf("; %s", text_of(record, "poison"));
    if (json_is_number(gap))
        printf("; went on after %.1f ms", json_number_value(gap));
    putchar('\n');
    for (size_t i = 0; i < json_array_size(frames); i++) {
        const char *frame = json_string_value(json_array_get(frames, i));
        printf("      %s %s\n", i ? "<" : "at", frame ? frame : "?");
    }
    for (size_t i = 0; i < json_array_size(log); i++) {
        const char *line = json_string_value(json_array_get(log, i));
        printf("      log: %s\n", line ? line : "?");
    }
}

// Of a region; "tasks" of a start is their number.
static void print_tasks(const json_t *tasks)
{
    for (size_t i = 0; i < json_array_size(tasks); i++)
        printf("%s%lld", i ? ", " : ", tasks ", json_integer_value(json_array_get(tasks, i)));
}

static void print_other(const json_t *record, const char *name)
{
    if (strcmp(name, "start") == 0)
        printf("start, supervisor pid %lld, %lld tasks, %lld of them adopted",
               number_of(record, "pid"), number_of(record, "tasks"), number_of(record, "adopted"));
    else if (strcmp(name, "end") == 0)
        printf("end: %s, %lld restarts", text_of(record, "end"), number_of(record, "restarts"));
    else
        printf("%s", name);
    if (json_object_get(record, "task"))
        printf(", task %lld", number_of(record, "task"));
    print_tasks(json_object_get(record, "tasks"));
    if (json_object_get(record, "checkpoint"))
        printf(", checkpoint %lld", number_of(record, "checkpoint"));
    if (*text_of(record, "text"))
        printf(": %s", text_of(record, "text"));
    putchar('\n');
}

static void print_line(const char *line, size_t len, const struct events_args *args)
{
    json_t *record = json_loadb(line, len, 0, NULL);
    const char *name = text_of(record, "event");
    if (args->json && *name)
        printf("%.*s\n", (int)len, line);
    else if (!*name)
        fprintf(stderr, "weir: a line of the event log is no record (cut off by a crash?)\n");
    else {
        printf("%s  ", text_of(record, "time"));
        if (strcmp(name, "death") == 0)
            print_death(record);
        else
            print_other(record, name);
    }
    json_decref(record);
}

// --- the file ---

// Whole lines of the text from `from` on; returns where the next begins. A death of which nothing
// has come yet is left for later while `held` says so.
static size_t print_lines(struct buf *text, size_t from, int held, const struct events_args *args)
{
    static const char open_end[] = "\"rung\":null";
    while (from < text->len) {
        const char *line = text->data + from;
        const char *end = memchr(line, '\n', text->len - from);
        if (!end)
            break;
        size_t len = (size_t)(end - line);
        if (held && memmem(line, len, open_end, sizeof open_end - 1))
            break;
        if (len)
            print_line(line, len, args);
        from += len + 1;
    }
    return from;
}

static int print_file(const char *path, const struct events_args *args, size_t *printed)
{
    struct buf text = {0};
    struct err err;
    int rc = file_read_all(path, FILE_MAX, &text, &err);
    if (rc == 0)
        *printed = print_lines(&text, 0, 0, args);
    buf_fini(&text);
    return rc;
}

// Until Ctrl-C. A file that became shorter is a new one.
static int follow(const char *path, size_t at, const struct events_args *args)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_LOOK_MS * 1000000L};
    for (int waited = 0;;) {
        struct buf text = {0};
        struct err err;
        if (file_read_all(path, FILE_MAX, &text, &err) == 0) {
            if (text.len < at)
                at = 0;
            size_t next = print_lines(&text, at, waited < SETTLE_LOOKS, args);
            waited = next == at && next < text.len ? waited + 1 : 0;
            at = next;
        }
        buf_fini(&text);
        if (fflush(stdout) || ferror(stdout))
            return COMMAND_FAILED;
        nanosleep(&pause, NULL);
    }
}

// --- the counters of a job that runs ---

struct search {
    const char *job;
    bool json;
};

static void print_losses(int task, const struct control_view *view, bool json)
{
    const uint64_t *n = view->losses;
    printf(json ? "{\"event\":\"counters\",\"task\":%d,\"deaths\":%" PRIu64 ",\"killed\":%" PRIu64
                  ",\"crashed\":%" PRIu64 ",\"hung\":%" PRIu64 ",\"rows_given_up\":%" PRIu64
                  ",\"restarts\":%" PRIu64 ",\"bad_rows\":%" PRId64 "}\n"
                : "task %d now: %" PRIu64 " deaths (%" PRIu64 " killed, %" PRIu64
                  " crashed, %" PRIu64 " hung), %" PRIu64 " rows given up, %" PRIu64
                  " restarts, %" PRId64 " bad rows\n",
           task, n[CONTROL_LOSS_DEATHS], n[CONTROL_LOSS_KILLED], n[CONTROL_LOSS_CRASHED],
           n[CONTROL_LOSS_HUNG], n[CONTROL_LOSS_ROWS], view->restarts,
           view->counters[CONTROL_BAD_ROWS]);
}

static int print_counters(const struct jobdir_entry *entry, void *context)
{
    const struct search *search = context;
    struct jobdir dir;
    struct control *control;
    if (strcmp(entry->job, search->job) != 0 || jobdir_attach(entry->path, &dir, NULL))
        return 0;
    if (control_attach_reader(dir.fd, 0, &control, NULL) == 0) {
        for (int task = 0; task < control_task_count(control); task++) {
            struct control_view view;
            control_view(control, task, &view);
            print_losses(task, &view, search->json);
        }
        control_detach(control);
    }
    jobdir_close(&dir);
    return 0;
}

static int show(const struct config *config, const struct events_args *args, struct err *err)
{
    char old[EVENTS_PATH_BYTES];
    size_t at = 0;
    snprintf(old, sizeof old, "%s.1", config->recovery.events);
    bool any = print_file(old, args, &at) == 0;
    at = 0;
    any |= print_file(config->recovery.events, args, &at) == 0;
    if (args->follow)
        return follow(config->recovery.events, at, args);
    struct search search = {config->job, args->json};
    jobdir_list(config->memory.dir, print_counters, &search, NULL);
    if (any)
        return COMMAND_OK;
    err_set(err, -ENOENT, "there is no event log at %s: the job has not run yet",
            config->recovery.events);
    return COMMAND_FAILED;
}

// true: go on; else the command ends with *status.
static bool parse(const struct command *command, int argc, char **argv, struct events_args *out,
                  int *status)
{
    *out = (struct events_args){.json = false};
    *status = COMMAND_USAGE;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            out->json = true;
        else if (strcmp(argv[i], "--follow") == 0)
            out->follow = true;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(command->usage, stdout);
            *status = COMMAND_OK;
            return false;
        } else if (argv[i][0] == '-' || out->path) {
            fprintf(stderr, "weir events: '%s' is not understood\n%s", argv[i], command->usage);
            return false;
        } else {
            out->path = argv[i];
        }
    }
    if (!out->path)
        fprintf(stderr, "weir events: which job? give its config\n%s", command->usage);
    return out->path != NULL;
}

static int events_command(const struct command *command, int argc, char **argv)
{
    struct events_args args;
    struct config *config;
    struct err err = {0};
    int status;
    if (!parse(command, argc, argv, &args, &status))
        return status;
    if (config_load(args.path, &config, &err)) {
        command_complain(&err);
        return COMMAND_CONFIG;
    }
    status = show(config, &args, &err);
    if (status && err.text[0])
        command_complain(&err);
    config_free(config);
    return status;
}

const struct command command_events = {
    .name = "events",
    .summary = "what has happened to a job: deaths of tasks, what came of them",
    .usage = "usage: weir events [--json] [--follow] JOB.yaml\n\n"
             "Show the job's event log (recovery.events): each death of a task with its signal,\n"
             "position, backtrace, last log lines and the gap until its replacement went on;\n"
             "checkpoints that were given up; starts, stops and ends. While the job runs, the\n"
             "counts of each task follow.\n\n"
             "  --json    the records as JSON lines, as they stand in the file\n"
             "  --follow  go on with what happens, until Ctrl-C\n\n"
             "example:\n\n"
             "  weir events uv.yaml\n"
             "  weir events --json uv.yaml | jq 'select(.event == \"death\") | .gap_ms'\n",
    .run = events_command,
};
