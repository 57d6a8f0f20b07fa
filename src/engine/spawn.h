/* spawn.h: start a step's process.  It belongs to nobody afterwards: see step/lifeline.h for how it is found again. */
#ifndef SPAWN_H
#define SPAWN_H

#include "base/err.h"

#include <sys/types.h>

/*
 * posix_spawn of argv[0] in a session of its own: stdin from /dev/null, stdout and stderr to files in dir, the lifeline
 * as descriptor LIFELINE_FD, no other descriptor, signals reset.  A program that cannot be executed is an error here.
 */
int spawn_step(const char *dir, char *const *argv, char *const *env, pid_t *pid, struct err *err);

#endif
