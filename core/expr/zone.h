// zone.h: time zones: UTC, fixed offsets, and the IANA names of the host's tz database.
#ifndef WEIR_CORE_EXPR_ZONE_H
#define WEIR_CORE_EXPR_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

struct zone;

// "UTC", "Z", "GMT+8", "UTC-03:30", "+08:00", "Europe/Berlin". NULL is UTC. 0, or -EINVAL with a
// sentence: whoever accepts a name from a user asks here first.
int zone_open(const char *name, struct zone **out, struct err *err);
void zone_close(struct zone *zone);

// Make *zone the zone of this name, keeping it when it is already. The name has been accepted by
// zone_open before.
void zone_reopen(struct zone **zone, const char *name);

// Milliseconds to add to UTC to get the local time at this instant.
int64_t zone_offset_ms(const struct zone *zone, int64_t utc_ms);

// The instant of a local time; in a gap as far after it as the text is, in an overlap the earlier
// one.
int64_t zone_from_local(const struct zone *zone, int64_t local_ms);

// When a timer for a local time goes off: in an overlap at the later instant, in a gap when the gap
// begins or at its next full hour (Flink: TimeWindowUtil.toEpochMillsForTimer).
int64_t zone_timer(const struct zone *zone, int64_t local_ms);

// Is it UTC, whatever its name?
bool zone_is_utc(const struct zone *zone);

static inline int64_t zone_to_local(const struct zone *zone, int64_t utc_ms)
{
    return utc_ms + zone_offset_ms(zone, utc_ms);
}

#endif
