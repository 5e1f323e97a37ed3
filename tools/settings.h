// settings.h: settings of the script (SET) that stand for keys of the config, and win over them.
#ifndef WEIR_TOOLS_SETTINGS_H
#define WEIR_TOOLS_SETTINGS_H

#include "stages/supervisor/supervisor.h"
#include "tools/job_load.h"

// NULL: the script does not set it.
const char *setting_text(const struct job_load *load, const char *key);

// What the script does not set leaves *out as it is. -EINVAL with a text.
int setting_duration(const struct job_load *load, const char *key, int64_t *out, struct err *err);
int setting_count(const struct job_load *load, const char *key, int *out, struct err *err);
int setting_decimal(const struct job_load *load, const char *key, double *out, struct err *err);

// The restart strategy: recovery.restart* of the config, Flink's restart-strategy.* of the script.
int settings_restart(const struct job_load *load, struct supervisor_restart_options *out,
                     struct err *err);

// Time between two latency markers of a source, 0: none are made. metrics.latency_interval of the
// config, Flink's metrics.latency.interval of the script.
int64_t settings_latency_interval_ms(const struct job_load *load);

#endif
