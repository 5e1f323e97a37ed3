// sync_fail.c: preloaded, an fdatasync of a file whose path has SYNC_FAILS in it fails once with
// EIO, as a kernel tells an error of write-back: once, and then no more. SYNC_FAILED is made then;
// while it is there, nothing fails.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fdatasync(int fd)
{
    static int (*real)(int);
    char link[64], path[4096];
    const char *part = getenv("SYNC_FAILS"), *mark = getenv("SYNC_FAILED");
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    if (!part || !mark || !strstr(path, part))
        return real(fd);
    int made = open(mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made < 0)
        return real(fd);
    close(made);
    errno = EIO;
    return -1;
}
