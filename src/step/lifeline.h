/*
 * lifeline.h: how a step's process is found again by whoever owns the state next.
 *
 * Every attempt has a lifeline: a lock on the file "lifeline" in its folder, taken by the daemon before the process
 * is started and inherited by it as descriptor LIFELINE_FD.  The lock belongs to the open file, not to a process, so it
 * lasts exactly as long as somebody in the step holds it: not past a reboot, not past a SIGKILL, and without any trust
 * in process numbers that may be used again.  The step writes its number into the file "pid" beside it.
 */
#ifndef LIFELINE_H
#define LIFELINE_H

#include "base/err.h"

#include <sys/types.h>

#define LIFELINE_FD 3

enum lifeline { LIFELINE_NONE, LIFELINE_HELD, LIFELINE_FREE };

/* The daemon's side: the locked descriptor to hand down (close-on-exec here). */
int lifeline_take(const char *dir, struct err *err);
/* NONE: the attempt was never started.  FREE: its process is gone. */
enum lifeline lifeline_state(const char *dir);
/* Whether a step ever wrote its number. */
bool lifeline_was_announced(const char *dir);
/* The number the step wrote, when a process with the same start time exists; 0 otherwise. */
pid_t lifeline_read_pid(const char *dir);

/*
 * The step's side, first thing in its main: close-on-exec on the lifeline, so that no command outlives its supervisor
 * holding it, and "pid" written into dir.
 */
int lifeline_announce(const char *dir, struct err *err);

#endif
