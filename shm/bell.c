// bell.c: see bell.h. The folder is private, yet what stands under the name is checked: a file
// there would be readable for ever.
#include "shm/bell.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char name[] = "bell";

static int fifo_open(int dir_fd, int how)
{
    struct stat st;
    int fd = openat(dir_fd, name, how | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
        return fd;
    close(fd);
    return -EEXIST;
}

int bell_open(int dir_fd)
{
    if (mkfifoat(dir_fd, name, 0600) < 0 && errno != EEXIST)
        return -errno;
    return fifo_open(dir_fd, O_RDWR); // also a writer, so that it is never at its end
}

void bell_hear(int fd)
{
    char rings[256];
    while (read(fd, rings, sizeof rings) == (ssize_t)sizeof rings)
        ;
}

void bell_ring(int dir_fd)
{
    int fd = fifo_open(dir_fd, O_WRONLY);
    if (fd < 0)
        return;
    (void)!write(fd, "", 1);
    close(fd);
}
