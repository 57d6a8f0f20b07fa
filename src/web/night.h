/* night.h: one night of one instrument: the newest run of its partition, or an upload that waits for a run. */
#ifndef NIGHT_H
#define NIGHT_H

#include "base/util.h"

struct query;

struct night {
	char *state; /* NULL: nothing is known of it */
	char *text, *partition, *key; /* NULL: none */
	const char *raw; /* "held", "deleted" or "kept", a literal; NULL: not known */
	int64_t run; /* 0: none, it is an upload */
	int64_t present, expected; /* pieces of an upload; expected 0: not known yet */
};

/* What is asked of the state for every night of a matrix, read once. */
struct night_reader;
struct night_reader *night_reader_new(const struct query *); /* the query is lent */
void night_reader_free(struct night_reader *);

/* The night takes the place of what is in out; false, and out is left alone, when no run is known. */
bool night_read(struct night_reader *, const char *partition, struct night *out);
/* Of a night with warnings: what it was warned of becomes its text, errors that the run went on after first. */
void night_tell_warning(struct night_reader *, struct night *);
void night_release(struct night *);

#endif
