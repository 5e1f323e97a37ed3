// events.h: the job's event log: a file of JSON lines that outlives the run, bounded in size.
//
// One writer, the supervisor of the job (the file is locked). What is written is not forced to
// disk: a crash of the host may lose the last lines, a crash of the supervisor none. A death's
// record is written when the death is known, with room at its end for what comes of it; that is
// filled in place. A log that cannot be written never holds the job up.
#ifndef WEIR_STAGES_SUPERVISOR_EVENTS_H
#define WEIR_STAGES_SUPERVISOR_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"

enum {
    EVENTS_FILE_BYTES = 4 << 20, // beyond that a file is renamed to PATH.1, which is replaced
    EVENTS_PATH_BYTES = 4096,
};

struct events; // all functions take NULL: then nothing is kept

// Open or make the file. -EBUSY: another process writes it; others with a text.
int events_open(const char *path, uint64_t max_bytes, struct events **out, struct err *err);
void events_close(struct events *events);

// Begin a record: {"time_ms":..,"time":"..","event":"NAME". The caller appends ,"key":value
// members and gives the buffer to one of the two below, which ends and frees it.
struct buf events_begin(const char *name);
void events_append(struct events *events, struct buf *record);
// The same, with room for what comes of it: ,"gap_ms":null,"rung":null and blanks. Returns a
// ticket for events_settle; 0: not kept.
uint64_t events_append_open(struct events *events, struct buf *record);

// Fill in what came of it. gap_ms < 0: null. Nothing when the file has been changed for another.
void events_settle(struct events *events, uint64_t ticket, double gap_ms, const char *rung);

#endif
