/* orphans.h: what a command's supervisor could not take along when it was killed itself. */
#ifndef ORPHANS_H
#define ORPHANS_H

/*
 * SIGKILL every process that was started by the attempt in dir, as its environment tells; returns how many.  One that has
 * made itself another environment is not found.  Reads all of /proc, so it is for attempts that left no verdict.
 */
int orphans_kill(const char *dir);

#endif
