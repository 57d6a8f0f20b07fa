/* mysql_error.h: error numbers of client and server as errors that carry a decision.  Internal to database/. */
#ifndef MYSQL_ERROR_H
#define MYSQL_ERROR_H

#include "base/err.h"

/* text is the library's or server's own words.  Returns -1. */
int mysql_error_set(unsigned number, const char *text, const char *location, struct err *err);
/* The connection is of no more use. */
bool mysql_error_is_lost(unsigned number);
/* The server said that COMMIT did nothing; after any other error nobody knows. */
bool mysql_error_is_rollback(unsigned number);

#endif
