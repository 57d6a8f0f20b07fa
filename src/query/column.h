/*
 * column.h: rows of a statement as JSON, told by a table: what each column is called there and what it holds.
 *
 * The table has the order of the statement's columns and ends with a NULL name.  NULL in the database is null.
 */
#ifndef COLUMN_H
#define COLUMN_H

#include "base/json.h"
#include "state/sql.h"

enum column_kind {
	COLUMN_TEXT,
	COLUMN_TIME, /* milliseconds since 1970, 0 for none -> ISO 8601 UTC or null */
	COLUMN_INT,
	COLUMN_BOOL,
	COLUMN_REAL,
	COLUMN_JSON, /* a document in a text; null when it is none */
	COLUMN_ERROR, /* three columns: class, code, text -> an object or null */
};

struct column {
	const char *name;
	enum column_kind kind;
};

/*
 * The columns from `first` on become members of obj, all null when row is NULL (there is none); the number of the column
 * after them is returned.
 */
int column_members(json_t *obj, const struct sql_row *row, int first, const struct column *columns);
/* The row as a new object. */
json_t *column_object(const struct sql_row *row, const struct column *columns);
/* All rows that are left, as a new array of objects; ends the statement. */
json_t *column_list(struct sql_row *row, const struct column *columns);

/* What a COLUMN_JSON holds: a new reference, null when it is no document. */
json_t *column_document(const struct sql_row *row, int col);

#endif
