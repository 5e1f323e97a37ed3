// stream.c: see stream.h. The mutex is held for a few instructions, never during a call to the
// system that may take long.
#include "core/snapshot/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core/base/check.h"
#include "core/snapshot/format.h"

// Memory that is kept for the next snapshot: as much as waited at once in this one or the one
// before, and at least so many pieces. To give a piece back and to fault the next one in costs the
// task more than to fill it.
enum { SPARES_KEPT = 64 };

// Mapped by itself, so that giving it back costs what it is, and never what a heap has collected.
struct stream_piece {
    struct stream_piece *next;
    size_t len;
    uint8_t bytes[SNAPSHOT_PAYLOAD_MAX];
};

static void lock(struct stream *s)
{
    CHECK(pthread_mutex_lock(&s->mutex) == 0);
}

// The appender's: the taker may have been put off its core while it holds the mutex, and the task
// does not wait for that. What it wanted to do, it does the next time.
static bool try_lock(struct stream *s)
{
    int rc = pthread_mutex_trylock(&s->mutex);
    CHECK(rc == 0 || rc == EBUSY);
    return rc == 0;
}

static void unlock(struct stream *s)
{
    CHECK(pthread_mutex_unlock(&s->mutex) == 0);
}

void stream_init(struct stream *s)
{
    pthread_condattr_t attributes;
    *s = (struct stream){0};
    CHECK(pthread_mutex_init(&s->mutex, NULL) == 0);
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&s->has_news, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

// --- memory ---

static void push(struct stream_list *list, struct stream_piece *piece)
{
    piece->next = NULL;
    if (list->last)
        list->last->next = piece;
    else
        list->first = piece;
    list->last = piece;
}

static struct stream_piece *pop(struct stream_list *list)
{
    struct stream_piece *piece = list->first;
    if (piece)
        list->first = piece->next;
    if (!list->first)
        list->last = NULL;
    return piece;
}

// With the mutex, this and the next.
static void put_spare(struct stream *s, struct stream_piece *piece)
{
    piece->next = s->spare;
    s->spare = piece;
    s->spare_count++;
}

static struct stream_piece *take_spare(struct stream *s)
{
    struct stream_piece *piece = s->spare;
    if (piece) {
        s->spare = piece->next;
        s->spare_count--;
    }
    return piece;
}

static struct stream_piece *new_piece(struct stream *s)
{
    struct stream_piece *piece = NULL;
    if (try_lock(s)) {
        piece = take_spare(s);
        unlock(s);
    }
    if (!piece)
        piece =
            mmap(NULL, sizeof *piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (piece == MAP_FAILED)
        return NULL;
    piece->len = 0;
    return piece;
}

// With the mutex.
static uint32_t spares_kept(const struct stream *s)
{
    uint64_t peak = s->peak_bytes > s->last_peak_bytes ? s->peak_bytes : s->last_peak_bytes;
    uint64_t pieces = peak / SNAPSHOT_PAYLOAD_MAX + 1; // and the one that is open
    return pieces > SPARES_KEPT ? (uint32_t)pieces : SPARES_KEPT;
}

// Two for each that is put, so that many become few in time, and only the taker ever pays for it.
static void put_and_trim(struct stream *s, struct stream_piece *piece)
{
    struct stream_piece *extra[2] = {NULL, NULL};
    lock(s);
    put_spare(s, piece);
    for (int i = 0; i < 2 && s->spare_count > spares_kept(s); i++)
        extra[i] = take_spare(s);
    unlock(s);
    for (int i = 0; i < 2 && extra[i]; i++)
        munmap(extra[i], sizeof *extra[i]);
}

void stream_reset(struct stream *s)
{
    struct stream_piece *piece;
    if (s->open)
        put_spare(s, s->open);
    while ((piece = pop(&s->full)))
        put_spare(s, piece);
    while ((piece = pop(&s->given)))
        put_spare(s, piece);
    s->open = NULL;
    s->bytes = 0;
    s->last_peak_bytes = s->peak_bytes;
    s->peak_bytes = 0;
    s->is_end_wanted = s->is_ended = s->is_stopped = s->is_short = false;
}

void stream_fini(struct stream *s)
{
    struct stream_piece *piece;
    stream_reset(s);
    while ((piece = take_spare(s)))
        munmap(piece, sizeof *piece);
    pthread_cond_destroy(&s->has_news);
    pthread_mutex_destroy(&s->mutex);
}

// --- the appender ---

// With the mutex.
static void give(struct stream *s)
{
    struct stream_piece *piece;
    while ((piece = pop(&s->full))) {
        s->bytes += piece->len;
        push(&s->given, piece);
    }
    s->peak_bytes = s->bytes > s->peak_bytes ? s->bytes : s->peak_bytes;
}

static void close_piece(struct stream *s)
{
    if (s->open)
        push(&s->full, s->open);
    s->open = NULL;
}

void stream_append(struct stream *s, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    while (len) {
        if (!s->open && !(s->open = new_piece(s))) {
            s->is_short = true;
            return;
        }
        size_t room = SNAPSHOT_PAYLOAD_MAX - s->open->len;
        size_t part = len < room ? len : room;
        memcpy(s->open->bytes + s->open->len, from, part);
        s->open->len += part;
        from += part;
        len -= part;
        if (part == room)
            close_piece(s);
    }
}

struct stream_news stream_give(struct stream *s)
{
    struct stream_news news = {.waiting = s->is_short ? UINT64_MAX : 0};
    if (!try_lock(s))
        return news;
    give(s);
    news.is_end_wanted = s->is_end_wanted;
    if (!s->is_short)
        news.waiting = s->bytes;
    unlock(s);
    return news;
}

// With the mutex.
static void tell(struct stream *s, bool *what)
{
    give(s);
    *what = true;
    CHECK(pthread_cond_signal(&s->has_news) == 0);
}

bool stream_end(struct stream *s)
{
    if (!try_lock(s))
        return false;
    close_piece(s);
    tell(s, &s->is_ended);
    unlock(s);
    return true;
}

void stream_stop(struct stream *s)
{
    lock(s);
    tell(s, &s->is_stopped);
    unlock(s);
}

// --- the taker ---

struct slice stream_first(struct stream *s)
{
    lock(s);
    struct stream_piece *piece = s->given.first;
    unlock(s);
    return piece ? slice_make(piece->bytes, piece->len) : slice_make(NULL, 0);
}

void stream_drop_first(struct stream *s)
{
    lock(s);
    struct stream_piece *piece = pop(&s->given);
    CHECK(piece && s->bytes >= piece->len);
    s->bytes -= piece->len;
    unlock(s);
    put_and_trim(s, piece);
}

void stream_want_end(struct stream *s)
{
    lock(s);
    s->is_end_wanted = true;
    unlock(s);
}

bool stream_is_empty_for_good(struct stream *s)
{
    lock(s);
    bool empty = s->is_ended && !s->given.first;
    unlock(s);
    return empty;
}

bool stream_is_stopped(struct stream *s)
{
    lock(s);
    bool stopped = s->is_stopped;
    unlock(s);
    return stopped;
}

void stream_wait_end(struct stream *s, int64_t ns)
{
    const int64_t second = 1000 * 1000 * 1000;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    ns += until.tv_nsec;
    until.tv_sec += ns / second;
    until.tv_nsec = ns % second;
    lock(s);
    if (!s->is_ended && !s->is_stopped)
        pthread_cond_timedwait(&s->has_news, &s->mutex, &until);
    unlock(s);
}
