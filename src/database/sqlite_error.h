/* sqlite_error.h: SQLite's result codes as errors that carry a decision.  Internal to database/. */
#ifndef SQLITE_ERROR_H
#define SQLITE_ERROR_H

#include "base/err.h"

#include <sqlite3.h>

/* rc is extended; h (may be NULL) has the words.  Returns -1. */
int sqlite_error(sqlite3 *h, int rc, const char *location, struct err *err);

#endif
