// timers.c: a binary heap (Williams, 1964) of (time, payload) in a vec; see timers.h.
//
// An add or a pop moves a path of entries by one level: log2(n) of them are logged, 32 bytes each.
#include "core/state/timers.h"

enum { TIMERS_PER_LEAF = VEC_NODE_WORDS / 2 };

struct timer {
    int64_t time;
    uint64_t payload;
};

static const struct timers_head *head_of(const struct arena *a, uint64_t head)
{
    return arena_at(a, head);
}

static uint64_t heap_of(uint64_t head)
{
    return head + offsetof(struct timers_head, heap);
}

static struct timer get(const struct arena *a, uint64_t head, uint64_t i)
{
    struct timer timer;
    memcpy(&timer, arena_at(a, vec_slot(a, heap_of(head), i * 2)), sizeof timer);
    return timer;
}

static void put(struct arena *a, uint64_t head, uint64_t i, struct timer timer)
{
    uint64_t slot = vec_slot(a, heap_of(head), i * 2);
    arena_store8(a, slot, (uint64_t)timer.time);
    arena_store8(a, slot + 8, timer.payload);
}

static bool before(struct timer x, struct timer y)
{
    return x.time < y.time || (x.time == y.time && x.payload < y.payload);
}

int timers_add(struct arena *a, uint64_t head, int64_t time, uint64_t payload)
{
    struct timer timer = {time, payload};
    uint64_t i = head_of(a, head)->count;
    // The two words of a timer never lie in two leaves: a leaf has an even number of words.
    int r = vec_reserve(a, heap_of(head), i * 2);
    if (r)
        return r;
    arena_store8_once(a, head, i + 1);
    if (i + 1 > head_of(a, head)->high)
        arena_store8_once(a, head + offsetof(struct timers_head, high), i + 1);
    while (i > 0) {
        struct timer parent = get(a, head, (i - 1) / 2);
        if (!before(timer, parent))
            break;
        put(a, head, i, parent);
        i = (i - 1) / 2;
    }
    put(a, head, i, timer);
    return 0;
}

int64_t timers_next(const struct arena *a, uint64_t head)
{
    return timers_count(a, head) ? get(a, head, 0).time : INT64_MAX;
}

// Put `timer` where the top was: below all that come before it.
static void sift_down(struct arena *a, uint64_t head, uint64_t count, struct timer timer)
{
    uint64_t i = 0;
    for (;;) {
        uint64_t child = 2 * i + 1;
        if (child >= count)
            break;
        struct timer least = get(a, head, child);
        if (child + 1 < count && before(get(a, head, child + 1), least))
            least = get(a, head, ++child);
        if (!before(least, timer))
            break;
        put(a, head, i, least);
        i = child;
    }
    put(a, head, i, timer);
}

int timers_pop_due(struct arena *a, uint64_t head, int64_t now, int64_t *time, uint64_t *payload)
{
    uint64_t count = timers_count(a, head);
    if (!count)
        return 0;
    struct timer top = get(a, head, 0);
    if (top.time > now)
        return 0;
    *time = top.time;
    *payload = top.payload;
    count--;
    arena_store8_once(a, head, count);
    if (count)
        sift_down(a, head, count, get(a, head, count));
    return 1;
}

int timers_drop_step(struct arena *a, uint64_t head, uint32_t budget)
{
    uint64_t high = head_of(a, head)->high;
    CHECK(budget > 0);
    for (; high && budget; budget--) {
        vec_free_leaf(a, heap_of(head), (high - 1) * 2);
        high = (high - 1) & ~(uint64_t)(TIMERS_PER_LEAF - 1);
    }
    arena_store8_once(a, head + offsetof(struct timers_head, high), high);
    if (high)
        return 0;
    vec_free(a, heap_of(head));
    arena_store8_once(a, head, 0);
    return 1;
}
