/*
 * The event as JSON on the standard input of a command.  It comes and goes as files without a name that can neither
 * block nor grow, so the loop never waits for the command, and the command never for the loop.
 */
#include "config.h"

#include "notify/sinks.h"

#include "base/fs.h"
#include "base/mem.h"
#include "conf/conf.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_BYTES (64 * 1024) /* kept of what it writes; beyond that its writes fail */

extern char **environ;

struct command_conf {
	struct strvec command, pass_env;
	tm_ms timeout;
};

struct command {
	struct delivery *delivery;
	pid_t pid;
	int pidfd, out;
	struct event *ended, *timeout;
	bool timed_out;
};

static void command_free(struct command *c)
{
	if (c->ended != NULL)
		event_free(c->ended);
	if (c->timeout != NULL)
		event_free(c->timeout);
	if (c->pidfd != -1)
		close(c->pidfd);
	if (c->out != -1)
		close(c->out);
	free(c);
}

/* The last line it wrote says most. */
static void last_line(int fd, char *line, size_t size)
{
	char *all = xcalloc(1, OUTPUT_BYTES + 1), *p;
	ssize_t n = pread(fd, all, OUTPUT_BYTES, 0);
	size_t len = n > 0 ? strnlen(all, (size_t)n) : 0;

	while (len > 0 && (all[len - 1] == '\n' || all[len - 1] == '\r'))
		len--;
	all[len] = '\0';
	p = strrchr(all, '\n');
	snprintf(line, size, "%s", p ? p + 1 : all);
	free(all);
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
	struct command *c = arg;
	struct delivery *d = c->delivery;
	struct err err = ERR_INIT;
	siginfo_t si = {0};
	char said[300];

	if (waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOHANG) == 0 && si.si_pid != c->pid)
		return;
	last_line(c->out, said, sizeof(said));
	if (c->timed_out)
		err_code(&err, ERR_TRANSIENT, "timeout", "the command was stopped after its timeout");
	else if (si.si_code != CLD_EXITED)
		err_code(&err, ERR_TRANSIENT, "signal", "the command was killed by signal %d", si.si_status);
	else if (si.si_status != 0)
		err_code(&err, si.si_status == 75 ? ERR_TRANSIENT : ERR_PERMANENT, "exit",
		    "the command ended with exit code %d%s%s", si.si_status, said[0] ? ": " : "", said);
	/* What it may have left behind in its session goes with it. */
	kill(-c->pid, SIGKILL);
	command_free(c);
	d->mem = NULL;
	delivery_done(d, err.class ? &err : NULL, 0);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct command *c = arg;

	c->timed_out = true;
	kill(-c->pid, SIGKILL);
}

/* An unnamed file of fixed size: with text in it, or room for what will be written. */
static int sealed_file(const char *text, struct err *err)
{
	int fd = memfd_create("orchd-notify", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return err_errno(err, "memfd_create");
	if (text != NULL ? fs_write_all(fd, text, strlen(text), err) == -1
	                 : ftruncate(fd, OUTPUT_BYTES) == -1) {
		close(fd);
		return err_errno(err, "unnamed file");
	}
	lseek(fd, 0, SEEK_SET);
	fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | (text != NULL ? F_SEAL_WRITE : 0));
	return fd;
}

static void make_environment(const struct delivery *d, struct strvec *env)
{
	const struct command_conf *c = d->conf->opts;
	static const char *const plain[] = {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"};

	for (char **e = environ; *e != NULL; e++) {
		char *name = xstrndup(*e, strcspn(*e, "="));
		bool pass = strvec_has(&c->pass_env, name);

		for (size_t i = 0; i < NITEMS(plain); i++)
			pass |= strcmp(plain[i], name) == 0;
		if (pass)
			strvec_push(env, *e);
		free(name);
	}
	strvec_pushf(env, "ORCH_EVENT_ID=%s", d->id);
	strvec_pushf(env, "ORCH_EVENT_KIND=%s", d->kind);
}

static int spawn(struct command *c, int in, char *const *argv, char *const *env, struct err *err)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int rc;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	rc = posix_spawn_file_actions_adddup2(&fa, in, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&fa, c->out, 1);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&fa, c->out, 2);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&fa, 3);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	if (rc == 0)
		rc = posix_spawnp(&c->pid, argv[0], &fa, &attr, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	errno = rc;
	return rc == 0 ? 0 : err_errno(err, "start %s", argv[0]);
}

static int watch(struct command *c, struct err *err)
{
	const struct command_conf *conf = c->delivery->conf->opts;
	struct timeval tv = {.tv_sec = conf->timeout / 1000, .tv_usec = conf->timeout % 1000 * 1000};

	if ((c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0)) == -1) {
		err_errno(err, "pidfd_open");
		kill(-c->pid, SIGKILL);
		waitid(P_PID, (id_t)c->pid, &(siginfo_t){0}, WEXITED);
		return -1;
	}
	c->ended = event_new(c->delivery->base, c->pidfd, EV_READ | EV_PERSIST, on_ended, c);
	c->timeout = event_new(c->delivery->base, -1, 0, on_timeout, c);
	event_add(c->ended, NULL);
	event_add(c->timeout, &tv);
	return 0;
}

static int command_send(struct delivery *d, struct err *err)
{
	const struct command_conf *conf = d->conf->opts;
	struct command *c = xcalloc(1, sizeof(*c));
	struct strvec env = STRVEC_INIT;
	char *text = json_text(d->event);
	int in, rc = -1;

	*c = (struct command){.delivery = d, .pidfd = -1, .out = -1};
	make_environment(d, &env);
	if ((in = sealed_file(text, err)) != -1 && (c->out = sealed_file(NULL, err)) != -1 &&
	    spawn(c, in, conf->command.v, env.v, err) == 0)
		rc = watch(c, err);
	if (in != -1)
		close(in);
	if (rc == 0)
		d->mem = c;
	else
		command_free(c);
	strvec_release(&env);
	free(text);
	return rc;
}

static void command_cancel(struct delivery *d)
{
	struct command *c = d->mem;

	kill(-c->pid, SIGKILL);
	waitid(P_PID, (id_t)c->pid, &(siginfo_t){0}, WEXITED);
	command_free(c);
}

static int command_check(const void *conf, struct err *err)
{
	const struct command_conf *c = conf;

	return c->command.n > 0 ? 0 : err_set(err, ERR_CONFIG, "'command' is empty");
}

#define COMMAND(f) .off = offsetof(struct command_conf, f)
static const struct opt command_opts[] = {
    {.name = "command",
        .type = OPT_STRLIST,
        COMMAND(command),
        .flags = OPT_REQUIRED,
        .help =
            "program and arguments, without a shell; the event is on its standard input, exit code 0 takes it, "
            "75 means not now"},
    {.name = "pass_env",
        .type = OPT_STRLIST,
        COMMAND(pass_env),
        .help = "environment variables it gets besides PATH, HOME, USER, LANG, LC_ALL, TZ and TMPDIR"},
    {.name = "timeout",
        .type = OPT_DURATION,
        COMMAND(timeout),
        .def = "1m",
        .min = "100ms",
        .max = "1h",
        .help = "a command that takes longer is killed"},
    OPT_END,
};

const struct sink_type sink_command = {
    .name = "command",
    .summary = "run a command with each event on its standard input",
    .opts = command_opts,
    .conf_size = sizeof(struct command_conf),
    .check = command_check,
    .send = command_send,
    .cancel = command_cancel,
};
