// run.c: `weir run`: compile, promise memory, make segments, supervise to the end, clean up.
//
// Nothing is started before everything that can be refused has been refused. The job's folder is
// removed at the end, however the job ended; only a SIGKILL of this very process leaves it, with
// tasks that run on, and the next run of the job takes them over (remains.c).
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/env.h"
#include "stages/runtime/chain.h"
#include "stages/runtime/job_folders.h"
#include "stages/runtime/job_place.h"
#include "tools/command.h"
#include "tools/conclude.h"
#include "tools/cores.h"
#include "tools/handover.h"
#include "tools/job_memory.h"
#include "tools/memory_dir.h"
#include "tools/metrics.h"
#include "tools/placement.h"
#include "tools/progress.h"
#include "tools/realtime.h"
#include "tools/region.h"
#include "tools/remains.h"
#include "tools/resume.h"
#include "tools/service.h"
#include "tools/settings.h"

enum {
    TICK_MS = 250,          // somebody watches: a person, a program, a service manager
    TICK_QUIET_MS = 1000,   // else
    START_S = 600,          // a service may take so long to read a checkpoint
    SPARES_AFTER_MS = 1000, // `auto`: a job that is over by then needs none
    WHERE_AFTER_MS = 1000,  // tasks have memory by then
    SAVEPOINT_S = 600,      // what a service manager is asked for
};

// One run, from the loaded job to the result.
struct run {
    const struct job_load *load;
    const struct arguments *arguments;
    struct job_memory memory;
    struct jobdir dir;
    struct resume resume;
    struct supervisor_restart_options restart;
    struct progress progress;
    struct metrics metrics;
    struct service service; // whoever started this run as a service hears of it
    struct supervisor_result result;
    struct progress_totals totals;
    const struct job_folders *folders;
    struct placement placement;
    enum job_lock lock;
    int64_t where_ns; // when to say where tasks and memory are; 0: said, or nobody asks
    struct request_box requests;
    bool has_begun;    // --fresh and --from are done: what is lost now goes back to the newest
    bool from_memory;  // of an earlier run
    bool keeps_memory; // refused: what an earlier run has left stays
    struct remains_losses losses; // of what an earlier run has left
};

static int64_t now_ns(void)
{
    return env_system()->monotonic_ns(env_system());
}

// Does a person read what is said on stderr?
static bool is_talkative(const struct run *run)
{
    return run->progress.mode != PROGRESS_JSON && run->progress.mode != PROGRESS_QUIET;
}

static bool is_watched(const struct run *run)
{
    return run->progress.mode == PROGRESS_LIVE || run->progress.mode == PROGRESS_JSON ||
           run->service.fd >= 0;
}

// Names of the tasks, one allocation that the caller frees with free().
static const char **task_names(const struct plan *plan)
{
    size_t count = (size_t)plan->task_count;
    const char **names = malloc(count * (sizeof(char *) + JOB_NAME_BYTES));
    CHECK(names);
    char *text = (char *)(names + count);
    for (int task = 0; task < plan->task_count; task++, text += JOB_NAME_BYTES) {
        job_task_name(plan, task, text);
        names[task] = text;
    }
    return names;
}

// How far each task is from the sources: one int a task, the caller's to free.
static int *task_levels(const struct plan *plan)
{
    int *stages = calloc((size_t)plan->stage_count, sizeof *stages);
    int *tasks = calloc((size_t)plan->task_count, sizeof *tasks);
    CHECK(stages && tasks);
    for (int pass = 0; pass < plan->stage_count; pass++) // no way is longer than that
        for (int e = 0; e < plan->exchange_count; e++) {
            int above = stages[plan->exchanges[e].from_stage] + 1;
            int *level = &stages[plan->exchanges[e].to_stage];
            *level = *level > above ? *level : above;
        }
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].parallelism; i++)
            tasks[plan->stages[s].first_task + i] = stages[s];
    free(stages);
    return tasks;
}

static void read_totals(struct run *run)
{
    struct control *control = NULL;
    if (control_attach_reader(run->dir.fd, run->load->plan->fingerprint, &control, NULL))
        return;
    progress_add_up(run->load->plan, control, &run->totals);
    control_detach(control);
}

static struct coordinator_options checkpoint_options(struct run *run, const char *sql,
                                                     const char *command)
{
    const struct checkpoint_settings *settings = &run->resume.settings;
    const struct job_options *options = &run->memory.options;
    return (struct coordinator_options){
        .store = &run->resume.store,
        .interval_ms = settings->interval_ms,
        .min_pause_ms = settings->min_pause_ms,
        .timeout_ms = settings->timeout_ms,
        .retain = settings->retain,
        .tolerable_failures = settings->tolerable_failures,
        .job = {.job = options->job_name,
                .fingerprint = run->load->plan->fingerprint,
                .state_bytes = options->state_bytes,
                .cores = options->cores,
                .version = WEIR_VERSION,
                .command = command,
                .sql = sql},
        .restored =
            run->resume.is_restored || run->resume.has_newest ? &run->resume.manifest : NULL,
    };
}

// A job whose events cannot be kept runs all the same.
static struct events *open_events(const struct run *run)
{
    struct events *events = NULL;
    struct err err = {0};
    const char *path = run->load->config->recovery.events;
    if (events_open(path, EVENTS_FILE_BYTES, &events, &err) && is_talkative(run))
        fprintf(stderr, "weir: events are not kept: %s\n", err.text);
    return events;
}

static struct remains_context remains_of(struct run *run)
{
    return (struct remains_context){&run->dir, run->load, run->arguments, &run->resume.settings};
}

// A segment is gone or damaged: the job can go back to its last checkpoint, if it makes any.
static bool memory_is_lost(const struct run *run, int code)
{
    return code == -ECANCELED && run->result.exit_status == SUPERVISOR_EXIT_MEMORY &&
           run->resume.is_on;
}

// Once, when the tasks have begun to use their memory.
static void say_where(struct run *run, const struct control *control)
{
    const struct plan *plan = run->load->plan;
    struct buf where = {0};
    run->where_ns = 0;
    for (int task = 0; task < plan->task_count; task++) {
        struct control_view view;
        control_view(control, task, &view);
        buf_clear(&where);
        if (!placement_describe(&run->dir, plan, &view, task, &where))
            break;
        fprintf(stderr, "weir: task %d: %s\n", task, buf_str(&where));
    }
    buf_fini(&where);
}

static void on_tick(const struct control *control, void *context)
{
    struct run *run = context;
    if (run->where_ns && now_ns() >= run->where_ns)
        say_where(run, control);
    progress_tick(control, &run->progress);
    metrics_tick(&run->metrics, now_ns());
    service_tick(&run->service, &run->progress, control, now_ns());
}

static void on_event(const struct supervisor_event *event, void *context)
{
    struct run *run = context;
    progress_event(event, &run->progress);
    service_event(&run->service, event);
}

// Which cores, and which memory goes with a task that is moved. The segments are the caller's to
// free.
static void set_places(const struct run *run, struct supervisor_options *out)
{
    out->cpus = run->placement.cpus;
    out->housekeeping = &run->placement.housekeeping;
    out->may_use = cores_may_use;
    out->nodes = nodes_system();
    out->segments = job_segments(run->load->plan, &out->segment_count);
}

static int supervise_once(struct run *run, bool adopts, struct err *err)
{
    const struct plan *plan = run->load->plan;
    const char **names = task_names(plan);
    int *levels = task_levels(plan), *regions = job_regions(plan);
    struct buf sql = {0}, command = {0};
    buf_append(&sql, run->memory.options.sql.ptr, run->memory.options.sql.len);
    buf_printf(&command, "weir run %s", run->arguments->path);
    const struct coordinator_options checkpoints =
        checkpoint_options(run, buf_str(&sql), buf_str(&command));
    struct region_context region = {&run->dir, plan, &run->memory.options, &run->resume.store};
    struct supervisor_options options = {
        .dir = &run->dir,
        .job_fingerprint = plan->fingerprint,
        .task_count = plan->task_count,
        .names = names,
        .levels = levels,
        .checkpoints = run->resume.is_on ? &checkpoints : NULL,
        .settles = run->resume.is_on && chain_plan_settles(plan),
        .restart = run->restart,
        .regions = regions,
        .adopts = adopts,
        .lost = run->from_memory ? run->losses.tasks : NULL,
        .lost_text = run->losses.why.text,
        .remake = run->resume.is_on ? region_remake : NULL,
        .examine = region_examine,
        .remake_context = &region,
        .requests = &run->requests,
        .config = run->arguments->path,
        .was_replaced = run->arguments->lock_fd > 0,
        .kept_fds = run->folders->fds,
        .kept_count = run->folders->count,
        .spares = job_memory_spares(&run->memory, run->load->config),
        .spares_after_ms = run->load->config->recovery.spares == CONFIG_AUTO ? SPARES_AFTER_MS : 0,
        .hang_after_ms = (int)run->load->config->recovery.hang_after_ms,
        .tick_ms = service_tick_ms(&run->service, is_watched(run) ? TICK_MS : TICK_QUIET_MS),
        .on_tick = on_tick,
        .on_event = on_event,
        .context = run,
    };
    set_places(run, &options);
    struct errlog *errlog = NULL; // without it the job runs all the same
    errlog_attach(run->dir.fd, plan->fingerprint, -1, &errlog, NULL);
    run->progress.errlog = errlog;
    options.errlog = errlog;
    options.events = open_events(run);
    progress_begin(&run->progress, now_ns());
    if (run->arguments->verbose && is_talkative(run))
        run->where_ns = now_ns() + WHERE_AFTER_MS * 1000000;
    int code = supervisor_run(&options, &run->result, err);
    progress_notes(&run->progress);
    events_close(options.events);
    errlog_detach(errlog);
    buf_fini(&run->progress.told);
    read_totals(run);
    bool has_ended = run->result.end != SUPERVISOR_END_REPLACED;
    if ((!code && has_ended) || code == -ECANCELED)
        progress_summary(&run->progress, &run->totals, &run->result, now_ns());
    buf_fini(&command);
    buf_fini(&sql);
    free((void *)(uintptr_t)options.segments);
    free(regions);
    free(levels);
    free(names);
    return code;
}

// Another program is to supervise the job from now on. Where this process cannot become it, it goes
// on as it is.
static int supervise(struct run *run, struct err *err)
{
    struct err why = {.text = ""};
    int code = supervise_once(run, run->from_memory, err);
    while (!code && run->result.end == SUPERVISOR_END_REPLACED) {
        const struct handover handover = {run->requests.request.path, run->result.program_fd,
                                          run->dir.lock_fd, run->arguments};
        service_hand_on(&run->service);
        metrics_close(&run->metrics); // the new program has its own
        handover_exec(&handover, &why);
        service_keep();
        metrics_open(&run->metrics, NULL);
        command_complain(&why);
        request_answer(&run->requests, REQUEST_FAILED, NULL, why.text);
        close(run->result.program_fd);
        run->from_memory = false; // what was lost then is there by now
        code = supervise_once(run, true, err);
    }
    return code;
}

static void answer_request(struct run *run, int status, const struct err *err)
{
    const struct conclusion conclusion = {
        &run->requests,       &run->result,
        run->load->plan,      run->resume.is_on ? &run->resume.store : NULL,
        run->arguments->path, status};
    if (conclude_wants_savepoint(&run->requests))
        service_extend(&run->service, "writing the savepoint", SAVEPOINT_S);
    conclude(&conclusion, err);
}

// A finished job needs no checkpoint; a stopped one goes on from its last.
static int end_checkpoints(struct run *run, struct err *err)
{
    if (!run->resume.is_on)
        return COMMAND_OK;
    if (run->result.end == SUPERVISOR_END_FINISHED)
        return store_remove_all(&run->resume.store, err) ? COMMAND_FAILED : COMMAND_OK;
    if (run->result.end == SUPERVISOR_END_STOPPED && is_talkative(run) &&
        run->result.last_checkpoint)
        fprintf(
            stderr,
            "weir: stopped at checkpoint %llu%s; `weir run %s` goes on from there, with --fresh "
            "it begins anew\n",
            (unsigned long long)run->result.last_checkpoint, conclude_unsettled(&run->result),
            run->arguments->path);
    return COMMAND_OK;
}

// What the tasks are told, and how their memory is made, besides what job_memory_plan knows.
static void set_options(struct run *run)
{
    struct job_options *options = &run->memory.options;
    options->nodes = nodes_system();
    options->cpus = run->placement.cpus;
    options->lock = run->lock;
    options->is_fifo = run->load->config->placement.priority == CONFIG_PRIORITY_FIFO;
    if (!run->resume.is_on)
        return;
    run->memory.options.checkpoint_dir = run->resume.store.dir;
    run->memory.options.checkpoint_engine = run->resume.settings.engine;
}

static int exit_status_of(const struct run *run, int code)
{
    if (code == -ECANCELED && run->result.exit_status == SUPERVISOR_EXIT_CONFIG)
        return COMMAND_CONFIG;
    return COMMAND_FAILED;
}

// The job anew, or from a checkpoint. The folder is empty. *again: its memory was lost.
static int run_from_disk(struct run *run, bool was_killed, bool *again, struct err *err)
{
    *again = false;
    const struct arguments *a = run->arguments;
    const bool fresh = a->fresh && !run->has_begun;
    if (resume_open(run->load, &run->resume.settings, fresh, &run->resume, err))
        return COMMAND_UNAVAILABLE;
    if (run->resume.is_finished) {
        fprintf(stderr,
                "weir: the last run of %s had handled all its input; its output is complete "
                "now. Run again to start over.\n",
                run->load->config->job);
        return COMMAND_OK;
    }
    if (job_memory_plan(run->load, &run->memory, err))
        return COMMAND_UNAVAILABLE;
    set_options(run);
    const struct resume_job job = {&run->dir,
                                   run->load,
                                   &run->memory,
                                   run->has_begun ? 0 : a->from,
                                   run->has_begun ? NULL : a->savepoint,
                                   a->allow_new_state};
    service_starting(&run->service, "making the job's memory, from its last checkpoint if any",
                     START_S);
    int code = resume_create_job(&run->resume, &job, err);
    if (code)
        return code == -ESTALE ? COMMAND_CONFIG : COMMAND_UNAVAILABLE;
    run->has_begun = true;
    if (was_killed && !run->resume.has_state && is_talkative(run))
        fputs("weir: this run reads its input from the begin; what the earlier one wrote stays, so "
              "rows may come twice\n",
              stderr);
    code = supervise(run, err);
    run->keeps_memory = run->result.left_behind > 0;
    if (!code)
        return end_checkpoints(run, err);
    *again = memory_is_lost(run, code);
    return exit_status_of(run, code);
}

// The job as an earlier run has left it. *again: now it is to begin from the disk: that run had
// been stopping, or the memory cannot be used after all.
static int run_from_memory(struct run *run, bool *again, struct err *err)
{
    const struct remains_context remains = remains_of(run);
    if (resume_open(run->load, &run->resume.settings, false, &run->resume, err))
        return COMMAND_UNAVAILABLE;
    resume_find_newest(&run->resume, run->load->plan);
    set_options(run);
    if (remains_prepare(&remains, &run->memory.options, err))
        return COMMAND_UNAVAILABLE;
    run->from_memory = true;
    int code = supervise(run, err);
    run->from_memory = false;
    // Where it could not be supervised at all, another run may be able to.
    run->keeps_memory = (code && code != -ECANCELED) || run->result.left_behind;
    *again = memory_is_lost(run, code);
    if (code)
        return exit_status_of(run, code);
    *again = run->result.ended_earlier && run->result.stop_signal == 0 &&
             !conclude_wants_savepoint(&run->requests); // that was to be the end of it
    if (*again)
        answer_request(run, COMMAND_OK, err);
    return *again ? COMMAND_OK : end_checkpoints(run, err);
}

// What comes next begins with an empty folder, and with nothing known of the disk.
static int begin_over(struct run *run, int status, struct err *err)
{
    const struct remains_context remains = remains_of(run);
    const struct checkpoint_settings settings = run->resume.settings;
    bool is_quiet = run->resume.is_quiet;
    if (status)
        remains_complain(&remains, err->text);
    if (remains_clear(&remains, NULL, err))
        return COMMAND_UNAVAILABLE;
    resume_fini(&run->resume);
    run->resume = (struct resume){.is_quiet = is_quiet, .settings = settings};
    return COMMAND_OK;
}

// What the job's folder is needed for; the caller holds its lock and removes it afterwards.
static int run_locked(struct run *run, struct err *err)
{
    enum { LOSSES_MAX = 3 };
    const struct remains_context remains = remains_of(run);
    bool was_killed = run->dir.stale, goes_on = false, again = false;
    int status = was_killed ? remains_look(&remains, &goes_on, &run->losses, err) : COMMAND_OK;
    if (status)
        return status;
    if (goes_on) {
        status = run_from_memory(run, &again, err);
        if (!again || begin_over(run, status, err))
            return again ? COMMAND_UNAVAILABLE : status;
        was_killed = status != COMMAND_OK;
    }
    run->keeps_memory = false;
    for (int losses = 0; losses <= LOSSES_MAX; losses++) {
        status = run_from_disk(run, was_killed, &again, err);
        if (!again)
            return status;
        if (begin_over(run, status, err))
            return COMMAND_UNAVAILABLE;
        was_killed = true;
    }
    return status;
}

// Nobody else may run this job, in whatever folder its memory is, nor write where it writes.
static int claim_folders(const struct run *run, const struct job_options *options,
                         struct job_folders *out, struct err *err)
{
    const struct config *config = run->load->config;
    int code = config->memory.is_auto ? memory_dir_check(config->job, config->memory.dir, err) : 0;
    return code ? code : job_folders_claim(run->load->plan, options, run->dir.path, out, err);
}

// What this user may have of the host. What is done without is said.
static int ask_host(struct run *run, struct err *err)
{
    const struct config *config = run->load->config;
    struct err note = {.text = ""};
    int code = realtime_check_priority(config, err);
    if (code == 0 &&
        realtime_choose_lock(config, run->load->plan, &run->memory.options, &run->lock, &note))
        return err_set(err, -EPERM, "%s", note.text);
    if (code == 0 && note.text[0] && is_talkative(run))
        command_complain(&note);
    if (code == 0 &&
        placement_check(nodes_system(), run->placement.cpus, run->load->plan->task_count, &note) &&
        is_talkative(run))
        command_complain(&note);
    return code;
}

static int read_settings(struct run *run, struct err *err)
{
    int code = checkpoint_settings_read(run->load, &run->resume.settings, err);
    if (code == 0)
        code = settings_restart(run->load, &run->restart, err);
    return code ? code
                : placement_read(run->load->config, run->load->plan->task_count, &run->placement,
                                 err);
}

// The same with its metrics, where somebody wants them.
static int run_served(struct run *run, struct err *err)
{
    const struct config *config = run->load->config;
    run->metrics = (struct metrics){config->metrics.listen, run->dir.path, config->job, .fd = -1};
    int code = metrics_open(&run->metrics, err);
    if (code)
        return code == -EINVAL ? COMMAND_CONFIG : COMMAND_UNAVAILABLE;
    code = run_locked(run, err);
    metrics_close(&run->metrics);
    return code;
}

static int run_prepared(struct run *run, struct err *err)
{
    struct err ignored;
    const struct config *config = run->load->config;
    struct job_options options = job_memory_options(run->load);
    if (read_settings(run, err))
        return COMMAND_CONFIG;
    int rc = job_check(run->load->plan, &options, err);
    if (rc)
        return job_check_status(rc);
    if (metrics_check(config->metrics.listen, err))
        return COMMAND_CONFIG;
    if (job_memory_plan(run->load, &run->memory, err) || ask_host(run, err))
        return COMMAND_UNAVAILABLE;
    int lock_fd = run->arguments->lock_fd;
    int code = lock_fd > 0 ? jobdir_reopen(config->memory.dir, config->job, lock_fd, &run->dir, err)
                           : jobdir_open(config->memory.dir, config->job, &run->dir, err);
    if (code == -ENOSPC) // not even room for the lock: say how much is asked and there
        job_memory_check(&run->memory, err);
    if (code)
        return COMMAND_UNAVAILABLE;
    run->requests = (struct request_box){.dir_fd = run->dir.fd, .fd = -1};
    run->keeps_memory = run->dir.stale; // until it is known what becomes of it
    struct job_folders folders;
    int status = COMMAND_UNAVAILABLE;
    if (!claim_folders(run, &options, &folders, err)) {
        run->folders = &folders;
        status = run_served(run, err);
        answer_request(run, status, err);
        service_ending(&run->service, status ? err->text : NULL);
        job_folders_release(&folders);
    }
    if (run->keeps_memory)
        jobdir_close(&run->dir);
    else if (jobdir_remove(&run->dir, status ? &ignored : err) && !status)
        status = COMMAND_FAILED;
    return status;
}

// Where the summary says that bad rows are; NULL: nowhere.
static const char *dead_letter_of(const struct job_load *load)
{
    struct job_options options = job_memory_options(load);
    if (!job_uses_dead_letters(load->plan, &options))
        return NULL;
    return load->plan->letters ? load->plan->letters->name : options.dead_letter_dir;
}

static int run_loaded(const struct job_load *load, const struct arguments *arguments,
                      struct err *err)
{
    struct run run = {
        .load = load,
        .arguments = arguments,
        .resume = {.is_quiet = arguments->quiet || arguments->json},
        .progress = {.mode = progress_choose_mode(load->plan, arguments->json, arguments->quiet),
                     .verbose = arguments->verbose,
                     .plan = load->plan,
                     .job = load->config->job,
                     .dead_letter = dead_letter_of(load)},
    };
    struct err why;
    if (service_open(&run.service, &why))
        command_complain(&why);
    int status = run_prepared(&run, err);
    if (status) // also what was refused before there was a job
        service_ending(&run.service, err->text);
    service_close(&run.service);
    resume_fini(&run.resume);
    free(run.losses.tasks);
    placement_fini(&run.placement);
    return status;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    // A reader of ours that goes away must not kill the supervisor before its tasks.
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN); // until the supervisor waits for it: `weir savepoint` sends it
    signal(SIGXFSZ, SIG_IGN); // a limit of file sizes is an error of the write (ulimit -f)
    return job_command(command, argc, argv, run_loaded);
}

const struct command command_run = {
    .name = "run",
    .summary = "run a job to its end, or until Ctrl-C",
    .restores = true,
    .usage =
        "usage: weir run [--json] [--quiet] [--verbose] [--fresh | --from N|DIR]\n"
        "                [--allow-new-state] JOB.yaml\n\n"
        "Run the job. Results go to stdout or where the SQL says; what happens on the way and the\n"
        "summary go to stderr. SIGINT and SIGTERM end the job between two batches.\n\n"
        "  --json   progress, events and summary as JSON lines on stderr\n"
        "  --quiet  errors only\n"
        "  --verbose  a line for each checkpoint\n"
        "  --fresh  forget the checkpoints of earlier runs, begin anew\n"
        "  --from N go on from checkpoint N instead of the newest\n"
        "  --from DIR  go on from the savepoint in DIR (weir savepoint), at any parallelism\n"
        "  --allow-new-state  of a script that has changed: keep the state that still fits, begin\n"
        "           the rest empty, and say which is which\n\n"
        "The live line: rows read and rows/s, the watermark, how far it is behind the newest row\n"
        "(lag), tasks that still run.\n\n"
        "example:\n\n"
        "  weir run uv.yaml >uv.txt\n"
        "  kill -9 $(pgrep -f 'weir task' | head -n 1)    # in another terminal: nothing is lost\n",
    .run = run_command,
};
