#include "config.h"

#include "engine/view.h"

#include "engine/engine_priv.h"
#include "engine/watch.h"

#include "base/clock.h"

#include <string.h>

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

struct view_runs view_runs(const struct engine *e, const char *job)
{
	struct view_runs v = {0};
	const struct run *run;

	TAILQ_FOREACH(run, &e->runs, link)
	{
		if (!same(run->job, job))
			continue;
		v.running += run->state == RUN_RUNNING;
		v.queued += run->state == RUN_QUEUED;
		if (run->state == RUN_QUEUED && v.oldest == 0)
			v.oldest = run->created_at;
	}
	return v;
}

struct view_pool view_pool(const struct engine *e, const char *pool)
{
	struct view_pool v = {0};
	int64_t now = clock_mono_us();
	const struct run *run;

	TAILQ_FOREACH(run, &e->runs, link)
	for (size_t i = 0; run->state == RUN_RUNNING && i < run->nsteps; i++) {
		const struct run_step *s = &run->steps[i];

		if (s->conf == NULL || !same(s->conf->pool, pool))
			continue;
		v.used += s->state == STEP_RUNNING;
		v.waiting += s->state == STEP_READY;
		if (s->state == STEP_READY)
			v.oldest_us = MAX(v.oldest_us, now - s->ready_us);
	}
	return v;
}

const struct key_tally *view_keys(const struct engine *e, const char *sensor)
{
	return watch_tally(e, sensor);
}
