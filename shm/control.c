// control.c: mapping the control block with the rights of each role, and its few ordered words.
//
//   R20 control_begin -> A20 control_view   start time and attempt that go with the pid
//   R21 control_fail  -> A21 control_view   the error text
//   R22, R23 control_report_snapshot -> A22, A23 control_read_snapshot   the report between them
//   R24 control_set_ended -> A24 control_has_ended   that the output's bytes are on disk
//   R25 control_spare_begin -> A25 control_view_spare   start time that goes with the pid
//   R26 control_begin -> A26 control_has_ended   that this attempt has not ended
//
// What a crash leaves: every word as it was last stored; a pid whose process is gone. Readers judge
// a process by pid and start time, never by the state word alone.
#include "shm/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/atomic.h"
#include "shm/control_layout.h"
#include "shm/segment.h"

enum { JOB_PAGE = 1, FIRST_TASK_PAGE = 2, SWEEP_TIMEOUT_MS = 5000, READER = -1, SUPERVISOR = -2 };

static const char segment_name[] = "control";

struct control {
    char *base; // the whole segment
    uint64_t bytes;
    int task_count;
    int role;               // READER, SUPERVISOR or the index of a task
    struct process_id self; // once it was asked for
};

const char *control_state_name(enum control_state state)
{
    static const char *const names[CONTROL_STATE_COUNT] = {
        "empty",          "starting", "running", "waiting-input",
        "waiting-output", "finished", "failed",  "orphaned"};
    return (unsigned)state < CONTROL_STATE_COUNT ? names[state] : "unknown";
}

uint64_t control_segment_bytes(int task_count)
{
    return ((uint64_t)FIRST_TASK_PAGE + 4 * (uint64_t)task_count) * CONTROL_PAGE_BYTES;
}

static void *page_at(const struct control *control, int page)
{
    return control->base + (size_t)page * CONTROL_PAGE_BYTES;
}

static struct control_job_page *job_page(const struct control *control)
{
    return page_at(control, JOB_PAGE);
}

static struct control_task_page *task_page(const struct control *control, int task_index)
{
    CHECK(task_index >= 0 && task_index < control->task_count);
    return page_at(control, FIRST_TASK_PAGE + task_index);
}

static struct control_box_page *box_page(const struct control *control, int task_index)
{
    CHECK(task_index >= 0 && task_index < control->task_count);
    return page_at(control, FIRST_TASK_PAGE + control->task_count + task_index);
}

static struct control_spare_line *spare_line(const struct control *control, int task_index,
                                             int spare)
{
    CHECK(task_index >= 0 && task_index < control->task_count);
    CHECK(spare >= 0 && spare < CONTROL_SPARES_MAX);
    struct control_spare_page *page =
        page_at(control, FIRST_TASK_PAGE + 3 * control->task_count + task_index);
    return &page->lines[spare];
}

// The page that the calling task writes.
static struct control_task_page *own_page(const struct control *control)
{
    CHECK(control->role >= 0);
    return task_page(control, control->role);
}

static void pages_fill(const struct control *control, uint64_t job_fingerprint,
                       const char *const *names)
{
    job_page(control)->task_count = (uint32_t)control->task_count;
    job_page(control)->fingerprint = job_fingerprint;
    _Static_assert((int)CONTROL_COMMITTED + 1 == (int)CONTROL_COUNTER_COUNT, "none at first");
    for (int i = 0; i < control->task_count; i++) {
        task_page(control, i)->counters[CONTROL_WATERMARK_MS] = (uint64_t)INT64_MIN;
        task_page(control, i)->counters[CONTROL_MAX_EVENT_MS] = (uint64_t)INT64_MIN;
        for (int c = CONTROL_ALIGN_MS; c <= CONTROL_COMMITTED; c++)
            task_page(control, i)->counters[c] = (uint64_t)INT64_MIN;
        box_page(control, i)->cpu = -1;
        snprintf(box_page(control, i)->name, CONTROL_NAME_BYTES, "%s", names[i]);
    }
}

int control_create(int dir_fd, uint64_t job_fingerprint, const char *const *names, int task_count,
                   struct err *err)
{
    CHECK(task_count > 0 && task_count <= CONTROL_TASKS_MAX);
    struct segment_spec spec = {dir_fd, segment_name, "control", CONTROL_LAYOUT_HASH,
                                job_fingerprint};
    struct segment segment;
    struct segment_range range = {.bytes = control_segment_bytes(task_count), .writable = true};
    void *base;
    int status = segment_create(&spec, range.bytes, &segment, err);
    if (status)
        return status;
    status = segment_claim(&segment, 0, range.bytes, err);
    if (!status)
        status = segment_map(&segment, &range, &base, err);
    if (!status) {
        struct control control = {.base = base, .bytes = range.bytes, .task_count = task_count};
        pages_fill(&control, job_fingerprint, names);
        segment_unmap(base, range.bytes);
    }
    segment_close(&segment);
    if (status)
        segment_unlink(dir_fd, segment_name, NULL);
    return status;
}

// Make the pages writable that this role writes; the rest stays read-only.
static int rights_give(const struct control *control, const struct segment *segment,
                       struct err *err)
{
    const int n = control->task_count;
    struct {
        int first, count;
    } runs[3] = {{FIRST_TASK_PAGE + 2 * n, n}, {0, 0}, {0, 0}}; // the waiters; more below
    int status = 0;
    if (control->role >= 0) {
        runs[1].first = FIRST_TASK_PAGE + control->role;
        runs[1].count = 1;
        runs[2].first = FIRST_TASK_PAGE + 3 * n + control->role;
        runs[2].count = 1;
    } else { // the supervisor: its mailboxes, and below its job page
        runs[1].first = FIRST_TASK_PAGE + n;
        runs[1].count = n;
        struct segment_range range = {JOB_PAGE * CONTROL_PAGE_BYTES, CONTROL_PAGE_BYTES, true,
                                      true};
        status = segment_map_at(segment, &range, job_page(control), err);
    }
    for (int i = 0; i < 3 && runs[i].count && !status; i++) {
        struct segment_range range = {(uint64_t)runs[i].first * CONTROL_PAGE_BYTES,
                                      (uint64_t)runs[i].count * CONTROL_PAGE_BYTES, true, true};
        status = segment_map_at(segment, &range, page_at(control, runs[i].first), err);
    }
    return status;
}

static int attach(int dir_fd, uint64_t job_fingerprint, int role, struct control **out,
                  struct err *err)
{
    struct segment_spec spec = {dir_fd, segment_name, "control", CONTROL_LAYOUT_HASH,
                                job_fingerprint};
    struct segment segment;
    int status = segment_open(&spec, role != READER, &segment, err);
    if (status)
        return status;
    struct segment_range range = {.bytes = segment.bytes, .populate = true};
    void *base;
    status = segment_map(&segment, &range, &base, err);
    if (status)
        goto err_after_open;
    struct control control = {.base = base, .bytes = segment.bytes, .role = role};
    uint32_t task_count =
        segment.bytes > control_segment_bytes(0) ? job_page(&control)->task_count : 0;
    if (!task_count || task_count > CONTROL_TASKS_MAX ||
        control_segment_bytes((int)task_count) != segment.bytes ||
        (role >= 0 && (uint32_t)role >= task_count)) {
        status = err_set(err, -EILSEQ,
                         "the control block is damaged, or has no task %d: %u tasks "
                         "in %llu bytes",
                         role, task_count, (unsigned long long)segment.bytes);
        goto err_after_map;
    }
    control.task_count = (int)task_count;
    status = role == READER ? 0 : rights_give(&control, &segment, err);
    if (status)
        goto err_after_map;
    struct control *result = malloc(sizeof(*result));
    CHECK(result != NULL);
    *result = control;
    *out = result;
    segment_close(&segment);
    return 0;
err_after_map:
    segment_unmap(base, segment.bytes);
err_after_open:
    segment_close(&segment);
    return status;
}

int control_attach_supervisor(int dir_fd, uint64_t job_fingerprint, struct control **out,
                              struct err *err)
{
    return attach(dir_fd, job_fingerprint, SUPERVISOR, out, err);
}

int control_attach_task(int dir_fd, uint64_t job_fingerprint, int task_index, struct control **out,
                        struct err *err)
{
    if (task_index < 0)
        return err_set(err, -EINVAL, "there is no task %d", task_index);
    return attach(dir_fd, job_fingerprint, task_index, out, err);
}

int control_attach_reader(int dir_fd, uint64_t job_fingerprint, struct control **out,
                          struct err *err)
{
    return attach(dir_fd, job_fingerprint, READER, out, err);
}

void control_detach(struct control *control)
{
    if (!control)
        return;
    segment_unmap(control->base, control->bytes);
    free(control);
}

int control_task_count(const struct control *control)
{
    return control->task_count;
}

uint64_t control_fingerprint(const struct control *control)
{
    return job_page(control)->fingerprint;
}

struct waiter *control_waiter(struct control *control, int task_index)
{
    CHECK(control->role != READER);
    CHECK(task_index >= 0 && task_index < control->task_count);
    return page_at(control, FIRST_TASK_PAGE + 2 * control->task_count + task_index);
}

// --- a task, about itself ---

// Asked once: /proc takes as long as half of a takeover, so a spare has asked before.
static struct process_id self_of(struct control *control)
{
    if (control->self.pid != getpid()) // a child has the handle of its parent
        control->self = process_self();
    return control->self;
}

void control_begin(struct control *control, int64_t taken_ns)
{
    struct control_task_page *own = own_page(control);
    struct process_id self = self_of(control);
    // Relaxed stores: the release of the pid below publishes them together.
    atomic_write_u32(&own->state, CONTROL_STARTING);
    atomic_write_u64(&own->start_time, self.start_time);
    atomic_write_u32(&own->has_ended, 0);
    // R26: pairs with A26 in control_has_ended; publishes that this attempt has not ended
    atomic_release_u64(&own->attempt, atomic_read_u64(&own->attempt) + 1);
    atomic_write_u64(&own->ready_ns, 0);
    atomic_write_u64(&own->first_ns, 0);
    atomic_write_u64(&own->taken_ns, (uint64_t)taken_ns);
    atomic_write_u32(&own->trial.site, CONTROL_SITE_NONE);
    own->error[0] = 0;
    // R20: pairs with A20 in control_view; publishes start time and attempt
    atomic_release_u32(&own->pid, (uint32_t)self.pid);
}

void control_set_ready(struct control *control, int64_t now_ns)
{
    atomic_write_u64(&own_page(control)->ready_ns, (uint64_t)now_ns); // relaxed: true on its own
}

void control_set_first(struct control *control, int64_t now_ns)
{
    atomic_write_u64(&own_page(control)->first_ns, (uint64_t)now_ns); // relaxed: true on its own
}

void control_set_state(struct control *control, enum control_state state)
{
    atomic_write_u32(&own_page(control)->state, state); // relaxed: publishes nothing else
}

void control_set_counter(struct control *control, enum control_counter counter, int64_t value)
{
    CHECK((unsigned)counter < CONTROL_COUNTER_COUNT);
    // Relaxed: a counter is true on its own.
    atomic_write_u64(&own_page(control)->counters[counter], (uint64_t)value);
}

void control_progress(struct control *control, int64_t now_ns)
{
    struct control_task_page *own = own_page(control);
    atomic_write_u64(&own->progress, atomic_read_u64(&own->progress) + 1); // relaxed: own word
    control_heartbeat(control, now_ns);
}

void control_heartbeat(struct control *control, int64_t now_ns)
{
    // Relaxed: true on its own.
    atomic_write_u64(&own_page(control)->heartbeat_ns, (uint64_t)now_ns);
}

void control_fail(struct control *control, const char *text)
{
    struct control_task_page *own = own_page(control);
    snprintf(own->error, sizeof(own->error), "%s", text);
    // R21: pairs with A21 in control_view; publishes the error text
    atomic_release_u32(&own->state, CONTROL_FAILED);
}

bool control_requested(const struct control *control, enum control_request request)
{
    CHECK((unsigned)request < CONTROL_REQUEST_COUNT && control->role >= 0);
    // Relaxed: nothing is published by a request.
    return atomic_read_u32(&box_page(control, control->role)->requests[request]) != 0;
}

uint64_t control_wanted_checkpoint(const struct control *control)
{
    return atomic_read_u64(&job_page(control)->wanted_checkpoint); // relaxed: true on its own
}

uint64_t control_complete_checkpoint(const struct control *control)
{
    return atomic_read_u64(&job_page(control)->complete_checkpoint); // relaxed: true on its own
}

bool control_checkpoint_is_full(const struct control *control, uint64_t checkpoint)
{
    // Relaxed: see control_want_checkpoint.
    return atomic_read_u64(&job_page(control)->full_checkpoint) == checkpoint;
}

bool control_must_check(const struct control *control)
{
    CHECK(control->role >= 0);
    // Relaxed: written before this process was started.
    return atomic_read_u32(&box_page(control, control->role)->must_check) != 0;
}

bool control_is_restored(const struct control *control)
{
    CHECK(control->role >= 0);
    // Relaxed: written before this process was started.
    return atomic_read_u64(&box_page(control, control->role)->restored_attempt) != 0;
}

uint64_t control_attempt(const struct control *control)
{
    return atomic_read_u64(&own_page(control)->attempt); // relaxed: own word
}

// A sequence lock with one writer. A kill in the middle leaves the word odd: no report, until the
// next process writes one.
void control_report_snapshot(struct control *control, const struct control_snapshot *snapshot)
{
    struct control_task_page *own = own_page(control);
    struct control_report *report = &own->report;
    uint64_t sequence = atomic_read_u64(&report->sequence) | 1; // relaxed: own word
    atomic_write_u64(&report->sequence, sequence); // relaxed: the fence below orders it
    // R22: pairs with A23 in control_read_snapshot; publishes that the report is being written
    atomic_full_fence();
    report->snapshot = *snapshot;
    report->snapshot.attempt = atomic_read_u64(&own->attempt); // relaxed: own word
    // R23: pairs with A22 in control_read_snapshot; publishes the report
    atomic_release_u64(&report->sequence, sequence + 1);
}

void control_note_trial(struct control *control, const struct control_trial *trial)
{
    struct control_trial_words *words = &own_page(control)->trial;
    // Relaxed: who reads them waits for the end of this process.
    atomic_write_u32(&words->site, trial->site);
    atomic_write_u32(&words->is_single, trial->is_single);
    atomic_write_u64(&words->rows_in, trial->rows_in);
    atomic_write_u64(&words->rows_out, trial->rows_out);
    atomic_write_u64(&words->span, trial->span);
    if (!trial->is_single)
        return;
    atomic_write_u64(&words->row, trial->row); // relaxed: as above
    atomic_write_u64(&words->offset, trial->offset);
    snprintf(words->source, sizeof(words->source), "%s", trial->source);
}

void control_set_ended(struct control *control, bool ended)
{
    // R24: pairs with A24 in control_has_ended; publishes what the task has put on disk before
    atomic_release_u32(&own_page(control)->has_ended, ended);
}

void control_set_settled(struct control *control, uint64_t checkpoint)
{
    atomic_write_u64(&own_page(control)->settled_checkpoint, checkpoint); // relaxed: see its reader
}

uint64_t control_epoch(const struct control *control)
{
    return atomic_read_u64(&job_page(control)->epoch); // relaxed: true on its own
}

// --- a spare ---

static void spare_write(struct control_spare_line *line, const struct control_spare *news)
{
    // Relaxed: each word is true on its own.
    atomic_write_u32(&line->state, news->state);
    atomic_write_u64(&line->mapped_bytes, news->mapped_bytes);
    atomic_write_u64(&line->page_table_bytes, news->page_table_bytes);
}

void control_spare_begin(struct control *control, int spare)
{
    struct control_spare_line *line = spare_line(control, control->role, spare);
    const struct control_spare news = {.state = CONTROL_SPARE_STARTING};
    struct process_id self = self_of(control);
    spare_write(line, &news);
    atomic_write_u64(&line->start_time, self.start_time); // relaxed: published by the pid
    // R25: pairs with A25 in control_view_spare; publishes the start time
    atomic_release_u32(&line->pid, (uint32_t)self.pid);
}

void control_spare_note(struct control *control, int spare, const struct control_spare *news)
{
    spare_write(spare_line(control, control->role, spare), news);
}

uint32_t control_pass(const struct control *control)
{
    CHECK(control->role >= 0);
    return atomic_read_u32(&box_page(control, control->role)->pass); // relaxed: true on its own
}

// --- the supervisor ---

void control_begin_supervisor(struct control *control)
{
    CHECK(control->role == SUPERVISOR);
    struct process_id self = process_self();
    // Relaxed: who doubts pid and start time asks /proc.
    atomic_write_u64(&job_page(control)->supervisor_start_time, self.start_time);
    atomic_write_u32(&job_page(control)->supervisor_pid, (uint32_t)self.pid);
}

void control_post(struct control *control, int task_index, enum control_request request)
{
    CHECK(control->role == SUPERVISOR && (unsigned)request < CONTROL_REQUEST_COUNT);
    // Relaxed: waiter_wake has the fence, and a request publishes nothing else.
    atomic_write_u32(&box_page(control, task_index)->requests[request], 1);
    waiter_wake(control_waiter(control, task_index));
}

void control_note_restart(struct control *control, int task_index)
{
    CHECK(control->role == SUPERVISOR);
    struct control_box_page *box = box_page(control, task_index);
    struct control_job_page *job = job_page(control);
    // Relaxed: own words, each true on its own.
    atomic_write_u64(&box->restarts, atomic_read_u64(&box->restarts) + 1);
    atomic_write_u64(&job->epoch, atomic_read_u64(&job->epoch) + 1);
}

void control_note_cpu(struct control *control, int task_index, int cpu)
{
    CHECK(control->role == SUPERVISOR);
    box_page(control, task_index)->cpu = cpu;
}

void control_note_move(struct control *control, int task_index, int cpu)
{
    control_note_cpu(control, task_index, cpu);
    // Relaxed: whoever reads the two between finds a core that is good, the old one or the new.
    atomic_write_u32(&box_page(control, task_index)->is_moved, 1);
}

void control_set_judged(struct control *control, int task_index, uint32_t pid)
{
    CHECK(control->role == SUPERVISOR);
    // Relaxed: only another supervisor reads it, when this one is gone.
    atomic_write_u32(&box_page(control, task_index)->judged_pid, pid);
}

uint32_t control_judged(const struct control *control, int task_index)
{
    return atomic_read_u32(&box_page(control, task_index)->judged_pid); // relaxed: own word
}

void control_note_loss(struct control *control, int task_index, enum control_loss loss)
{
    CHECK(control->role == SUPERVISOR && (unsigned)loss < CONTROL_LOSS_COUNT);
    uint64_t *word = &box_page(control, task_index)->losses[loss];
    atomic_write_u64(word, atomic_read_u64(word) + 1); // relaxed: own word
}

void control_set_verdict(struct control *control, int task_index,
                         const struct control_verdict *verdict)
{
    CHECK(control->role == SUPERVISOR);
    box_page(control, task_index)->verdict = *verdict;
}

void control_set_pass(struct control *control, int task_index, uint32_t pass)
{
    CHECK(control->role == SUPERVISOR);
    uint32_t *word = &box_page(control, task_index)->pass;
    if (atomic_read_u32(word) == pass) // relaxed: own word
        return;
    atomic_write_u32(word, pass); // relaxed: waiter_wake has the fence
    waiter_wake(control_waiter(control, task_index));
}

void control_ask_check(struct control *control, int task_index, bool check)
{
    CHECK(control->role == SUPERVISOR);
    atomic_write_u32(&box_page(control, task_index)->must_check, check); // relaxed: see the layout
}

void control_set_restored(struct control *control, int task_index)
{
    CHECK(control->role == SUPERVISOR);
    uint64_t attempt = atomic_read_u64(&task_page(control, task_index)->attempt);
    // Relaxed, both: no process of the task lives.
    atomic_write_u64(&box_page(control, task_index)->restored_attempt, attempt + 1);
}

static void wake_all(struct control *control)
{
    for (int i = 0; i < control->task_count; i++)
        waiter_wake(control_waiter(control, i));
}

void control_want_checkpoint(struct control *control, uint64_t checkpoint, bool full)
{
    CHECK(control->role == SUPERVISOR && checkpoint > control_wanted_checkpoint(control));
    if (full) // relaxed: a task that sees the old word writes an increment, which is as good
        atomic_write_u64(&job_page(control)->full_checkpoint, checkpoint);
    // Relaxed: waiter_wake has the fence, and the number publishes nothing else.
    atomic_write_u64(&job_page(control)->wanted_checkpoint, checkpoint);
    wake_all(control);
}

void control_announce_checkpoint(struct control *control, uint64_t checkpoint)
{
    CHECK(control->role == SUPERVISOR);
    // Relaxed: as above; that the checkpoint is on disk does not depend on this word.
    atomic_write_u64(&job_page(control)->complete_checkpoint, checkpoint);
    wake_all(control);
}

// --- anyone ---

bool control_has_ended(const struct control *control, int task_index)
{
    const struct control_task_page *task = task_page(control, task_index);
    // A26: pairs with R26 in control_begin; that this attempt has not ended
    uint64_t attempt = atomic_acquire_u64(&task->attempt);
    // Relaxed: who asks is who wrote it.
    if (attempt < atomic_read_u64(&box_page(control, task_index)->restored_attempt))
        return false;
    // A24: pairs with R24 in control_set_ended; what the task has put on disk before
    return atomic_acquire_u32(&task->has_ended) != 0;
}

uint64_t control_settled_checkpoint(const struct control *control, int task_index)
{
    // Relaxed: what it tells of is outside, nothing that is read here is published by it.
    return atomic_read_u64(&task_page(control, task_index)->settled_checkpoint);
}

bool control_was_asked(const struct control *control, int task_index, enum control_request request)
{
    CHECK((unsigned)request < CONTROL_REQUEST_COUNT);
    // Relaxed: nothing is published by a request.
    return atomic_read_u32(&box_page(control, task_index)->requests[request]) != 0;
}

void control_read_snapshot(const struct control *control, int task_index,
                           struct control_snapshot *out)
{
    const struct control_report *report = &task_page(control, task_index)->report;
    // A22: pairs with R23 in control_report_snapshot; the report
    uint64_t before = atomic_acquire_u64(&report->sequence);
    *out = report->snapshot;
    // A23: pairs with R22 in control_report_snapshot; that the report was being written
    atomic_full_fence();
    uint64_t after = atomic_read_u64(&report->sequence); // relaxed: the fence above orders it
    if (before % 2 || before == 0 || before != after || out->status > CONTROL_SNAPSHOT_FAILED)
        *out = (struct control_snapshot){.status = CONTROL_SNAPSHOT_NONE};
    out->text[sizeof out->text - 1] = '\0';
}

struct process_id control_supervisor(const struct control *control)
{
    const struct control_job_page *job = job_page(control);
    // Relaxed: who doubts pid and start time asks /proc.
    return (struct process_id){(pid_t)atomic_read_u32(&job->supervisor_pid),
                               atomic_read_u64(&job->supervisor_start_time)};
}

// A text that another process writes: it ends where the buffer does, whatever is in it.
static void text_copy(char *out, const char *text, size_t bytes)
{
    memcpy(out, text, bytes);
    out[bytes - 1] = 0;
}

void control_read_verdict(const struct control *control, int task_index,
                          struct control_verdict *out)
{
    *out = box_page(control, task_index)->verdict;
    out->reason[sizeof(out->reason) - 1] = 0; // another process wrote it
}

void control_read_trial(const struct control *control, int task_index, struct control_trial *out)
{
    const struct control_trial_words *words = &task_page(control, task_index)->trial;
    // Relaxed: the process that wrote them is gone.
    uint32_t site = atomic_read_u32(&words->site);
    *out = (struct control_trial){
        .site = site < CONTROL_SITE_COUNT ? (enum control_site)site : CONTROL_SITE_NONE,
        .is_single = atomic_read_u32(&words->is_single) != 0,
        .rows_in = atomic_read_u64(&words->rows_in),
        .rows_out = atomic_read_u64(&words->rows_out),
        .span = atomic_read_u64(&words->span),
        .offset = UINT64_MAX,
    };
    if (!out->is_single)
        return;
    out->row = atomic_read_u64(&words->row); // relaxed: as above
    out->offset = atomic_read_u64(&words->offset);
    text_copy(out->source, words->source, sizeof(out->source));
}

void control_view(const struct control *control, int task_index, struct control_view *out)
{
    const struct control_task_page *task = task_page(control, task_index);
    const struct control_box_page *box = box_page(control, task_index);
    *out = (struct control_view){.cpu = box->cpu};
    text_copy(out->name, box->name, sizeof(out->name));
    // A20: pairs with R20 in control_begin; start time and attempt that go with the pid
    out->process.pid = (pid_t)atomic_acquire_u32(&task->pid);
    // A21: pairs with R21 in control_fail; the error text
    uint32_t state = atomic_acquire_u32(&task->state);
    out->state = state < CONTROL_STATE_COUNT ? (enum control_state)state : CONTROL_EMPTY;
    if (state == CONTROL_FAILED)
        text_copy(out->error, task->error, sizeof(out->error));
    // Relaxed: each of these is true on its own.
    out->process.start_time = atomic_read_u64(&task->start_time);
    out->heartbeat_ns = atomic_read_u64(&task->heartbeat_ns);
    out->progress = atomic_read_u64(&task->progress);
    out->attempt = atomic_read_u64(&task->attempt);
    out->taken_ns = atomic_read_u64(&task->taken_ns);
    out->ready_ns = atomic_read_u64(&task->ready_ns);
    out->first_ns = atomic_read_u64(&task->first_ns);
    out->restarts = atomic_read_u64(&box->restarts);
    out->is_moved = atomic_read_u32(&box->is_moved) != 0;
    for (int i = 0; i < CONTROL_COUNTER_COUNT; i++)
        out->counters[i] = (int64_t)atomic_read_u64(&task->counters[i]);
    for (int i = 0; i < CONTROL_LOSS_COUNT; i++)
        out->losses[i] = atomic_read_u64(&box->losses[i]);
}

int64_t control_counter(const struct control *control, int task_index, enum control_counter counter)
{
    CHECK((unsigned)counter < CONTROL_COUNTER_COUNT);
    // Relaxed: a counter is true on its own.
    return (int64_t)atomic_read_u64(&task_page(control, task_index)->counters[counter]);
}

int control_cpu(const struct control *control, int task_index)
{
    return (int)box_page(control, task_index)->cpu;
}

int control_living_tasks(const struct control *control)
{
    int living = 0;
    for (int task = 0; task < control_task_count(control); task++) {
        struct control_view view;
        control_view(control, task, &view);
        living += process_alive(view.process);
    }
    return living;
}

void control_view_spare(const struct control *control, int task_index, int spare,
                        struct control_spare *out)
{
    const struct control_spare_line *line = spare_line(control, task_index, spare);
    // A25: pairs with R25 in control_spare_begin; the start time
    uint32_t pid = atomic_acquire_u32(&line->pid);
    uint32_t state = atomic_read_u32(&line->state); // relaxed, as all below: true on its own
    *out = (struct control_spare){
        .process = {(pid_t)pid, atomic_read_u64(&line->start_time)},
        .state = pid && state < CONTROL_SPARE_STATE_COUNT ? (enum control_spare_state)state
                                                          : CONTROL_SPARE_NONE,
        .mapped_bytes = atomic_read_u64(&line->mapped_bytes),
        .page_table_bytes = atomic_read_u64(&line->page_table_bytes),
    };
}

// End one process of an earlier run; *count it. `what` names it in the text.
static int sweep_process(struct process_id process, const char *what, int *count, struct err *err)
{
    int status = process_kill(process, SWEEP_TIMEOUT_MS);
    *count += status == 0;
    if (status == 0 || status == -ESRCH)
        return 0;
    return err_set(err, status, "%s of an earlier run, pid %d, cannot be ended: %s", what,
                   (int)process.pid, strerror(-status));
}

// The spares first: one of them may be the task by the time that we get to it.
static int sweep_task(const struct control *control, int task_index, int *count, struct err *err)
{
    struct control_view view;
    struct control_spare spare;
    char what[CONTROL_NAME_BYTES + 32];
    int status = 0, spares = 0;
    for (int i = 0; i < CONTROL_SPARES_MAX && !status; i++) {
        control_view_spare(control, task_index, i, &spare);
        status = sweep_process(spare.process, "a spare", &spares, err);
    }
    control_view(control, task_index, &view);
    snprintf(what, sizeof(what), "task %s", view.name);
    return status ? status : sweep_process(view.process, what, count, err);
}

int control_sweep(int dir_fd, int *ended, struct err *err)
{
    struct control *control;
    int count = 0;
    int status = control_attach_reader(dir_fd, 0, &control, err);
    if (ended)
        *ended = 0;
    if (status == -ENOENT || status == -ENODATA)
        return 0; // tasks are started only after the control block is whole
    if (status)
        return err_append(err, status,
                          "tasks of an earlier run cannot be found without it: see "
                          "that none is left (ps -C weir), then remove the folder");
    for (int i = 0; i < control->task_count && !status; i++)
        status = sweep_task(control, i, &count, err);
    control_detach(control);
    if (ended)
        *ended = count;
    return status;
}
