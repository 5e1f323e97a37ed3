// restart.c: the strategies. A policy is private memory of one supervisor: it knows no process.
#include "stages/supervisor/restart.h"

#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/hash.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, RATE_ATTEMPTS_MAX = 1000 };

static const int64_t MILLISECOND_NS = 1000000;

struct supervisor_restart_options supervisor_restart_defaults(enum supervisor_restart strategy)
{
    return (struct supervisor_restart_options){
        .strategy = strategy,
        .attempts = strategy == SUPERVISOR_RESTART_EXPONENTIAL_DELAY ? -1 : 1,
        .delay_ms = 1000,
        .max_delay_ms = MINUTE_MS,
        .interval_ms = MINUTE_MS,
        .reset_ms = HOUR_MS,
        .multiplier = 1.5,
        .jitter = 0.1,
    };
}

void restart_init(struct restart_policy *policy, const struct supervisor_restart_options *options)
{
    *policy = (struct restart_policy){.options = *options};
    if (options->strategy != SUPERVISOR_RESTART_FAILURE_RATE)
        return;
    CHECK(options->attempts >= 1);
    if (options->attempts > RATE_ATTEMPTS_MAX)
        policy->options.attempts = RATE_ATTEMPTS_MAX;
    policy->times_ns = calloc((size_t)policy->options.attempts + 1, sizeof *policy->times_ns);
    CHECK(policy->times_ns);
}

void restart_fini(struct restart_policy *policy)
{
    free(policy->times_ns);
    *policy = (struct restart_policy){.failures = 0};
}

int64_t restart_backoff_ns(const struct supervisor_restart_options *options, int nth)
{
    double delay_ms = (double)options->delay_ms, max_ms = (double)options->max_delay_ms;
    for (int i = 1; i < nth && delay_ms < max_ms; i++) {
        double grown = delay_ms * options->multiplier;
        if (grown <= delay_ms) // it does not grow
            break;
        delay_ms = grown;
    }
    return (int64_t)(delay_ms < max_ms ? delay_ms : max_ms) * MILLISECOND_NS;
}

// As Flink: up to `jitter` of it more or less, and never above the largest.
static int64_t backoff_with_jitter_ns(const struct supervisor_restart_options *options, int nth,
                                      int64_t now_ns)
{
    int64_t delay = restart_backoff_ns(options, nth), max = options->max_delay_ms * MILLISECOND_NS;
    double chance = (double)(hash_u64((uint64_t)now_ns) >> 11) / (double)(UINT64_C(1) << 53);
    delay += (int64_t)((double)delay * options->jitter * (2 * chance - 1));
    return delay < max ? delay : max;
}

static int64_t no_progress(const struct restart_policy *policy, const struct restart_death *death,
                           int64_t now_ns)
{
    int over = death->quick_deaths - RESTART_QUICK_FREE;
    if (death->quick_deaths >= RESTART_QUICK_MAX)
        return RESTART_NEVER;
    return over <= 0 ? 0 : backoff_with_jitter_ns(&policy->options, over, now_ns);
}

static int64_t exponential_delay(struct restart_policy *policy, const struct restart_death *death,
                                 int64_t now_ns)
{
    const struct supervisor_restart_options *options = &policy->options;
    if (death->leads_on) {
        if (death->is_solved && policy->failures) // the first of its deaths counted
            policy->failures--;
        return 0;
    }
    if (!death->progressed)
        return no_progress(policy, death, now_ns);
    if (death->from_outside)
        return 0;
    if (policy->failures && now_ns - policy->last_ns > options->reset_ms * MILLISECOND_NS)
        policy->failures = 0;
    policy->failures++;
    policy->last_ns = now_ns;
    if (options->attempts >= 0 && policy->failures > options->attempts)
        return RESTART_NEVER;
    int over = policy->failures - RESTART_CRASHES_FREE;
    return over <= 0 ? 0 : backoff_with_jitter_ns(options, over, now_ns);
}

// As Flink: no more than `attempts` restarts for failures of the same interval.
static int64_t failure_rate(struct restart_policy *policy, int64_t now_ns)
{
    const struct supervisor_restart_options *options = &policy->options;
    const int slots = options->attempts + 1;
    policy->times_ns[policy->failures % slots] = now_ns;
    policy->failures++;
    int64_t earliest = policy->times_ns[policy->failures % slots]; // the one to be replaced next
    bool is_full = policy->failures >= slots;
    if (is_full && now_ns - earliest <= options->interval_ms * MILLISECOND_NS)
        return RESTART_NEVER;
    return options->delay_ms * MILLISECOND_NS;
}

int64_t restart_delay_ns(struct restart_policy *policy, const struct restart_death *death,
                         int64_t now_ns)
{
    switch (policy->options.strategy) {
    case SUPERVISOR_RESTART_EXPONENTIAL_DELAY:
        return exponential_delay(policy, death, now_ns);
    case SUPERVISOR_RESTART_FIXED_DELAY:
        return ++policy->failures > policy->options.attempts
                   ? RESTART_NEVER
                   : policy->options.delay_ms * MILLISECOND_NS;
    case SUPERVISOR_RESTART_FAILURE_RATE:
        return failure_rate(policy, now_ns);
    case SUPERVISOR_RESTART_NONE:
        return RESTART_NEVER;
    }
    CHECK(!"a strategy that there is not");
    return RESTART_NEVER;
}

int64_t restart_after_loss_ns(struct restart_policy *policy, bool is_counted, int64_t now_ns)
{
    const struct restart_death loss = {.progressed = true};
    // There a death from outside has not been counted, and the first ones are free.
    bool counts = !is_counted || policy->options.strategy == SUPERVISOR_RESTART_EXPONENTIAL_DELAY;
    return counts ? restart_delay_ns(policy, &loss, now_ns) : 0;
}

void restart_explain(const struct restart_policy *policy, const struct restart_death *death,
                     struct buf *out)
{
    const struct supervisor_restart_options *options = &policy->options;
    const char *plural = options->attempts == 1 ? "" : "s";
    const char *were = options->attempts == 1 ? "was" : "were";
    switch (options->strategy) {
    case SUPERVISOR_RESTART_EXPONENTIAL_DELAY:
        if (options->attempts >= 0 && policy->failures > options->attempts)
            buf_printf(out,
                       "and recovery.restart exponential-delay allows %d restart%s of its region, "
                       "which %s used",
                       options->attempts, plural, were);
        else
            buf_printf(out,
                       "%d times in a row without finishing a batch: what it works on, or the "
                       "memory it finds, ends it each time, so it is not started again",
                       death->quick_deaths);
        break;
    case SUPERVISOR_RESTART_FIXED_DELAY:
        buf_printf(out,
                   "and recovery.restart fixed-delay allows %d restart%s of its region, which %s "
                   "used",
                   options->attempts, plural, were);
        break;
    case SUPERVISOR_RESTART_FAILURE_RATE:
        buf_printf(out,
                   "and recovery.restart failure-rate allows %d restart%s of its region in %.3g "
                   "s, which %s used",
                   options->attempts, plural, (double)options->interval_ms / 1000, were);
        break;
    case SUPERVISOR_RESTART_NONE:
        buf_append_str(out, "and recovery.restart is none");
        break;
    }
}

bool restart_is_at_once(const struct restart_policy *policy, int quick_deaths)
{
    return policy->options.strategy == SUPERVISOR_RESTART_EXPONENTIAL_DELAY &&
           quick_deaths < RESTART_QUICK_FREE;
}
