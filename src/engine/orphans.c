#include "config.h"

#include "engine/orphans.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "step/attempt_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENVIRON_MAX (256 << 10) /* what a command is given stands at its front */
#define ROUNDS      10 /* a process may fork while it is looked for */

/* The environment of a process up to the limit; false when it is gone or not ours. */
static bool read_environ(const char *pid, struct strbuf *out)
{
	char path[64], chunk[16384];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/environ", pid);
	strbuf_reset(out);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	while (out->len + sizeof(chunk) < ENVIRON_MAX && (n = read(fd, chunk, sizeof(chunk))) > 0)
		strbuf_add(out, chunk, (size_t)n);
	close(fd);
	return n >= 0 && out->len > 0;
}

static bool has_variable(const struct strbuf *env, const char *wanted)
{
	size_t n = strlen(wanted) + 1;

	for (const char *p = env->buf, *end = p + env->len; p < end; p += strnlen(p, (size_t)(end - p)) + 1)
		if ((size_t)(end - p) >= n && memcmp(p, wanted, n) == 0)
			return true;
	return false;
}

/* The descriptor is taken before the look, so that the signal cannot reach another process of the same number. */
static bool kill_if(const char *pid, const char *variable, struct strbuf *env)
{
	int fd = (int)syscall(SYS_pidfd_open, strtol(pid, NULL, 10), 0);
	bool killed = fd != -1 && read_environ(pid, env) && has_variable(env, variable) &&
	              syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;

	if (fd != -1)
		close(fd);
	return killed;
}

static int kill_round(const char *variable)
{
	struct strbuf env = STRBUF_INIT(ENVIRON_MAX);
	DIR *proc = opendir("/proc");
	struct dirent *de;
	int n = 0;

	while (proc != NULL && (de = readdir(proc)) != NULL)
		if (de->d_name[0] >= '1' && de->d_name[0] <= '9' && kill_if(de->d_name, variable, &env))
			n++;
	if (proc != NULL)
		closedir(proc);
	strbuf_release(&env);
	return n;
}

int orphans_kill(const char *dir)
{
	char *real = realpath(dir, NULL), *variable;
	int killed = 0, n;

	if (real == NULL)
		return 0;
	variable = xasprintf("ORCH_CONTEXT=%s/" ATTEMPT_CONTEXT, real);
	for (int i = 0; i < ROUNDS && (n = kill_round(variable)) > 0; i++)
		killed = MAX(killed, n);
	free(variable);
	free(real);
	return killed;
}
