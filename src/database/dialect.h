/*
 * dialect.h: where the SQL of the servers differs.  Internal to database/.
 *
 * One const row per server: how a column is declared, how an upsert ends, how the catalogue is read.  Everything else
 * is standard SQL and written once.
 */
#ifndef DIALECT_H
#define DIALECT_H

#include "database/schema.h"

struct dialect {
	const char *name;
	char quote; /* around identifiers */
	bool ddl_in_transaction; /* CREATE and ALTER can be rolled back */
	unsigned key_prefix; /* characters of a text that any index can hold; 0: there is no such limit */
	/* Type and constraints of a column, after its name. */
	void (*column)(const struct dialect *, const struct schema_column *, struct strbuf *out);
	/* After the closing parenthesis of CREATE TABLE. */
	void (*table_tail)(const struct schema_table *, struct strbuf *out);
	/* After VALUES (...): what happens to an existing row; update[] may be empty. */
	void (*upsert_tail)(const struct dialect *, const char *const *identity, const char *const *update,
	    size_t n, struct strbuf *out);
	/* Catalogue; each takes the table's name as its one value. */
	const char *
	    list_table; /* one row when it exists: name, the engine where some know no transactions, 1 for a view */
	const char *list_columns; /* name, and whether an INSERT must give it a value */
	const char *list_keys; /* unique 0|1, index name, column name; by index, in order */
	/* About the server and the account, for db_preflight; NULL: there is nothing to ask. */
	const char *describe; /* one text */
	const char *show_cipher; /* the cipher as last column, empty on an open line */
	const char *is_read_only; /* 1 or 0 */
	const char *list_rights; /* names of the rights granted to the account itself on this database */
	/* Behind a SELECT: wait for whoever is changing the row. */
	const char *lock_read;
	/* One row with 1 when the lock is ours; NULL where the transaction is lock enough. */
	const char *migrate_lock, *migrate_unlock;
};

extern const struct dialect dialect_sqlite, dialect_mysql;

void dialect_name(const struct dialect *, const char *name, struct strbuf *out);
/* a, b, c */
void dialect_names(const struct dialect *, const char *const *names, struct strbuf *out);

#endif
