/* sites_bind.h: which keys the table's mappings may hold, and how their values go into the structs of setup.h. */
#ifndef FPI_SITES_BIND_H
#define FPI_SITES_BIND_H

#include "assets/fpi/setup.h"
#include "conf/node.h"

enum sites_kind {
	SITES_ANY, /* present or not; looked into elsewhere */
	SITES_TEXT, /* size bytes with the NUL */
	SITES_DOUBLE,
	SITES_INT,
	SITES_INT64,
	SITES_BOOL,
	SITES_DATE,
	SITES_DIRECTIONS,
	SITES_THRESHOLDS, /* two, null: never trips from below */
	SITES_CENTER, /* two numbers */
	SITES_THRESHOLD, /* one, null: never trips from above */
	SITES_TAGS,
	SITES_LOCATION,
	SITES_DEFAULTS,
	SITES_RANGES, /* a list of mappings */
};

enum {
	SITES_REQUIRED = 1 << 0, /* must stand in the file */
	SITES_NEEDED = 1 << 1, /* must be known when a night is analysed */
	SITES_NULLABLE = 1 << 2,
};

struct sites_key {
	const char *name;
	enum sites_kind kind;
	unsigned flags;
	size_t off, size; /* in the schema's struct; size 0: only checked */
	double min, max; /* numbers, when max > min */
};

struct sites_schema {
	const char *what;
	const struct sites_key *keys; /* ends with a NULL name */
};

extern const struct sites_schema sites_table_schema, sites_site_schema, sites_instrument_schema,
    sites_params_schema, sites_epoch_schema, sites_station_schema, sites_bad_dates_schema;

/*
 * Put the values that are present into out (NULL: only check them).  Unknown keys and wrong values are reported, and what
 * they would have changed is left.
 */
void sites_bind(const struct sites_schema *, const struct node *map, void *out, struct diags *diags);
/* Report the REQUIRED keys that are missing. */
void sites_require(const struct sites_schema *, const struct node *map, struct diags *diags);
/* Mark what is not yet known: NAN, -1, empty. */
void sites_defaults(const struct sites_schema *, void *out);
/* The first NEEDED key that is still not known, or NULL. */
const char *sites_missing(const struct sites_schema *, const void *out);
/* "2026-04-17" in days since 1970; -1 also for an absent node. */
int sites_date(const struct node *, int64_t *days);

#endif
