/* environment.h: the environment may hold secrets; neither others on the machine nor a core file get to see it. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

/*
 * Move all variables from where the kernel put them (and shows them in /proc/PID/environ) into memory of our own,
 * wiping the originals; getenv goes on as before.  Call it first thing, before other threads.
 */
void environment_hide(void);
/* Wipe and forget them all. */
void environment_wipe(void);

#endif
