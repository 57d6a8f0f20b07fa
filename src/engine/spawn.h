/*
 * spawn.h: start a step's process.  It belongs to nobody afterwards: see step/lifeline.h for how it is found again.
 *
 * A new process copies its parent's table of descriptors and closes them one by one before its program begins, and the
 * parent waits for that: with ten thousand readers of the page it is milliseconds a step.  So there is a thread with a
 * table of its own, in which nothing is but what a step gets, and every process is started from there.
 */
#ifndef SPAWN_H
#define SPAWN_H

#include "base/err.h"
#include "base/strvec.h"

#include <sys/types.h>

struct spawner;

struct spawner *spawner_new(void); /* NULL: there is no thread to be had; errno says why */
void spawner_free(struct spawner *); /* NULL is fine */

/*
 * posix_spawn of argv[0], a program that makes a session of its own first thing: stdin from /dev/null, stdout and stderr
 * to files in dir (or to /dev/null when it is silent by itself: orch-exec captures what its command says), the lifeline as
 * descriptor LIFELINE_FD, the quiet variables packed (base/environment.h), no other descriptor, signals reset.  plain is
 * its environment and gets one entry more.  A program that cannot be executed is an error here.  Returns when that is known.
 */
int spawn_step(struct spawner *, const char *dir, char *const *argv, struct strvec *plain,
    const struct strvec *quiet, bool silent, pid_t *pid, struct err *err);

#endif
