#include "config.h"

#include "tests/component/database_fixture.h"

#include "tests/tap.h"

#include <sys/wait.h>

struct database *fixture_open(const struct fixture *f)
{
	struct err err = ERR_INIT;
	struct database *db = f->open(&err);

	if (db == NULL)
		tap_bail("%s: %s", f->name, err.text);
	return db;
}

pid_t child_start(child_fn *fn, const struct fixture *f, int arg)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == -1)
		tap_bail("fork failed");
	if (pid == 0)
		_exit(fn(f, arg));
	return pid;
}

int child_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
