/* catalog.h: what a database holds already: tables, columns, keys, and rows in the way of a key.  Internal to database/. */
#ifndef CATALOG_H
#define CATALOG_H

#include "base/strvec.h"
#include "database/database.h"
#include "database/schema.h"

/* A table whose engine knows no transactions is named in a warning; a view is class PERMANENT code "schema_mismatch". */
int catalog_has_table(struct database *, const char *table, bool *has, struct err *err);
/* Append the names of the table's columns, and of those (may be NULL) that every new row must be given a value for. */
int catalog_columns(
    struct database *, const char *table, struct strvec *names, struct strvec *required, struct err *err);
/* Append a name to "a, b". */
void catalog_add_name(struct strbuf *list, const char *name);
/* Names are compared as the servers do, without regard to case. */
bool catalog_is_among(const struct strvec *names, const char *name);
/* Is there an index with exactly these columns, and unique if the key is, under whatever name? */
int catalog_has_key(
    struct database *, const struct schema_table *, const struct schema_key *, bool *has, struct err *err);
/* Append the first few values that several rows share, "'a.png' (2 rows), ..."; nothing when the key fits. */
int catalog_duplicates(struct database *, const struct schema_table *, const struct schema_key *,
    struct strbuf *out, struct err *err);

#endif
