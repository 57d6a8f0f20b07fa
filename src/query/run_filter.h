/*
 * run_filter.h: the statement for a page of runs.
 *
 * One condition leads: the runs that fulfil it are walked through an index, newest first.  The others are looked for among
 * the newest RUN_FILTER_SEEN of them, so that a page costs the same whatever the history; a page may then have fewer rows
 * than wanted, or none, with more to come.
 */
#ifndef RUN_FILTER_H
#define RUN_FILTER_H

#include "base/strbuf.h"
#include "query/query.h"

#define RUN_FILTER_SEEN 2000

struct run_statement {
	struct strbuf text; /* holds only ?s */
	const char *args[10]; /* lent from the filter, and from number */
	size_t nargs;
	char number[3][24];
};

/* The id of the oldest run that is looked at; one row, NULL when all are.  False: there is nothing to bound. */
bool run_filter_floor(struct run_statement *, const struct run_filter *);
/* columns of the runs from `from` on that fulfil the filter, newest first. */
void run_filter_rows(struct run_statement *, const struct run_filter *, const char *columns, int64_t from);
void run_statement_release(struct run_statement *);

#endif
