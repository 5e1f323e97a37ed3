// control.h: the control block of a job: what its tasks and its supervisor tell each other and
// anyone who looks (see control_layout.h). Readable without a task's help, also after it crashed.
//
// Every page has one writer: a task its task page, the supervisor the job page and the mailboxes.
// Only waiters are written by all.
#ifndef WEIR_SHM_CONTROL_H
#define WEIR_SHM_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "shm/process.h"
#include "shm/waiter.h"

enum { CONTROL_TASKS_MAX = 1024, CONTROL_NAME_BYTES = 64, CONTROL_ERROR_BYTES = 2048 };

enum control_state {
    CONTROL_EMPTY, // never started
    CONTROL_STARTING,
    CONTROL_RUNNING,
    CONTROL_WAITING_INPUT,
    CONTROL_WAITING_OUTPUT,
    CONTROL_FINISHED, // all input handled, or stopped between batches on request
    CONTROL_FAILED,   // cannot go on; the error text says why
    CONTROL_ORPHANED, // stopped between batches, because its supervisor was gone for too long
    CONTROL_STATE_COUNT,
};

// Counters of a task, set to absolute values from what it committed. Watermarks and event time
// begin at INT64_MIN.
enum control_counter {
    CONTROL_ROWS_IN,
    CONTROL_ROWS_OUT,
    CONTROL_BYTES_IN,
    CONTROL_BYTES_OUT,
    CONTROL_BAD_ROWS,
    CONTROL_LATE_ROWS,
    CONTROL_COMMITS,
    CONTROL_ABORTS,
    CONTROL_WATERMARK_MS,
    CONTROL_MAX_EVENT_MS,
    CONTROL_STATE_BYTES,
    CONTROL_WAKE_CALLS, // system calls that woke a neighbour
    CONTROL_BLOCKED_NS, // waited for room in an output ring
    CONTROL_SLEEPS,     // system calls in which the task slept, waiting for a neighbour or the time
    CONTROL_ALIGN_MS,   // watermark of a source that others may not run away from; INT64_MIN: none
                        // yet; INT64_MAX: nobody waits for it (idle, at its end)
    // As struct op_outside has them (stages/runtime/operator.h); INT64_MIN: not known, or none.
    CONTROL_BEHIND_ROWS,
    CONTROL_KEPT_BYTES,
    CONTROL_OPEN_SINCE_MS,
    CONTROL_COMMITTED, // checkpoint
    CONTROL_COUNTER_COUNT,
};

enum control_request {
    CONTROL_STOP,   // a source ends between batches; a reader when its channels are empty
    CONTROL_DRAIN,  // sources end as if their input had; the rest follows
    CONTROL_CANCEL, // end between batches or while waiting for room, leaving input unread
    CONTROL_FINISH, // every task has handled all its input: make the output final, and end
    CONTROL_REQUEST_COUNT,
};

// How far a task is with the newest checkpoint that has reached it.
enum control_snapshot_status {
    CONTROL_SNAPSHOT_NONE,
    CONTROL_SNAPSHOT_RUNNING, // the barrier has passed, the snapshot is being written
    CONTROL_SNAPSHOT_DONE,    // its file is durable
    CONTROL_SNAPSHOT_FAILED,  // text says why
};

enum { CONTROL_SNAPSHOT_TEXT_BYTES = 1024 };

struct control_snapshot {
    uint64_t checkpoint;
    enum control_snapshot_status status;
    uint64_t attempt; // of the process, part of the file's name
    uint64_t base;    // checkpoint that it builds on, 0: full
    uint64_t file_bytes, blocks, undo_bytes;
    int64_t align_ns, duration_ns;
    uint64_t rows_in, rows_out; // at the barrier
    int64_t watermark_ms;
    // DONE: positions as JSON, empty when they are longer (store_write_positions); FAILED: why.
    // NUL-terminated.
    char text[CONTROL_SNAPSHOT_TEXT_BYTES];
};

// What a task is doing, in case that it dies of it.
enum control_site {
    CONTROL_SITE_NONE,
    CONTROL_SITE_SOURCE, // reads its source
    CONTROL_SITE_ROWS,   // has rows of its input in the chain
    CONTROL_SITE_WORK,   // a watermark, a timer, work that these left
    CONTROL_SITE_OUTPUT, // what such work gives goes to what stands behind the window
    CONTROL_SITE_COUNT,
};

enum { CONTROL_SOURCE_BYTES = 256, CONTROL_REASON_BYTES = 1536 };

// Noted by the task before it begins; read by the supervisor when the process is gone.
struct control_trial {
    enum control_site site;
    bool is_single;                    // `row` alone is in the transaction
    uint64_t rows_in, rows_out;        // committed when it began
    uint64_t span;                     // rows that may lie before one in the same batch
    uint64_t row;                      // single: tells it from any other; 0: cannot be told
    uint64_t offset;                   // single: where it stands; UINT64_MAX: not known
    char source[CONTROL_SOURCE_BYTES]; // single: in which file or channel
};

// What the supervisor has concluded from the deaths of a task; for its next process, and kept here
// so that a new supervisor knows it too. All zero: nothing.
struct control_verdict {
    uint64_t rows_in, rows_out;       // where the last death that counts was
    uint64_t deaths;                  // that counted, near each other
    uint64_t row, row_deaths;         // the last row that killed while it was alone
    uint64_t letters;                 // rows given up, near each other
    uint64_t careful_in, careful_out; // row by row below so many rows in, or out
    uint64_t give_up_row;             // to be put aside; 0: none
    uint64_t is_blind;                // without a look at what is in it
    char reason[CONTROL_REASON_BYTES];
};

// Ends of a task's processes, as the supervisor counts them.
enum control_loss {
    CONTROL_LOSS_DEATHS,  // all that were no end as planned
    CONTROL_LOSS_KILLED,  // of them: by SIGKILL from outside
    CONTROL_LOSS_CRASHED, // by a signal of their own, or an exit that says nothing
    CONTROL_LOSS_HUNG,    // ended because they hung
    CONTROL_LOSS_ROWS,    // rows given up: sent to the dead letters for what they did
    CONTROL_LOSS_COUNT,
};

// Spares of one task, at most.
enum { CONTROL_SPARES_MAX = 4 };

// A process that waits to replace a task that dies. Which one becomes the task is decided by the
// arena's owner mutex alone; control_view then shows it.
enum control_spare_state {
    CONTROL_SPARE_NONE,
    CONTROL_SPARE_STARTING, // attaches, faults the segments in; would take over all the same
    CONTROL_SPARE_READY,
    CONTROL_SPARE_STATE_COUNT,
};

struct control_spare {
    struct process_id process;
    enum control_spare_state state;
    uint64_t mapped_bytes;     // of segments that it has faulted in
    uint64_t page_table_bytes; // what the kernel spends on that
};

// A spare becomes attempt n of its task. `pass` says whether it may: n <= pass. CLOSED: wait for
// the supervisor, which puts restarts off. FREE: whoever was killed from outside is replaced at
// once; who died by its own doing only when the supervisor has named the attempt.
#define CONTROL_PASS_CLOSED UINT32_C(0)
#define CONTROL_PASS_FREE   UINT32_MAX

// What a reader sees of a task.
struct control_view {
    char name[CONTROL_NAME_BYTES];
    struct process_id process; // the last one that ran it
    enum control_state state;
    uint64_t heartbeat_ns; // monotonic
    uint64_t progress;     // grows with every transaction
    uint64_t attempt;      // processes that ran it so far
    uint64_t restarts;     // as the supervisor counts them
    int cpu;               // where the supervisor put it; -1: anywhere
    bool is_moved;         // by a move of the running job, not as its config says
    uint64_t taken_ns;     // when the process became the task; monotonic
    uint64_t ready_ns;     // when it had attached; 0: it has not yet
    uint64_t first_ns;     // when its first rows were committed and published; 0: none yet
    int64_t counters[CONTROL_COUNTER_COUNT];
    uint64_t losses[CONTROL_LOSS_COUNT];
    char error[CONTROL_ERROR_BYTES]; // NUL-terminated; "" unless failed
};

struct control; // a private handle

// "running", for people.
const char *control_state_name(enum control_state state);

uint64_t control_segment_bytes(int task_count);

// Make segment "control". names[i] names task i (cut at 63 bytes).
int control_create(int dir_fd, uint64_t job_fingerprint, const char *const *names, int task_count,
                   struct err *err);

// Attach as the supervisor, as task `task_index`, or as a reader (fingerprint 0: any job's).
int control_attach_supervisor(int dir_fd, uint64_t job_fingerprint, struct control **out,
                              struct err *err);
int control_attach_task(int dir_fd, uint64_t job_fingerprint, int task_index, struct control **out,
                        struct err *err);
int control_attach_reader(int dir_fd, uint64_t job_fingerprint, struct control **out,
                          struct err *err);
void control_detach(struct control *control); // NULL is fine

int control_task_count(const struct control *control);
uint64_t control_fingerprint(const struct control *control);

// The waiter of a task, for whoever wants to wake it (not for readers).
struct waiter *control_waiter(struct control *control, int task_index);

// --- a task, about itself ---

// This process runs the task now: pid, start time, attempt + 1, state STARTING, no error. It has
// owned the arena since taken_ns.
void control_begin(struct control *control, int64_t taken_ns);
// It has attached to all that its predecessor left.
void control_set_ready(struct control *control, int64_t now_ns);
// The first rows that it handled are committed and published.
void control_set_first(struct control *control, int64_t now_ns);
void control_set_state(struct control *control, enum control_state state);
void control_set_counter(struct control *control, enum control_counter counter, int64_t value);
// One transaction done: progress + 1 and the heartbeat.
void control_progress(struct control *control, int64_t now_ns);
void control_heartbeat(struct control *control, int64_t now_ns);
// State FAILED with its reason, cut to what fits.
void control_fail(struct control *control, const char *text);
// Has the supervisor asked? Cheap: once a batch.
bool control_requested(const struct control *control, enum control_request request);
// The newest checkpoint that is wanted, and the newest that is complete; 0: none yet.
uint64_t control_wanted_checkpoint(const struct control *control);
uint64_t control_complete_checkpoint(const struct control *control);
// Must this checkpoint's snapshots be full ones?
bool control_checkpoint_is_full(const struct control *control, uint64_t checkpoint);
// Tell the supervisor about a snapshot. `attempt` is filled in here.
void control_report_snapshot(struct control *control, const struct control_snapshot *snapshot);
// What comes next may be the death of this process. Source and offset are noted of a single row.
void control_note_trial(struct control *control, const struct control_trial *trial);
// What was concluded from the deaths of those that ran this task before.
void control_read_verdict(const struct control *control, int task_index,
                          struct control_verdict *out);
// All input is handled (or not, after a restore): the supervisor waits for it from every task.
void control_set_ended(struct control *control, bool ended);
// What this complete checkpoint covers is committed outside (see is_settled in operator.h).
void control_set_settled(struct control *control, uint64_t checkpoint);
// Is the arena to be checked before it is trusted? (control_ask_check)
bool control_must_check(const struct control *control);
// Was the task's memory made anew from a checkpoint while the job ran? (control_set_restored)
bool control_is_restored(const struct control *control);
// The attempt that this process is.
uint64_t control_attempt(const struct control *control);
// Number of restarts of any task so far; grows when a neighbour was replaced.
uint64_t control_epoch(const struct control *control);

// --- a spare of the task that it is attached as ---

// This process is spare `spare` now, STARTING; says later how far it is; NONE: it is the task by
// now, or ends.
void control_spare_begin(struct control *control, int spare);
void control_spare_note(struct control *control, int spare, const struct control_spare *news);
// The word that says whether a spare may become the task.
uint32_t control_pass(const struct control *control);

// --- the supervisor ---

// This process supervises the job now.
void control_begin_supervisor(struct control *control);
void control_post(struct control *control, int task_index, enum control_request request);
void control_note_restart(struct control *control, int task_index);
void control_note_cpu(struct control *control, int task_index, int cpu);
// The same, of a task that was moved: it counts more than the config, also for the next supervisor.
void control_note_move(struct control *control, int task_index, int cpu);
void control_note_loss(struct control *control, int task_index, enum control_loss loss);
// Of a task that has no process.
void control_set_verdict(struct control *control, int task_index,
                         const struct control_verdict *verdict);
// The verdict takes the death of this process into account.
void control_set_judged(struct control *control, int task_index, uint32_t pid);
uint32_t control_judged(const struct control *control, int task_index);
// What the task was doing when it ended. Its texts end where they must, whatever is in them.
void control_read_trial(const struct control *control, int task_index, struct control_trial *out);
// Which attempts spares may begin (see CONTROL_PASS_FREE); wakes the one that waits for it.
void control_set_pass(struct control *control, int task_index, uint32_t pass);
// Before a task is started: its predecessor may have written where it should not have.
void control_ask_check(struct control *control, int task_index, bool check);
// Of a task that has no process: its memory is made anew as a checkpoint has it. What it has put
// out may go beyond that, and it has not ended.
void control_set_restored(struct control *control, int task_index);
// Ask every task for checkpoint n, greater than all before; say that n is complete. Both wake.
void control_want_checkpoint(struct control *control, uint64_t checkpoint, bool full);
void control_announce_checkpoint(struct control *control, uint64_t checkpoint);

// --- anyone ---

struct process_id control_supervisor(const struct control *control);
void control_view(const struct control *control, int task_index, struct control_view *out);
// One counter of any task.
int64_t control_counter(const struct control *control, int task_index,
                        enum control_counter counter);
// Where the supervisor has put the task; -1: anywhere.
int control_cpu(const struct control *control, int task_index);
// How many of the tasks have a process that lives.
int control_living_tasks(const struct control *control);
// state NONE: there is none.
void control_view_spare(const struct control *control, int task_index, int spare,
                        struct control_spare *out);

// The last report of a task; status NONE when there is none, or when it is being written.
void control_read_snapshot(const struct control *control, int task_index,
                           struct control_snapshot *out);
bool control_has_ended(const struct control *control, int task_index);
// The newest checkpoint that the task has settled; 0: none. It stays true whoever runs the task.
uint64_t control_settled_checkpoint(const struct control *control, int task_index);
// Has a supervisor posted this request to the task?
bool control_was_asked(const struct control *control, int task_index, enum control_request request);

// What an earlier run left in the folder: SIGKILL every task and spare in its control block that
// still lives (pid and start time, this boot's only) and wait for its end. The caller holds the
// folder's lock. *ended (may be NULL) counts them. Without a control block, or with one that was
// never finished, no task can live. Afterwards the segments may be cleared.
int control_sweep(int dir_fd, int *ended, struct err *err);

#endif
