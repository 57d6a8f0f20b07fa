/* spawn.h: start a step's process.  It belongs to nobody afterwards: see step/lifeline.h for how it is found again. */
#ifndef SPAWN_H
#define SPAWN_H

#include "base/err.h"

#include <sys/types.h>

/*
 * posix_spawn of argv[0], a program that makes a session of its own first thing: stdin from /dev/null, stdout and stderr
 * to files in dir (or to /dev/null when it is quiet by itself: orch-exec captures what its command says), the lifeline as
 * descriptor LIFELINE_FD, no other descriptor, signals reset.  A program that cannot be executed is an error here.
 */
int spawn_step(const char *dir, char *const *argv, char *const *env, bool quiet, pid_t *pid, struct err *err);

#endif
