#include "config.h"

#include "database/sqlite.h"

const struct db_type *const db_types[] = {&db_type_sqlite, NULL};
