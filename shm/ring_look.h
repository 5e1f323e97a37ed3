// ring_look.h: where a channel is, for whoever only looks.
#ifndef WEIR_SHM_RING_LOOK_H
#define WEIR_SHM_RING_LOOK_H

#include <stdint.h>

#include "core/base/err.h"

// Bytes published and bytes released since the ring was made; both only grow, and the head is read
// first, so head <= tail. -EPROTO with a text when it is no ring of this job (ring_check).
int ring_look(int fd, uint64_t fingerprint, uint64_t *tail, uint64_t *head, struct err *err);

#endif
