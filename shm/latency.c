// latency.c: see latency.h.
//
//   R40 recent_of -> A40 read_recent   the counters of the interval are its own
//   R41, A41: that it is being cleared
//
// What a crash leaves: histograms with or without their last value; an interval that was being
// cleared has epoch 0, and is cleared again.
#include "shm/latency.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "shm/atomic.h"
#include "shm/latency_layout.h"
#include "shm/segment.h"

enum { READER = -1, TASKS_MAX = 1024 };

static const char segment_name[] = "latency";

struct latency {
    struct latency_section *sections; // the writer's own, or all for a reader
    uint64_t bytes;
    int section_count;
    int task_index;
};

uint64_t latency_segment_bytes(int task_count)
{
    return SEGMENT_PAGE_BYTES + (uint64_t)task_count * LATENCY_SECTION_BYTES;
}

static struct latency_section *section_at(const struct latency *latency, int i)
{
    return (struct latency_section *)((char *)latency->sections +
                                      (size_t)i * LATENCY_SECTION_BYTES);
}

static struct histogram *total_of(const struct latency_words *words)
{
    return (struct histogram *)words->total;
}

static struct histogram *histogram_of(const struct latency_recent *recent)
{
    return (struct histogram *)recent->histogram;
}

// --- making ---

static void fill(struct latency_words *words, const char *from)
{
    CHECK(histogram_bytes(LATENCY_TOTAL_DIGITS) <= LATENCY_TOTAL_ROOM);
    CHECK(histogram_bytes(LATENCY_RECENT_DIGITS) <= LATENCY_RECENT_ROOM);
    snprintf(words->from, sizeof words->from, "%s", from);
    histogram_init(total_of(words), LATENCY_TOTAL_DIGITS);
    for (int i = 0; i < LATENCY_RECENT_COUNT; i++)
        histogram_init(histogram_of(&words->recent[i]), LATENCY_RECENT_DIGITS);
}

static void fill_all(void *base, const struct latency_names *names, int task_count)
{
    const struct latency all = {.sections = base};
    for (int task = 0; task < task_count; task++)
        for (int path = 0; path < LATENCY_PATH_COUNT; path++)
            if (names[task].from[path])
                fill(&section_at(&all, task)->paths[path], names[task].from[path]);
}

int latency_create(int dir_fd, uint64_t job_fingerprint, const struct latency_names *names,
                   int task_count, struct err *err)
{
    CHECK(task_count > 0 && task_count <= TASKS_MAX);
    const struct segment_spec spec = {dir_fd, segment_name, "latency", LATENCY_LAYOUT_HASH,
                                      job_fingerprint};
    struct segment segment;
    const uint64_t bytes = latency_segment_bytes(task_count);
    const struct segment_range range = {SEGMENT_PAGE_BYTES, bytes - SEGMENT_PAGE_BYTES, true,
                                        false};
    void *base;
    int status = segment_create(&spec, bytes, &segment, err);
    if (status)
        return status;
    status = segment_claim(&segment, 0, bytes, err);
    if (!status)
        status = segment_map(&segment, &range, &base, err);
    if (!status) {
        fill_all(base, names, task_count);
        segment_unmap(base, range.bytes);
    }
    segment_close(&segment);
    if (status)
        segment_unlink(dir_fd, segment_name, NULL);
    return status;
}

// --- attaching ---

static void mend(struct latency_section *section)
{
    for (int path = 0; path < LATENCY_PATH_COUNT; path++) {
        struct latency_words *words = &section->paths[path];
        bool is_whole = histogram_check(total_of(words), LATENCY_TOTAL_ROOM, NULL) == 0 &&
                        total_of(words)->digits == LATENCY_TOTAL_DIGITS;
        for (int i = 0; i < LATENCY_RECENT_COUNT; i++)
            is_whole &=
                histogram_check(histogram_of(&words->recent[i]), LATENCY_RECENT_ROOM, NULL) == 0;
        if (!words->from[0] || is_whole)
            continue;
        char from[LATENCY_NAME_BYTES];
        memcpy(from, words->from, sizeof from);
        from[sizeof from - 1] = '\0';
        memset(words, 0, sizeof *words);
        fill(words, from);
    }
}

int latency_attach(int dir_fd, uint64_t job_fingerprint, int task_index, struct latency **out,
                   struct err *err)
{
    const struct segment_spec spec = {dir_fd, segment_name, "latency", LATENCY_LAYOUT_HASH,
                                      job_fingerprint};
    struct segment segment;
    int status = segment_open(&spec, task_index != READER, &segment, err);
    if (status)
        return status;
    uint64_t bytes = segment.bytes - SEGMENT_PAGE_BYTES, count = bytes / LATENCY_SECTION_BYTES;
    struct segment_range range = {SEGMENT_PAGE_BYTES, bytes, false, false};
    void *at;
    if (bytes % LATENCY_SECTION_BYTES || count == 0 || count > TASKS_MAX ||
        (task_index != READER && (task_index < 0 || (uint64_t)task_index >= count))) {
        status =
            err_set(err, -EILSEQ, "the latency segment is damaged, or has no task %d: %llu tasks",
                    task_index, (unsigned long long)count);
        goto err_after_open;
    }
    if (task_index != READER)
        range = (struct segment_range){SEGMENT_PAGE_BYTES +
                                           (uint64_t)task_index * LATENCY_SECTION_BYTES,
                                       LATENCY_SECTION_BYTES, true, true};
    status = segment_map(&segment, &range, &at, err);
    if (status)
        goto err_after_open;
    struct latency *latency = malloc(sizeof *latency);
    CHECK(latency);
    *latency = (struct latency){at, range.bytes, task_index == READER ? (int)count : 1, task_index};
    *out = latency;
err_after_open:
    segment_close(&segment);
    return status;
}

void latency_detach(struct latency *latency)
{
    if (!latency)
        return;
    segment_unmap(latency->sections, latency->bytes);
    free(latency);
}

// --- the task ---

void latency_begin(struct latency *latency)
{
    CHECK(latency->task_index != READER);
    mend(section_at(latency, 0));
}

// The histogram of the interval that now_ns lies in. Intervals are counted from 1.
static struct histogram *recent_of(struct latency_words *words, int64_t now_ns)
{
    const uint64_t epoch = (uint64_t)(now_ns / LATENCY_RECENT_NS) + 1;
    struct latency_recent *recent = &words->recent[epoch % LATENCY_RECENT_COUNT];
    if (atomic_read_u64(&recent->epoch) == epoch) // relaxed: our own word
        return histogram_of(recent);
    atomic_write_u64(&recent->epoch, 0); // relaxed: the fence below puts it first
    // R41: pairs with A41 in read_recent; that the counters are not those of the old epoch any more
    atomic_full_fence();
    histogram_clear(histogram_of(recent));
    // R40: pairs with A40 in read_recent; cleared counters
    atomic_release_u64(&recent->epoch, epoch);
    return histogram_of(recent);
}

void latency_record(struct latency *latency, enum latency_path path, int64_t latency_ns,
                    int64_t now_ns)
{
    CHECK(latency->task_index != READER);
    struct latency_words *words = &section_at(latency, 0)->paths[path];
    const int64_t ns = latency_ns > 0 ? latency_ns : 0;
    histogram_record(recent_of(words, now_ns), ns);
    histogram_record(total_of(words), ns);
    // Relaxed: our own word, true on its own.
    atomic_write_u64(&words->sum_ns, atomic_read_u64(&words->sum_ns) + (uint64_t)ns);
}

static void add(uint64_t *word, uint64_t count)
{
    atomic_write_u64(word, atomic_read_u64(word) + count); // relaxed: our own word
}

void latency_add_made(struct latency *latency, uint64_t count)
{
    add(&section_at(latency, 0)->made, count);
}

void latency_add_lost(struct latency *latency, uint64_t count)
{
    add(&section_at(latency, 0)->lost, count);
}

// --- readers ---

void latency_view_init(struct latency_view *view)
{
    *view = (struct latency_view){.total = histogram_new(LATENCY_TOTAL_DIGITS),
                                  .recent = histogram_new(LATENCY_RECENT_DIGITS)};
}

void latency_view_fini(struct latency_view *view)
{
    free(view->total);
    free(view->recent);
}

int latency_task_count(const struct latency *latency)
{
    return latency->section_count;
}

// Add what an interval holds, when it is one of the last two.
static void read_recent(const struct latency_recent *recent, int64_t now_ns, struct histogram *to)
{
    const uint64_t now = (uint64_t)(now_ns / LATENCY_RECENT_NS) + 1;
    if (histogram_check(histogram_of(recent), LATENCY_RECENT_ROOM, NULL))
        return;
    // A40: pairs with R40 in recent_of; the counters of this epoch
    const uint64_t epoch = atomic_acquire_u64(&recent->epoch);
    if (epoch == 0 || epoch > now || epoch + 1 < now)
        return;
    struct histogram *copy = histogram_new(LATENCY_RECENT_DIGITS);
    histogram_copy(copy, histogram_of(recent));
    // A41: pairs with R41 in recent_of; that it is being cleared
    atomic_full_fence();
    if (atomic_read_u64(&recent->epoch) == epoch) // relaxed: the fence above orders it
        histogram_add(to, copy);
    free(copy);
}

bool latency_read(const struct latency *latency, int task_index, enum latency_path path,
                  int64_t now_ns, struct latency_view *view)
{
    CHECK(latency->task_index == READER);
    if (task_index < 0 || task_index >= latency->section_count)
        return false;
    const struct latency_words *words = &section_at(latency, task_index)->paths[path];
    if (!words->from[0] || histogram_check(total_of(words), LATENCY_TOTAL_ROOM, NULL) ||
        total_of(words)->digits != LATENCY_TOTAL_DIGITS)
        return false;
    memcpy(view->from, words->from, sizeof view->from);
    view->from[sizeof view->from - 1] = '\0';       // another process wrote it
    view->sum_ns = atomic_read_u64(&words->sum_ns); // relaxed: true on its own
    histogram_copy(view->total, total_of(words));
    histogram_clear(view->recent);
    for (int i = 0; i < LATENCY_RECENT_COUNT; i++)
        read_recent(&words->recent[i], now_ns, view->recent);
    return true;
}

static uint64_t word_of(const struct latency *latency, int task_index, size_t offset)
{
    CHECK(latency->task_index == READER);
    if (task_index < 0 || task_index >= latency->section_count)
        return 0;
    const char *section = (const char *)section_at(latency, task_index);
    return atomic_read_u64((const uint64_t *)(section + offset)); // relaxed: true on its own
}

uint64_t latency_made(const struct latency *latency, int task_index)
{
    return word_of(latency, task_index, offsetof(struct latency_section, made));
}

uint64_t latency_lost(const struct latency *latency, int task_index)
{
    return word_of(latency, task_index, offsetof(struct latency_section, lost));
}
