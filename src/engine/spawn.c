#include "config.h"

#include "engine/spawn.h"

#include "base/environment.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/thread.h"
#include "step/lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

_Static_assert(ENVIRONMENT_FD == LIFELINE_FD + 1, "what a step is given has no gap");

/* variables: -1 where there are none; never LIFELINE_FD, which is taken first. */
static int fill_actions(
    posix_spawn_file_actions_t *fa, const char *dir, int lifeline, int variables, bool silent)
{
	char *out = fs_join(dir, silent ? "/dev/null" : "stdout"),
	     *errf = fs_join(dir, silent ? "/dev/null" : "stderr");
	int flags = O_WRONLY | O_CREAT | O_APPEND, rc;

	rc = posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(fa, 1, out, flags, 0600);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(fa, 2, errf, flags, 0600);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(fa, lifeline, LIFELINE_FD);
	if (rc == 0 && variables != -1)
		rc = posix_spawn_file_actions_adddup2(fa, variables, ENVIRONMENT_FD);
	/* Every descriptor of ours is close-on-exec; this is for those a library forgot. */
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(
		    fa, variables == -1 ? ENVIRONMENT_FD : ENVIRONMENT_FD + 1);
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

/* One process to be started; all of it is the caller's, who waits. */
struct spawn_job {
	const char *dir;
	char *const *argv;
	struct strvec *plain;
	const struct strvec *quiet;
	bool silent;
	pid_t *pid;
	struct err *err;
	int rc;
	bool done;
};

static int start_with(const struct spawn_job *job, int lifeline, int variables)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int rc;

	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	rc = fill_actions(&fa, job->dir, lifeline, variables, job->silent);
	if (rc == 0)
		rc = fill_attributes(&attr);
	if (rc == 0)
		rc = posix_spawn(job->pid, job->argv[0], &fa, &attr, job->argv, job->plain->v);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	errno = rc;
	return rc == 0 ? 0 : err_errno(job->err, "start %s", job->argv[0]);
}

static int start_process(const struct spawn_job *job)
{
	int lifeline = lifeline_take(job->dir, job->err), variables = -1, rc = -1;

	if (lifeline == -1)
		return -1;
	if (job->quiet->n > 0) {
		strvec_push(job->plain, ENVIRONMENT_FD_ENTRY);
		variables = environment_pack(job->quiet->v, job->err);
	}
	if (job->quiet->n == 0 || variables != -1)
		rc = start_with(job, lifeline, variables);
	if (variables != -1)
		close(variables);
	close(lifeline);
	return rc;
}

/* ---- the thread ---- */

#define STACK_BYTES ((size_t)128 << 10)

struct spawner {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* the job, or quit */
	struct spawn_job *job; /* NULL: none to be done */
	bool quit;
};

static void *run_jobs(void *arg)
{
	struct spawner *sp = arg;

	/* Leaves this thread stdin, stdout and stderr; where the kernel cannot, descriptors are shared, which is only slower. */
	close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_UNSHARE);
	pthread_mutex_lock(&sp->lock);
	while (!sp->quit) {
		struct spawn_job *job = sp->job;

		if (job == NULL) {
			pthread_cond_wait(&sp->changed, &sp->lock);
			continue;
		}
		sp->job = NULL;
		job->rc = start_process(job);
		job->done = true;
		pthread_cond_broadcast(&sp->changed);
	}
	pthread_mutex_unlock(&sp->lock);
	return NULL;
}

struct spawner *spawner_new(void)
{
	struct spawner *sp = xcalloc(1, sizeof(*sp));

	pthread_mutex_init(&sp->lock, NULL);
	pthread_cond_init(&sp->changed, NULL);
	if (thread_start(&sp->thread, STACK_BYTES, run_jobs, sp) == 0)
		return sp;
	free(sp);
	return NULL;
}

void spawner_free(struct spawner *sp)
{
	if (sp == NULL)
		return;
	pthread_mutex_lock(&sp->lock);
	sp->quit = true;
	pthread_cond_broadcast(&sp->changed);
	pthread_mutex_unlock(&sp->lock);
	pthread_join(sp->thread, NULL);
	pthread_cond_destroy(&sp->changed);
	pthread_mutex_destroy(&sp->lock);
	free(sp);
}

int spawn_step(struct spawner *sp, const char *dir, char *const *argv, struct strvec *plain,
    const struct strvec *quiet, bool silent, pid_t *pid, struct err *err)
{
	struct spawn_job job = {
	    .dir = dir, .argv = argv, .plain = plain, .quiet = quiet, .silent = silent, .pid = pid, .err = err};

	pthread_mutex_lock(&sp->lock);
	sp->job = &job;
	pthread_cond_broadcast(&sp->changed);
	while (!job.done)
		pthread_cond_wait(&sp->changed, &sp->lock);
	pthread_mutex_unlock(&sp->lock);
	return job.rc;
}
