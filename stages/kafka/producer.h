// producer.h: who sends rows to a cluster, with or without transactions, and a thread that waits
// for the cluster's answers so that the task never does.
//
// The task asks (producer_ask) and goes on; the thread does what may take long, one thing at a
// time; the task hears of the answer by `wake` and takes it (producer_take_answer). Rows and their
// reports are the task's own business: librdkafka queues them without waiting. Between an ask for
// PRODUCER_OPEN or _LOOK and its answer there is no instance to send rows with.
//
// The thread knows no arena, and no row.
#ifndef WEIR_STAGES_KAFKA_PRODUCER_H
#define WEIR_STAGES_KAFKA_PRODUCER_H

#include "core/base/err.h"
#include "stages/kafka/journal.h"
#include "stages/kafka/table.h"

enum { PRODUCER_SEND_ROWS = 64 }; // of one call of producer_send

struct producer;

// What is kept outside, atomically with the rows of a transaction: an offset of the consumer group
// that is named as the transactional id, of partition 0 of the first topic.
struct producer_mark {
    uint64_t incarnation; // of the state that the rows are from
    uint64_t row;         // rows before this one are committed
    uint64_t checkpoint;  // for people
};

enum producer_ask {
    // A new instance in place of the one that there may be. With transactions: whoever used the id
    // before is fenced and what they left open is ended, then the mark is read, and a transaction
    // begun. It is tried until it succeeds or is hopeless.
    PRODUCER_OPEN,
    // Read the mark without fencing anybody, until it is another incarnation's than that of the
    // given one, for at most three seconds. The instance is lost by it.
    PRODUCER_LOOK,
    PRODUCER_MARK,   // put the mark into the open transaction; a later one goes over it
    PRODUCER_COMMIT, // the same, unless it is in; commit, and begin the next transaction
};

enum producer_outcome {
    PRODUCER_DONE,
    PRODUCER_LOST,     // the instance is of no use any more, and what the cluster did is not known
    PRODUCER_FENCED,   // the same; the id was used by somebody else, or the cluster gave us up
    PRODUCER_HOPELESS, // nothing that time heals: `text` is for a person
};

struct producer_answer {
    enum producer_ask ask;
    enum producer_outcome outcome;
    bool has_mark; // OPEN, LOOK: there is one; a foreign text counts as incarnation 0
    struct producer_mark mark;
    char text[ERR_TEXT_BYTES]; // where it is not done: why
};

struct producer_spec { // what the table points to must outlive the producer; the rest is copied
    const struct kafka_table *table;
    const char *job_name;
    int subtask, subtasks;          // all that use the prefix of the ids
    const char *transactional_id;   // NULL: without transactions
    int64_t transaction_timeout_ms; // after which the cluster aborts one
    void (*wake)(void *wake_context);
    void *wake_context;
};

struct producer_reader { // of producer_poll
    void *context;
    // The cluster has the row.
    void (*delivered)(void *context, uint64_t row, uint64_t bytes); // of key and value
    // It refuses the row itself, which will never be different. With several rows in one request
    // that may be the fault of any of them.
    void (*refused)(void *context, uint64_t row, const char *why);
};

// How rows are put together into requests, from the next PRODUCER_OPEN on.
struct producer_batches {
    bool one_by_one;
    int bytes_max; // 0: as the table says
};

// Start its thread; nothing is connected. 0 or -errno with a text. Owned by the caller.
int producer_create(const struct producer_spec *spec, struct producer **out, struct err *err);
// Ends the thread; bounded: what has not ended in seconds is left to the end of the process. False:
// that is so, and what spec.table points to must stay.
bool producer_destroy(struct producer *p);
// Make an instance and connect it, as far as leaves no trace; PRODUCER_OPEN takes it. For a spare.
void producer_warm(struct producer *p);

// Nothing may be asked already. `mark`: NULL for OPEN.
void producer_ask(struct producer *p, enum producer_ask ask, const struct producer_mark *mark);
// true: the answer, once.
bool producer_take_answer(struct producer *p, struct producer_answer *out);
void producer_set_batches(struct producer *p, struct producer_batches batches);

// Behind PRODUCER_OPEN, when nothing is asked: end what was left open under ids of this prefix that
// no subtask has, because an earlier run had more of them.
void producer_end_strays(struct producer *p);
// true, once: that is over. `text`: what could not be done, for people; empty: nothing.
bool producer_take_strays(struct producer *p, char *text, size_t bytes);

// Why it takes so long, for people: new text since the last call. PRODUCER_OPEN only.
bool producer_take_trouble(struct producer *p, char *text, size_t bytes);
// What librdkafka has logged.
void producer_tell(struct producer *p, void (*note)(void *context, const char *text),
                   void *context);

// Hand over `count` rows, row number `number` and those behind it; their bytes are copied. Returns
// how many have gone, and in *rc what became of the next: 0: all have gone; -EAGAIN: no room,
// `wake` says when; -EMSGSIZE: the row can never go; -EIO: the instance is lost (producer_lost),
// and rows behind may have gone.
uint32_t producer_send(struct producer *p, const struct journal_row *rows, uint32_t count,
                       uint64_t number, int *rc);
// Take in what has come of rows. Never waits.
void producer_poll(struct producer *p, const struct producer_reader *reader);
// Is the instance of no use any more? DONE: no.
enum producer_outcome producer_lost(const struct producer *p, const char **why);

#endif
