/* view.h: gauges of the engine, from memory alone: for those who are asked often. */
#ifndef VIEW_H
#define VIEW_H

#include "engine/keyindex.h"

struct engine;

struct view_runs {
	int64_t queued, running;
	tm_ms oldest; /* when the oldest queued one was made; 0: none is queued */
};
/* Of a job; NULL: of those that no job started. */
struct view_runs view_runs(const struct engine *, const char *job);

struct view_pool {
	int64_t used, waiting; /* steps */
	int64_t oldest_us; /* how long the first of those waiting has been ready; 0: none waits */
};
/* NULL: steps without a pool. */
struct view_pool view_pool(const struct engine *, const char *pool);

/* The keys a sensor sees; NULL: it is not at work. */
const struct key_tally *view_keys(const struct engine *, const char *sensor);

#endif
