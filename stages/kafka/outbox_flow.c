// outbox_flow.c: what an outbox does when. States, and what each event leads to ('-': cannot be,
// '.': nothing):
//
//             a commit here       answer: done         lost       fenced     the instance is lost
//   SHUT      ask OPEN: OPENING   -                    -          -          .
//             or LOOK: LOOKING
//   LOOKING   .                   foreign: FAILED      -          -          .
//                                 else SHUT
//   OPENING   .                   by the mark: OPEN,   -          -          .
//                                 with a claim: CLAIMING behind the commit; FAILED
//   CLAIMING  .                   OPEN                 SHUT       SHUT, look . until the answer
//   OPEN      send; ask MARK:     -                    -          -          SHUT (fenced: look)
//             MARKING, or COMMIT:
//             COMMITTING
//   MARKING   send                OPEN                 SHUT       SHUT, look . until the answer
//   COMMITTING .                  done moves: OPEN     SHUT       SHUT, look . until the answer
//   FAILED    .                   .                    .          .          .
//
// An answer `hopeless` leads from everywhere to FAILED. LOOKING and OPENING repeat by themselves
// what time may heal, for as long as it takes (producer.c): an outage of the cluster costs the job
// no restart.
//
// SHUT: rows that were sent and are not done will be sent again, by a new instance. It is asked for
// behind a commit that was made since, because that is when the task has looked whether it still is
// the task: a process that was frozen, and has a successor, ends there and fences nobody.
//
// Fenced means that somebody has begun to use our id, or that the cluster has given our transaction
// up at its timeout. Where it cannot be the timeout we first look, for some seconds and without
// fencing, whether another job has claimed the id: then this job ends. It may also have been
// a request of our own from before an outage that was served late: nobody claims then.
//
// Up to where rows are sent, exactly-once: a checkpoint's barrier ends the transaction's rows.
// Those behind it wait until it is committed, or until the next barrier has come, which takes what
// is before it into the same transaction.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/base/check.h"
#include "stages/kafka/outbox_internal.h"

// Brokers forget offsets of groups that rest, after 7 days by default: a job that writes nothing
// commits its mark again. How old one is that was found at the start is not known.
#define REFRESH_NS       (INT64_C(86400) * 1000000000)
#define REFRESH_FIRST_NS (INT64_C(3600) * 1000000000)

enum { SEND_ROWS = 8192, DROP_CHUNKS = 64, ACKS_STEP = 2048 };

void outbox_trouble(struct outbox *o, const char *text)
{
    char note[1200];
    if (!o->has_trouble) {
        snprintf(note, sizeof note, "table %s: rows wait for the cluster: %.1000s", o->table->name,
                 text);
        op_note(&o->context, note);
    }
    o->has_trouble = true;
}

static void trouble_is_over(struct outbox *o)
{
    char note[256];
    if (o->has_trouble) {
        snprintf(note, sizeof note, "table %s: rows go to the cluster again", o->table->name);
        op_note(&o->context, note);
    }
    o->has_trouble = false;
}

void outbox_shut(struct outbox *o)
{
    CHECK(o->phase == OUTBOX_OPEN || o->phase == OUTBOX_SHUT);
    o->phase = OUTBOX_SHUT;
    op_wake(&o->context); // the next poll commits something, and behind it an instance is asked for
}

// --- sending ---

struct outbox_point outbox_limit(const struct outbox *o)
{
    const struct outbox_state *state = outbox_state_of(o);
    if (outbox_is_exact(o)) {
        if (state->allowed.row > o->done && o->cursor.row <= state->allowed.row)
            return state->allowed;
        if (state->barrier.row > o->done)
            return state->barrier;
    }
    return (struct outbox_point){state->journal.next, state->journal.bytes, 0};
}

static void begin_clock(struct outbox *o)
{
    struct env *env = o->context.env;
    if (o->began_ns)
        return;
    o->began_ns = env->monotonic_ns(env);
    o->began_ms = env->realtime_ms(env);
}

// Can the cluster have aborted the transaction because it took too long? Either clock may have
// stood still while the host slept.
static bool can_be_timeout(const struct outbox *o)
{
    struct env *env = o->context.env;
    int64_t monotonic_ms = (env->monotonic_ns(env) - o->began_ns) / 1000000;
    int64_t wall_ms = env->realtime_ms(env) - o->began_ms;
    int64_t least_ms = o->timeout_ms - o->timeout_ms / 10;
    return o->began_ns && (monotonic_ms >= least_ms || wall_ms >= least_ms);
}

// Rows [number, number + count), of which `sent` have gone. false: no more can be sent now.
static bool take_sent(struct outbox *o, const struct journal_row *rows, uint32_t sent,
                      uint64_t number, int rc)
{
    for (uint32_t i = 0; i < sent; i++)
        o->in_flight_bytes += rows[i].key.len + rows[i].value.len;
    if (rc == -EMSGSIZE) {
        outbox_note_refused(o, number + sent, "larger than librdkafka sends at all");
        o->refused_here = true;
    }
    if (rc == -EMSGSIZE || rc == -EIO)
        op_wake(&o->context);
    return rc == 0;
}

// Some rows, at most `max` of them. How many the cursor has moved on; 0: none can be sent now.
static uint32_t send_some(struct outbox *o, uint32_t max)
{
    struct journal_row rows[PRODUCER_SEND_ROWS];
    struct journal_cursor places[PRODUCER_SEND_ROWS + 1];
    const uint64_t first = o->cursor.row;
    const bool has_acks = o->table->guarantee == KAFKA_AT_LEAST_ONCE;
    uint32_t count = 0;
    int rc;
    for (places[0] = o->cursor; count < max; count++) {
        places[count + 1] = places[count];
        CHECK(journal_read(o->context.arena, outbox_journal(o), &places[count + 1], &rows[count]) ==
              1);
        if (has_acks)
            outbox_acks_reserve(&o->acks, first + count);
        if (rows[count].is_dead)
            break;
    }
    if (count == 0) { // the first is dead
        if (has_acks)
            outbox_acks_set(&o->acks, first);
        o->cursor = places[1];
        return 1;
    }
    const uint32_t sent = producer_send(o->producer, rows, count, first, &rc);
    o->cursor = places[sent];
    return take_sent(o, rows, sent, first, rc) ? sent : 0;
}

static void send_rows(struct outbox *o)
{
    const uint64_t limit = outbox_limit(o).row;
    uint32_t count = 0;
    if (o->cursor.row < limit)
        begin_clock(o);
    // Of an instance that sees each row alone: the next one waits for what becomes of it.
    while (o->cursor.row < limit && !o->refused_count) {
        const uint64_t left = limit - o->cursor.row;
        const uint32_t sent =
            send_some(o, left < PRODUCER_SEND_ROWS ? (uint32_t)left : PRODUCER_SEND_ROWS);
        if (!sent)
            break;
        count += sent;
        if (count >= SEND_ROWS) {
            op_wake(&o->context);
            break;
        }
    }
    if (o->table->guarantee == KAFKA_NONE)
        o->done = o->cursor.row;
}

static void ask(struct outbox *o, enum producer_ask what, enum outbox_phase phase,
                const struct outbox_point *point)
{
    const struct outbox_state *state = outbox_state_of(o);
    o->asked = (struct producer_mark){.incarnation = state->incarnation};
    if (point) {
        o->asked.row = point->row;
        o->asked.checkpoint = point->checkpoint;
    }
    o->phase = phase;
    if (what == PRODUCER_OPEN)
        producer_set_batches(o->producer, o->next_batches);
    producer_ask(o->producer, what, &o->asked);
}

static void ask_what_is_due(struct outbox *o)
{
    const struct outbox_state *state = outbox_state_of(o);
    if (!outbox_is_exact(o) || o->refused_count)
        return;
    if (state->allowed.row > o->done) {
        if (o->cursor.row == state->allowed.row)
            ask(o, PRODUCER_COMMIT, OUTBOX_COMMITTING, &state->allowed);
    } else if (state->barrier.row > o->done && o->cursor.row == state->barrier.row &&
               o->marked != state->barrier.row) {
        ask(o, PRODUCER_MARK, OUTBOX_MARKING, &state->barrier);
    }
}

// Only in a transaction without rows: it says nothing new.
static void refresh_mark(struct outbox *o)
{
    const struct outbox_state *state = outbox_state_of(o);
    if (!outbox_is_exact(o) || !state->is_marked || o->cursor.row != o->done ||
        state->barrier.row > o->done || o->in_flight_bytes || o->refused_count)
        return;
    if (o->context.env->monotonic_ns(o->context.env) >= o->refresh_ns)
        outbox_claim(o);
}

void outbox_drive(struct outbox *o)
{
    if (o->phase == OUTBOX_OPEN && o->must_claim)
        outbox_claim(o);
    if (o->phase == OUTBOX_OPEN || o->phase == OUTBOX_MARKING)
        send_rows(o);
    if (o->phase == OUTBOX_OPEN)
        ask_what_is_due(o);
    if (o->phase == OUTBOX_OPEN)
        refresh_mark(o);
}

// --- news ---

static void on_delivered(void *context, uint64_t row, uint64_t bytes)
{
    struct outbox *o = context;
    o->in_flight_bytes -= bytes < o->in_flight_bytes ? bytes : o->in_flight_bytes;
    if (o->table->guarantee == KAFKA_AT_LEAST_ONCE)
        outbox_acks_set(&o->acks, row);
}

static void on_refused(void *context, uint64_t row, const char *why)
{
    outbox_note_refused(context, row, why);
}

static void begin_to_send(struct outbox *o)
{
    journal_seek(o->context.arena, outbox_journal(o), o->done, &o->cursor);
    outbox_acks_reset(&o->acks, o->done);
    o->in_flight_bytes = 0;
    o->marked = 0;
    o->began_ns = 0;
    if (!o->refresh_ns)
        o->refresh_ns = o->context.env->monotonic_ns(o->context.env) + REFRESH_FIRST_NS;
    o->batches = o->next_batches;
    o->phase = OUTBOX_OPEN;
}

// Once in the life of a state: nobody of a larger parallelism comes while it runs.
static void ask_for_strays(struct outbox *o)
{
    if (o->ends_strays && !o->asked_strays && !outbox_state_of(o)->has_ended_strays)
        producer_end_strays(o->producer);
    o->asked_strays = true;
}

static void take_strays(struct outbox *o)
{
    char text[1024], note[1200];
    if (!producer_take_strays(o->producer, text, sizeof text))
        return;
    snprintf(note, sizeof note, "table %s: %.1000s", o->table->name, text);
    if (text[0])
        op_note(&o->context, note);
    arena_store8_once(o->context.arena,
                      o->state_at + offsetof(struct outbox_state, has_ended_strays), 1);
}

static int on_opened(struct outbox *o, const struct producer_answer *answer)
{
    int rc = outbox_is_exact(o) ? outbox_settle_mark(o, answer) : 0;
    if (rc < 0)
        return rc;
    ask_for_strays(o);
    begin_to_send(o);
    o->must_claim = rc == 1;
    return 0;
}

static int on_looked(struct outbox *o, const struct producer_answer *answer)
{
    o->must_look = false;
    o->phase = OUTBOX_SHUT;
    bool is_foreign =
        answer->has_mark && answer->mark.incarnation != outbox_state_of(o)->incarnation;
    if (!is_foreign)
        return 0;
    char text[512];
    snprintf(text, sizeof text,
             "table %s: another job uses transactional id '%s' now, so this one ends: give each "
             "job its own 'sink.transactional-id-prefix'",
             o->table->name, o->id);
    return outbox_fail(o, text);
}

static void on_lost(struct outbox *o, enum producer_outcome outcome, const char *why)
{
    o->must_look = outcome == PRODUCER_FENCED && !can_be_timeout(o);
    outbox_trouble(o, why);
    o->phase = OUTBOX_OPEN;
    outbox_shut(o);
}

static void on_committed(struct outbox *o)
{
    struct outbox_state *state =
        arena_touch(o->context.arena, o->state_at, sizeof(struct outbox_state));
    state->is_marked = 1;
    o->done = o->asked.row;
    o->refresh_ns = o->context.env->monotonic_ns(o->context.env) + REFRESH_NS;
    o->marked = 0;
    o->began_ns = 0;
    o->phase = OUTBOX_OPEN;
    trouble_is_over(o);
}

static int take_answer(struct outbox *o, const struct producer_answer *answer)
{
    o->has_kept = true;
    if (answer->outcome == PRODUCER_HOPELESS)
        return outbox_fail(o, answer->text);
    if (answer->outcome != PRODUCER_DONE) {
        on_lost(o, answer->outcome, answer->text);
        return 0;
    }
    switch (answer->ask) {
    case PRODUCER_OPEN:
        return on_opened(o, answer);
    case PRODUCER_LOOK:
        return on_looked(o, answer);
    case PRODUCER_MARK:
        o->marked = o->asked.row;
        o->phase = OUTBOX_OPEN;
        return 0;
    case PRODUCER_COMMIT:
        on_committed(o);
        return 0;
    }
    return 0;
}

// What is known to be done becomes so in the arena, and its rows go.
static void keep_done(struct outbox *o)
{
    struct arena *arena = o->context.arena;
    if (o->table->guarantee == KAFKA_AT_LEAST_ONCE && o->acks.first > o->done &&
        (o->acks.first == o->cursor.row || o->acks.first - o->done >= ACKS_STEP)) {
        o->done = o->acks.first;
        trouble_is_over(o);
    }
    if (o->done > outbox_state_of(o)->done)
        arena_store8_once(arena, o->state_at + offsetof(struct outbox_state, done), o->done);
    uint64_t first = journal_first(arena, outbox_journal(o));
    if (first >= o->done)
        return;
    if (!journal_drop(arena, outbox_journal(o), o->done, DROP_CHUNKS))
        op_wake(&o->context);
    if (journal_first(arena, outbox_journal(o)) != first) // perhaps the cursor's chunk is gone
        journal_seek(arena, outbox_journal(o), o->cursor.row, &o->cursor);
}

static int look_at_instance(struct outbox *o)
{
    const char *why;
    enum producer_outcome lost = producer_lost(o->producer, &why);
    if (o->phase != OUTBOX_OPEN || lost == PRODUCER_DONE)
        return 0;
    if (lost == PRODUCER_HOPELESS)
        return outbox_fail(o, why);
    on_lost(o, lost, why);
    return 0;
}

int outbox_take_news(struct outbox *o)
{
    const struct producer_reader reader = {o, on_delivered, on_refused};
    struct producer_answer answer;
    char text[1024];
    int rc = 0;
    if (o->phase == OUTBOX_FAILED)
        return outbox_fail(o, o->failure);
    producer_poll(o->producer, &reader);
    producer_tell(o->producer, o->context.note, o->context.bad_row_context);
    if (producer_take_trouble(o->producer, text, sizeof text))
        outbox_trouble(o, text);
    take_strays(o);
    rc = outbox_deal_with_refused(o); // before its instance is replaced
    if (rc == 0 && producer_take_answer(o->producer, &answer))
        rc = take_answer(o, &answer);
    if (rc == 0)
        rc = look_at_instance(o);
    if (rc < 0)
        return rc;
    keep_done(o);
    if (o->phase == OUTBOX_OPEN)
        outbox_end_careful(o);
    if (o->phase == OUTBOX_SHUT)
        arena_store8_once(o->context.arena, o->state_at + offsetof(struct outbox_state, opens),
                          outbox_state_of(o)->opens + 1);
    return 0;
}

// Behind a commit, whose task has looked whether it is the task.
static void leave_shut(struct outbox *o)
{
    if (o->must_look)
        ask(o, PRODUCER_LOOK, OUTBOX_LOOKING, NULL);
    else
        ask(o, PRODUCER_OPEN, OUTBOX_OPENING, NULL);
}

void outbox_after_commit(struct outbox *o)
{
    o->has_kept = false;
    if (o->phase == OUTBOX_SHUT)
        leave_shut(o);
    outbox_drive(o);
    if (o->table->guarantee == KAFKA_NONE)
        keep_done(o);
}
