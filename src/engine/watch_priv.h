/*
 * watch_priv.h: a sensor at work, for the files that make one: watch.c starts ticks and answers people, watch_apply.c applies
 * what a tick has brought.
 */
#ifndef WATCH_PRIV_H
#define WATCH_PRIV_H

#include "engine/engine_priv.h"
#include "engine/watch.h"

struct hints;

/* Longest wait for a tick that was announced and could not see. */
#define WATCH_PUSH_WAIT_MAX INT64_C(300000)

struct waiter {
	STAILQ_ENTRY(waiter) link;
	engine_tick_fn *fn;
	void *arg;
	bool dry_run;
	bool served; /* the tick under way began after it was asked for */
};

struct watch {
	struct engine *engine;
	const struct conf_sensor *conf;
	void *mem;
	struct keyindex *keys;
	struct hints *hints; /* announced, waiting for a tick */
	struct tick *tick; /* under way or done, not yet applied */
	tm_ms next;
	tm_ms planned; /* when that was decided; TIME_NEVER: by an earlier process or configuration */
	tm_ms push_next; /* when a tick that hints ask for may begin; the past: at once */
	int push_failures; /* in a row */
	char *paused; /* by whom */
	char *cursor;
	int failures; /* in a row */
	struct event *timeout;
	STAILQ_HEAD(, waiter) waiters;
};

/* The tick is done: its reports, its requests and its place in the history, all in this turn's transaction. */
void watch_apply(struct watch *);
/* As the state has them. */
void watch_reload_keys(struct watch *);
/* When it ticks next, in the face of a wall clock that was set back or a calendar that was written anew. */
void watch_replan(struct watch *);

#endif
