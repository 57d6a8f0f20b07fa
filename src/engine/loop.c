#include "config.h"

#include "engine/loop.h"

#include <event2/event.h>

#define PRIORITIES 3 /* events are in the middle if nothing is said; the last are readers' */
#define BURST_MS   2
#define BURST      16

/*
 * However many readers ask in one instant, between a few of their answers the loop looks for what is more urgent: a step
 * that ended, a tick that is due.
 */
struct event_base *loop_new(void)
{
	static const struct timeval burst = {.tv_usec = BURST_MS * 1000};
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
	event_config_set_max_dispatch_interval(cfg, &burst, BURST, PRIORITIES - 1);
	base = event_base_new_with_config(cfg);
	event_base_priority_init(base, PRIORITIES);
	event_config_free(cfg);
	return base;
}
