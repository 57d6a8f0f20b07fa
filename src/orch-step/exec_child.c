#include "config.h"

#include "orch-step/exec_child.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Shared with the vfork child, which runs in our memory until it executes. */
struct launch {
	const struct exec_plan *plan;
	pid_t parent;
	int null_fd, out, err;
	volatile int failed; /* errno */
	const char *volatile step;
};

/* Only async-signal-safe calls from here to execve. */
__attribute__((noinline)) static void child_main(struct launch *l)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	l->step = "set up";
	setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != l->parent)
		goto fail;
	sigaction(SIGPIPE, &dfl, NULL);
	if (dup2(l->null_fd, 0) == -1 || dup2(l->out, 1) == -1 || dup2(l->err, 2) == -1 ||
	    close_range(3, ~0U, 0) == -1)
		goto fail;
	l->step = "enter its working directory";
	if (chdir(l->plan->workdir) == -1)
		goto fail;
	l->step = "execute";
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(l->plan->program, l->plan->argv.v, l->plan->env.v);
fail:
	l->failed = errno ? errno : ESRCH;
	_exit(127);
}

int exec_child_start(
    struct exec_child *child, const struct exec_plan *plan, int out, int err_fd, struct err *err)
{
	struct launch l = {.plan = plan, .parent = getpid(), .out = out, .err = err_fd};
	sigset_t all, old;
	pid_t pid;

	l.null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (l.null_fd == -1)
		return err_errno(err, "open /dev/null");
	/* No handler of ours may run in the child while it shares our memory. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = vfork();
	if (pid == 0)
		child_main(&l);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(l.null_fd);
	if (pid == -1)
		return err_errno(err, "start %s", plan->program);
	if (l.failed != 0) {
		waitpid(pid, NULL, 0);
		errno = l.failed;
		err_errno(err, "%s: cannot %s", plan->program, l.step);
		if (err->class == ERR_PERMANENT)
			err->class = ERR_CONFIG;
		return -1;
	}
	*child = (struct exec_child){.pid = pid};
	return 0;
}

/* How many children were collected; -1 when there was none. */
static int reap(struct exec_child *child)
{
	int status, n = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		n++;
		if (pid == child->pid) {
			child->ended = true;
			child->status = status;
		}
	}
	return n == 0 && pid == -1 && errno == ECHILD ? -1 : n;
}

void exec_child_reap(struct exec_child *child)
{
	reap(child);
}

void exec_child_signal(const struct exec_child *child, int sig)
{
	kill(-child->pid, sig);
}

/* Kill every child of ours; their own children become ours and are met in the next round. */
static void kill_children(void)
{
	char path[64];
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if ((f = fopen(path, "re")) == NULL)
		return;
	while (fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	fclose(f);
}

int exec_child_kill_rest(struct exec_child *child, tm_ms timeout)
{
	tm_ms deadline = clock_mono() + timeout;
	struct timespec nap = {.tv_nsec = 500000};
	int killed = 0, n;

	while ((n = reap(child)) != -1) {
		killed += n;
		if (clock_mono() > deadline)
			break;
		kill(-child->pid, SIGKILL);
		kill_children();
		nanosleep(&nap, NULL);
	}
	return killed;
}
