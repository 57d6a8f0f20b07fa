#include "config.h"

#include "state/backup.h"

#include "base/fs.h"
#include "base/mem.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 5000

static int failed(sqlite3 *db, const char *path, struct err *err)
{
	return err_code(err, ERR_TRANSIENT, "state", "%s: %s", path, sqlite3_errmsg(db));
}

/* All pages under one read transaction: the owner writes on, the copy is of one moment. */
static int copy_pages(sqlite3 *from, sqlite3 *to, const char *to_path, struct err *err)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");

	if (b == NULL)
		return failed(to, to_path, err);
	sqlite3_backup_step(b, -1);
	return sqlite3_backup_finish(b) == SQLITE_OK ? 0 : failed(to, to_path, err);
}

/* A copy nobody has read is no backup. */
static int check_copy(sqlite3 *db, const char *path, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW)
		failed(db, path, err);
	else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
		err_code(err, ERR_BAD_DATA, "corrupt", "%s: %s", path, sqlite3_column_text(stmt, 0));
	else
		rc = 0;
	sqlite3_finalize(stmt);
	return rc;
}

static int copy(const char *from_path, const char *to_path, struct err *err)
{
	sqlite3 *from = NULL, *to = NULL;
	int rc = -1;

	if (sqlite3_open_v2(from_path, &from, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		failed(from, from_path, err);
	else if (sqlite3_open_v2(to_path, &to, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		failed(to, to_path, err);
	else {
		sqlite3_busy_timeout(from, BUSY_MS);
		rc = copy_pages(from, to, to_path, err);
		if (rc == 0)
			rc = check_copy(to, to_path, err);
	}
	sqlite3_close(from);
	sqlite3_close(to);
	return rc;
}

static int publish(int fd, const char *tmp, const char *file, int64_t *bytes, struct err *err)
{
	struct stat st;

	if (fsync(fd) == -1 || fstat(fd, &st) == -1)
		return err_errno(err, "fsync %s", tmp);
	if (rename(tmp, file) == -1)
		return err_errno(err, "rename %s to %s", tmp, file);
	*bytes = st.st_size;
	return fs_sync_parent(file, err);
}

int state_backup(const char *dir, const char *file, int64_t *bytes, struct err *err)
{
	char *db = fs_join(dir, "state.db"), *tmp = xasprintf("%s.tmp-XXXXXX", file);
	int rc = -1, fd = -1;

	if (!fs_exists(db))
		err_code(err, ERR_PERMANENT, "not_found", "%s: no state yet", dir);
	else if (fs_exists(file))
		err_code(err, ERR_PERMANENT, "refused", "%s exists already", file);
	else if ((fd = mkostemp(tmp, O_CLOEXEC)) == -1)
		err_errno(err, "create %s", tmp);
	else if (copy(db, tmp, err) == 0)
		rc = publish(fd, tmp, file, bytes, err);
	if (fd != -1) {
		close(fd);
		if (rc == -1)
			unlink(tmp);
	}
	free(tmp);
	free(db);
	return rc;
}
