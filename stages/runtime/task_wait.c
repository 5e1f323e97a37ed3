// task_wait.c: a process waits until it owns the arena, and so becomes the task.
//
// A cold start owns it at once, or as soon as its predecessor can run no more code. A spare comes
// long before: it has attached and mapped everything, faults in what the task uses, and waits. The
// kernel makes it the task, without anybody's help. Nothing shared is written before that but the
// spare's own line in the control block.
//
// Faulting in reads page tables only. A page of the arena that was never used is not asked for:
// even a read would make the kernel put memory there.
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/state/arena.h"
#include "shm/bell.h"
#include "shm/owner.h"
#include "stages/runtime/task_internal.h"

#define MS_NS INT64_C(1000000)

enum {
    PIECE_BYTES = 1 << 20, // faulted in at once: some ten microseconds
    PIECE_PAGES = PIECE_BYTES / SEGMENT_PAGE_BYTES,
    TURN_SHORT_NS = 100 * 1000, // the kernel's least
    GENTLE = 9,                 // pauses are so many times as long as the work between
    PAUSE_MIN_NS = 50 * 1000,   // the kernel rounds to that anyway
    HEAP_BYTES = 4 << 20,       // of private memory that a task will want
    STACK_BYTES = 256 << 10,
    DEAD_NICE = 5, // a third of others' share, where there is nothing left over
};

#define ROUND_NS     (1000 * MS_NS) // how often a spare looks for pages that came into use
#define PATIENCE_NS  (1000 * MS_NS) // then: does anybody hold the mutex at all?
#define PASS_LOOK_NS (100 * MS_NS)

struct wait {
    struct task *task;
    void *owner;
    uint16_t *mapped; // pages that are faulted in, of each piece of the arena
    uint64_t piece_count, next_piece;
    uint64_t channel_bytes;
    blkcnt_t blocks;   // of the arena's file, when the last round began
    int64_t looked_ns; // when somebody was last seen holding the mutex
    int64_t taken_ns;  // when it became ours
    bool is_ready;
};

static int64_t now_ns(const struct task *task)
{
    return task->env->monotonic_ns(task->env);
}

// --- a mutex that was not handed on ---

// The words of a command that say which task it is: "task", folder, index. The first word is left
// out: a spare has another one there. Returns their length.
static size_t read_command(pid_t tid, char *out, size_t bytes)
{
    enum { WORDS = 4 };
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, out, bytes);
    if (fd >= 0)
        close(fd);
    size_t begin = 0, end = 0;
    for (int words = 0; len > 0 && end < (size_t)len && words < WORDS; end++) {
        words += out[end] == '\0';
        begin = words == 0 ? end + 2 : begin;
    }
    memmove(out, out + begin, end - begin);
    return end - begin;
}

// Could this thread be the task? One that is gone, or dead and not yet reaped, has no command.
static bool may_be_task(pid_t tid)
{
    char own[JOBDIR_PATH_BYTES + 64], other[sizeof own];
    size_t len = read_command(getpid(), own, sizeof own);
    return read_command(tid, other, sizeof other) == len && memcmp(own, other, len) == 0;
}

// The kernel hands the mutex on through a list in the memory of the dead thread; when that was
// damaged it does not, and the word still names it.
static void look_for_lost(struct wait *wait)
{
    pid_t holder = owner_holder(wait->owner);
    if (now_ns(wait->task) - wait->looked_ns < PATIENCE_NS)
        return;
    wait->looked_ns = now_ns(wait->task);
    if (holder > 0 && !may_be_task(holder))
        owner_hand_on(wait->owner, holder);
}

// --- a mutex that was written over ---

// The kernel has handed the mutex on, so the thread before ours is on its way out. If it is not,
// something has written over the word: that thread ends itself before its next commit
// (task_check_owner), and until then the memory is not ours to touch.
static void outwait_predecessor(const struct task *task)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct control_view view;
    control_view(task->control, task->index, &view);
    while (view.process.pid != getpid() && process_can_run(view.process))
        nanosleep(&pause, NULL);
}

void task_check_owner(struct task *task)
{
    const void *owner = arena_owner(task->arena_base);
    char text[160];
    if (owner_is_held_by(owner, task->thread))
        return;
    snprintf(text, sizeof text,
             "its memory is damaged: where it says who the task is stands %d instead of %d",
             (int)owner_holder(owner), (int)task->thread);
    task_note(task, text);
    abort();
}

// --- a spare makes itself ready ---

// Out of the way of who has work: not before them on their cores, and where the supervisor runs,
// which has the cores that no task is pinned to, where there are any, or those that it was given.
static void step_aside(struct wait *wait)
{
    const struct sched_param none = {0};
    cpu_set_t others;
    sched_setscheduler(0, SCHED_BATCH, &none); // unlike SCHED_IDLE, anybody may take it back
    cpu_set_t *home = &wait->task->home;
    if (sched_getaffinity(0, sizeof *home, home) < 0)
        CPU_ZERO(home);
    pid_t host = control_supervisor(wait->task->control).pid;
    if (sched_getaffinity(host > 0 ? host : getppid(), sizeof others, &others) == 0 &&
        !CPU_EQUAL(&others, home))
        sched_setaffinity(0, sizeof others, &others);
}

// The command is shown as that of a task: whoever looks for tasks finds this one. Its words stand
// one behind the other, from where /proc/self/stat says; "weir spare" becomes "weir".
static void take_name(void)
{
    enum { FIELDS_BEFORE = 45 }; // between the state and arg_start
    static const char spare[] = "weir spare", task[] = "weir";
    char text[2048];
    unsigned long begin = 0, end = 0;
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    char *at = strrchr(text, ')');
    for (int i = 0; at && i <= FIELDS_BEFORE; i++)
        at = strchr(at + 1, ' ');
    if (!at || sscanf(at, " %lu %lu", &begin, &end) != 2 || end < begin + sizeof spare)
        return;
    char *words = (char *)begin;
    if (memcmp(words, spare, sizeof spare) != 0)
        return;
    size_t rest = end - begin - sizeof spare, cut = sizeof spare - sizeof task;
    memcpy(words, task, sizeof task);
    memmove(words + sizeof task, words + sizeof spare, rest);
    memset(words + sizeof task + rest, 0, cut);
}

// An ordinary process, whose turns on a core are so long; 0: as everybody's. Who asks for short
// turns gets them soon: without that a woken process waits until the turn of who runs is over, some
// milliseconds. Kernels before 6.12 ignore it.
static void take_turns_of(uint64_t ns)
{
    const struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } attributes = {.size = 48, .policy = SCHED_OTHER, .runtime_ns = ns};
    _Static_assert(sizeof attributes == 48, "what the kernel calls SCHED_ATTR_SIZE_VER0");
    syscall(SYS_sched_setattr, 0, &attributes, 0);
}

// To the core that the task is meant for; the process that died is not in the way there any more.
static void go_home(struct task *task)
{
    struct control_view view;
    cpu_set_t now;
    control_view(task->control, task->index, &view);
    if (view.cpu >= 0 && view.cpu < CPU_SETSIZE) {
        CPU_ZERO(&task->home);
        CPU_SET((unsigned)view.cpu, &task->home);
    }
    bool is_there = sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &task->home);
    if (CPU_COUNT(&task->home) && !is_there)
        sched_setaffinity(0, sizeof task->home, &task->home); // a core that is gone: anywhere
}

// With pages of 4 KiB that takes tens of milliseconds of a core for a GiB.
void task_put_off_dead(struct task *task)
{
    const struct process_id dead = task->before;
    task->before = (struct process_id){0};
    if (dead.pid > 0 && process_start_time(dead.pid) == dead.start_time)
        setpriority(PRIO_PROCESS, (id_t)dead.pid, DEAD_NICE);
}

void task_settle(struct task *task)
{
    if (!task->is_unsettled)
        return;
    task->is_unsettled = false;
    take_turns_of(0);
    go_home(task);
    task_take_priority(task);
    take_name();
}

// Code and constants are read; what is written is had for itself, behind the part that the linker
// has made read-only since.
static int warm_program(struct dl_phdr_info *info, size_t size, void *unused)
{
    const uintptr_t mask = ~(uintptr_t)(SEGMENT_PAGE_BYTES - 1);
    uintptr_t sealed = 0;
    (void)size;
    (void)unused;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO)
            sealed =
                (info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz) & mask;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t begin = (info->dlpi_addr + part->p_vaddr) & mask;
        uintptr_t end = info->dlpi_addr + part->p_vaddr + part->p_memsz;
        bool is_written = (part->p_flags & PF_W) != 0;
        if (is_written && begin < sealed)
            begin = sealed;
        if (part->p_type == PT_LOAD && begin < end) // what fails here, the first use faults in
            madvise((void *)begin, end - begin,
                    is_written ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
    }
    return 0;
}

static void warm_stack(void)
{
    char room[STACK_BYTES];
    memset(room, 0, sizeof room);
    __asm__ __volatile__("" ::"r"(room) : "memory");
}

// Program, stack and heap: what the first batch of a new process faults in, some hundred times.
static void warm_private(void)
{
    dl_iterate_phdr(warm_program, NULL);
    warm_stack();
    mallopt(M_MMAP_THRESHOLD, HEAP_BYTES); // what is asked for comes from the heap, ...
    mallopt(M_TRIM_THRESHOLD, 4 * HEAP_BYTES);
    char *heap = malloc(HEAP_BYTES - 4096);
    if (heap) // a compiler takes zeros for a calloc, which leaves fresh pages alone
        memset(heap, 1, HEAP_BYTES - 4096);
    __asm__ __volatile__("" ::"r"(heap) : "memory"); // and sees else that nobody reads it
    free(heap);                                      // ... which keeps its pages
}

static uint64_t page_table_bytes(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    const char *line = strstr(text, "\nVmPTE:");
    return line ? strtoull(line + 7, NULL, 10) << 10 : 0;
}

static void note(const struct wait *wait)
{
    struct control_spare news = {.state =
                                     wait->is_ready ? CONTROL_SPARE_READY : CONTROL_SPARE_STARTING,
                                 .mapped_bytes = wait->channel_bytes,
                                 .page_table_bytes = page_table_bytes()};
    for (uint64_t i = 0; i < wait->piece_count; i++)
        news.mapped_bytes += (uint64_t)wait->mapped[i] * SEGMENT_PAGE_BYTES;
    control_spare_note(wait->task->control, wait->task->spare, &news);
}

// Fault in the pages of one piece that are in use. true: there was something to do.
static bool warm_piece(const struct wait *wait, uint64_t piece)
{
    unsigned char in_use[PIECE_PAGES];
    uint64_t at = piece * PIECE_BYTES, left = wait->task->arena_bytes - at;
    uint64_t pages = (left < PIECE_BYTES ? left : PIECE_BYTES) / SEGMENT_PAGE_BYTES, used = 0;
    char *base = (char *)wait->task->arena_base + at;
    if (mincore(base, pages * SEGMENT_PAGE_BYTES, in_use) < 0)
        return false;
    for (uint64_t i = 0, end; i < pages; i = end + 1) {
        for (end = i; end < pages && (in_use[end] & 1); end++)
            used++;
        if (end > i)
            madvise(base + i * SEGMENT_PAGE_BYTES, (end - i) * SEGMENT_PAGE_BYTES,
                    MADV_POPULATE_READ);
    }
    bool is_news = used != wait->mapped[piece];
    wait->mapped[piece] = (uint16_t)used;
    return is_news;
}

// Have pages come into use since the last round? The file's size on its tmpfs tells, at the price
// of one call instead of a walk through all page tables.
static bool memory_has_grown(struct wait *wait)
{
    struct stat now;
    if (!wait->is_ready || fstat(wait->task->segment.fd, &now) < 0)
        return true;
    bool has_grown = now.st_blocks != wait->blocks;
    wait->blocks = now.st_blocks;
    return has_grown;
}

// A piece of the round through the arena; how long to wait before the next.
static int64_t warm_step(struct wait *wait)
{
    enum { EMPTY_MAX = 64 }; // pieces with nothing in use that are looked at in a row
    int64_t began_ns = now_ns(wait->task);
    if (wait->next_piece == 0 && !memory_has_grown(wait))
        return ROUND_NS;
    for (int empty = 0; wait->next_piece < wait->piece_count && empty < EMPTY_MAX;) {
        uint64_t piece = wait->next_piece++;
        if (wait->mapped[piece] == PIECE_PAGES)
            continue;
        if (warm_piece(wait, piece))
            break;
        empty++;
    }
    if (wait->next_piece < wait->piece_count) {
        int64_t pause_ns = GENTLE * (now_ns(wait->task) - began_ns);
        return pause_ns > PAUSE_MIN_NS ? pause_ns : PAUSE_MIN_NS;
    }
    // A batch process waits for its turn when it is woken; one that sleeps takes nobody's time.
    if (!wait->is_ready)
        take_turns_of(TURN_SHORT_NS);
    bool was_ready = wait->is_ready;
    wait->next_piece = 0;
    wait->is_ready = true;
    note(wait);
    if (!was_ready)
        bell_ring(wait->task->job.dir.fd);
    return ROUND_NS;
}

// --- waiting ---

// May the process that this spare would be begin? The supervisor puts some restarts off, and has
// something to say to who follows a process that died by its own doing.
static bool may_begin(void *context)
{
    const struct task *task = context;
    struct control_view view;
    uint32_t pass = control_pass(task->control);
    if (pass != CONTROL_PASS_FREE)
        return control_attempt(task->control) + 1 <= pass;
    control_view(task->control, task->index, &view);
    return !errlog_has_crash(task->errlog, (uint32_t)view.process.pid);
}

// The successor of a supervisor that dies finds us from here on; before, we die with it. It may
// have looked for us already, when it is not our parent.
static bool be_found(struct task *task)
{
    control_spare_begin(task->control, task->spare);
    prctl(PR_SET_PDEATHSIG, 0);
    pid_t supervisor = control_supervisor(task->control).pid;
    return supervisor == 0 || supervisor == getppid();
}

static int wait_as_spare(struct wait *wait)
{
    struct task *task = wait->task;
    if (!be_found(task))
        return -ECANCELED;
    step_aside(wait);
    warm_private();
    task_warm(task);
    int rc = task_channels_fault_in(task, &wait->channel_bytes);
    if (rc < 0)
        return rc;
    for (int64_t pause_ns = 0; (rc = owner_acquire(wait->owner, pause_ns)) == -ETIMEDOUT;) {
        pause_ns = warm_step(wait);
        look_for_lost(wait);
    }
    if (rc < 0)
        return rc;
    if (rc == 0) { // nobody has died: the task has ended
        owner_release(wait->owner);
        return -ECANCELED;
    }
    task->owns = true;
    outwait_predecessor(task);
    wait->taken_ns = now_ns(task);
    struct waiter_owner asleep = {.waiter = task->waiting.waiter, .policy = WAITER_BLOCK};
    while (!may_begin(task))
        waiter_wait(&asleep, may_begin, task, PASS_LOOK_NS);
    if (!wait->is_ready)
        take_turns_of(TURN_SHORT_NS);
    task->is_unsettled = true; // what can wait does, until the first rows are through
    return 0;
}

static int wait_as_task(struct wait *wait)
{
    int rc;
    while ((rc = owner_acquire(wait->owner, PATIENCE_NS / 4)) == -ETIMEDOUT)
        look_for_lost(wait);
    wait->task->owns = rc >= 0;
    if (rc >= 0)
        outwait_predecessor(wait->task);
    wait->taken_ns = now_ns(wait->task);
    return rc < 0 ? rc : 0;
}

int task_wait_turn(struct task *task)
{
    struct wait wait = {.task = task,
                        .owner = arena_owner(task->arena_base),
                        .piece_count = (task->arena_bytes + PIECE_BYTES - 1) / PIECE_BYTES,
                        .looked_ns = now_ns(task)};
    const struct control_spare gone = {.state = CONTROL_SPARE_NONE};
    task->thread = gettid();
    wait.mapped = calloc(wait.piece_count, sizeof *wait.mapped);
    CHECK(wait.mapped);
    int rc = task->spare >= 0 ? wait_as_spare(&wait) : wait_as_task(&wait);
    if (task->spare >= 0)
        control_spare_note(task->control, task->spare, &gone);
    if (task->owns) {
        struct control_view view;
        control_view(task->control, task->index, &view);
        task->before = task->spare >= 0 ? view.process : task->before;
        control_begin(task->control, wait.taken_ns);
        // The successor of a supervisor that dies finds us from here on; before, we die with it.
        if (task->spare < 0)
            prctl(PR_SET_PDEATHSIG, 0);
    }
    free(wait.mapped);
    if (rc < 0 && rc != -ECANCELED)
        err_set(&task->err, rc, "cannot own the memory of task %d: %s", task->index,
                rc == -EILSEQ ? "it is damaged where it says who does" : strerror(-rc));
    return rc;
}
