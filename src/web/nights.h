/*
 * nights.h: nights as a matrix, without knowing what a night is: a partition with one component that looks like a date of eight
 * digits is a row (the rest of it) and a column (the date).
 */
#ifndef NIGHTS_H
#define NIGHTS_H

#include "base/err.h"
#include "base/json.h"
#include "web/night.h"
#include "web/night_name.h"

#define NIGHTS_DAYS 21 /* of a page of the matrix */

struct query;

struct night_row {
	char *name;
	const char *standing; /* of standing.h */
	char newest[NIGHT_DATE_MAX]; /* the newest date that anything is known of; "": none */
	struct night *night; /* one for each date */
	struct night before; /* the newest, where all lie before these dates; its state NULL: it is not known */
};

struct nights {
	char (*date)[NIGHT_DATE_MAX]; /* newest first */
	size_t ndates; /* none when there are no rows at all */
	struct night_row *row; /* by name */
	size_t nrows;
	char until[NIGHT_DATE_MAX]; /* "" without rows */
	char earlier[NIGHT_DATE_MAX]; /* the next date to go back to; "": there is nothing before */
	char *next; /* the name to go on after; NULL: these are the last rows */
	struct night_at { /* nights that need somebody, newest first */
		size_t row, date;
	} * stuck;
	size_t nstuck;
};

struct nights_ask {
	const char *until; /* NULL: the newest date known */
	const char *after; /* rows after the one of this name; NULL: from the first */
	int days; /* the more, the fewer rows */
};

/* With the standing of each row at that time; NULL and err when it cannot be read. */
struct nights *nights_read(const struct query *, const struct nights_ask *, tm_ms now, struct err *err);
void nights_free(struct nights *); /* NULL is fine */
/* The nights of an older matrix behind its own, where the row is the same; older has none of them afterwards. */
void nights_append(struct nights *, struct nights *older);
/* The newest night of a row; NULL when nothing is known of it. */
const struct night *nights_newest(const struct nights *, const struct night_row *);
/*
 * {"until", "earlier": date or null, "dates": [newest first], "rows": [{"name", "newest": date or null, "standing",
 *  "cells": {date: {"state", "text", "partition", "run", "key", "present", "expected", "raw": "held" | "deleted" | "kept"
 *  | null}}}], "next": the name to go on after, or null, "stuck": [{"row", "date", "state", "text", "partition", "key"}]}.
 * The cell of a row's newest night is there wherever it lies.
 */
json_t *nights_json(const struct nights *);

#endif
