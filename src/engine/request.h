/*
 * request.h: from a wish to a queued run.
 *
 * Whoever asks (a sensor, a person, a retry), the same checks hold: the config is valid for every asset of the run, the
 * partition follows from the template, the queue has room.  Nothing is half made: a run is inserted whole or not at all.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "engine/engine.h"
#include "sensor/sensor.h"

struct conf_sensor;

enum request_fate {
	REQUEST_MADE,
	REQUEST_DUPLICATE, /* this run key was used before */
	REQUEST_CHANGED, /* used before, with another generation; the sensor's policy is not to run again */
	REQUEST_NO_ROOM, /* the queue is full: ask again later */
	REQUEST_BAD, /* err says why */
};

/* dry_run: judge, make nothing.  run_id is set when a run was made or is the one that used the key. */
enum request_fate request_from_sensor(struct engine *, const struct conf_sensor *, const struct run_request *,
    bool dry_run, int64_t *run_id, struct err *err);

#endif
