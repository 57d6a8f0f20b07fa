/* mysql.h: a results database on a MySQL or MariaDB server.  Internal to database/; others go through db_types. */
#ifndef ORCH_MYSQL_H
#define ORCH_MYSQL_H

#include "database/database.h"

struct mysql_conf {
	char *host;
	int64_t port;
	char *socket; /* wins over host and port */
	char *user, *database;
	struct secret_ref password;
	char *tls; /* auto verify encrypt off */
	char *tls_ca, *tls_cert, *tls_key;
	tm_ms connect_timeout, timeout;
};

extern const struct db_type db_type_mysql;

#endif
