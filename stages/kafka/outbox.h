// outbox.h: rows of one task on their way to a cluster: the journal in the arena, the producer, and
// what is agreed between the two so that rows arrive as the table's guarantee says.
//
//   none           rows are handed to librdkafka once their transaction is committed here
//   at-least-once  and stay in the journal until the cluster has acknowledged them
//   exactly-once   and until the cluster has committed the transaction that they are in: one a
//                  checkpoint, which carries a mark: the number of the first row not in it
//
// Its functions are an operator's hooks of the same names (stages/runtime/operator.h); an operator
// composes rows into outbox_rows and passes the rest on. All of it is for the task's thread.
#ifndef WEIR_STAGES_KAFKA_OUTBOX_H
#define WEIR_STAGES_KAFKA_OUTBOX_H

#include "stages/kafka/journal.h"
#include "stages/kafka/table.h"
#include "stages/runtime/operator.h"

struct outbox;

struct outbox_spec {
    const struct op_context *context; // copied; what it points at outlives the outbox
    const struct kafka_table *table;  // outlives the outbox
    uint32_t root;                    // of the arena
    bool ends_strays; // no task but the stage's uses the prefix: end what there were more of
    void *warm;       // of outbox_warm, which is the outbox's now; NULL: none
};

// In a transaction. 0 or -errno with a text; nothing is connected when it returns.
int outbox_open(const struct outbox_spec *spec, struct outbox **out, struct err *err);
// False: a thread that hangs in the network is left, and reads what spec.table points to until the
// process ends (kafka_table_leave). The same below.
bool outbox_close(struct outbox *o);

// A connection that leaves no trace, for the spec of a later outbox_open in this process. NULL.
void *outbox_warm(const struct outbox_spec *spec);
bool outbox_cool(void *warm);

// Where rows of the open transaction are composed (journal_row_begin ..), and how many came to it.
struct buf *outbox_rows(struct outbox *o);
void outbox_composed(struct outbox *o, uint64_t rows);

int outbox_before_commit(struct outbox *o);
void outbox_after_commit(struct outbox *o);
void outbox_reset(struct outbox *o);
int outbox_barrier(struct outbox *o, uint64_t checkpoint);
int outbox_complete(struct outbox *o, uint64_t checkpoint);
int outbox_poll(struct outbox *o);
bool outbox_has_room(const struct outbox *o);
// Has the cluster, for good, everything that the newest complete checkpoint lets go?
bool outbox_is_settled(const struct outbox *o);
// No row and no checkpoint comes any more: everything goes out. Bounded: where the cluster does not
// answer, exactly-once leaves the rest to the next run and says so; others fail.
int outbox_finish(struct outbox *o, struct err *err);
// In an arena that nobody runs on: rows that are not known to have arrived.
uint64_t outbox_kept_rows(const struct arena *arena, uint32_t root);

// --- savepoints (operator.h: struct savepoint_class) ---

struct outbox_restore; // private

// Of a copy of the arena; `warm` is not looked at.
void outbox_put(const struct outbox_spec *spec, struct savepoint_writer *out, int id);
// *out is there to be freed even when it fails.
int outbox_restore_begin(const struct op_context *contexts, int count, struct outbox_restore **out,
                         struct err *err);
int outbox_restore_take(struct outbox_restore *r, struct savepoint_record *record, struct err *err);
// What the savepoint's tasks had on its way arrives, if it has not since: takes as long as the
// cluster does. -EHOSTUNREACH: it does not answer, for seconds; it may be done again. -ECANCELED:
// what the cluster has committed does not go with the savepoint.
int outbox_restore_end(struct outbox_restore *r, struct err *err);
void outbox_restore_free(struct outbox_restore *r);

// --- for people ---

// Append `"name":value` members: rows, done, waiting bytes, id.
void outbox_describe(const struct outbox *o, struct buf *out);
// The same in numbers (operator.h); behind a commit.
void outbox_tell(const struct outbox *o, struct op_outside *out);

#endif
