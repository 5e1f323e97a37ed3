// bell.h: how a task tells its supervisor that there is something to look at in the control block.
//
// A FIFO in the job's folder. The supervisor holds it open and waits for it beside everything else;
// whoever rings opens it, writes a byte and goes. It carries nothing: what there is to see is in
// the control block, stored before the ring, and a supervisor looks there by itself when it begins
// and now and then. So a ring that is lost (no supervisor, a full FIFO) costs some time, no more,
// and a successor's supervisor hears tasks that have never heard of it.
#ifndef WEIR_SHM_BELL_H
#define WEIR_SHM_BELL_H

// The supervisor's end, made if it is not there: a descriptor that is readable when somebody has
// rung, or -errno. The job's folder is `dir_fd`. jobdir_clear removes it.
int bell_open(int dir_fd);

// It is readable: hear all rings so far.
void bell_hear(int fd);

// Any process of the job. Never waits.
void bell_ring(int dir_fd);

#endif
