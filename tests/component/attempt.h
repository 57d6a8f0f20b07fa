/*
 * attempt.h: one attempt as the daemon would start it: folder, context, lifeline on descriptor 3, and the verdict.
 *
 * TEST_BUILDDIR holds the programs.  Each call is bounded by ATTEMPT_DEADLINE_MS.
 */
#ifndef TESTS_ATTEMPT_H
#define TESTS_ATTEMPT_H

#include "tests/tap.h"

#include "base/clock.h"
#include "step/attempt_dir.h"
#include "step/context.h"
#include "step/exitrec.h"
#include "step/journal.h"
#include "step/lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#define ATTEMPT_DEADLINE_MS 30000

struct attempt {
	char *dir;
	pid_t pid;
	int exit_status; /* of the step program */
	bool has_record;
	struct exitrec rec;
};

/* A folder with this context; ctx_json members override the usual ones.  Steals overrides. */
static inline void attempt_make(struct attempt *a, const char *name, const char *type, json_t *overrides)
{
	struct err err = ERR_INIT;
	char *path, *work, *ledger, *text;
	json_t *ctx;

	*a = (struct attempt){.dir = attempt_dir_path(test_dir(), name, "movie", 1)};
	if (attempt_dir_create(a->dir, &err) == -1)
		tap_bail("%s", err.text);
	work = fs_join(a->dir, ATTEMPT_WORK);
	ledger = fs_join(a->dir, "../" ATTEMPT_LEDGER);
	ctx = json_pack("{s:s s:s s:s s:s s:s s:s s:i s:s s:{s:s s:s} s:s s:s}", "schema", CONTEXT_SCHEMA,
	    "run", "01KTEST", "run_uid", "feed", "job", "night", "asset", "movie", "type", type, "attempt", 1,
	    "partition", "uao/20260417", "config", "site", "uao", "observation_date", "20260417", "work", work,
	    "ledger", ledger);
	json_object_update(ctx, overrides);
	json_decref(overrides);
	path = fs_join(a->dir, ATTEMPT_CONTEXT);
	text = json_text(ctx);
	fs_write_atomic(path, text, strlen(text), 0600, NULL);
	json_decref(ctx);
	free(path), free(work), free(ledger), free(text);
}

static inline void attempt_start(struct attempt *a, const char *program)
{
	const char *build = getenv("TEST_BUILDDIR");
	char *file = fs_join(build ? build : ".", program), *argv[] = {file, a->dir, NULL};
	struct err err = ERR_INIT;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none;
	int life = lifeline_take(a->dir, &err), rc;

	if (life == -1)
		tap_bail("%s", err.text);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, life, LIFELINE_FD);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	if ((rc = posix_spawn(&a->pid, file, &fa, &attr, argv, environ)) != 0)
		tap_bail("%s: %s", file, strerror(rc));
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	close(life);
	free(file);
}

/* Wait for the step program, then read its record. */
static inline void attempt_wait(struct attempt *a)
{
	tm_ms deadline = clock_mono() + ATTEMPT_DEADLINE_MS;
	struct err err = ERR_INIT;
	int status;
	pid_t got;

	while ((got = waitpid(a->pid, &status, WNOHANG)) == 0 && clock_mono() < deadline)
		usleep(500);
	if (got != a->pid) {
		kill(a->pid, SIGKILL);
		tap_bail("step program still runs after %d ms", ATTEMPT_DEADLINE_MS);
	}
	a->exit_status = status;
	a->has_record = exitrec_read(a->dir, 1, &a->rec, &err) == 0;
	if (!a->has_record && !err_is(&err, "not_found"))
		ok(false, "a record that is whole: %s", err.text);
}

/* A file of the attempt, up to 1 MiB; "" when there is none.  free() it. */
static inline char *attempt_file(const struct attempt *a, const char *name)
{
	struct strbuf sb = STRBUF_INIT(1 << 20);
	char *path = fs_join(a->dir, name);

	fs_read(path, &sb, NULL);
	free(path);
	return sb.len > 0 ? strbuf_detach(&sb) : xstrdup("");
}

static inline bool attempt_file_is(
    const struct attempt *a, const char *name, const char *want, const char *what)
{
	char *got = attempt_file(a, name);
	bool same = is_str(got, want, what);

	free(got);
	return same;
}

/* Wait until a file has some bytes; false after the deadline. */
static inline bool attempt_await_file(const struct attempt *a, const char *name)
{
	tm_ms deadline = clock_mono() + ATTEMPT_DEADLINE_MS;

	for (;;) {
		char *text = attempt_file(a, name);
		bool there = text[0] != '\0' && text[strlen(text) - 1] == '\n';

		free(text);
		if (there || clock_mono() > deadline)
			return there;
		usleep(500);
	}
}

static inline bool attempt_lives(pid_t pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno != ESRCH);
}

/* Collects the process too when it is ours. */
static inline bool attempt_await_gone(pid_t pid)
{
	tm_ms deadline = clock_mono() + ATTEMPT_DEADLINE_MS;

	while (attempt_lives(pid) && clock_mono() < deadline && waitpid(pid, NULL, WNOHANG) != pid)
		usleep(500);
	return !attempt_lives(pid);
}

/* The lifeline goes free with the last process that holds it, which may be a moment after the program's end. */
static inline bool attempt_await_free(const struct attempt *a)
{
	tm_ms deadline = clock_mono() + ATTEMPT_DEADLINE_MS;

	while (lifeline_state(a->dir) == LIFELINE_HELD && clock_mono() < deadline)
		usleep(500);
	return lifeline_state(a->dir) != LIFELINE_HELD;
}

static inline void attempt_release(struct attempt *a)
{
	if (a->has_record)
		exitrec_release(&a->rec);
	free(a->dir);
	*a = (struct attempt){0};
}

#endif
