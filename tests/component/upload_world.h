/*
 * upload_world.h: the chunked_upload sensor over a real folder store.  The tick services are this fixture's own: they
 * remember what was reported and asked for, as the engine does, and the clock is the test's.
 */
#ifndef UPLOAD_WORLD_H
#define UPLOAD_WORLD_H

#include "tests/tap.h"

#include "base/strbuf.h"
#include "sensors/chunked_upload.h"
#include "store/dir.h"

#include <event2/event.h>

#define PART "^(?<stub>fpi(?<num>\\d{2}))_(?<site>[a-z0-9]{2,3})_(?<date>\\d{8})\\.tar\\.gz(?<part>\\d{6})$"
#define DAY  INT64_C(86400000)

struct seen {
	char *key, *fingerprint, *reason;
	enum key_verdict verdict;
	int64_t present, expected, bytes;
	tm_ms since;
};

struct asked {
	char *key, *names, *generation, *why;
};

struct tick {
	struct seen *seen;
	size_t nseen;
	struct asked *asked;
	size_t nasked;
	bool whole, done, failed, again;
	char reason[512];
	struct err err;
};

/* All of this starts afresh with every world_open. */
extern struct event_base *base;
extern struct store *store;
extern struct tick now_tick, last_tick; /* the one under way, the one before */
extern tm_ms now;
extern const char *refuse_request; /* tick_request fails with this text */
extern const char *const *hints; /* NULL: the next ticks are for everything */
extern size_t nhints;
extern struct chunked_upload_conf conf;
extern void *mem; /* the sensor's */
extern size_t gets, gets_at_once, most_gets_at_once;
extern size_t lists_at_once, most_lists_at_once;
extern struct strbuf prefixes; /* "raw/ raw/x": prefixes of all listings */
extern const char *fail_key; /* a get of this key ... */
extern struct err fail_with; /* ... fails with this */
extern bool fail_list;

#define world_open() world_open_in(test_dir())
void world_open_in(const char *dir);
void world_start(void); /* the sensor, with conf as it is now */
void world_close(void);

char *path_of(const char *key); /* free() it */
void put(const char *key, const char *text);
void drop(const char *key);
/* A night of n pieces of five bytes and its check file. */
void put_night(const char *stem, int n);

void begin_tick(void);
const struct tick *run_tick(void);
/* A tick that is cancelled after so many turns of the loop, and another one after it; false: it had ended before that. */
bool cut_tick(int turns);
void tick_release(struct tick *t);
const struct seen *find_seen(const struct tick *t, const char *key);

static inline void is_verdict(const char *key, enum key_verdict verdict, const char *reason)
{
	const struct seen *s = find_seen(&now_tick, key);

	if (!ok(s != NULL, "%.80s is reported", key))
		return;
	is_str(key_verdict_name(s->verdict), key_verdict_name(verdict), "its verdict");
	if (reason != NULL)
		is_str(s->reason, reason, "its reason");
}

#endif
