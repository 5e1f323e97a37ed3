// checkpoints.c: see checkpoints.h.
#include "tools/checkpoints.h"

#include <errno.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/checkpoint/engine.h"
#include "tools/settings.h"

// A folder as Flink writes it: "file:///var/checkpoints", or a path.
static const char *read_dir(const struct job_load *load, const char *dir)
{
    const char *text = setting_text(load, "execution.checkpointing.dir");
    if (!text)
        return dir;
    return strncmp(text, "file://", strlen("file://")) == 0 ? text + strlen("file://") : text;
}

int checkpoint_settings_read(const struct job_load *load, struct checkpoint_settings *out,
                             struct err *err)
{
    static const enum engine_kind engines[] = {
        [CONFIG_ENGINE_AUTO] = ENGINE_AUTO,
        [CONFIG_ENGINE_IO_URING] = ENGINE_IO_URING,
        [CONFIG_ENGINE_PWRITE] = ENGINE_PWRITE,
    };
    const struct config *config = load->config;
    int tolerable = config->checkpoint.tolerable_failures;
    *out = (struct checkpoint_settings){
        .interval_ms = config->checkpoint.interval_ms,
        .min_pause_ms = config->checkpoint.min_pause_ms,
        .timeout_ms = config->checkpoint.timeout_ms,
        .retain = config->checkpoint.retain,
        .tolerable_failures = tolerable == CONFIG_AUTO ? -1 : tolerable,
        .engine = (int)engines[config->checkpoint.engine],
        .dir = read_dir(load, config->checkpoint.dir),
    };
    int rc = setting_duration(load, "execution.checkpointing.interval", &out->interval_ms, err);
    if (rc == 0)
        rc = setting_duration(load, "execution.checkpointing.min-pause", &out->min_pause_ms, err);
    if (rc == 0)
        rc = setting_duration(load, "execution.checkpointing.timeout", &out->timeout_ms, err);
    if (rc == 0)
        rc = setting_count(load, "execution.checkpointing.num-retained", &out->retain, err);
    if (rc == 0)
        rc = setting_count(load, "execution.checkpointing.tolerable-failed-checkpoints",
                           &out->tolerable_failures, err);
    if (rc == 0 && out->retain < 1)
        rc = err_set(err, -EINVAL, "execution.checkpointing.num-retained must be 1 or more");
    return rc;
}

int checkpoint_store_open(const struct job_load *load, const struct checkpoint_settings *settings,
                          struct store *out, struct err *err)
{
    return store_create(env_system(), settings->dir, load->config->job, out, err);
}
