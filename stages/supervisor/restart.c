// restart.c: the strategies. A policy is private memory of one supervisor: it knows no process.
#include "stages/supervisor/restart.h"

#include "core/base/check.h"

#define SECOND_NS INT64_C(1000000000)

// Flink's defaults.
enum { FIXED_ATTEMPTS = 1, RATE_FAILURES = 1 };
static const int64_t RATE_INTERVAL_NS = 60 * SECOND_NS, DELAY_NS = SECOND_NS;
static const int64_t BACKOFF_FIRST_NS = SECOND_NS, BACKOFF_MAX_NS = 60 * SECOND_NS;
static const int64_t BACKOFF_RESET_NS = 3600 * SECOND_NS;

int64_t restart_backoff_ns(int nth)
{
    int64_t delay = BACKOFF_FIRST_NS;
    for (int i = 1; i < nth && delay < BACKOFF_MAX_NS; i++)
        delay += delay / 2;
    return delay < BACKOFF_MAX_NS ? delay : BACKOFF_MAX_NS;
}

static int64_t exponential_delay(struct restart_policy *policy, const struct restart_death *death,
                                 int64_t now_ns)
{
    if (death->leads_on)
        return 0;
    if (!death->progressed) {
        if (death->quick_deaths >= RESTART_QUICK_MAX)
            return RESTART_NEVER;
        int over = death->quick_deaths - RESTART_QUICK_FREE;
        return over <= 0 ? 0 : restart_backoff_ns(over);
    }
    if (death->from_outside)
        return 0;
    if (policy->failures && now_ns - policy->last_ns > BACKOFF_RESET_NS)
        policy->failures = 0;
    policy->failures++;
    policy->last_ns = now_ns;
    int over = policy->failures - RESTART_CRASHES_FREE;
    return over <= 0 ? 0 : restart_backoff_ns(over);
}

static int64_t failure_rate(struct restart_policy *policy, int64_t now_ns)
{
    if (policy->failures && now_ns - policy->last_ns > RATE_INTERVAL_NS)
        policy->failures = 0;
    policy->last_ns = now_ns;
    return ++policy->failures > RATE_FAILURES ? RESTART_NEVER : DELAY_NS;
}

int64_t restart_delay_ns(struct restart_policy *policy, const struct restart_death *death,
                         int64_t now_ns)
{
    switch (policy->strategy) {
    case SUPERVISOR_RESTART_EXPONENTIAL_DELAY:
        return exponential_delay(policy, death, now_ns);
    case SUPERVISOR_RESTART_FIXED_DELAY:
        return ++policy->failures > FIXED_ATTEMPTS ? RESTART_NEVER : DELAY_NS;
    case SUPERVISOR_RESTART_FAILURE_RATE:
        return failure_rate(policy, now_ns);
    case SUPERVISOR_RESTART_NONE:
        return RESTART_NEVER;
    }
    CHECK(!"a strategy that there is not");
    return RESTART_NEVER;
}

void restart_explain(const struct restart_policy *policy, const struct restart_death *death,
                     struct buf *out)
{
    switch (policy->strategy) {
    case SUPERVISOR_RESTART_EXPONENTIAL_DELAY:
        buf_printf(out,
                   "%d times in a row without finishing a batch: what it works on, or the memory "
                   "it finds, ends it each time, so it is not started again",
                   death->quick_deaths);
        break;
    case SUPERVISOR_RESTART_FIXED_DELAY:
        buf_printf(out,
                   "and recovery.restart fixed-delay allows %d restart of the job, which was used",
                   FIXED_ATTEMPTS);
        break;
    case SUPERVISOR_RESTART_FAILURE_RATE:
        buf_printf(out,
                   "and recovery.restart failure-rate allows %d restart of the job in %d s, which "
                   "was used",
                   RATE_FAILURES, (int)(RATE_INTERVAL_NS / SECOND_NS));
        break;
    case SUPERVISOR_RESTART_NONE:
        buf_append_str(out, "and recovery.restart is none");
        break;
    }
}

bool restart_is_at_once(const struct restart_policy *policy, int quick_deaths)
{
    return policy->strategy == SUPERVISOR_RESTART_EXPONENTIAL_DELAY &&
           quick_deaths < RESTART_QUICK_FREE;
}
