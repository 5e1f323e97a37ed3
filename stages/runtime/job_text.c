// job_text.c: see job_text.h. The text is "name length\nbytes\n" for each field.
//
// What a crash leaves: the old text or the new one, and maybe the file of one that was never put in
// place.
#include "stages/runtime/job_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/blob.h"

static const char text_name[] = "job", new_name[] = "job.new";

static void put_field(struct buf *out, const char *name, struct slice value)
{
    buf_printf(out, "%s %llu\n", name, (unsigned long long)value.len);
    buf_append(out, value.ptr, value.len);
    buf_append_char(out, '\n');
}

static void put_number(struct buf *out, const char *name, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    put_field(out, name, slice_of(text));
}

static void text_make(const struct job_options *options, struct buf *out)
{
    put_field(out, "job", slice_of(options->job_name));
    put_field(out, "file", slice_of(options->sql_file));
    put_field(out, "dead_letter",
              slice_of(options->dead_letter_dir ? options->dead_letter_dir : "dead"));
    put_field(out, "bad_rows", slice_of(options->bad_rows ? options->bad_rows : "dead-letter"));
    put_number(out, "cores", (uint64_t)options->cores);
    put_number(out, "state_bytes", job_state_bytes(options));
    put_number(out, "waiting", (uint64_t)options->waiting);
    put_field(out, "checkpoint_dir",
              slice_of(options->checkpoint_dir ? options->checkpoint_dir : ""));
    put_number(out, "checkpoint_engine", (uint64_t)options->checkpoint_engine);
    put_number(out, "checkpoint_interval", (uint64_t)options->checkpoint_interval_ms);
    put_number(out, "is_restored", options->is_restored);
    put_number(out, "orphan_after", (uint64_t)options->orphan_after_ms);
    put_number(out, "latency_interval", (uint64_t)options->latency_interval_ms);
    put_number(out, "lock", (uint64_t)options->lock);
    put_number(out, "is_fifo", options->is_fifo);
    put_field(out, "sql", options->sql);
}

int job_text_write(const struct jobdir *dir, uint64_t fingerprint,
                   const struct job_options *options, struct err *err)
{
    struct buf text = {0};
    text_make(options, &text);
    if (unlinkat(dir->fd, new_name, 0) < 0 && errno != ENOENT) {
        buf_fini(&text);
        return err_set(err, -errno, "cannot remove %s/%s: %s", dir->path, new_name,
                       strerror(errno));
    }
    int rc = blob_create(dir->fd, new_name, fingerprint, buf_slice(&text), err);
    if (rc == 0 && renameat(dir->fd, new_name, dir->fd, text_name) < 0)
        rc = err_set(err, -errno, "cannot make %s/%s: %s", dir->path, text_name, strerror(errno));
    buf_fini(&text);
    return rc;
}

bool job_text_is_same(const struct job_options *a, const struct job_options *b)
{
    struct buf one = {0}, other = {0};
    text_make(a, &one);
    text_make(b, &other);
    bool is_same = one.len == other.len && memcmp(one.data, other.data, one.len) == 0;
    buf_fini(&one);
    buf_fini(&other);
    return is_same;
}

// The value of a field; its final newline becomes a NUL, so that it is a string as well.
static const char *get_field(struct buf *text, const char *name, uint64_t *len)
{
    size_t at = 0;
    while (at < text->len) {
        char key[32];
        unsigned long long bytes;
        int used = 0;
        if (sscanf(text->data + at, "%31s %llu%n", key, &bytes, &used) != 2 || !used)
            return NULL;
        at += (size_t)used + 1;
        if (at > text->len || bytes >= text->len - at)
            return NULL;
        if (strcmp(key, name) == 0) {
            text->data[at + bytes] = '\0';
            *len = bytes;
            return text->data + at;
        }
        at += bytes + 1;
    }
    return NULL;
}

static uint64_t get_number(struct buf *text, const char *name)
{
    uint64_t len;
    const char *value = get_field(text, name, &len);
    return value ? strtoull(value, NULL, 10) : 0;
}

static int parse_text(struct job *job, struct err *err)
{
    uint64_t len;
    const char *sql = NULL;
    buf_str(&job->text);
    job->options.job_name = get_field(&job->text, "job", &len);
    job->options.sql_file = get_field(&job->text, "file", &len);
    job->options.dead_letter_dir = get_field(&job->text, "dead_letter", &len);
    job->options.bad_rows = get_field(&job->text, "bad_rows", &len);
    job->options.cores = (int)get_number(&job->text, "cores");
    job->options.state_bytes = get_number(&job->text, "state_bytes");
    job->options.waiting = (enum waiter_policy)get_number(&job->text, "waiting");
    job->options.checkpoint_dir = get_field(&job->text, "checkpoint_dir", &len);
    job->options.checkpoint_engine = (int)get_number(&job->text, "checkpoint_engine");
    job->options.checkpoint_interval_ms = (int64_t)get_number(&job->text, "checkpoint_interval");
    job->options.is_restored = get_number(&job->text, "is_restored") != 0;
    job->options.orphan_after_ms = (int64_t)get_number(&job->text, "orphan_after");
    job->options.latency_interval_ms = (int64_t)get_number(&job->text, "latency_interval");
    job->options.lock = get_number(&job->text, "lock") ? JOB_LOCK_YES : JOB_LOCK_NO;
    job->options.is_fifo = get_number(&job->text, "is_fifo") != 0;
    sql = get_field(&job->text, "sql", &len);
    job->options.sql = slice_make(sql, len);
    if (!sql || !job->options.job_name || !job->options.sql_file || !job->options.dead_letter_dir ||
        !job->options.bad_rows || !job->options.checkpoint_dir)
        return err_set(err, -EILSEQ,
                       "the job's text in %s is damaged; remove the folder and start again",
                       job->dir.path);
    return 0;
}

int job_text_read(struct job *job, struct err *err)
{
    int rc = blob_read(job->dir.fd, text_name, 0, &job->text, err);
    return rc == 0 ? parse_text(job, err) : rc;
}
