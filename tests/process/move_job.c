// move_job.c: JOB.yaml CPU...: put the tasks of a running job on these cores, as `weir pin --apply`
// does, and print what became of each. Exit status 0, or 1 with the text of the error.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/pin_apply.h"

enum { TASKS_MAX = 64 };

static void show(const struct pin_applied *applied, int task)
{
    printf("task %d core %d -> %d node %d -> %d moved %" PRIu64 " left %" PRIu64 "%s%s\n", task,
           applied->cpu_before, applied->cpu, applied->node_before, applied->node,
           applied->bytes_moved, applied->bytes_left, *applied->why ? ": " : "", applied->why);
}

int main(int argc, char **argv)
{
    struct pin_applied applied[TASKS_MAX];
    int cpus[TASKS_MAX], count = argc - 2;
    struct config *config;
    struct err err = {.text = ""};
    if (count < 1 || count > TASKS_MAX) {
        fprintf(stderr, "usage: move_job JOB.yaml CPU...\n");
        return 64;
    }
    for (int i = 0; i < count; i++)
        cpus[i] = (int)strtol(argv[i + 2], NULL, 10);
    if (config_load(argv[1], &config, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 78;
    }
    int rc = pin_apply(config, cpus, count, applied, &err);
    for (int i = 0; i < count && rc == 0; i++)
        show(&applied[i], i);
    if (rc < 0)
        printf("%s: %s\n", strerrorname_np(-rc), err.text);
    config_free(config);
    return rc < 0;
}
