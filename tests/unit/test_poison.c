// test_poison.c: from deaths to what the next process is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stages/supervisor/poison.h"

static struct control_trial rows_at(uint64_t rows_in)
{
    return (struct control_trial){.site = CONTROL_SITE_ROWS, .rows_in = rows_in, .span = 1024};
}

static struct control_trial row_at(uint64_t rows_in, uint64_t row)
{
    struct control_trial trial = rows_at(rows_in);
    trial.is_single = true;
    trial.row = row;
    return trial;
}

static enum poison_step judge(struct control_verdict *verdict, struct control_trial trial)
{
    return poison_judge(verdict, &trial, "signal 11 (Segmentation fault) at f+0x1");
}

static void test_poison_twice_the_same_batch_goes_row_by_row(void **state)
{
    (void)state;
    struct control_verdict verdict = {0};
    assert_int_equal(judge(&verdict, rows_at(5000)), POISON_FIRST);
    assert_int_equal(verdict.careful_in, 0);
    assert_int_equal(judge(&verdict, rows_at(5000)), POISON_CAREFUL);
    assert_int_equal(verdict.careful_in, 6024);
    assert_int_equal(verdict.careful_out, 0);
}

// Where several channels are read, another batch may have got through between the two deaths.
static void test_poison_near_is_within_a_batch(void **state)
{
    (void)state;
    struct control_verdict verdict = {0};
    assert_int_equal(judge(&verdict, rows_at(5000)), POISON_FIRST);
    assert_int_equal(judge(&verdict, rows_at(6023)), POISON_CAREFUL);
    assert_int_equal(judge(&verdict, rows_at(7047)), POISON_FIRST);
    assert_int_equal(verdict.careful_in, 0);
    assert_int_equal(judge(&verdict, rows_at(100)), POISON_FIRST); // after a restore
}

static void test_poison_three_times_the_same_row_gives_it_up(void **state)
{
    (void)state;
    struct control_verdict verdict = {0};
    judge(&verdict, rows_at(5000));
    judge(&verdict, rows_at(5000));
    assert_int_equal(judge(&verdict, row_at(5300, 77)), POISON_ROW);
    assert_int_equal(judge(&verdict, row_at(5300, 77)), POISON_ROW);
    assert_int_equal(verdict.give_up_row, 0);
    assert_int_equal(judge(&verdict, row_at(5300, 77)), POISON_GIVE_UP);
    assert_int_equal(verdict.give_up_row, 77);
    assert_int_equal(verdict.is_blind, 0);
    assert_int_equal(verdict.letters, 1);
    assert_string_equal(verdict.reason, "the row has ended its task 3 times: signal 11 "
                                        "(Segmentation fault) at f+0x1");
    assert_int_equal(verdict.careful_in, 6024); // the rest of the batch goes row by row too
    // The next one behind it needs three deaths of its own.
    assert_int_equal(judge(&verdict, row_at(5301, 78)), POISON_ROW);
    assert_int_equal(verdict.give_up_row, 77);
}

static void test_poison_other_rows_between_begin_the_count_anew(void **state)
{
    (void)state;
    struct control_verdict verdict = {0};
    judge(&verdict, rows_at(0));
    judge(&verdict, rows_at(0));
    for (int i = 0; i < 20; i++)
        assert_int_equal(judge(&verdict, row_at(0, 70 + (uint64_t)i % 2)), POISON_ROW);
    assert_int_equal(verdict.give_up_row, 0);
}

static void test_poison_a_row_that_cannot_be_shown_is_given_up_blindly(void **state)
{
    (void)state;
    struct control_verdict verdict = {0};
    for (int i = 0; i < POISON_ROW_DEATHS; i++)
        judge(&verdict, row_at(9, 77));
    assert_int_equal(judge(&verdict, row_at(9, 77)), POISON_GIVE_UP);
    assert_int_equal(verdict.is_blind, 1);
    assert_int_equal(verdict.letters, 1);
    assert_int_equal(judge(&verdict, row_at(9, 77)), POISON_OTHER);
    assert_false(poison_leads_on(POISON_OTHER, &verdict));
}

static void test_poison_output_of_work_is_counted_by_rows_out(void **state)
{
    (void)state;
    struct control_verdict verdict = {0};
    struct control_trial work = {.site = CONTROL_SITE_WORK, .rows_out = 100, .span = 1024};
    assert_int_equal(judge(&verdict, work), POISON_FIRST);
    assert_int_equal(judge(&verdict, work), POISON_CAREFUL);
    assert_int_equal(verdict.careful_out, 100 + POISON_OUT_SPAN);
    assert_int_equal(verdict.careful_in, 0);
    assert_int_equal(judge(&verdict, work), POISON_OTHER); // no row of it was in hand
    work.rows_out = 99 + POISON_OUT_SPAN;                  // near, row by row
    assert_int_equal(judge(&verdict, work), POISON_OTHER);
    work.rows_out = 110 + POISON_OUT_SPAN; // near, and beyond what was to go row by row
    assert_int_equal(judge(&verdict, work), POISON_CAREFUL);
    work.site = CONTROL_SITE_OUTPUT;
    work.is_single = true;
    work.row = 5;
    work.rows_in = 1000000; // what little output there is may lie far apart in the input
    assert_int_equal(judge(&verdict, work), POISON_ROW);
}

static void test_poison_says_nothing_where_no_row_was_in_hand(void **state)
{
    (void)state;
    struct control_verdict verdict = {.deaths = 1, .rows_in = 5};
    struct control_trial idle = {.site = CONTROL_SITE_NONE, .rows_in = 5, .span = 1024};
    for (int i = 0; i < 10; i++)
        assert_int_equal(judge(&verdict, idle), POISON_NONE);
    assert_int_equal(verdict.deaths, 1);
}

// Rows that are all poison are no rows' fault: the restart strategy slows the task down.
static void test_poison_leads_on_until_it_is_too_much(void **state)
{
    (void)state;
    struct control_verdict verdict = {0};
    judge(&verdict, rows_at(0));
    judge(&verdict, rows_at(0));
    assert_false(poison_leads_on(POISON_FIRST, &verdict));
    assert_true(poison_leads_on(POISON_CAREFUL, &verdict));
    for (uint64_t row = 1; row <= POISON_LETTERS_FREE + 1; row++)
        for (int i = 0; i < POISON_ROW_DEATHS; i++) {
            enum poison_step step = judge(&verdict, row_at(row, row));
            bool too_much = row == POISON_LETTERS_FREE + 1 && step == POISON_GIVE_UP;
            assert_int_equal(poison_leads_on(step, &verdict), !too_much);
        }
    assert_int_equal(judge(&verdict, rows_at(4000)), POISON_FIRST);
    assert_int_equal(verdict.letters, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poison_twice_the_same_batch_goes_row_by_row),
        cmocka_unit_test(test_poison_near_is_within_a_batch),
        cmocka_unit_test(test_poison_three_times_the_same_row_gives_it_up),
        cmocka_unit_test(test_poison_other_rows_between_begin_the_count_anew),
        cmocka_unit_test(test_poison_a_row_that_cannot_be_shown_is_given_up_blindly),
        cmocka_unit_test(test_poison_output_of_work_is_counted_by_rows_out),
        cmocka_unit_test(test_poison_says_nothing_where_no_row_was_in_hand),
        cmocka_unit_test(test_poison_leads_on_until_it_is_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
