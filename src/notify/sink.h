/*
 * sink.h: notification types: one row per way to tell somebody something, listed in notify/registry.c.
 *
 * What is to be told is a row of the outbox, written by the engine in the transaction of what it tells of.  The sender
 * (notify/sender.h) hands one row at a time to each notification and repeats it until the sink has taken it, so a sink
 * is told at least once: whatever it does must be harmless when done again, and the event's id is equal each time.
 */
#ifndef SINK_H
#define SINK_H

#include "base/err.h"
#include "base/json.h"
#include "conf/opt.h"

struct conf_notification;
struct event_base;

enum {
	SINK_PER_LABEL = 1 << 0, /* wants an event for each label instead of one for all */
};

/* One attempt to deliver one row; the sender's. */
struct delivery {
	const struct conf_notification *conf;
	struct event_base *base;
	const char *id; /* of the event, unique for ever */
	const char *kind; /* event_kind_name */
	json_t *event; /* the CloudEvent: id, source, type, subject, time, data */
	const json_t *data; /* its data member (engine/announce.h) */
	void *mem; /* the sink's own, gone by the end */
	struct sender_slot *slot;
};

struct sink_type {
	const char *name, *summary;
	const struct opt
	    *opts; /* besides the engine's own: type, on, jobs, group, dedup, expire, retry_delay... */
	size_t conf_size;
	/* Cross-checks of a bound conf; may be NULL. */
	int (*check)(const void *conf, struct err *err);
	unsigned flags;
	/*
	 * Begin to deliver on the loop.  0: delivery_done will be called, from a later callback.  -1: nothing was
	 * started.  Whatever the class of an error, the row is tried again until it expires: people mend things.
	 */
	int (*send)(struct delivery *, struct err *err);
	/* Drop it (shutdown): delivery_done must not be called any more. */
	void (*cancel)(struct delivery *);
};
extern const struct sink_type *const sink_types[]; /* NULL-terminated */

/* The end; err NULL: taken.  retry_after: not before this time from now, 0: as usual.  The delivery is gone afterwards. */
void delivery_done(struct delivery *, const struct err *err, tm_ms retry_after);

#endif
