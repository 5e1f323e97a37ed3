// errlog.h: a log in which the same text takes one line: how often, first and last time. In shared
// memory, so that it can be read after a crash; each task writes a section of its own.
#ifndef WEIR_SHM_ERRLOG_H
#define WEIR_SHM_ERRLOG_H

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

// Visit every entry, task by task, oldest first. Returns how many notes found no slot.
uint64_t errlog_read(const struct errlog *log,
                     void (*visit)(const struct errlog_entry *entry, void *context), void *context);

#endif
