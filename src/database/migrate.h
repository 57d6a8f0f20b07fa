/* migrate.h: what a migration looks at before it acts, for db_preflight too.  Internal to database/. */
#ifndef DATABASE_MIGRATE_H
#define DATABASE_MIGRATE_H

#include "database/database.h"
#include "database/schema.h"

/* The engine's own schema and a component's (may be NULL), NULL-terminated, in the order of their making. */
#define MIGRATE_SCHEMAS 3
void migrate_list(const struct schema *component, const struct schema *all[MIGRATE_SCHEMAS]);

/* Can a table that somebody else made take our rows?  "schema_mismatch" says why not. */
int migrate_check_fits(struct database *, const struct schema_table *, struct err *err);
/* Rows that a unique key would forbid are their owner's to judge: "duplicates" names them. */
int migrate_check_unique(
    struct database *, const struct schema_table *, const struct schema_key *, struct err *err);

#endif
