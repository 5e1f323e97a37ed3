// task.c: `weir task`: how the supervisor starts one task. Not for people, but it explains itself.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/runtime/task.h"
#include "tools/command.h"

static int task(const struct command *command, int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(command->usage, stdout);
        return COMMAND_OK;
    }
    char *end = argc == 3 ? argv[2] : NULL;
    long index = end ? strtol(argv[2], &end, 10) : -1;
    if (argc != 3 || end == argv[2] || *end != '\0' || index < 0 || index > 65535) {
        fputs(command->usage, stderr);
        return COMMAND_USAGE;
    }
    return task_main(argv[1], (int)index);
}

const struct command command_task = {
    .name = "task",
    .summary = NULL,
    .usage =
        "usage: weir task JOB-FOLDER INDEX\n\n"
        "One task of a running job. The supervisor starts it; there is no reason to type this.\n\n"
        "example:\n\n"
        "  weir task /dev/shm/weir-1000/uv 0\n",
    .run = task,
};
