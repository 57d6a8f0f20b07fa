/*
 * push.h: the push endpoint: S3 event notifications come in by POST, and sensors look at once.
 *
 * A listener of its own, apart from the status page, which takes nothing.  Who shows the token may announce keys; what
 * sensors make of them is journaled (engine_hint) and the answer is given after the commit:
 *
 *     200   everything is in the state database, or was nothing to anybody here; do not repeat
 *     401   no token or another one; the body was not read
 *     400   no notification; 413: more at once than is taken
 *     503   the commit failed or the daemon is stopping: nothing is promised, repeat it
 *
 * A crash after 200 loses nothing: what was announced waits in its row and is looked at after the next start.  Polling
 * stays what decides: a notification that never comes, or lies, delays a run or costs a look, and can do no more.
 */
#ifndef PUSH_H
#define PUSH_H

#include "base/util.h"

struct conf;
struct engine;
struct event_base;
struct push;

/* The engine must outlive it.  Not listening yet. */
struct push *push_new(struct event_base *base, struct engine *engine);
/*
 * Listen as conf says from now on, with the token as it is now; without a `push` section stop listening.  What goes wrong
 * is logged: the daemon's work does not depend on it.
 */
void push_use(struct push *, struct conf *conf);
void push_free(struct push *); /* NULL is fine */

/* Counted since the start of the daemon.  records = accepted + duplicates + ignored + unknown + bad. */
struct push_stats {
	char address[320]; /* "http://127.0.0.1:8090/", with the real port; "" while nothing listens */
	int64_t requests; /* answered 200 */
	int64_t records; /* in these */
	int64_t accepted; /* a sensor will look, or is about to */
	int64_t duplicates; /* the same event was taken before */
	int64_t ignored; /* no new object: removals, other events */
	int64_t unknown; /* no sensor watches that bucket and key */
	int64_t bad; /* records that name no key */
	int64_t refused; /* requests answered 401 */
	int64_t malformed; /* ... 400 and 413 for their contents */
	int64_t unavailable; /* ... 503 */
	tm_ms last_at; /* when the last record came; 0: never */
	char last_unknown[256]; /* "bucket/key" of the last unknown one, cut short */
};
/* The same place for the life of the push. */
const struct push_stats *push_stats(const struct push *);

#endif
