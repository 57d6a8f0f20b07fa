/* mysql_client.h: a connection to a server, shared by the files that use the client library.  Internal to database/. */
#ifndef MYSQL_CLIENT_H
#define MYSQL_CLIENT_H

#include <mysql.h>

#ifndef LIBMARIADB
#error \
    "MariaDB Connector/C is needed (Debian: libmariadb-dev); Oracle's client has other options for TLS and logging in"
#endif

/* Macros of the library's header use calls that are banned in ours. */
#undef BANNED_LATER
#include "base/banned.h"

#include "database/mysql.h"
#include "database/stmtcache.h"

struct mysql {
	struct database base;
	struct mysql_conf conf; /* a copy; the password stays a reference and is read for each connection */
	char *location;
	MYSQL *h; /* NULL: not connected */
	bool lost;
	uint64_t packet; /* bytes of a statement with its values that the server takes; 0: not known */
	struct stmtcache cache;
};

extern const struct opt mysql_opts[];
/* mysql_connect.c: fill m->h from m->conf, or leave it NULL. */
int mysql_connect_to(struct mysql *m, struct err *err);

#endif
