/* What SQLite's result codes mean for whoever decides on a retry. */
#include "config.h"

#include "database/sqlite_error.h"

#include <string.h>

static const struct {
	int rc; /* extended or primary */
	enum err_class class;
	const char *code, *hint;
} meanings[] = {
    {SQLITE_CONSTRAINT_PRIMARYKEY, ERR_PERMANENT, "duplicate", NULL},
    {SQLITE_CONSTRAINT_UNIQUE, ERR_PERMANENT, "duplicate", NULL},
    {SQLITE_CONSTRAINT_ROWID, ERR_PERMANENT, "duplicate", NULL},
    {SQLITE_CONSTRAINT_DATATYPE, ERR_PERMANENT, "bad_value", NULL},
    {SQLITE_CONSTRAINT_CHECK, ERR_PERMANENT, "bad_value", "a text is too long or a time has another form"},
    {SQLITE_READONLY_DBMOVED, ERR_TRANSIENT, "lost", "the file was moved or deleted while it was open"},
    {SQLITE_CONSTRAINT, ERR_PERMANENT, "constraint", NULL},
    {SQLITE_BUSY, ERR_TRANSIENT, "busy", "another program has held it for longer than busy_timeout"},
    {SQLITE_LOCKED, ERR_TRANSIENT, "busy", NULL},
    {SQLITE_FULL, ERR_TRANSIENT, "disk_full", "the disk is full"},
    {SQLITE_IOERR, ERR_TRANSIENT, "io", NULL},
    {SQLITE_PROTOCOL, ERR_TRANSIENT, "io", NULL},
    {SQLITE_NOMEM, ERR_TRANSIENT, "memory", NULL},
    {SQLITE_SCHEMA, ERR_TRANSIENT, "busy", "the tables changed meanwhile"},
    {SQLITE_READONLY, ERR_TRANSIENT, "read_only", "the file or its folder cannot be written"},
    {SQLITE_CANTOPEN, ERR_TRANSIENT, "io", "the file or its -wal and -shm files cannot be opened"},
    {SQLITE_INTERRUPT, ERR_CANCELLED, "interrupted", NULL},
    {SQLITE_CORRUPT, ERR_PERMANENT, "corrupt", "the file is damaged; restore it from a backup"},
    {SQLITE_NOTADB, ERR_PERMANENT, "corrupt", "the file is no SQLite database"},
    {SQLITE_PERM, ERR_PERMANENT, "denied", NULL},
    {SQLITE_AUTH, ERR_PERMANENT, "denied", NULL},
    {SQLITE_MISMATCH, ERR_PERMANENT, "bad_value", NULL},
    {SQLITE_TOOBIG, ERR_PERMANENT, "bad_value", NULL},
    {SQLITE_MISUSE, ERR_BUG, "misuse", NULL},
    {SQLITE_RANGE, ERR_BUG, "misuse", NULL},
};

int sqlite_error(sqlite3 *h, int rc, const char *location, struct err *err)
{
	const char *text = h != NULL ? sqlite3_errmsg(h) : sqlite3_errstr(rc);

	for (size_t i = 0; i < NITEMS(meanings); i++)
		if (meanings[i].rc == rc || meanings[i].rc == (rc & 0xff))
			return err_code(err, meanings[i].class, meanings[i].code, "%s: %s%s%s%s", location,
			    text, meanings[i].hint ? " (" : "", meanings[i].hint ? meanings[i].hint : "",
			    meanings[i].hint ? ")" : "");
	/* SQLITE_ERROR covers everything that is wrong with a statement; a missing table has no code of its own. */
	if (strncmp(text, "no such table", 13) == 0)
		return err_code(err, ERR_PERMANENT, "no_table", "%s: %s", location, text);
	return err_code(err, ERR_PERMANENT, "bad_sql", "%s: %s", location, text);
}
