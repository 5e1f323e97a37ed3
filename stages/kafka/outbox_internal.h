// outbox_internal.h: the private struct of an outbox, shared by outbox*.c.
#ifndef WEIR_STAGES_KAFKA_OUTBOX_INTERNAL_H
#define WEIR_STAGES_KAFKA_OUTBOX_INTERNAL_H

#include "stages/kafka/outbox.h"
#include "stages/kafka/producer.h"

struct outbox_point {
    uint64_t row, bytes; // rows before it, and their bytes in the journal
    uint64_t checkpoint;
};

enum { OUTBOX_STARTS = 32 };

struct outbox_state { // in the arena
    struct journal_head journal;
    uint64_t incarnation;           // of this state; 0: none yet
    struct outbox_point barrier;    // of the newest barrier
    struct outbox_point allowed;    // that of the newest complete checkpoint: may be committed
    uint64_t done;                  // rows before it need never be sent again
    uint64_t limit;                 // no mark of this state's own is beyond it (outbox_mark.c)
    uint64_t starts[OUTBOX_STARTS]; // or it is one of these
    uint64_t start_count;
    uint64_t is_marked;        // a mark of this incarnation has certainly been committed
    uint64_t dead;             // rows that can never go
    uint64_t has_ended_strays; // of a larger parallelism, when this state was new
    uint64_t opens;            // changed before each new instance (outbox_flow.c)
};

enum outbox_phase {
    OUTBOX_SHUT,       // no instance; one is asked for behind the next commit
    OUTBOX_LOOKING,    // asked: has somebody else taken the id?
    OUTBOX_OPENING,    // asked: an instance, and the mark
    OUTBOX_CLAIMING,   // asked: our first mark, without rows
    OUTBOX_OPEN,       // rows go out
    OUTBOX_MARKING,    // rows go out; asked: the mark of the barrier that has come
    OUTBOX_COMMITTING, // asked: the transaction of a complete checkpoint
    OUTBOX_FAILED,     // the job must not go on
};

// Which rows from `first` on are acknowledged.
struct outbox_acks {
    uint64_t *words;
    uint64_t capacity; // rows, a power of two; 0: none
    uint64_t first;    // all before it are
};

struct outbox {
    struct op_context context;
    const struct kafka_table *table;
    char id[256]; // transactional id; empty: none
    int64_t timeout_ms;
    uint64_t state_at;
    struct producer *producer;

    struct buf rows; // of the open transaction
    uint64_t row_count;

    enum outbox_phase phase;
    bool must_look;                 // before fencing anybody
    bool must_claim;                // before a row is sent
    bool knows_mark;                // this process has read it
    bool ends_strays, asked_strays; // shall do so; has asked for it
    bool has_kept;                  // an answer was taken that this transaction keeps
    struct producer_mark asked;
    uint64_t done;                // as state.done, or what an answer has told since
    struct journal_cursor cursor; // of the next row to send
    uint64_t in_flight_bytes;
    uint64_t exempt_bytes;      // of rows that a predecessor had: they do not count as waiting
    uint64_t marked;            // the mark in the open transaction; 0: none
    int64_t began_ns, began_ms; // the open transaction, monotonic and wall clock; 0: not yet
    int64_t refresh_ns;         // monotonic: when the mark is committed again; 0: not known yet
    struct outbox_acks acks;    // at-least-once

    struct producer_batches batches, next_batches; // of the instance; of the next one
    uint64_t careful_to;                           // rows before it go one by one
    bool has_buried;                               // since then
    uint64_t *refused;                             // rows that were, to be dealt with
    uint32_t refused_count, refused_capacity;
    bool refused_here; // the only one of them, by librdkafka: it was never sent
    char refused_why[256];

    bool has_trouble; // noted, and not over
    char failure[1024];
};

static inline const struct outbox_state *outbox_state_of(const struct outbox *o)
{
    return arena_at(o->context.arena, o->state_at);
}

static inline uint64_t outbox_journal(const struct outbox *o)
{
    return o->state_at; // the first field
}

static inline bool outbox_is_exact(const struct outbox *o)
{
    return o->table->guarantee == KAFKA_EXACTLY_ONCE;
}

// outbox_flow.c
// Behind a commit: rows that may go, go; what is due is asked for.
void outbox_drive(struct outbox *o);
// In a transaction: take in reports and answers. -errno: the job must not go on.
int outbox_take_news(struct outbox *o);
// Up to where rows may be sent now.
struct outbox_point outbox_limit(const struct outbox *o);
// A text goes to the job's log, once until it is over.
void outbox_trouble(struct outbox *o, const char *text);

// outbox_mark.c: what the mark that was read means, in a transaction.
int outbox_settle_mark(struct outbox *o, const struct producer_answer *answer);
int outbox_fail(struct outbox *o, const char *text);
void outbox_claim(struct outbox *o);
void outbox_note_start(struct outbox *o);
int outbox_new_incarnation(struct outbox *o);

// outbox_refused.c: rows that the cluster does not take. In a transaction.
int outbox_deal_with_refused(struct outbox *o);
void outbox_note_refused(struct outbox *o, uint64_t row, const char *why);
void outbox_end_careful(struct outbox *o);
void outbox_shut(struct outbox *o);

// outbox_acks.c
void outbox_acks_reset(struct outbox_acks *acks, uint64_t first);
// Row `row` is out: there is room to note that it has come.
void outbox_acks_reserve(struct outbox_acks *acks, uint64_t row);
void outbox_acks_set(struct outbox_acks *acks, uint64_t row);

#endif
