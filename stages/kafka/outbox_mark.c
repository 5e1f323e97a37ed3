// outbox_mark.c: what the mark in the cluster says about the rows in the journal.
//
// The mark is the truth: it was committed with the rows. Ours is one with the incarnation of our
// state, a random number that is made with a fresh state and restored with an old one.
//
//   mark                          our state has
//                                 never been marked          been marked
//   none                          ours begins: claim         gone: refuse
//   foreign                       ours begins: claim, note   taken by another job: refuse
//   ours, from done on            rows before it are done    the same
//   ours, beyond what can be      -                          rolled back: refuse
//   ours, before done             -                          set back by hand: refuse
//
// `refuse` ends the job, unless sink.on-rollback is 'repeat': then the state gets a new
// incarnation, claims the id, and its rows go out, some perhaps again. To claim is to commit a mark
// without rows: another job that still uses the id sees at its next look that it has lost it.
//
// Beyond what can be: a state that was restored from a checkpoint may find the mark of that
// checkpoint, which was committed after its barrier, but none of a later one. So `limit` follows
// the barriers, but not those that come before this process knows the mark: else a state that went
// back too far would grow over the mark while the cluster is away, and take rows for done that it
// has never sent. A checkpoint of such a time can have a mark of its own too, at its barrier or at
// the one that was complete then: both are noted by the process that begins with it.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/check.h"
#include "stages/kafka/outbox_internal.h"

int outbox_fail(struct outbox *o, const char *text)
{
    o->phase = OUTBOX_FAILED;
    snprintf(o->failure, sizeof o->failure, "%s", text);
    op_fail(&o->context, o->failure);
    return -ECANCELED;
}

static struct outbox_state *touch(struct outbox *o)
{
    return arena_touch(o->context.arena, o->state_at, sizeof(struct outbox_state));
}

void outbox_claim(struct outbox *o)
{
    const struct outbox_state *state = outbox_state_of(o);
    o->asked = (struct producer_mark){state->incarnation, o->done, state->allowed.checkpoint};
    o->phase = OUTBOX_CLAIMING;
    o->must_claim = false;
    producer_ask(o->producer, PRODUCER_COMMIT, &o->asked);
}

static void note_start(struct outbox_state *state, uint64_t row)
{
    for (uint64_t i = 0; i < state->start_count; i++)
        if (state->starts[i] == row)
            return;
    if (state->start_count == OUTBOX_STARTS) { // as many processes, none of which came to know it
        memmove(state->starts, state->starts + 1, sizeof state->starts - sizeof row);
        state->start_count--;
    }
    state->starts[state->start_count++] = row;
}

void outbox_note_start(struct outbox *o)
{
    const struct outbox_state *state = outbox_state_of(o);
    uint64_t barrier = state->barrier.row, allowed = state->allowed.row;
    if (barrier > state->limit)
        note_start(touch(o), barrier);
    if (allowed > state->limit)
        note_start(touch(o), allowed);
}

static bool can_be(const struct outbox_state *state, uint64_t row)
{
    for (uint64_t i = 0; i < state->start_count; i++)
        if (state->starts[i] == row)
            return true;
    return row <= state->limit;
}

// This process knows the mark: what it sends from now on is beyond no barrier of its own.
static void know_mark(struct outbox *o)
{
    struct outbox_state *state = touch(o);
    state->limit = state->barrier.row;
    state->start_count = 0;
    o->knows_mark = true;
}

int outbox_new_incarnation(struct outbox *o)
{
    uint64_t number = 0;
    while (number == 0) // 0 stands for none
        if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
            return -errno;
    struct outbox_state *state = touch(o);
    state->incarnation = number;
    state->is_marked = 0;
    know_mark(o); // there can be none
    return 0;
}

static int refuse(struct outbox *o, const char *why)
{
    char text[1024];
    if (!o->table->repeats_on_rollback) {
        snprintf(text, sizeof text,
                 "table %s: %s; with 'sink.on-rollback' = 'repeat' the job goes on and some rows "
                 "may come twice",
                 o->table->name, why);
        return outbox_fail(o, text);
    }
    snprintf(text, sizeof text,
             "table %s: %s; 'sink.on-rollback' = 'repeat': it goes on, and some "
             "rows may come twice",
             o->table->name, why);
    op_note(&o->context, text);
    return outbox_new_incarnation(o);
}

// 1: the mark is not ours, but may become it.
static int settle_foreign(struct outbox *o, const struct producer_answer *answer)
{
    char why[512];
    bool was_marked = outbox_state_of(o)->is_marked;
    int rc = 0;
    if (!answer->has_mark && was_marked) {
        snprintf(why, sizeof why,
                 "the mark of what was committed is gone (offset of group '%s', partition 0 of "
                 "topic %s): groups that rest are forgotten after offsets.retention.minutes, or "
                 "somebody has deleted it; which of the last rows were committed cannot be told",
                 o->id, o->table->topics[0]);
        rc = refuse(o, why);
    } else if (answer->has_mark && was_marked) {
        snprintf(why, sizeof why,
                 "another job uses transactional id '%s', or has used it since: give each job its "
                 "own 'sink.transactional-id-prefix'; which of this job's last rows were committed "
                 "cannot be told",
                 o->id);
        rc = refuse(o, why);
    } else if (answer->has_mark) {
        snprintf(why, sizeof why,
                 "table %s: transactional id '%s' was used by an earlier job; from here on it is "
                 "this job's",
                 o->table->name, o->id);
        op_note(&o->context, why);
    }
    if (rc < 0)
        return rc;
    know_mark(o);
    return 1;
}

// The mark is of our incarnation. 1: it must be claimed anew.
static int settle_own(struct outbox *o, uint64_t row)
{
    const struct outbox_state *state = outbox_state_of(o);
    char why[512];
    if (row >= o->done && can_be(state, row)) {
        o->done = row;
        struct outbox_state *now = touch(o);
        now->done = row;
        now->is_marked = 1;
        know_mark(o);
        return 0;
    }
    if (row < o->done)
        snprintf(
            why, sizeof why,
            "the mark of what was committed (offset of group '%s', partition 0 of topic %s) is "
            "%" PRIu64 ", but %" PRIu64 " rows were committed: somebody has set it back",
            o->id, o->table->topics[0], row, o->done);
    else
        snprintf(why, sizeof why,
                 "%" PRIu64 " rows were committed, more than the %" PRIu64
                 " that this state knows of: the job was restored from an older checkpoint, and "
                 "readers have seen what it would send again",
                 row, state->limit);
    int rc = refuse(o, why);
    return rc < 0 ? rc : 1;
}

int outbox_settle_mark(struct outbox *o, const struct producer_answer *answer)
{
    bool is_ours = answer->has_mark && answer->mark.incarnation == outbox_state_of(o)->incarnation;
    return is_ours ? settle_own(o, answer->mark.row) : settle_foreign(o, answer);
}
