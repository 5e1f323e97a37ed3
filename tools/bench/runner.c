// runner.c: see runner.h.
#include "tools/bench/runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/memory_dir.h"

enum { ATTACH_S = 60, STOP_S = 60, LOOKS_A_SECOND = 100, TRIES_A_SECOND = 1000 };

int runner_make(struct runner *runner, const struct bench_options *options, struct err *err)
{
    static int number;
    const char *parent = options->folder ? options->folder : getenv("TMPDIR");
    *runner = (struct runner){.job_fd = -1};
    snprintf(runner->job, sizeof runner->job, "weir-bench-%d-%d", (int)getpid(), number++);
    snprintf(runner->folder, sizeof runner->folder, "%s/%s-XXXXXX",
             parent && *parent ? parent : "/tmp", runner->job);
    if (!mkdtemp(runner->folder)) {
        int code = -errno;
        err_set(err, code, "a folder like %s cannot be made: %s", runner->folder, strerror(-code));
        *runner->folder = '\0';
        return code;
    }
    snprintf(runner->config, sizeof runner->config, "%s/job.yaml", runner->folder);
    if (options->memory_dir)
        snprintf(runner->memory_dir, sizeof runner->memory_dir, "%s", options->memory_dir);
    else
        memory_dir_find(runner->job, runner->memory_dir);
    return 0;
}

int runner_own(struct runner *runner, const char *path, struct err *err)
{
    struct config *config;
    *runner = (struct runner){.job_fd = -1};
    int rc = config_load(path, &config, err);
    if (rc < 0)
        return -EINVAL; // status 78, whatever it was
    snprintf(runner->config, sizeof runner->config, "%s", path);
    snprintf(runner->job, sizeof runner->job, "%s", config->job);
    snprintf(runner->memory_dir, sizeof runner->memory_dir, "%s", config->memory.dir);
    config_free(config);
    return 0;
}

FILE *runner_create(const struct runner *runner, const char *name, struct err *err)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", runner->folder, name);
    FILE *file = fopen(path, "wxe");
    if (!file)
        err_set(err, -errno, "%s cannot be made: %s", path, strerror(errno));
    return file;
}

int runner_spawn(struct runner *runner, struct err *err)
{
    char *argv[] = {"/proc/self/exe", "run", "--quiet", runner->config, NULL};
    return side_exec(&runner->weir, argv, err);
}

// Has `weir run` ended? Its status then, else -1.
static int reap(struct runner *runner)
{
    struct rusage usage;
    int status;
    if (runner->weir.pid <= 0 || wait4(runner->weir.pid, &status, WNOHANG, &usage) <= 0)
        return -1;
    runner->weir.pid = 0;
    runner->cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int refused(const struct runner *runner, int status, struct err *err)
{
    if (status == COMMAND_UNAVAILABLE)
        return err_set(err, -ENOTSUP, "weir refuses the job here, see above");
    return err_set(err, status == COMMAND_CONFIG ? -EINVAL : -EIO,
                   "weir run %s ended with status %d, see above", runner->config, status);
}

static bool try_attach(struct runner *runner)
{
    char path[PATH_MAX + 128];
    struct err ignored;
    snprintf(path, sizeof path, "%s/weir-%u/%s", runner->memory_dir, (unsigned)getuid(),
             runner->job);
    if (runner->job_fd < 0)
        runner->job_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (runner->job_fd < 0)
        return false;
    if (control_attach_reader(runner->job_fd, 0, &runner->control, &ignored) == 0 &&
        control_supervisor(runner->control).pid == runner->weir.pid)
        return true;
    control_detach(runner->control); // of an earlier run, or not finished yet
    runner->control = NULL;
    close(runner->job_fd);
    runner->job_fd = -1;
    return false;
}

int runner_start(struct runner *runner, struct err *err)
{
    int rc = runner_spawn(runner, err);
    for (int i = 0; rc == 0 && i < ATTACH_S * TRIES_A_SECOND; i++) {
        if (try_attach(runner))
            return 0;
        int status = reap(runner);
        if (status == COMMAND_OK)
            return 0; // it was quick; who wants its tasks sees that there is no control block
        if (status > 0)
            return refused(runner, status, err);
        rc = side_sleep(1.0 / TRIES_A_SECOND, err);
    }
    return rc < 0 ? rc : err_set(err, -EIO, "the job %s does not start", runner->job);
}

int runner_sleep(struct runner *runner, double seconds, bool *ended, struct err *err)
{
    int64_t until = bench_now_ns() + (int64_t)(seconds * 1e9);
    *ended = false;
    for (int64_t left; (left = until - bench_now_ns()) > 0;) {
        int status = reap(runner);
        *ended = runner->weir.pid == 0;
        if (*ended)
            return status > 0 ? refused(runner, status, err) : 0;
        double s = (double)left / 1e9;
        int rc = side_sleep(s < 0.1 ? s : 0.1, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int runner_stop(struct runner *runner, struct err *err)
{
    if (runner->weir.pid <= 0)
        return 0;
    kill(runner->weir.pid, SIGTERM);
    for (int i = 0; i < STOP_S * LOOKS_A_SECOND; i++) {
        int status = reap(runner);
        if (status == 0)
            return 0;
        if (status > 0)
            return err_set(err, -EIO, "weir run %s ended with status %d, see above", runner->config,
                           status);
        usleep(1000000 / LOOKS_A_SECOND);
    }
    return err_set(err, -EIO, "the job %s does not stop", runner->job);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    remove(path);
    return 0;
}

// A supervisor that could not be stopped: its tasks would go on for a while.
static void kill_tasks(struct runner *runner)
{
    struct err ignored;
    if (runner->weir.pid <= 0)
        return;
    side_kill(&runner->weir);
    if (runner->job_fd >= 0)
        control_sweep(runner->job_fd, NULL, &ignored);
}

void runner_remove(struct runner *runner)
{
    struct err ignored;
    if (runner_stop(runner, &ignored) < 0)
        kill_tasks(runner);
    control_detach(runner->control);
    runner->control = NULL;
    if (runner->job_fd >= 0)
        close(runner->job_fd);
    runner->job_fd = -1;
    if (*runner->folder)
        nftw(runner->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    *runner->folder = '\0';
}

int64_t runner_counter(const struct runner *runner, int task, enum control_counter counter)
{
    struct control_view view;
    if (!runner->control || task >= control_task_count(runner->control))
        return 0;
    control_view(runner->control, task, &view);
    return view.counters[counter];
}

static double thread_cpu_ns(pid_t pid, const char *thread)
{
    char path[320], text[96];
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    return strtod(text, NULL);
}

double runner_task_cpu_s(const struct runner *runner, int task)
{
    struct control_view view;
    char path[64];
    double ns = 0;
    if (!runner->control)
        return -1;
    control_view(runner->control, task, &view);
    snprintf(path, sizeof path, "/proc/%d/task", (int)view.process.pid);
    DIR *threads = view.process.pid > 0 && process_alive(view.process) ? opendir(path) : NULL;
    if (!threads)
        return -1;
    for (struct dirent *entry; (entry = readdir(threads));)
        if (*entry->d_name != '.')
            ns += thread_cpu_ns(view.process.pid, entry->d_name);
    closedir(threads);
    return ns / 1e9;
}
