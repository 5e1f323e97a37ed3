// poison.c: see poison.h. All that is remembered is in the verdict, which is in shared memory: a
// new supervisor goes on counting where the last one was killed.
#include "stages/supervisor/poison.h"

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"

static bool is_of_output(const struct control_trial *trial)
{
    return trial->site == CONTROL_SITE_WORK || trial->site == CONTROL_SITE_OUTPUT;
}

static bool is_near(const struct control_verdict *verdict, const struct control_trial *trial)
{
    if (verdict->deaths == 0 || trial->rows_in < verdict->rows_in ||
        trial->rows_out < verdict->rows_out) // zero, or the task was set back
        return false;
    return is_of_output(trial) ? trial->rows_out - verdict->rows_out < POISON_OUT_SPAN
                               : trial->rows_in - verdict->rows_in < trial->span;
}

// Was the process going row by row when it died?
static bool was_careful(const struct control_verdict *verdict, const struct control_trial *trial)
{
    return is_of_output(trial) ? trial->rows_out < verdict->careful_out
                               : trial->rows_in < verdict->careful_in;
}

static enum poison_step be_careful(struct control_verdict *verdict,
                                   const struct control_trial *trial)
{
    if (verdict->deaths < POISON_BATCH_DEATHS)
        return POISON_FIRST;
    if (was_careful(verdict, trial))
        return POISON_OTHER;
    if (is_of_output(trial))
        verdict->careful_out = trial->rows_out + POISON_OUT_SPAN;
    else
        verdict->careful_in = trial->rows_in + trial->span;
    return POISON_CAREFUL;
}

static enum poison_step blame(struct control_verdict *verdict, const struct control_trial *trial,
                              const char *cause)
{
    if (verdict->row != trial->row)
        verdict->row_deaths = 0;
    verdict->row = trial->row;
    if (++verdict->row_deaths < POISON_ROW_DEATHS)
        return POISON_ROW;
    if (verdict->row_deaths > POISON_BLIND_DEATHS) // putting it aside has not helped
        return POISON_OTHER;
    verdict->is_blind = verdict->row_deaths >= POISON_BLIND_DEATHS;
    verdict->letters += verdict->row_deaths == POISON_ROW_DEATHS;
    verdict->give_up_row = trial->row;
    snprintf(verdict->reason, sizeof verdict->reason, "the row has ended its task %d times: %s",
             (int)verdict->row_deaths, cause);
    return POISON_GIVE_UP;
}

enum poison_step poison_judge(struct control_verdict *verdict, const struct control_trial *trial,
                              const char *cause)
{
    CHECK(trial->site < CONTROL_SITE_COUNT);
    if (trial->site == CONTROL_SITE_NONE)
        return POISON_NONE;
    if (!is_near(verdict, trial))
        memset(verdict, 0, sizeof *verdict);
    verdict->deaths++;
    verdict->rows_in = trial->rows_in;
    verdict->rows_out = trial->rows_out;
    if (trial->is_single && trial->row)
        return blame(verdict, trial, cause);
    return be_careful(verdict, trial);
}

bool poison_leads_on(enum poison_step step, const struct control_verdict *verdict)
{
    return (step == POISON_CAREFUL || step == POISON_ROW || step == POISON_GIVE_UP) &&
           verdict->letters <= POISON_LETTERS_FREE;
}
