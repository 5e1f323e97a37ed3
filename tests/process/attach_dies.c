// attach_dies.c: preloaded, a process of a task dies by SIGSEGV before it has attached, as long as
// the file ATTACH_DIES holds more than nothing: each death takes a byte of it.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// `weir task FOLDER INDEX`: the second word of the command.
static int is_task(void)
{
    char text[256] = "";
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    return len > 0 && strcmp(text + strlen(text) + 1, "task") == 0;
}

__attribute__((constructor)) static void begin(void)
{
    struct stat st;
    const char *path = getenv("ATTACH_DIES");
    int fd = path && is_task() ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
        return; // the lock goes with the process
    if (ftruncate(fd, st.st_size - 1) == 0)
        raise(SIGSEGV);
}
