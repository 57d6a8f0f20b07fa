/*
 * sensor.h: sensor types.  Public: one row per type, in sensors/NAME.c; listed in sensors/registry.c.
 *
 * A sensor watches a place, or the clock, and asks for runs.  It lives on the daemon's loop: a tick starts store operations
 * and returns; it ends with exactly one call of tick_done, from a later callback or at once.  The engine owns intervals, history, run
 * keys, the key index on disk and pausing; the type owns only what it understood of the world.
 */
#ifndef SENSOR_H
#define SENSOR_H

#include "base/err.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "conf/opt.h"

struct store;
struct tick;

/* A coming instant of a calendar. */
struct calendar_time {
	tm_ms at;
	char local[40]; /* for people, on the wall clock that is meant: "2026-11-01 01:30 CST" */
	bool changed; /* the clock has been changed since the instant before it */
};

/* Of a type that ticks at certain times instead of at an interval: what people call a schedule. */
struct sensor_calendar {
	/* The next n instants after this one into times; how many there are. */
	size_t (*next)(const void *conf, tm_ms after, struct calendar_time *times, size_t n);
	/* What they are, in words of the configuration. */
	void (*describe)(const void *conf, struct strbuf *out);
};

struct sensor_type {
	const char *name, *summary;
	const struct opt
	    *opts; /* besides the engine's own: type, every, job, run_key, partition, config, tags */
	size_t conf_size;
	const char *run_key; /* template where the configuration gives none; NULL: it must */
	/* Names this conf makes available to the templates of run_key, partition, config and tags; may be NULL. */
	int (*names)(const void *conf, void (*add)(void *arg, const char *name), void *arg, struct err *err);
	/* Cross-checks of a bound conf; may be NULL. */
	int (*check)(const void *conf, struct err *err);
	const struct sensor_calendar *calendar; /* instead of the option 'every'; NULL for most */
	/*
	 * Per-sensor memory between ticks (a cache: it is lost on restart and must be derivable).  conf outlives it.
	 */
	void *(*start)(const void *conf, struct err *err);
	void (*stop)(void *mem);
	/* Begin a tick.  -1: nothing was started, err goes to the history.  0: tick_done will be, or was, called. */
	int (*tick)(void *mem, struct tick *tick, struct err *err);
	/* Drop a tick under way (shutdown, timeout): cancel operations; tick_done must not be called any more. */
	void (*cancel)(void *mem, struct tick *tick);
	/*
	 * A key of a store was announced: false when it is nothing to this sensor; otherwise into out (a limit of
	 * SENSOR_HINT_MAX) goes a word for all that a tick must look at because of it, the same for keys that belong together,
	 * or nothing when only a look at everything will do.  NULL: the type knows no hints, announcements do not reach it.
	 */
	bool (*hint)(void *mem, const char *store, const char *key, struct strbuf *out);
	/*
	 * The values that the names above have for a key it reports, from the key alone, each by add (lent); false: the key is
	 * nothing that a run would be asked for.  So it can be told where an upload belongs before it is complete.  May be NULL.
	 */
	bool (*values)(
	    void *mem, const char *key, void (*add)(void *arg, const char *name, const char *value), void *arg);
};
#define SENSOR_HINT_MAX 2048
extern const struct sensor_type *const sensor_types[]; /* NULL-terminated */
const struct sensor_type *sensor_type_find(const char *name);

enum key_verdict {
	KEY_PENDING, /* may become complete; reason says what is missing */
	KEY_COMPLETE, /* asked for a run, or would have, had its run key not been used before */
	KEY_NO_DATA, /* finished, nothing to do */
	KEY_STALE, /* pending for longer than the configured time */
	KEY_IGNORED, /* not for this sensor; reason says why */
	KEY_INVALID, /* for this sensor, but unusable; reason says why */
	KEY_NVERDICTS
};
const char *key_verdict_name(enum key_verdict v);

/* What is known of a key (an object, or a group of objects that belong together) after this tick; strings are copied. */
struct key_report {
	const char *key;
	enum key_verdict verdict;
	const char *reason; /* for people: "3 of 5 pieces, 000002 missing" */
	const char *fingerprint; /* changes when what it was judged by changes; NULL for ignored ones */
	int64_t present, expected, bytes;
	tm_ms newest; /* modification time of the newest object of it; 0: unknown */
};

/* Lent values of template names for one request. */
struct name_value {
	const char *name, *value;
};

struct run_request {
	const char *key; /* the group's key: ties the run to the key index */
	const struct name_value *names;
	size_t nnames;
	/*
	 * What the request was judged by.  The same run key with the same generation is dropped as a duplicate; with
	 * another generation it is dropped too unless the sensor's rerun policy says otherwise, and the history says why.
	 */
	const char *generation;
	const char *why; /* for people: "4 of 4 pieces, 11074022 bytes" */
};

/* Services of a tick, valid until tick_done or cancel. */
struct store *tick_store(struct tick *, const char *name, struct err *err);
tm_ms tick_now(const struct tick *);
const char *tick_cursor(const struct tick *); /* lent; "" at first */
void tick_set_cursor(struct tick *, const char *cursor);
/* First time this key was reported in its present fingerprint; tick_now when it is new. */
tm_ms tick_key_since(const struct tick *, const char *key, const char *fingerprint);
void tick_report(struct tick *, const struct key_report *);
/* Everything not reported in this tick is gone from the place and leaves the index; call it when the listing was whole. */
void tick_reported_all(struct tick *);
int tick_request(struct tick *, const struct run_request *, struct err *err);
/*
 * The hints that this tick is for, or NULL: it is for everything.  A tick that looks at these alone must not call
 * tick_reported_all; it may as well look at everything (a hint may be older than the configuration).
 */
const char *const *tick_hints(const struct tick *, size_t *n);
/* So many of a calendar's instants have passed and are not asked for; only counted. */
void tick_missed(struct tick *, int64_t n);
/* Something could not be looked at, only for now: if it was announced it stays so, and a tick for it follows soon. */
void tick_again(struct tick *);
/*
 * The end.  err: the tick failed (nothing of it is kept but the failure).  Otherwise reports and requests are
 * committed together; skip_reason (may be NULL) is shown when nothing was requested.  The tick is gone afterwards.
 */
void tick_done(struct tick *, const char *skip_reason, const struct err *err);

#endif
