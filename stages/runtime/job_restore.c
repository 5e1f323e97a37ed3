// job_restore.c: see job_restore.h. Runs before any task, in the supervisor's process, which owns
// every arena then. What a crash leaves: half-filled segments of a job that never started; the next
// run makes them anew.
#include "stages/runtime/job_restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/snapshot/restore.h"
#include "shm/ring.h"
#include "stages/runtime/job_arena.h"
#include "stages/runtime/task_state.h"

// Frames are whole words; positions grow for centuries before they come near.
#define RING_POSITION_MAX (UINT64_C(1) << 62)
enum { FRAME_ALIGNMENT = 8 };

// --- does it fit ---

struct line {
    const char *text;
    int len, number;
};

static bool next_line(const char **text, struct line *line)
{
    if (!**text)
        return false;
    line->text = *text;
    line->len = (int)strcspn(*text, "\n");
    line->number++;
    *text += line->len + ((*text)[line->len] == '\n');
    return true;
}

int job_restore_difference(const char *old, const char *new, struct err *err)
{
    struct line a = {.len = 0}, b = {.len = 0};
    bool has_a, has_b;
    do {
        has_a = next_line(&old, &a);
        has_b = next_line(&new, &b);
    } while (has_a && has_b && a.len == b.len && memcmp(a.text, b.text, (size_t)a.len) == 0);
    if (!has_a && !has_b)
        return err_append(err, -ESTALE, "the script is the same: another weir made its plan");
    return err_append(err, -ESTALE, "line %d\n  was: %.*s\n  is:  %.*s",
                      has_a ? a.number : b.number, has_a ? a.len : 0, has_a ? a.text : "",
                      has_b ? b.len : 0, has_b ? b.text : "");
}

int job_restore_check(const struct plan *plan, const struct job_options *options,
                      const struct manifest *manifest, struct err *err)
{
    if (manifest->fingerprint == plan->fingerprint && manifest->task_count == plan->task_count)
        return 0;
    err_set(err, -ESTALE,
            "checkpoint %" PRIu64 " was made by another plan, its state does not fit this one; run "
            "with --fresh to begin anew (the checkpoints are removed then), or with "
            "--allow-new-state to keep what fits, or undo the change:",
            manifest->checkpoint);
    if (manifest->cores != options->cores)
        return err_append(err, -ESTALE,
                          "it was made for %d cores, this run has %d: set placement.cores to %d",
                          manifest->cores, options->cores, manifest->cores);
    char *sql = strndup(options->sql.ptr, options->sql.len);
    CHECK(sql);
    int rc = job_restore_difference(manifest->sql, sql, err);
    free(sql);
    return rc;
}

// --- arenas ---

// Where a task's channels stood: its inputs, then its outputs, as the plan has them.
struct ends {
    struct channel_state *states; // owned
    uint64_t input_count;
};

struct restoring {
    const struct job_restoring *what;
    const struct jobdir *dir; // of `what`, as the next ones are
    const struct plan *plan;
    const struct store *store;
    const struct manifest *manifest;
    struct ends *ends; // of each task
};

static bool concerns(const struct restoring *r, int task)
{
    return !r->what->tasks || r->what->tasks[task];
}

static int read_files(const struct restoring *r, int task, struct job_arena *arena, struct err *err)
{
    const struct manifest_task *from = &r->manifest->tasks[task];
    struct snapshot_file *files = calloc((size_t)from->file_count, sizeof *files);
    char(*paths)[STORE_PATH_BYTES] = calloc((size_t)from->file_count, sizeof *paths);
    CHECK(files && paths);
    for (int i = 0; i < from->file_count; i++) {
        store_path(r->store, from->files[i].path, paths[i]);
        files[i] = (struct snapshot_file){paths[i],
                                          {r->manifest->fingerprint, from->files[i].checkpoint,
                                           (uint32_t)task, from->files[i].attempt}};
    }
    const struct snapshot_chain chain = {files, from->file_count};
    int rc = snapshot_restore(r->store->env, &chain, arena->base, &arena->options, err);
    free(paths);
    free(files);
    return rc;
}

// The task's own state, as it was at the barrier. NULL: the arena is not one of this plan's tasks.
static const struct task_state *task_root(const struct arena *arena, uint64_t channels)
{
    const struct arena_root_slot *root = &arena->meta->roots[TASK_ROOT];
    if (!root->offset ||
        root->bytes != sizeof(struct task_state) + channels * sizeof(struct channel_state))
        return NULL;
    return arena_at(arena, root->offset);
}

static int start_ring(const struct jobdir *dir, const struct plan *plan, const char *name,
                      uint64_t position, struct err *err)
{
    int fd = job_ring_open(dir, name, err);
    if (fd < 0)
        return fd;
    int rc = ring_start_at(fd, plan->fingerprint, position, err);
    close(fd);
    return rc;
}

struct side { // a task's channels of one exchange
    const struct plan *plan;
    int exchange, subtask;
    bool is_input;
};

static int other_count(const struct side *side)
{
    const struct exchange *e = &side->plan->exchanges[side->exchange];
    return side->plan->stages[side->is_input ? e->from_stage : e->to_stage].parallelism;
}

static bool has_channel(const struct side *side, int other)
{
    return side->is_input ? job_has_channel(side->plan, side->exchange, other, side->subtask)
                          : job_has_channel(side->plan, side->exchange, side->subtask, other);
}

static uint64_t count_channels(const struct side *side)
{
    uint64_t count = 0;
    for (int i = 0; side->exchange >= 0 && i < other_count(side); i++)
        count += has_channel(side, i);
    return count;
}

// Checked by arena_open: what follows may believe its structure, but not what operators keep in it.
static int adopt(const struct restoring *r, int task, struct arena *arena, struct err *err)
{
    struct ends *ends = &r->ends[task];
    const struct plan *plan = r->plan;
    const struct manifest *manifest = r->manifest;
    int subtask;
    const struct stage *stage = plan_stage_of(plan, task, &subtask);
    const struct side inputs = {plan, stage->input_exchange, subtask, true};
    const struct side outputs = {plan, stage->output_exchange, subtask, false};
    uint64_t input_count = count_channels(&inputs), count = input_count + count_channels(&outputs);
    const struct task_state *state = task_root(arena, count);
    if (!state || state->barrier != manifest->checkpoint || state->barrier_epoch < 2 ||
        state->barrier_epoch > UINT8_MAX)
        return err_set(err, -EBADMSG, "the snapshot of task %d is not of checkpoint %" PRIu64, task,
                       manifest->checkpoint);
    // Restored blocks carry mark 1: everything marked from here on is behind the barrier.
    uint8_t epoch = (uint8_t)state->barrier_epoch;
    arena_set_epoch(arena, epoch);
    arena_set_snapshot_base(arena, manifest->checkpoint, epoch);
    *ends = (struct ends){calloc(count + 1, sizeof *ends->states), input_count};
    CHECK(ends->states);
    memcpy(ends->states, state + 1, count * sizeof *ends->states);
    return 0;
}

static int restore_task(const struct restoring *r, int task, struct err *err)
{
    struct job_arena mapped;
    struct arena *arena = NULL;
    int rc = job_arena_map(r->dir, r->plan, task, &mapped, err);
    if (rc == 0)
        rc = read_files(r, task, &mapped, err);
    if (rc == 0)
        rc = arena_open(mapped.base, mapped.bytes, &mapped.options, &arena, err);
    if (rc == 0)
        rc = adopt(r, task, arena, err);
    arena_close(arena);
    job_arena_unmap(&mapped);
    return rc;
}

// --- rings ---

// Which of a task's channels of the exchange leads to `other`?
static uint64_t channel_index(const struct side *side, int other)
{
    uint64_t index = 0;
    for (int i = 0; i < other; i++)
        index += has_channel(side, i);
    return index;
}

struct channel {
    int exchange, from, to; // subtasks
};

// Behind an aligned barrier a channel is empty: where its producer stood, there its consumer stood.
// Else rows would be lost or come twice, and no task would attach.
static int check_channel(const struct restoring *r, const struct channel *channel,
                         uint64_t *position, struct err *err)
{
    const struct plan *plan = r->plan;
    const struct exchange *e = &plan->exchanges[channel->exchange];
    const struct side output = {plan, channel->exchange, channel->from, false};
    const struct side input = {plan, channel->exchange, channel->to, true};
    int producer = plan->stages[e->from_stage].first_task + channel->from;
    int consumer = plan->stages[e->to_stage].first_task + channel->to;
    const struct ends *wrote = &r->ends[producer], *read = &r->ends[consumer];
    const struct channel_state *tail =
        &wrote->states[wrote->input_count + channel_index(&output, channel->to)];
    const struct channel_state *head = &read->states[channel_index(&input, channel->from)];
    *position = tail->position;
    if (tail->position > RING_POSITION_MAX || tail->position % FRAME_ALIGNMENT)
        return err_set(err, -EBADMSG,
                       "the snapshot of task %d has written %" PRIu64
                       " bytes to a channel, which no task can have",
                       producer, tail->position);
    if (tail->position == head->position && head->rows_left == 0)
        return 0;
    return err_set(err, -EBADMSG,
                   "the snapshots of tasks %d and %d are not of one cut: one has written %" PRIu64
                   " bytes to the channel between them, the other has read %" PRIu64 " of them%s",
                   producer, consumer, tail->position, head->position,
                   head->rows_left ? ", the last ones in part" : "");
}

static int start_exchange(const struct restoring *r, int exchange, struct err *err)
{
    const struct plan *plan = r->plan;
    const struct exchange *e = &plan->exchanges[exchange];
    const int froms = plan->stages[e->from_stage].parallelism;
    const int tos = plan->stages[e->to_stage].parallelism;
    int rc = 0;
    for (int i = 0; i < froms * tos && rc == 0; i++) {
        char name[64];
        uint64_t position;
        const struct channel channel = {exchange, i / tos, i % tos};
        if (!job_has_channel(plan, exchange, channel.from, channel.to) ||
            !concerns(r, plan->stages[e->from_stage].first_task + channel.from))
            continue;
        rc = check_channel(r, &channel, &position, err);
        job_ring_name(exchange, channel.from, channel.to, name);
        if (rc == 0)
            rc = start_ring(r->dir, plan, name, position, err);
    }
    return rc;
}

int job_restore_tasks(const struct job_restoring *what, struct err *err)
{
    const struct plan *plan = what->plan;
    const struct restoring restoring = {
        what,        what->dir,      plan,
        what->store, what->manifest, calloc((size_t)plan->task_count, sizeof(struct ends))};
    int rc = 0;
    CHECK(restoring.ends && what->manifest->task_count == plan->task_count);
    for (int task = 0; task < plan->task_count && rc == 0; task++)
        if (concerns(&restoring, task))
            rc = restore_task(&restoring, task, err);
    for (int i = 0; i < plan->exchange_count && rc == 0; i++)
        rc = start_exchange(&restoring, i, err);
    for (int task = 0; task < plan->task_count; task++)
        free(restoring.ends[task].states);
    free(restoring.ends);
    return rc;
}

int job_restore(const struct jobdir *dir, const struct plan *plan, const struct store *store,
                const struct manifest *manifest, struct err *err)
{
    const struct job_restoring all = {dir, plan, store, manifest, NULL};
    return job_restore_tasks(&all, err);
}
