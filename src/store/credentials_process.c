/* credential_process: a command of the user's that prints keys as JSON. */
#include "config.h"

#include "store/credentials_impl.h"

#include "base/json.h"
#include "base/mem.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (64 * 1024)
#define PATIENCE_S 60

extern char **environ;

struct process {
	struct fetch fetch;
	struct credentials *c;
	pid_t pid;
	int fd;
	struct event *readable, *timer;
	struct strbuf out;
	bool eof;
	int waited_ms;
};

static void free_process(struct fetch *f)
{
	struct process *p = CONTAINER_OF(f, struct process, fetch);

	if (p->pid > 0) {
		kill(-p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	event_free(p->readable);
	event_free(p->timer);
	close(p->fd);
	secret_wipe(&p->out);
	free(p);
}

static void finish(struct process *p, int status)
{
	struct credentials *c = p->c;
	struct credential out = {0};
	struct err err = ERR_INIT;

	p->pid = 0;
	if (p->out.overflowed)
		err_code(&err, ERR_PERMANENT, "credentials", "credential_process prints more than %d bytes",
		    OUTPUT_MAX);
	else if (status != 0)
		err_code(&err, ERR_PERMANENT, "credentials", "credential_process %s %d",
		    WIFSIGNALED(status) ? "was ended by signal" : "failed with status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	else
		credential_from_json(&out, p->out.buf, p->out.len, "credential_process", &err);
	c->fetch = NULL;
	free_process(&p->fetch);
	if (err.class == ERR_NONE)
		credentials_fetched(c, SOURCE_FOUND, &out, NULL);
	else
		credentials_fetched(c, SOURCE_ERROR, NULL, &err);
}

static void give_up(struct process *p)
{
	struct credentials *c = p->c;
	struct err err = ERR_INIT;

	err_code(&err, ERR_TRANSIENT, "credentials", "credential_process has not ended after %d s", PATIENCE_S);
	c->fetch = NULL;
	free_process(&p->fetch);
	credentials_fetched(c, SOURCE_ERROR, NULL, &err);
}

/* Its output has ended; the process is about to. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = {.tv_usec = 10000};
	struct process *p = arg;
	int status = 0;
	pid_t pid = p->eof ? waitpid(p->pid, &status, WNOHANG) : 0;

	if (!p->eof || (p->waited_ms += 10) > PATIENCE_S * 1000)
		give_up(p);
	else if (pid == 0)
		evtimer_add(p->timer, &soon);
	else
		finish(
		    p, pid == -1 ? 0 : status); /* ECHILD: somebody else has collected it; the output decides */
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval now;
	struct process *p = arg;
	char chunk[4096];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		strbuf_add(&p->out, chunk, (size_t)n);
		explicit_bzero(chunk, sizeof(chunk));
		if (!p->out.overflowed)
			return;
		kill(-p->pid, SIGKILL);
	}
	p->eof = true;
	event_del(p->readable);
	evtimer_add(p->timer, &now);
}

/* A group of its own, so that it can be ended with all it started; signals as a new program expects them. */
static int spawn(const char *command, int out, pid_t *pid)
{
	const char *const argv[] = {"/bin/sh", "-c", command, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	int rc = posix_spawn(pid, argv[0], &files, &attr, (char *const *)(const void *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return rc;
}

enum source_result credentials_from_process(struct credentials *c, const char *command, struct err *err)
{
	static const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct process *p;
	int pipefd[2], rc;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) == -1)
		return err_errno(err, "pipe"), SOURCE_ERROR;
	fcntl(pipefd[0], F_SETFL, O_NONBLOCK); /* our end alone: programs do not expect it of theirs */
	rc = spawn(command, pipefd[1], &pid);
	close(pipefd[1]);
	if (rc != 0) {
		close(pipefd[0]);
		errno = rc;
		return err_errno(err, "start credential_process"), SOURCE_ERROR;
	}
	p = xcalloc(1, sizeof(*p));
	p->c = c;
	p->pid = pid;
	p->fd = pipefd[0];
	strbuf_init(&p->out, OUTPUT_MAX);
	p->readable = event_new(c->base, p->fd, EV_READ | EV_PERSIST, on_readable, p);
	p->timer = evtimer_new(c->base, on_timer, p);
	if (p->readable == NULL || p->timer == NULL)
		abort();
	event_add(p->readable, NULL);
	evtimer_add(p->timer, &patience);
	p->fetch.cancel = free_process;
	c->fetch = &p->fetch;
	return SOURCE_PENDING;
}
