// sync_fail.c: preloaded, the next fdatasync of a file whose path has SYNC_FAILS in it fails with
// EIO when there is a file SYNC_NOW, which it removes: once, and then no more, as a kernel tells an
// error of write-back.
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fdatasync(int fd)
{
    static int (*real)(int);
    char link[64], path[4096];
    const char *part = getenv("SYNC_FAILS"), *now = getenv("SYNC_NOW");
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    if (!part || !now || !strstr(path, part) || unlink(now) < 0)
        return real(fd);
    errno = EIO;
    return -1;
}
