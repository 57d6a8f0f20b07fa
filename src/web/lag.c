#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "metric/metric.h"

#include <event2/event.h>
#include <stdlib.h>

#define PERIOD_US  250000
#define FAILURE_MS 60000

static void arm(struct web_lag *lag)
{
	struct timeval tv = {.tv_usec = PERIOD_US};

	lag->due_us = clock_mono_us() + PERIOD_US;
	event_add(lag->timer, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct web_lag *lag = arg;
	int64_t late = clock_mono_us() - lag->due_us;

	lag->last_us = MAX(late, (int64_t)0);
	metric_observe(METRIC_LOOP_LAG, (double)lag->last_us / 1e6, NULL, NULL);
	lag->turned_at = clock_mono();
	if (lag->engine != NULL && engine_stats(lag->engine)->commit_failures != lag->commit_failures) {
		lag->commit_failures = engine_stats(lag->engine)->commit_failures;
		lag->failed_at = lag->turned_at;
	}
	arm(lag);
}

bool lag_commits_fail(const struct web_lag *lag)
{
	return lag->failed_at != 0 && clock_mono() - lag->failed_at < FAILURE_MS;
}

struct web_lag *lag_new(struct event_base *base, struct engine *engine)
{
	struct web_lag *lag = xcalloc(1, sizeof(*lag));

	lag->engine = engine;
	lag->timer = event_new(base, -1, 0, on_timer, lag);
	lag->turned_at = clock_mono();
	arm(lag);
	return lag;
}

void lag_free(struct web_lag *lag)
{
	if (lag == NULL)
		return;
	event_free(lag->timer);
	free(lag);
}
