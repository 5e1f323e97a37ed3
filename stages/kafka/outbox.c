// outbox.c: the life of an outbox, and an operator's hooks; what it does when is in outbox_flow.c.
//
// Where a kill may come: rows reach the journal with the transaction that made them, so they are
// there or have never been. Rows are sent from committed memory only. Whatever was sent and not
// known to be done is sent again by the next process, once it has fenced this one and knows, by the
// mark, what of it counts.
#include "stages/kafka/outbox.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "stages/kafka/outbox_internal.h"

enum {
    TIMEOUT_LEAST_MS = 60 * 1000,
    TIMEOUT_MOST_MS = 15 * 60 * 1000, // what brokers allow by default
    TIMEOUT_INTERVALS = 10,
    FINISH_LOOK_US = 500,
    FINISH_PATIENCE_MS = 8000, // below the supervisor's
};

// --- the producer ---

static int64_t transaction_timeout_ms(const struct outbox_spec *spec)
{
    for (int i = 0; i < spec->table->property_count; i++)
        if (strcmp(spec->table->properties[i].key, "transaction.timeout.ms") == 0)
            return strtoll(spec->table->properties[i].value, NULL, 10);
    int64_t interval_ms = spec->context->checkpoint_interval_ms;
    int64_t ms = interval_ms * TIMEOUT_INTERVALS;
    ms = interval_ms == 0 || ms > TIMEOUT_MOST_MS ? TIMEOUT_MOST_MS : ms;
    return ms < TIMEOUT_LEAST_MS ? TIMEOUT_LEAST_MS : ms;
}

static void name_id(const struct outbox_spec *spec, char *id, size_t bytes)
{
    snprintf(id, bytes, "%s-%d", spec->table->transactional_id_prefix, spec->context->subtask);
}

static int make_producer(const struct outbox_spec *spec, struct producer **out, struct err *err)
{
    char id[256];
    name_id(spec, id, sizeof id);
    const struct producer_spec wanted = {
        .table = spec->table,
        .job_name = spec->context->job_name,
        .subtask = spec->context->subtask,
        .subtasks = spec->context->stage->parallelism,
        .transactional_id = spec->table->guarantee == KAFKA_EXACTLY_ONCE ? id : NULL,
        .transaction_timeout_ms = transaction_timeout_ms(spec),
        .wake = spec->context->wake,
        .wake_context = spec->context->wake_context,
    };
    return producer_create(&wanted, out, err);
}

void *outbox_warm(const struct outbox_spec *spec)
{
    struct producer *producer;
    struct err err;
    if (make_producer(spec, &producer, &err) < 0)
        return NULL;
    producer_warm(producer);
    return producer;
}

bool outbox_cool(void *warm)
{
    return producer_destroy(warm);
}

// --- life ---

static int open_state(struct outbox *o, uint32_t root, struct err *err)
{
    struct arena *arena = o->context.arena;
    int rc = arena_root(arena, root, sizeof(struct outbox_state), &o->state_at);
    if (rc == 0 && outbox_state_of(o)->incarnation == 0)
        rc = outbox_new_incarnation(o);
    if (rc < 0)
        return err_set(err, rc, "no room in the task's memory; set memory.state higher");
    outbox_note_start(o);
    o->done = outbox_state_of(o)->done;
    o->exempt_bytes = outbox_state_of(o)->journal.bytes;
    journal_seek(arena, outbox_journal(o), o->done, &o->cursor);
    return 0;
}

int outbox_open(const struct outbox_spec *spec, struct outbox **out, struct err *err)
{
    struct outbox *o = calloc(1, sizeof *o);
    CHECK(o);
    o->context = *spec->context;
    o->table = spec->table;
    o->timeout_ms = transaction_timeout_ms(spec);
    o->producer = spec->warm;
    o->ends_strays = spec->ends_strays && outbox_is_exact(o) && spec->context->subtask == 0;
    if (spec->table->guarantee == KAFKA_EXACTLY_ONCE)
        name_id(spec, o->id, sizeof o->id);
    int rc = open_state(o, spec->root, err);
    if (rc == 0 && !o->producer)
        rc = make_producer(spec, &o->producer, err);
    if (rc < 0) {
        outbox_close(o);
        return rc;
    }
    o->phase = OUTBOX_OPENING; // whoever is here owns the arena: no need for a commit before
    producer_ask(o->producer, PRODUCER_OPEN, NULL);
    *out = o;
    return 0;
}

bool outbox_close(struct outbox *o)
{
    const bool has_ended = producer_destroy(o->producer);
    free(o->acks.words);
    free(o->refused);
    buf_fini(&o->rows);
    free(o);
    return has_ended;
}

// --- rows ---

struct buf *outbox_rows(struct outbox *o)
{
    return &o->rows;
}

void outbox_composed(struct outbox *o, uint64_t rows)
{
    o->row_count += rows;
}

int outbox_before_commit(struct outbox *o)
{
    struct arena *arena = o->context.arena;
    if (o->phase == OUTBOX_FAILED)
        return outbox_fail(o, o->failure);
    if (!o->row_count)
        return 0;
    int rc = journal_append(arena, outbox_journal(o), &o->rows, o->row_count);
    // The rows' own size is the trouble, not the state: fewer of them may fit.
    if (rc == -ENOSPC && o->row_count > 1 && o->rows.len >= arena->header->total_bytes / 8)
        return -EAGAIN;
    if (rc == 0) {
        buf_clear(&o->rows);
        o->row_count = 0;
    }
    return rc;
}

void outbox_reset(struct outbox *o)
{
    buf_clear(&o->rows);
    o->row_count = 0;
    o->done = outbox_state_of(o)->done > o->done ? outbox_state_of(o)->done : o->done;
    if (!o->has_kept || o->phase == OUTBOX_FAILED)
        return;
    // What an answer has changed in the arena is gone: hear it again, from a new instance.
    o->has_kept = false;
    if (o->phase == OUTBOX_OPEN)
        outbox_shut(o);
}

// --- checkpoints ---

static int set_point(struct outbox *o, uint64_t at, struct outbox_point point)
{
    memcpy(arena_touch(o->context.arena, o->state_at + at, sizeof point), &point, sizeof point);
    return 0;
}

int outbox_barrier(struct outbox *o, uint64_t checkpoint)
{
    // Rows that were composed in this transaction come before the barrier.
    int rc = outbox_before_commit(o);
    if (rc < 0)
        return rc;
    const struct journal_head *journal = arena_at(o->context.arena, outbox_journal(o));
    const struct outbox_point point = {journal->next, journal->bytes, checkpoint};
    if (o->knows_mark)
        arena_store8(o->context.arena, o->state_at + offsetof(struct outbox_state, limit),
                     point.row);
    return set_point(o, offsetof(struct outbox_state, barrier), point);
}

// A state that was restored may have an earlier barrier than the newest complete checkpoint: what
// it was restored from is complete as well.
int outbox_complete(struct outbox *o, uint64_t checkpoint)
{
    const struct outbox_point barrier = outbox_state_of(o)->barrier;
    if (!barrier.checkpoint || checkpoint < barrier.checkpoint ||
        outbox_state_of(o)->allowed.checkpoint == barrier.checkpoint)
        return 0;
    return set_point(o, offsetof(struct outbox_state, allowed), barrier);
}

bool outbox_is_settled(const struct outbox *o)
{
    return o->done >= outbox_state_of(o)->allowed.row;
}

// --- the loop's questions ---

int outbox_poll(struct outbox *o)
{
    int rc = outbox_take_news(o);
    // What an answer has changed in the arena is committed before the cluster is asked for more: an
    // abort would leave a mark there that the state does not know of.
    if (rc == 0 && !(o->has_kept && arena_log_used(o->context.arena)))
        outbox_drive(o);
    return rc;
}

static uint64_t waiting_bytes(const struct outbox *o)
{
    uint64_t limit = outbox_limit(o).bytes;
    uint64_t sent = o->cursor.bytes > o->exempt_bytes ? o->cursor.bytes : o->exempt_bytes;
    return o->in_flight_bytes + (limit > sent ? limit - sent : 0);
}

bool outbox_has_room(const struct outbox *o)
{
    return waiting_bytes(o) <= o->table->buffer_max_bytes;
}

void outbox_describe(const struct outbox *o, struct buf *out)
{
    const struct outbox_state *state = outbox_state_of(o);
    buf_printf(out,
               "\"rows\":%" PRIu64 ",\"done\":%" PRIu64 ",\"waiting_bytes\":%" PRIu64
               ",\"kept_bytes\":%" PRIu64 ",\"refused\":%" PRIu64,
               state->journal.next, o->done, waiting_bytes(o),
               state->journal.bytes - o->cursor.bytes, state->dead);
    if (!o->id[0])
        return;
    buf_append_str(out, ",\"transactional_id\":");
    buf_append_json_string(out, slice_of(o->id));
}

void outbox_tell(const struct outbox *o, struct op_outside *out)
{
    const struct outbox_state *state = outbox_state_of(o);
    out->kept_bytes = (int64_t)(state->journal.bytes - o->cursor.bytes + waiting_bytes(o));
    if (!outbox_is_exact(o))
        return;
    out->open_since_ms = o->began_ns ? o->began_ms : INT64_MIN;
    if (outbox_is_settled(o) && state->allowed.checkpoint)
        out->committed = (int64_t)state->allowed.checkpoint;
}

uint64_t outbox_kept_rows(const struct arena *arena, uint32_t root)
{
    const struct arena_root_slot *slot = &arena->meta->roots[root];
    if (!slot->offset || slot->bytes != sizeof(struct outbox_state))
        return 0;
    const struct outbox_state *state = arena_at(arena, slot->offset);
    return state->journal.next - state->done;
}

// --- the end ---

// No task's loop goes on any more: its transactions are made here.
static int finish_step(struct outbox *o)
{
    int rc = outbox_poll(o);
    if (rc < 0)
        return rc;
    arena_commit(o->context.arena);
    outbox_after_commit(o);
    arena_commit(o->context.arena);
    return 0;
}

static int left_over(const struct outbox *o, struct err *err)
{
    char text[512];
    uint64_t rows = outbox_state_of(o)->journal.next - o->done;
    if (!outbox_is_exact(o))
        return err_set(err, -EHOSTUNREACH,
                       "table %s: the last %" PRIu64 " rows have not reached the cluster, which "
                       "does not answer",
                       o->table->name, rows);
    snprintf(text, sizeof text,
             "table %s: the cluster does not answer; the last %" PRIu64 " rows, in transaction "
             "'%s', are sent and committed by the next run of this job",
             o->table->name, rows, o->id);
    op_note(&o->context, text);
    return 0;
}

int outbox_finish(struct outbox *o, struct err *err)
{
    struct env *env = o->context.env;
    const struct journal_head *journal = arena_at(o->context.arena, outbox_journal(o));
    const struct outbox_point all = {journal->next, journal->bytes,
                                     outbox_state_of(o)->barrier.checkpoint};
    int64_t since_ms = env->monotonic_ns(env) / 1000000;
    uint64_t done = o->done;
    set_point(o, offsetof(struct outbox_state, barrier), all);
    set_point(o, offsetof(struct outbox_state, allowed), all);
    arena_commit(o->context.arena);
    while (o->done < all.row) {
        int rc = finish_step(o);
        if (rc < 0)
            return err_set(err, rc, "%s", o->failure);
        int64_t now_ms = env->monotonic_ns(env) / 1000000;
        since_ms = o->done > done ? now_ms : since_ms;
        done = o->done;
        if (now_ms - since_ms > FINISH_PATIENCE_MS)
            return left_over(o, err);
        usleep(FINISH_LOOK_US);
    }
    // None is done once librdkafka has it: give it the time to send.
    for (int64_t until = since_ms + FINISH_PATIENCE_MS;
         o->in_flight_bytes && env->monotonic_ns(env) / 1000000 < until;) {
        int rc = finish_step(o);
        if (rc < 0)
            return err_set(err, rc, "%s", o->failure);
        usleep(FINISH_LOOK_US);
    }
    return 0;
}
