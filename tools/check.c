// check.c: `weir check`: everything that `weir run` would refuse, said before anything starts.
#include <errno.h>
#include <stdio.h>

#include "tools/command.h"
#include "tools/placement.h"
#include "tools/job_memory.h"
#include "tools/metrics.h"
#include "tools/settings.h"

static void print_text(const struct job_load *load, const struct job_memory *memory)
{
    char wanted[32], available[32], state[32], name[JOB_NAME_BYTES];
    const struct plan *plan = load->plan;
    printf("%s: %d task%s on %d core%s\n", load->config->job, plan->task_count,
           plan->task_count == 1 ? "" : "s", load->cores, load->cores == 1 ? "" : "s");
    for (int task = 0; task < plan->task_count; task++) {
        job_task_name(plan, task, name);
        printf("  task %d: %s\n", task, name);
    }
    printf("memory: %s of %s available; state of a task at most %s\n",
           budget_format_bytes(memory->request.wanted_bytes, wanted),
           budget_format_bytes(memory->budget.available_bytes, available),
           budget_format_bytes(memory->options.state_bytes, state));
    printf("limited by: %s\n", memory->budget.binding);
}

static void print_json(const struct job_load *load, const struct job_memory *memory, bool fits)
{
    struct buf out = {.data = NULL};
    buf_append_str(&out, "{\"job\":");
    buf_append_json_string(&out, slice_of(load->config->job));
    buf_printf(&out, ",\"cores\":%d,\"tasks\":[", load->cores);
    for (int task = 0; task < load->plan->task_count; task++) {
        char name[JOB_NAME_BYTES];
        job_task_name(load->plan, task, name);
        buf_append_str(&out, task ? "," : "");
        buf_append_json_string(&out, slice_of(name));
    }
    buf_printf(&out, "],\"memory_bytes\":%llu,\"available_bytes\":%llu,\"state_bytes\":%llu",
               (unsigned long long)memory->request.wanted_bytes,
               (unsigned long long)memory->budget.available_bytes,
               (unsigned long long)memory->options.state_bytes);
    buf_printf(&out, ",\"fits\":%s}\n", fits ? "true" : "false");
    fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
}

static int check_loaded(const struct job_load *load, const struct arguments *arguments,
                        struct err *err)
{
    struct job_memory memory;
    struct job_options options = job_memory_options(load);
    struct supervisor_restart_options restart;
    if (settings_restart(load, &restart, err) ||
        placement_is_right(load->config, load->plan->task_count, err))
        return COMMAND_CONFIG;
    int rc = job_check(load->plan, &options, err);
    if (rc)
        return job_check_status(rc);
    if (metrics_check(load->config->metrics.listen, err))
        return COMMAND_CONFIG;
    if (job_memory_plan(load, &memory, err))
        return COMMAND_UNAVAILABLE;
    int code = job_memory_check(&memory, err);
    if (arguments->json)
        print_json(load, &memory, code == 0);
    else
        print_text(load, &memory);
    if (!code && !arguments->json)
        puts("ok");
    return code ? COMMAND_UNAVAILABLE : COMMAND_OK;
}

static int check(const struct command *command, int argc, char **argv)
{
    return job_command(command, argc, argv, check_loaded);
}

const struct command command_check = {
    .name = "check",
    .summary = "say whether a job would run, and what it would hold",
    .usage =
        "usage: weir check [--json] JOB.yaml\n\n"
        "Read config and SQL, look at the inputs, and say how much memory the job would hold and\n"
        "whether the host can promise it. Nothing is started. What is wrong is told with its line\n"
        "and column.\n\n"
        "  --json  one JSON object\n\n"
        "example:\n\n"
        "  weir check uv.yaml && weir run uv.yaml\n",
    .run = check,
};
