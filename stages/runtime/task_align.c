// task_align.c: sources of one group do not run away from each other.
//
// Each source task says in its own counter how far it is, and looks at the others' now and then; no
// one coordinates. What is more than the allowed drift ahead of the least is not read on until that
// has moved: a split of a source with splits, the whole source without. Rows that are read ahead
// would only wait in windows for those behind.
//
// Nobody waits for ever: the least itself is never ahead; who has no watermark yet, is idle or at
// its end does not count; a task that is dead holds the others until its successor goes on from
// where its counter stands. As in Flink (SourceCoordinator, SourceOperator), a split that is silent
// without an idle timeout does hold its group.
#include <stdlib.h>
#include <string.h>

#include "stages/runtime/task_internal.h"

// The watermark of the stage's source when it is of that group.
static bool is_of_group(const struct stage *stage, const char *group)
{
    for (int i = 0; stage->input_exchange < 0 && i < stage->op_count; i++) {
        const struct op *op = stage->ops[i];
        if (op->kind == OP_WATERMARK && op->watermark.align_group &&
            strcmp(op->watermark.align_group, group) == 0)
            return true;
    }
    return false;
}

void align_open(struct task *task)
{
    struct head_align *align = &task->head.align;
    const struct plan *plan = task->job.plan;
    const char *group = task->head.watermark ? task->head.watermark->align_group : NULL;
    int subtask;
    align->limit_ms = INT64_MAX;
    align->looked_at_ms = INT64_MIN;
    if (!group)
        return;
    align->tasks = calloc((size_t)plan->task_count, sizeof *align->tasks);
    CHECK(align->tasks);
    for (int i = 0; i < plan->task_count; i++)
        if (is_of_group(plan_stage_of(plan, i, &subtask), group))
            align->tasks[align->count++] = i;
}

void align_close(struct head *head)
{
    free(head->align.tasks);
    head->align = (struct head_align){.limit_ms = INT64_MAX};
}

void align_publish(struct task *task)
{
    const struct head *head = &task->head;
    if (!head->align.count)
        return;
    bool is_left = head->is_idle || task->state.end_started;
    control_set_counter(task->control, CONTROL_ALIGN_MS,
                        is_left ? INT64_MAX : task->state.current_ms);
}

// INT64_MAX: nobody is to be waited for.
static int64_t limit_of_group(const struct task *task)
{
    const struct head_align *align = &task->head.align;
    int64_t least = INT64_MAX, limit;
    for (int i = 0; i < align->count; i++) {
        int64_t other = control_counter(task->control, align->tasks[i], CONTROL_ALIGN_MS);
        if (other != INT64_MIN && other < least)
            least = other;
    }
    if (__builtin_add_overflow(least, task->head.watermark->align_drift_ms, &limit))
        return INT64_MAX;
    return limit;
}

void align_look(struct task *task, int64_t now_ms)
{
    struct head *head = &task->head;
    struct head_align *align = &head->align;
    if (!align->count)
        return;
    align_publish(task);
    const int64_t interval_ms = head->watermark->align_update_ms;
    // Flink waits for the interval also where the least is its own, and a source that is alone in
    // its group reads no more than the drift in each. Nor are others to run away before ours is
    // known.
    bool has_moved = task->state.current_ms > align->looked_at_ms &&
                     (head->splits.has_ahead || align->looked_at_ms == INT64_MIN);
    if (now_ms < align->look_ms && align->look_ms <= now_ms + interval_ms && !has_moved)
        return;
    align->looked_at_ms = task->state.current_ms;
    align->look_ms = now_ms + interval_ms;
    align->limit_ms = limit_of_group(task);
    if (head->source->splits)
        splits_limit(&head->splits, head->source, align->limit_ms);
}

bool align_holds(const struct task *task)
{
    const struct head *head = &task->head;
    return head->align.count && !head->source->splits &&
           task->state.current_ms > head->align.limit_ms;
}

int64_t align_until(const struct task *task)
{
    return align_holds(task) || task->head.splits.has_ahead ? task->head.align.look_ms : INT64_MAX;
}
