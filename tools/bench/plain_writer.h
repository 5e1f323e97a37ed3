// plain_writer.h: a thread that writes files and knows nothing of weir: what a disk's work alone
// costs the batches beside it. Where a virtual machine's disk is a thread of the host, that takes
// time and memory bandwidth from its cores, whoever writes.
//
// Plain O_DIRECT writes of PLAIN_BYTES, into room that was made before, durable at the end; the
// file is removed.
#ifndef WEIR_TOOLS_BENCH_PLAIN_WRITER_H
#define WEIR_TOOLS_BENCH_PLAIN_WRITER_H

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"

enum { PLAIN_BYTES = 256 << 10 };

struct plain_writer {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    // Under the mutex:
    const char *path; // NULL: nothing to do
    uint64_t bytes;
    bool is_busy, stops;
};

static void plain_write_file(const char *path, uint64_t bytes, const void *buffer)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool good = fallocate(fd, 0, 0, (off_t)bytes) == 0;
    for (uint64_t at = 0; good && at < bytes; at += PLAIN_BYTES)
        good = pwrite(fd, buffer, PLAIN_BYTES, (off_t)at) == PLAIN_BYTES;
    if (!good || fdatasync(fd) < 0)
        fprintf(stderr, "checkpoint: plain writes to %s failed\n", path);
    close(fd);
    unlink(path);
}

static void *plain_writer_work(void *context)
{
    struct plain_writer *w = context;
    void *buffer = aligned_alloc(4096, PLAIN_BYTES);
    CHECK(buffer);
    memset(buffer, 0x5a, PLAIN_BYTES);
    pthread_mutex_lock(&w->mutex);
    while (!w->stops) {
        if (!w->path) {
            pthread_cond_wait(&w->has_work, &w->mutex);
            continue;
        }
        const char *path = w->path;
        uint64_t bytes = w->bytes;
        w->path = NULL;
        pthread_mutex_unlock(&w->mutex);
        plain_write_file(path, bytes, buffer);
        pthread_mutex_lock(&w->mutex);
        w->is_busy = false;
    }
    pthread_mutex_unlock(&w->mutex);
    free(buffer);
    return NULL;
}

static void plain_writer_start(struct plain_writer *w)
{
    CHECK(pthread_mutex_init(&w->mutex, NULL) == 0 && pthread_cond_init(&w->has_work, NULL) == 0 &&
          pthread_create(&w->thread, NULL, plain_writer_work, w) == 0);
}

// `path` stays the caller's, and as it is, until the writer is idle again.
static void plain_writer_begin(struct plain_writer *w, const char *path, uint64_t bytes)
{
    pthread_mutex_lock(&w->mutex);
    w->path = path;
    w->bytes = bytes;
    w->is_busy = true;
    pthread_cond_signal(&w->has_work);
    pthread_mutex_unlock(&w->mutex);
}

static bool plain_writer_is_idle(struct plain_writer *w)
{
    if (pthread_mutex_trylock(&w->mutex))
        return false;
    bool is_idle = !w->is_busy;
    pthread_mutex_unlock(&w->mutex);
    return is_idle;
}

static void plain_writer_stop(struct plain_writer *w)
{
    pthread_mutex_lock(&w->mutex);
    w->stops = true;
    pthread_cond_signal(&w->has_work);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
}

#endif
