// test_datagen_parts.c: what old subtasks have left is dealt out to new ones: every number once,
// each subtask's in ascending order, over and over at another parallelism.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/hash.h"
#include "stages/source/datagen_parts.h"

enum { ROWS = 5000, SUBTASKS_MAX = 7, PARTS_MAX = 512 };

static uint64_t rng;

static uint64_t draw(uint64_t limit)
{
    rng = hash_u64(rng + 1);
    return rng % limit;
}

struct subtask {
    struct datagen_part parts[PARTS_MAX];
    int count;
};

static uint8_t seen[ROWS];

// Make up to `most` rows; false: nothing is left.
static bool make(struct subtask *s, uint64_t most, int64_t *last)
{
    while (most) {
        struct datagen_part run = datagen_parts_take(s->parts, s->count, most);
        if (!run.count)
            return false;
        for (uint64_t i = 0; i < run.count; i++) {
            uint64_t row = run.first + i * run.step;
            assert_true(row < ROWS);
            assert_int_equal(seen[row]++, 0);
            assert_true((int64_t)row > *last);
            *last = (int64_t)row;
        }
        most -= run.count;
    }
    return true;
}

static void check_journey(void)
{
    static struct subtask now[SUBTASKS_MAX], next[SUBTASKS_MAX];
    static struct datagen_left left[SUBTASKS_MAX * PARTS_MAX];
    int subtasks = 1 + (int)draw(SUBTASKS_MAX);
    memset(seen, 0, sizeof seen);
    for (int s = 0; s < subtasks; s++) {
        uint64_t p = (uint64_t)subtasks, first = (uint64_t)s;
        now[s].count = 1;
        now[s].parts[0] = (struct datagen_part){first, p, (ROWS - first - 1) / p + 1};
    }
    for (int leg = 0; leg < 5; leg++) {
        int left_count = 0, after = 1 + (int)draw(SUBTASKS_MAX);
        for (int s = 0; s < subtasks; s++) {
            int64_t last = -1;
            make(&now[s], draw(ROWS / 6 / (uint64_t)subtasks * 2), &last);
            for (int i = 0; i < now[s].count; i++)
                left[left_count++] = (struct datagen_left){now[s].parts[i], i + 1 == now[s].count};
        }
        const struct datagen_deal deal = {left, left_count, ROWS, after};
        for (int s = 0; s < after; s++)
            next[s].count = datagen_parts_deal(&deal, s, next[s].parts);
        memcpy(now, next, sizeof now);
        subtasks = after;
    }
    for (int s = 0; s < subtasks; s++) {
        int64_t last = -1;
        while (make(&now[s], 100, &last))
            continue;
    }
    for (int row = 0; row < ROWS; row++)
        if (seen[row] != 1)
            fail_msg("row %d came %d times", row, seen[row]);
}

static void test_datagen_parts_every_row_once(void **state)
{
    (void)state;
    const char *seed = getenv("SEED");
    rng = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    print_message("SEED=%llu\n", (unsigned long long)rng);
    for (int i = 0; i < 200; i++)
        check_journey();
}

static void test_datagen_parts_longest_run(void **state)
{
    (void)state;
    struct datagen_part parts[] = {{10, 4, 5}, {21, 1, 3}};
    struct datagen_part run = datagen_parts_take(parts, 2, 100);
    assert_int_equal(run.first, 10); // 10, 14, 18; 21 comes before 22
    assert_int_equal(run.count, 3);
    run = datagen_parts_take(parts, 2, 100);
    assert_int_equal(run.first, 21);
    assert_int_equal(run.count, 1);
    run = datagen_parts_take(parts, 2, 100);
    assert_int_equal(run.first, 22); // both have it: damaged, but it ends
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_datagen_parts_every_row_once),
        cmocka_unit_test(test_datagen_parts_longest_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
