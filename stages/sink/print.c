// print.c: the print connector: one row a line on stdout (or stderr).
//
// Lines are formatted during the transaction, put into the arena as one block before its commit,
// and written after it. A kill between that write and the commit that clears the block makes the
// next process write the block again: at least once, in that one instant. (A pipe cannot be cut
// back; use the filesystem connector where each row must come exactly once.) Into a regular file a
// kill may leave the begin of a line, at the end of a page: that is cut off before the block is
// written again.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/format/writer.h"
#include "stages/runtime/operator.h"
#include "stages/runtime/schema.h"

struct outbox {     // in the arena
    uint64_t block; // 0: empty
    uint64_t bytes;
};

struct print {
    struct operator base; // must be first
    struct buf text;      // of the open transaction
    uint64_t outbox_at;
    int fd;
    int failed; // -errno of a write; the next push reports it
    char prefix[192];
};

// As many whole lines as a pipe takes in one piece, so that the lines of several tasks on one
// stdout do not run into each other; a longer line alone may.
static uint64_t piece_bytes(const char *bytes, uint64_t left)
{
    if (left <= PIPE_BUF)
        return left;
    const char *end = memrchr(bytes, '\n', PIPE_BUF);
    if (!end)
        end = memchr(bytes, '\n', left);
    return end ? (uint64_t)(end + 1 - bytes) : left;
}

static int write_all(struct env *env, int fd, const char *bytes, uint64_t left)
{
    while (left > 0) {
        ssize_t n = env->write(env, fd, bytes, piece_bytes(bytes, left));
        if (n == -EINTR)
            continue;
        if (n == -EAGAIN) { // a terminal or pipe that somebody made non-blocking
            usleep(1000);
            continue;
        }
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        bytes += n;
        left -= (uint64_t)n;
    }
    return 0;
}

// Write what was committed and clear it; the caller commits.
static int drain_outbox(struct print *print)
{
    struct arena *arena = print->base.context.arena;
    struct env *env = print->base.context.env;
    struct outbox box;
    memcpy(&box, arena_at(arena, print->outbox_at), sizeof box);
    if (!box.block)
        return 0;
    int rc = write_all(env, print->fd, arena_at(arena, box.block), box.bytes);
    arena_free(arena, box.block, box.bytes);
    memset(arena_touch(arena, print->outbox_at, sizeof box), 0, sizeof box);
    return rc;
}

// Flink's prefix: the identifier, then the subtask from 1 when there are several.
static void make_prefix(struct print *print)
{
    const struct op_context *context = &print->base.context;
    const char *name = table_option(context->op->table, "print-identifier", "");
    if (context->stage->parallelism > 1)
        snprintf(print->prefix, sizeof print->prefix, "%s%s%d", name, *name ? ":" : "",
                 context->subtask + 1);
    else
        snprintf(print->prefix, sizeof print->prefix, "%s", name);
}

// Does a line of the block begin with these bytes?
static bool begins_a_line(struct slice block, struct slice part)
{
    for (const char *p = block.ptr, *end = block.ptr + block.len; p < end;) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        if ((size_t)(end - p) >= part.len && memcmp(p, part.ptr, part.len) == 0)
            return true;
        p = line_end ? line_end + 1 : end;
    }
    return false;
}

// The last `bytes` (or fewer) of the regular file behind fd; their offset in *from. -errno.
static ssize_t read_tail(int fd, char *tail, off_t bytes, off_t *from)
{
    char path[64];
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return -ESPIPE;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_RDONLY | O_CLOEXEC); // a shell's redirection cannot be read
    if (own < 0)
        return -errno;
    *from = st.st_size > bytes ? st.st_size - bytes : 0;
    ssize_t len = pread(own, tail, (size_t)bytes, *from);
    close(own);
    return len;
}

// The predecessor was killed in the middle of a write to a regular file: cut off the part of a line
// that is at its end, if it is one of ours (another task may have written since).
static void cut_torn_line(const struct print *print, struct slice block)
{
    enum { TAIL_BYTES = 1 << 16 };
    off_t from = 0;
    char *tail = malloc(TAIL_BYTES);
    CHECK(tail);
    ssize_t len = read_tail(print->fd, tail, TAIL_BYTES, &from);
    const char *line_end = len > 0 ? memrchr(tail, '\n', (size_t)len) : NULL;
    size_t kept = line_end ? (size_t)(line_end + 1 - tail) : 0;
    bool torn = len > 0 && kept < (size_t)len && (line_end || from == 0);
    if (torn && begins_a_line(block, slice_make(tail + kept, (size_t)len - kept)) &&
        ftruncate(print->fd, from + (off_t)kept) == 0)
        lseek(print->fd, from + (off_t)kept, SEEK_SET); // shared with everyone who writes there
    free(tail);
}

static void mend_outbox(struct print *print)
{
    struct arena *arena = print->base.context.arena;
    struct outbox box;
    memcpy(&box, arena_at(arena, print->outbox_at), sizeof box);
    if (box.block)
        cut_torn_line(print, slice_make(arena_at(arena, box.block), box.bytes));
}

static int print_open(const struct op_context *context, struct operator** out, struct err *err)
{
    struct print *print = calloc(1, sizeof *print);
    CHECK(print && !context->next);
    print->base = (struct operator){.class = &print_class, .context = *context};
    bool is_stderr =
        strcmp(table_option(context->op->table, "standard-error", "false"), "true") == 0;
    print->fd = is_stderr ? STDERR_FILENO : STDOUT_FILENO;
    make_prefix(print);
    int rc = arena_root(context->arena, (uint32_t)context->op->id, sizeof(struct outbox),
                        &print->outbox_at);
    if (rc == 0) {
        mend_outbox(print);
        rc = drain_outbox(print);
    }
    if (rc < 0) {
        free(print);
        return err_set(err, rc, "cannot print: %s", strerror(-rc));
    }
    *out = &print->base;
    return 0;
}

// What was committed could not be written: nobody will read what comes, so the job ends.
static int refuse_more(const struct print *print)
{
    const struct op_context *context = &print->base.context;
    const char *stream = print->fd == STDERR_FILENO ? "stderr" : "stdout";
    char text[256];
    if (print->failed == -EPIPE)
        snprintf(text, sizeof text,
                 "%s was closed by its reader (as by `| head`): the job ends, because nobody reads "
                 "its rows",
                 stream);
    else
        snprintf(text, sizeof text, "rows cannot be written to %s: %s", stream,
                 strerror(-print->failed));
    op_fail(context, text);
    return print->failed;
}

static int print_push(struct operator* op, struct batch *batch)
{
    struct print *print = (struct print *)op;
    if (print->failed)
        return refuse_more(print);
    size_t before = print->text.len;
    writer_print(batch, &op->context.op->output, print->prefix, &print->text);
    *op->context.rows_out += batch->count;
    op_count_bytes(op->context.bytes_out, print->text.len - before);
    return 0;
}

static int print_watermark(struct operator* op, int64_t watermark_ms)
{
    (void)op;
    (void)watermark_ms;
    return 0;
}

static int print_before_commit(struct operator* op)
{
    struct print *print = (struct print *)op;
    struct outbox box = {.bytes = print->text.len};
    if (print->failed)
        return refuse_more(print);
    if (!box.bytes)
        return 0;
    struct arena *arena = op->context.arena;
    int rc = arena_alloc(arena, box.bytes, &box.block);
    // The rows' own size is the trouble, not the state: fewer of them may fit.
    if (rc == -ENOSPC && box.bytes >= arena->header->total_bytes / 8)
        rc = -EAGAIN;
    if (rc < 0)
        return rc;
    memcpy(arena_fresh(op->context.arena, box.block), print->text.data, box.bytes);
    memcpy(arena_touch(op->context.arena, print->outbox_at, sizeof box), &box, sizeof box);
    buf_clear(&print->text);
    return 0;
}

static void print_after_commit(struct operator* op)
{
    struct print *print = (struct print *)op;
    int rc = drain_outbox(print);
    if (rc < 0)
        print->failed = rc;
}

// The last rows may have met the closed pipe after the last push.
static int print_finish(struct operator* op, struct err *err)
{
    const struct print *print = (const struct print *)op;
    if (!print->failed)
        return 0;
    return err_set(err, print->failed, "the last rows could not be written to %s: %s",
                   print->fd == STDERR_FILENO ? "stderr" : "stdout", strerror(-print->failed));
}

// After a commit: every row that was counted has been written.
static void print_describe(const struct operator* op, struct buf *out)
{
    const struct print *print = (const struct print *)op;
    buf_append_str(out, "\"sink\":{\"table\":");
    buf_append_json_string(out, slice_of(op->context.op->table->name));
    buf_printf(out, ",\"connector\":\"print\",\"stream\":\"%s\",\"rows\":%llu}",
               print->fd == STDERR_FILENO ? "stderr" : "stdout",
               (unsigned long long)*op->context.rows_out);
}

static void print_reset(struct operator* op)
{
    buf_clear(&((struct print *)op)->text);
}

static void print_close(struct operator* op)
{
    buf_fini(&((struct print *)op)->text);
    free(op);
}

const struct operator_class print_class = {
    .name = "print",
    .open = print_open,
    .push = print_push,
    .watermark = print_watermark,
    .before_commit = print_before_commit,
    .after_commit = print_after_commit,
    .describe = print_describe,
    .finish = print_finish,
    .reset = print_reset,
    .close = print_close,
};
