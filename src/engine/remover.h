/*
 * remover.h: folders that are to go, removed by a thread: an unlink may wait for the disk, the loop must not.
 *
 * Nothing is remembered: what is left when the process ends is a folder of no run, which the next start finds.
 */
#ifndef REMOVER_H
#define REMOVER_H

#include "base/err.h"

struct remover;

/* The thread begins with the first folder. */
struct remover *remover_new(void);
/* Waits for the folder in hand, drops the others; NULL is fine. */
void remover_free(struct remover *);
/* False: more than enough waits; come again later. */
bool remover_has_room(struct remover *);
/* Takes over dir, an absolute path or one that stays right; a folder that is missing is fine. */
void remover_add(struct remover *, char *dir);
/* What the next one that could not be removed says, NULL: none.  free() it. */
char *remover_failure(struct remover *);

#endif
