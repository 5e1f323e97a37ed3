// task_latency.c: latency markers in a task: made by a source, taken from input channels by the
// reader, passed on and recorded with the transaction that holds them (marker.h).
//
// Nothing here waits and nothing here fails: whatever becomes of markers, the rows go on.
#include <string.h>

#include "stages/runtime/task_internal.h"

// While there are no rows a source wakes this often anyway, and each marker wakes all of its
// readers: more would cost an idle job its rest.
static const int64_t IDLE_INTERVAL_NS = INT64_C(1000000000);

// More that were due at once are told with fewer, further apart: recording them is bounded.
enum { OVERDUE_MAX = 1000 };

static uint32_t source_stage(const struct plan *plan, const struct stage *stage)
{
    while (stage->input_exchange >= 0)
        stage = &plan->stages[plan->exchanges[stage->input_exchange].from_stage];
    return (uint32_t)(stage - plan->stages);
}

void task_latency_open(struct task *task)
{
    struct task_latency *l = &task->latency;
    const struct plan *plan = task->job.plan;
    l->interval_ns = task->job.options.latency_interval_ms * 1000000;
    l->source = source_stage(plan, task->stage);
    task->reader.markers = &l->markers;
    // Without it the task runs all the same, and nobody hears how long rows take.
    if (latency_attach(task->job.dir.fd, plan->fingerprint, task->index, &l->record, NULL) < 0)
        l->record = NULL;
}

void task_latency_begin(struct task *task)
{
    if (task->latency.record)
        latency_begin(task->latency.record);
}

void task_latency_close(struct task *task)
{
    latency_detach(task->latency.record);
    task->latency.record = NULL;
}

// --- a source ---

static void make(struct task *task, const struct marker *marker)
{
    struct markers *m = &task->latency.markers;
    if (m->count == MARKERS_MAX)
        m->lost++;
    else
        m->items[m->count++] = (struct marker_held){*marker, -1};
}

void task_latency_rows(struct task *task, int64_t now_ns)
{
    struct task_latency *l = &task->latency;
    const bool was_idle = l->was_idle;
    l->was_idle = false;
    if (l->interval_ns <= 0 || now_ns < l->next_ns)
        return;
    // Behind a pause there is no moment at which one should have been made: rows come from now on.
    const int64_t made_ns = was_idle || l->next_ns == 0 ? now_ns : l->next_ns;
    int64_t count = (now_ns - made_ns) / l->interval_ns + 1, step_ns = l->interval_ns;
    l->next_ns = made_ns + count * step_ns;
    if (count > OVERDUE_MAX) {
        count = OVERDUE_MAX;
        step_ns = (now_ns - made_ns) / count;
    }
    make(task, &(struct marker){made_ns, now_ns, step_ns, (uint32_t)count, l->source});
}

void task_latency_idle(struct task *task, int64_t now_ns)
{
    struct task_latency *l = &task->latency;
    const int64_t pause_ns = l->interval_ns > IDLE_INTERVAL_NS ? l->interval_ns : IDLE_INTERVAL_NS;
    l->was_idle = true;
    if (l->interval_ns <= 0 || !task->writer || now_ns < l->idle_ns + pause_ns)
        return;
    l->idle_ns = now_ns;
    make(task, &(struct marker){now_ns, now_ns, l->interval_ns, 1, l->source});
}

// --- with the transaction ---

void task_latency_send(struct task *task)
{
    struct markers *m = &task->latency.markers;
    if (task->state.has_ended || task->checkpoint.lingers) { // nothing may follow the end
        m->sent = m->count;
        return;
    }
    const int64_t now_ns = task->writer ? task->env->monotonic_ns(task->env) : 0;
    for (m->sent = 0; m->sent < m->count; m->sent++) {
        struct marker_held *held = &m->items[m->sent];
        struct marker marker = held->marker;
        marker.passed_ns = now_ns;
        if (task->writer && exchange_writer_marker(task->writer, &marker, &held->channel) < 0)
            break;
    }
}

static void record(struct task_latency *l, const struct marker *marker, bool is_own, int64_t now_ns)
{
    const int64_t age_ns = now_ns - marker->made_ns;
    if (marker->source != l->source || !marker_is_sane(marker, now_ns)) {
        latency_add_lost(l->record, 1);
        return;
    }
    for (uint32_t i = 0; i < marker->count; i++)
        latency_record(l->record, LATENCY_FROM_SOURCE, age_ns - i * marker->step_ns, now_ns);
    if (is_own)
        latency_add_made(l->record, marker->count);
    else
        latency_record(l->record, LATENCY_LAST_HOP, now_ns - marker->passed_ns, now_ns);
}

void task_latency_committed(struct task *task, int64_t now_ns)
{
    struct task_latency *l = &task->latency;
    struct markers *m = &l->markers;
    for (int i = m->carried; i < m->count && l->record; i++)
        record(l, &m->items[i].marker, task->head.source != NULL, now_ns);
    if (m->lost && l->record)
        latency_add_lost(l->record, (uint64_t)m->lost);
    m->count -= m->sent;
    memmove(m->items, m->items + m->sent, (size_t)m->count * sizeof *m->items);
    m->carried = m->count;
    m->sent = 0;
    m->lost = 0;
}

void task_latency_aborted(struct task *task)
{
    struct markers *m = &task->latency.markers;
    m->count = m->carried;
    m->sent = 0;
    m->lost = 0;
}
