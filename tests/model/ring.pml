/* ring.pml: ring, waiter and death, as shm/ring.c and shm/waiter.c have them, at a small bound.
 *
 * The memory model is x86's: each side has a store buffer for its plain stores (one word deep here: the
 * word that matters), which drains at any time, and wholly at a full fence. Either side dies between any
 * two of its stores, at most DEATHS times in all; its successor starts from the committed position,
 * publishes it, and wakes the other side. The timeout of the sleep is left out, so that a lost wake-up is
 * a deadlock that Spin reports (an invalid end state).
 *
 * Checked: nothing is read that was not committed; items come in order, once; no deadlock.
 * Each of these flags takes one step away; Spin must then find an error:
 */
/* MUTANT NO_FENCE            no fence between publishing and the look at who sleeps */
/* MUTANT UNCOMMITTED_PUBLISH published before it is committed */
#ifndef ITEMS
#define ITEMS 3
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define CAPACITY 2

byte tail, head;                   /* the published words, in memory */
byte tail_buffer, head_buffer;     /* stores that have not reached memory yet ... */
bool tail_waits, head_waits;       /* ... when these say so */
byte tail_committed, head_committed; /* in the arenas */
bool sleeping[2];                  /* 0: producer's waiter, 1: consumer's */
byte deaths;
byte got;                          /* items that the consumer has committed */
bool done[2];

#define DRAIN_TAIL if :: tail_waits -> tail = tail_buffer; tail_waits = false :: else fi
#define DRAIN_HEAD if :: head_waits -> head = head_buffer; head_waits = false :: else fi

/* Store buffers drain when they like. A killed process's buffer drains too: its stores are in program order. */
active proctype memory_system()
{
end:
    do
    :: atomic { tail_waits -> tail = tail_buffer; tail_waits = false }
    :: atomic { head_waits -> head = head_buffer; head_waits = false }
    :: atomic { done[0] && done[1] && !tail_waits && !head_waits -> break }
    od
}

inline store_tail(value) { atomic { DRAIN_TAIL; tail_buffer = value; tail_waits = true } }
inline store_head(value) { atomic { DRAIN_HEAD; head_buffer = value; head_waits = true } }
inline fence(side) { atomic { if :: side == 0 -> DRAIN_TAIL :: else -> DRAIN_HEAD fi } }

inline wake(other, side)
{
#ifndef NO_FENCE
    fence(side);
#endif
    if
    :: sleeping[other] -> sleeping[other] = false
    :: else
    fi
}

/* May this side die here? */
#define DIE(again) if :: deaths < DEATHS -> deaths++; goto again :: true fi

active proctype producer()
{
    byte position;
again:
    /* attach: the successor begins after the last store of the dead has reached memory */
    atomic { DRAIN_TAIL; position = tail_committed }
    store_tail(tail_committed);
    wake(1, 0);
    do
    :: position == ITEMS -> break
    :: else ->
        if
        :: position - head < CAPACITY ->
            position++; /* the item is written past tail: it does not exist yet */
            DIE(again);
#ifdef UNCOMMITTED_PUBLISH
            store_tail(position);
            DIE(again);
#endif
            tail_committed = position; /* commit */
            DIE(again);
            store_tail(position);      /* publish */
            DIE(again);
            wake(1, 0);
        :: else ->
            atomic { sleeping[0] = true; DRAIN_TAIL } /* the store and W1 */
            DIE(again);
            if
            :: position - head < CAPACITY -> sleeping[0] = false
            :: else -> !sleeping[0] /* futex */
            fi
        fi
    od;
    done[0] = true
}

active proctype consumer()
{
    byte position;
again:
    atomic { DRAIN_HEAD; position = head_committed }
    store_head(head_committed);
    wake(0, 1);
    do
    :: position == ITEMS -> break
    :: else ->
        if
        :: position < tail ->
            assert(tail <= tail_committed);      /* only what was committed is visible */
            assert(tail - position <= CAPACITY);
            position++;
            DIE(again);
            atomic { head_committed = position; got++ } /* commit: state and position together */
            assert(got == head_committed);       /* each item once */
            DIE(again);
            store_head(position);
            DIE(again);
            wake(0, 1);
        :: else ->
            atomic { sleeping[1] = true; DRAIN_HEAD }
            DIE(again);
            if
            :: position < tail -> sleeping[1] = false
            :: else -> !sleeping[1]
            fi
        fi
    od;
    assert(got == ITEMS);
    done[1] = true
}
