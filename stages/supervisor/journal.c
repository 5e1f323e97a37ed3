// journal.c: see journal.h.
#include "stages/supervisor/journal.h"

#include <inttypes.h>
#include <unistd.h>

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

static const char *name_of(const struct supervisor_event *event)
{
    switch (event->kind) {
    case SUPERVISOR_STOPPING:
        return "stopping";
    case SUPERVISOR_DRAINING:
        return "draining";
    case SUPERVISOR_REPLACING:
        return "replacing";
    case SUPERVISOR_REPLACED:
        return "replaced";
    case SUPERVISOR_REPLACE_DEATH:
        return "replace-death";
    case SUPERVISOR_REPLACE_DONE:
        return "replace-done";
    case SUPERVISOR_REPLACE_FAILED:
        return "replace-failed";
    case SUPERVISOR_MOVED:
        return "moved";
    case SUPERVISOR_SETTLING:
        return "settling";
    case SUPERVISOR_KILLED:
        return "killed";
    case SUPERVISOR_FAILED:
        return "failed";
    case SUPERVISOR_STUCK:
        return "stuck";
    case SUPERVISOR_CHECKPOINT_FAILED:
        return "checkpoint-failed";
    case SUPERVISOR_MEMORY_LOST:
        return "memory-lost";
    case SUPERVISOR_REMADE:
        return "region-restored";
    default:
        return NULL;
    }
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
    const char *name = name_of(event);
    if (!options->events || !name)
        return;
    struct buf record = events_begin(name);
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
