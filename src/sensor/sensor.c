#include "config.h"

#include "sensor/sensor.h"

const char *key_verdict_name(enum key_verdict v)
{
	static const char *const names[] = {
	    [KEY_PENDING] = "pending",
	    [KEY_COMPLETE] = "complete",
	    [KEY_NO_DATA] = "no_data",
	    [KEY_STALE] = "stale",
	    [KEY_IGNORED] = "ignored",
	    [KEY_INVALID] = "invalid",
	};
	static_assert(NITEMS(names) == KEY_NVERDICTS, "name every verdict");

	return names[v];
}
