/*
 * sender.h: takes rows of the outbox to their sinks, at least once each, until they expire.
 *
 * One row at a time per notification, oldest first; what failed waits with backoff and jitter while younger ones go on
 * after a pause.  Results are written into the engine's next turn; a crash between delivery and
 * commit repeats the delivery with the same event id.  Nothing here can delay or fail a run.
 */
#ifndef SENDER_H
#define SENDER_H

#include "base/err.h"

struct engine;
struct event_base;
struct sender;

/* Begins at once with what waits.  The engine must outlive it. */
struct sender *sender_new(struct event_base *base, struct engine *engine);
/* Deliveries under way are dropped; their rows stay.  NULL is fine. */
void sender_free(struct sender *);
/* Something is being delivered, or could be right now. */
bool sender_is_busy(const struct sender *);

#endif
