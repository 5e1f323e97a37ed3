// savepoint_restore.c: a savepoint into the arenas of a new run.
//
// Runs in the supervisor's process before any task, which owns every arena then. Each record goes
// to the operator of the script that it names, in every stage that has it; the operator deals it
// out. Sinks come last, for they change files.
//
// After a change of the script an operator without a match begins empty: it is no target. State
// that nobody goes on with is passed over, but what a sink had written is finished all the same.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/snapshot/savepoint.h"
#include "stages/runtime/chain.h"
#include "stages/runtime/job_arena.h"
#include "stages/runtime/job_restore.h"
#include "stages/runtime/savepoint.h"
#include "stages/runtime/savepoint_internal.h"
#include "stages/runtime/task_state.h"

struct target { // an operator in one stage
    const struct savepoint_class *class;
    const struct op *op;
    int id;          // in the new plan; of a sink that is dropped, in the savepoint
    bool is_dropped; // the sink
    void *restoring;
    struct op_context *contexts; // one a subtask
};

struct clock {
    bool is_known; // a task that goes on has said it
    int64_t current_ms, flink_ms, emitted_ms, newest_ms;
};

struct counts {
    uint64_t value[6]; // as SAVEPOINT_COUNTS has them
};

struct dead {
    int task;
    uint64_t bytes;
};

struct restoring {
    const struct plan *plan;
    const struct job_options *options;
    const struct savepoint_from *from;
    struct job_arena *maps;
    struct arena **arenas; // one a task
    struct target *targets;
    int target_count;
    struct clock *clocks; // one an operator of the script
    struct counts *counts;
    int op_count;
    struct dead *dead;
    int dead_count;
    struct err *err;
};

// --- the manifest ---

bool savepoint_is_there(const char *dir)
{
    char path[STORE_PATH_BYTES];
    savepoint_path(dir, SAVEPOINT_MANIFEST, path);
    return access(path, F_OK) == 0;
}

int savepoint_read(struct env *env, const char *dir, struct pool *pool, struct manifest *out,
                   struct err *err)
{
    enum { MANIFEST_BYTES_MAX = 64 << 20 };
    char path[STORE_PATH_BYTES];
    struct buf text = {0};
    savepoint_path(dir, SAVEPOINT_MANIFEST, path);
    int fd = env->open(env, path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t n = fd < 0 ? fd : 1;
    while (n > 0 && text.len < MANIFEST_BYTES_MAX) {
        n = env->pread(env, fd, buf_reserve(&text, 65536), 65536, (off_t)text.len);
        text.len += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0)
        env->close(env, fd);
    int rc = n < 0 ? err_set(err, (int)n, "cannot read %s: %s", path, strerror((int)-n))
                   : manifest_read(buf_slice(&text), pool, out, err);
    buf_fini(&text);
    return rc < 0 && n >= 0 ? err_prefix(err, rc, "%s", path) : rc;
}

int savepoint_check(const struct plan *plan, const struct job_options *options,
                    const struct manifest *manifest, struct err *err)
{
    if (manifest->fingerprint == plan_logical_fingerprint(plan))
        return savepoint_can_carry(plan, err);
    err_set(err, -ESTALE,
            "the savepoint was made of another script, its state does not fit this one (another "
            "parallelism would do); undo the change, or go on with --allow-new-state, which keeps "
            "what fits and says what begins empty:");
    char *sql = strndup(options->sql.ptr, options->sql.len);
    CHECK(sql);
    int rc = job_restore_difference(manifest->sql, sql, err);
    free(sql);
    return rc;
}

// --- targets ---

static int open_arenas(struct restoring *r, const struct jobdir *dir)
{
    int rc = 0;
    for (int task = 0; task < r->plan->task_count && rc == 0; task++) {
        struct job_arena *map = &r->maps[task];
        rc = job_arena_map(dir, r->plan, task, map, r->err);
        if (rc == 0)
            rc = arena_open(map->base, map->bytes, &map->options, &r->arenas[task], r->err);
    }
    return rc;
}

static int add_target(struct restoring *r, const struct stage *stage, const struct op *op)
{
    const struct savepoint_class *class = savepoint_class_of(op);
    if (!class || !savepoint_match_feeds(r->from->match, plan_logical_op(r->plan, op)))
        return 0;
    struct target *target = &r->targets[r->target_count++];
    *target = (struct target){.class = class, .op = op, .id = plan_logical_op(r->plan, op)};
    target->contexts = calloc((size_t)stage->parallelism, sizeof *target->contexts);
    CHECK(target->contexts);
    for (int s = 0; s < stage->parallelism; s++)
        target->contexts[s] = (struct op_context){
            .env = env_system(),
            .arena = r->arenas[stage->first_task + s],
            .plan = r->plan,
            .op = op,
            .stage = stage,
            .subtask = s,
            .job_name = r->options->job_name,
        };
    return class->begin(target->contexts, stage->parallelism, &target->restoring, r->err);
}

// What it had written stays, cut to the savepoint. Without an arena: nobody goes on behind it.
static int add_dropped_sink(struct restoring *r, int number)
{
    const struct plan *plan = r->from->match->from;
    const struct op *op = plan_logical_at(plan, number);
    const struct savepoint_class *class = op->kind == OP_SINK ? savepoint_class_of(op) : NULL;
    if (!class || r->from->match->to[number] >= 0)
        return 0;
    struct target *target = &r->targets[r->target_count++];
    *target = (struct target){.class = class, .op = op, .id = number, .is_dropped = true};
    target->contexts = calloc(1, sizeof *target->contexts);
    CHECK(target->contexts);
    target->contexts[0] = (struct op_context){
        .env = env_system(), .plan = plan, .op = op, .job_name = r->options->job_name};
    return class->begin(target->contexts, 1, &target->restoring, r->err);
}

static int add_targets(struct restoring *r)
{
    const struct savepoint_match *match = r->from->match;
    int ops = match ? match->count : 0, rc = 0;
    for (int s = 0; s < r->plan->stage_count; s++)
        ops += r->plan->stages[s].op_count;
    r->op_count = ops;
    r->targets = calloc((size_t)ops + 1, sizeof *r->targets);
    r->clocks = calloc((size_t)ops + 1, sizeof *r->clocks);
    r->counts = calloc((size_t)ops + 1, sizeof *r->counts);
    CHECK(r->targets && r->clocks && r->counts);
    for (int s = 0; s < r->plan->stage_count; s++)
        for (int i = 0; i < r->plan->stages[s].op_count && rc == 0; i++)
            rc = add_target(r, &r->plan->stages[s], r->plan->stages[s].ops[i]);
    for (int i = 0; match && i < match->count && rc == 0; i++)
        rc = add_dropped_sink(r, i);
    return rc;
}

// --- records ---

static int64_t lesser(bool is_first, int64_t a, int64_t b)
{
    return is_first || b < a ? b : a;
}

// The least of the tasks that go on: no row that is still to come is later for it.
static void take_clock(struct restoring *r, struct savepoint_record *record)
{
    const int op = savepoint_match_op(r->from->match, record->op);
    if (op < 0 || !savepoint_match_clock(r->from->match, record->op))
        return;
    struct clock *clock = &r->clocks[op];
    const bool is_first = !clock->is_known;
    int64_t current = savepoint_take_int(record), flink = savepoint_take_int(record);
    int64_t emitted = savepoint_take_int(record), newest = savepoint_take_int(record);
    bool has_ended = savepoint_take_count(record) != 0;
    if (clock->newest_ms < newest || is_first)
        clock->newest_ms = newest;
    if (has_ended)
        return;
    clock->current_ms = lesser(is_first, clock->current_ms, current);
    clock->flink_ms = lesser(is_first, clock->flink_ms, flink);
    clock->emitted_ms = lesser(is_first, clock->emitted_ms, emitted);
    clock->is_known = true;
}

static void take_counts(struct restoring *r, struct savepoint_record *record)
{
    const int op = savepoint_match_op(r->from->match, record->op);
    for (int i = 0; i < 6 && op >= 0; i++)
        r->counts[op].value[i] += savepoint_take_count(record);
}

static void take_dead(struct restoring *r, struct savepoint_record *record)
{
    uint64_t task = savepoint_take_count(record);
    const struct dead dead = {(int)task, savepoint_take_count(record)};
    record->is_bad |= task > INT32_MAX;
    r->dead = realloc(r->dead, (size_t)(r->dead_count + 1) * sizeof dead);
    CHECK(r->dead);
    r->dead[r->dead_count++] = dead;
}

static int give(struct restoring *r, const struct savepoint_record *record)
{
    const int op = savepoint_match_op(r->from->match, record->op);
    bool is_given = op < 0 && record->op < r->from->match->count;
    int rc = 0;
    for (int i = 0; i < r->target_count && rc == 0; i++) {
        struct savepoint_record copy = *record;
        const struct target *target = &r->targets[i];
        if (target->is_dropped ? op >= 0 || target->id != record->op : target->id != op)
            continue;
        is_given = true;
        rc = target->class->take(target->restoring, &copy, r->err);
    }
    if (is_given)
        return rc;
    return err_set(r->err, -EBADMSG, "the savepoint has state of operator %d, which keeps none",
                   record->op);
}

static int take(struct restoring *r, struct savepoint_record *record)
{
    if (record->op >= r->op_count)
        record->is_bad = true;
    else if (record->kind == SAVEPOINT_CLOCK)
        take_clock(r, record);
    else if (record->kind == SAVEPOINT_COUNTS)
        take_counts(r, record);
    else if (record->kind == SAVEPOINT_DEAD)
        take_dead(r, record);
    else
        return give(r, record);
    return record->is_bad
               ? err_set(r->err, -EBADMSG, "the savepoint has a record of kind %d that is none",
                         (int)record->kind)
               : 0;
}

static int take_all(struct restoring *r, const char *from, const struct manifest *manifest)
{
    char path[STORE_PATH_BYTES];
    struct savepoint_reader reader;
    struct savepoint_record record;
    savepoint_path(from, SAVEPOINT_STATE, path);
    int rc = savepoint_open(env_system(), path, savepoint_id(manifest), &reader, r->err);
    if (rc < 0)
        return rc;
    while ((rc = savepoint_next(&reader, &record, r->err)) == 1) {
        rc = take(r, &record);
        if (rc < 0)
            break;
    }
    savepoint_close(&reader);
    return rc;
}

// --- what tasks keep themselves ---

static uint64_t channel_count(const struct plan *plan, const struct stage *stage, int subtask)
{
    uint64_t count = 0;
    if (stage->input_exchange >= 0) {
        const struct exchange *e = &plan->exchanges[stage->input_exchange];
        for (int i = 0; i < plan->stages[e->from_stage].parallelism; i++)
            count += job_has_channel(plan, stage->input_exchange, i, subtask);
    }
    if (stage->output_exchange >= 0) {
        const struct exchange *e = &plan->exchanges[stage->output_exchange];
        for (int i = 0; i < plan->stages[e->to_stage].parallelism; i++)
            count += job_has_channel(plan, stage->output_exchange, subtask, i);
    }
    return count;
}

// What the operators of the stage have counted goes on in its first task; a window's in its last
// stage.
static void add_counts(const struct restoring *r, const struct stage *stage,
                       struct task_state *state)
{
    for (int i = 0; i < stage->op_count; i++) {
        const struct op *op = stage->ops[i];
        if (op->kind == OP_WINDOW && op->window.phase == WINDOW_PARTIAL)
            continue;
        const uint64_t *value = r->counts[plan_logical_op(r->plan, op)].value;
        state->rows_in += value[0];
        state->rows_out += value[1];
        state->bad_rows += value[2];
        state->late_rows += value[3];
        state->bytes_in += value[4];
        state->bytes_out += value[5];
    }
}

// Dead letters go behind what the file will hold when it is cut.
static uint64_t dead_letters_at(const struct restoring *r, int task)
{
    char path[STORE_PATH_BYTES];
    struct stat st;
    snprintf(path, sizeof path, "%s/dead-%d.jsonl", r->options->dead_letter_dir, task);
    uint64_t bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    for (int i = 0; i < r->dead_count; i++)
        if (r->dead[i].task == task && r->dead[i].bytes < bytes)
            bytes = r->dead[i].bytes;
    return bytes;
}

static int set_task_state(const struct restoring *r, int task)
{
    int subtask;
    const struct stage *stage = plan_stage_of(r->plan, task, &subtask);
    const uint64_t count = channel_count(r->plan, stage, subtask);
    struct arena *arena = r->arenas[task];
    uint64_t at, dead_at, bytes = sizeof(struct task_state) + count * sizeof(struct channel_state);
    int rc = arena_root(arena, TASK_ROOT, bytes, &at);
    if (rc == 0)
        rc = arena_root(arena, DEAD_LETTER_ROOT, 8, &dead_at);
    if (rc < 0)
        return err_set(r->err, rc, "no room in the task's memory; set memory.state higher");
    struct task_state *state = arena_touch(arena, at, bytes);
    struct channel_state *channels = (struct channel_state *)(state + 1);
    const struct clock *clock = &r->clocks[plan_logical_op(r->plan, stage->ops[0])];
    *state = (struct task_state){.current_ms = INT64_MIN,
                                 .flink_ms = INT64_MIN,
                                 .emitted_ms = INT64_MIN,
                                 .newest_ms = INT64_MIN,
                                 .is_known = 1};
    if (stage->ops[0]->kind == OP_SOURCE && clock->is_known) {
        state->current_ms = clock->current_ms;
        state->flink_ms = clock->flink_ms;
        state->emitted_ms = clock->emitted_ms;
        state->newest_ms = clock->newest_ms;
    }
    if (subtask == 0)
        add_counts(r, stage, state);
    for (uint64_t i = 0; i < count; i++)
        channels[i].watermark_ms = INT64_MIN;
    arena_store8(arena, dead_at, dead_letters_at(r, task));
    arena_commit(arena);
    return 0;
}

// Dead letters of behind the savepoint will be written again.
static int cut_dead_letters(const struct restoring *r)
{
    char path[STORE_PATH_BYTES];
    struct stat st;
    for (int i = 0; i < r->dead_count; i++) {
        snprintf(path, sizeof path, "%s/dead-%d.jsonl", r->options->dead_letter_dir,
                 r->dead[i].task);
        if (stat(path, &st) == 0 && (uint64_t)st.st_size > r->dead[i].bytes &&
            truncate(path, (off_t)r->dead[i].bytes) < 0)
            return err_set(r->err, -errno, "cannot cut %s: %s", path, strerror(errno));
    }
    return 0;
}

// --- all ---

static int end_targets(struct restoring *r, bool sinks)
{
    int rc = 0;
    for (int i = 0; i < r->target_count && rc == 0; i++)
        if ((r->targets[i].op->kind == OP_SINK) == sinks)
            rc = r->targets[i].class->end(r->targets[i].restoring, r->err);
    return rc;
}

static int finish(struct restoring *r)
{
    int rc = end_targets(r, false);
    if (rc == 0 && r->from->before_files)
        rc = r->from->before_files(r->from->context, r->err);
    if (rc == 0)
        rc = cut_dead_letters(r);
    for (int task = 0; task < r->plan->task_count && rc == 0; task++)
        rc = set_task_state(r, task); // behind the dead letters that are left
    return rc == 0 ? end_targets(r, true) : rc;
}

static void restoring_free(struct restoring *r)
{
    for (int i = 0; i < r->target_count; i++) {
        if (r->targets[i].restoring)
            r->targets[i].class->free(r->targets[i].restoring);
        free(r->targets[i].contexts);
    }
    for (int task = 0; task < r->plan->task_count; task++) {
        arena_close(r->arenas[task]);
        job_arena_unmap(&r->maps[task]);
    }
    free(r->targets);
    free(r->clocks);
    free(r->counts);
    free(r->dead);
    free(r->arenas);
    free(r->maps);
}

int savepoint_restore(const struct jobdir *dir, const struct plan *plan,
                      const struct job_options *options, const struct savepoint_from *from,
                      struct err *err)
{
    const size_t tasks = (size_t)plan->task_count;
    struct restoring r = {.plan = plan, .options = options, .from = from, .err = err};
    struct pool pool = {0};
    struct manifest manifest;
    r.maps = calloc(tasks, sizeof *r.maps);
    r.arenas = calloc(tasks, sizeof(struct arena *));
    CHECK(r.maps && r.arenas);
    for (size_t i = 0; i < tasks; i++)
        r.maps[i].segment.fd = -1;
    int rc = savepoint_read(env_system(), from->dir, &pool, &manifest, err);
    if (rc == 0)
        rc = from->match ? savepoint_can_carry(plan, err)
                         : savepoint_check(plan, options, &manifest, err);
    if (rc == 0)
        rc = open_arenas(&r, dir);
    if (rc == 0)
        rc = add_targets(&r);
    if (rc == 0)
        rc = take_all(&r, from->dir, &manifest);
    if (rc == 0)
        rc = finish(&r);
    restoring_free(&r);
    pool_fini(&pool);
    return rc;
}
