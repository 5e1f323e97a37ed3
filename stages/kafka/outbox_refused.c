// outbox_refused.c: rows that the cluster does not take, now or ever: too large for the topic, of a
// form that it refuses.
//
// A request carries many rows and is refused whole. So the rows that may be meant go again, one a
// request; who is refused alone goes to the dead letters with the reason, and is skipped from then
// on. When none was guilty alone it was the request that was too large: later ones are smaller.
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "stages/kafka/outbox_internal.h"

enum { BATCH_BYTES = 1000000, BATCH_BYTES_MIN = 8192 };

void outbox_note_refused(struct outbox *o, uint64_t row, const char *why)
{
    if (o->refused_count == o->refused_capacity) {
        o->refused_capacity = o->refused_capacity ? o->refused_capacity * 2 : 64;
        o->refused = realloc(o->refused, o->refused_capacity * sizeof *o->refused);
        CHECK(o->refused);
    }
    o->refused[o->refused_count++] = row;
    snprintf(o->refused_why, sizeof o->refused_why, "the brokers refuse it: %s", why);
}

static void bury(struct outbox *o, uint64_t row)
{
    struct arena *arena = o->context.arena;
    struct journal_cursor at, next;
    struct journal_row found;
    if (row < o->done)
        return;
    journal_seek(arena, outbox_journal(o), row, &at);
    next = at;
    CHECK(journal_read(arena, outbox_journal(o), &next, &found) == 1);
    if (found.is_dead)
        return;
    journal_bury(arena, outbox_journal(o), &at);
    struct outbox_state *state = arena_touch(arena, o->state_at, sizeof *state);
    state->dead++;
    o->has_buried = true;
    if (o->table->guarantee == KAFKA_AT_LEAST_ONCE && row < o->cursor.row)
        outbox_acks_set(&o->acks, row);
    o->context.bad_row(o->context.bad_row_context, o->table->topics[found.topic], BAD_ROW_NOWHERE,
                       o->refused_why, found.value);
}

int outbox_deal_with_refused(struct outbox *o)
{
    bool are_guilty = o->batches.one_by_one || o->refused_here;
    if (!o->refused_count)
        return 0;
    for (uint32_t i = 0; i < o->refused_count; i++) {
        if (are_guilty)
            bury(o, o->refused[i]);
        else if (o->refused[i] >= o->careful_to)
            o->careful_to = o->refused[i] + 1;
    }
    if (!are_guilty) {
        o->next_batches.one_by_one = true;
        o->has_buried = false;
    }
    // The transaction that a refused row was sent in cannot be committed any more; where something
    // is asked the answer will say so too.
    if (!o->refused_here && (outbox_is_exact(o) || !are_guilty) && o->phase == OUTBOX_OPEN)
        outbox_shut(o);
    o->refused_count = 0;
    o->refused_here = false;
    return 0;
}

void outbox_end_careful(struct outbox *o)
{
    if (!o->batches.one_by_one || o->done < o->careful_to)
        return;
    int bytes = o->batches.bytes_max ? o->batches.bytes_max : BATCH_BYTES;
    o->next_batches.one_by_one = false;
    if (!o->has_buried && bytes / 2 >= BATCH_BYTES_MIN)
        o->next_batches.bytes_max = bytes / 2;
    outbox_shut(o);
}
