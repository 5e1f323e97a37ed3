// screen.c: see screen.h.
#include "tools/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/base/check.h"

static const char ENTER[] = "\033[?1049h\033[?25l\033[H"; // the other screen, no cursor
static const char LEAVE[] = "\033[m\033[?25h\033[?1049l";

bool screen_is_there(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
           strcmp(term, "dumb") != 0;
}

static void write_all(const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(STDOUT_FILENO, bytes, len);
        if (n < 0 && errno != EINTR)
            return; // the terminal is gone: screen_wait says so
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
}

static void measure(struct screen *screen)
{
    struct winsize size;
    const bool is_known =
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
    screen->columns = is_known ? size.ws_col : 80;
    screen->lines = is_known ? size.ws_row : 24;
}

static void enter(struct screen *screen)
{
    struct termios raw = screen->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO); // signals of Ctrl-C and Ctrl-Z stay
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    write_all(ENTER, sizeof ENTER - 1);
    measure(screen);
}

static void leave(struct screen *screen)
{
    write_all(LEAVE, sizeof LEAVE - 1);
    tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
}

static void own_signals(sigset_t *out)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH};
    sigemptyset(out);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaddset(out, signals[i]);
}

int screen_open(struct screen *screen, struct err *err)
{
    sigset_t signals;
    const char *no_color = getenv("NO_COLOR");
    *screen = (struct screen){.colour = !no_color || !*no_color};
    if (tcgetattr(STDIN_FILENO, &screen->before) < 0)
        return err_set(err, -errno, "the terminal cannot be read: %s", strerror(errno));
    own_signals(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    screen->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (screen->signal_fd < 0)
        return err_set(err, -errno, "signals cannot be waited for: %s", strerror(errno));
    screen->is_open = true;
    enter(screen);
    return 0;
}

void screen_close(struct screen *screen)
{
    sigset_t signals;
    if (!screen->is_open)
        return;
    screen->is_open = false;
    leave(screen);
    close(screen->signal_fd);
    own_signals(&signals);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

void screen_draw(struct screen *screen, const struct buf *picture)
{
    struct buf out = {0};
    const char *at = picture->data, *end = at ? at + picture->len : at;
    buf_append_str(&out, "\033[H");
    for (int line = 0; line < screen->lines && at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        buf_append_str(&out, line ? "\r\n" : "");
        buf_append(&out, at, (size_t)(stop - at));
        buf_append_str(&out, "\033[K"); // the rest of what stood there
        at = stop < end ? stop + 1 : end;
    }
    buf_append_str(&out, "\033[J");
    write_all(out.data, out.len);
    buf_fini(&out);
}

// A signal has come. SCREEN_ENDED or SCREEN_RESIZED.
static int take_signal(struct screen *screen)
{
    struct signalfd_siginfo info;
    if (read(screen->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return SCREEN_ENDED;
    if (info.ssi_signo == SIGWINCH) {
        measure(screen);
        return SCREEN_RESIZED;
    }
    if (info.ssi_signo != SIGTSTP)
        return SCREEN_ENDED;
    leave(screen);
    raise(SIGSTOP);
    enter(screen);
    return SCREEN_RESIZED;
}

// The first key of what was typed.
static int take_key(struct screen *screen)
{
    static const struct {
        const char *bytes;
        int key;
    } keys[] = {
        {"\033[A", SCREEN_UP},       {"\033[B", SCREEN_DOWN},       {"\033OA", SCREEN_UP},
        {"\033OB", SCREEN_DOWN},     {"\033[H", SCREEN_HOME},       {"\033[F", SCREEN_END},
        {"\033[5~", SCREEN_PAGE_UP}, {"\033[6~", SCREEN_PAGE_DOWN},
    };
    int key = (unsigned char)screen->typed[0];
    size_t used = 1;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (strncmp(screen->typed, keys[i].bytes, strlen(keys[i].bytes)) == 0) {
            key = keys[i].key;
            used = strlen(keys[i].bytes);
        }
    memmove(screen->typed, screen->typed + used, sizeof screen->typed - used);
    return key;
}

static int read_keys(struct screen *screen)
{
    memset(screen->typed, 0, sizeof screen->typed);
    return read(STDIN_FILENO, screen->typed, sizeof screen->typed / 2) > 0 ? take_key(screen)
                                                                           : SCREEN_ENDED;
}

int screen_wait(struct screen *screen, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = screen->signal_fd, .events = POLLIN},
                           {.fd = STDIN_FILENO, .events = POLLIN}};
    if (screen->typed[0])
        return take_key(screen);
    int n = poll(fds, ARRAY_SIZE(fds), timeout_ms);
    if (n == 0 || (n < 0 && errno == EINTR))
        return SCREEN_TIMEOUT;
    if (n < 0)
        return SCREEN_ENDED;
    return fds[0].revents ? take_signal(screen) : read_keys(screen);
}
