#include "config.h"

#include "database/mysql.h"
#include "database/sqlite.h"

const struct db_type *const db_types[] = {&db_type_mysql, &db_type_sqlite, NULL};
