// control_layout.h: the control block, a segment of pages that have one writer each (T tasks):
//
//   page 0           segment header
//   page 1           struct control_job_page    written by the supervisor
//   pages 2 ..       struct control_task_page   [T], page i written by task i
//   pages 2 + T ..   struct control_box_page    [T], written by the supervisor, read by task i
//   pages 2 + 2T ..  struct waiter in a page    [T], written by task i and by whoever wakes it
//   pages 2 + 3T ..  struct control_spare_page  [T], line k of page i written by spare k of task i
//
// word                  writer      readers   order
// task: pid..attempt    task        anyone    pid is stored last, with release
// task: error           task        anyone    before state FAILED, with release
// task: everything else task        anyone    relaxed: each word is true on its own
// task: taken, ready, first  task   anyone    relaxed: times, each true on its own
// box:  requests        supervisor  its task  relaxed: nothing else is published by them
// box:  pass            supervisor  a spare   relaxed: nothing else is published by it
// spare: pid..page_tables  a spare  supervisor  pid is stored last, with release
// box:  must_check      supervisor  its task  relaxed: written before the process is started
// job:  epoch           supervisor  tasks     relaxed: says only that somebody was replaced
// job:  wanted, complete supervisor tasks     relaxed: numbers that only grow, nothing beside them
// task: snapshot report task        anyone    its sequence word: odd while it is written
// task: ended           task        supervisor  release: what the output needs is on disk. Attempts
//                                               before restored_attempt have not ended: what they
//                                               put out is taken back
// task: settled         task        supervisor  relaxed: a number that only grows, of what is
// outside task: trial           task        supervisor  none: read when the process that wrote it
// is gone box:  verdict         supervisor  its task    none: before the process may begin box:
// restored_attempt supervisor its task    relaxed: written before the process is started box:  cpu,
// is_moved   supervisor  its task, the next supervisor  relaxed: a hint where to run box:  losses
// supervisor  anyone      relaxed: each word is true on its own
#ifndef WEIR_SHM_CONTROL_LAYOUT_H
#define WEIR_SHM_CONTROL_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "shm/control.h"
#include "shm/waiter.h"

enum { CONTROL_PAGE_BYTES = 4096, CONTROL_COUNTER_SLOTS = 32, CONTROL_LOSS_SLOTS = 8 };

// Also says what frames rings carry and which counters there are: since ...0a FRAME_LATENCY, since
// ...0b CONTROL_ALIGN_MS, since ...0c settled_checkpoint, since ...0d what is outside.
#define CONTROL_LAYOUT_HASH UINT64_C(0x434f4e540000000d)

struct control_job_page {
    uint32_t task_count; // written at creation
    uint32_t supervisor_pid;
    uint64_t supervisor_start_time;
    uint64_t epoch; // restarts of any task
    uint64_t fingerprint;
    uint64_t wanted_checkpoint, complete_checkpoint;
    uint64_t full_checkpoint; // the last one that must be full
};

struct control_report {
    uint64_t sequence; // odd: being written
    struct control_snapshot snapshot;
};

struct control_trial_words {
    uint32_t site;
    uint32_t is_single;
    uint64_t rows_in, rows_out, span, row, offset;
    char source[CONTROL_SOURCE_BYTES];
};

struct control_task_page {
    uint32_t pid;
    uint32_t state;
    uint64_t start_time;
    uint64_t heartbeat_ns;
    uint64_t progress;
    uint64_t attempt;
    uint32_t has_ended;
    uint32_t reserved0;
    uint64_t taken_ns, ready_ns;
    uint64_t counters[CONTROL_COUNTER_SLOTS]; // int64 in two's complement
    char error[CONTROL_ERROR_BYTES];
    struct control_report report;
    struct control_trial_words trial;
    uint64_t first_ns; // with taken_ns and ready_ns
    uint64_t settled_checkpoint;
};

struct control_box_page {
    uint32_t requests[CONTROL_REQUEST_COUNT];
    int32_t cpu;
    uint32_t pass; // highest attempt that a spare may begin without asking; see control.h
    uint64_t restarts;
    char name[CONTROL_NAME_BYTES];
    uint64_t losses[CONTROL_LOSS_SLOTS];
    struct control_verdict verdict;
    uint32_t must_check;
    uint32_t judged_pid;       // the last death that the verdict knows of
    uint64_t restored_attempt; // the first with memory made anew from a checkpoint; 0: none
    uint32_t is_moved;         // cpu is of a move, not of the config
    uint32_t reserved0;
};

struct control_spare_line {
    uint32_t pid; // 0: none
    uint32_t state;
    uint64_t start_time;
    uint64_t mapped_bytes, page_table_bytes;
    uint64_t reserved[4];
};

struct control_spare_page {
    struct control_spare_line lines[CONTROL_SPARES_MAX];
};

_Static_assert(offsetof(struct control_job_page, task_count) == 0, "layout");
_Static_assert(offsetof(struct control_job_page, supervisor_pid) == 4, "layout");
_Static_assert(offsetof(struct control_job_page, supervisor_start_time) == 8, "layout");
_Static_assert(offsetof(struct control_job_page, epoch) == 16, "layout");
_Static_assert(offsetof(struct control_job_page, fingerprint) == 24, "layout");
_Static_assert(offsetof(struct control_task_page, pid) == 0, "layout");
_Static_assert(offsetof(struct control_task_page, state) == 4, "layout");
_Static_assert(offsetof(struct control_task_page, start_time) == 8, "layout");
_Static_assert(offsetof(struct control_task_page, heartbeat_ns) == 16, "layout");
_Static_assert(offsetof(struct control_task_page, progress) == 24, "layout");
_Static_assert(offsetof(struct control_task_page, attempt) == 32, "layout");
_Static_assert(offsetof(struct control_task_page, taken_ns) == 48, "layout");
_Static_assert(offsetof(struct control_task_page, counters) == 64, "layout");
_Static_assert(offsetof(struct control_task_page, error) == 320, "layout");
_Static_assert(offsetof(struct control_task_page, report) == 2368, "layout");
_Static_assert(offsetof(struct control_task_page, trial) ==
                   offsetof(struct control_task_page, report) + sizeof(struct control_report),
               "layout");
_Static_assert(offsetof(struct control_trial_words, source) == 48, "layout");
_Static_assert(offsetof(struct control_task_page, first_ns) ==
                   offsetof(struct control_task_page, trial) + sizeof(struct control_trial_words),
               "layout");
_Static_assert(offsetof(struct control_task_page, settled_checkpoint) ==
                   offsetof(struct control_task_page, first_ns) + 8,
               "layout");
_Static_assert(sizeof(struct control_task_page) <= CONTROL_PAGE_BYTES, "one page");
_Static_assert(offsetof(struct control_box_page, requests) == 0, "layout");
_Static_assert(offsetof(struct control_box_page, cpu) == 16, "layout");
_Static_assert(offsetof(struct control_box_page, pass) == 20, "layout");
_Static_assert(offsetof(struct control_box_page, restarts) == 24, "layout");
_Static_assert(offsetof(struct control_box_page, name) == 32, "layout");
_Static_assert(offsetof(struct control_box_page, losses) == 96, "layout");
_Static_assert(offsetof(struct control_box_page, verdict) == 160, "layout");
_Static_assert(sizeof(struct control_box_page) <= CONTROL_PAGE_BYTES, "one page");
_Static_assert((int)CONTROL_LOSS_COUNT <= (int)CONTROL_LOSS_SLOTS, "losses fit");
_Static_assert(offsetof(struct control_spare_line, start_time) == 8, "layout");
_Static_assert(offsetof(struct control_spare_line, page_table_bytes) == 24, "layout");
_Static_assert(sizeof(struct control_spare_line) == 64, "one cache line");
_Static_assert(sizeof(struct control_spare_page) <= CONTROL_PAGE_BYTES, "one page");
_Static_assert((int)CONTROL_COUNTER_COUNT <= (int)CONTROL_COUNTER_SLOTS, "counters fit");

#endif
