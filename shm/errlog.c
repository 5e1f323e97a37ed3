// errlog.c: one section of slots a task, each section written by its task alone.
//
//   R30 errlog_note -> A30 errlog_read   the text of a slot
//   R31 errlog_crash_publish -> A31 errlog_read_crash   the crash record that
//   goes with the pid
//
// What a crash leaves: a slot whose count is 0 is not there and is written anew.
#include "shm/errlog.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "shm/atomic.h"
#include "shm/segment.h"

enum { SECTION_BYTES = 20480, READER = -1, TASKS_MAX = 1024 };

#define ERRLOG_LAYOUT_HASH UINT64_C(0x4552524c00000002)

static const char segment_name[] = "errlog";

struct errlog_slot {
    uint64_t count; // 0: free; stored last when a text is new
    uint64_t first_ms;
    uint64_t last_ms;
    uint64_t reserved[3];
    char text[ERRLOG_TEXT_BYTES];
};

struct errlog_section {
    struct errlog_slot slots[ERRLOG_SLOT_COUNT];
    uint64_t dropped; // notes that found no slot
    struct errlog_crash crash;
};

_Static_assert(sizeof(struct errlog_slot) == 512, "layout");
_Static_assert(offsetof(struct errlog_section, dropped) == 16384, "layout");
_Static_assert(offsetof(struct errlog_section, crash) == 16392, "layout");
_Static_assert(sizeof(struct errlog_section) <= SECTION_BYTES, "layout");

struct errlog {
    char *sections; // the writer's own, or all for a reader
    uint64_t bytes;
    int section_count;
    int task_index;
};

uint64_t errlog_segment_bytes(int task_count)
{
    return SEGMENT_PAGE_BYTES + (uint64_t)task_count * SECTION_BYTES;
}

int errlog_create(int dir_fd, uint64_t job_fingerprint, int task_count, struct err *err)
{
    CHECK(task_count > 0 && task_count <= TASKS_MAX);
    struct segment_spec spec = {dir_fd, segment_name, "errlog", ERRLOG_LAYOUT_HASH,
                                job_fingerprint};
    struct segment segment;
    uint64_t bytes = errlog_segment_bytes(task_count);
    int status = segment_create(&spec, bytes, &segment, err);
    if (status)
        return status;
    status = segment_claim(&segment, 0, bytes, err);
    segment_close(&segment);
    if (status)
        segment_unlink(dir_fd, segment_name, NULL);
    return status;
}

int errlog_attach(int dir_fd, uint64_t job_fingerprint, int task_index, struct errlog **out,
                  struct err *err)
{
    struct segment_spec spec = {dir_fd, segment_name, "errlog", ERRLOG_LAYOUT_HASH,
                                job_fingerprint};
    struct segment segment;
    int status = segment_open(&spec, task_index != READER, &segment, err);
    if (status)
        return status;
    uint64_t bytes = segment.bytes - SEGMENT_PAGE_BYTES, count = bytes / SECTION_BYTES;
    struct segment_range range = {SEGMENT_PAGE_BYTES, bytes, false, false};
    if (bytes % SECTION_BYTES || count == 0 || count > TASKS_MAX ||
        (task_index != READER && (task_index < 0 || (uint64_t)task_index >= count))) {
        status = err_set(err, -EILSEQ, "the error log is damaged, or has no task %d: %llu tasks",
                         task_index, (unsigned long long)count);
        goto err_after_open;
    }
    if (task_index != READER)
        range = (struct segment_range){SEGMENT_PAGE_BYTES + (uint64_t)task_index * SECTION_BYTES,
                                       SECTION_BYTES, true, true};
    void *at;
    status = segment_map(&segment, &range, &at, err);
    if (status)
        goto err_after_open;
    struct errlog *log = malloc(sizeof(*log));
    CHECK(log != NULL);
    *log = (struct errlog){at, range.bytes, task_index == READER ? (int)count : 1, task_index};
    *out = log;
err_after_open:
    segment_close(&segment);
    return status;
}

void errlog_detach(struct errlog *log)
{
    if (!log)
        return;
    segment_unmap(log->sections, log->bytes);
    free(log);
}

static struct errlog_section *section_at(const struct errlog *log, int i)
{
    return (struct errlog_section *)(log->sections + (size_t)i * SECTION_BYTES);
}

void errlog_note(struct errlog *log, int64_t now_ms, const char *text)
{
    CHECK(log->task_index != READER);
    struct errlog_section *section = section_at(log, 0);
    for (int i = 0; i < ERRLOG_SLOT_COUNT; i++) {
        struct errlog_slot *slot = &section->slots[i];
        uint64_t count = atomic_read_u64(&slot->count); // relaxed: our own word
        if (count && strncmp(slot->text, text, sizeof(slot->text) - 1) != 0)
            continue;
        if (!count) {
            snprintf(slot->text, sizeof(slot->text), "%s", text);
            atomic_write_u64(&slot->first_ms, (uint64_t)now_ms); // relaxed: published by the count
        }
        atomic_write_u64(&slot->last_ms, (uint64_t)now_ms); // relaxed: true on its own
        // R30: pairs with A30 in errlog_read; publishes the text of the slot
        atomic_release_u64(&slot->count, count + 1);
        return;
    }
    // Relaxed: our own word, true on its own.
    atomic_write_u64(&section->dropped, atomic_read_u64(&section->dropped) + 1);
}

void errlog_printf(struct errlog *log, int64_t now_ms, const char *format, ...)
{
    char text[ERRLOG_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    errlog_note(log, now_ms, text);
}

struct errlog_crash *errlog_crash_slot(struct errlog *log)
{
    CHECK(log->task_index != READER);
    return &section_at(log, 0)->crash;
}

void errlog_crash_publish(struct errlog_crash *slot, uint32_t pid)
{
    // R31: pairs with A31 in errlog_read_crash; publishes the rest of the record
    atomic_release_u32(&slot->pid, pid);
}

bool errlog_has_crash(const struct errlog *log, uint32_t pid)
{
    CHECK(log->task_index != READER);
    // Relaxed: the process that wrote it is gone.
    return pid != 0 && atomic_read_u32(&section_at(log, 0)->crash.pid) == pid;
}

bool errlog_read_crash(const struct errlog *log, int task_index, uint32_t pid,
                       struct errlog_crash *out)
{
    CHECK(log->task_index == READER);
    if (task_index < 0 || task_index >= log->section_count || pid == 0)
        return false;
    const struct errlog_crash *crash = &section_at(log, task_index)->crash;
    // A31: pairs with R31 in errlog_crash_publish; the rest of the record
    if (atomic_acquire_u32(&crash->pid) != pid)
        return false;
    *out = *crash;
    out->pid = pid;
    if (out->frame_count > ERRLOG_FRAMES)
        out->frame_count = ERRLOG_FRAMES;
    if (out->module_count > ERRLOG_MODULES)
        out->module_count = ERRLOG_MODULES;
    for (uint32_t i = 0; i < out->module_count; i++)
        out->modules[i].path[ERRLOG_PATH_BYTES - 1] = 0;
    return true;
}

uint64_t errlog_read(const struct errlog *log,
                     void (*visit)(const struct errlog_entry *entry, void *context), void *context)
{
    uint64_t dropped = 0;
    for (int t = 0; t < log->section_count; t++) {
        const struct errlog_section *section = section_at(log, t);
        for (int i = 0; i < ERRLOG_SLOT_COUNT; i++) {
            const struct errlog_slot *slot = &section->slots[i];
            // A30: pairs with R30 in errlog_note; the text of the slot
            struct errlog_entry entry = {.count = atomic_acquire_u64(&slot->count)};
            if (!entry.count)
                break;
            entry.task_index = log->task_index == READER ? t : log->task_index;
            // Relaxed: each is true on its own.
            entry.first_ms = (int64_t)atomic_read_u64(&slot->first_ms);
            entry.last_ms = (int64_t)atomic_read_u64(&slot->last_ms);
            memcpy(entry.text, slot->text, sizeof(entry.text));
            entry.text[sizeof(entry.text) - 1] = 0; // another process wrote it
            visit(&entry, context);
        }
        dropped += atomic_read_u64(&section->dropped); // relaxed: true on its own
    }
    return dropped;
}
