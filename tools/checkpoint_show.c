// checkpoint_show.c: `weir checkpoint show`: where everything stood at the barrier, in words.
//
// Positions come from the manifest. Small state is restored too, so that its groups can be shown;
// large state is only counted (`weir checkpoint export` reads it).
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/calendar.h"
#include "core/base/check.h"
#include "shm/budget.h"
#include "tools/checkpoint.h"

// What is restored without being asked for, and how many of its groups are shown.
#define STATE_SHOWN_BYTES (UINT64_C(64) << 20)
enum { GROUPS_SHOWN = 10 };

// The groups of all tasks; the first of each task as JSON.
struct groups {
    struct buf *shown; // one a task: JSON objects, a line each
    uint64_t *counts;
    bool is_read;
    struct err why; // not read
};

static int note_group(void *context, int task, const struct arena *arena,
                      const struct state_group *group)
{
    struct groups *groups = context;
    (void)arena;
    if (groups->counts[task]++ >= GROUPS_SHOWN)
        return 0;
    buf_append(&groups->shown[task], group->json.ptr, group->json.len);
    buf_append_char(&groups->shown[task], '\n');
    return 0;
}

static void read_groups(const struct store *store, const struct manifest *manifest,
                        struct groups *out)
{
    struct plan *plan = NULL;
    char bytes[32];
    const struct checkpoint_visitor visitor = {out, note_group};
    uint64_t chain_bytes = checkpoint_chain_bytes(store, manifest);
    out->shown = calloc((size_t)manifest->task_count, sizeof *out->shown);
    out->counts = calloc((size_t)manifest->task_count, sizeof *out->counts);
    CHECK(out->shown && out->counts);
    if (chain_bytes > STATE_SHOWN_BYTES) {
        err_set(&out->why, -1, "%s are not read for this; see weir checkpoint export",
                budget_format_bytes(chain_bytes, bytes));
        return;
    }
    int rc = checkpoint_plan(manifest, &plan, &out->why);
    const struct checkpoint_view view = {store, manifest, plan};
    for (int t = 0; t < manifest->task_count && rc == 0; t++)
        rc = checkpoint_visit(&view, t, &visitor, &out->why);
    out->is_read = rc == 0;
    if (plan)
        plan_free(plan);
}

static void free_groups(const struct manifest *manifest, struct groups *groups)
{
    for (int t = 0; t < manifest->task_count; t++)
        buf_fini(&groups->shown[t]);
    free(groups->shown);
    free(groups->counts);
}

// --- words ---

static void print_time(int64_t ms)
{
    char text[CALENDAR_TEXT_BYTES];
    if (ms == INT64_MIN)
        printf("none yet");
    else if (ms == INT64_MAX)
        printf("end of input");
    else
        printf("%.*s", (int)calendar_format_timestamp(ms, CALENDAR_SQL, false, text), text);
}

// A string without its quotes, anything else as JSON.
static void print_value(const json_t *value)
{
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    printf("%s", text ? text : json_string_value(value));
    free(text);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "?";
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_source(const json_t *source)
{
    const char *key;
    json_t *value;
    printf("  source %s: ", text_of(source, "table"));
    if (strcmp(text_of(source, "connector"), "datagen") != 0) {
        if (json_object_get(source, "path"))
            printf("offset %lld of %s", number_of(source, "offset"), text_of(source, "path"));
        printf("%s%lld file%s known", json_object_get(source, "path") ? "; " : "",
               number_of(source, "files"), number_of(source, "files") == 1 ? "" : "s");
        if (json_object_get(source, "bytes"))
            printf(", %lld bytes read", number_of(source, "bytes"));
        printf("\n");
        return;
    }
    printf("offset %lld", number_of(source, "offset"));
    if (json_is_true(json_object_get(source, "has_ended")))
        printf(", the end");
    else
        json_object_foreach(json_object_get(source, "next"), key, value)
        {
            printf(", next %s is ", key);
            print_value(value);
        }
    printf("; %lld rows made\n", number_of(source, "rows"));
}

static void print_sink(const json_t *sink)
{
    printf("  sink %s: committed: ", text_of(sink, "table"));
    if (!json_object_get(sink, "part")) { // a connector without files
        bool is_print = strcmp(text_of(sink, "connector"), "print") == 0;
        printf("%lld row%s, %s%s\n", number_of(sink, "rows"),
               number_of(sink, "rows") == 1 ? "" : "s", is_print ? "written to " : "dropped",
               is_print ? text_of(sink, "stream") : "");
        return;
    }
    printf("%lld bytes of part %lld, and every part before it", number_of(sink, "length"),
           number_of(sink, "part"));
    if (number_of(sink, "pending"))
        printf(" (%lld became final with this checkpoint)", number_of(sink, "pending"));
    printf("\n");
}

static void print_window(const char *name, const json_t *window)
{
    char bytes[32];
    printf("  %s (%s): %lld window%s", name, text_of(window, "phase"), number_of(window, "windows"),
           number_of(window, "windows") == 1 ? "" : "s");
    if (json_object_get(window, "groups"))
        printf(", %lld group%s", number_of(window, "groups"),
               number_of(window, "groups") == 1 ? "" : "s");
    printf("; the task's state is %s\n",
           budget_format_bytes((uint64_t)number_of(window, "arena_bytes"), bytes));
}

static void print_group(const json_t *group)
{
    const char *key, *part;
    json_t *value, *accumulator;
    printf("    %s to %s", text_of(group, "window_start"), text_of(group, "window_end"));
    if (json_object_get(group, "next_point"))
        printf(", next point %s", text_of(group, "next_point"));
    json_object_foreach(json_object_get(group, "key"), key, value)
    {
        printf(", %s ", key);
        print_value(value);
    }
    printf(":");
    json_object_foreach(json_object_get(group, "accumulators"), key, value)
    {
        printf(" %s:", key);
        json_object_foreach(value, part, accumulator)
        {
            printf(" %s ", part);
            print_value(accumulator);
        }
    }
    printf("\n");
}

// Those of one operator.
static void print_groups(const struct buf *lines, long long op)
{
    const char *end = lines->data + lines->len;
    for (const char *line = lines->len ? lines->data : end; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        json_t *group = json_loadb(line, (size_t)(next - line), 0, NULL);
        if (group && number_of(group, "operator") == op)
            print_group(group);
        json_decref(group);
        line = next + 1;
    }
}

static void print_positions(const char *text, const struct buf *groups)
{
    const char *key;
    json_t *value, *positions = json_loads(text, 0, NULL);
    json_object_foreach(positions, key, value)
    {
        if (strcmp(key, "source") == 0) {
            print_source(value);
        } else if (strcmp(key, "sink") == 0) {
            print_sink(value);
        } else if (strncmp(key, "window", strlen("window")) == 0) {
            print_window(key, value);
            print_groups(groups, strtoll(key + strlen("window"), NULL, 10));
        } else {
            printf("  %s: ", key);
            print_value(value);
            printf("\n");
        }
    }
    json_decref(positions);
}

static void print_task(const struct manifest *manifest, int index)
{
    const struct manifest_task *task = &manifest->tasks[index];
    char bytes[32], undo[32];
    printf("  %" PRIu64 " rows in, %" PRIu64 " out; watermark ", task->rows_in, task->rows_out);
    print_time(task->watermark_ms);
    printf("\n  snapshot %s: %" PRIu64
           " blocks, %s of undo entries; aligned in %lld ms, written in "
           "%lld ms\n  files:",
           budget_format_bytes(task->file_bytes, bytes), task->blocks,
           budget_format_bytes(task->undo_bytes, undo), (long long)task->align_ms,
           (long long)task->duration_ms);
    for (int f = 0; f < task->file_count; f++)
        printf(" %s", task->files[f].path);
    printf("\n");
}

static void print_text(const struct manifest *m, struct groups *groups)
{
    char bytes[32];
    printf("checkpoint %" PRIu64 " of %s, complete: made ", m->checkpoint, m->job);
    print_time(m->started_ms);
    printf(" UTC in %lld ms, %s, %s\n", (long long)m->duration_ms,
           budget_format_bytes(checkpoint_own_bytes(m), bytes),
           checkpoint_is_full(m) ? "full" : "an increment");
    printf("by weir %s: %s (%d core%s, plan %016" PRIx64 ")\n", m->version, m->command, m->cores,
           m->cores == 1 ? "" : "s", m->fingerprint);
    for (int t = 0; t < m->task_count; t++) {
        printf("task %d, %s\n", t, m->tasks[t].name);
        print_positions(m->tasks[t].positions, &groups->shown[t]);
        if (groups->counts[t] > GROUPS_SHOWN)
            printf("    and %" PRIu64 " more groups (weir checkpoint export)\n",
                   groups->counts[t] - GROUPS_SHOWN);
        print_task(m, t);
    }
    if (!groups->is_read)
        printf("state: %s\n", groups->why.text);
}

// --- JSON ---

static void append_member(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    buf_append_json_string(out, slice_of(text));
}

static void append_task(const struct manifest *m, int index, struct groups *groups, struct buf *out)
{
    const struct manifest_task *task = &m->tasks[index];
    struct buf *lines = &groups->shown[index];
    buf_printf(out, "%s{\"task\":%d", index ? "," : "", index);
    append_member(out, "name", task->name);
    buf_printf(out,
               ",\"positions\":%s,\"rows_in\":%" PRIu64 ",\"rows_out\":%" PRIu64
               ",\"file_bytes\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"undo_bytes\":%" PRIu64
               ",\"align_ms\":%" PRId64 ",\"duration_ms\":%" PRId64,
               task->positions, task->rows_in, task->rows_out, task->file_bytes, task->blocks,
               task->undo_bytes, task->align_ms, task->duration_ms);
    if (task->watermark_ms == INT64_MIN)
        buf_append_str(out, ",\"watermark_ms\":null,\"files\":[");
    else
        buf_printf(out, ",\"watermark_ms\":%" PRId64 ",\"files\":[", task->watermark_ms);
    for (int f = 0; f < task->file_count; f++) {
        buf_append_str(out, f ? "," : "");
        buf_append_json_string(out, slice_of(task->files[f].path));
    }
    if (!groups->is_read) {
        buf_append_str(out, "],\"groups\":null}");
        return;
    }
    buf_printf(out, "],\"group_count\":%" PRIu64 ",\"groups\":[", groups->counts[index]);
    for (size_t i = 0; i + 1 < lines->len; i++) // one object a line: the last newline goes
        buf_append_char(out, lines->data[i] == '\n' ? ',' : lines->data[i]);
    buf_append_str(out, "]}");
}

static void print_json(const struct manifest *m, struct groups *groups)
{
    struct buf out = {0};
    buf_printf(&out, "{\"checkpoint\":%" PRIu64, m->checkpoint);
    append_member(&out, "job", m->job);
    buf_printf(&out,
               ",\"fingerprint\":\"%016" PRIx64 "\",\"started_ms\":%" PRId64
               ",\"duration_ms\":%" PRId64 ",\"bytes\":%" PRIu64
               ",\"kind\":\"%s\",\"cores\":%d,\"state_bytes\":%" PRIu64,
               m->fingerprint, m->started_ms, m->duration_ms, checkpoint_own_bytes(m),
               checkpoint_is_full(m) ? "full" : "increment", m->cores, m->state_bytes);
    append_member(&out, "version", m->version);
    append_member(&out, "command", m->command);
    buf_append_str(&out, ",\"tasks\":[");
    for (int t = 0; t < m->task_count; t++)
        append_task(m, t, groups, &out);
    buf_append_str(&out, "]}\n");
    fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
}

static int show(const struct checkpoint_args *args, const struct checkpoint_place *place,
                struct err *err)
{
    struct pool pool = {0};
    struct manifest manifest;
    struct groups groups = {.shown = NULL};
    int rc = checkpoint_read(args, place, &pool, &manifest, err);
    if (rc == 0) {
        read_groups(&place->store, &manifest, &groups);
        if (args->json)
            print_json(&manifest, &groups);
        else
            print_text(&manifest, &groups);
        free_groups(&manifest, &groups);
    }
    pool_fini(&pool);
    return rc < 0 ? COMMAND_UNAVAILABLE : COMMAND_OK;
}

const struct checkpoint_verb checkpoint_show = {
    .name = "show", .most_numbers = 1, .takes_json = true, .run = show};
