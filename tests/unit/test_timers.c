// test_timers.c: timers come out in order, whatever was added, popped and aborted in between.
#include "tests/unit/test_state_support.h"

#include "core/state/timers.h"

enum { BYTES = 8 << 20, LOG_BYTES = 1 << 20, TIMES = 200, PAYLOADS = 8, MANY = 3000 };

// How many timers there are for each time (from -100 on) and payload.
struct model {
    uint32_t there[TIMES][PAYLOADS];
    uint64_t count;
};

static bool model_first(const struct model *model, int *time, int *payload)
{
    for (*time = 0; *time < TIMES; ++*time)
        for (*payload = 0; *payload < PAYLOADS; ++*payload)
            if (model->there[*time][*payload])
                return true;
    return false;
}

static void pop_one(struct arena *a, uint64_t head, struct model *model, int64_t now)
{
    int64_t time;
    uint64_t payload;
    int want_time, want_payload;
    bool any = model_first(model, &want_time, &want_payload);
    assert_true(timers_next(a, head) == (any ? want_time - 100 : INT64_MAX));
    bool due = any && want_time - 100 <= now;
    assert_int_equal(timers_pop_due(a, head, now, &time, &payload), due);
    if (!due)
        return;
    assert_int_equal(time, want_time - 100);
    assert_int_equal(payload, want_payload);
    model->there[want_time][want_payload]--;
    model->count--;
}

static void test_timers_follow_a_model(void **state)
{
    (void)state;
    static struct model model, saved;
    uint64_t rng = test_seed(__func__);
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct timers_head));
    arena_commit(a);
    for (int round = 0; round < 500; round++) {
        saved = model;
        uint64_t adds = test_random(&rng, round < 250 ? 30 : 12), pops = test_random(&rng, 20);
        for (; adds; adds--) {
            uint64_t time = test_random(&rng, TIMES), payload = test_random(&rng, PAYLOADS);
            assert_int_equal(timers_add(a, head, (int64_t)time - 100, payload), 0);
            model.there[time][payload]++;
            model.count++;
        }
        for (; pops; pops--)
            pop_one(a, head, &model, (int64_t)test_random(&rng, TIMES) - 100);
        if (test_random(&rng, 4)) {
            arena_commit(a);
        } else {
            arena_abort(a);
            model = saved;
        }
        assert_int_equal(timers_count(a, head), model.count);
    }
    while (model.count) {
        pop_one(a, head, &model, INT64_MAX);
        arena_commit(a);
    }
    assert_int_equal(timers_next(a, head), INT64_MAX);
    test_arena_sound(a);
    test_arena_free(a);
}

static void test_timers_grow_and_drop_in_steps(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct timers_head)), before = arena_used_bytes(a);
    int64_t time;
    uint64_t payload;
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < MANY; i++) {
            assert_int_equal(timers_add(a, head, (int64_t)(i * 7919 % MANY), i), 0);
            arena_commit(a);
        }
        for (int64_t i = 0; i < MANY / 2; i++) {
            assert_int_equal(timers_pop_due(a, head, MANY, &time, &payload), 1);
            assert_int_equal(time, i);
            arena_commit(a);
        }
        uint32_t steps = 1;
        for (; !timers_drop_step(a, head, 2); steps++)
            arena_commit(a);
        arena_commit(a);
        assert_true(steps >= MANY / 256 / 2);
        assert_int_equal(timers_count(a, head), 0);
        assert_int_equal(arena_used_bytes(a), before);
    }
    test_arena_sound(a);
    test_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_follow_a_model),
        cmocka_unit_test(test_timers_grow_and_drop_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
