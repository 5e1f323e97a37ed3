// task.c: `weir task`: how the supervisor starts one task. Not for people, but it explains itself.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "shm/control.h"
#include "stages/runtime/task.h"
#include "tools/command.h"
#include "tools/takeover.h"

// A whole number below `limit`.
static bool read_number(const char *text, int limit, int *out)
{
    char *end;
    long number = strtol(text, &end, 10);
    *out = (int)number;
    return end != text && *end == '\0' && number >= 0 && number < limit;
}

static int check(const char *folder, const char *config)
{
    struct err err = {.text = ""};
    int rc = takeover_check(folder, config, &err);
    if (rc == 0)
        rc = takeover_print_name(&err);
    if (rc < 0)
        command_complain(&err);
    return rc == 0 ? COMMAND_OK : rc == -EINVAL ? COMMAND_CONFIG : COMMAND_UNAVAILABLE;
}

static int task(const struct command *command, int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(command->usage, stdout);
        return COMMAND_OK;
    }
    if (argc == 4 && strcmp(argv[1], "--check") == 0)
        return check(argv[2], argv[3]);
    bool is_spare = argc == 5 && strcmp(argv[3], "--spare") == 0;
    int index, spare = -1;
    if ((argc != 3 && !is_spare) || !read_number(argv[2], CONTROL_TASKS_MAX, &index) ||
        (is_spare && !read_number(argv[4], CONTROL_SPARES_MAX, &spare))) {
        fputs(command->usage, stderr);
        return COMMAND_USAGE;
    }
    prctl(PR_SET_NAME, "weir"); // it was started by a path that says nothing: /proc/self/exe
    return task_main(argv[1], index, spare);
}

const struct command command_task = {
    .name = "task",
    .summary = NULL,
    .usage =
        "usage: weir task JOB-FOLDER INDEX [--spare NUMBER]\n"
        "       weir task --check JOB-FOLDER JOB.yaml\n\n"
        "One task of a running job. The supervisor starts it; there is no reason to type this.\n\n"
        "  --spare NUMBER  wait as a spare; become the task when its process dies\n"
        "  --check         could this program go on with the running job? (weir replace)\n\n"
        "example:\n\n"
        "  weir task /dev/shm/weir-1000/uv 0\n",
    .run = task,
};
