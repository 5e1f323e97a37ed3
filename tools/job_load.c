// job_load.c: config, script and plan, read in that order; the first mistake ends it.
#include "tools/job_load.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "tools/file.h"

enum { SQL_BYTES_MAX = 16 * 1024 * 1024 };

// Cores' worth of time that the control group may use; a huge number when it is not limited.
static int quota_cores(void)
{
    long long quota, period;
    int cores = 1 << 20;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return cores;
    if (fscanf(file, "%lld %lld", &quota, &period) == 2 && period > 0 && quota > 0)
        cores = (int)((quota + period - 1) / period);
    fclose(file);
    return cores;
}

int job_load_host_cores(void)
{
    cpu_set_t set;
    int cores = 1;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        cores = CPU_COUNT(&set);
    int quota = quota_cores();
    if (cores > quota)
        cores = quota;
    return cores < 1 ? 1 : cores;
}

int job_load(const char *config_path, struct job_load *out, struct err *err)
{
    int code = config_load(config_path, &out->config, err);
    if (code)
        return code;
    code = file_read_all(out->config->sql, SQL_BYTES_MAX, &out->sql, err);
    if (code)
        return err_prefix(err, code, "%s: sql", config_path);
    int wanted = out->config->placement.cores.count;
    out->cores = wanted == CONFIG_AUTO ? job_load_host_cores() : wanted;
    struct plan_settings settings = {
        .file_name = out->config->sql,
        .sql = buf_slice(&out->sql),
        .cores = out->cores,
    };
    return plan_make(&settings, &out->plan, err);
}

void job_load_fini(struct job_load *load)
{
    if (load->plan)
        plan_free(load->plan);
    buf_fini(&load->sql);
    config_free(load->config);
    *load = (struct job_load){.config = NULL};
}

int job_command(const struct command *command, int argc, char **argv,
                int (*body)(const struct job_load *load, const struct arguments *arguments,
                            struct err *err))
{
    struct arguments arguments;
    struct job_load load = {.config = NULL};
    struct err err = {.text = ""};
    int status;
    if (!arguments_parse(command, argc, argv, &arguments, &status))
        return status;
    if (job_load(arguments.path, &load, &err))
        status = COMMAND_CONFIG;
    else
        status = body(&load, &arguments, &err);
    if (status && err.text[0])
        command_complain(&err);
    job_load_fini(&load);
    return status;
}

int job_check_status(int rc)
{
    return rc == -EHOSTUNREACH ? COMMAND_UNAVAILABLE : COMMAND_CONFIG;
}
