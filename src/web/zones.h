/*
 * zones.h: the time zone of a partition.
 *
 * web.time_zones names a section of the configuration and a key in each of its entries, sites.*.timezone: a partition
 * with a component "uao" is in the zone that the entry "uao" of sites has.  The page knows nothing else of sections.
 */
#ifndef ZONES_H
#define ZONES_H

#include "base/tz.h"

struct conf;
struct zones;

/* What cannot be read is logged, and has no zone; NULL when the configuration names none. */
struct zones *zones_new(const struct conf *);
void zones_free(struct zones *); /* NULL is fine */
/* Of the first component that has one, lent; NULL: none has. */
const struct tz *zones_of(const struct zones *, const char *partition);

#endif
