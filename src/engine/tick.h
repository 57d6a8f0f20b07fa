/*
 * tick.h: one tick: what a sensor type reports and asks for is kept here until the turn that applies it (watch.h).
 *
 * The services themselves are promised by sensor/sensor.h; they only collect.
 */
#ifndef TICK_H
#define TICK_H

#include "base/err.h"
#include "sensor/sensor.h"

struct conf_sensor;
struct engine;
struct event;
struct hints;
struct keyindex;

struct request_copy {
	struct run_request req;
	struct name_value *names;
};

struct tick {
	/* Lent by the watch, which outlives it. */
	struct engine *engine;
	const struct conf_sensor *conf;
	struct keyindex *keys;
	const struct hints *hints;
	struct event *timeout;

	tm_ms at, mono;
	bool dry_run, whole, done;
	bool pushed; /* it would not be its time yet */
	bool again; /* what was announced has not all been looked at */
	bool cut; /* not every report was taken: what was not seen may still be there */
	char *cursor, *skip_reason;
	struct err err;
	struct key_report *reports; /* changed ones only */
	size_t nreports, capreports;
	int64_t seen, missed;
	struct request_copy *requests;
	size_t nrequests, caprequests;
};

void tick_free(struct tick *);
/* Stores are opened once for all sensors; close them when no tick is left. */
void tick_open_stores(struct engine *);
void tick_close_stores(struct engine *);

#endif
