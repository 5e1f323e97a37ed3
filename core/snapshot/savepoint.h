// savepoint.h: the logical form of a job's state: typed rows, named by the operator of the script
// that they belong to, whatever the number of tasks. Byte by byte in docs/savepoint-format.md.
//
// A file of frames, each with a CRC32C that is bound to its place; in a frame records, in a record
// typed values. What the values of a record mean is its kind's, see the list. Everything read is
// input: a damaged frame is -EBADMSG, a record of the wrong shape shows at its end.
#ifndef WEIR_CORE_SNAPSHOT_SAVEPOINT_H
#define WEIR_CORE_SNAPSHOT_SAVEPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/env.h"
#include "core/base/err.h"

enum {
    SAVEPOINT_VERSION = 1,
    SAVEPOINT_FRAME_BYTES = 64 << 10, // a frame is written when it has reached this
    SAVEPOINT_SET_VALUES = 512,       // of a set, in one record
};

// The order of the kinds is that of the file: clocks before what is judged by them.
enum savepoint_kind {
    SAVEPOINT_CLOCK = 1, // source's task: running maximum, last due, last sent, newest, has ended
    SAVEPOINT_COUNTS,    // task: rows in, rows out, bad rows, late rows, bytes in, bytes out
    SAVEPOINT_WATERMARK, // window, or who asks for it: has one, watermark
    SAVEPOINT_FILE,      // path, from, line's begin is to be found, to (-1: the end), is the rest
    SAVEPOINT_NUMBERS,   // datagen: first, step, count, is the rest
    SAVEPOINT_PART,      // file sink: folder, task, part in progress, its bytes, first not finished
    SAVEPOINT_DEAD,      // dead letters: folder, task, bytes
    SAVEPOINT_GROUP,     // window: the columns of a partial row
    SAVEPOINT_ROW,       // window: start, point, the columns of a row that waits for the point
    SAVEPOINT_SET,       // window: start, aggregate, keys, then distinct values
    SAVEPOINT_EMITTED,   // group window: keys, start, due, was it emitted, the results emitted last
    SAVEPOINT_FOLLOWED,  // path, offset, in the rest of an overlong row, inode, known bytes, hash
    SAVEPOINT_PARTITION, // kafka: see stages/source/kafka_savepoint.c
    SAVEPOINT_OUTBOX,    // kafka sink: see stages/kafka/outbox_savepoint.c
    SAVEPOINT_OUTBOX_ROW,
    SAVEPOINT_KIND_COUNT,
};

// --- writing ---

struct savepoint_writer {
    struct env *env;
    int fd;
    uint64_t id; // of the savepoint: frames of another one do not fit
    uint64_t offset, frames, records;
    struct buf frame;
    size_t record_at; // of the open record in the frame
    uint32_t frame_records;
    int failed; // the first -errno
};

// Begin a new file, which must not exist.
int savepoint_create(struct env *env, const char *path, uint64_t id, struct savepoint_writer *out,
                     struct err *err);

// A record of operator `op`, value by value. What fails is said by savepoint_finish.
void savepoint_begin(struct savepoint_writer *w, int op, enum savepoint_kind kind);
void savepoint_put_null(struct savepoint_writer *w);
void savepoint_put_int(struct savepoint_writer *w, int64_t value);
void savepoint_put_double(struct savepoint_writer *w, double value);
void savepoint_put_text(struct savepoint_writer *w, struct slice value);
void savepoint_end(struct savepoint_writer *w);

// The rest, the foot, and all of it durable; closes the file, also after a failure.
int savepoint_finish(struct savepoint_writer *w, struct err *err);

// --- reading ---

enum savepoint_tag { SAVEPOINT_NULL, SAVEPOINT_INT, SAVEPOINT_DOUBLE, SAVEPOINT_TEXT };

struct savepoint_value {
    enum savepoint_tag tag;
    union {
        int64_t number;
        double real;
    };
    struct slice text; // valid until the next record
};

struct savepoint_record {
    int op;
    enum savepoint_kind kind;
    int left; // values that are not taken yet
    struct slice body;
    bool is_bad; // a value was missing, or of another type than asked for
};

struct savepoint_reader {
    struct env *env;
    const char *path;
    int fd;
    uint64_t id, offset, frame, records;
    struct buf bytes; // of the frame
    size_t at;
    uint32_t left; // records of the frame
    bool at_end;
};

int savepoint_open(struct env *env, const char *path, uint64_t id, struct savepoint_reader *out,
                   struct err *err);
// 1: a record; 0: the foot came, and counts what was read; -EBADMSG, -EPROTO or of the disk.
int savepoint_next(struct savepoint_reader *r, struct savepoint_record *out, struct err *err);
void savepoint_close(struct savepoint_reader *r);

// The next value. Behind the last one: a NULL, and the record is bad.
struct savepoint_value savepoint_take(struct savepoint_record *record);
// One that must be a whole number, at least 0; a text.
int64_t savepoint_take_int(struct savepoint_record *record);
uint64_t savepoint_take_count(struct savepoint_record *record);
struct slice savepoint_take_text(struct savepoint_record *record);

#endif
