/* environment.h: the environment may hold secrets; neither others on the machine nor a core file get to see it. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "base/err.h"

/*
 * Move all variables from where the kernel put them (and shows them in /proc/PID/environ) into memory of our own,
 * wiping the originals; getenv goes on as before.  Call it first thing, before other threads.
 */
void environment_hide(void);
/* Wipe and forget them all. */
void environment_wipe(void);

/*
 * Variables for a program of ours that is about to be started, in a pipe: what stands in envp can be read in /proc from
 * the program's first instruction until it has hidden it.  A pipe is read once, is in no swap, and ends with its readers.
 */
#define ENVIRONMENT_FD       4 /* where that program finds it, */
#define ENVIRONMENT_MAX      (1 << 20) /* bytes of them: what a pipe takes of any user */
#define ENVIRONMENT_FD_ENTRY "ORCH_ENVIRONMENT_FD=4" /* when this stands in its envp */

/* The end to be read, close-on-exec and above ENVIRONMENT_FD; the caller's.  vars end with NULL. */
int environment_pack(char *const *vars, struct err *err);
/* In the program, instead of environment_hide: what was packed is there too, its descriptor and that entry are gone. */
int environment_receive(struct err *err);

#endif
