// doctor_arena.c: `weir doctor --arena`: is the memory of a job sound? What a task looks at after a
// crash by signal, by hand.
//
// It takes no lock and changes nothing: an arena is mapped as a private copy, in which the
// transaction that a dead task has left open is undone as its replacement would do it. A task that
// runs changes its arena while one looks, so its header is all that can be judged, unless the
// process is stopped (kill -STOP): then it stands between two instructions, as after a kill.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/state/arena.h"
#include "shm/budget.h"
#include "shm/control.h"
#include "shm/errlog.h"
#include "shm/ring.h"
#include "shm/segment.h"
#include "stages/runtime/job.h"
#include "tools/doctor.h"
#include "tools/placement.h"

// A job whose memory is looked at.
struct patient {
    struct doctor *doctor;
    struct job job; // its own text and plan, whatever the config says now
    struct control *control;
    const char *advice;
};

// --- processes ---

// Does the process stand still because it was told to?
static bool is_stopped(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] == ' ' && (name_end[2] == 'T' || name_end[2] == 't');
}

// --- a task's arena ---

static int refuse_claim(void *context, uint64_t from, uint64_t to)
{
    (void)context;
    (void)from;
    (void)to;
    return -ENOSPC; // nothing is to be put there
}

static int check_mapped(void *base, uint64_t bytes, uint64_t fingerprint, uint64_t *used,
                        struct err *err)
{
    const struct arena_options options = {.fingerprint = fingerprint, .claim = refuse_claim};
    struct arena *arena = NULL;
    int rc = arena_open(base, bytes, &options, &arena, err);
    if (rc == 0)
        rc = arena_check(arena, err);
    if (rc == 0)
        *used = arena_used_bytes(arena);
    arena_close(arena);
    return rc;
}

// What is in a copy of the arena, as its next owner would find it. *used: bytes of state.
static int check_arena(const struct segment *segment, uint64_t fingerprint, uint64_t *used,
                       struct err *err)
{
    uint64_t bytes = segment->bytes - SEGMENT_PAGE_BYTES;
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, segment->fd,
                      SEGMENT_PAGE_BYTES);
    if (base == MAP_FAILED)
        return err_set(err, -errno, "cannot map segment %s: %s", segment->name, strerror(errno));
    int rc = check_mapped(base, bytes, fingerprint, used, err);
    munmap(base, bytes);
    return rc < 0 ? err_prefix(err, rc, "segment %s", segment->name) : 0;
}

// The rings that the task writes to.
static int check_rings(const struct patient *p, int task, int *count, struct err *err)
{
    int subtask, rc = 0;
    const struct plan *plan = p->job.plan;
    const struct stage *stage = plan_stage_of(plan, task, &subtask);
    int e = stage->output_exchange;
    int readers = e < 0 ? 0 : plan->stages[plan->exchanges[e].to_stage].parallelism;
    for (int to = 0; to < readers && rc == 0; to++) {
        char name[64];
        if (!job_has_channel(plan, e, subtask, to))
            continue;
        job_ring_name(e, subtask, to, name);
        int fd = job_ring_open(&p->job.dir, name, err);
        if (fd < 0)
            return fd;
        rc = ring_check(fd, plan->fingerprint, err);
        close(fd);
        if (rc < 0)
            err_prefix(err, rc, "%s", name);
        ++*count;
    }
    return rc;
}

static void say_sound(const struct patient *p, int task, const struct segment *segment,
                      uint64_t used, int rings)
{
    char name[JOB_NAME_BYTES], of[32], all[32], what[32], text[256];
    snprintf(what, sizeof what, "task %d", task);
    job_task_name(p->job.plan, task, name);
    snprintf(text, sizeof text, "%s: sound; %s of %s used, rings written to: %d", name,
             budget_format_bytes(used, of), budget_format_bytes(segment->bytes, all), rings);
    doctor_say(p->doctor, DOCTOR_OK, what, text, NULL);
}

static void say_running(const struct patient *p, int task, const char *what, pid_t pid)
{
    char name[JOB_NAME_BYTES], text[256], advice[256];
    job_task_name(p->job.plan, task, name);
    snprintf(text, sizeof text, "%s: runs, pid %d; header and rings are whole, the rest changes",
             name, (int)pid);
    snprintf(advice, sizeof advice,
             "to have all of it checked stop the job, or the task for a moment: kill -STOP %d, "
             "this, kill -CONT %d; within recovery.hang_after, or it is replaced",
             (int)pid, (int)pid);
    doctor_say(p->doctor, DOCTOR_OK, what, text, advice);
}

static bool task_runs(const struct patient *p, int task, pid_t *pid)
{
    struct control_view view;
    control_view(p->control, task, &view);
    *pid = view.process.pid;
    return process_alive(view.process) && !is_stopped(*pid);
}

// On a host of several nodes: where is it?
static void say_where(const struct patient *p, int task)
{
    char what[32];
    struct buf where = {0};
    struct control_view view;
    control_view(p->control, task, &view);
    snprintf(what, sizeof what, "task %d is on", task);
    if (placement_describe(&p->job.dir, p->job.plan, &view, task, &where))
        doctor_say(p->doctor, DOCTOR_OK, what, buf_str(&where), NULL);
    buf_fini(&where);
}

static void look_at_task(const struct patient *p, int task)
{
    struct err err = {.text = ""};
    struct segment segment = {.fd = -1};
    char what[32], name[64];
    uint64_t used = 0, fingerprint = p->job.plan->fingerprint;
    int rings = 0;
    pid_t pid, later;
    job_arena_name(task, name);
    snprintf(what, sizeof what, "task %d", task);
    bool runs = task_runs(p, task, &pid);
    const struct segment_spec spec = {p->job.dir.fd, name, "arena", ARENA_VERSION, fingerprint};
    int rc = segment_open(&spec, false, &segment, &err);
    if (rc == 0)
        rc = check_rings(p, task, &rings, &err);
    if (rc == 0 && !runs) {
        rc = check_arena(&segment, fingerprint, &used, &err);
        // It may have gone on, or begun, meanwhile: then nothing that was seen counts.
        runs = task_runs(p, task, &later) || later != pid;
        rc = runs ? 0 : rc;
        pid = later;
    }
    if (rc < 0)
        doctor_say(p->doctor, DOCTOR_BROKEN, what, err.text, p->advice);
    else if (runs)
        say_running(p, task, what, pid);
    else
        say_sound(p, task, &segment, used, rings);
    segment_close(&segment);
    say_where(p, task);
}

// --- the job ---

static void look_at_shared(const struct patient *p)
{
    struct err err = {.text = ""};
    struct errlog *errlog = NULL;
    if (errlog_attach(p->job.dir.fd, p->job.plan->fingerprint, -1, &errlog, &err))
        doctor_say(p->doctor, DOCTOR_BROKEN, "error log", err.text, p->advice);
    else
        doctor_say(p->doctor, DOCTOR_OK, "error log", "whole", NULL);
    errlog_detach(errlog);
}

static void look_at_job(struct patient *p, const char *path)
{
    struct err err = {.text = ""};
    if (job_attach(path, &p->job, &err)) {
        doctor_say(p->doctor, DOCTOR_BROKEN, "job text", err.text, p->advice);
        return;
    }
    if (control_attach_reader(p->job.dir.fd, p->job.plan->fingerprint, &p->control, &err)) {
        doctor_say(p->doctor, DOCTOR_BROKEN, "control block", err.text, p->advice);
    } else {
        doctor_say(p->doctor, DOCTOR_OK, "control block", "whole", NULL);
        look_at_shared(p);
        for (int task = 0; task < p->job.plan->task_count; task++)
            look_at_task(p, task);
        control_detach(p->control);
    }
    job_detach(&p->job);
}

struct search {
    const char *job;
    char path[JOBDIR_PATH_BYTES];
};

static int find_job(const struct jobdir_entry *entry, void *context)
{
    struct search *search = context;
    if (strcmp(entry->job, search->job) != 0 || entry->segment_count == 0)
        return 0;
    snprintf(search->path, sizeof search->path, "%s", entry->path);
    return 1;
}

int doctor_arena(struct doctor *doctor, const char *memory_dir, const char *job,
                 bool makes_checkpoints, struct err *err)
{
    struct search search = {.job = job};
    struct patient patient = {
        .doctor = doctor,
        .advice = makes_checkpoints
                      ? "weir run takes what is connected with it back to the last checkpoint"
                      : "the job makes no checkpoints: weir run begins anew"};
    int rc = jobdir_list(memory_dir, find_job, &search, err);
    if (rc < 0)
        return rc;
    if (search.path[0])
        look_at_job(&patient, search.path);
    else
        doctor_say(doctor, DOCTOR_OK, "memory", "the job holds none", NULL);
    return 0;
}
