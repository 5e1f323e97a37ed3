// coordinator.c: see coordinator.h.
//
// What a crash of the supervisor leaves: a checkpoint without a manifest, which is none. The
// numbers of checkpoints only grow, over runs too, so no file is ever written twice: the folder of
// the newest one stays, whatever became of it.
#include "stages/supervisor/coordinator.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

#define MS_NS INT64_C(1000000)

enum {
    LOOK_MS = 3,   // while a checkpoint is under way
    CHAIN_MAX = 8, // files that a restore must read: then a full one
};

struct chain {
    struct manifest_file files[CHAIN_MAX];
    char paths[CHAIN_MAX][64];
    uint64_t bytes[CHAIN_MAX];
    int count;
};

struct coordinator {
    struct coordinator_options options;
    struct control *control;
    int task_count;
    struct chain *chains; // of the newest complete checkpoint, one a task
    struct chain *next;   // of the one under way
    struct control_snapshot *reports;
    uint64_t wanted;         // under way; 0: none
    uint64_t last, complete; // highest number used; newest complete
    uint64_t given_up;       // its folder keeps its number used; 0: none
    int64_t begun_ns, begun_ms, due_ns, not_before_ns;
    bool is_held, is_paused, needs_full;
    int failures; // in a row
};

// --- chains ---

static void chain_put(struct chain *chain, uint64_t checkpoint, uint32_t attempt, const char *path,
                      uint64_t bytes)
{
    CHECK(chain->count < CHAIN_MAX);
    int at = chain->count++;
    CHECK(strlen(path) < sizeof chain->paths[at]);
    memcpy(chain->paths[at], path, strlen(path) + 1);
    chain->files[at] = (struct manifest_file){checkpoint, attempt, chain->paths[at]};
    chain->bytes[at] = bytes;
}

static void chain_copy(struct chain *to, const struct chain *from, int count)
{
    to->count = 0;
    for (int i = 0; i < count; i++)
        chain_put(to, from->files[i].checkpoint, from->files[i].attempt, from->paths[i],
                  from->bytes[i]);
}

// The files behind the snapshot that a task reports. -ESTALE: it builds on one that is gone.
static int chain_extend(struct chain *to, const struct chain *from, int task,
                        const struct control_snapshot *report)
{
    char path[STORE_PATH_BYTES];
    int kept = 0;
    for (int i = 0; report->base && i < from->count; i++)
        if (from->files[i].checkpoint == report->base)
            kept = i + 1;
    if ((report->base && kept == 0) || kept == CHAIN_MAX)
        return -ESTALE;
    chain_copy(to, from, kept);
    store_snapshot_name(report->checkpoint, task, (uint32_t)report->attempt, path);
    chain_put(to, report->checkpoint, (uint32_t)report->attempt, path, report->file_bytes);
    return 0;
}

// A long chain makes a restore slow; so do increments that are larger than the whole.
static bool chain_is_long(const struct chain *chain)
{
    uint64_t increments = 0;
    for (int i = 1; i < chain->count; i++)
        increments += chain->bytes[i];
    return chain->count == CHAIN_MAX || (chain->count > 1 && increments > chain->bytes[0]);
}

static bool any_is_long(const struct coordinator *c)
{
    for (int i = 0; i < c->task_count; i++)
        if (chain_is_long(&c->chains[i]))
            return true;
    return false;
}

// --- begin, give up, complete ---

static void tell(const struct coordinator *c, const struct coordinator_event *event)
{
    if (c->options.on_event)
        c->options.on_event(event, c->options.context);
}

static void fail(struct coordinator *c, const char *why, int64_t now_ns)
{
    const struct coordinator_event event = {.kind = COORDINATOR_FAILED,
                                            .checkpoint = c->wanted,
                                            .duration_ms = (now_ns - c->begun_ns) / MS_NS,
                                            .text = why};
    c->wanted = 0;
    c->failures++;
    tell(c, &event);
}

static void give_up(struct coordinator *c, const char *why, int64_t now_ns)
{
    // What was written of it takes room that the next one may need. A task that is late may still
    // put a file there: then it goes when the next checkpoint has begun, or is complete.
    store_give_up(c->options.store, c->wanted, NULL);
    c->given_up = c->wanted;
    fail(c, why, now_ns);
}

// When the next one is due: one interval after the begin of this one, and the pause after its end.
static void set_due(struct coordinator *c, int64_t now_ns)
{
    int64_t by_interval = c->begun_ns + c->options.interval_ms * MS_NS;
    int64_t by_pause = now_ns + c->options.min_pause_ms * MS_NS;
    c->due_ns = by_interval > by_pause ? by_interval : by_pause;
}

static void begin(struct coordinator *c, int64_t now_ns)
{
    struct err err;
    c->begun_ns = now_ns;
    c->begun_ms = c->options.store->env->realtime_ms(c->options.store->env);
    c->wanted = ++c->last;
    c->due_ns = INT64_MAX;
    if (store_begin(c->options.store, c->wanted, &err) < 0) {
        store_remove(c->options.store, c->wanted, NULL); // no task has heard of it
        fail(c, err.text, now_ns);
        set_due(c, now_ns);
        return;
    }
    if (c->given_up) // the new folder says now which numbers are used
        store_remove(c->options.store, c->given_up, NULL);
    c->given_up = 0;
    control_want_checkpoint(c->control, c->wanted, c->needs_full || any_is_long(c));
    c->needs_full = false;
}

// Where the task stood: what it reports, or has left in a file because it is long.
static char *take_positions(const struct coordinator *c, int task)
{
    const struct control_snapshot *report = &c->reports[task];
    const struct store_part part = {c->wanted, task, (uint32_t)report->attempt};
    struct buf text = {0};
    struct err err;
    if (report->text[0]) {
        buf_append_str(&text, report->text);
    } else if (store_take_positions(c->options.store, &part, &text, &err) < 0) {
        const struct coordinator_event event = {
            .kind = COORDINATOR_TROUBLE, .checkpoint = c->wanted, .text = err.text};
        tell(c, &event);
    }
    char *positions = strdup(buf_str(&text));
    CHECK(positions);
    buf_fini(&text);
    return positions;
}

static void fill_task(const struct coordinator *c, int task, struct manifest_task *out)
{
    struct control_view view;
    const struct control_snapshot *report = &c->reports[task];
    control_view(c->control, task, &view);
    *out = (struct manifest_task){
        .name = strdup(view.name),
        .files = c->next[task].files,
        .file_count = c->next[task].count,
        .file_bytes = report->file_bytes,
        .blocks = report->blocks,
        .undo_bytes = report->undo_bytes,
        .align_ms = report->align_ns / MS_NS,
        .duration_ms = report->duration_ns / MS_NS,
        .rows_in = report->rows_in,
        .rows_out = report->rows_out,
        .watermark_ms = report->watermark_ms,
        .positions = take_positions(c, task),
    };
    CHECK(out->name);
}

static void become_complete(struct coordinator *c, const struct manifest *manifest)
{
    struct err err;
    struct coordinator_event event = {.kind = COORDINATOR_COMPLETE,
                                      .checkpoint = c->wanted,
                                      .duration_ms = manifest->duration_ms,
                                      .manifest = manifest};
    for (int i = 0; i < c->task_count; i++) {
        event.file_bytes += c->reports[i].file_bytes;
        chain_copy(&c->chains[i], &c->next[i], c->next[i].count);
    }
    c->complete = c->wanted;
    c->wanted = 0;
    c->failures = 0;
    control_announce_checkpoint(c->control, c->complete);
    tell(c, &event);
    if (store_retain(c->options.store, c->options.retain, &err) < 0) {
        event = (struct coordinator_event){
            .kind = COORDINATOR_TROUBLE, .checkpoint = c->complete, .text = err.text};
        tell(c, &event);
    }
}

static int commit(struct coordinator *c, int64_t now_ns)
{
    struct err err;
    struct manifest manifest = c->options.job;
    int rc = 0;
    for (int i = 0; i < c->task_count && rc == 0; i++)
        rc = chain_extend(&c->next[i], &c->chains[i], i, &c->reports[i]);
    if (rc < 0) {
        c->needs_full = true;
        give_up(c, "a task's increment builds on a checkpoint that is gone; the next one is full",
                now_ns);
        return rc;
    }
    manifest.checkpoint = c->wanted;
    manifest.started_ms = c->begun_ms;
    manifest.duration_ms = (now_ns - c->begun_ns) / MS_NS;
    manifest.task_count = c->task_count;
    manifest.tasks = calloc((size_t)c->task_count, sizeof *manifest.tasks);
    CHECK(manifest.tasks);
    for (int i = 0; i < c->task_count; i++)
        fill_task(c, i, &manifest.tasks[i]);
    rc = store_commit(c->options.store, &manifest, &err);
    if (rc == 0)
        become_complete(c, &manifest);
    else
        give_up(c, err.text, now_ns);
    for (int i = 0; i < c->task_count; i++) {
        free((char *)(uintptr_t)manifest.tasks[i].name);
        free((char *)(uintptr_t)manifest.tasks[i].positions);
    }
    free(manifest.tasks);
    return rc;
}

// --- the loop's part ---

// Have all tasks answered? A failed one ends it at once.
static void look(struct coordinator *c, int64_t now_ns)
{
    int done = 0;
    for (int i = 0; i < c->task_count; i++) {
        struct control_snapshot *report = &c->reports[i];
        control_read_snapshot(c->control, i, report);
        if (report->checkpoint != c->wanted)
            continue;
        if (report->status == CONTROL_SNAPSHOT_FAILED) {
            char why[CONTROL_SNAPSHOT_TEXT_BYTES + 64];
            snprintf(why, sizeof why, "task %d: %s", i, report->text);
            give_up(c, why, now_ns);
            set_due(c, now_ns);
            return;
        }
        done += report->status == CONTROL_SNAPSHOT_DONE;
    }
    if (done == c->task_count) {
        commit(c, now_ns);
        set_due(c, now_ns);
    } else if (now_ns - c->begun_ns > c->options.timeout_ms * MS_NS) {
        char why[96];
        snprintf(why, sizeof why,
                 "it took longer than checkpoint.timeout; %d of %d tasks were done", done,
                 c->task_count);
        give_up(c, why, now_ns);
        set_due(c, now_ns);
    }
}

int coordinator_tick(struct coordinator *c, int64_t now_ns, int64_t *again_ns, struct err *err)
{
    if (c->wanted)
        look(c, now_ns);
    int tolerable = c->options.tolerable_failures;
    if (tolerable >= 0 && c->failures > tolerable)
        return err_set(err, -ECANCELED, "%d checkpoints in a row have failed", c->failures);
    bool rests = c->is_held || c->is_paused;
    int64_t due_ns = c->due_ns > c->not_before_ns ? c->due_ns : c->not_before_ns;
    if (!c->wanted && !rests && now_ns >= due_ns)
        begin(c, now_ns);
    *again_ns = c->wanted ? now_ns + LOOK_MS * MS_NS : rests ? INT64_MAX : due_ns;
    return 0;
}

void coordinator_task_died(struct coordinator *c, int task, int64_t now_ns)
{
    char why[64];
    if (!c->wanted)
        return;
    snprintf(why, sizeof why, "task %d died meanwhile", task);
    give_up(c, why, now_ns);
    c->failures = 0; // the disk is not to blame
    set_due(c, now_ns);
}

// The one under way, if there is one. The disk is not to blame.
static void drop(struct coordinator *c, const char *why, int64_t now_ns)
{
    if (!c->wanted)
        return;
    give_up(c, why, now_ns);
    c->failures = 0;
}

void coordinator_pause(struct coordinator *c, int64_t now_ns)
{
    c->is_paused = true;
    drop(c, "the memory of a task was lost meanwhile", now_ns);
    if (c->due_ns == INT64_MAX)
        set_due(c, now_ns);
}

void coordinator_went_back(struct coordinator *c, uint64_t checkpoint)
{
    if (checkpoint >= c->complete)
        return;
    // A task that has gone back behind a complete checkpoint must not take its number for one that
    // it is still asked for. So there is a newer one, without a folder, which comes to nothing.
    if (control_wanted_checkpoint(c->control) <= c->complete)
        control_want_checkpoint(c->control, ++c->last, true);
    for (int i = 0; i < c->task_count; i++)
        c->chains[i].count = 0;
    c->complete = checkpoint;
    c->needs_full = true;
}

void coordinator_resume(struct coordinator *c)
{
    c->is_paused = false;
}

void coordinator_hold(struct coordinator *c, int64_t now_ns)
{
    c->is_held = true;
    drop(c, "the job ends", now_ns);
}

void coordinator_put_off(struct coordinator *c, int64_t until_ns)
{
    c->not_before_ns = until_ns;
}

void coordinator_ask(struct coordinator *c, int64_t now_ns)
{
    if (!c->wanted)
        c->due_ns = now_ns;
}

void coordinator_begin_last(struct coordinator *c, int64_t now_ns)
{
    begin(c, now_ns);
}

int coordinator_failures(const struct coordinator *c)
{
    return c->failures;
}

bool coordinator_is_idle(const struct coordinator *c)
{
    return c->wanted == 0;
}

uint64_t coordinator_complete(const struct coordinator *c)
{
    return c->complete;
}

// --- life ---

// A chain that this program would not have made so is begun anew.
static bool chain_fits(const struct manifest_task *task)
{
    bool fits = task->file_count < CHAIN_MAX;
    for (int f = 0; f < task->file_count; f++)
        fits = fits && strlen(task->files[f].path) < sizeof((struct chain *)0)->paths[0];
    return fits;
}

static void take_chains(struct coordinator *c, const struct manifest *restored)
{
    CHECK(restored->task_count == c->task_count);
    for (int i = 0; i < c->task_count; i++) {
        const struct manifest_task *task = &restored->tasks[i];
        c->needs_full |= !chain_fits(task);
        for (int f = 0; f < task->file_count && chain_fits(task); f++)
            chain_put(&c->chains[i], task->files[f].checkpoint, task->files[f].attempt,
                      task->files[f].path, f + 1 == task->file_count ? task->file_bytes : 0);
    }
    c->complete = restored->checkpoint;
    if (c->complete > control_complete_checkpoint(c->control))
        control_announce_checkpoint(c->control, c->complete);
}

// The tasks may go on from memory: their barriers have seen what an earlier supervisor asked for,
// and increments build on what it called complete.
static void take_numbers(struct coordinator *c, int64_t now_ns)
{
    uint64_t wanted = control_wanted_checkpoint(c->control);
    c->last = wanted > c->last ? wanted : c->last;
    c->needs_full |= c->complete < control_complete_checkpoint(c->control);
    if (wanted <= c->complete || wanted <= control_complete_checkpoint(c->control))
        return;
    c->wanted = wanted;
    c->begun_ns = now_ns;
    give_up(c, "the supervisor that had asked for it is gone", now_ns);
    c->failures = 0;
}

int coordinator_create(const struct coordinator_options *options, struct control *control,
                       int64_t now_ns, struct coordinator **out, struct err *err)
{
    struct store_entry *entries;
    int count, rc = store_list(options->store, &entries, &count, err);
    if (rc < 0)
        return rc;
    struct coordinator *c = calloc(1, sizeof *c);
    CHECK(c);
    c->options = *options;
    c->control = control;
    c->task_count = control_task_count(control);
    c->last = count ? entries[count - 1].checkpoint : 0;
    c->due_ns = now_ns + options->interval_ms * MS_NS;
    size_t tasks = (size_t)c->task_count;
    c->chains = calloc(tasks, sizeof *c->chains);
    c->next = calloc(tasks, sizeof *c->next);
    c->reports = calloc(tasks, sizeof *c->reports);
    CHECK(c->chains && c->next && c->reports);
    if (options->restored)
        take_chains(c, options->restored);
    take_numbers(c, now_ns);
    free(entries);
    *out = c;
    return 0;
}

void coordinator_free(struct coordinator *c)
{
    if (!c)
        return;
    free(c->chains);
    free(c->next);
    free(c->reports);
    free(c);
}
