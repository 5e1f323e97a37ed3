// explain.c: `weir explain`: the steps from SQL to processes, as text or JSON.
#include <stdio.h>

#include "tools/command.h"
#include "tools/job_load.h"

static int explain_loaded(const struct job_load *load, const struct arguments *arguments,
                          struct err *err)
{
    (void)err;
    struct buf text = {.data = NULL};
    plan_explain(load->plan, arguments->json, &text);
    fwrite(text.data, 1, text.len, stdout);
    buf_fini(&text);
    return COMMAND_OK;
}

static int explain(const struct command *command, int argc, char **argv)
{
    return job_command(command, argc, argv, explain_loaded);
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
