#include "config.h"

#include "step/attempt_dir.h"

#include "base/fs.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *attempt_dir_run(const char *state_dir, const char *run)
{
	return xasprintf("%s/runs/%s", state_dir, run);
}

char *attempt_dir_step(const char *state_dir, const char *run, const char *asset)
{
	return xasprintf("%s/runs/%s/%s", state_dir, run, asset);
}

char *attempt_dir_path(const char *state_dir, const char *run, const char *asset, int attempt)
{
	return xasprintf("%s/runs/%s/%s/%d", state_dir, run, asset, attempt);
}

int attempt_dir_create(const char *dir, struct err *err)
{
	return fs_mkdirs(dir, 0700, err);
}

int attempt_dir_prepare(const char *dir, struct err *err)
{
	char *work = fs_join(dir, ATTEMPT_WORK), *ledger = fs_join(dir, "../" ATTEMPT_LEDGER);
	int rc = fs_mkdirs(ledger, 0700, err) == -1 || fs_mkdirs(work, 0700, err) == -1 ? -1 : 0;

	free(work);
	free(ledger);
	return rc;
}

static bool is_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *de;
	int n = 0;

	if (d == NULL)
		return errno == ENOENT;
	while (n <= 2 && (de = readdir(d)) != NULL)
		n++;
	closedir(d);
	return n <= 2;
}

int attempt_dir_settle(const char *dir, struct err *err)
{
	char *work = fs_join(dir, ATTEMPT_WORK);
	int rc = is_empty(work) ? 0 : fs_remove_tree(work, err);

	free(work);
	return rc;
}

static void remove_half_written(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL)
		if (strncmp(de->d_name, FS_TMP_PREFIX, strlen(FS_TMP_PREFIX)) == 0)
			unlinkat(dirfd(d), de->d_name, 0);
	if (d != NULL)
		closedir(d);
}

void attempt_dir_sweep(const char *dir)
{
	char *ledger = fs_join(dir, "../" ATTEMPT_LEDGER);

	remove_half_written(dir);
	remove_half_written(ledger);
	free(ledger);
}
