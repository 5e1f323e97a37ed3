// task_outside.c: what operators have outside of this host: a broker that answers when it likes.
//
// Threads of libraries say that there is news by one word and a wake call; the task's own thread
// takes it in between two transactions. The word:
//
//   any thread                        the task
//   what has come, in its own place   outside_news = 0          (an exchange, so a full fence)
//   outside_news = 1                  take in all that has come
//   full fence, wake if asleep        ...
//                                     asleep = 1, full fence, outside_news?, sleep
//
// so that what comes behind the look is seen by the next.
#include <sched.h>
#include <stdlib.h>

#include "shm/atomic.h"
#include "stages/runtime/task_internal.h"

#define ROOM_LOOK_NS INT64_C(100000000) // while there is no room: if all wakes were lost

void task_wake(void *context)
{
    struct task *task = context;
    // R42: pairs with A42 in task_look_outside; publishes what the thread has put in its own place
    atomic_exchange_u32(&task->outside_news, 1);
    waiter_wake(task->waiting.waiter);
}

bool task_has_outside_news(const struct task *task)
{
    return atomic_read_u32(&task->outside_news) != 0; // relaxed: the exchange orders what it means
}

int task_look_outside(struct task *task)
{
    if (!task_has_outside_news(task))
        return 0;
    // A42: pairs with R42 in task_wake; what has come before the wake
    atomic_exchange_u32(&task->outside_news, 0);
    int rc = chain_poll(&task->chain);
    return rc == 0 && arena_log_used(task->arena) ? task_commit(task) : rc;
}

bool task_has_room_outside(const struct task *task)
{
    return chain_has_room(&task->chain);
}

static bool has_news(void *context)
{
    struct task *task = context;
    return task_source_has_news(task);
}

void task_wait_room_outside(struct task *task)
{
    struct task_waiting waiting = {.ready = has_news,
                                   .context = task,
                                   .until_ns = task->env->monotonic_ns(task->env) + ROOM_LOOK_NS,
                                   .state = CONTROL_WAITING_OUTPUT,
                                   .reason = WAITER_NEWS,
                                   .is_pause = true};
    const int64_t begun_ns = task->env->monotonic_ns(task->env);
    task_wait_until(task, &waiting);
    task->blocked_ns += task->env->monotonic_ns(task->env) - begun_ns;
    control_set_counter(task->control, CONTROL_BLOCKED_NS, task->blocked_ns);
}

void task_publish_outside(const struct task *task)
{
    const struct op_outside *outside = &task->outside;
    control_set_counter(task->control, CONTROL_BEHIND_ROWS, outside->behind_rows);
    control_set_counter(task->control, CONTROL_KEPT_BYTES, outside->kept_bytes);
    control_set_counter(task->control, CONTROL_OPEN_SINCE_MS, outside->open_since_ms);
    control_set_counter(task->control, CONTROL_COMMITTED, outside->committed);
}

// --- connections of a spare ---

static void *warm_one(const struct op_context *context)
{
    const struct op *op = context->op;
    if (op->kind == OP_SOURCE) {
        const struct source_class *class = chain_source_class(op->table);
        return class && class->warm ? class->warm(context) : NULL;
    }
    const struct operator_class *class = op->kind == OP_SINK ? chain_sink_class(op->table) : NULL;
    return class && class->warm ? class->warm(context) : NULL;
}

static void cool_one(const struct op *op, void *warm)
{
    if (op->kind == OP_SOURCE)
        chain_source_class(op->table)->cool(warm);
    else
        chain_sink_class(op->table)->cool(warm);
}

// Threads have the policy of who makes them, and keep it when this process is the task: theirs is
// that of any other, not a spare's.
void task_warm(struct task *task)
{
    struct op_context context = task_op_context(task);
    const struct sched_param none = {0};
    const int policy = sched_getscheduler(0);
    sched_setscheduler(0, SCHED_OTHER, &none);
    task->warm = calloc((size_t)task->stage->op_count, sizeof *task->warm);
    CHECK(task->warm);
    for (int i = 0; i < task->stage->op_count; i++) {
        context.op = task->stage->ops[i];
        task->warm[i] = warm_one(&context);
    }
    if (policy > 0)
        sched_setscheduler(0, policy, &none);
}

void task_cool(struct task *task)
{
    for (int i = 0; task->warm && i < task->stage->op_count; i++)
        if (task->warm[i])
            cool_one(task->stage->ops[i], task->warm[i]);
    free(task->warm);
    task->warm = NULL;
}
