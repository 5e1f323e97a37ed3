// roll.c: see roll.h. One task at a time is at its turn; `step` says how far it is. Everything else
// is looked up where it is true: in the slots, the spares and /proc.
//
// What a crash of the supervisor leaves: tasks of both programs, and the request. The next
// supervisor goes on with the tasks that do not run the program yet.
#include "stages/supervisor/roll.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "stages/supervisor/internal.h"
#include "stages/supervisor/roll_check.h"

enum {
    FAILURES_MAX = 3, // of the program: then it is taken out again
    LOOK_MS = 5,
    SPARE_MS = 600 * 1000, // a spare that is not ready by then never will be
    QUIET_MS = 100,        // no checkpoint begins so long around a replacement
    IDLE_MS = 500,         // who has had nothing to do for so long is taken to be well
    TRIAL_MS = 10 * 1000,  // and who works on one batch for so long
    WHY_BYTES = 2048,
    TEXT_BYTES = REQUEST_PATH_BYTES + WHY_BYTES + 256,
};

enum step {
    ROLL_NEXT,  // choose a task
    ROLL_SPARE, // its spare gets ready
    ROLL_CALM,  // no checkpoint under way, then the task is ended
    ROLL_TRIAL, // its replacement has not done anything yet
    ROLL_SELF,  // every task is done: the supervisor itself
    ROLL_OVER,
};

struct roll {
    struct roll *before; // an earlier one, whose program tasks may still run
    int fd;              // of the program
    dev_t device;
    ino_t inode;
    char program[REQUEST_PATH_BYTES], version[ROLL_VERSION_BYTES];
    char path[SLOT_PROGRAM_BYTES]; // where it is found whatever becomes of its name
    bool is_self;                  // this process runs it already
    bool goes_back;                // it was tried and failed: every task gets what was before
    enum step step;
    int64_t since_ns;  // of the step
    struct slot *slot; // at its turn
    pid_t spare;       // made for it; 0: none yet
    int64_t rows;      // that it had handled when its turn came
    int failures;
    int replaced; // tasks, so far
    char why[WHY_BYTES];
};

static bool is_under_way(const struct supervisor *s)
{
    return s->roll && s->roll->step != ROLL_OVER;
}

static void set_step(struct roll *roll, enum step step)
{
    roll->step = step;
    roll->since_ns = supervisor_now_ns();
}

static bool is_program(const struct roll *roll, const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_dev == roll->device && st.st_ino == roll->inode;
}

bool roll_runs_other(const struct supervisor *s, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    return is_program(s->roll, path);
}

bool roll_starts_other(const struct supervisor *s, const struct slot *slot)
{
    return *slot->program || (s->roll && s->roll->is_self);
}

// Does its process run what it shall?
static bool is_right(const struct roll *roll, const struct slot *slot)
{
    return slot->runs_other != roll->goes_back;
}

const char *roll_program_name(const struct supervisor *s, const struct slot *slot)
{
    return *slot->program && s->roll ? s->roll->program : "the program of before";
}

// --- what is told ---

static void tell(const struct supervisor *s, enum supervisor_event_kind kind,
                 const struct slot *slot, const char *text)
{
    const struct supervisor_event event = {.kind = kind,
                                           .task_index = slot ? slot->index : -1,
                                           .pid = slot ? slot->pid : getpid(),
                                           .text = text};
    supervisor_report(s, &event);
}

static void answer(const struct supervisor *s, enum request_answer answer, const char *text)
{
    char members[64];
    struct request_box *box = s->options->requests;
    if (box->request.kind != REQUEST_REPLACE)
        return; // it has been pushed aside, and answered
    snprintf(members, sizeof members, ",\"tasks\":%d,\"replaced\":%d", s->options->task_count,
             s->roll ? s->roll->replaced : 0);
    request_answer(box, answer, members, text);
}

// "task 2, pid 4711: goes on with ..."
static void answer_of_task(const struct supervisor *s, const struct slot *slot, const char *what)
{
    char text[WHY_BYTES + 128];
    snprintf(text, sizeof text, "task %d, pid %d: %s", slot->index, (int)slot->pid, what);
    answer(s, REQUEST_NEWS, text);
}

// The last answer.
static void end_badly(struct supervisor *s, const char *text)
{
    tell(s, SUPERVISOR_REPLACE_FAILED, NULL, text);
    answer(s, REQUEST_FAILED, text);
    set_step(s->roll, ROLL_OVER);
}

// --- a program that fails ---

// Take it out again: where it is down at once, where it runs one after the other.
static void go_back(struct supervisor *s)
{
    struct roll *roll = s->roll;
    char text[TEXT_BYTES];
    if (!roll->is_self) {
        roll->goes_back = true;
        for (int i = 0; i < s->options->task_count; i++) {
            if (*s->slots[i].program)
                spares_retire(s, &s->slots[i]);
            s->slots[i].program[0] = '\0';
            s->slots[i].start_at_ns = 0;
        }
        set_step(roll, ROLL_NEXT);
        return;
    }
    snprintf(
        text, sizeof text,
        "%s failed %d times: %s; this supervisor runs it already, so there is none to go back to",
        roll->program, roll->failures, roll->why);
    end_badly(s, text);
}

// A process of it has ended by its own doing.
static void count_failure(struct supervisor *s, const struct slot *slot, const char *how)
{
    struct roll *roll = s->roll;
    char text[WHY_BYTES + 64];
    roll->failures++;
    snprintf(roll->why, sizeof roll->why, "task %d: %.1900s", slot->index, how);
    snprintf(text, sizeof text, "%.1900s (%d of %d)", how, roll->failures, FAILURES_MAX);
    tell(s, SUPERVISOR_REPLACE_DEATH, slot, text);
    answer_of_task(s, slot, text);
    if (roll->failures >= FAILURES_MAX)
        go_back(s);
}

// "its spare was ended by signal 4 (Illegal instruction)"
static void explain_end(const char *who, int signal_number, int exit_status, struct buf *out)
{
    if (signal_number)
        buf_printf(out, "%s was ended by signal %d (%s)", who, signal_number,
                   strsignal(signal_number));
    else
        buf_printf(out, "%s ended with status %d", who, exit_status);
}

void roll_spare_ended(struct supervisor *s, const struct slot *slot, pid_t pid, int signal_number,
                      int exit_status)
{
    struct roll *roll = s->roll;
    struct buf how = {0};
    if (!is_under_way(s) || slot != roll->slot || pid != roll->spare || roll->goes_back ||
        (roll->step != ROLL_SPARE && roll->step != ROLL_CALM))
        return;
    roll->spare = 0;
    if (signal_number == SIGKILL) // somebody else's doing: another one is made
        return;
    explain_end("its spare", signal_number, exit_status, &how);
    count_failure(s, slot, buf_str(&how));
    buf_fini(&how);
}

// How the process on trial ended; with its own words, where it had any.
static void explain_trial(const struct supervisor *s, const struct slot *slot, struct buf *out)
{
    struct postmortem death = {
        .signal = slot->signal, .exit_status = slot->exit_status, .hang = slot->hang};
    struct control_view view;
    control_view(s->control, slot->index, &view);
    death.has_crash = s->options->errlog && errlog_read_crash(s->options->errlog, slot->index,
                                                              (uint32_t)slot->pid, &death.crash);
    postmortem_cause(&death, out);
    if (view.process.pid == slot->pid && view.state == CONTROL_FAILED)
        buf_printf(out, ": %s", view.error);
}

enum slot_event roll_judge(struct supervisor *s, struct slot *slot, enum slot_event event)
{
    struct roll *roll = s->roll;
    struct buf how = {0};
    // How one that was adopted ended is not known: then we believe that it was us.
    bool is_ours = slot->is_to_be_replaced && (slot->signal == SIGKILL || slot->is_cause_unknown);
    bool goes_on = slot->state == SLOT_UP || slot->state == SLOT_HURT;
    slot->is_to_be_replaced = false;
    if (event == SLOT_ENDED_WELL)
        return event;
    if (is_ours)
        return goes_on ? SLOT_REPLACED : event;
    bool is_outside = slot->signal == SIGKILL && slot->hang == HANG_NONE;
    if (!is_under_way(s) || roll->goes_back || !slot->runs_other || is_outside)
        return event;
    explain_trial(s, slot, &how);
    count_failure(s, slot, buf_str(&how));
    buf_fini(&how);
    return goes_on ? SLOT_REPLACED : SLOT_CRASHED;
}

// --- the steps ---

// Rows that the task has taken in and given out.
static int64_t rows_of(const struct supervisor *s, const struct slot *slot)
{
    struct control_view view;
    control_view(s->control, slot->index, &view);
    return view.counters[CONTROL_ROWS_IN] + view.counters[CONTROL_ROWS_OUT];
}

// The first task that does not run what it shall. Who is about to be restarted is waited for.
static void choose(struct supervisor *s)
{
    struct roll *roll = s->roll;
    bool all_right = true;
    for (int i = 0; i < s->options->task_count; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->state == SLOT_DONE)
            continue;
        if (slot->state == SLOT_UP && is_right(roll, slot))
            continue;
        all_right = false;
        if (slot->state != SLOT_UP)
            continue;
        roll->slot = slot;
        roll->spare = 0;
        snprintf(slot->program, sizeof slot->program, "%s", roll->goes_back ? "" : roll->path);
        spares_retire(s, slot);
        set_step(roll, ROLL_SPARE);
        return;
    }
    if (all_right)
        set_step(roll, ROLL_SELF);
}

static void prepare_spare(struct supervisor *s, int64_t now)
{
    struct roll *roll = s->roll;
    struct slot *slot = roll->slot;
    if (slot->state == SLOT_UP && is_right(roll, slot)) { // it died, and the spare has taken over
        roll->rows = rows_of(s, slot);
        set_step(roll, ROLL_TRIAL);
        return;
    }
    if (spares_is_ready(s, slot, roll->spare)) {
        set_step(roll, ROLL_CALM);
        return;
    }
    const char *trouble =
        now - roll->since_ns > SPARE_MS * MS_NS ? "its spare does not get ready" : NULL;
    if (!trouble && roll->spare == 0) {
        int rc = spares_make(s, slot, &roll->spare); // -EAGAIN: those of before are about to end
        trouble = rc == 0 || rc == -EAGAIN ? NULL : strerror(-rc);
    }
    if (!trouble)
        return;
    spares_retire(s, slot);
    roll->spare = 0;
    set_step(roll, ROLL_SPARE);
    if (roll->goes_back)
        end_badly(s, trouble);
    else
        count_failure(s, slot, trouble);
}

// A checkpoint that is under way would be lost with the task's process.
static void end_task(struct supervisor *s, int64_t now)
{
    struct roll *roll = s->roll;
    struct slot *slot = roll->slot;
    if (slot->state != SLOT_UP || is_right(roll, slot) || !spares_is_ready(s, slot, roll->spare)) {
        set_step(roll, ROLL_SPARE);
        return;
    }
    if (s->coordinator) {
        coordinator_put_off(s->coordinator, now + QUIET_MS * MS_NS);
        if (!coordinator_is_idle(s->coordinator))
            return;
    }
    slot->is_to_be_replaced = true;
    roll->rows = rows_of(s, slot);
    set_step(roll, ROLL_TRIAL);
    tasks_kill(slot);
}

// Does it do its work? Rows say so; where there are none, that it waits for them.
static bool is_well(const struct supervisor *s, int64_t now)
{
    const struct roll *roll = s->roll;
    int64_t age = now - roll->since_ns;
    return rows_of(s, roll->slot) > roll->rows || age > TRIAL_MS * MS_NS ||
           (age > IDLE_MS * MS_NS && tasks_progressed(s, roll->slot));
}

static void watch_trial(struct supervisor *s, int64_t now)
{
    struct roll *roll = s->roll;
    struct slot *slot = roll->slot;
    if (slot->state == SLOT_DONE) {
        set_step(roll, ROLL_NEXT);
    } else if (slot->state == SLOT_UP && !slot->is_to_be_replaced) {
        if (!is_right(roll, slot)) {
            set_step(roll, ROLL_SPARE);
        } else if (is_well(s, now)) {
            roll->replaced++;
            answer_of_task(s, slot,
                           roll->goes_back ? "goes on with the program of before"
                                           : "goes on with the new program");
            set_step(roll, ROLL_NEXT);
        }
    }
}

// --- the supervisor itself ---

static int ask_program(const struct supervisor *s, struct roll *roll, struct err *err)
{
    const struct roll_question question = {roll->fd, s->options->dir->path, s->options->config,
                                           &s->task_mask, &s->pinning.allowed};
    return roll_check(&question, roll->version, err);
}

// Nothing is half done that the next supervisor would not find as it is.
static bool is_calm(struct supervisor *s, int64_t now)
{
    if (!spares_are_settled(s))
        return false;
    if (!s->coordinator)
        return true;
    coordinator_put_off(s->coordinator, now + QUIET_MS * MS_NS);
    return coordinator_is_idle(s->coordinator);
}

static void end_well(struct supervisor *s)
{
    struct roll *roll = s->roll;
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "every process of the job runs %s (%s)", roll->program,
             roll->version);
    tell(s, SUPERVISOR_REPLACE_DONE, NULL, text);
    answer(s, REQUEST_DONE, text);
    set_step(roll, ROLL_OVER);
}

static void replace_self(struct supervisor *s, int64_t now)
{
    struct roll *roll = s->roll;
    struct err err = {.text = ""};
    char text[TEXT_BYTES];
    if (roll->goes_back) {
        snprintf(text, sizeof text, "%s failed %d times: %s; every task runs the program of before",
                 roll->program, roll->failures, roll->why);
        end_badly(s, text);
    } else if (roll->is_self) {
        end_well(s);
    } else if (is_calm(s, now)) {
        // Config and script may have been changed since it was asked.
        if (ask_program(s, roll, &err) < 0) {
            snprintf(text, sizeof text,
                     "every task runs %s, the supervisor stays what it was: %.1500s", roll->program,
                     err.text);
            end_badly(s, text);
            return;
        }
        s->result->end = SUPERVISOR_END_REPLACED;
        s->result->program_fd = fcntl(roll->fd, F_DUPFD_CLOEXEC, 3);
    }
}

void roll_on_time(struct supervisor *s, int64_t now)
{
    if (!is_under_way(s))
        return;
    if (s->ending || s->is_draining) {
        end_badly(s, "the job ends; what runs a program goes on with it to the end");
        return;
    }
    switch (s->roll->step) {
    case ROLL_NEXT:
        choose(s);
        break;
    case ROLL_SPARE:
        prepare_spare(s, now);
        break;
    case ROLL_CALM:
        end_task(s, now);
        break;
    case ROLL_TRIAL:
        watch_trial(s, now);
        break;
    case ROLL_SELF:
        replace_self(s, now);
        break;
    case ROLL_OVER:
        break;
    }
}

int64_t roll_next_deadline(const struct supervisor *s, int64_t now)
{
    return is_under_way(s) ? now + LOOK_MS * MS_NS : INT64_MAX;
}

// --- begin and end ---

static bool is_script(const char *path)
{
    char begin[2] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, begin, sizeof begin);
    if (fd >= 0)
        close(fd);
    return len == sizeof begin && begin[0] == '#' && begin[1] == '!';
}

static int open_program(struct roll *roll, const char *path, struct err *err)
{
    struct stat st;
    roll->fd = open(path, O_PATH | O_CLOEXEC);
    if (roll->fd < 0 || fstat(roll->fd, &st) < 0)
        return err_set(err, -errno, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EINVAL, "it is no program");
    if (is_script(path))
        return err_set(err, -EINVAL, "it is a script; name the program that it starts (--program)");
    roll->device = st.st_dev;
    roll->inode = st.st_ino;
    snprintf(roll->path, sizeof roll->path, "/proc/self/fd/%d", roll->fd);
    snprintf(roll->program, sizeof roll->program, "%s", path);
    roll->is_self = is_program(roll, "/proc/self/exe");
    return 0;
}

static void close_one(struct roll *roll)
{
    if (roll->fd >= 0)
        close(roll->fd);
    free(roll);
}

void roll_begin(struct supervisor *s)
{
    struct err err = {.text = ""};
    struct roll *roll = calloc(1, sizeof *roll);
    CHECK(roll);
    roll->fd = -1;
    if (s->roll && s->roll->step != ROLL_OVER)
        set_step(s->roll, ROLL_OVER); // answered when the request was pushed aside
    int rc = s->options->config ? open_program(roll, s->options->requests->request.path, &err)
                                : err_set(&err, -ENOTSUP, "this supervisor can start no other");
    if (rc == 0)
        rc = ask_program(s, roll, &err);
    if (rc < 0) {
        err_prefix(&err, rc, "%s cannot take this job over", s->options->requests->request.path);
        request_answer(s->options->requests, REQUEST_REFUSED, NULL, err.text);
        close_one(roll);
        return;
    }
    roll->before = s->roll;
    s->roll = roll;
    for (int i = 0; i < s->options->task_count; i++)
        s->slots[i].runs_other = s->slots[i].pid > 0 && roll_runs_other(s, s->slots[i].pid);
    spares_look_at_programs(s);
    s->spares_adopted = true; // some are made, whatever the options say
    set_step(roll, ROLL_NEXT);
    if (!s->options->was_replaced) // it was said before this process became the program
        tell(s, SUPERVISOR_REPLACING, NULL, roll->program);
}

void roll_free(struct supervisor *s)
{
    while (s->roll) {
        struct roll *before = s->roll->before;
        close_one(s->roll);
        s->roll = before;
    }
}
