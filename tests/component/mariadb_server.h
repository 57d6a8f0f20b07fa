/*
 * mariadb_server.h: a real MariaDB of this test program's own, gone when the program ends, however it ends.
 */
#ifndef MARIADB_SERVER_H
#define MARIADB_SERVER_H

#include "database/mysql.h"

/*
 * Start it below dir, with one more option (may be NULL), and wait until it answers; the data of an earlier start is
 * kept.  False: there is no server on this machine.
 */
bool mariadb_start(const char *dir, const char *option);
/* SIGKILL, and wait until it is gone. */
void mariadb_kill(void);
/* SIGSTOP, and wait until it stands; SIGCONT. */
void mariadb_freeze(void);
void mariadb_thaw(void);
int mariadb_port(void);
/* "ca.pem" signed its certificate, "other.pem" did not. */
const char *mariadb_tls_file(const char *name);

/* A connection as root on the socket, and one statement on a connection of its own. */
struct database *mariadb_root(void);
void mariadb_root_sql(const char *sql);

/* The settings of account orch over TCP; edit the copy. */
struct mysql_conf mariadb_conf(const char *database);
struct database *mariadb_open(const struct mysql_conf *, struct err *err);

#endif
