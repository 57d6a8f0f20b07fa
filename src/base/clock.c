#include "config.h"

#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

static struct {
	bool frozen;
	tm_ms wall, mono;
} fake;

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static tm_ms wall_offset(void)
{
	static bool read;
	static tm_ms offset;

	if (!read) {
		const char *s = getenv("ORCH_CLOCK_OFFSET_MS");

		offset = s ? strtoll(s, NULL, 10) : 0;
		read = true;
	}
	return offset;
}

tm_ms clock_now(void)
{
	return fake.frozen ? fake.wall : read_us(CLOCK_REALTIME) / 1000 + wall_offset();
}

tm_ms clock_mono(void)
{
	return fake.frozen ? fake.mono : read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
	return fake.frozen ? fake.mono * 1000 : read_us(CLOCK_MONOTONIC);
}

tm_ms clock_boot(void)
{
	return read_us(CLOCK_BOOTTIME) / 1000;
}

void clock_set(tm_ms wall, tm_ms mono)
{
	fake.frozen = true;
	fake.wall = wall;
	fake.mono = mono;
}

void clock_unset(void)
{
	fake.frozen = false;
}
