#include "config.h"

#include "step/attempt_dir.h"

#include "base/fs.h"
#include "base/mem.h"

#include <stdlib.h>

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
	char *work = fs_join(dir, ATTEMPT_WORK), *ledger = fs_join(dir, "../" ATTEMPT_LEDGER);
	int rc = fs_mkdirs(work, 0700, err) == -1 || fs_mkdirs(ledger, 0700, err) == -1 ? -1 : 0;

	free(work);
	free(ledger);
	return rc;
}

int attempt_dir_settle(const char *dir, struct err *err)
{
	char *work = fs_join(dir, ATTEMPT_WORK);
	int rc = fs_remove_tree(work, err);

	free(work);
	return rc;
}
