// checkpoint_list.c: `weir checkpoint list`: what is in the folder, a line each.
//
// Complete means here that the manifest is sound and that the files it names are there; only verify
// reads them.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/calendar.h"
#include "core/snapshot/restore.h"
#include "shm/budget.h"
#include "tools/checkpoint.h"

struct row {
    uint64_t checkpoint;
    const char *state; // "complete", "damaged", "incomplete"
    bool is_known;     // the manifest could be read
    struct manifest manifest;
    char why[512]; // damaged
};

// Are the files there, and is the last of each chain as long as it was?
static bool has_files(const struct store *store, const struct manifest *manifest, struct row *out)
{
    bool good = true;
    for (int t = 0; t < manifest->task_count && good; t++) {
        const struct manifest_task *task = &manifest->tasks[t];
        struct snapshot_file *files = checkpoint_files(store, manifest, t);
        for (int f = 0; f < task->file_count && good; f++) {
            struct stat st;
            bool is_last = f + 1 == task->file_count;
            if (stat(files[f].path, &st) < 0)
                good = snprintf(out->why, sizeof out->why, "%.400s is gone", files[f].path) < 0;
            else if (is_last && (uint64_t)st.st_size != task->file_bytes)
                good =
                    snprintf(out->why, sizeof out->why, "%.400s has %lld bytes instead of %" PRIu64,
                             files[f].path, (long long)st.st_size, task->file_bytes) < 0;
        }
        free(files);
    }
    return good;
}

static void look(const struct store *store, const struct store_entry *entry, struct pool *pool,
                 struct row *out)
{
    struct err err;
    *out = (struct row){.checkpoint = entry->checkpoint, .state = "incomplete"};
    if (!entry->is_complete)
        return;
    out->is_known = store_read(store, entry->checkpoint, pool, &out->manifest, &err) == 0;
    out->state = "damaged";
    if (!out->is_known)
        snprintf(out->why, sizeof out->why, "%.500s", err.text);
    else if (has_files(store, &out->manifest, out))
        out->state = "complete";
}

// "12 s", "3 min", "2 h", "5 d": the age of a checkpoint.
static void format_age(int64_t ms, char out[32])
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    ms = ms < 0 ? 0 : ms;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (ms < 2 * units[i].ms && units[i].ms > 1000)
            continue;
        snprintf(out, 32, "%lld %s", (long long)(ms / units[i].ms), units[i].unit);
        return;
    }
}

static void print_text(const struct row *row, int64_t now_ms)
{
    char age[32], bytes[32], took[32];
    const struct manifest *m = &row->manifest;
    if (!row->is_known) {
        printf("%10" PRIu64 "  %-10s\n", row->checkpoint, row->state);
        return;
    }
    format_age(now_ms - m->started_ms, age);
    snprintf(took, sizeof took, "%lld ms", (long long)m->duration_ms);
    printf("%10" PRIu64 "  %-10s %8s %10s %12s  %-9s %12" PRIu64 "\n", row->checkpoint, row->state,
           age, took, budget_format_bytes(checkpoint_own_bytes(m), bytes),
           checkpoint_is_full(m) ? "full" : "increment", checkpoint_rows(m));
}

static void append_json(const struct row *row, int64_t now_ms, struct buf *out)
{
    const struct manifest *m = &row->manifest;
    buf_printf(out, "{\"checkpoint\":%" PRIu64 ",\"state\":\"%s\"", row->checkpoint, row->state);
    if (row->is_known)
        buf_printf(out,
                   ",\"started_ms\":%" PRId64 ",\"age_ms\":%" PRId64 ",\"duration_ms\":%" PRId64
                   ",\"bytes\":%" PRIu64 ",\"kind\":\"%s\",\"rows\":%" PRIu64,
                   m->started_ms, now_ms - m->started_ms, m->duration_ms, checkpoint_own_bytes(m),
                   checkpoint_is_full(m) ? "full" : "increment", checkpoint_rows(m));
    if (row->why[0]) {
        buf_append_str(out, ",\"why\":");
        buf_append_json_string(out, slice_of(row->why));
    }
    buf_append_char(out, '}');
}

static int list(const struct checkpoint_args *args, const struct checkpoint_place *place,
                struct err *err)
{
    struct env *env = place->store.env;
    int64_t now_ms = env->realtime_ms(env);
    struct buf json = {0};
    (void)err;
    if (!args->json)
        printf("%10s  %-10s %8s %10s %12s  %-9s %12s\n", "checkpoint", "state", "age", "took",
               "bytes", "kind", "rows");
    for (int i = 0; i < place->count; i++) {
        struct pool pool = {0};
        struct row row;
        look(&place->store, &place->entries[i], &pool, &row);
        if (args->json) {
            buf_append_str(&json, i ? "," : "");
            append_json(&row, now_ms, &json);
        } else {
            print_text(&row, now_ms);
            if (row.why[0])
                fprintf(stderr, "weir: checkpoint %" PRIu64 ": %s\n", row.checkpoint, row.why);
        }
        pool_fini(&pool);
    }
    if (args->json)
        printf("{\"checkpoints\":[%s]}\n", buf_str(&json));
    buf_fini(&json);
    return COMMAND_OK;
}

const struct checkpoint_verb checkpoint_list = {.name = "list", .takes_json = true, .run = list};
