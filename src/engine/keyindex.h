/*
 * keyindex.h: what a sensor knows of every key, in memory as 32 bytes of hashes per key, in the database whole.
 *
 * A tick reports each key it sees; only keys whose report changed touch the database, so that a tick over many unchanged
 * keys costs a hash each.  Two keys with one 64-bit hash would share an entry: with a million keys the chance is one in
 * ten million per sensor, and the effect is a late display, never a lost run (runs hang on run keys, not on this index).
 */
#ifndef KEYINDEX_H
#define KEYINDEX_H

#include "base/util.h"
#include "sensor/sensor.h"

struct keyindex;
struct state;

/* Reads the sensor's keys; limit caps how many are kept. */
struct keyindex *keyindex_load(struct state *, const char *sensor, int64_t limit);
void keyindex_free(struct keyindex *); /* NULL is fine */

/* Start a pass; then keyindex_see for each report of a finished tick; then maybe keyindex_sweep. */
void keyindex_begin(struct keyindex *);
/* Whether the row has to be written: new, or changed since it was last seen. */
bool keyindex_see(struct keyindex *, const struct key_report *);
/* Since when its row has this fingerprint, without a look at the row; 0: it has another, or there is none. */
tm_ms keyindex_since(struct keyindex *, const char *key, const char *fingerprint);
void keyindex_write(struct keyindex *, struct state *, const struct key_report *, tm_ms now);
/* Mark every key that was not seen in this pass as gone. */
void keyindex_sweep(struct keyindex *, struct state *, tm_ms now);
/* The rows that are there, counted as they are written. */
struct key_tally {
	int64_t n[KEY_NVERDICTS];
	int64_t bytes; /* of all but the ignored */
};
const struct key_tally *keyindex_tally(const struct keyindex *);
size_t keyindex_count(const struct keyindex *);
/* How many reports were refused because the index is full. */
int64_t keyindex_refused(const struct keyindex *);

#endif
