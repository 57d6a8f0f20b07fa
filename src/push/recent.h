/*
 * recent.h: announcements taken lately, so that the same one again costs nothing: no row, no tick.
 *
 * A memory of hashes that forgets the older ones as it fills and everything with the process.  What it says to have seen was
 * journaled before, and every tick that could take it from the journal began later: so it is either waiting or looked at.
 */
#ifndef RECENT_H
#define RECENT_H

#include "push/notification.h"

struct recent;

struct recent *recent_new(void);
void recent_free(struct recent *); /* NULL is fine */
/* Seen before?  Only events with a sequencer can be told apart from another event of the same content. */
bool recent_has(const struct recent *, const struct announced *);
void recent_add(struct recent *, const struct announced *);
void recent_clear(struct recent *);

#endif
