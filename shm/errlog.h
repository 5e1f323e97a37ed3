// errlog.h: a log in which the same text takes one line: how often, first and last time. In shared
// memory, so that it can be read after a crash; each task writes a section of its own.
#ifndef WEIR_SHM_ERRLOG_H
#define WEIR_SHM_ERRLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

enum { ERRLOG_SLOT_COUNT = 32, ERRLOG_TEXT_BYTES = 464 };

struct errlog; // a private handle

struct errlog_entry {
    int task_index;
    uint64_t count;
    int64_t first_ms; // wall clock
    int64_t last_ms;
    char text[ERRLOG_TEXT_BYTES];
};

enum { ERRLOG_FRAMES = 48, ERRLOG_MODULES = 20, ERRLOG_PATH_BYTES = 120 };

// A piece of code that a process has mapped: addresses from begin to end; of an address `at`,
// at - bias is where it stands in the file.
struct errlog_module {
    uint64_t begin, end, bias;
    char path[ERRLOG_PATH_BYTES];
};

// Written by a signal handler: what a process was doing when a signal came that ends it.
struct errlog_crash {
    uint32_t pid;     // stored last; 0: nothing is here
    uint32_t signal;  // that came
    int32_t code;     // si_code
    uint32_t sender;  // pid, when a process sent it; 0: the process's own doing
    uint64_t address; // si_addr, of a fault
    uint32_t frame_count, module_count;
    uint64_t frames[ERRLOG_FRAMES]; // return addresses, innermost first
    struct errlog_module modules[ERRLOG_MODULES];
};

uint64_t errlog_segment_bytes(int task_count);

// Make segment "errlog".
int errlog_create(int dir_fd, uint64_t job_fingerprint, int task_count, struct err *err);

// task_index -1: a reader (fingerprint 0: any job's).
int errlog_attach(int dir_fd, uint64_t job_fingerprint, int task_index, struct errlog **out,
                  struct err *err);
void errlog_detach(struct errlog *log); // NULL is fine

// Note a text (cut at 463 bytes). Texts beyond the slots are only counted.
void errlog_note(struct errlog *log, int64_t now_ms, const char *text);
void errlog_printf(struct errlog *log, int64_t now_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The task's own crash record, for its signal handler to write. modules may be written before.
struct errlog_crash *errlog_crash_slot(struct errlog *log);
// In the handler: the record is whole. Safe in a signal handler.
void errlog_crash_publish(struct errlog_crash *slot, uint32_t pid);
// Has process `pid`, which ran this very task before, left a record? For the task itself.
bool errlog_has_crash(const struct errlog *log, uint32_t pid);
// A reader: what process `pid` of the task has left; false: nothing. Counts and texts are made to
// fit, whatever is in them.
bool errlog_read_crash(const struct errlog *log, int task_index, uint32_t pid,
                       struct errlog_crash *out);

// Visit every entry, task by task, oldest first. Returns how many notes found no slot.
uint64_t errlog_read(const struct errlog *log,
                     void (*visit)(const struct errlog_entry *entry, void *context), void *context);

#endif
