// task_sleep.c: how a task waits: for input, for room, for the time, for the end of the job. All
// waits go by the job's policy (shm/waiter.h), end when there is news, and are counted.
//
// An idle task wakes once a second, to say that it lives and to see whether its supervisor does.
// Everything else that it waits for either wakes it or has a time that is known before.
#include <sched.h>
#include <sys/prctl.h>

#include "stages/runtime/task_internal.h"

#define MS_NS INT64_C(1000000)

// Under `spin` waits are short, because a task that runs and shows no sign of life is taken to
// hang. A sign costs nothing there.
#define BEAT_NS      (1000 * MS_NS)
#define BEAT_SPIN_NS (100 * MS_NS)

enum { ORPHAN_LOOKS = 8 }; // in recovery.orphan_after

// --- whose core is it ---

// Would tasks that spin here take the time from those that they wait for? One that has a core of
// its own would not. Without places it is a matter of numbers.
static bool is_crowded(const struct task *task)
{
    cpu_set_t cpus;
    int count = control_task_count(task->control), own = control_cpu(task->control, task->index);
    for (int i = 0; own >= 0 && i < count; i++)
        if (i != task->index && control_cpu(task->control, i) == own)
            return true;
    if (own >= 0)
        return false;
    return count > task->job.options.cores ||
           (sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) < count);
}

void task_waiting_open(struct task *task)
{
    task->waiting = (struct waiter_owner){.waiter = control_waiter(task->control, task->index),
                                          .policy = task->job.options.waiting};
    // The kernel makes a sleep up to 50 us longer, unless it is asked not to; 1 is its least.
    if (task->waiting.policy != WAITER_BLOCK)
        prctl(PR_SET_TIMERSLACK, 1);
}

// Now and then: tasks may be moved while they run.
static void look_at_core(struct task *task, int64_t now_ns)
{
    if (now_ns < task->core_look_ns)
        return;
    task->core_look_ns = now_ns + BEAT_NS;
    task->waiting.is_crowded = is_crowded(task);
}

// --- news ---

bool task_has_news(const struct task *task)
{
    const struct task_checkpoint *c = &task->checkpoint;
    if (task_must_stop(task) || task_has_outside_news(task))
        return true;
    return c->is_on && (control_complete_checkpoint(task->control) > c->completed ||
                        (c->is_copying && copier_has_news(c->copier)));
}

bool task_source_has_news(void *context)
{
    struct task *task = context;
    return task_has_news(task) || control_requested(task->control, CONTROL_DRAIN) ||
           (task->checkpoint.is_on &&
            control_wanted_checkpoint(task->control) > task->state.barrier);
}

static bool input_ready(void *context)
{
    struct task *task = context;
    return exchange_reader_ready(&task->reader) || task_has_news(task);
}

// --- waiting ---

static int64_t beat_ns(const struct task *task)
{
    int64_t orphan_ns = task->job.options.orphan_after_ms * MS_NS / ORPHAN_LOOKS;
    int64_t beat = task->waiting.policy == WAITER_SPIN ? BEAT_SPIN_NS : BEAT_NS;
    return orphan_ns && orphan_ns < beat ? orphan_ns : beat;
}

static void count_sleeps(const struct task *task)
{
    control_set_counter(task->control, CONTROL_SLEEPS, (int64_t)task->waiting.sleeps);
    control_set_counter(task->control, CONTROL_WAKE_CALLS, (int64_t)task->wake_calls);
}

bool task_wait_until(struct task *task, const struct task_waiting *waiting)
{
    const uint64_t sleeps = task->waiting.sleeps;
    int64_t now_ns = task->env->monotonic_ns(task->env), ns = beat_ns(task);
    if (waiting->until_ns < now_ns + ns)
        ns = waiting->until_ns - now_ns;
    if (ns <= 0)
        return false;
    look_at_core(task, now_ns);
    control_set_state(task->control, waiting->state);
    control_heartbeat(task->control, now_ns);
    task->waiting.reason = waiting->reason;
    bool is_ready = waiting->is_pause
                        ? waiter_doze(&task->waiting, waiting->ready, waiting->context, ns)
                        : waiter_wait(&task->waiting, waiting->ready, waiting->context, ns);
    if (!is_ready)
        task_settle(task);
    if (task->waiting.sleeps != sleeps)
        count_sleeps(task);
    control_set_state(task->control, CONTROL_RUNNING);
    return is_ready;
}

// A time of the wall clock as one of the clock that never jumps; at most a beat away.
static int64_t monotonic_of(const struct task *task, int64_t realtime_ms, int64_t now_ns)
{
    int64_t now_ms = task->env->realtime_ms(task->env);
    if (realtime_ms - now_ms > BEAT_NS / MS_NS)
        return INT64_MAX;
    return realtime_ms > now_ms ? now_ns + (realtime_ms - now_ms) * MS_NS : now_ns;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void wait_idle(struct task *task, struct task_waiting *waiting, int64_t until_ms)
{
    int64_t now_ns = task->env->monotonic_ns(task->env), busy_ns;
    int64_t timers_ms = task_timers_due(task);
    int64_t wall_ns = monotonic_of(task, earlier(timers_ms, until_ms), now_ns);
    waiting->until_ns = earlier(waiting->until_ns, wall_ns);
    if (checkpoint_is_busy(task, &busy_ns))
        waiting->until_ns = earlier(waiting->until_ns, now_ns + busy_ns);
    task_wait_until(task, waiting);
}

void task_wait_input(struct task *task)
{
    struct task_waiting waiting = {.ready = input_ready,
                                   .context = task,
                                   .until_ns = INT64_MAX,
                                   .state = CONTROL_WAITING_INPUT,
                                   .reason = WAITER_INPUT};
    wait_idle(task, &waiting, INT64_MAX);
}

void task_wait_source(struct task *task, const struct head_idle *idle)
{
    struct task_waiting waiting = {.ready = task_source_has_news,
                                   .context = task,
                                   .until_ns = INT64_MAX,
                                   .state = CONTROL_WAITING_INPUT,
                                   .reason = WAITER_NEWS,
                                   .is_pause = true};
    if (idle->in_ns)
        waiting.until_ns = task->env->monotonic_ns(task->env) + idle->in_ns;
    wait_idle(task, &waiting, idle->until_ms);
}
