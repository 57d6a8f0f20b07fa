/*
 * schema.h: tables described once, as const data.  Public: a component that owns tables has one struct schema.
 *
 * From the description come the DDL and the upserts of both dialects, the migrations, and orch-results(5).
 * Two servers then hold the same data and refuse the same data: lengths and forms that one enforces by its types, the
 * other enforces by a CHECK.
 *
 * A schema has a version.  The tables describe the present one; steps say how an older database gets there.  A new
 * database is made from the tables alone.  To change a table: edit its rows, raise the version, append a step.
 */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "base/err.h"
#include "base/strbuf.h"

enum column_type {
	COL_ID, /* whole number that the database gives to each new row; the only column of its primary key */
	COL_INT,
	COL_DOUBLE,
	COL_TEXT, /* UTF-8, at most `size` characters; compared byte for byte */
	COL_DATETIME, /* UTC as "YYYY-MM-DD HH:MM:SS" */
	COL_DATETIME_MS, /* UTC as "YYYY-MM-DD HH:MM:SS.mmm" */
	COL_NTYPES
};

enum {
	COL_REQUIRED = 1 << 0, /* NOT NULL; columns of a primary key need not say so */
	COL_KEEP = 1 << 1, /* an upsert of an existing row leaves it alone */
};

struct schema_column {
	const char *name;
	enum column_type type;
	unsigned size; /* COL_TEXT only */
	unsigned flags;
	const char *unit; /* "m/s"; NULL: none */
	const char *help; /* one sentence, lower case, no full stop */
};

#define SCHEMA_KEY_COLUMNS 4
#define SCHEMA_COLUMNS_MAX 64 /* of one upsert */

struct schema_key {
	const char *name; /* of the index, unique in the whole database */
	const char *columns[SCHEMA_KEY_COLUMNS + 1];
	bool unique;
};

struct schema_table {
	const char *name, *help;
	const struct schema_column *columns; /* ends with a NULL name */
	const char *primary[SCHEMA_KEY_COLUMNS + 1];
	const struct schema_key *keys; /* ends with a NULL name; may be NULL */
	const char
	    *identity[SCHEMA_KEY_COLUMNS + 1]; /* what db_upsert knows a row by; empty: the primary key */
};

enum schema_verb { SCHEMA_ADD_TABLE, SCHEMA_ADD_COLUMN, SCHEMA_ADD_KEY };

/* What became new with a version; the thing itself is described by its table.  An added column cannot be required. */
struct schema_step {
	int version;
	enum schema_verb verb;
	const char *table;
	const char *name; /* of the column or key */
};

struct schema {
	const char *component; /* "fpi" */
	int version; /* from 1 */
	const struct schema_table *const *tables; /* NULL-terminated */
	const struct schema_step *steps; /* in order of version, ends with a NULL table; may be NULL */
};

struct dialect;

/* NULL when there is none. */
const struct schema_table *schema_find_table(const struct schema *, const char *name);
const struct schema_column *schema_find_column(const struct schema_table *, const char *name);
const struct schema_key *schema_find_key(const struct schema_table *, const char *name);
bool schema_in_key(const char *const *columns, const char *name);
/* What an upsert knows a row by. */
const char *const *schema_identity(const struct schema_table *);
/* A description that contradicts itself is class BUG: for the tests of whoever owns it. */
int schema_check(const struct schema *, struct err *err);

/* SQL text; the buffer's limit is the only thing that can fail (look at overflowed). */
void schema_create_table(const struct schema_table *, const struct dialect *, struct strbuf *out);
/* prefix: index only so many characters of a text that may be longer; 0: all of it. */
void schema_create_key(const struct schema_table *, const struct schema_key *, const struct dialect *,
    unsigned prefix, struct strbuf *out);
void schema_add_column(
    const struct schema_table *, const struct schema_column *, const struct dialect *, struct strbuf *out);
/* The columns, one ? for each, that db_upsert binds; BUG when one is unknown or a part of the identity is missing. */
int schema_upsert(const struct schema_table *, const char *const *columns, size_t n, const struct dialect *,
    struct strbuf *out, struct err *err);
/* All statements that make an empty database, with ';' and newlines: for people and for the manual. */
void schema_ddl(const struct schema *, const struct dialect *, struct strbuf *out);

#endif
