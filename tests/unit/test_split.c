// test_split.c: watermarks of splits: against Flink's own classes (tests/golden/watermarks),
// against a plain minimum over random rows, and what the clock may and may not do.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "stages/runtime/split.h"

enum { SPLITS_MAX = 3000, TIMEOUT_MS = 100, TICK_MS = 10 };

// A source as far as splits.h looks at one, and what its task would have said so far.
struct bench {
    struct source source;
    struct source_split array[SPLITS_MAX];
    struct source_run runs[64];
    struct splits splits;
    struct splits_now now;
    int64_t timeout_ms;
    int64_t combined_ms;
};

static struct bench *bench_new(uint32_t count, int64_t timeout_ms)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->source.splits = b->array;
    b->source.runs = b->runs;
    b->now = (struct splits_now){1000000, 5000};
    b->timeout_ms = timeout_ms;
    b->combined_ms = INT64_MIN;
    splits_init(&b->splits);
    while (b->source.split_count < count)
        b->array[b->source.split_count++].watermark_ms = INT64_MIN;
    return b;
}

static void bench_free(struct bench *b)
{
    splits_fini(&b->splits);
    free(b);
}

static void raise(struct bench *b, int64_t watermark_ms)
{
    if (watermark_ms > b->combined_ms)
        b->combined_ms = watermark_ms;
}

// The part of the task's head that belongs to it (task_head.c). Runs stand in b->runs.
static void poll(struct bench *b, uint32_t run_count)
{
    b->source.run_count = run_count;
    splits_polled(&b->splits, &b->source, run_count > 0, b->now.wall_ms);
    splits_look(&b->splits, &b->source, &b->now, b->timeout_ms);
    raise(b, splits_combined(&b->splits, &b->source));
}

static void give_row(struct bench *b, uint32_t split, int64_t watermark_ms)
{
    b->runs[0] = (struct source_run){1, split};
    poll(b, 1);
    raise(b, splits_row(&b->splits, &b->source, watermark_ms));
}

static void pass_time(struct bench *b, int64_t ms)
{
    b->now.wall_ms += ms;
    b->now.active_ms += ms;
}

static void be_silent(struct bench *b, int64_t ms)
{
    for (int64_t left = ms; left > 0; left -= TICK_MS) {
        pass_time(b, TICK_MS);
        poll(b, 0);
    }
}

static bool is_idle(const struct bench *b)
{
    return !splits_any(&b->splits);
}

// --- Flink's answers ---

static void do_step(struct bench *b, const char *line)
{
    unsigned split;
    int ms;
    char value[32];
    if (strcmp(line, "new\n") == 0) {
        b->array[b->source.split_count++] = (struct source_split){.watermark_ms = INT64_MIN};
        poll(b, 0);
    } else if (sscanf(line, "row %u %31s", &split, value) == 2) {
        give_row(b, split, strcmp(value, "-") == 0 ? INT64_MIN : atoll(value));
    } else if (sscanf(line, "wait %d", &ms) == 1) {
        be_silent(b, ms);
    } else {
        assert_int_equal(sscanf(line, "done %u", &split), 1);
        b->array[split].is_done = true;
        poll(b, 0);
    }
}

static void check_answer(const struct bench *b, const char *line, int at)
{
    char combined[32], state[32], ours[32] = "-";
    assert_int_equal(sscanf(line, "= %31s %31s", combined, state), 2);
    if (b->combined_ms != INT64_MIN)
        snprintf(ours, sizeof ours, "%lld", (long long)b->combined_ms);
    if (strcmp(ours, combined) != 0 || is_idle(b) != (strcmp(state, "idle") == 0))
        fail_msg("splits.txt:%d: %s%s here, Flink: %s %s", at, ours,
                 is_idle(b) ? " idle" : " active", combined, state);
}

static void test_split_does_as_flink_does(void **state)
{
    (void)state;
    FILE *file = fopen("tests/golden/watermarks/splits.txt", "r");
    assert_non_null(file);
    struct bench *b = NULL;
    int answers = 0, at = 0;
    for (char line[64]; fgets(line, sizeof line, file);) {
        at++;
        if (strncmp(line, "script", 6) == 0) {
            if (b)
                bench_free(b);
            b = bench_new(0, TIMEOUT_MS);
        } else if (line[0] == '=') {
            check_answer(b, line, at);
            answers++;
        } else {
            do_step(b, line);
        }
    }
    fclose(file);
    bench_free(b);
    assert_in_range(answers, 2000, 10000);
}

// --- the plain minimum ---

static int64_t plain_combined(const struct bench *b)
{
    int64_t least = INT64_MAX, greatest = INT64_MIN;
    for (uint32_t i = 0; i < b->source.split_count; i++) {
        const struct source_split *split = &b->array[i];
        if (!split->is_done && split->watermark_ms > greatest)
            greatest = split->watermark_ms;
        if (!split->is_idle && !split->is_done && split->watermark_ms < least)
            least = split->watermark_ms;
    }
    return least == INT64_MAX ? greatest : least;
}

// Rows of random runs; behind each the answer is the plain one of what the splits have given.
static void check_rows(struct bench *b, unsigned *seed, uint32_t runs, int64_t base_ms)
{
    for (uint32_t r = 0; r < runs; r++) {
        const struct source_split *split = &b->array[b->runs[r].split];
        for (uint32_t k = 0; k < b->runs[r].rows; k++) {
            int64_t value = rand_r(seed) % 8 ? base_ms + rand_r(seed) % 300 : INT64_MIN;
            int64_t before = split->watermark_ms;
            int64_t answer = splits_row(&b->splits, &b->source, value);
            assert_int_equal(split->watermark_ms, value > before ? value : before);
            assert_false(split->is_idle);
            if (!split->is_done)
                assert_int_equal(answer, plain_combined(b));
            else
                assert_true(answer <= split->watermark_ms); // it counts to its last row
        }
    }
}

// New splits, splits that end, become idle and go on.
static void test_split_combined_is_the_minimum(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    for (int round = 0; round < 200; round++) {
        struct bench *b = bench_new((uint32_t)(rand_r(&seed) % 40), TIMEOUT_MS);
        poll(b, 0);
        for (int step = 0; step < 200; step++) {
            uint32_t runs = 0, dice = (uint32_t)rand_r(&seed) % 16;
            if (dice == 0)
                b->array[b->source.split_count++] =
                    (struct source_split){.watermark_ms = INT64_MIN};
            const uint32_t count = b->source.split_count;
            if (dice == 1 && count)
                b->array[(uint32_t)rand_r(&seed) % count].is_done = true;
            pass_time(b, rand_r(&seed) % 30);
            while (dice > 2 && count && runs < (uint32_t)rand_r(&seed) % 64)
                b->runs[runs++] = (struct source_run){1 + (uint32_t)rand_r(&seed) % 3,
                                                      (uint32_t)rand_r(&seed) % count};
            poll(b, runs);
            check_rows(b, &seed, runs, step * 5);
            assert_int_equal(splits_combined(&b->splits, &b->source), plain_combined(b));
        }
        bench_free(b);
    }
}

// A row costs no look at all of the splits: thousands of them, a run of one row each.
static void test_split_thousands_are_cheap(void **state)
{
    (void)state;
    enum { ROWS = 2000000 };
    struct bench *b = bench_new(SPLITS_MAX, 0);
    struct timespec begun, ended;
    poll(b, 0);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (uint32_t i = 0; i < ROWS; i++) {
        b->runs[0] = (struct source_run){1, i % SPLITS_MAX};
        b->source.run_count = 1;
        splits_polled(&b->splits, &b->source, true, b->now.wall_ms);
        raise(b, splits_row(&b->splits, &b->source, i));
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    const double seconds =
        (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) * 1e-9;
    print_message("%d splits: %.0f ns a run of one row\n", SPLITS_MAX, seconds * 1e9 / ROWS);
    assert_int_equal(b->combined_ms, ROWS - SPLITS_MAX);
    bench_free(b);
}

// --- silence ---

static void test_split_new_one_holds_the_others(void **state)
{
    (void)state;
    struct bench *b = bench_new(1, TIMEOUT_MS);
    give_row(b, 0, 50);
    b->array[b->source.split_count++].watermark_ms = INT64_MIN;
    give_row(b, 0, 60);
    assert_int_equal(b->combined_ms, 50);
    give_row(b, 1, 55);
    assert_int_equal(b->combined_ms, 55);
    bench_free(b);
}

// While the task waits for room it cannot read: no split has been silent then.
static void test_split_blocked_time_is_no_silence(void **state)
{
    (void)state;
    struct bench *b = bench_new(2, TIMEOUT_MS);
    give_row(b, 0, 50);
    give_row(b, 1, 10);
    b->now.wall_ms += 10000;
    poll(b, 0);
    assert_int_equal(b->combined_ms, 10);
    pass_time(b, TIMEOUT_MS / 2);
    give_row(b, 0, 60);
    assert_int_equal(b->combined_ms, 10);
    pass_time(b, TIMEOUT_MS);
    give_row(b, 0, 70);
    assert_true(b->array[1].is_idle);
    assert_int_equal(b->combined_ms, 70);
    bench_free(b);
}

// The wall clock jumps; nobody was silent for that.
static void test_split_clock_jumps(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        struct bench *b = bench_new(2, TIMEOUT_MS);
        give_row(b, 0, 50);
        give_row(b, 1, 10);
        b->now.wall_ms += sign * 3600000;
        poll(b, 0);
        assert_false(b->array[0].is_idle || b->array[1].is_idle);
        be_silent(b, TIMEOUT_MS - 2 * TICK_MS);
        assert_false(b->array[0].is_idle || b->array[1].is_idle);
        be_silent(b, 4 * TICK_MS);
        assert_true(b->array[0].is_idle && b->array[1].is_idle);
        assert_int_equal(b->combined_ms, 50); // the greatest, whoever was idle first
        bench_free(b);
    }
}

// A split that alignment holds back is not silent; it is when its turn has come again.
static void test_split_held_back_is_not_silent(void **state)
{
    (void)state;
    struct bench *b = bench_new(2, TIMEOUT_MS);
    splits_limit(&b->splits, &b->source, 100);
    give_row(b, 0, 500);
    give_row(b, 1, 10);
    assert_true(b->array[0].is_ahead && b->splits.has_ahead);
    assert_false(b->array[1].is_ahead);
    be_silent(b, 10 * TIMEOUT_MS);
    assert_false(b->array[0].is_idle);
    assert_true(b->array[1].is_idle);
    assert_int_equal(b->combined_ms, 500);
    splits_limit(&b->splits, &b->source, 600);
    assert_false(b->array[0].is_ahead || b->splits.has_ahead);
    assert_true(b->splits.is_watched);
    be_silent(b, TIMEOUT_MS - 2 * TICK_MS);
    assert_false(b->array[0].is_idle);
    be_silent(b, 4 * TICK_MS);
    assert_true(b->array[0].is_idle);
    bench_free(b);
}

// A source that knows of rows which wait says so.
static void test_split_with_rows_that_wait_is_not_silent(void **state)
{
    (void)state;
    struct bench *b = bench_new(2, TIMEOUT_MS);
    for (int i = 0; i < 30; i++) {
        pass_time(b, TICK_MS);
        b->array[1].rows_ms = b->now.wall_ms;
        give_row(b, 0, i);
    }
    assert_false(b->array[1].is_idle);
    assert_int_equal(b->combined_ms, INT64_MIN);
    bench_free(b);
}

// A task that sleeps knows until when: look_ms is enough to wake up for.
static void test_split_says_when_to_look(void **state)
{
    (void)state;
    struct bench *b = bench_new(3, 5000);
    give_row(b, 0, 50);
    give_row(b, 1, 10);
    poll(b, 0);
    for (int wakes = 0; b->splits.is_watched; wakes++) {
        assert_in_range(b->splits.look_ms, b->now.wall_ms + 1, b->now.wall_ms + 5000);
        assert_in_range(wakes, 0, 3);
        pass_time(b, b->splits.look_ms - b->now.wall_ms);
        poll(b, 0);
    }
    assert_true(is_idle(b));
    give_row(b, 1, 20);
    assert_true(b->splits.is_watched);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_does_as_flink_does),
        cmocka_unit_test(test_split_combined_is_the_minimum),
        cmocka_unit_test(test_split_thousands_are_cheap),
        cmocka_unit_test(test_split_new_one_holds_the_others),
        cmocka_unit_test(test_split_blocked_time_is_no_silence),
        cmocka_unit_test(test_split_clock_jumps),
        cmocka_unit_test(test_split_held_back_is_not_silent),
        cmocka_unit_test(test_split_with_rows_that_wait_is_not_silent),
        cmocka_unit_test(test_split_says_when_to_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
