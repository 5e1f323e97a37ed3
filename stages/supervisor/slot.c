// slot.c: the table of states and events, and its actions.
#include "stages/supervisor/slot.h"

#include "core/base/check.h"
#include "stages/supervisor/restart.h"

// --- actions: return the next state, or -errno ---

struct cause { // what an action needs besides its slot
    int64_t now_ns;
    const struct slot_ops *ops;
};

static int ignore(struct slot *slot, const struct cause *cause)
{
    (void)cause;
    return (int)slot->state;
}

// No process can have ended, or be ready, where there is none: our own bug.
static int never(struct slot *slot, const struct cause *cause)
{
    (void)cause;
    CHECK(slot->state == SLOT_STATE_COUNT);
    return (int)slot->state;
}

// It runs on; or it died while there was nobody to see it: it is replaced at once.
static int adopt(struct slot *slot, const struct cause *cause)
{
    if (slot->pidfd >= 0) {
        cause->ops->report(slot, SUPERVISOR_ADOPTED, cause->ops->context);
        return SLOT_UP;
    }
    slot->died_ns = slot->start_at_ns = cause->now_ns;
    return SLOT_DOWN;
}

static int begin(struct slot *slot, const struct cause *cause)
{
    int status = cause->ops->start(slot, cause->ops->context);
    if (status)
        return status;
    cause->ops->report(slot, SUPERVISOR_STARTED, cause->ops->context);
    return SLOT_UP;
}

// It died, or could not be started: when to try again, if ever.
static int put_off(struct slot *slot, bool progressed, const struct cause *cause)
{
    slot->quick_deaths = progressed ? 0 : slot->quick_deaths + 1;
    int64_t delay = cause->ops->delay_ns(slot, progressed, cause->now_ns, cause->ops->context);
    if (delay == RESTART_NEVER) {
        cause->ops->report(slot, SUPERVISOR_FAILED, cause->ops->context);
        return SLOT_DONE;
    }
    slot->delay_ns = delay;
    slot->start_at_ns = cause->now_ns + delay;
    return SLOT_DOWN;
}

// A start that fails here (no memory, no pid) may work later: it counts as a quick death.
static int restart(struct slot *slot, const struct cause *cause)
{
    static const int64_t PAUSE_NS = 10000000;
    if (cause->ops->start(slot, cause->ops->context)) {
        int next = put_off(slot, false, cause);
        if (slot->delay_ns == 0)
            slot->start_at_ns += PAUSE_NS;
        return next;
    }
    slot->restarts++;
    return SLOT_HURT;
}

static int recovered(struct slot *slot, const struct cause *cause)
{
    slot->gap_ns = cause->now_ns - slot->died_ns;
    cause->ops->report(slot, slot->is_replacing ? SUPERVISOR_REPLACED : SUPERVISOR_RESTARTED,
                       cause->ops->context);
    slot->goes_back = false;
    return SLOT_UP;
}

static int finished(struct slot *slot, const struct cause *cause)
{
    if (slot->state == SLOT_HURT)
        recovered(slot, cause);
    cause->ops->report(slot, SUPERVISOR_FINISHED, cause->ops->context);
    return SLOT_DONE;
}

static int gave_up(struct slot *slot, const struct cause *cause)
{
    cause->ops->report(slot, SUPERVISOR_FAILED, cause->ops->context);
    return SLOT_DONE;
}

static int schedule(struct slot *slot, const struct cause *cause)
{
    bool progressed = cause->ops->progressed(slot, cause->ops->context);
    // A replacement that dies before it runs makes the gap longer, it does not begin a new one.
    if (slot->state != SLOT_HURT)
        slot->died_ns = cause->now_ns;
    slot->is_replacing = false;
    int next = put_off(slot, progressed, cause);
    if (next == SLOT_DOWN)
        cause->ops->report(slot, SUPERVISOR_DIED, cause->ops->context);
    return next;
}

// It was ended on purpose, or is a program on trial: that counts for nothing, and the next goes on
// at once.
static int replace(struct slot *slot, const struct cause *cause)
{
    if (slot->state != SLOT_HURT) {
        slot->died_ns = cause->now_ns;
        slot->is_replacing = true;
    }
    slot->delay_ns = 0;
    return restart(slot, cause);
}

static int ask_stop(struct slot *slot, const struct cause *cause)
{
    cause->ops->ask_stop(slot, cause->ops->context);
    return SLOT_STOPPING;
}

static int give_back(struct slot *slot, const struct cause *cause)
{
    (void)slot;
    (void)cause;
    return SLOT_DONE;
}

// It has a file to finish, or neighbours that wait for it: a replacement does that. Not for ever.
static int stop_again(struct slot *slot, const struct cause *cause)
{
    bool progressed = cause->ops->progressed(slot, cause->ops->context);
    slot->quick_deaths = progressed ? 0 : slot->quick_deaths + 1;
    if (slot->quick_deaths > RESTART_QUICK_FREE || cause->ops->start(slot, cause->ops->context))
        return SLOT_DONE;
    slot->restarts++;
    return SLOT_STOPPING;
}

static int stop_anew(struct slot *slot, const struct cause *cause)
{
    cause->ops->ask_stop(slot, cause->ops->context);
    return stop_again(slot, cause);
}

static int kill_late(struct slot *slot, const struct cause *cause)
{
    cause->ops->kill(slot, cause->ops->context);
    cause->ops->report(slot, SUPERVISOR_KILLED, cause->ops->context);
    return SLOT_KILLED;
}

// Nobody may hold the old memory when the new one is made: the end of the process comes as an
// event.
static int lose(struct slot *slot, const struct cause *cause)
{
    if (slot->pidfd >= 0)
        cause->ops->kill(slot, cause->ops->context);
    if (slot->state == SLOT_UP)
        slot->died_ns = cause->now_ns;
    slot->goes_back = true;
    return SLOT_LOST;
}

// It is started when it is due.
static int again(struct slot *slot, const struct cause *cause)
{
    (void)slot;
    (void)cause;
    return SLOT_DOWN;
}

// No time is left to wait for the memory.
static int forsake(struct slot *slot, const struct cause *cause)
{
    (void)cause;
    return slot->pidfd >= 0 ? SLOT_KILLED : SLOT_DONE;
}

// clang-format off
static int (*const table[SLOT_STATE_COUNT][SLOT_EVENT_COUNT])(struct slot *,
                                                             const struct cause *) = {
    // START, READY, ENDED_WELL, GAVE_UP, CRASHED, STOP, KILL, ADOPT, LOSE, REMADE, REPLACED
    [SLOT_IDLE] =
    {begin,  never,    never,   never,  never,     give_back,give_back,adopt,never,never,never},
    [SLOT_UP] =
    {ignore, ignore,   finished,gave_up,schedule,  ask_stop, kill_late,never,lose, never,replace},
    [SLOT_HURT] =
    {ignore, recovered,finished,gave_up,schedule,  ask_stop, kill_late,never,lose, never,replace},
    [SLOT_DOWN] =
    {restart,never,    never,   never,  never,     stop_anew,give_back,never,lose, never,never},
    [SLOT_STOPPING] =
    {ignore, ignore,   finished,gave_up,stop_again,ignore,   kill_late,never,never,never,never},
    [SLOT_KILLED] =
    {ignore, ignore,   finished,gave_up,give_back, ignore,   ignore,   never,never,never,never},
    [SLOT_LOST] =
    {ignore, never,    ignore,  ignore, ignore,    ignore,   forsake,  never,never,again,never},
    [SLOT_DONE] =
    {ignore, never,    never,   never,  never,     ignore,   ignore,   never,never,never,never},
};
// clang-format on

int slot_handle(struct slot *slot, enum slot_event event, int64_t now_ns,
                const struct slot_ops *ops)
{
    CHECK((unsigned)slot->state < SLOT_STATE_COUNT && (unsigned)event < SLOT_EVENT_COUNT);
    struct cause cause = {now_ns, ops};
    int next = table[slot->state][event](slot, &cause);
    if (next < 0)
        return next;
    slot->state = (enum slot_state)next;
    return 0;
}

enum slot_event slot_classify(const struct control_view *view, const struct slot *slot)
{
    const bool is_unknown = slot->is_cause_unknown;
    const int status = slot->exit_status;
    if (!is_unknown && status == SUPERVISOR_EXIT_MEMORY && !slot->signal)
        return SLOT_GAVE_UP; // also when it could not say so
    if (slot->signal || view->process.pid != slot->pid)
        return SLOT_CRASHED;
    if (view->state == CONTROL_FINISHED)
        return is_unknown || status == 0 ? SLOT_ENDED_WELL : SLOT_CRASHED;
    if (view->state != CONTROL_FAILED)
        return SLOT_CRASHED;
    if (is_unknown) // who could not even begin is followed by one of ours, whose status tells why
        return view->ready_ns ? SLOT_GAVE_UP : SLOT_CRASHED;
    return status == SUPERVISOR_EXIT_FAILURE || status == SUPERVISOR_EXIT_CONFIG ? SLOT_GAVE_UP
                                                                                 : SLOT_CRASHED;
}
