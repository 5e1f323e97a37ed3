// spare.h: processes that wait to replace a task that dies. Private to stages/supervisor.
//
// The kernel promotes a spare, when the task's thread can run no more code: often long before its
// end is seen here. So the books follow the control block: whoever stands there as the task is it.
// A slot whose process has ended while spares of it live "awaits" the one that has taken over or
// is about to; the slot then goes on as after a cold start.
#ifndef WEIR_STAGES_SUPERVISOR_SPARE_H
#define WEIR_STAGES_SUPERVISOR_SPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "stages/supervisor/slot.h"

struct supervisor;
struct spares; // of all tasks; private

// Tags of epoll events that are about spares, instead of the index of a slot.
enum { SPARE_TAG = 1 << 24 };

// Without any spare to make, all the rest does nothing.
void spares_open(struct supervisor *s);
// keeps: they live on, for a supervisor that is to come.
void spares_close(struct supervisor *s, bool keeps);

// Of an earlier supervisor: watch those of this task that live.
int spares_adopt(struct supervisor *s, struct slot *slot);

// The process of this slot has ended and its restart is due: is there a spare that takes over? Then
// the slot awaits it, and nothing is to be started.
bool spares_take(struct supervisor *s, struct slot *slot);
// Does the slot wait for a spare to become its process? It has no pidfd then.
bool spares_awaited(const struct supervisor *s, const struct slot *slot);

// A spare has ended.
void spares_on_end(struct supervisor *s, uint32_t tag);
// See who was promoted, start those that are missing, end those that nobody needs.
void spares_on_time(struct supervisor *s, int64_t now_ns);
int64_t spares_next_deadline(const struct supervisor *s, int64_t now_ns);

// The memory of the slot is lost: its spares end and none is awaited. Have all of them ended, so
// that nobody holds that memory any more?
void spares_abandon(struct supervisor *s, const struct slot *slot);
bool spares_are_gone(struct supervisor *s, const struct slot *slot);
// One more of what slot->program says, whatever the options say. -EAGAIN: not yet, others are about
// to end; another -errno.
int spares_make(struct supervisor *s, struct slot *slot, pid_t *pid);
bool spares_is_ready(const struct supervisor *s, const struct slot *slot, pid_t pid);
// Another program is being put in: which of them run it?
void spares_look_at_programs(struct supervisor *s);
// The spares of the slot are of no use any more.
void spares_retire(struct supervisor *s, const struct slot *slot);

// Cores of housekeeping have changed: the spares of all tasks go there.
void spares_put(const struct supervisor *s);
// No task is being restarted and no spare prepares itself: whoever takes over finds them all.
bool spares_are_settled(const struct supervisor *s);

// SIGKILL to every spare of the slot, also to one that has become the task unseen.
void spares_kill(struct supervisor *s, const struct slot *slot);

#endif
