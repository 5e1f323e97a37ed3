// spare.c: see spare.h. Made when a task has run for some time, so that a short job has none; made
// anew after a promotion; put off longer and longer when they die by themselves.
//
// What a crash of the supervisor leaves: spares that wait on, in the control block for the next one
// to find.
#include "stages/supervisor/spare.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "stages/supervisor/internal.h"
#include "stages/supervisor/move.h"
#include "stages/supervisor/roll.h"

enum {
    NEXT_MS = 20,      // after a promotion
    LOOK_MS = 1,       // how often an awaited promotion, or a new spare, is looked at
    LOOK_LATE_MS = 20, // when it takes longer than the next
    LATE_MS = 100,
    AWAIT_MS = 500,    // then no spare takes over: they are ended, a cold start comes
    LEFTOVER_MS = 250, // a process whose thread has ended, but which lives on
    BACKOFF_MS = 100,  // after a spare that died by itself; doubled each time
    BACKOFF_MAX_MS = 60000,
};

struct spare {
    pid_t pid; // 0: none
    int pidfd;
    bool is_adopted; // nobody's child here
    bool is_ready;   // was seen to be
    bool runs_other; // see struct slot
    bool has_ended;  // and was the task by then; its slot's old process is still about to end
    int signal, exit_status;
    int64_t started_ns;
};

// The spares of one task.
struct crew {
    struct spare spares[CONTROL_SPARES_MAX];
    bool awaits;
    int64_t awaits_since_ns;
    int64_t due_ns;      // not before this is another one started
    int64_t promoted_ns; // a spare was seen to be the task while the old process was still there
    int backoff_ms;
    bool was_taken; // since the last start of a spare, one has become the task
};

struct spares {
    struct crew *crews; // one a task
};

static struct crew *crew_of(const struct supervisor *s, int task)
{
    return &s->spares->crews[task];
}

static struct slot *slot_of(const struct supervisor *s, const struct crew *crew)
{
    return &s->slots[crew - s->spares->crews];
}

static int living(const struct crew *crew)
{
    int count = 0;
    for (int k = 0; k < CONTROL_SPARES_MAX; k++)
        count += crew->spares[k].pid != 0;
    return count;
}

static void forget(struct spare *spare)
{
    if (spare->pidfd >= 0)
        close(spare->pidfd); // also takes it out of the epoll
    *spare = (struct spare){.pidfd = -1};
}

static void kill_spare(const struct spare *spare)
{
    if (spare->pid && spare->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, spare->pidfd, SIGKILL, NULL, 0);
}

static void kill_crew(const struct crew *crew)
{
    for (int k = 0; k < CONTROL_SPARES_MAX; k++)
        kill_spare(&crew->spares[k]);
}

void spares_kill(struct supervisor *s, const struct slot *slot)
{
    kill_crew(crew_of(s, slot->index));
}

void spares_abandon(struct supervisor *s, const struct slot *slot)
{
    struct crew *crew = crew_of(s, slot->index);
    control_set_pass(s->control, slot->index, CONTROL_PASS_CLOSED);
    kill_crew(crew);
    crew->awaits = false;
    crew->promoted_ns = 0;
}

bool spares_are_gone(struct supervisor *s, const struct slot *slot)
{
    struct crew *crew = crew_of(s, slot->index);
    for (int k = 0; k < CONTROL_SPARES_MAX; k++)
        if (crew->spares[k].has_ended) // it was the task for a moment
            forget(&crew->spares[k]);
    return living(crew) == 0;
}

// --- who is the task ---

// The spare that the control block names as the task; NULL: none.
static struct spare *promoted(const struct supervisor *s, struct crew *crew,
                              struct control_view *view)
{
    int task = slot_of(s, crew)->index;
    if (!living(crew))
        return NULL;
    control_view(s->control, task, view);
    for (int k = 0; k < CONTROL_SPARES_MAX; k++)
        if (crew->spares[k].pid && crew->spares[k].pid == view->process.pid)
            return &crew->spares[k];
    return NULL;
}

// The awaited spare is the process of the slot from now on.
static void hand_over(struct supervisor *s, struct crew *crew, struct spare *spare,
                      const struct control_view *view)
{
    struct slot *slot = slot_of(s, crew);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)slot->index};
    CHECK(crew->awaits && slot->pidfd < 0);
    slot->pid = spare->pid;
    slot->pidfd = spare->pidfd;
    slot->is_adopted = spare->is_adopted;
    slot->is_cause_unknown = spare->is_adopted;
    slot->started_ns = (int64_t)view->taken_ns;
    slot->hang = HANG_NONE; // that was the one before
    slot->killed_ns = slot->dying_ns = slot->asleep_since_ns = 0;
    slot->was_spare = true;
    slot->runs_other = spare->runs_other;
    if ((int64_t)view->taken_ns < slot->died_ns) // it knew before us
        slot->died_ns = (int64_t)view->taken_ns;
    if (slot->pidfd >= 0)
        epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, slot->pidfd, &event);
    crew->awaits = false;
    crew->promoted_ns = 0;
    crew->was_taken = true;
    crew->due_ns = supervisor_now_ns() + NEXT_MS * MS_NS;
    spare->pidfd = -1;      // the slot's now
    if (s->pinning.is_kept) // it may have been a spare to who moved it
        pinning_put(s, slot);
    bool has_ended = spare->has_ended;
    slot->signal = has_ended ? spare->signal : slot->signal;
    slot->exit_status = has_ended ? spare->exit_status : slot->exit_status;
    forget(spare);
    if (has_ended)
        tasks_ended(s, slot);
}

bool spares_awaited(const struct supervisor *s, const struct slot *slot)
{
    return crew_of(s, slot->index)->awaits;
}

bool spares_take(struct supervisor *s, struct slot *slot)
{
    struct crew *crew = crew_of(s, slot->index);
    struct control_view view;
    if (!living(crew))
        return false;
    crew->awaits = true;
    crew->awaits_since_ns = supervisor_now_ns();
    if (promoted(s, crew, &view)) // spares_on_time hands it over
        return true;
    control_view(s->control, slot->index, &view);
    control_set_pass(s->control, slot->index, (uint32_t)view.attempt + 1);
    return true;
}

// No spare has taken over, and none is left that could.
static void start_cold(struct supervisor *s, struct crew *crew)
{
    struct slot *slot = slot_of(s, crew);
    crew->awaits = false;
    if (slot->state == SLOT_KILLED || tasks_start_cold(s, slot) < 0)
        slot_handle(slot, SLOT_CRASHED, supervisor_now_ns(), &s->ops);
}

// Who was the task, and had died of it before the end of the one before it was seen, is nobody any
// more when another one has taken over since: nothing else would take it off the list.
static void forget_passed_over(struct supervisor *s, struct crew *crew, const struct spare *task)
{
    for (int k = 0; k < CONTROL_SPARES_MAX; k++) {
        struct spare *spare = &crew->spares[k];
        if (!spare->has_ended || spare == task)
            continue;
        struct slot was = *slot_of(s, crew);
        was.pid = spare->pid;
        was.signal = spare->signal;
        was.exit_status = spare->exit_status;
        was.is_cause_unknown = spare->is_adopted;
        was.hang = HANG_NONE;
        postmortem_examine(&s->mortuary, &was, &s->deaths[was.index]);
        crew->was_taken = true;
        forget(spare);
    }
}

static void look_at_promotion(struct supervisor *s, struct crew *crew, int64_t now)
{
    struct control_view view;
    struct slot *slot = slot_of(s, crew);
    struct spare *spare = promoted(s, crew, &view);
    forget_passed_over(s, crew, spare);
    if (crew->awaits) {
        if (spare)
            hand_over(s, crew, spare, &view);
        else if (!living(crew))
            start_cold(s, crew);
        else if (now - crew->awaits_since_ns > AWAIT_MS * MS_NS)
            kill_crew(crew); // stopped, or the mutex is damaged
        return;
    }
    if (!spare) {
        crew->promoted_ns = 0;
    } else if (slot->state == SLOT_DOWN) { // put off, but it runs already
        slot->start_at_ns = now;
    } else if (crew->promoted_ns == 0) {
        crew->promoted_ns = now;
    } else if (slot->pidfd >= 0 && now - crew->promoted_ns > LEFTOVER_MS * MS_NS) {
        // Its thread has ended. What keeps the process alive, a library's thread, must end too.
        syscall(SYS_pidfd_send_signal, slot->pidfd, SIGKILL, NULL, 0);
    }
}

// --- the end of a spare ---

// Take note of how it ended. false: it has not.
static bool take_end(struct spare *spare)
{
    siginfo_t info = {0};
    struct pollfd end = {.fd = spare->pidfd, .events = POLLIN};
    if (spare->pidfd < 0)
        return false;
    if (spare->is_adopted)
        return poll(&end, 1, 0) > 0;
    if (waitid(P_PIDFD, (id_t)spare->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return false;
    spare->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    spare->exit_status = info.si_code == CLD_EXITED ? info.si_status : 0;
    return true;
}

void spares_on_end(struct supervisor *s, uint32_t tag)
{
    struct crew *crew = crew_of(s, (int)(tag & ~(uint32_t)SPARE_TAG) / CONTROL_SPARES_MAX);
    struct spare *spare = &crew->spares[tag % CONTROL_SPARES_MAX];
    struct control_view view;
    int64_t now = supervisor_now_ns();
    if (!take_end(spare))
        return;
    if (promoted(s, crew, &view) == spare) {
        // It was the task for a moment. The end of the one before it comes first.
        close(spare->pidfd);
        spare->pidfd = -1;
        spare->has_ended = true;
        return;
    }
    bool is_young = now - spare->started_ns < BACKOFF_MAX_MS * MS_NS;
    crew->backoff_ms = !is_young                               ? BACKOFF_MS
                       : crew->backoff_ms * 2 < BACKOFF_MAX_MS ? crew->backoff_ms * 2
                                                               : BACKOFF_MAX_MS;
    crew->due_ns = now + crew->backoff_ms * MS_NS;
    roll_spare_ended(s, slot_of(s, crew), spare->pid, spare->signal, spare->exit_status);
    forget(spare);
}

// --- starting ---

static int start_spare(struct supervisor *s, struct crew *crew, int number)
{
    struct slot *slot = slot_of(s, crew);
    struct spare *spare = &crew->spares[number];
    struct spawn_request request = tasks_spawn_request(s, slot);
    int64_t now = supervisor_now_ns();
    request.cpu = -1; // it finds a place for itself
    request.spare = number;
    uint32_t tag = SPARE_TAG | (uint32_t)(slot->index * CONTROL_SPARES_MAX + number);
    *spare =
        (struct spare){.pidfd = -1, .started_ns = now, .runs_other = roll_starts_other(s, slot)};
    crew->due_ns = now + NEXT_MS * MS_NS;
    if (crew->was_taken)
        crew->backoff_ms = BACKOFF_MS / 2;
    crew->was_taken = false;
    int rc = spawn_task(&request, &spare->pid, &spare->pidfd);
    if (rc < 0) {
        spare->pid = 0;
        crew->due_ns = now + BACKOFF_MAX_MS * MS_NS;
        return rc;
    }
    rc = supervisor_watch(s, spare->pidfd, tag);
    if (rc < 0) {
        kill_spare(spare);
        waitpid(spare->pid, NULL, 0);
        forget(spare);
    }
    return rc;
}

static int free_line(const struct crew *crew)
{
    for (int k = 0; k < CONTROL_SPARES_MAX; k++)
        if (!crew->spares[k].pid)
            return k;
    return -1;
}

int spares_make(struct supervisor *s, struct slot *slot, pid_t *pid)
{
    struct crew *crew = crew_of(s, slot->index);
    int line = free_line(crew);
    *pid = 0;
    if (line < 0)
        return -EAGAIN;
    int rc = start_spare(s, crew, line);
    *pid = crew->spares[line].pid;
    return rc;
}

bool spares_is_ready(const struct supervisor *s, const struct slot *slot, pid_t pid)
{
    const struct crew *crew = crew_of(s, slot->index);
    for (int k = 0; pid && k < CONTROL_SPARES_MAX; k++)
        if (crew->spares[k].pid == pid)
            return crew->spares[k].is_ready && !crew->spares[k].has_ended;
    return false;
}

void spares_look_at_programs(struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++)
        for (int k = 0; k < CONTROL_SPARES_MAX; k++) {
            struct spare *spare = &crew_of(s, i)->spares[k];
            spare->runs_other = spare->pid && roll_runs_other(s, spare->pid);
        }
}

void spares_retire(struct supervisor *s, const struct slot *slot)
{
    kill_crew(crew_of(s, slot->index));
}

void spares_put(const struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++)
        for (int k = 0; k < CONTROL_SPARES_MAX; k++) {
            const struct spare *spare = &crew_of(s, i)->spares[k];
            if (spare->pid && !spare->has_ended)
                pinning_put_spare(s, spare->pid);
        }
}

static void start_missing(struct supervisor *s, struct crew *crew, int64_t now)
{
    struct slot *slot = slot_of(s, crew);
    if (slot->state != SLOT_UP || s->ending || now < crew->due_ns || move_bars_spares(s, slot) ||
        living(crew) >= s->options->spares)
        return;
    if (slot->started_ns > now - (crew->was_taken ? 0 : s->options->spares_after_ms * MS_NS)) {
        crew->due_ns = slot->started_ns + s->options->spares_after_ms * MS_NS;
        return;
    }
    struct control_view view;
    control_view(s->control, slot->index, &view);
    if (view.process.pid != slot->pid) { // a spare could own the arena before its task does
        crew->due_ns = now + NEXT_MS * MS_NS;
        return;
    }
    int line = free_line(crew);
    if (line >= 0)
        start_spare(s, crew, line);
}

static void look_at_ready(struct supervisor *s, struct crew *crew)
{
    struct control_spare view;
    for (int k = 0; k < CONTROL_SPARES_MAX; k++) {
        struct spare *spare = &crew->spares[k];
        if (!spare->pid || spare->is_ready || spare->has_ended)
            continue;
        int task = slot_of(s, crew)->index;
        control_view_spare(s->control, task, k, &view);
        if (view.process.pid != spare->pid || view.state != CONTROL_SPARE_READY)
            continue;
        spare->is_ready = true;
        const struct supervisor_event event = {
            .kind = SUPERVISOR_SPARE_READY, .task_index = task, .pid = spare->pid, .spare = &view};
        supervisor_report(s, &event);
    }
}

// May a spare take over without being told? Only where every death is answered at once.
static void set_pass(struct supervisor *s, const struct crew *crew)
{
    const struct slot *slot = slot_of(s, crew);
    bool is_free = restart_is_at_once(supervisor_policy(s, slot->index), slot->quick_deaths) &&
                   slot->hang == HANG_NONE && slot->state != SLOT_LOST;
    if (!crew->awaits)
        control_set_pass(s->control, slot->index,
                         is_free ? CONTROL_PASS_FREE : CONTROL_PASS_CLOSED);
}

void spares_on_time(struct supervisor *s, int64_t now)
{
    if (s->options->spares <= 0 && !s->spares_adopted)
        return;
    for (int i = 0; i < s->options->task_count; i++) {
        struct crew *crew = crew_of(s, i);
        look_at_promotion(s, crew, now);
        if (s->slots[i].state == SLOT_DONE) {
            kill_crew(crew);
            continue;
        }
        look_at_ready(s, crew);
        start_missing(s, crew, now);
        set_pass(s, crew);
    }
}

static bool any_prepares(const struct crew *crew)
{
    for (int k = 0; k < CONTROL_SPARES_MAX; k++)
        if (crew->spares[k].pid && !crew->spares[k].is_ready)
            return true;
    return false;
}

bool spares_are_settled(const struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++) {
        const struct crew *crew = crew_of(s, i);
        bool is_settled = s->slots[i].state == SLOT_UP || s->slots[i].state == SLOT_DONE;
        if (!is_settled || crew->awaits || crew->promoted_ns || any_prepares(crew))
            return false;
    }
    return true;
}

int64_t spares_next_deadline(const struct supervisor *s, int64_t now)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < s->options->task_count; i++) {
        const struct crew *crew = crew_of(s, i);
        int look_ms =
            crew->awaits && now - crew->awaits_since_ns < LATE_MS * MS_NS ? LOOK_MS : LOOK_LATE_MS;
        bool is_silent = any_prepares(crew) && s->bell_fd < 0; // else it rings when it is ready
        if (crew->awaits || crew->promoted_ns || is_silent)
            next = supervisor_earlier(next, now + look_ms * MS_NS);
        if (s->slots[i].state == SLOT_UP && !s->ending && living(crew) < s->options->spares)
            next = supervisor_earlier(next, crew->due_ns);
    }
    return next;
}

// --- life ---

void spares_open(struct supervisor *s)
{
    s->spares = calloc(1, sizeof *s->spares);
    CHECK(s->spares && s->options->spares <= CONTROL_SPARES_MAX);
    s->spares->crews = calloc((size_t)s->options->task_count, sizeof *s->spares->crews);
    CHECK(s->spares->crews);
    for (int i = 0; i < s->options->task_count; i++) {
        struct crew *crew = crew_of(s, i);
        crew->backoff_ms = BACKOFF_MS / 2;
        for (int k = 0; k < CONTROL_SPARES_MAX; k++)
            crew->spares[k].pidfd = -1;
    }
}

void spares_close(struct supervisor *s, bool keeps)
{
    for (int i = 0; i < s->options->task_count && !keeps; i++)
        kill_crew(crew_of(s, i));
    for (int i = 0; i < s->options->task_count; i++)
        for (int k = 0; k < CONTROL_SPARES_MAX; k++) {
            struct spare *spare = &crew_of(s, i)->spares[k];
            if (spare->pidfd >= 0 && !keeps)
                stuck_wait_end(s, spare->pid, spare->pidfd, spare->is_adopted);
            forget(spare);
        }
    free(s->spares->crews);
    free(s->spares);
    s->spares = NULL;
}

int spares_adopt(struct supervisor *s, struct slot *slot)
{
    struct crew *crew = crew_of(s, slot->index);
    for (int k = 0; k < CONTROL_SPARES_MAX; k++) {
        struct control_spare view;
        control_view_spare(s->control, slot->index, k, &view);
        if (view.process.pid == slot->pid && slot->pidfd >= 0)
            continue; // it is the task
        // One that lives and calls itself no spare any more is about to be the task, or to end.
        int fd = process_alive(view.process) ? process_open(view.process) : -ESRCH;
        if (fd < 0) {
            if (view.process.pid > 0) // a child of the program that this process was before
                waitpid(view.process.pid, NULL, WNOHANG);
            continue;
        }
        crew->spares[k] = (struct spare){.pid = view.process.pid,
                                         .pidfd = fd,
                                         .is_adopted = !supervisor_is_parent(fd),
                                         .is_ready = view.state == CONTROL_SPARE_READY,
                                         .started_ns = supervisor_now_ns()};
        s->spares_adopted = true;
        uint32_t tag = SPARE_TAG | (uint32_t)(slot->index * CONTROL_SPARES_MAX + k);
        int status = supervisor_watch(s, fd, tag);
        if (status < 0)
            return status;
    }
    return 0;
}
