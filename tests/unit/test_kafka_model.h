// test_kafka_model.h: a cluster that does what Kafka promises and no more, behind the functions of
// stages/kafka/producer.h: epochs, one transaction a producer, a mark in it, aborts at a timeout,
// answers that get lost on the way back, rows that are refused. No network, no thread.
#ifndef WEIR_TESTS_UNIT_TEST_KAFKA_MODEL_H
#define WEIR_TESTS_UNIT_TEST_KAFKA_MODEL_H

#include <errno.h>

#include "tests/unit/test_state_support.h"

#include "stages/kafka/producer.h"

enum {
    ROWS_MAX = 40000, // of one life
    QUEUE_MAX = 300,  // rows that a producer takes before it is full
    TIMEOUT_MS = 60000,
};

static uint64_t poison = 211; // each such row is refused for ever

// --- the cluster ---

static struct cluster {
    uint64_t epoch; // of the transactional id
    bool is_open;   // a transaction
    int64_t open_since_ms;
    struct producer_mark open_mark, mark;
    bool has_open_mark, has_mark;
    uint64_t *open_rows, *rows; // contents, as they came
    uint64_t open_count, count;
    bool is_away;
    uint64_t rng;
    bool is_calm; // nothing goes wrong by chance
    int64_t now_ms;
    uint64_t commits, aborts, lost_answers;
} k;

static bool chance(uint64_t one_in)
{
    return !k.is_calm && test_random(&k.rng, one_in) == 0;
}

static void cluster_start(uint64_t seed)
{
    uint64_t *open_rows = k.open_rows, *rows = k.rows;
    k = (struct cluster){.rng = seed, .now_ms = 1000000};
    k.open_rows = open_rows ? open_rows : calloc(ROWS_MAX, sizeof *rows);
    k.rows = rows ? rows : calloc(ROWS_MAX * 4, sizeof *rows);
}

static void cluster_abort(void)
{
    k.aborts += k.is_open;
    k.is_open = k.has_open_mark = false;
    k.open_count = 0;
}

static void cluster_commit(void)
{
    memcpy(k.rows + k.count, k.open_rows, k.open_count * sizeof *k.rows);
    k.count += k.open_count;
    assert_true(k.count < ROWS_MAX * 4);
    if (k.has_open_mark)
        k.mark = k.open_mark;
    k.has_mark |= k.has_open_mark;
    k.is_open = k.has_open_mark = false;
    k.open_count = 0;
    k.commits++;
}

static void cluster_begin(void)
{
    if (!k.is_open)
        k.open_since_ms = k.now_ms;
    k.is_open = true;
}

// The timeout of a transaction, which raises the epoch.
static void cluster_tick(int64_t ms)
{
    k.now_ms += ms;
    if (k.is_open && k.now_ms - k.open_since_ms > TIMEOUT_MS) {
        cluster_abort();
        k.epoch++;
    }
}

// --- the producer ---

struct queued {
    uint64_t row, content, bytes;
};

struct producer {
    struct producer_spec spec;
    bool is_transactional;
    bool is_asked, is_answered, is_opening;
    enum producer_ask ask;
    struct producer_mark asked;
    struct producer_answer answer;
    uint64_t epoch;
    struct queued queue[QUEUE_MAX];
    uint32_t queue_count;
    struct producer_batches batches, next_batches;
    struct queued reports[QUEUE_MAX];
    bool refused[QUEUE_MAX];
    uint32_t report_count;
    bool has_strays;
    int strays_ended;
    bool is_broken; // a row of the transaction was refused
    enum producer_outcome lost;
};

static struct producer *made; // the newest one

int producer_create(const struct producer_spec *spec, struct producer **out, struct err *err)
{
    (void)err;
    *out = calloc(1, sizeof **out);
    (*out)->spec = *spec;
    (*out)->is_transactional = spec->transactional_id != NULL;
    (*out)->lost = PRODUCER_LOST;
    made = *out;
    return 0;
}

bool producer_destroy(struct producer *p)
{
    free(p);
    return true;
}

void producer_warm(struct producer *p)
{
    (void)p;
}

void producer_ask(struct producer *p, enum producer_ask ask, const struct producer_mark *mark)
{
    assert_false(p->is_asked || p->is_answered);
    p->is_asked = true;
    p->ask = ask;
    p->is_opening = ask == PRODUCER_OPEN || ask == PRODUCER_LOOK;
    if (mark)
        p->asked = *mark;
}

bool producer_take_answer(struct producer *p, struct producer_answer *out)
{
    if (!p->is_answered)
        return false;
    *out = p->answer;
    p->is_answered = p->is_opening = false;
    if (out->ask == PRODUCER_OPEN || out->outcome != PRODUCER_DONE)
        p->lost = out->outcome;
    if (out->ask == PRODUCER_LOOK)
        p->lost = PRODUCER_LOST;
    return true;
}

void producer_set_batches(struct producer *p, struct producer_batches batches)
{
    p->next_batches = batches;
}

void producer_end_strays(struct producer *p)
{
    p->has_strays = true;
}

bool producer_take_strays(struct producer *p, char *text, size_t bytes)
{
    bool had = p->has_strays && !p->is_asked;
    snprintf(text, bytes, "%s", "");
    p->strays_ended += had;
    p->has_strays = !had && p->has_strays;
    return had;
}

bool producer_take_trouble(struct producer *p, char *text, size_t bytes)
{
    (void)p, (void)text, (void)bytes;
    return false;
}

void producer_tell(struct producer *p, void (*note)(void *context, const char *text), void *context)
{
    (void)p, (void)note, (void)context;
}

enum producer_outcome producer_lost(const struct producer *p, const char **why)
{
    *why = "lost";
    return p->is_opening ? PRODUCER_DONE : p->lost;
}

static int send_one(struct producer *p, const struct journal_row *row, uint64_t number)
{
    char text[32];
    assert_false(p->is_opening);
    assert_false(row->is_dead);
    if (p->lost != PRODUCER_DONE)
        return -EIO;
    // While a commit is asked nothing may be added to its transaction.
    assert_false(p->is_transactional && p->is_asked && p->ask == PRODUCER_COMMIT);
    if (p->queue_count + p->report_count == QUEUE_MAX)
        return -EAGAIN;
    snprintf(text, sizeof text, "%.*s", (int)row->value.len, row->value.ptr);
    p->queue[p->queue_count++] =
        (struct queued){number, strtoull(text, NULL, 10), row->key.len + row->value.len};
    return 0;
}

uint32_t producer_send(struct producer *p, const struct journal_row *rows, uint32_t count,
                       uint64_t number, int *rc)
{
    uint32_t sent = 0;
    assert_in_range(count, 1, PRODUCER_SEND_ROWS);
    *rc = 0;
    if (count > 1 && p->is_transactional && chance(100)) { // the cluster has no partition for one
        for (uint32_t i = 1; i < count && *rc == 0; i++)
            *rc = send_one(p, &rows[i], number + i);
        p->lost = p->lost == PRODUCER_DONE ? PRODUCER_LOST : p->lost;
        *rc = -EIO;
        return 0;
    }
    while (sent < count && (*rc = send_one(p, &rows[sent], number + sent)) == 0)
        sent++;
    return sent;
}

static void report(struct producer *p, const struct queued *q, bool is_refused)
{
    p->reports[p->report_count] = *q;
    p->refused[p->report_count++] = is_refused;
}

// A row that the cluster never takes goes down with others of its request.
static uint32_t refuse(struct producer *p, uint32_t at)
{
    uint32_t count = p->batches.one_by_one ? 1 : 1 + (uint32_t)test_random(&k.rng, 5);
    for (uint32_t i = at; i < at + count && i < p->queue_count; i++)
        report(p, &p->queue[i], true);
    p->is_broken = true;
    return at + count < p->queue_count ? at + count : p->queue_count;
}

// The first `count` rows of the queue reach the cluster. false: it has another producer's epoch.
static bool deliver(struct producer *p, uint32_t count)
{
    uint32_t at = 0;
    if (p->is_transactional && p->epoch != k.epoch) {
        p->lost = PRODUCER_FENCED;
        return false;
    }
    count = count < p->queue_count ? count : p->queue_count;
    while (at < count) {
        const struct queued *q = &p->queue[at];
        if (q->content % poison == 0) {
            at = refuse(p, at);
            continue;
        }
        if (p->is_transactional) {
            cluster_begin();
            k.open_rows[k.open_count++] = q->content;
        } else {
            k.rows[k.count++] = q->content;
        }
        report(p, q, false);
        at++;
    }
    memmove(p->queue, p->queue + at, (p->queue_count - at) * sizeof *p->queue);
    p->queue_count -= at;
    return true;
}

// Rows have arrived, or some of them, and nobody hears of it.
static void lose_connection(struct producer *p)
{
    deliver(p, (uint32_t)test_random(&k.rng, QUEUE_MAX));
    p->lost = PRODUCER_LOST;
    p->queue_count = p->report_count = 0;
}

void producer_poll(struct producer *p, const struct producer_reader *reader)
{
    if (p->is_opening)
        return;
    for (uint32_t i = 0; i < p->report_count; i++)
        if (p->refused[i])
            reader->refused(reader->context, p->reports[i].row, "too large");
        else
            reader->delivered(reader->context, p->reports[i].row, p->reports[i].bytes);
    p->report_count = 0;
}

// --- its thread ---

static void answer(struct producer *p, enum producer_outcome outcome)
{
    p->is_asked = false;
    p->is_answered = true;
    p->answer.ask = p->ask;
    p->answer.outcome = outcome;
}

static void answer_open(struct producer *p)
{
    p->answer = (struct producer_answer){.has_mark = k.has_mark, .mark = k.mark};
    if (p->ask == PRODUCER_OPEN && p->is_transactional) {
        cluster_abort();
        p->epoch = ++k.epoch;
    }
    p->queue_count = p->report_count = 0;
    p->is_broken = false;
    p->batches = p->next_batches;
    answer(p, PRODUCER_DONE);
}

static bool put_mark(struct producer *p)
{
    if (p->epoch != k.epoch) {
        answer(p, PRODUCER_FENCED);
        return false;
    }
    cluster_begin();
    k.open_mark = p->asked;
    k.has_open_mark = true;
    return true;
}

// All rows go out first, and all their reports are taken in by the task.
static void answer_commit(struct producer *p)
{
    bool is_lost = chance(8), was_done = chance(2);
    if (p->queue_count && !deliver(p, QUEUE_MAX)) {
        answer(p, PRODUCER_FENCED);
    } else if (p->report_count) {
        return;
    } else if (p->is_broken || p->lost != PRODUCER_DONE) {
        answer(p, PRODUCER_LOST);
    } else if (put_mark(p)) {
        if (!is_lost || was_done)
            cluster_commit();
        k.lost_answers += is_lost;
        answer(p, is_lost ? PRODUCER_LOST : PRODUCER_DONE);
    }
}

static void answer_ask(struct producer *p)
{
    p->answer = (struct producer_answer){.text = ""};
    if (p->is_opening)
        answer_open(p);
    else if (p->ask == PRODUCER_COMMIT)
        answer_commit(p);
    else if (chance(20))
        answer(p, PRODUCER_LOST);
    else if (put_mark(p))
        answer(p, PRODUCER_DONE);
}

static void cluster_work(struct producer *p)
{
    if (k.is_away || chance(2))
        return;
    if (p->is_asked)
        answer_ask(p);
    if (p->is_opening || p->lost != PRODUCER_DONE || (p->is_asked && p->ask == PRODUCER_COMMIT))
        return;
    if (chance(200))
        lose_connection(p);
    else
        deliver(p, (uint32_t)test_random(&k.rng, QUEUE_MAX));
}

#endif
