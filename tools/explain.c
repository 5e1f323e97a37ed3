// explain.c: `weir explain`: the steps from SQL to processes, as text or JSON.
#include <stdio.h>

#include "tools/command.h"
#include "tools/job_load.h"

static int explain(const struct command *command, int argc, char **argv)
{
    struct arguments arguments;
    struct job_load load = {.config = NULL};
    struct err err = {.text = ""};
    int status;
    if (!arguments_parse(command, argc, argv, &arguments, &status))
        return status;
    if (job_load(arguments.path, &load, &err)) {
        command_complain(&err);
        status = COMMAND_CONFIG;
    } else {
        struct buf text = {.data = NULL};
        plan_explain(load.plan, arguments.json, &text);
        fwrite(text.data, 1, text.len, stdout);
        buf_fini(&text);
        status = COMMAND_OK;
    }
    job_load_fini(&load);
    return status;
}

const struct command command_explain = {
    .name = "explain",
    .summary = "show what a job compiles to, step by step",
    .usage = "usage: weir explain [--json] JOB.yaml\n\n"
             "Show the steps from SQL to processes: the logical plan, the stages, the exchanges "
             "between\n"
             "them and why they are there. Nothing is started.\n\n"
             "  --json  one JSON object\n\n"
             "example:\n\n"
             "  weir explain uv.yaml\n"
             "  weir explain --json uv.yaml | jq .stages\n",
    .run = explain,
};
