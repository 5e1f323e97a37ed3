// blackhole.c: the connector that takes rows and keeps none. For benches, and for jobs that are run
// for their other outputs.
//
// With 'latency.column' and 'latency.file' it measures: that column says when a row was due (or a
// window ended), and how long after that the row's batch was committed here goes into a histogram
// in that file, which others map and read while the job runs. A batch that is aborted was never
// measured; what a kill catches between the commit and the measuring is not.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/histogram.h"
#include "stages/runtime/operator.h"
#include "stages/runtime/schema.h"

struct blackhole {
    struct operator base; // must be first
    int column;           // with times; -1: nothing is measured
    int64_t unit_ns;      // of the column
    struct histogram *histogram;
    struct buf due; // of the open transaction: int64, nanoseconds of the wall clock
};

enum { DIGITS = 3 };

// The column's index; -1: none is named.
static int find_column(const struct plan_table *table, int *column, struct err *err)
{
    const char *name = table_option(table, "latency.column", NULL);
    const char *file = table_option(table, "latency.file", NULL);
    *column = -1;
    if (!name && !file)
        return 0;
    if (!name || !file)
        return err_set(err, -EINVAL,
                       "table %s: 'latency.column' and 'latency.file' need each other",
                       table->name);
    for (int i = 0; i < table->physical.field_count; i++) {
        const struct field *field = &table->physical.fields[i];
        if (strcmp(field->name, name) != 0)
            continue;
        if (field->type.kind != TYPE_BIGINT && !type_is_timestamp(field->type.kind))
            return err_set(err, -EINVAL,
                           "table %s: column %s cannot be 'latency.column': it is neither BIGINT "
                           "(nanoseconds) nor TIMESTAMP",
                           table->name, name);
        *column = i;
        return 0;
    }
    return err_set(err, -EINVAL, "table %s: 'latency.column' names no column of the table: %s",
                   table->name, name);
}

static int blackhole_check(const struct op *op, struct err *err)
{
    int column;
    return find_column(op->table, &column, err);
}

// The file of this task: made, or gone on with.
static int map_file(struct blackhole *hole, const struct op_context *context, struct err *err)
{
    char path[4096];
    struct stat st;
    const uint64_t bytes = histogram_bytes(DIGITS);
    snprintf(path, sizeof path, "%s-%d", table_option(context->op->table, "latency.file", ""),
             context->stage->first_task + context->subtask);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(err, -errno, "%s cannot be opened: %s", path, strerror(errno));
    bool is_there = fstat(fd, &st) == 0 && (uint64_t)st.st_size == bytes;
    int rc = -posix_fallocate(fd, 0, (off_t)bytes); // no hole: to touch one can be SIGBUS
    void *map = rc < 0
                    ? MAP_FAILED
                    : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    rc = rc == 0 && map == MAP_FAILED ? -errno : rc;
    close(fd);
    if (rc < 0)
        return err_set(err, rc, "%s cannot be mapped: %s", path, strerror(-rc));
    hole->histogram = map;
    if (is_there)
        rc = histogram_check(map, bytes, err);
    else
        histogram_init(map, DIGITS);
    return rc < 0 ? err_prefix(err, rc, "%s", path) : 0;
}

static void blackhole_close(struct operator* op)
{
    struct blackhole *hole = (struct blackhole *)op;
    if (hole->histogram)
        munmap(hole->histogram, histogram_bytes(DIGITS));
    buf_fini(&hole->due);
    free(hole);
}

static int blackhole_open(const struct op_context *context, struct operator** out, struct err *err)
{
    const struct plan_table *table = context->op->table;
    struct blackhole *hole = calloc(1, sizeof *hole);
    CHECK(hole && !context->next);
    hole->base = (struct operator){.class = &blackhole_class, .context = *context};
    int rc = find_column(table, &hole->column, err);
    if (rc == 0 && hole->column >= 0) {
        enum type_kind kind = table->physical.fields[hole->column].type.kind;
        hole->unit_ns = type_is_timestamp(kind) ? 1000000 : 1;
        rc = map_file(hole, context, err);
    }
    if (rc < 0) {
        blackhole_close(&hole->base);
        return rc;
    }
    *out = &hole->base;
    return 0;
}

static void note_due(struct blackhole *hole, const struct batch *batch)
{
    CHECK(hole->column < batch->column_count);
    const struct column *column = &batch->columns[hole->column];
    for (uint32_t i = 0; i < batch->count; i++) {
        int64_t due_ns = column->i64[i] * hole->unit_ns;
        if (column->state[i] == VALUE_PRESENT)
            buf_append(&hole->due, &due_ns, sizeof due_ns);
    }
}

static int blackhole_push(struct operator* op, struct batch *batch)
{
    struct blackhole *hole = (struct blackhole *)op;
    if (hole->histogram)
        note_due(hole, batch);
    *op->context.rows_out += batch->count;
    return 0;
}

static void blackhole_after_commit(struct operator* op)
{
    struct blackhole *hole = (struct blackhole *)op;
    if (!hole->due.len)
        return;
    const int64_t now_ns = op->context.env->realtime_ns(op->context.env);
    for (size_t at = 0; at < hole->due.len; at += sizeof now_ns) {
        int64_t due_ns;
        memcpy(&due_ns, hole->due.data + at, sizeof due_ns);
        histogram_record(hole->histogram, now_ns - due_ns);
    }
    buf_clear(&hole->due);
}

static int blackhole_watermark(struct operator* op, int64_t watermark_ms)
{
    (void)op;
    (void)watermark_ms;
    return 0;
}

static void blackhole_describe(const struct operator* op, struct buf *out)
{
    buf_append_str(out, "\"sink\":{\"table\":");
    buf_append_json_string(out, slice_of(op->context.op->table->name));
    buf_printf(out, ",\"connector\":\"blackhole\",\"rows\":%llu}",
               (unsigned long long)*op->context.rows_out);
}

static void blackhole_reset(struct operator* op)
{
    buf_clear(&((struct blackhole *)op)->due);
}

const struct operator_class blackhole_class = {
    .name = "blackhole",
    .check = blackhole_check,
    .open = blackhole_open,
    .push = blackhole_push,
    .watermark = blackhole_watermark,
    .after_commit = blackhole_after_commit,
    .describe = blackhole_describe,
    .reset = blackhole_reset,
    .close = blackhole_close,
};
