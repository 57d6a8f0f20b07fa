#include "config.h"

#include "database/mysql_error.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <string.h>

enum { LOST = 1 << 0, ROLLBACK = 1 << 1 };

#define RIGHTS                                                                                               \
	"the account needs SELECT, INSERT, UPDATE and DELETE on this database, and CREATE, ALTER and INDEX " \
	"until "                                                                                             \
	"the tables are there"

/* Numbers without a name are not in the header of every client library. */
static const struct {
	unsigned number;
	enum err_class class;
	const char *code;
	unsigned flags;
	const char *hint;
} meanings[] = {
    /* the connection */
    {CR_CONNECTION_ERROR, ERR_TRANSIENT, "unreachable", LOST, NULL},
    {CR_CONN_HOST_ERROR, ERR_TRANSIENT, "unreachable", LOST, NULL},
    {CR_UNKNOWN_HOST, ERR_TRANSIENT, "unreachable", LOST, NULL},
    {CR_SERVER_HANDSHAKE_ERR, ERR_TRANSIENT, "unreachable", LOST, NULL},
    {CR_SERVER_GONE_ERROR, ERR_TRANSIENT, "lost", LOST, NULL},
    {CR_SERVER_LOST, ERR_TRANSIENT, "lost", LOST, NULL},
    {CR_SERVER_LOST_EXTENDED, ERR_TRANSIENT, "lost", LOST, NULL},
    {CR_MALFORMED_PACKET, ERR_TRANSIENT, "lost", LOST, NULL},
    {ER_SERVER_SHUTDOWN, ERR_TRANSIENT, "lost", LOST, NULL},
    {ER_NORMAL_SHUTDOWN, ERR_TRANSIENT, "lost", LOST, NULL},
    {ER_ABORTING_CONNECTION, ERR_TRANSIENT, "lost", LOST, NULL},
    {1158, ERR_TRANSIENT, "lost", LOST, NULL}, /* network errors as the server saw them */
    {1159, ERR_TRANSIENT, "lost", LOST, NULL},
    {1160, ERR_TRANSIENT, "lost", LOST, NULL},
    {1161, ERR_TRANSIENT, "lost", LOST, NULL},
    {1927, ERR_TRANSIENT, "lost", LOST, NULL}, /* connection was killed */
    {CR_OUT_OF_MEMORY, ERR_TRANSIENT, "memory", 0, NULL},
    {CR_AUTH_PLUGIN_CANNOT_LOAD, ERR_CONFIG, "auth_plugin", LOST,
        "the account's way of logging in is not supported here"},
    {CR_PLUGIN_NOT_ALLOWED, ERR_CONFIG, "auth_plugin", LOST,
        "the server asks for a way of logging in that would show the password"},
    {CR_COMMANDS_OUT_OF_SYNC, ERR_BUG, "misuse", LOST, NULL},

    /* who may do what */
    {ER_ACCESS_DENIED_ERROR, ERR_PERMANENT, "denied", 0, "check user and password"},
    {ER_ACCESS_DENIED_NO_PASSWORD_ERROR, ERR_PERMANENT, "denied", 0, "check user and password"},
    {ER_DBACCESS_DENIED_ERROR, ERR_PERMANENT, "denied", 0, "create it if it is not there; " RIGHTS},
    {ER_TABLEACCESS_DENIED_ERROR, ERR_PERMANENT, "denied", 0, RIGHTS},
    {ER_COLUMNACCESS_DENIED_ERROR, ERR_PERMANENT, "denied", 0, NULL},
    {ER_SPECIFIC_ACCESS_DENIED_ERROR, ERR_PERMANENT, "denied", 0, NULL},
    {ER_HOST_NOT_PRIVILEGED, ERR_PERMANENT, "denied", 0, "the server lets no account in from this machine"},
    {ER_MUST_CHANGE_PASSWORD_LOGIN, ERR_PERMANENT, "denied", 0, NULL},
    {1820, ERR_PERMANENT, "denied", 0, "the account's password has expired"},
    {3118, ERR_PERMANENT, "denied", 0, "the account is locked"}, /* MySQL */
    {4151, ERR_PERMANENT, "denied", 0, "the account is locked"}, /* MariaDB */
    {ER_BAD_DB_ERROR, ERR_PERMANENT, "no_database", 0, "create it first"},

    /* the server is busy or not itself */
    {ER_CON_COUNT_ERROR, ERR_TRANSIENT, "too_many", 0, NULL},
    {ER_TOO_MANY_USER_CONNECTIONS, ERR_TRANSIENT, "too_many", 0, NULL},
    {ER_USER_LIMIT_REACHED, ERR_TRANSIENT, "too_many", 0, NULL},
    {ER_MAX_PREPARED_STMT_COUNT_REACHED, ERR_TRANSIENT, "too_many", 0, NULL},
    {ER_CANT_CREATE_THREAD, ERR_TRANSIENT, "too_many", 0, NULL},
    {ER_HOST_IS_BLOCKED, ERR_TRANSIENT, "too_many", 0, "the server needs FLUSH HOSTS"},
    {ER_LOCK_DEADLOCK, ERR_TRANSIENT, "deadlock", ROLLBACK, NULL},
    {ER_LOCK_WAIT_TIMEOUT, ERR_TRANSIENT, "lock_timeout", ROLLBACK, NULL},
    {ER_XA_RBDEADLOCK, ERR_TRANSIENT, "deadlock", ROLLBACK, NULL},
    {ER_CHECKREAD, ERR_TRANSIENT, "deadlock", ROLLBACK, NULL},
    {ER_OPTION_PREVENTS_STATEMENT, ERR_TRANSIENT, "read_only", 0, "a replica, or an administrator at work"},
    {1836, ERR_TRANSIENT, "read_only", 0, "a replica, or an administrator at work"},
    {1792, ERR_TRANSIENT, "read_only", 0, NULL},
    {ER_CANT_UPDATE_WITH_READLOCK, ERR_TRANSIENT, "read_only", 0, NULL},
    {ER_DISK_FULL, ERR_TRANSIENT, "disk_full", 0, NULL},
    {ER_RECORD_FILE_FULL, ERR_TRANSIENT, "disk_full", 0, NULL},
    {ER_GET_ERRNO, ERR_TRANSIENT, "io", 0, NULL},
    {ER_ERROR_DURING_COMMIT, ERR_TRANSIENT, "io", 0, NULL},
    {ER_OUTOFMEMORY, ERR_TRANSIENT, "memory", 0, NULL},
    {ER_OUT_OF_SORTMEMORY, ERR_TRANSIENT, "memory", 0, NULL},
    {ER_OUT_OF_RESOURCES, ERR_TRANSIENT, "memory", 0, NULL},
    {ER_QUERY_INTERRUPTED, ERR_TRANSIENT, "interrupted", 0, NULL},
    {ER_NEED_REPREPARE, ERR_TRANSIENT, "busy", 0, NULL},
    {ER_TABLE_DEF_CHANGED, ERR_TRANSIENT, "busy", 0, NULL},
    {ER_UNKNOWN_COM_ERROR, ERR_TRANSIENT, "busy", 0, "a cluster node that is not ready"},
    {1969, ERR_TRANSIENT, "interrupted", 0, "max_statement_time"},
    {3024, ERR_TRANSIENT, "interrupted", 0, "max_execution_time"},

    /* the data */
    {ER_DUP_ENTRY, ERR_PERMANENT, "duplicate", 0, NULL},
    {ER_DUP_ENTRY_WITH_KEY_NAME, ERR_PERMANENT, "duplicate", 0, NULL},
    {ER_DUP_KEY, ERR_PERMANENT, "duplicate", 0, NULL},
    {ER_BAD_NULL_ERROR, ERR_PERMANENT, "constraint", 0, NULL},
    {ER_NO_DEFAULT_FOR_FIELD, ERR_PERMANENT, "constraint", 0, NULL},
    {ER_NO_REFERENCED_ROW_2, ERR_PERMANENT, "constraint", 0, NULL},
    {ER_ROW_IS_REFERENCED_2, ERR_PERMANENT, "constraint", 0, NULL},
    {3819, ERR_PERMANENT, "constraint", 0, NULL}, /* CHECK, MySQL */
    {4025, ERR_PERMANENT, "constraint", 0, NULL}, /* CHECK, MariaDB */
    {ER_DATA_TOO_LONG, ERR_PERMANENT, "bad_value", 0, NULL},
    {ER_WARN_DATA_OUT_OF_RANGE, ERR_PERMANENT, "bad_value", 0, NULL},
    {WARN_DATA_TRUNCATED, ERR_PERMANENT, "bad_value", 0, NULL},
    {ER_TRUNCATED_WRONG_VALUE, ERR_PERMANENT, "bad_value", 0, NULL},
    {ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, ERR_PERMANENT, "bad_value", 0, NULL},
    {ER_NET_PACKET_TOO_LARGE, ERR_PERMANENT, "bad_value", LOST, "larger than the server's max_allowed_packet"},

    /* the statement */
    {ER_NO_SUCH_TABLE, ERR_PERMANENT, "no_table", 0, NULL},
    {ER_BAD_TABLE_ERROR, ERR_PERMANENT, "no_table", 0, NULL},
    {ER_TOO_LONG_KEY, ERR_PERMANENT, "key_too_long", 0, NULL},
    {ER_BLOB_KEY_WITHOUT_LENGTH, ERR_PERMANENT, "key_too_long", 0, NULL},
};

static unsigned flags_of(unsigned number)
{
	for (size_t i = 0; i < NITEMS(meanings); i++)
		if (meanings[i].number == number)
			return meanings[i].flags;
	return 0;
}

bool mysql_error_is_lost(unsigned number)
{
	return flags_of(number) & LOST;
}

bool mysql_error_is_rollback(unsigned number)
{
	return flags_of(number) & ROLLBACK;
}

/*
 * Every failure of TLS has one number.  What the two sides cannot agree on stays so until somebody edits a setting; a
 * connection that breaks in the handshake may work the next time.
 */
static int tls_error(const char *text, const char *location, struct err *err)
{
	static const char *const passing[] = {
	    "reset by peer", "unexpected eof", "Broken pipe", "timed out", "Resource temporarily"};

	for (size_t i = 0; i < NITEMS(passing); i++)
		if (strcasestr(text, passing[i]) != NULL)
			return err_code(err, ERR_TRANSIENT, "lost", "%s: %s", location, text);
	return err_code(err, ERR_CONFIG, "tls", "%s: %s (check tls and tls_ca, and the server's certificate)",
	    location, text);
}

int mysql_error_set(unsigned number, const char *text, const char *location, struct err *err)
{
	if (number == CR_SSL_CONNECTION_ERROR)
		return tls_error(text, location, err);
	for (size_t i = 0; i < NITEMS(meanings); i++)
		if (meanings[i].number == number)
			return err_code(err, meanings[i].class, meanings[i].code, "%s: %s (error %u%s%s)",
			    location, text, number, meanings[i].hint ? "; " : "",
			    meanings[i].hint ? meanings[i].hint : "");
	return err_code(err, ERR_PERMANENT, "bad_sql", "%s: %s (error %u)", location, text, number);
}
