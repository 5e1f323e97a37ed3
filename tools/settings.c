// settings.c: see settings.h.
#include "tools/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

const char *setting_text(const struct job_load *load, const char *key)
{
    return plan_setting(load->plan, key, NULL);
}

int setting_duration(const struct job_load *load, const char *key, int64_t *out, struct err *err)
{
    const char *text = setting_text(load, key);
    int rc = text ? plan_duration_ms(text, out, err) : 0;
    return rc < 0 ? err_prefix(err, rc, "SET '%s' = '%s'", key, text) : 0;
}

int setting_count(const struct job_load *load, const char *key, int *out, struct err *err)
{
    const char *text = setting_text(load, key);
    char *end;
    if (!text)
        return 0;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 0 || value > INT_MAX)
        return err_set(err, -EINVAL, "SET '%s' = '%s': this is not a whole number", key, text);
    *out = (int)value;
    return 0;
}

int setting_decimal(const struct job_load *load, const char *key, double *out, struct err *err)
{
    const char *text = setting_text(load, key);
    char *end;
    if (!text)
        return 0;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= 1e6) || strpbrk(text, "xXnN"))
        return err_set(err, -EINVAL, "SET '%s' = '%s': this is not a number", key, text);
    *out = value;
    return 0;
}

// --- the restart strategy ---

static int read_strategy(const struct job_load *load, enum supervisor_restart *out, struct err *err)
{
    static const struct {
        const char *name;
        enum supervisor_restart strategy;
    } names[] = {
        {"exponential-delay", SUPERVISOR_RESTART_EXPONENTIAL_DELAY},
        {"exponentialdelay", SUPERVISOR_RESTART_EXPONENTIAL_DELAY},
        {"fixed-delay", SUPERVISOR_RESTART_FIXED_DELAY},
        {"fixeddelay", SUPERVISOR_RESTART_FIXED_DELAY},
        {"failure-rate", SUPERVISOR_RESTART_FAILURE_RATE},
        {"failurerate", SUPERVISOR_RESTART_FAILURE_RATE},
        {"none", SUPERVISOR_RESTART_NONE},
        {"off", SUPERVISOR_RESTART_NONE},
        {"disable", SUPERVISOR_RESTART_NONE},
    };
    const char *text = setting_text(load, "restart-strategy.type");
    if (!text)
        text = setting_text(load, "restart-strategy"); // its name before Flink 1.17
    for (size_t i = 0; text && i < ARRAY_SIZE(names); i++)
        if (strcmp(text, names[i].name) == 0) {
            *out = names[i].strategy;
            return 0;
        }
    return text ? err_set(err, -EINVAL,
                          "SET 'restart-strategy.type' = '%s': it is exponential-delay, "
                          "fixed-delay, failure-rate or none",
                          text)
                : 0;
}

static enum supervisor_restart strategy_of(const struct config *config)
{
    switch (config->recovery.restart) {
    case CONFIG_FIXED_DELAY:
        return SUPERVISOR_RESTART_FIXED_DELAY;
    case CONFIG_FAILURE_RATE:
        return SUPERVISOR_RESTART_FAILURE_RATE;
    case CONFIG_NONE:
        return SUPERVISOR_RESTART_NONE;
    default:
        return SUPERVISOR_RESTART_EXPONENTIAL_DELAY;
    }
}

static int read_fixed_delay(const struct job_load *load, struct supervisor_restart_options *out,
                            struct err *err)
{
    int rc = setting_count(load, "restart-strategy.fixed-delay.attempts", &out->attempts, err);
    return rc ? rc
              : setting_duration(load, "restart-strategy.fixed-delay.delay", &out->delay_ms, err);
}

static int read_failure_rate(const struct job_load *load, struct supervisor_restart_options *out,
                             struct err *err)
{
    static const char max[] = "restart-strategy.failure-rate.max-failures-per-interval";
    int rc = setting_count(load, max, &out->attempts, err);
    if (rc == 0)
        rc = setting_duration(load, "restart-strategy.failure-rate.failure-rate-interval",
                              &out->interval_ms, err);
    if (rc == 0)
        rc = setting_duration(load, "restart-strategy.failure-rate.delay", &out->delay_ms, err);
    return rc == 0 && out->attempts < 1 ? err_set(err, -EINVAL, "%s must be 1 or more", max) : rc;
}

static int read_exponential(const struct job_load *load, struct supervisor_restart_options *out,
                            struct err *err)
{
    static const struct {
        const char *key;
        size_t offset;
    } durations[] = {
        {"restart-strategy.exponential-delay.initial-backoff",
         offsetof(struct supervisor_restart_options, delay_ms)},
        {"restart-strategy.exponential-delay.max-backoff",
         offsetof(struct supervisor_restart_options, max_delay_ms)},
        {"restart-strategy.exponential-delay.reset-backoff-threshold",
         offsetof(struct supervisor_restart_options, reset_ms)},
    };
    int rc = setting_count(load, "restart-strategy.exponential-delay.attempts-before-reset-backoff",
                           &out->attempts, err);
    for (size_t i = 0; i < ARRAY_SIZE(durations) && rc == 0; i++)
        rc = setting_duration(load, durations[i].key,
                              (int64_t *)((char *)out + durations[i].offset), err);
    if (rc == 0)
        rc = setting_decimal(load, "restart-strategy.exponential-delay.backoff-multiplier",
                             &out->multiplier, err);
    if (rc == 0)
        rc = setting_decimal(load, "restart-strategy.exponential-delay.jitter-factor", &out->jitter,
                             err);
    if (rc == 0 && out->multiplier < 1)
        rc = err_set(err, -EINVAL, "the multiplier of exponential-delay must be 1 or more");
    if (rc == 0 && out->jitter > 1)
        rc = err_set(err, -EINVAL, "the jitter of exponential-delay must be from 0 to 1");
    if (rc == 0 && out->delay_ms > out->max_delay_ms)
        rc = err_set(err, -EINVAL,
                     "exponential-delay begins with %lld ms, above its largest delay, %lld ms",
                     (long long)out->delay_ms, (long long)out->max_delay_ms);
    return rc;
}

int settings_restart(const struct job_load *load, struct supervisor_restart_options *out,
                     struct err *err)
{
    const struct config *config = load->config;
    enum supervisor_restart strategy = strategy_of(config);
    int rc = read_strategy(load, &strategy, err);
    *out = supervisor_restart_defaults(strategy);
    if (config->recovery.restart_attempts != CONFIG_AUTO)
        out->attempts = config->recovery.restart_attempts;
    out->delay_ms = config->recovery.restart_delay_ms;
    out->max_delay_ms = config->recovery.restart_max_delay_ms;
    out->interval_ms = config->recovery.restart_interval_ms;
    out->reset_ms = config->recovery.restart_reset_ms;
    out->multiplier = config->recovery.restart_multiplier;
    out->jitter = config->recovery.restart_jitter;
    if (rc < 0)
        return rc;
    switch (strategy) {
    case SUPERVISOR_RESTART_EXPONENTIAL_DELAY:
        return read_exponential(load, out, err);
    case SUPERVISOR_RESTART_FIXED_DELAY:
        return read_fixed_delay(load, out, err);
    case SUPERVISOR_RESTART_FAILURE_RATE:
        return read_failure_rate(load, out, err);
    case SUPERVISOR_RESTART_NONE:
        return 0;
    }
    return 0;
}

int64_t settings_latency_interval_ms(const struct job_load *load)
{
    int64_t interval_ms = load->config->metrics.latency_interval_ms;
    int rc = setting_duration(load, "metrics.latency.interval", &interval_ms, NULL);
    CHECK(rc == 0); // what the script says was read when it was compiled
    return interval_ms;
}
