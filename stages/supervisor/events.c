// events.c: see events.h. The file is written with pwrite at a position of our own, so that a
// record's end can be filled later; the lock keeps other writers out. A line that a crash cut off
// (no end of line) is ended when the file is opened again.
#include "stages/supervisor/events.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/calendar.h"
#include "core/base/check.h"
#include "core/base/env.h"

enum { TAIL_BYTES = 64 }; // ,"gap_ms":..,"rung":".."} and blanks, without the line's end

struct events {
    char path[EVENTS_PATH_BYTES];
    int fd;
    uint64_t at, max_bytes;
    uint64_t generation; // of the file; in a ticket's high bits
};

enum { TICKET_SHIFT = 40 };

static int open_file(struct events *e, struct err *err)
{
    struct stat st;
    char last = '\n';
    e->fd = open(e->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (e->fd < 0)
        return err_set(err, -errno, "cannot write %s: %s", e->path, strerror(errno));
    int rc = 0;
    if (flock(e->fd, LOCK_EX | LOCK_NB) < 0)
        rc = err_set(err, -EBUSY, "%s is written by another job; set recovery.events", e->path);
    else if (fstat(e->fd, &st) < 0 || !S_ISREG(st.st_mode))
        rc = err_set(err, -EINVAL, "%s is no file; set recovery.events to another", e->path);
    if (rc < 0) {
        close(e->fd);
        e->fd = -1;
        return rc;
    }
    e->at = (uint64_t)st.st_size;
    e->generation++;
    if (e->at && pread(e->fd, &last, 1, st.st_size - 1) == 1 && last != '\n' &&
        pwrite(e->fd, "\n", 1, st.st_size) == 1)
        e->at++;
    return 0;
}

int events_open(const char *path, uint64_t max_bytes, struct events **out, struct err *err)
{
    struct events *e = calloc(1, sizeof *e);
    CHECK(e && max_bytes > 0);
    e->max_bytes = max_bytes;
    int length = snprintf(e->path, sizeof e->path, "%s", path);
    // Room for ".1" too.
    int rc = length + 3 > (int)sizeof e->path
                 ? err_set(err, -ENAMETOOLONG, "the path of recovery.events is too long")
                 : open_file(e, err);
    if (rc < 0) {
        free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void events_close(struct events *e)
{
    if (!e)
        return;
    if (e->fd >= 0)
        close(e->fd);
    free(e);
}

struct buf events_begin(const char *name)
{
    struct buf record = {0};
    char text[CALENDAR_TEXT_BYTES];
    int64_t now_ms = env_system()->realtime_ms(env_system());
    size_t len = calendar_format_timestamp(now_ms, CALENDAR_ISO, true, text);
    buf_printf(&record, "{\"time_ms\":%" PRId64 ",\"time\":\"%.*s\",\"event\":\"%s\"", now_ms,
               (int)len, text, name);
    return record;
}

// The file is long enough: it becomes the old one.
static void rotate(struct events *e)
{
    char old[EVENTS_PATH_BYTES];
    struct err ignored;
    CHECK(snprintf(old, sizeof old, "%s.1", e->path) < (int)sizeof old);
    if (rename(e->path, old) < 0)
        return; // it grows on, and this is tried again
    close(e->fd);
    open_file(e, &ignored); // fd is -1 when that fails: nothing is kept any more
}

static bool put(struct events *e, const char *bytes, size_t len)
{
    ssize_t n = pwrite(e->fd, bytes, len, (off_t)e->at);
    if (n == (ssize_t)len) {
        e->at += len;
        return true;
    }
    // Half a line would make the next one unreadable too.
    if (n > 0 && ftruncate(e->fd, (off_t)e->at) < 0)
        e->at += (uint64_t)n;
    return false;
}

static bool append(struct events *e, struct buf *record)
{
    if (e->at && e->at + record->len > e->max_bytes)
        rotate(e);
    return e->fd >= 0 && put(e, record->data, record->len);
}

void events_append(struct events *e, struct buf *record)
{
    buf_append_str(record, "}\n");
    if (e && e->fd >= 0)
        append(e, record);
    buf_fini(record);
}

// TAIL_BYTES of it.
static void append_tail(double gap_ms, const char *rung, struct buf *out)
{
    const size_t from = out->len;
    if (gap_ms < 0)
        buf_append_str(out, ",\"gap_ms\":null");
    else
        buf_printf(out, ",\"gap_ms\":%.3f", gap_ms);
    buf_printf(out, rung ? ",\"rung\":\"%s\"" : ",\"rung\":null", rung);
    CHECK(out->len - from < TAIL_BYTES);
    while (out->len - from < TAIL_BYTES - 1)
        buf_append_char(out, ' ');
    buf_append_char(out, '}');
}

uint64_t events_append_open(struct events *e, struct buf *record)
{
    uint64_t ticket = 0;
    append_tail(-1, NULL, record);
    buf_append_char(record, '\n');
    if (e && e->fd >= 0 && append(e, record))
        ticket = (e->generation << TICKET_SHIFT) | (e->at - 1 - TAIL_BYTES);
    buf_fini(record);
    return ticket;
}

void events_settle(struct events *e, uint64_t ticket, double gap_ms, const char *rung)
{
    struct buf tail = {0};
    const uint64_t at = ticket & ((UINT64_C(1) << TICKET_SHIFT) - 1);
    if (!e || e->fd < 0 || !ticket || ticket >> TICKET_SHIFT != e->generation)
        return;
    append_tail(gap_ms, rung, &tail);
    (void)!pwrite(e->fd, tail.data, tail.len, (off_t)at); // else it says null for ever
    buf_fini(&tail);
}
