// crash.h: what a task leaves behind when a signal ends it: which, where, called by whom.
#ifndef WEIR_STAGES_RUNTIME_CRASH_H
#define WEIR_STAGES_RUNTIME_CRASH_H

#include "shm/errlog.h"

// What takes time, and can be done before the memory is ours: call it first. Until there is a
// record, signals end the process as they would have.
void crash_prepare(void);

// From now on SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP and SIGSYS fill `record` before
// they end the process as they would have; CRASH_TELL fills it and lets the process go on.
void crash_install(struct errlog_crash *record);

// The record is about to go: leave the signals to their defaults.
void crash_uninstall(void);

// Sent by the supervisor to a process that hangs, before it ends it: where is it?
#define CRASH_TELL SIGXCPU

#endif
