// file_savepoint.h: what the file source and its savepoints share.
#ifndef WEIR_STAGES_SOURCE_FILE_SAVEPOINT_H
#define WEIR_STAGES_SOURCE_FILE_SAVEPOINT_H

#include "stages/runtime/operator.h"
#include "stages/source/file_positions.h"

enum { FILE_CHUNK_BYTES = 1 << 20 };

extern const struct savepoint_class file_savepoint;

// The root of two words: 1 when the files have been listed; is the one file shared in chunks?
static inline uint32_t file_flags_root(const struct op *op)
{
    return (uint32_t)op->id + 128;
}

struct file_shape {
    const char *path;
    bool line_is_row; // a file can be cut at any line
    bool is_followed;
};

// What the options of a table say. -EINVAL with a text.
int file_source_shape(const struct plan_table *table, struct file_shape *out, struct err *err);

// Followed files: file_followed.c. As the members of struct savepoint_class; `path` is the
// option's.
void file_put_followed(const struct file_positions *files, struct savepoint_writer *out, int id);
void *file_followed_begin(const struct op_context *contexts, int count);
int file_followed_take(void *restoring, struct savepoint_record *record, struct err *err);
int file_followed_end(void *restoring, const char *path, struct err *err);
void file_followed_free(void *restoring);

#endif
