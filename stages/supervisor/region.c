// region.c: see region.h.
//
// What a crash of the supervisor leaves: the process that makes memory dies with it, and of the
// region's segments there are none, or some (jobdir_begin_new); the next supervisor finds them lost
// and begins anew.
#include "stages/supervisor/region.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "stages/supervisor/internal.h"

enum { IN_A_ROW_MAX = 2 };

// What the process that makes memory says, in memory that it shares with us.
struct remaking {
    int status; // of remake; 1: it has not come so far
    uint64_t checkpoint;
    struct err err;
};

struct region {
    bool *tasks; // which of the job's
    int first;   // the lowest of them
    bool is_lost;
    int in_a_row; // times that it was lost again before the task ran on what had been made
    int64_t lost_ns;
    pid_t pid; // makes its memory; 0: nobody yet
    int pidfd;
    struct remaking *remaking;
};

struct regions {
    int count;
    struct region *regions;
};

static int number_of(const struct supervisor *s, int task)
{
    return s->options->regions ? s->options->regions[task] : 0;
}

static void close_remaking(struct region *region)
{
    if (region->pidfd >= 0)
        close(region->pidfd); // also takes it out of the epoll
    if (region->remaking)
        munmap(region->remaking, sizeof *region->remaking);
    region->pid = 0;
    region->pidfd = -1;
    region->remaking = NULL;
}

// --- telling ---

static void tell(const struct supervisor *s, const struct region *region,
                 struct supervisor_event *event, int64_t since_ns)
{
    const struct supervisor_region told = {
        .tasks = region->tasks,
        .task_count = s->options->task_count,
        .checkpoint = region->remaking ? region->remaking->checkpoint : 0,
        .duration_ms = (double)(supervisor_now_ns() - since_ns) / MS_NS,
    };
    event->region = &told;
    supervisor_report(s, event);
    event->region = NULL;
}

// --- the loss ---

// Not while the job ends: then what is on disk decides. A job that settles has not ended before it
// has.
static bool can_go_back(const struct supervisor *s)
{
    bool goes_on = s->finale == FINALE_NONE || (s->options->settles && s->finale != FINALE_DONE);
    return s->options->remake && s->coordinator && !s->ending && goes_on &&
           s->result->end != SUPERVISOR_END_FAILED;
}

static void lose(struct supervisor *s, struct region *region, int64_t delay_ns, const char *why)
{
    int64_t now = supervisor_now_ns();
    region->is_lost = true;
    region->lost_ns = now;
    coordinator_pause(s->coordinator, now);
    for (int i = 0; i < s->options->task_count; i++) {
        struct slot *slot = &s->slots[i];
        if (!region->tasks[i])
            continue;
        spares_abandon(s, slot);
        slot->start_at_ns = now + delay_ns;
        slot_handle(slot, SLOT_LOSE, now, &s->ops);
        control_note_restart(s->control, i);
        s->result->restarts++;
    }
    struct supervisor_event event = {
        .kind = SUPERVISOR_MEMORY_LOST, .task_index = region->first, .text = why};
    tell(s, region, &event, now);
}

// Who had the memory has said why it cannot be used; who could not even attach has not.
static void explain_loss(const struct supervisor *s, const struct slot *slot,
                         const struct control_view *view, struct err *out)
{
    const struct supervisor_options *options = s->options;
    if (view->process.pid == slot->pid && view->error[0])
        err_set(out, -ENODATA, "%s", view->error);
    else if (!options->examine || options->examine(slot->index, options->remake_context, out) == 0)
        err_set(out, -ENODATA, "a segment is lost or damaged");
    err_prefix(out, -ENODATA, "task %d", slot->index);
}

bool regions_lose(struct supervisor *s, struct slot *slot, const struct control_view *view)
{
    struct region *region = &s->regions->regions[number_of(s, slot->index)];
    struct err why;
    if (!can_go_back(s) || region->is_lost)
        return false;
    region->in_a_row = slot->goes_back ? region->in_a_row + 1 : 0;
    if (region->in_a_row > IN_A_ROW_MAX) // it is not the region's memory
        return false;
    bool is_counted = slot->state == SLOT_HURT && !slot->goes_back;
    int64_t delay =
        restart_after_loss_ns(supervisor_policy(s, slot->index), is_counted, supervisor_now_ns());
    slot->is_used_up = delay == RESTART_NEVER;
    if (slot->is_used_up)
        return false;
    explain_loss(s, slot, view, &why);
    lose(s, region, delay, why.text);
    return true;
}

// The region stays as it is: the whole job goes back.
static void give_up(struct supervisor *s, struct region *region, const char *why)
{
    close_remaking(region);
    region->is_lost = false;
    if (s->result->end != SUPERVISOR_END_FAILED) {
        s->result->end = SUPERVISOR_END_FAILED;
        s->result->exit_status = SUPERVISOR_EXIT_MEMORY;
        err_set(s->err, -ECANCELED, "%s", why);
        const struct supervisor_event event = {.kind = SUPERVISOR_FAILED,
                                               .task_index = region->first,
                                               .exit_status = SUPERVISOR_EXIT_MEMORY,
                                               .text = why};
        supervisor_report(s, &event);
    }
    for (int i = 0; i < s->options->task_count; i++)
        if (region->tasks[i])
            slot_handle(&s->slots[i], SLOT_KILL, supervisor_now_ns(), &s->ops);
}

void regions_take_over(struct supervisor *s)
{
    for (int i = 0; s->options->lost && i < s->options->task_count; i++) {
        struct region *region = &s->regions->regions[number_of(s, i)];
        if (!s->options->lost[i] || region->is_lost || s->result->end == SUPERVISOR_END_FAILED)
            continue;
        if (can_go_back(s))
            lose(s, region, 0, s->options->lost_text);
        else
            give_up(s, region, s->options->lost_text);
    }
}

// --- making it anew ---

static bool all_have_ended(struct supervisor *s, const struct region *region)
{
    bool ended = true;
    for (int i = 0; i < s->options->task_count; i++)
        if (region->tasks[i])
            ended &= spares_are_gone(s, &s->slots[i]) && s->slots[i].pidfd < 0;
    return ended;
}

// In the child. It ends with its supervisor, whatever it is doing.
_Noreturn static void remake(const struct supervisor *s, const struct region *region, pid_t parent)
{
    struct remaking *remaking = region->remaking;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) // it died before the line above
        _exit(EXIT_FAILURE);
    sigprocmask(SIG_SETMASK, &s->task_mask, NULL);
    int status = s->options->remake(region->tasks, &remaking->checkpoint,
                                    s->options->remake_context, &remaking->err);
    remaking->status = status;
    _exit(EXIT_SUCCESS);
}

static int start_remaking(struct supervisor *s, struct region *region)
{
    pid_t parent = getpid();
    region->remaking = mmap(NULL, sizeof *region->remaking, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (region->remaking == MAP_FAILED) {
        region->remaking = NULL;
        return -errno;
    }
    region->remaking->status = 1;
    for (int i = 0; i < s->options->task_count; i++)
        if (region->tasks[i])
            control_set_restored(s->control, i);
    region->pid = fork();
    if (region->pid == 0)
        remake(s, region, parent);
    if (region->pid < 0)
        return -errno;
    region->pidfd = (int)syscall(SYS_pidfd_open, region->pid, 0);
    int number = (int)(region - s->regions->regions);
    return region->pidfd < 0 ? -errno
                             : supervisor_watch(s, region->pidfd, REGION_TAG | (uint32_t)number);
}

static void end_remaking(const struct region *region)
{
    if (region->pid > 0) {
        kill(region->pid, SIGKILL); // our child, not reaped yet
        waitpid(region->pid, NULL, 0);
    }
}

static bool any(const struct regions *regions, bool only_remaking)
{
    for (int r = 0; r < regions->count; r++)
        if (regions->regions[r].is_lost && (!only_remaking || regions->regions[r].pid > 0))
            return true;
    return false;
}

static void go_on(struct supervisor *s, struct region *region)
{
    struct supervisor_event event = {.kind = SUPERVISOR_REMADE, .task_index = region->first};
    coordinator_went_back(s->coordinator, region->remaking->checkpoint);
    tell(s, region, &event, region->lost_ns);
    close_remaking(region);
    region->is_lost = false;
    if (!any(s->regions, false))
        coordinator_resume(s->coordinator);
    s->look_at_ns = 0;
    for (int i = 0; i < s->options->task_count; i++)
        if (region->tasks[i])
            slot_handle(&s->slots[i], SLOT_REMADE, supervisor_now_ns(), &s->ops);
}

void regions_on_end(struct supervisor *s, uint32_t tag)
{
    struct region *region = &s->regions->regions[tag & ~(uint32_t)REGION_TAG];
    char why[ERR_TEXT_BYTES];
    siginfo_t info = {0};
    if (region->pid <= 0 || waitid(P_PID, (id_t)region->pid, &info, WEXITED | WNOHANG) < 0 ||
        info.si_pid == 0)
        return;
    region->pid = 0;
    if (region->remaking->status == 0) {
        go_on(s, region);
        return;
    }
    if (region->remaking->status < 0)
        snprintf(why, sizeof why, "%s", region->remaking->err.text);
    else
        snprintf(why, sizeof why, "what was to make it anew has ended with %s %d",
                 info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
    give_up(s, region, why);
}

// One region at a time: a damaged checkpoint that one of them finds is none for the next.
void regions_on_time(struct supervisor *s)
{
    for (int r = 0; r < s->regions->count; r++) {
        struct region *region = &s->regions->regions[r];
        if (!region->is_lost)
            continue;
        if (s->result->end == SUPERVISOR_END_FAILED) {
            end_remaking(region);
            give_up(s, region, "");
        } else if (region->pid == 0 && !any(s->regions, true) && all_have_ended(s, region)) {
            int status = start_remaking(s, region);
            if (status == 0)
                continue;
            end_remaking(region);
            char why[128];
            snprintf(why, sizeof why, "memory cannot be made anew: %s", strerror(-status));
            give_up(s, region, why);
        }
    }
}

// --- life ---

void regions_open(struct supervisor *s)
{
    const size_t tasks = (size_t)s->options->task_count;
    struct regions *regions = calloc(1, sizeof *regions);
    CHECK(regions);
    s->regions = regions;
    for (int i = 0; i < s->options->task_count; i++)
        regions->count = number_of(s, i) >= regions->count ? number_of(s, i) + 1 : regions->count;
    regions->regions = calloc((size_t)regions->count, sizeof *regions->regions);
    CHECK(regions->regions);
    for (int r = 0; r < regions->count; r++) {
        struct region *region = &regions->regions[r];
        *region = (struct region){.tasks = calloc(tasks, sizeof(bool)), .first = -1, .pidfd = -1};
        CHECK(region->tasks);
        for (int i = 0; i < s->options->task_count; i++) {
            region->tasks[i] = number_of(s, i) == r;
            region->first = region->first < 0 && region->tasks[i] ? i : region->first;
        }
    }
}

void regions_close(struct supervisor *s)
{
    for (int r = 0; r < s->regions->count; r++) {
        struct region *region = &s->regions->regions[r];
        end_remaking(region);
        close_remaking(region);
        free(region->tasks);
    }
    free(s->regions->regions);
    free(s->regions);
    s->regions = NULL;
}
