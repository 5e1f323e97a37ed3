// takeover.c: see takeover.h. Everything that the next `weir run` of the job would refuse is
// refused here, while another program still runs it.
#include "tools/takeover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stages/runtime/job_resume.h"
#include "tools/checkpoints.h"
#include "tools/placement.h"
#include "tools/job_memory.h"
#include "tools/metrics.h"
#include "tools/settings.h"

static int check_config(const struct job_load *load, struct checkpoint_settings *settings,
                        const struct job_options *options, struct err *err)
{
    struct supervisor_restart_options restart;
    int rc = checkpoint_settings_read(load, settings, err);
    if (rc == 0)
        rc = settings_restart(load, &restart, err);
    if (rc == 0)
        rc = placement_is_right(load->config, load->plan->task_count, err);
    if (rc == 0)
        rc = metrics_check(load->config->metrics.listen, err);
    return rc == 0 ? job_check(load->plan, options, err) : rc;
}

// Would a run find the job where it is? The config may say another folder now, or the host has
// another one (memory.dir: auto).
static int check_folder(const char *folder, const struct config *config, struct err *err)
{
    char path[JOBDIR_PATH_BYTES];
    snprintf(path, sizeof path, "%s/weir-%u/%s", config->memory.dir, (unsigned)getuid(),
             config->job);
    if (strcmp(path, folder) == 0)
        return 0;
    return err_set(err, -EINVAL,
                   "the job's memory is in %s, but a run would look for it in %s: set job and "
                   "memory.dir to what they were",
                   folder, path);
}

static int check_memory(const char *folder, const struct job_load *load,
                        const struct job_options *options, struct err *err)
{
    struct jobdir dir;
    int rc = jobdir_attach(folder, &dir, err);
    if (rc < 0)
        return rc;
    rc = job_resume_fits(&dir, load->plan, options, err);
    jobdir_close(&dir);
    if (rc == 0 || rc == -ESTALE || rc == -EINVAL)
        return rc < 0 ? -EINVAL : 0;
    return err_append(err, -EPROTO,
                      "nothing was touched; stop the job with `weir stop --savepoint DIR` of the "
                      "program that runs it, then `weir run --from DIR` of the new one");
}

int takeover_check(const char *folder, const char *config, struct err *err)
{
    struct job_load load = {.config = NULL};
    struct checkpoint_settings settings;
    int rc = job_load(config, &load, err);
    if (rc == 0) {
        struct job_options options = job_memory_options(&load);
        rc = check_folder(folder, load.config, err);
        if (rc == 0)
            rc = check_config(&load, &settings, &options, err);
        options.checkpoint_dir = rc == 0 && settings.interval_ms > 0 ? settings.dir : "";
        rc = rc < 0 ? -EINVAL : check_memory(folder, &load, &options, err);
    } else {
        rc = -EINVAL;
    }
    job_load_fini(&load);
    return rc;
}

int takeover_print_name(struct err *err)
{
    struct stat st;
    if (stat("/proc/self/exe", &st) < 0)
        return err_set(err, -errno, "cannot look at /proc/self/exe: %s", strerror(errno));
    printf("weir " WEIR_VERSION " %" PRIu64 " %" PRIu64 "\n", (uint64_t)st.st_dev,
           (uint64_t)st.st_ino);
    return 0;
}
