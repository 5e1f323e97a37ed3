// task_internal.h: the private struct of a running task, shared by the files task*.c.
#ifndef WEIR_STAGES_RUNTIME_TASK_INTERNAL_H
#define WEIR_STAGES_RUNTIME_TASK_INTERNAL_H

#include <sched.h>

#include "core/snapshot/writer.h"
#include "shm/control.h"
#include "shm/errlog.h"
#include "shm/latency.h"
#include "shm/segment.h"
#include "stages/checkpoint/copier.h"
#include "stages/checkpoint/store.h"
#include "stages/runtime/calculation.h"
#include "stages/runtime/chain.h"
#include "stages/runtime/exchange.h"
#include "stages/runtime/job.h"
#include "stages/runtime/split.h"
#include "stages/runtime/txfile.h"

// Rows of a process's first transaction: the sooner it is done, the sooner others see that the task
// goes on.
enum { TASK_FIRST_ROWS = 128 };

enum bad_row_policy { BAD_ROWS_DEAD_LETTER, BAD_ROWS_SKIP, BAD_ROWS_FAIL };

// Sources of one group do not run away from each other (task_align.c).
struct head_align {
    int *tasks; // of the group; NULL: there is none
    int count;
    int64_t limit_ms;     // watermarks above it are ahead
    int64_t look_ms;      // when to look at the others again
    int64_t looked_at_ms; // our watermark when that was done last
};

// The front of a source's chain: source, computed columns, watermark.
struct head {
    struct source *source;
    struct batch batch;                   // physical columns
    struct calculation *computed;         // NULL: none
    const struct op_watermark *watermark; // NULL: none
    struct expr_program *watermark_expr;
    struct pool scratch;
    uint8_t fate[BATCH_ROWS];    // enum row_fate, a polled row
    uint16_t origin[BATCH_ROWS]; // of the rows that go down the chain
    struct calculation_result rows;
    struct column *view_columns;
    uint16_t keep[BATCH_ROWS];
    int64_t step_ms, offset_ms; // a watermark matters when it passes a multiple; step 0: never
    int64_t next_matter_ms;     // the least watermark that matters
    int64_t last_rows_ms;       // when the source last gave rows
    bool is_idle;               // nobody waits for this task; its readers have been told
    struct splits splits;       // when the source has any, and there is a watermark
    bool has_raised;            // the watermark, by what is no row
    struct head_align align;
    int first_op; // of the rest of the chain
};

// The task's side of checkpoints.
struct task_checkpoint {
    bool is_on;
    bool lingers; // all input is handled, or the job was asked to stop
    struct store store;
    struct copier *copier;          // NULL: not needed yet
    struct buf positions;           // of the report that is being made, when they are long
    bool is_copying;                // a snapshot is under way
    struct control_snapshot report; // of the newest barrier
    uint64_t completed;             // last complete one that has been dealt with
    uint64_t settled;               // last one of which the supervisor knows that it is settled
    int64_t begun_ns, align_ns;     // 0: no alignment under way
};

// Where its bad rows go (task_letters.c).
struct task_letters {
    uint64_t at; // in the arena: the file's length; of a table: have there been letters?
    struct txfile file;
    char path[4096];
    bool is_open;                             // the file
    struct operator* op;                      // of the table; NULL: no letter yet. The chain's
    struct op table_op;                       // what it is opened with
    bool is_new;                              // opened in the open transaction
    const struct rd_kafka_message_s *message; // of the bad row that is being told of; NULL: none
};

// The task's side of what its own deaths have taught (task_trial.c).
struct task_trial {
    struct control_verdict verdict;
    struct row_trial input, output; // what sources and row guards ask
    enum control_site site;
};

// The task's side of latency markers (task_latency.c).
struct task_latency {
    struct latency *record; // NULL: nobody can see it
    int64_t interval_ns;    // of a source; 0: it makes none
    int64_t next_ns;        // when the next one is due; 0: at once
    int64_t idle_ns;        // when one was made without rows
    bool was_idle;          // no rows came since the last one
    uint32_t source;        // stage that the task's rows come from
    struct markers markers;
};

struct task {
    int index, subtask;
    int spare; // waits as this spare; -1: is the task as soon as it owns the arena
    struct job job;
    const struct stage *stage;
    struct control *control;
    struct errlog *errlog;
    struct waiter_owner waiting;
    int64_t core_look_ns; // when to look again who else is on our core; 0: now
    uint64_t wake_calls;  // of others, that this process has made
    struct segment segment;
    void *arena_base;
    uint64_t arena_bytes;
    bool owns;
    pid_t thread;        // ours, as the owner mutex names it
    bool memory_is_lost; // a segment is gone, or not what it should be
    struct arena *arena;
    struct env *env;
    struct chain chain;
    void **warm;                      // one an operator of the stage: made as a spare; or NULL
    struct op_outside outside;        // as source and sink say
    uint32_t outside_news;            // any thread of this process: op_wake has been called
    struct head head;                 // when the stage begins with a source
    struct exchange_reader reader;    // else
    struct exchange_writer *writer;   // NULL: the stage ends with a sink
    struct out_channel *out_channels; // mapped; the writer's, once there is one
    int out_channel_count;
    uint64_t state_at;
    struct task_state state; // private copy
    uint64_t commits, aborts;
    uint64_t rows_before;     // in and out, committed when this process took over
    bool has_served;          // it has committed rows since
    bool is_unsettled;        // it was a spare, and has not gone home yet (task_settle)
    cpu_set_t home;           // where it may run then; empty: anywhere
    struct process_id before; // the process whose death made this one the task; pid 0: not known
    struct task_letters letters;
    enum bad_row_policy policy;
    bool claim_failed;    // the folder had no memory left for the arena
    bool must_fail;       // a bad row under BAD_ROWS_FAIL, or a dead letter that cannot be written
    bool give_up_row;     // the next single row goes to the dead letters instead of the chain
    uint32_t max_rows;    // of the next transaction
    int64_t stop_seen_ns; // 0: nobody has asked
    int64_t orphan_look_ns, orphan_since_ns; // next look at the supervisor; 0: it lives
    bool is_orphaned;                        // it has been gone for too long: end
    int stuck;                               // transactions of one row in a row that did not fit
    uint32_t fits;                           // transactions in a row that did, below BATCH_ROWS
    int64_t next_timer_ms, timers_seen_ms;   // as the chain said when it was last asked, and when
    uint64_t timers_commits;                 // commits by then
    int64_t next_periodic_ms;                // of the watermark
    struct task_checkpoint checkpoint;
    struct task_trial trial;
    struct task_latency latency;
    int64_t blocked_ns; // this process has waited for room: in rings, or outside
    struct err err;
};

// task_open.c
struct op_context task_op_context(struct task *task);
int task_open(struct task *task, const char *job_dir);
void task_close(struct task *task);

// task_wait.c: own the arena. -ECANCELED: a spare is not needed any more, its task has ended.
int task_wait_turn(struct task *task);
// The first rows are through: the process that died gives its memory back behind everybody else.
void task_put_off_dead(struct task *task);
// The first batches are done, or there are none: a spare that took over becomes a process like
// others, in its turns, its place and its name. Once; later calls do nothing.
void task_settle(struct task *task);
// Before anything becomes final: does the mutex still say that this is the task? Where something
// has written over it another process may be the task by now, and this one ends here (SIGABRT).
void task_check_owner(struct task *task);

// task_realtime.c: what the config asks for besides.
void task_lock_memory(struct task *task);
void task_take_priority(struct task *task);

// task_channels.c: the ends of rings. Mapping changes nothing; beginning is for who owns the arena.
int task_channels_map(struct task *task);
int task_channels_fault_in(const struct task *task, uint64_t *bytes);
int task_channels_begin(struct task *task, const struct channel_state *states,
                        const struct op_context *context);
void task_channels_close(struct task *task);

// task_commit.c: make the transaction so far final and visible; or make it never have been.
int task_commit(struct task *task);
void task_abort(struct task *task);
void task_load_state(struct task *task);
void task_publish_all(struct task *task, bool always_wake);
void task_bad_row(void *context, const char *source, uint64_t position, const char *reason,
                  struct slice row);
// An operator says that the job must not go on.
void task_fail(void *context, const char *reason);
// An operator has something to say; it goes to the job's error log.
void task_note(void *context, const char *text);
// Has somebody asked to end where we are? Or at once, whatever is unread? A stop that takes long
// becomes that: the supervisor's patience ends too, and files are to be finished before.
bool task_must_stop(const struct task *task);
bool task_is_cancelled(struct task *task);
// The same without that patience: a last checkpoint may take long, and the supervisor waits for it.
bool task_is_called_off(struct task *task);
// Has the supervisor been gone for recovery.orphan_after? Then end between two transactions, and
// leave everything as it is: the next run goes on from there.
bool task_is_orphaned(struct task *task);

// Which row of the input is row `position` of the batch, for people.
struct row_place task_place_of(const struct task *task, const char *source, uint64_t position,
                               struct slice row);

// task_letters.c, all in a transaction. Find: name the file; at the job's first start: dead letters
// go behind those of earlier runs. Begin: behind chain_open.
int task_find_letters(struct task *task, bool is_first);
int task_begin_letters(struct task *task);
int task_put_letter(struct task *task, const struct dead_letter *letter);
int task_letters_before_commit(struct task *task);
void task_letters_committed(struct task *task);
void task_letters_reset(struct task *task);
void task_letters_close(struct task *task);

// task_trial.c: before anything that rows could kill the task with, note what it is.
void trial_open(struct task *task);
void trial_note(struct task *task, enum control_site site);
// A new transaction on input: row by row? Then max_rows is 1.
void trial_begin_input(struct task *task);
// The one row of a reader's batch, a source's poll. true: it is to be put aside.
bool trial_of_channel_row(struct task *task);
bool trial_of_source_row(struct task *task);
// Put the one row of the reader's batch aside.
void trial_put_aside(struct task *task);

// task_head.c
int head_open(struct task *task, const struct op_context *context);
void head_close(struct head *head);
void head_reset(struct task *task);
// One poll and its transactions. idle->is_idle: nothing to do until then. *ended.
struct head_idle {
    bool is_idle;
    int64_t until_ms; // wall clock; INT64_MAX: not known
    int64_t in_ns;    // from now; 0: not known
};
int head_step(struct task *task, struct head_idle *idle, bool *ended);

// task_align.c
void align_open(struct task *task);
void align_close(struct head *head);
// Once a round: how far are the others? Which of our splits are ahead of them?
void align_look(struct task *task, int64_t now_ms);
// The whole source is ahead: it is not to be read.
bool align_holds(const struct task *task);
// When to look again, should nothing else happen; INT64_MAX: nothing is held back.
int64_t align_until(const struct task *task);
// How far this task is, for the others.
void align_publish(struct task *task);

// task_latency.c: attach, for whoever is or may become the task; begin, for who is.
void task_latency_open(struct task *task);
void task_latency_begin(struct task *task);
void task_latency_close(struct task *task);
// A source: a poll that began at now_ns has given rows, or none.
void task_latency_rows(struct task *task, int64_t now_ns);
void task_latency_idle(struct task *task, int64_t now_ns);
// Put markers that are held into the output, as far as there is room, in the open transaction; then
// say what became of it. Call the first two only where markers.count says that there are some.
void task_latency_send(struct task *task);
void task_latency_committed(struct task *task, int64_t now_ns);
void task_latency_aborted(struct task *task);

// task_checkpoint.c
int checkpoint_open(struct task *task);
void checkpoint_close(struct task *task);
// Between two transactions, once a round: a piece of a snapshot, news from the supervisor.
int checkpoint_poll(struct task *task);
// Nothing else to do. false: no snapshot is under way; else *sleep_ns: how long the task may sleep
// until it looks at it again.
bool checkpoint_is_busy(struct task *task, int64_t *sleep_ns);
// Source: has a barrier been asked for? Pass it on.
int checkpoint_from_source(struct task *task);
// The barrier stands behind all that was handled: pass it on, begin the snapshot.
int checkpoint_pass(struct task *task, uint64_t checkpoint);
// An alignment has begun, or goes on.
void checkpoint_note_alignment(struct task *task);
// The job stops: what the channels hold is read, though a barrier in one of them waits for others.
// That checkpoint is lost.
void checkpoint_forgo(struct task *task);
// All input is handled, or a stop has emptied the channels: wait until that is so for every task,
// what is outside is settled, and what the supervisor then does is done. 0: finish the output;
// -ECANCELED: leave it as it is.
int checkpoint_linger(struct task *task);

// task_outside.c: what operators have outside of this host: news from there, room there,
// connections that a spare makes before it is the task.
void task_wake(void *context); // op_context.wake; any thread
bool task_has_outside_news(const struct task *task);
int task_look_outside(struct task *task); // between two transactions, once a round
bool task_has_room_outside(const struct task *task);
void task_wait_room_outside(struct task *task);
// For people, in the control block.
void task_publish_outside(const struct task *task);
void task_warm(struct task *task);
void task_cool(struct task *task);

// task_sleep.c: waiting, by the job's policy. All of it is for the task's one thread.
struct task_waiting {
    bool (*ready)(void *context);
    void *context;
    int64_t until_ns; // monotonic; it ends earlier, to show a sign of life
    enum control_state state;
    enum waiter_reason reason; // who is to wake it
    bool is_pause;             // nothing is expected before the time is over (waiter_doze)
};
void task_waiting_open(struct task *task);
// Returns what `ready` said last.
bool task_wait_until(struct task *task, const struct task_waiting *waiting);
void task_wait_input(struct task *task);
void task_wait_source(struct task *task, const struct head_idle *idle);
// Something that the loop looks at between two transactions, whatever the task is.
bool task_has_news(const struct task *task);
// The same of who takes checkpoints and requests from the supervisor itself. context: the task.
bool task_source_has_news(void *context);

// task_loop.c
// When the chain is to be asked for timers that are due, wall clock.
int64_t task_timers_due(const struct task *task);
int task_loop(struct task *task);
// Do the work that operators have left, a transaction a piece.
int task_drain_work(struct task *task);
// The chain has seen a watermark inside the open transaction: a first piece of work, here. *more.
int task_watermark(struct task *task, int64_t watermark_ms, bool *more);

#endif
