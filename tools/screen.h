// screen.h: a terminal that is drawn again and again, by ANSI sequences that every terminal of
// today knows: the other screen (so that what stood there is back afterwards), no echo, no flicker
// (one write a picture, lines overwritten, never cleared first).
#ifndef WEIR_TOOLS_SCREEN_H
#define WEIR_TOOLS_SCREEN_H

#include <stdbool.h>
#include <termios.h>

#include "core/base/buf.h"
#include "core/base/err.h"

struct screen {
    struct termios before; // how the terminal was
    int signal_fd;
    bool is_open;
    bool colour; // no NO_COLOR
    int columns, lines;
    char typed[64]; // keys that were read and not taken yet, NUL behind them
};

// Not a key.
enum { SCREEN_TIMEOUT = 0, SCREEN_RESIZED = -1, SCREEN_ENDED = -2 };
// Keys that are no letter.
enum { SCREEN_UP = 1000, SCREEN_DOWN, SCREEN_PAGE_UP, SCREEN_PAGE_DOWN, SCREEN_HOME, SCREEN_END };

// Are stdin and stdout a terminal that can be drawn on (TERM is set and not dumb)?
bool screen_is_there(void);

// Takes SIGINT, SIGTERM, SIGHUP, SIGTSTP and SIGWINCH until screen_close.
int screen_open(struct screen *screen, struct err *err);
void screen_close(struct screen *screen); // safe on a closed one

// Lines, each with a newline, of at most `columns` columns; those that do not fit are left out.
void screen_draw(struct screen *screen, const struct buf *picture);

// Wait for a key. SCREEN_ENDED: a signal asks for the end, or the terminal is gone. Ctrl-Z is dealt
// with here; afterwards the screen is to be drawn anew (SCREEN_RESIZED).
int screen_wait(struct screen *screen, int timeout_ms);

#endif
