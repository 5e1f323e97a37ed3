// jobdir.c: the job's folder and its lock.
//
// What a crash leaves: the folder with its segments, and a lock file nobody holds (flock ends with
// the process). The next jobdir_open finds it stale. A folder may vanish between two of our steps
// when another run removes it: then everything is tried again, a bounded number of times.
#include "shm/jobdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/number.h"
#include "shm/huge.h"
#include "shm/process.h"

enum { OPEN_ATTEMPTS = 16 };

static const char lock_name[] = "lock", new_name[] = "new";

bool jobdir_name_valid(const char *job)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t len = strlen(job);
    return len > 0 && len < JOBDIR_JOB_BYTES && strspn(job, allowed) == len && job[0] != '.' &&
           job[0] != '-';
}

// <memory_dir>/weir-<uid>[/<job>]
static int path_make(char out[JOBDIR_PATH_BYTES], const char *memory_dir, const char *job)
{
    int len = snprintf(out, JOBDIR_PATH_BYTES, "%s/weir-%u%s%s", memory_dir, (unsigned)getuid(),
                       job ? "/" : "", job ? job : "");
    return len < JOBDIR_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

// Make a folder if it is not there and open it; it must be ours alone, because what lies in it is
// mapped and trusted to be of this user.
static int private_folder_open(const char *path, int *out, struct err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "cannot make folder %s: %s; check memory.dir", path,
                       strerror(errno));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_set(err, -errno, "cannot open folder %s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_uid != getuid() || (st.st_mode & 077)) {
        close(fd);
        return err_set(err, -EPERM,
                       "folder %s is not private: it must belong to uid %u with mode 0700; "
                       "remove it or choose another memory.dir",
                       path, (unsigned)getuid());
    }
    *out = fd;
    return 0;
}

static pid_t lock_read_pid(int lock_fd)
{
    char text[32];
    int64_t pid = 0;
    ssize_t len = pread(lock_fd, text, sizeof(text), 0);
    while (len > 0 && (text[len - 1] < '0' || text[len - 1] > '9'))
        len--;
    if (len <= 0 || number_parse_int64(slice_make(text, (size_t)len), &pid) || pid < 0)
        return 0;
    return (pid_t)pid;
}

static int lock_write_pid(int lock_fd)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(lock_fd, 0) < 0 || pwrite(lock_fd, text, (size_t)len, 0) != len)
        return -errno;
    return 0;
}

static bool holder_lives(int lock_fd)
{
    pid_t pid = lock_read_pid(lock_fd);
    struct process_id id = {pid, process_start_time(pid)};
    return pid > 0 && process_alive(id);
}

// Two hold the lock for a moment only, and are waited for: the child of a supervisor that was
// killed between fork and exec of a task (the pid in the file is dead), and whoever lists the jobs
// of the host (lock_holder; in a new file there is no pid). A supervisor writes its pid as soon as
// it has the lock and is not waited for. 0 or -errno of flock.
static int lock_file(int fd)
{
    enum { TRIES = 200, PAUSE_NS = 10 * 1000 * 1000 };
    const struct timespec pause = {0, PAUSE_NS};
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK || i == TRIES || holder_lives(fd))
            return -errno;
        nanosleep(&pause, NULL);
    }
    return 0;
}

// Take the lock in folder `dir_fd`. -EAGAIN: the file was removed meanwhile, try again.
static int lock_take(struct jobdir *dir, struct err *err)
{
    int fd = openat(dir->fd, lock_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == ENOENT
                   ? -EAGAIN
                   : err_set(err, -errno, "cannot open %s/lock: %s", dir->path, strerror(errno));
    int status = lock_file(fd);
    if (status) {
        status =
            status == -EWOULDBLOCK
                ? err_set(err, -EBUSY,
                          "job '%s' is already running, with pid %d; stop that run first, or "
                          "give this job another name",
                          dir->job, (int)lock_read_pid(fd))
                : err_set(err, status, "cannot lock %s/lock: %s", dir->path, strerror(-status));
        goto err_after_open;
    }
    struct stat ours, named;
    if (fstat(fd, &ours) < 0 || fstatat(dir->fd, lock_name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
        ours.st_ino != named.st_ino) {
        status = -EAGAIN;
        goto err_after_open;
    }
    status = lock_write_pid(fd);
    if (status) {
        err_set(err, status, "cannot write %s/lock: %s", dir->path, strerror(-status));
        goto err_after_open;
    }
    dir->lock_fd = fd;
    return 0;
err_after_open:
    close(fd);
    return status;
}

// Visit the names in a folder, without "." and "..". A nonzero return of `visit` ends it.
static int names_visit(int dir_fd, int (*visit)(int dir_fd, const char *name, void *context),
                       void *context)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        int status = -errno;
        if (fd >= 0)
            close(fd);
        return status;
    }
    int status = 0;
    const struct dirent *entry;
    while (!status && (entry = readdir(stream)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = visit(dir_fd, entry->d_name, context);
    closedir(stream);
    return status;
}

static int name_is_segment(int dir_fd, const char *name, void *context)
{
    (void)dir_fd;
    (void)context;
    return strcmp(name, lock_name) != 0;
}

// The lock that this process has taken when it was another program.
static int lock_keep(struct jobdir *dir, int fd, struct err *err)
{
    struct stat ours, named;
    if (fstat(fd, &ours) < 0 || fstatat(dir->fd, lock_name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
        ours.st_dev != named.st_dev || ours.st_ino != named.st_ino ||
        flock(fd, LOCK_EX | LOCK_NB) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_set(err, -EBADF, "descriptor %d does not hold %s/lock", fd, dir->path);
    dir->lock_fd = fd;
    return 0;
}

// lock_fd < 0: take the lock.
static int open_once(const char *memory_dir, const char *job, int lock_fd, struct jobdir *out,
                     struct err *err)
{
    char parent[JOBDIR_PATH_BYTES];
    *out = (struct jobdir){.fd = -1, .lock_fd = -1};
    snprintf(out->job, sizeof(out->job), "%s", job);
    if (path_make(parent, memory_dir, NULL) || path_make(out->path, memory_dir, job))
        return err_set(err, -ENAMETOOLONG, "memory.dir %s is too long", memory_dir);
    int parent_fd;
    int status = private_folder_open(parent, &parent_fd, err);
    if (status)
        return status;
    status = private_folder_open(out->path, &out->fd, err);
    close(parent_fd);
    if (status)
        return status == -ENOENT ? -EAGAIN : status;
    status = lock_fd < 0 ? lock_take(out, err) : lock_keep(out, lock_fd, err);
    if (!status) {
        int found = names_visit(out->fd, name_is_segment, NULL);
        out->stale = found > 0;
        if (found < 0)
            status = err_set(err, found, "cannot read folder %s: %s", out->path, strerror(-found));
    }
    if (status)
        jobdir_close(out);
    return status;
}

int jobdir_open(const char *memory_dir, const char *job, struct jobdir *out, struct err *err)
{
    if (!jobdir_name_valid(job))
        return err_set(err, -EINVAL,
                       "job name '%s' cannot be a folder: use 1 to 64 letters, digits, _ . -, not "
                       "beginning with . or -",
                       job);
    struct stat st;
    if (stat(memory_dir, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, -ENOENT, "memory.dir %s is not a folder", memory_dir);
    int status = -EAGAIN;
    for (int i = 0; i < OPEN_ATTEMPTS && status == -EAGAIN; i++)
        status = open_once(memory_dir, job, -1, out, err);
    if (status == -EAGAIN)
        err_set(err, status, "folder of job '%s' under %s is removed as fast as it is made", job,
                memory_dir);
    return status;
}

int jobdir_reopen(const char *memory_dir, const char *job, int lock_fd, struct jobdir *out,
                  struct err *err)
{
    CHECK(lock_fd >= 0 && jobdir_name_valid(job));
    int status = open_once(memory_dir, job, lock_fd, out, err);
    return status == -EAGAIN ? err_set(err, -EBADF, "the folder of job '%s' is gone", job) : status;
}

int jobdir_attach(const char *path, struct jobdir *out, struct err *err)
{
    *out = (struct jobdir){.fd = -1, .lock_fd = -1};
    const char *job = strrchr(path, '/');
    if (strlen(path) >= sizeof(out->path) || !job || !jobdir_name_valid(job + 1))
        return err_set(err, -EINVAL, "%s is not the folder of a job", path);
    snprintf(out->path, sizeof(out->path), "%s", path);
    snprintf(out->job, sizeof(out->job), "%s", job + 1);
    out->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (out->fd < 0)
        return err_set(err, -errno, "cannot open folder %s: %s", path, strerror(errno));
    return 0;
}

void jobdir_close(struct jobdir *dir)
{
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    if (dir->fd >= 0)
        close(dir->fd);
    dir->fd = dir->lock_fd = -1;
}

// Somebody's folder in the place of a segment goes, too, when it is empty.
static int name_remove(int dir_fd, const char *name, void *context)
{
    (void)context;
    if (strcmp(name, lock_name) == 0 || unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return -errno;
    return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int jobdir_remove_name(const struct jobdir *dir, const char *name, struct err *err)
{
    int status = name_remove(dir->fd, name, NULL);
    return status
               ? err_set(err, status, "cannot remove %s/%s: %s", dir->path, name, strerror(-status))
               : 0;
}

// --- segments that will take the place of others ---

static int new_remove(const struct jobdir *dir)
{
    int fd = openat(dir->fd, new_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : name_remove(dir->fd, new_name, NULL);
    int status = names_visit(fd, name_remove, NULL);
    close(fd);
    return status ? status : name_remove(dir->fd, new_name, NULL);
}

int jobdir_begin_new(const struct jobdir *dir, struct jobdir *out, struct err *err)
{
    *out = (struct jobdir){.fd = -1, .lock_fd = -1};
    int status = new_remove(dir);
    if (!status && mkdirat(dir->fd, new_name, 0700) < 0)
        status = -errno;
    if (!status)
        out->fd = openat(dir->fd, new_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (!status && out->fd < 0)
        status = -errno;
    memcpy(out->job, dir->job, sizeof(out->job));
    snprintf(out->path, sizeof(out->path), "%.*s/%s", JOBDIR_PATH_BYTES - 8, dir->path, new_name);
    return status ? err_set(err, status, "cannot make folder %s/%s: %s", dir->path, new_name,
                            strerror(-status))
                  : 0;
}

static int name_put_in_place(int dir_fd, const char *name, void *context)
{
    const struct jobdir *dir = context;
    return renameat(dir_fd, name, dir->fd, name) < 0 ? -errno : 0;
}

int jobdir_end_new(const struct jobdir *dir, const struct jobdir *made, struct err *err)
{
    int status = names_visit(made->fd, name_put_in_place, (void *)(uintptr_t)dir);
    if (!status)
        status = new_remove(dir);
    return status ? err_set(err, status, "cannot put what is in %s in place: %s", made->path,
                            strerror(-status))
                  : 0;
}

// --- the end ---

int jobdir_clear(struct jobdir *dir, struct err *err)
{
    CHECK(dir->lock_fd >= 0);
    // Without its control block nobody takes what is left for a job that can go on.
    int status = name_remove(dir->fd, "control", NULL);
    if (!status)
        status = new_remove(dir);
    if (!status)
        status = names_visit(dir->fd, name_remove, NULL);
    if (status == -ENOTEMPTY || status == -EEXIST)
        return err_set(err, status,
                       "cannot clear folder %s: there is a folder in it that is not empty; move it "
                       "away",
                       dir->path);
    if (status)
        return err_set(err, status, "cannot clear folder %s: %s", dir->path, strerror(-status));
    dir->stale = false;
    return 0;
}

int jobdir_remove(struct jobdir *dir, struct err *err)
{
    int status = jobdir_clear(dir, err);
    // The lock file goes while it is locked: who opened it meanwhile sees that it has lost its
    // name.
    if (!status && ((unlinkat(dir->fd, lock_name, 0) < 0 && errno != ENOENT) ||
                    (rmdir(dir->path) < 0 && errno != ENOENT && errno != ENOTEMPTY)))
        status = err_set(err, -errno, "cannot remove folder %s: %s", dir->path, strerror(errno));
    jobdir_close(dir);
    return status;
}

// --- the list of jobs ---

static int segment_measure(int dir_fd, const char *name, void *context)
{
    struct jobdir_entry *entry = context;
    struct stat st;
    if (strcmp(name, lock_name) == 0 || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(st.st_mode))
        return 0;
    const struct huge huge = {.page_bytes = huge_page_bytes(&st)};
    uint64_t held = (uint64_t)st.st_blocks * 512;
    uint64_t size = huge_file_bytes(&huge, (uint64_t)st.st_size);
    entry->bytes_held += held;
    entry->bytes_promised += size > held ? size : held;
    entry->segment_count++;
    return 0;
}

// Whoever holds the lock, found by trying to take it shared.
static pid_t lock_holder(int dir_fd)
{
    int fd = openat(dir_fd, lock_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    pid_t pid = 0;
    if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        pid = lock_read_pid(fd);
    close(fd);
    return pid;
}

struct list_context {
    const char *memory_dir;
    int (*visit)(const struct jobdir_entry *entry, void *context);
    void *context;
};

static int job_visit(int parent_fd, const char *name, void *context)
{
    const struct list_context *list = context;
    char path[JOBDIR_PATH_BYTES];
    if (!jobdir_name_valid(name) || path_make(path, list->memory_dir, name))
        return 0;
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0; // no folder, or removed meanwhile
    struct jobdir_entry entry = {
        .memory_dir = list->memory_dir, .job = name, .path = path, .holder = lock_holder(fd)};
    names_visit(fd, segment_measure, &entry);
    close(fd);
    return list->visit(&entry, list->context);
}

int jobdir_list(const char *memory_dir,
                int (*visit)(const struct jobdir_entry *entry, void *context), void *context,
                struct err *err)
{
    char parent[JOBDIR_PATH_BYTES];
    if (path_make(parent, memory_dir, NULL))
        return err_set(err, -ENAMETOOLONG, "memory.dir %s is too long", memory_dir);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT
                   ? 0
                   : err_set(err, -errno, "cannot open folder %s: %s", parent, strerror(errno));
    struct list_context list = {memory_dir, visit, context};
    int status = names_visit(fd, job_visit, &list);
    close(fd);
    return status;
}
