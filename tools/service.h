// service.h: what a service manager is told about a run: that every task works, that the run is
// alive, how far it is, that it ends. The protocol is that of sd_notify(3): datagrams of KEY=value
// lines to the socket that NOTIFY_SOCKET names. Without one nothing is told and nothing is wrong.
//
// Signs of life (WATCHDOG=1) are given by service_tick alone, which the supervisor's loop calls: a
// loop that hangs gives none, one that has nothing to do gives them all the same.
#ifndef WEIR_TOOLS_SERVICE_H
#define WEIR_TOOLS_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "stages/supervisor/supervisor.h"
#include "tools/progress.h"

struct service {
    int fd; // -1: nobody listens
    struct sockaddr_un address;
    socklen_t address_bytes;
    int64_t watchdog_ns; // without a sign of life for so long the run is killed; 0: not watched
    int64_t alive_ns, status_ns, extended_ns; // when each was last told
    int64_t rows_in;                          // at status_ns
    uint64_t checkpoint;                      // the last complete one; 0: none yet
    bool is_ready, is_stopping;               // was told
};

// Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and take them out of the environment: tasks
// are not to speak for the service. -EINVAL with a text: the socket cannot be one; *out is usable
// then, and tells nobody. Close with service_close.
int service_open(struct service *out, struct err *err);
void service_close(struct service *service);

// How often service_tick must be called, at most wanted_ms apart.
int service_tick_ms(const struct service *service, int wanted_ms);

// From the supervisor's loop: a sign of life; READY=1 once every task runs; from time to time
// STATUS, in the words of the live line. While the job ends: more time for its last checkpoint.
void service_tick(struct service *service, const struct progress *progress,
                  const struct control *control, int64_t now_ns);

// A stop has begun, or a checkpoint is complete.
void service_event(struct service *service, const struct supervisor_event *event);

// What a start is busy with, before there are tasks. `seconds` more may pass until the next word.
void service_starting(struct service *service, const char *text, int seconds);

// This process is about to become another program, which speaks for the service then: give the
// environment back what service_open has taken; or, when it could not, take it again.
void service_hand_on(const struct service *service);
void service_keep(void);

// Something else that takes time while it ends.
void service_extend(struct service *service, const char *text, int seconds);

// The run is over but for cleaning up. `why` (NULL: all is well) is its error; a job that was done
// before it could be said to be ready was ready.
void service_ending(struct service *service, const char *why);

#endif
