/* Variables handed to a program of ours, past its environment as the kernel shows it. */
#include "config.h"

#include "base/environment.h"
#include "base/mem.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGE (200 << 10)

/* What stands in place of exec: a process with this environment and this descriptor. */
static int in_child(int fd, char **envp, int (*look)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (fd != -1)
			dup2(fd, ENVIRONMENT_FD);
		environ = envp;
		status = look();
		environment_wipe();
		_exit(status);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool is(const char *name, const char *value)
{
	const char *have = getenv(name);

	return have != NULL && strcmp(have, value) == 0;
}

static int finds_all(void)
{
	struct err err = ERR_INIT;

	if (environment_receive(&err) == -1)
		return 1;
	if (!is("PLAIN", "seen") || !is("SECRET", "s3 cr=et") || !is("EMPTY", "") ||
	    strlen(getenv("LARGE")) != LARGE)
		return 2;
	if (getenv("ORCH_ENVIRONMENT_FD") != NULL || fcntl(ENVIRONMENT_FD, F_GETFD) != -1)
		return 3;
	return 0;
}

static int finds_plain_only(void)
{
	struct err err = ERR_INIT;

	return environment_receive(&err) == 0 && is("PLAIN", "seen") && getenv("SECRET") == NULL ? 0 : 1;
}

static int is_refused(void)
{
	struct err err = ERR_INIT;

	return environment_receive(&err) == -1 && err.text[0] != '\0' && is("PLAIN", "seen") ? 0 : 1;
}

static char plain[] = "PLAIN=seen", announced[] = ENVIRONMENT_FD_ENTRY, after[] = "AFTER=it";

/* environment_hide wipes the texts it has moved, and so needs ones of its own in each process: fork gives them. */
static char *with[] = {plain, announced, after, NULL}, *without[] = {plain, after, NULL};

static void test_handed_over(void)
{
	struct err err = ERR_INIT;
	char *large = xcalloc(1, LARGE + sizeof("LARGE="));
	char secret[] = "SECRET=s3 cr=et", empty[] = "EMPTY=", *vars[] = {secret, large, empty, NULL};
	int fd;

	memset(stpcpy(large, "LARGE="), 'x', LARGE);
	fd = environment_pack(vars, &err);
	ok(fd > ENVIRONMENT_FD, "%s", err.text);
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC, "no command inherits it by chance");
	ok(in_child(fd, with, finds_all) == 0, "the program has both kinds, and nothing of the way they came");
	ok(in_child(fd, with, finds_plain_only) == 0, "they can be read once");
	ok(in_child(fd, without, finds_plain_only) == 0, "without the entry the descriptor is somebody else's");
	close(fd);
	free(large);
}

static void test_refused(void)
{
	struct err err = ERR_INIT;
	char *huge = xcalloc(1, ENVIRONMENT_MAX + 1);
	char secret[] = "SECRET=s3cret", *vars[] = {secret, huge, NULL};
	int ends[2];

	memset(huge, 'x', ENVIRONMENT_MAX);
	ok(environment_pack(vars, &err) == -1, "too much");
	ok(strstr(err.text, "bytes of variables") != NULL && strstr(err.text, "xxx") == NULL, "%s", err.text);
	free(huge);
	ok(in_child(-1, with, is_refused) == 0, "an entry without a descriptor");
	if (pipe(ends) == -1 || write(ends[1], "SECRET=cut", 10) != 10)
		tap_bail("pipe");
	ok(in_child(ends[0], with, is_refused) == 0, "a text without an end");
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	tap_run(test_handed_over);
	tap_run(test_refused);
	return tap_done();
}
