/* sqlite.h: a results database in one file.  Internal to database/; others go through db_types. */
#ifndef ORCH_SQLITE_H
#define ORCH_SQLITE_H

#include "database/database.h"

struct sqlite_conf {
	char *path;
	tm_ms busy_timeout;
};

extern const struct db_type db_type_sqlite;

#endif
