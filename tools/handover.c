// handover.c: see handover.h. Signals that ask for an end stay blocked until the new program waits
// for them: none is lost, and none ends it before.
#include "tools/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"

enum { WORDS_MAX = 8 };

// The path, as long as it still names the file that was checked; processes are called by it.
static const char *path_of(const struct handover *h, char own[64])
{
    struct stat named, checked;
    snprintf(own, 64, "/proc/self/fd/%d", h->program_fd);
    bool is_same = stat(h->program, &named) == 0 && fstat(h->program_fd, &checked) == 0 &&
                   named.st_dev == checked.st_dev && named.st_ino == checked.st_ino;
    return is_same ? h->program : own;
}

// Where the run begins is not asked again: it goes on.
static void make_words(const struct handover *h, char lock[16], const char *words[WORDS_MAX])
{
    const struct arguments *a = h->arguments;
    int count = 0;
    snprintf(lock, 16, "%d", h->lock_fd);
    words[count++] = h->program;
    words[count++] = "run";
    if (a->json)
        words[count++] = "--json";
    else if (a->quiet)
        words[count++] = "--quiet";
    if (a->verbose)
        words[count++] = "--verbose";
    words[count++] = "--lock-fd";
    words[count++] = lock;
    words[count++] = a->path;
    words[count] = NULL;
    CHECK(count < WORDS_MAX);
}

int handover_exec(const struct handover *h, struct err *err)
{
    char own[64], lock[16];
    const char *words[WORDS_MAX];
    const char *path = path_of(h, own);
    make_words(h, lock, words);
    fflush(stdout);
    fcntl(h->lock_fd, F_SETFD, 0);
    execv(path, (char *const *)words);
    int code = -errno;
    fcntl(h->lock_fd, F_SETFD, FD_CLOEXEC);
    return err_set(err, code, "cannot become %s: %s", h->program, strerror(-code));
}
