// journal.c: see journal.h.
#include "stages/supervisor/journal.h"

#include <inttypes.h>
#include <unistd.h>

#include "core/base/check.h"

static void append_text(struct buf *record, const char *key, const char *text)
{
    buf_printf(record, ",\"%s\":", key);
    buf_append_json_string(record, slice_of(text));
}

void journal_start(const struct supervisor_options *options, int adopted)
{
    if (!options->events)
        return;
    struct buf record = events_begin("start");
    append_text(&record, "job", options->dir->job);
    buf_printf(&record, ",\"pid\":%d,\"tasks\":%d,\"adopted\":%d", (int)getpid(),
               options->task_count, adopted);
    events_append(options->events, &record);
}

const char *supervisor_event_name(enum supervisor_event_kind kind)
{
    static const char *const names[SUPERVISOR_EVENT_COUNT] = {
        [SUPERVISOR_STARTED] = "started",
        [SUPERVISOR_DIED] = "died",
        [SUPERVISOR_RESTARTED] = "restarted",
        [SUPERVISOR_FINISHED] = "finished",
        [SUPERVISOR_FAILED] = "failed",
        [SUPERVISOR_STOPPING] = "stopping",
        [SUPERVISOR_HUNG] = "hung",
        [SUPERVISOR_KILLED] = "killed",
        [SUPERVISOR_CHECKPOINT] = "checkpoint",
        [SUPERVISOR_CHECKPOINT_FAILED] = "checkpoint-failed",
        [SUPERVISOR_ADOPTED] = "adopted",
        [SUPERVISOR_SPARE_READY] = "spare-ready",
        [SUPERVISOR_MEMORY_LOST] = "memory-lost",
        [SUPERVISOR_REMADE] = "region-restored",
        [SUPERVISOR_STUCK] = "stuck",
        [SUPERVISOR_DRAINING] = "draining",
        [SUPERVISOR_REPLACING] = "replacing",
        [SUPERVISOR_REPLACED] = "replaced",
        [SUPERVISOR_REPLACE_DEATH] = "replace-death",
        [SUPERVISOR_REPLACE_DONE] = "replace-done",
        [SUPERVISOR_REPLACE_FAILED] = "replace-failed",
        [SUPERVISOR_MOVED] = "moved",
        [SUPERVISOR_SETTLING] = "settling",
    };
    CHECK((size_t)kind < ARRAY_SIZE(names) && names[kind]);
    return names[kind];
}

// Is it written as it is told? What is not has a record of another kind, or none.
static bool is_told(enum supervisor_event_kind kind)
{
    static const bool told[SUPERVISOR_EVENT_COUNT] = {
        [SUPERVISOR_STOPPING] = true,
        [SUPERVISOR_DRAINING] = true,
        [SUPERVISOR_REPLACING] = true,
        [SUPERVISOR_REPLACED] = true,
        [SUPERVISOR_REPLACE_DEATH] = true,
        [SUPERVISOR_REPLACE_DONE] = true,
        [SUPERVISOR_REPLACE_FAILED] = true,
        [SUPERVISOR_MOVED] = true,
        [SUPERVISOR_SETTLING] = true,
        [SUPERVISOR_KILLED] = true,
        [SUPERVISOR_FAILED] = true,
        [SUPERVISOR_STUCK] = true,
        [SUPERVISOR_CHECKPOINT_FAILED] = true,
        [SUPERVISOR_MEMORY_LOST] = true,
        [SUPERVISOR_REMADE] = true,
    };
    return told[kind];
}

static void append_region(struct buf *record, const struct supervisor_event *event)
{
    const struct supervisor_region *region = event->region;
    const char *comma = "";
    buf_append_str(record, ",\"tasks\":[");
    for (int i = 0; i < region->task_count; i++)
        if (region->tasks[i]) {
            buf_printf(record, "%s%d", comma, i);
            comma = ",";
        }
    buf_append_char(record, ']');
    if (event->kind == SUPERVISOR_REMADE)
        buf_printf(record, ",\"checkpoint\":%" PRIu64 ",\"duration_ms\":%.3f", region->checkpoint,
                   region->duration_ms);
}

void journal_event(const struct supervisor_options *options, const struct supervisor_event *event)
{
    if (!options->events || !is_told(event->kind))
        return;
    struct buf record = events_begin(supervisor_event_name(event->kind));
    if (event->region)
        append_region(&record, event);
    else if (event->task_index >= 0)
        buf_printf(&record, ",\"task\":%d,\"pid\":%d", event->task_index, (int)event->pid);
    if (event->kind == SUPERVISOR_STOPPING)
        buf_printf(&record, ",\"signal\":%d", event->signal);
    if (event->kind == SUPERVISOR_REPLACED)
        buf_printf(&record, ",\"gap_ms\":%.3f", event->gap_ms);
    if (event->checkpoint)
        buf_printf(&record, ",\"checkpoint\":%" PRIu64, event->checkpoint->checkpoint);
    if (event->text)
        append_text(&record, "text", event->text);
    events_append(options->events, &record);
}

void journal_end(const struct supervisor_options *options, const struct supervisor_result *result,
                 const char *error)
{
    static const char *const ends[] = {[SUPERVISOR_END_FINISHED] = "finished",
                                       [SUPERVISOR_END_STOPPED] = "stopped",
                                       [SUPERVISOR_END_FAILED] = "failed",
                                       [SUPERVISOR_END_REPLACED] = "replaced"};
    if (!options->events)
        return;
    struct buf record = events_begin("end");
    bool failed = error && *error;
    buf_printf(&record, ",\"end\":\"%s\",\"restarts\":%" PRIu64 ",\"worst_gap_ms\":%.3f",
               ends[failed ? SUPERVISOR_END_FAILED : result->end], result->restarts,
               result->worst_gap_ms);
    if (failed)
        append_text(&record, "text", error);
    events_append(options->events, &record);
}
