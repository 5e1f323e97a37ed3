// checkpoint_diff.c: `weir checkpoint diff N M`: what has changed from one checkpoint to another.
//
// Where M's chain goes on from N's, blocks are counted by the headers of the files that M has and N
// has not: what changed at least once in between. A full snapshot has all blocks in use, so its
// headers say nothing about change: when one lies between the two (or they have gone different
// ways), both states are restored, a task at a time, and compared block by block.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/snapshot/restore.h"
#include "shm/budget.h"
#include "tools/checkpoint.h"

struct changed {
    uint8_t *blocks; // a bit each
    uint64_t block_count;
    uint64_t count, file_bytes, undo_bytes;
    int files;
    bool is_compared; // the states were; else the headers were read
    uint64_t gone;    // compared: blocks in use before and not after; new ones are in `count`
};

static void note_block(const struct snapshot_block *block, void *context)
{
    struct changed *c = context;
    if (block->number >= c->block_count)
        return;
    uint8_t bit = (uint8_t)(1u << block->number % 8);
    c->count += !(c->blocks[block->number / 8] & bit);
    c->blocks[block->number / 8] |= bit;
}

// Arenas do not change their size, so the first file's says how many blocks there may be.
static int read_file(const struct store *store, const struct snapshot_file *file,
                     struct changed *out, struct err *err)
{
    const struct snapshot_visit visit = {note_block, out};
    struct snapshot_head head;
    int rc = snapshot_read_head(store->env, file, &head, err);
    if (rc < 0)
        return rc;
    if (!out->blocks) {
        out->block_count = head.total_bytes / SNAPSHOT_PAGE_BYTES;
        out->blocks = calloc(out->block_count / 8 + 1, 1);
        CHECK(out->blocks);
    }
    out->files++;
    return snapshot_blocks(store->env, file, &visit, err);
}

// Does the chain of `to` begin with the whole chain of `from`?
static bool goes_on(const struct manifest_task *from, const struct manifest_task *to)
{
    if (to->file_count < from->file_count)
        return false;
    for (int f = 0; f < from->file_count; f++)
        if (strcmp(from->files[f].path, to->files[f].path) != 0)
            return false;
    return true;
}

struct pair {
    const struct store *store;
    const struct manifest *from, *to;
};

// A bit for each block of the arena that is in use.
static uint8_t *blocks_in_use(const struct checkpoint_copy *copy)
{
    const struct arena_header *h = copy->base;
    const uint8_t *runs = (const uint8_t *)copy->base + h->data_offset;
    const uint64_t end = copy->arena->meta->top >> ARENA_PAGE_SHIFT;
    uint8_t *used = calloc((copy->bytes >> ARENA_PAGE_SHIFT) / 8 + 1, 1);
    CHECK(used);
    for (uint64_t block = h->data_offset >> ARENA_PAGE_SHIFT; block < end;) {
        if (!runs[block])
            used[block / 8] |= (uint8_t)(1u << block % 8);
        block += runs[block] ? UINT64_C(1) << (runs[block] - 1) : 1;
    }
    return used;
}

static void compare_copies(const struct checkpoint_copy *from, const struct checkpoint_copy *to,
                           struct changed *out)
{
    uint8_t *before = blocks_in_use(from), *after = blocks_in_use(to);
    for (uint64_t block = 0; block < to->bytes >> ARENA_PAGE_SHIFT; block++) {
        const size_t at = block << ARENA_PAGE_SHIFT;
        bool was = before[block / 8] >> block % 8 & 1, is = after[block / 8] >> block % 8 & 1;
        bool is_other = is && (!was || memcmp((const char *)from->base + at,
                                              (const char *)to->base + at, ARENA_PAGE_BYTES) != 0);
        out->count += is_other;
        out->gone += was && !is;
    }
    free(before);
    free(after);
}

static int compare_states(const struct pair *pair, int task, struct changed *out, struct err *err)
{
    struct checkpoint_copy from, to;
    out->is_compared = true;
    int rc = checkpoint_load(pair->store, pair->from, task, &from, err);
    if (rc < 0)
        return rc;
    rc = checkpoint_load(pair->store, pair->to, task, &to, err);
    if (rc == 0 && from.bytes != to.bytes)
        rc = err_set(err, -EINVAL,
                     "task %d has %" PRIu64 " bytes of memory in one, %" PRIu64
                     " in the other: they cannot be compared",
                     task, from.bytes, to.bytes);
    if (rc == 0)
        compare_copies(&from, &to, out);
    checkpoint_unload(&to);
    checkpoint_unload(&from);
    return rc;
}

static int read_changes(const struct pair *pair, int task, struct changed *out, struct err *err)
{
    const struct manifest_task *from = &pair->from->tasks[task], *to = &pair->to->tasks[task];
    if (!goes_on(from, to))
        return compare_states(pair, task, out, err);
    struct snapshot_file *files = checkpoint_files(pair->store, pair->to, task);
    int rc = 0;
    for (int f = from->file_count; f < to->file_count && rc == 0; f++)
        rc = read_file(pair->store, &files[f], out, err);
    free(files);
    return rc;
}

static void print_delta(const char *name, uint64_t from, uint64_t to)
{
    if (from != to)
        printf("  %s: %" PRIu64 " -> %" PRIu64 " (%+lld)\n", name, from, to,
               (long long)(to - from));
}

static void print_watermark(int64_t ms)
{
    if (ms == INT64_MIN)
        printf("none");
    else
        printf("%lld ms", (long long)ms);
}

static void print_task(const struct manifest_task *from, const struct manifest_task *to,
                       const struct changed *changed)
{
    char bytes[32];
    if (changed->is_compared)
        printf("  blocks: %" PRIu64 " differ (%s), %" PRIu64 " no longer in use; both states were "
               "compared, for a full snapshot lies between them\n",
               changed->count, budget_format_bytes(changed->count * SNAPSHOT_PAGE_BYTES, bytes),
               changed->gone);
    else
        printf("  blocks: %" PRIu64 " changed (%s), in %d increment%s\n", changed->count,
               budget_format_bytes(changed->count * SNAPSHOT_PAGE_BYTES, bytes), changed->files,
               changed->files == 1 ? "" : "s");
    print_delta("rows in", from->rows_in, to->rows_in);
    print_delta("rows out", from->rows_out, to->rows_out);
    if (from->watermark_ms != to->watermark_ms) {
        printf("  watermark: ");
        print_watermark(from->watermark_ms);
        printf(" -> ");
        print_watermark(to->watermark_ms);
        printf("\n");
    }
    if (strcmp(from->positions, to->positions) != 0)
        printf("  positions: %s\n         ->  %s\n", from->positions, to->positions);
}

static void print_text_change(const char *name, const char *from, const char *to)
{
    if (strcmp(from, to) != 0)
        printf("%s: %s -> %s\n", name, from, to);
}

static int compare(const struct pair *pair, struct err *err)
{
    const struct manifest *from = pair->from, *to = pair->to;
    int rc = 0;
    if (from->fingerprint != to->fingerprint || from->task_count != to->task_count) {
        printf("plan: %016" PRIx64 " -> %016" PRIx64 ": nothing below can be compared\n",
               from->fingerprint, to->fingerprint);
        return 0;
    }
    print_text_change("version", from->version, to->version);
    print_text_change("command", from->command, to->command);
    for (int t = 0; t < to->task_count && rc == 0; t++) {
        struct changed changed = {.blocks = NULL};
        rc = read_changes(pair, t, &changed, err);
        if (rc == 0) {
            printf("task %d, %s\n", t, to->tasks[t].name);
            print_task(&from->tasks[t], &to->tasks[t], &changed);
        }
        free(changed.blocks);
    }
    return rc;
}

static int diff(const struct checkpoint_args *args, const struct checkpoint_place *place,
                struct err *err)
{
    struct pool pool = {0};
    struct manifest from, to;
    uint64_t older = args->numbers[0], newer = args->numbers[1];
    if (older > newer) {
        older = args->numbers[1];
        newer = args->numbers[0];
    }
    int rc = store_read(&place->store, older, &pool, &from, err);
    if (rc == 0)
        rc = store_read(&place->store, newer, &pool, &to, err);
    if (rc == 0) {
        printf("from checkpoint %" PRIu64 " to %" PRIu64 ", %.1f s later\n", older, newer,
               (double)(to.started_ms - from.started_ms) / 1000);
        const struct pair pair = {&place->store, &from, &to};
        rc = compare(&pair, err);
    }
    pool_fini(&pool);
    return rc == 0 ? COMMAND_OK : rc == -EBADMSG ? COMMAND_FAILED : COMMAND_UNAVAILABLE;
}

const struct checkpoint_verb checkpoint_diff = {
    .name = "diff", .least_numbers = 2, .most_numbers = 2, .run = diff};
