// asking.c: see asking.h. The supervisor is who holds the lock of the job's folder and stands in
// its control block with pid and start time; a pidfd holds on to it. Whatever becomes of this
// process, the request stays, and is done.
#include "tools/asking.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/env.h"
#include "shm/control.h"

#define MS_NS INT64_C(1000000)

enum {
    LOOK_MS = 20,
    REMIND_MS = 500,     // SIGUSR1 again, until it is taken
    DEAF_MS = 30 * 1000, // then the supervisor does not answer
    START_MS = 60 * 1000,
    EMPTY_MS = 1000, // a folder that is being made, or removed
};

void asking_init(struct asking *asking)
{
    asking->dir = (struct jobdir){.fd = -1, .lock_fd = -1};
    asking->pidfd = asking->request_fd = -1;
}

void asking_fini(struct asking *asking)
{
    jobdir_close(&asking->dir);
    if (asking->pidfd >= 0)
        close(asking->pidfd);
    if (asking->request_fd >= 0)
        close(asking->request_fd);
}

static int64_t now_ms(void)
{
    return env_system()->monotonic_ns(env_system()) / MS_NS;
}

// --- a job that cannot be asked ---

// "alice", or "uid 1001".
static void user_name(uid_t uid, char out[64])
{
    const struct passwd *entry = getpwuid(uid);
    if (entry)
        snprintf(out, 64, "%s", entry->pw_name);
    else
        snprintf(out, 64, "uid %u", (unsigned)uid);
}

// Does a folder of that job lie there for another user? One that cannot be looked into is counted.
static bool find_other_user(const struct config *config, char user[64], int *closed)
{
    DIR *stream = opendir(config->memory.dir);
    bool found = false;
    *closed = 0;
    for (struct dirent *e = stream ? readdir(stream) : NULL; e && !found; e = readdir(stream)) {
        char path[JOBDIR_PATH_BYTES + 512];
        struct stat st;
        if (strncmp(e->d_name, "weir-", 5) != 0 || strtoul(e->d_name + 5, NULL, 10) == getuid())
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", config->memory.dir, e->d_name, config->job);
        if (stat(path, &st) == 0) {
            user_name(st.st_uid, user);
            found = true;
        } else {
            *closed += errno == EACCES;
        }
    }
    if (stream)
        closedir(stream);
    return found;
}

static int not_here(const struct asking *a, struct err *err)
{
    char user[64];
    int closed;
    const char *job = a->config->job;
    if (find_other_user(a->config, user, &closed))
        err_set(err, -EPERM,
                "job '%s' is of user %s, not yours; as that user:  sudo -u %s weir %s %s", job,
                user, user, a->command->name, a->path);
    else if (closed)
        err_set(
            err, -ESRCH,
            "job '%s' does not run (not under this user; there are jobs of others, which cannot "
            "be looked at)",
            job);
    else
        err_set(err, -ESRCH, "job '%s' does not run", job);
    return COMMAND_UNAVAILABLE;
}

// Nobody supervises it, but there is something.
static int left_behind(const struct asking *a, struct err *err)
{
    struct control *control;
    int living = 0, rc = control_attach_reader(a->dir.fd, 0, &control, NULL);
    if (rc == -ENOENT || rc == -ENODATA) {
        err_set(err, -ESRCH, "job '%s' does not run", a->config->job);
        return COMMAND_UNAVAILABLE;
    }
    if (rc == 0) {
        living = control_living_tasks(control);
        control_detach(control);
    }
    if (living)
        err_set(err, -ESRCH,
                "the supervisor of job '%s' was killed, and %d of its tasks run%s on without one: "
                "`weir run %s` takes them over, then it can be asked",
                a->config->job, living, living == 1 ? "s" : "", a->path);
    else
        err_set(err, -ESRCH,
                "job '%s' does not run: it was killed, and its memory is there; `weir run %s` goes "
                "on from it",
                a->config->job, a->path);
    return COMMAND_UNAVAILABLE;
}

// --- finding ---

struct search {
    const char *job;
    bool is_there;
    pid_t holder;
};

static int visit(const struct jobdir_entry *entry, void *context)
{
    struct search *search = context;
    if (strcmp(entry->job, search->job) == 0) {
        search->is_there = true;
        search->holder = entry->holder;
    }
    return 0;
}

// Who holds the lock, when it stands in the control block, too. 1: found; 0: not yet; -errno.
static int open_supervisor(struct asking *a, pid_t holder, struct err *err)
{
    struct control *control;
    int rc = control_attach_reader(a->dir.fd, 0, &control, err);
    if (rc == -ENOENT || rc == -ENODATA)
        return 0; // it is being made
    if (rc < 0)
        return rc;
    a->supervisor = control_supervisor(control);
    control_detach(control);
    if (a->supervisor.pid != holder)
        return 0;
    a->pidfd = process_open(a->supervisor);
    return a->pidfd >= 0;
}

// The same, from the begin. -ENOENT: no such job; -ESRCH: nobody supervises it; -EAGAIN: nobody
// does, and nothing is there that could be supervised; others with a text.
static int look(struct asking *a, struct err *err)
{
    struct search search = {.job = a->config->job};
    char path[JOBDIR_PATH_BYTES];
    int rc = jobdir_list(a->config->memory.dir, visit, &search, err);
    if (rc < 0)
        return rc;
    if (!search.is_there)
        return -ENOENT;
    snprintf(path, sizeof path, "%s/weir-%u/%s", a->config->memory.dir, (unsigned)getuid(),
             a->config->job);
    jobdir_close(&a->dir);
    if (jobdir_attach(path, &a->dir, err) < 0)
        return -ENOENT; // removed meanwhile
    if (search.holder == 0)
        return faccessat(a->dir.fd, "control", F_OK, 0) == 0 ? -ESRCH : -EAGAIN;
    return open_supervisor(a, search.holder, err);
}

int asking_find(struct asking *a, struct err *err)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * MS_NS};
    int64_t until_ms = now_ms() + START_MS, empty_ms = now_ms() + EMPTY_MS;
    for (;;) {
        int rc = look(a, err);
        if (rc == 1)
            return COMMAND_OK;
        if (rc == -ENOENT)
            return not_here(a, err);
        if (rc == -ESRCH || (rc == -EAGAIN && now_ms() > empty_ms))
            return left_behind(a, err);
        if (rc < 0 && rc != -EAGAIN)
            return COMMAND_UNAVAILABLE;
        if (now_ms() > until_ms) {
            err_set(err, -EBUSY,
                    "job '%s' is being started, or its folder is being read; try again",
                    a->config->job);
            return COMMAND_UNAVAILABLE;
        }
        nanosleep(&pause, NULL);
    }
}

// --- asking ---

int asking_post(struct asking *a, const struct request *request,
                enum asking_choice (*choose)(const struct request *ours,
                                             const struct request *theirs, struct err *err),
                struct err *err)
{
    enum { TRIES = 10 };
    bool instead = false;
    int rc = -EEXIST;
    for (int i = 0; i < TRIES && rc == -EEXIST; i++) {
        struct request theirs;
        rc = request_post(a->dir.fd, request, instead, &a->request_fd, err);
        if (rc != -EEXIST)
            break;
        if (request_open(a->dir.fd, &a->request_fd, &theirs, err) == -ENOENT)
            continue; // answered in this very moment
        enum asking_choice choice =
            a->request_fd < 0 ? ASKING_INSTEAD : choose(request, &theirs, err);
        if (choice == ASKING_REFUSED)
            return COMMAND_UNAVAILABLE;
        if (choice == ASKING_JOIN)
            return COMMAND_OK;
        if (a->request_fd >= 0)
            close(a->request_fd);
        instead = true;
    }
    if (rc == -EEXIST)
        err_set(err, rc, "others ask something of the job all the time; try again");
    return rc == 0 ? COMMAND_OK : COMMAND_UNAVAILABLE;
}

static void remind(const struct asking *a)
{
    syscall(SYS_pidfd_send_signal, a->pidfd, SIGUSR1, NULL, 0);
}

static void show_answer(const struct asking *a, const struct buf *line, int status,
                        const char *text)
{
    if (a->json)
        printf("%.*s\n", (int)line->len, line->data);
    else if (status == COMMAND_OK && text)
        puts(text);
    else if (status < 0 && text)
        fprintf(stderr, "weir: %s\n", text);
    fflush(stdout);
}

// One answer. COMMAND_OK .. : it was the last; -1: more will come.
static int take_answer(const struct asking *a, const struct buf *line, struct err *err)
{
    json_t *record = json_loadb(line->data, line->len, 0, NULL);
    const char *answer = json_string_value(json_object_get(record, "answer"));
    const char *text = json_string_value(json_object_get(record, "text"));
    int status = -1;
    if (answer && strcmp(answer, "done") == 0)
        status = COMMAND_OK;
    else if (answer && strcmp(answer, "refused") == 0)
        status = COMMAND_UNAVAILABLE;
    else if (answer && strcmp(answer, "failed") == 0)
        status = COMMAND_FAILED;
    if (a->take)
        a->take(record, a->take_context);
    else
        show_answer(a, line, status, text);
    if (status > 0 && !a->json)
        err_set(err, -ECANCELED, "%s", text ? text : "it was not done");
    json_decref(record);
    return status;
}

// It has ended, or lives no more, without a last word.
static int no_answer(const struct asking *a, struct err *err)
{
    struct stat st;
    if (fstat(a->request_fd, &st) == 0 && st.st_nlink > 0)
        err_set(err, -ESRCH,
                "the supervisor (pid %d) was killed meanwhile; `weir run %s` goes on with what was "
                "asked",
                (int)a->supervisor.pid, a->path);
    else
        err_set(err, -ESRCH,
                "the supervisor (pid %d) has ended without a word; see `weir events %s`",
                (int)a->supervisor.pid, a->path);
    return COMMAND_FAILED;
}

// The request was put into a folder that was about to go.
static int came_too_late(const struct asking *a, struct err *err)
{
    request_withdraw(a->dir.fd, a->request_fd);
    rmdir(a->dir.path); // only when nothing else is in it
    err_set(err, -ESRCH, "job '%s' has just ended", a->config->job);
    return COMMAND_UNAVAILABLE;
}

static int is_deaf(const struct asking *a, struct err *err)
{
    request_withdraw(a->dir.fd, a->request_fd);
    err_set(err, -ETIMEDOUT,
            "the supervisor (pid %d) does not answer: is it stopped (SIGSTOP)? Nothing was done",
            (int)a->supervisor.pid);
    return COMMAND_UNAVAILABLE;
}

// Nothing has been said yet. An exit status: nothing will be; -1: it may come.
static int wait_for_first(const struct asking *a, int64_t began_ms, int64_t *remind_ms,
                          struct err *err)
{
    int64_t now = now_ms();
    if (now > began_ms + DEAF_MS)
        return is_deaf(a, err);
    if (now >= *remind_ms) {
        remind(a);
        *remind_ms = now + REMIND_MS;
    }
    return -1;
}

int asking_wait(struct asking *a, bool until_end, struct err *err)
{
    struct buf line = {0};
    uint64_t at = 0;
    int status = -1;
    bool ended = false, was_taken = false;
    a->end = ASKING_SILENT;
    int64_t began_ms = now_ms(), remind_ms = 0;
    for (;;) {
        bool had_ended = ended; // then all that it has said is there
        while (status < 0 && request_next_answer(a->request_fd, &at, &line)) {
            was_taken = true;
            status = take_answer(a, &line, err);
            a->end = status < 0 ? ASKING_LOST : ASKING_ANSWERED;
        }
        if (status < 0 && had_ended) {
            a->end = was_taken ? ASKING_LOST : ASKING_ENDED;
            status = was_taken ? no_answer(a, err) : came_too_late(a, err);
        } else if (status < 0 && !was_taken) {
            status = wait_for_first(a, began_ms, &remind_ms, err);
        }
        // Who was refused, or never heard, has nothing to wait for.
        if (status >= 0 && (!until_end || had_ended || status == COMMAND_UNAVAILABLE))
            break;
        struct pollfd end = {.fd = a->pidfd, .events = POLLIN};
        ended = poll(&end, 1, LOOK_MS) > 0;
    }
    buf_fini(&line);
    return status;
}
