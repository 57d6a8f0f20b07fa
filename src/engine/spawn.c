#include "config.h"

#include "engine/spawn.h"

#include "base/fs.h"
#include "step/lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

static int fill_actions(posix_spawn_file_actions_t *fa, const char *dir, int lifeline, bool quiet)
{
	char *out = fs_join(dir, quiet ? "/dev/null" : "stdout"),
	     *errf = fs_join(dir, quiet ? "/dev/null" : "stderr");
	int flags = O_WRONLY | O_CREAT | O_APPEND, rc;

	rc = posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(fa, 1, out, flags, 0600);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(fa, 2, errf, flags, 0600);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(fa, lifeline, LIFELINE_FD);
	/* Every descriptor of ours is close-on-exec; this is for those a library forgot. */
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(fa, LIFELINE_FD + 1);
	free(out);
	free(errf);
	return rc;
}

/*
 * The program calls setsid itself: a new session is a new scheduling group, whose first turn we would wait for on a busy
 * machine, because posix_spawn returns only when the program has been entered.
 */
static int fill_attributes(posix_spawnattr_t *attr)
{
	sigset_t all, none;
	int rc;

	sigfillset(&all);
	sigemptyset(&none);
	rc = posix_spawnattr_setsigdefault(attr, &all);
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(attr, &none);
	if (rc == 0)
		rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	return rc;
}

int spawn_step(const char *dir, char *const *argv, char *const *env, bool quiet, pid_t *pid, struct err *err)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int lifeline = lifeline_take(dir, err), rc;

	if (lifeline == -1)
		return -1;
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	rc = fill_actions(&fa, dir, lifeline, quiet);
	if (rc == 0)
		rc = fill_attributes(&attr);
	if (rc == 0)
		rc = posix_spawn(pid, argv[0], &fa, &attr, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	close(lifeline);
	if (rc != 0) {
		errno = rc;
		return err_errno(err, "start %s", argv[0]);
	}
	return 0;
}
