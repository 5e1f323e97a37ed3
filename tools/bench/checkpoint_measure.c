// checkpoint_measure.c: see checkpoint_measure.h.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/snapshot/restore.h"
#include "core/state/table.h"
#include "tools/bench/checkpoint_measure.h"
#include "tools/bench/plain_writer.h"
#include "stages/checkpoint/copier.h"

enum {
    BATCH_ROWS_HERE = CHECKPOINT_BATCH_ROWS,
    VALUE_BYTES = 48,
    RECORD_BYTES = 84, // what a record, its place in the order and its hash slot come to
    TOUCH_BYTES = 16,  // changed by a row
    FILES_MAX = 256,
    RAW_BYTES = 1 << 20, // of one plain write or read
    SIDE_COUNT = CHECKPOINT_SIDES,
    NONE = 0,
    PLAIN = 1,
    FIRST_ENGINE = 2,
    ROUNDS_MAX = CHECKPOINT_ROUNDS_MAX,
};

#define SECOND_NS INT64_C(1000000000)

struct world {
    uint8_t *base;
    uint64_t bytes;
    struct arena *arena;
    uint64_t head; // of the table
    uint64_t count, rng;
    uint64_t first, span; // keys that are updated
    uint64_t keys[BATCH_ROWS_HERE];
};

// What a call cost the task at worst.
struct worst {
    int64_t begin, poll;
};

struct side {
    const char *name;
    struct copier *copier;      // NULL: no checkpoints
    struct plain_writer *plain; // NULL but of PLAIN: as many bytes are written, by nobody of weir
    int64_t *delays;            // of the batches of all turns
    uint64_t batches, room, checkpoints, given_up, undo_bytes, file_bytes;
    double best_rate;                 // batches a second
    double rates[ROUNDS_MAX];         // of each turn
    int64_t worst_delays[ROUNDS_MAX]; // likewise
    uint64_t turn_ends[ROUNDS_MAX];   // batches so far
    int turns;
    struct worst worst;
};

struct checkpoint_bench {
    struct checkpoint_settings settings;
    struct world world;
    struct side sides[SIDE_COUNT]; // none, plain, io_uring, pwrite
    struct plain_writer plain;
    int side_count;
    uint64_t checkpoint; // last number used
    char files[FILES_MAX][512];
    int file_count;
};

// How one turn goes.
struct turn {
    int64_t period_ns;    // from one batch to the next; 0: as fast as it goes
    int64_t pause_ns;     // from one barrier to the next; the next waits for the end of the last
    uint64_t checkpoints; // go on until so many are complete, for ten times as long at most
};

// A snapshot under way.
struct flight {
    bool is_up;
    int64_t due_ns;
    uint64_t ended;
};

static int schedstat = -1; // open, where the kernel keeps such counts

// How long this thread wanted to run and had to wait for others, since its start.
static int64_t waited_ns(void)
{
    char text[96];
    ssize_t n = schedstat < 0 ? 0 : pread(schedstat, text, sizeof text - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    char *second = strchr(text, ' ');
    return second ? strtoll(second, NULL, 10) : 0;
}

// Time, less what the host gave to other programs while this one wanted to run: on a machine for
// itself the same, on a shared one what would have been.
static int64_t now_ns(void)
{
    struct timespec t;
    int64_t waited = waited_ns(); // first: a pause between the two calls is not lost twice
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec - waited;
}

static void note_worst(int64_t *worst, int64_t since)
{
    int64_t took = now_ns() - since;
    *worst = took > *worst ? took : *worst;
}

static void expect(int rc, const struct err *err)
{
    if (rc == 0)
        return;
    fprintf(stderr, "checkpoint: %s\n", err->text);
    exit(1);
}

// --- state ---

static uint64_t next_random(uint64_t *rng)
{
    *rng += UINT64_C(0x9e3779b97f4a7c15);
    return hash_u64(*rng);
}

// One transaction of rows: find or make the group, change two words of it.
static void change(struct world *w)
{
    struct slice slices[INDEX_BATCH_ROWS];
    uint64_t hashes[INDEX_BATCH_ROWS], records[INDEX_BATCH_ROWS];
    for (uint32_t from = 0; from < BATCH_ROWS_HERE; from += INDEX_BATCH_ROWS) {
        for (uint32_t i = 0; i < INDEX_BATCH_ROWS; i++) {
            slices[i] = slice_make(&w->keys[from + i], sizeof w->keys[0]);
            hashes[i] = hash_slice(slices[i]);
        }
        const struct key_batch batch = {INDEX_BATCH_ROWS, hashes, slices};
        CHECK(table_upsert_batch(w->arena, w->head, &batch, records) == 0);
        for (uint32_t i = 0; i < INDEX_BATCH_ROWS; i++) {
            uint64_t words[2];
            uint8_t *value = arena_touch(w->arena, table_value(w->arena, records[i]), TOUCH_BYTES);
            memcpy(words, value, sizeof words);
            words[0]++;
            words[1] += w->keys[from + i];
            memcpy(value, words, sizeof words);
        }
    }
    arena_commit(w->arena);
}

static void change_random(struct world *w)
{
    for (int i = 0; i < BATCH_ROWS_HERE; i++)
        w->keys[i] = w->first + next_random(&w->rng) % w->span;
    change(w);
}

static uint64_t arena_size(uint64_t state_bytes)
{
    return (state_bytes / 8 * 9 + (UINT64_C(64) << 20)) & ~UINT64_C(4095);
}

// Shared memory, as a task's arena is, and there before it is needed.
static uint8_t *map_arena(uint64_t bytes)
{
    void *base =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return base == MAP_FAILED ? NULL : base;
}

static const struct arena_options options = {.fingerprint = 7, .log_bytes = 8 << 20};

static bool world_make(struct world *w, uint64_t state_bytes)
{
    struct err err;
    w->bytes = arena_size(state_bytes);
    w->base = map_arena(w->bytes);
    if (!w->base)
        return false;
    expect(arena_format(w->base, w->bytes, &options, &err), &err);
    expect(arena_open(w->base, w->bytes, &options, &w->arena, &err), &err);
    CHECK(arena_root(w->arena, 0, sizeof(struct table_head), &w->head) == 0);
    table_init(w->arena, w->head, VALUE_BYTES);
    arena_commit(w->arena);
    w->count = state_bytes / RECORD_BYTES / BATCH_ROWS_HERE * BATCH_ROWS_HERE;
    w->span = w->count;
    for (uint64_t at = 0; at < w->count; at += BATCH_ROWS_HERE) {
        for (uint64_t i = 0; i < BATCH_ROWS_HERE; i++)
            w->keys[i] = at + i;
        change(w);
    }
    return true;
}

// --- files ---

static const char *next_file(struct checkpoint_bench *b)
{
    CHECK(b->file_count < FILES_MAX);
    char *path = b->files[b->file_count++];
    snprintf(path, sizeof b->files[0], "%s/snapshot-%" PRIu64, b->settings.folder, ++b->checkpoint);
    return path;
}

static void remove_files(struct checkpoint_bench *b)
{
    while (b->file_count)
        unlink(b->files[--b->file_count]);
}

static uint64_t free_disk(const char *folder)
{
    struct statvfs fs;
    return statvfs(folder, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

// --- snapshots as a task takes them ---

static void begin(struct checkpoint_bench *b, struct side *side, bool full, struct flight *f)
{
    struct err err;
    struct arena *a = b->world.arena;
    uint8_t since;
    uint64_t base = arena_snapshot_base(a, &since);
    const char *path = next_file(b);
    const struct snapshot_spec spec = {
        .id = {7, b->checkpoint, 0, 1}, .base = full ? 0 : base, .since_epoch = since};
    const struct copier_job job = {.path = path, .spec = &spec};
    int64_t start = now_ns();
    expect(copier_begin(side->copier, a, &job, &err), &err);
    arena_next_epoch(a);
    note_worst(&side->worst.begin, start);
    f->is_up = true;
}

static void poll(struct side *side, struct flight *f)
{
    struct err err;
    struct snapshot_stats stats;
    int64_t start = now_ns();
    enum copier_status status = copier_poll(side->copier, &stats, &err);
    note_worst(&side->worst.poll, start);
    if (status == COPIER_RUNNING)
        return;
    if (status == COPIER_FAILED)
        printf("%s: %s\n", side->name, err.text); // too slow a disk is a finding
    side->undo_bytes += stats.undo_bytes;
    side->file_bytes += stats.file_bytes;
    side->checkpoints += status == COPIER_DONE;
    side->given_up += status == COPIER_FAILED;
    f->ended++;
    f->is_up = false;
}

static bool writes(const struct side *side)
{
    return side->copier || side->plain;
}

static void begin_plain(struct checkpoint_bench *b, struct side *side, struct flight *f)
{
    uint64_t bytes = arena_used_bytes(b->world.arena);
    bytes += PLAIN_BYTES - bytes % PLAIN_BYTES;
    plain_writer_begin(side->plain, next_file(b), bytes);
    side->file_bytes += bytes;
    f->is_up = true;
}

static void poll_plain(struct side *side, struct flight *f)
{
    if (!plain_writer_is_idle(side->plain))
        return;
    side->checkpoints++;
    f->ended++;
    f->is_up = false;
}

// Behind a batch.
static void work(struct checkpoint_bench *b, struct side *side, const struct turn *turn,
                 struct flight *f)
{
    if (f->is_up && side->plain) {
        poll_plain(side, f);
    } else if (f->is_up) {
        poll(side, f);
    } else if (writes(side) && now_ns() >= f->due_ns) {
        if (side->plain)
            begin_plain(b, side, f);
        else
            begin(b, side, true, f);
        f->due_ns = now_ns() + turn->pause_ns;
    }
}

// As a task: sleep, and look at the copier now and then; short of `due`, for waking up takes time.
static void be_idle(struct side *side, struct flight *f, int64_t due)
{
    enum { WAKE_NS = 20 * 1000, LOOK_NS = 200 * 1000 };
    int64_t ns = due - now_ns() - WAKE_NS;
    ns = ns < LOOK_NS ? ns : LOOK_NS;
    if (ns > 0)
        nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
    if (f->is_up && side->plain)
        poll_plain(side, f);
    else if (f->is_up)
        poll(side, f);
}

static void note_delay(struct side *side, int64_t ns)
{
    if (side->batches == side->room) {
        side->room = side->room ? side->room * 2 : 1 << 20;
        side->delays = realloc(side->delays, side->room * sizeof *side->delays);
        CHECK(side->delays);
    }
    side->delays[side->batches++] = ns;
    int64_t *worst = &side->worst_delays[side->turns];
    *worst = ns > *worst ? ns : *worst;
}

// Batch after batch. What waited for the end of the turn is finished behind it.
static void run(struct checkpoint_bench *b, struct side *side, const struct turn *turn)
{
    const int64_t start = now_ns();
    const int64_t length = (int64_t)(b->settings.seconds * 1e9);
    struct flight f = {.due_ns = start + length / 20};
    uint64_t batches = 0;
    int64_t now = start;
    while (now - start < length ||
           (writes(side) && f.ended < turn->checkpoints && now - start < length * 10)) {
        int64_t due = turn->period_ns ? start + (int64_t)batches * turn->period_ns : now;
        while (now_ns() < due)
            be_idle(side, &f, due);
        change_random(&b->world);
        batches++;
        now = now_ns();
        if (turn->period_ns)
            note_delay(side, now - due);
        work(b, side, turn, &f);
    }
    double rate = (double)batches * 1e9 / (double)(now_ns() - start);
    side->best_rate = rate > side->best_rate ? rate : side->best_rate;
    side->turn_ends[side->turns] = side->batches;
    side->rates[side->turns++] = rate;
    while (f.is_up)
        be_idle(side, &f, INT64_MAX);
    remove_files(b);
}

static void take_turns(struct checkpoint_bench *b, const struct turn *turn)
{
    for (int s = 0; s < b->side_count; s++) {
        struct side *side = &b->sides[s];
        side->batches = side->checkpoints = side->given_up = side->undo_bytes = side->file_bytes =
            0;
        side->best_rate = 0;
        side->turns = 0;
        memset(side->worst_delays, 0, sizeof side->worst_delays);
    }
    for (int round = 0; round < b->settings.rounds; round++)
        for (int s = 0; s < b->side_count; s++)
            run(b, &b->sides[s], turn);
}

// --- delay and throughput ---

static int compare_delays(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

// The middle one of all rounds; the values are sorted.
static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

// How fast the side was beside another one of the same round.
static double ratio_to(const struct side *side, const struct side *other)
{
    double ratios[ROUNDS_MAX];
    for (int i = 0; i < side->turns; i++)
        ratios[i] = side->rates[i] / other->rates[i];
    return median(ratios, side->turns);
}

static double usual_worst(const struct side *side)
{
    double worst[ROUNDS_MAX];
    for (int i = 0; i < side->turns; i++)
        worst[i] = (double)side->worst_delays[i] / 1e3;
    return median(worst, side->turns);
}

static double delay_at(const struct side *side, double part)
{
    uint64_t at = (uint64_t)(part * (double)side->batches);
    return (double)side->delays[at < side->batches ? at : side->batches - 1] / 1e3;
}

static void print_delays(struct side *side)
{
    uint64_t late = 0;
    qsort(side->delays, side->batches, sizeof *side->delays, compare_delays);
    for (uint64_t i = 0; i < side->batches; i++)
        late += side->delays[i] > 1000000;
    printf("%-12s %8" PRIu64 " %8.0f %8.0f %8.0f %8.0f %10.0f %9" PRIu64 " %9" PRIu64 " %8" PRIu64
           "\n",
           side->name, side->batches, delay_at(side, 0.5), delay_at(side, 0.99),
           delay_at(side, 0.9999), delay_at(side, 1), usual_worst(side), late, side->checkpoints,
           side->given_up);
}

static void print_worst(const struct side *side)
{
    printf("%-16s worst us: begin %.0f, a poll %.0f; a snapshot: %.0f MiB, of them entries %.0f\n",
           side->name, (double)side->worst.begin / 1e3, (double)side->worst.poll / 1e3,
           (double)side->file_bytes / (double)(side->checkpoints + side->given_up) / 1048576,
           (double)side->undo_bytes / (double)(side->checkpoints + side->given_up) / 1048576);
}

static void measure_delay(struct checkpoint_bench *b)
{
    const struct turn free_run = {.period_ns = 0};
    b->sides[NONE].turns = 0;
    run(b, &b->sides[NONE], &free_run);
    int64_t period = (int64_t)(2e9 / b->sides[NONE].rates[0]);
    const struct turn turn = {.period_ns = period, .pause_ns = SECOND_NS / 2, .checkpoints = 1};
    printf("\ndelay of a batch of %d rows, one each %.0f us (half of the rate measured), us\n",
           BATCH_ROWS_HERE, (double)period / 1e3);
    take_turns(b, &turn);
    printf("%-12s %8s %8s %8s %8s %8s %10s %9s %9s %8s\n", "checkpoints", "batches", "p50", "p99",
           "p99.99", "max", "usual max", "over 1ms", "complete", "given up");
    for (int s = 0; s < b->side_count; s++)
        print_delays(&b->sides[s]);
    for (int s = FIRST_ENGINE; s < b->side_count; s++)
        print_worst(&b->sides[s]);
}

static void measure_throughput(struct checkpoint_bench *b)
{
    const struct turn turn = {.pause_ns = SECOND_NS, .checkpoints = 1};
    const struct side *none = &b->sides[NONE], *plain = &b->sides[PLAIN];
    take_turns(b, &turn);
    printf("\nthroughput with a full checkpoint each second, or one after the other; ratios: the "
           "middle of %d rounds\n",
           b->settings.rounds);
    printf("%-12s %8.2f M rows/s\n", none->name, none->best_rate * BATCH_ROWS_HERE / 1e6);
    for (int s = PLAIN; s < b->side_count; s++) {
        const struct side *side = &b->sides[s];
        printf("%-12s %8.2f M rows/s, to none %.2f, to plain %.2f (%" PRIu64
               " checkpoints, %.0f MiB of entries each)\n",
               side->name, side->best_rate * BATCH_ROWS_HERE / 1e6, ratio_to(side, none),
               ratio_to(side, plain), side->checkpoints,
               (double)side->undo_bytes / (double)(side->checkpoints + side->given_up) / 1048576);
    }
}

// --- rates of the disk ---

// One snapshot with nothing beside it; its bytes. Its blocks become the base of the next.
static uint64_t write_snapshot(struct checkpoint_bench *b, struct side *side, bool full,
                               double *rate)
{
    struct flight f = {0};
    side->file_bytes = 0;
    int64_t start = now_ns();
    begin(b, side, full, &f);
    while (f.is_up)
        be_idle(side, &f, INT64_MAX);
    double mine = (double)side->file_bytes * 1e3 / (double)(now_ns() - start);
    *rate = mine > *rate ? mine : *rate;
    arena_set_snapshot_base(b->world.arena, b->checkpoint, b->world.arena->epoch);
    return side->file_bytes;
}

static void *raw_buffer(void)
{
    void *buffer = aligned_alloc(4096, RAW_BYTES);
    CHECK(buffer);
    memset(buffer, 0x5a, RAW_BYTES);
    return buffer;
}

// MB/s of plain O_DIRECT writes of the same bytes to a new file, durable at the end.
static void write_plain(struct checkpoint_bench *b, uint64_t bytes, double *rate)
{
    const char *path = next_file(b);
    void *buffer = raw_buffer();
    int64_t start = now_ns();
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
    bool good = fd >= 0;
    for (uint64_t at = 0; good && at < bytes; at += RAW_BYTES)
        good = pwrite(fd, buffer, RAW_BYTES, (off_t)at) == RAW_BYTES;
    good = good && fdatasync(fd) == 0;
    if (fd >= 0)
        close(fd);
    double mine = (double)bytes * 1e3 / (double)(now_ns() - start);
    *rate = good && mine > *rate ? mine : *rate;
    free(buffer);
}

static void measure_write(struct checkpoint_bench *b)
{
    double plain = 0, mine[SIDE_COUNT] = {0};
    for (int round = 0; round < b->settings.rounds; round++) {
        uint64_t bytes = 0;
        for (int s = FIRST_ENGINE; s < b->side_count; s++)
            bytes = write_snapshot(b, &b->sides[s], true, &mine[s]);
        write_plain(b, bytes, &plain);
        remove_files(b);
    }
    printf("\nwriting a full snapshot, nothing beside it, to plain O_DIRECT writes of its bytes\n");
    for (int s = FIRST_ENGINE; s < b->side_count && plain > 0; s++)
        printf("%-16s %.0f MB/s, plain %.0f: %.2f\n", b->sides[s].name, mine[s], plain,
               mine[s] / plain);
    if (plain <= 0)
        puts("no O_DIRECT in this folder");
}

// Blocks that the arena has marked since the last barrier.
static uint64_t changed_blocks(const struct arena *a)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < a->meta->top >> ARENA_PAGE_SHIFT; i++)
        count += arena_block_epoch(a, i) == a->epoch;
    return count;
}

static void measure_increment(struct checkpoint_bench *b, struct side *side, const char *name,
                              uint64_t span, uint64_t rows)
{
    struct world *w = &b->world;
    double rate = 0;
    w->span = span;
    for (uint64_t i = 0; i < rows; i += BATCH_ROWS_HERE)
        change_random(w);
    w->span = w->count;
    uint64_t blocks = changed_blocks(w->arena);
    uint64_t bytes = write_snapshot(b, side, false, &rate);
    printf("%" PRIu64 " updates of %s: %.1f MiB of bytes changed, in blocks of %.1f MiB; the "
           "increment has %.1f MiB: %.2f of the blocks\n",
           rows, name, (double)rows * TOUCH_BYTES / 1048576, (double)blocks / 256,
           (double)bytes / 1048576, (double)bytes / 4096 / (double)blocks);
}

static void measure_increments(struct checkpoint_bench *b)
{
    double rate = 0;
    uint64_t count = b->world.count;
    printf("\nincrements\n");
    write_snapshot(b, &b->sides[FIRST_ENGINE], true, &rate);
    measure_increment(b, &b->sides[FIRST_ENGINE], "any record", count, count / 64);
    measure_increment(b, &b->sides[FIRST_ENGINE], "one record in 100", count / 100, count / 64);
    remove_files(b);
}

// MB/s of reading a file that is not in the page cache.
static void read_plain(const char *path, double *rate)
{
    void *buffer = raw_buffer();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    int64_t start = now_ns();
    ssize_t n;
    uint64_t bytes = 0;
    while ((n = read(fd, buffer, RAW_BYTES)) > 0)
        bytes += (uint64_t)n;
    double mine = (double)bytes * 1e3 / (double)(now_ns() - start);
    *rate = mine > *rate ? mine : *rate;
    close(fd);
    free(buffer);
}

static void restore(const struct checkpoint_bench *b, const struct snapshot_file *file,
                    uint64_t bytes, double *rate)
{
    struct err err;
    const struct snapshot_chain chain = {file, 1};
    const uint64_t size = b->world.bytes;
    uint8_t *base = map_arena(size);
    if (!base)
        return;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    expect(arena_format(base, size, &options, &err), &err);
    int64_t start = now_ns();
    expect(snapshot_restore(env_system(), &chain, base, &options, &err), &err);
    double mine = (double)bytes * 1e3 / (double)(now_ns() - start);
    *rate = mine > *rate ? mine : *rate;
    munmap(base, size);
}

static void measure_restore(struct checkpoint_bench *b)
{
    double written = 0, plain = 0, mine = 0;
    uint64_t bytes = write_snapshot(b, &b->sides[FIRST_ENGINE], true, &written);
    const struct snapshot_file file = {b->files[b->file_count - 1], {7, b->checkpoint, 0, 1}};
    for (int round = 0; round < b->settings.rounds; round++) {
        restore(b, &file, bytes, &mine);
        read_plain(file.path, &plain);
    }
    printf("\nrestore: %.0f MB/s, checked and applied; reading the file alone %.0f: %.2f\n", mine,
           plain, mine / plain);
    remove_files(b);
}

// --- all of it ---

static bool has_room(const struct checkpoint_settings *s)
{
    struct sysinfo info;
    uint64_t need = arena_size(s->state_bytes) * 2 + (UINT64_C(1) << 30);
    uint64_t files = s->state_bytes * 6 + (UINT64_C(1) << 30);
    CHECK(sysinfo(&info) == 0);
    uint64_t memory = ((uint64_t)info.freeram + info.bufferram) * info.mem_unit;
    if (memory < need)
        printf("skipped: %" PRIu64 " MiB of free memory, %" PRIu64 " are needed\n", memory >> 20,
               need >> 20);
    else if (free_disk(s->folder) < files)
        printf("skipped: %s has not the %" PRIu64 " MiB that are needed\n", s->folder, files >> 20);
    else
        return true;
    return false;
}

static void add_side(struct checkpoint_bench *b, const char *name, enum engine_kind kind)
{
    struct err err;
    struct side *side = &b->sides[b->side_count];
    side->name = name;
    if (kind == ENGINE_IO_URING && engine_probe_io_uring(&err) < 0) {
        printf("without %s: %s\n", name, err.text);
        return;
    }
    expect(copier_create(env_system(), kind, 0, &side->copier, &err), &err);
    b->side_count++;
}

static const struct {
    const char *name;
    void (*measure)(struct checkpoint_bench *b);
} parts[] = {
    {"delay", measure_delay},          {"throughput", measure_throughput}, {"write", measure_write},
    {"increment", measure_increments}, {"restore", measure_restore},
};

static bool is_wanted(const char *part, int count, char **wanted)
{
    for (int i = 0; i < count; i++)
        if (strcmp(wanted[i], part) == 0)
            return true;
    return count == 0;
}

// false: there is no room.
static bool bench_open(struct checkpoint_bench *b, const struct checkpoint_settings *settings)
{
    b->settings = *settings;
    schedstat = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
    if (!has_room(&b->settings))
        return false;
    if (!world_make(&b->world, b->settings.state_bytes)) {
        puts("skipped: no memory");
        return false;
    }
    b->sides[b->side_count++].name = "none";
    b->sides[b->side_count++] = (struct side){.name = "plain", .plain = &b->plain};
    plain_writer_start(&b->plain);
    add_side(b, "io_uring", ENGINE_IO_URING);
    add_side(b, "pwrite", ENGINE_PWRITE);
    return true;
}

static void bench_close(struct checkpoint_bench *b)
{
    for (int s = FIRST_ENGINE; s < b->side_count; s++)
        copier_destroy(b->sides[s].copier);
    plain_writer_stop(&b->plain);
    for (int s = 0; s < b->side_count; s++)
        free(b->sides[s].delays);
    arena_close(b->world.arena);
}

void checkpoint_print(const struct checkpoint_settings *settings, int part_count, char **wanted)
{
    static struct checkpoint_bench b;
    if (!bench_open(&b, settings))
        return;
    printf("%" PRIu64 " records, %.0f MiB of state, all of it updated at random\n", b.world.count,
           (double)arena_used_bytes(b.world.arena) / 1048576);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (is_wanted(parts[i].name, part_count, wanted))
            parts[i].measure(&b);
    bench_close(&b);
}

// --- without a word ---

size_t checkpoint_told_bytes(int rounds)
{
    return sizeof(struct checkpoint_told) +
           (size_t)(CHECKPOINT_SIDES * rounds) * histogram_bytes(3);
}

struct histogram *checkpoint_delays(struct checkpoint_told *told, int rounds, int side, int round)
{
    return (struct histogram *)((char *)told->room +
                                (size_t)(side * rounds + round) * histogram_bytes(3));
}

static void tell_delays(struct checkpoint_bench *b, struct checkpoint_told *told)
{
    const int rounds = b->settings.rounds;
    for (int s = 0; s < b->side_count; s++) {
        const struct side *side = &b->sides[s];
        uint64_t at = 0;
        snprintf(told->names[s], sizeof told->names[s], "%s", side->name);
        told->complete[s] = side->checkpoints;
        told->given_up[s] = side->given_up;
        for (int r = 0; r < side->turns; r++) {
            struct histogram *h = checkpoint_delays(told, rounds, s, r);
            histogram_init(h, 3);
            for (; at < side->turn_ends[r]; at++)
                histogram_record(h, side->delays[at]);
        }
    }
}

void checkpoint_measure(const struct checkpoint_settings *settings, struct checkpoint_told *told)
{
    static struct checkpoint_bench b;
    const struct turn full = {.period_ns = 0};
    const struct turn busy = {.pause_ns = SECOND_NS, .checkpoints = 1};
    told->is_refused = !bench_open(&b, settings);
    if (told->is_refused)
        return;
    told->records = (double)b.world.count;
    told->state_mib = (double)arena_used_bytes(b.world.arena) / 1048576;
    told->side_count = b.side_count;
    run(&b, &b.sides[NONE], &full);
    told->period_ns = (int64_t)(2e9 / b.sides[NONE].rates[0]);
    const struct turn late = {
        .period_ns = told->period_ns, .pause_ns = SECOND_NS / 2, .checkpoints = 1};
    take_turns(&b, &late);
    tell_delays(&b, told);
    take_turns(&b, &busy);
    for (int s = 0; s < b.side_count; s++)
        memcpy(told->rates[s], b.sides[s].rates, sizeof told->rates[s]);
    bench_close(&b);
}
