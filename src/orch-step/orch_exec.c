/*
 * orch-exec: runs the command of one step attempt and writes its verdict.
 *
 *     orch-exec DIR        DIR/context.json says what
 *
 * It is started for every command step, so it links next to nothing and does little: start, copy output, pass TERM on,
 * collect, kill what the command left behind, write exit.json.  A context it cannot read leaves no record: the daemon
 * then knows that nothing was done.
 */
#include "config.h"

#include "base/clock.h"
#include "base/environment.h"
#include "base/fs.h"
#include "orch-step/capture.h"
#include "orch-step/exec_child.h"
#include "orch-step/exec_verdict.h"
#include "step/attempt_dir.h"
#include "step/journal_msg.h"
#include "step/lifeline.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Killed processes that do not go away are in the kernel's hands; the verdict does not wait for them. */
#define KILL_WAIT_MS 2000

struct job {
	char *dir;
	struct step_context ctx;
	struct exec_plan plan;
	struct exec_child child;
	struct capture out, err;
	int signals; /* signalfd */
	bool stopped, killed;
	tm_ms kill_at;
};

static int open_signals(struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd == -1 ? err_errno(err, "signalfd") : fd;
}

static int start(struct job *job, struct err *err)
{
	int out, err_fd, rc;

	if (exec_plan_make(&job->plan, job->dir, &job->ctx, err) == -1)
		return -1;
	if ((out = capture_open(&job->out, job->dir, ATTEMPT_STDOUT, job->ctx.log_bytes, err)) == -1)
		return -1;
	if ((err_fd = capture_open(&job->err, job->dir, ATTEMPT_STDERR, job->ctx.log_bytes, err)) == -1) {
		close(out);
		return -1;
	}
	rc = exec_child_start(&job->child, &job->plan, out, err_fd, err);
	/* The command has them now; nothing here needs them any more. */
	strvec_wipe(&job->plan.env);
	environment_wipe();
	close(out);
	close(err_fd);
	return rc;
}

static void stop(struct job *job)
{
	if (job->stopped)
		return;
	job->stopped = true;
	job->kill_at = clock_mono() + job->ctx.grace_ms;
	exec_child_signal(&job->child, SIGTERM);
	/* A stopped process would take TERM only when it goes on. */
	exec_child_signal(&job->child, SIGCONT);
}

static void take_signals(struct job *job)
{
	struct signalfd_siginfo si;

	while (read(job->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			exec_child_reap(&job->child);
		else
			stop(job);
	}
}

static int timeout_ms(const struct job *job)
{
	return job->kill_at == TIME_NEVER ? -1 : (int)MAX(0, job->kill_at - clock_mono());
}

static void supervise(struct job *job)
{
	struct pollfd p[3] = {{.fd = job->signals, .events = POLLIN}, {.events = POLLIN}, {.events = POLLIN}};

	job->kill_at = TIME_NEVER;
	while (!job->child.ended) {
		p[1].fd = job->out.pipe;
		p[2].fd = job->err.pipe;
		if (poll(p, 3, timeout_ms(job)) == -1)
			continue;
		if (p[1].revents)
			capture_pump(&job->out);
		if (p[2].revents)
			capture_pump(&job->err);
		if (p[0].revents)
			take_signals(job);
		if (!job->child.ended && clock_mono() >= job->kill_at) {
			job->killed = true;
			job->kill_at = TIME_NEVER;
			exec_child_signal(&job->child, SIGKILL);
		}
	}
}

static void finish(struct job *job)
{
	int left = exec_child_kill_rest(&job->child, KILL_WAIT_MS);

	while (capture_pump(&job->out) || capture_pump(&job->err))
		;
	if (left > 0)
		capture_note(
		    &job->err, "killed %d process%s the command left behind", left, left == 1 ? "" : "es");
}

/* In a dry run the command is told, unless the asset says that it knows how to behave (dry_run: true). */
static bool only_tell(const struct step_context *ctx)
{
	const json_t *v = json_object_get(ctx->options, "dry_run");

	return ctx->dry_run && !json_is_true(v) &&
	       !(json_is_string(v) && strcmp(json_string_value(v), "true") == 0);
}

static int tell(struct job *job, struct exitrec *rec, struct err *err)
{
	char *path = fs_join(job->dir, ATTEMPT_JOURNAL), *text;
	struct strbuf line = STRBUF_INIT(JOURNAL_LINE_MAX);
	int rc = -1, fd = -1;

	if (exec_plan_make(&job->plan, job->dir, &job->ctx, err) == 0) {
		text = exec_plan_text(&job->plan);
		msg_encode(&(struct journal_msg){.kind = MSG_EFFECT, .name = "run", .text = text}, &line);
		free(text);
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
		rc = fd == -1 ? err_errno(err, "open %s", path) : fs_write_all(fd, line.buf, line.len, err);
		rec->journal_bytes = (int64_t)line.len;
	}
	if (fd != -1)
		close(fd);
	strbuf_release(&line);
	free(path);
	return rc;
}

static void run(struct job *job, struct exitrec *rec)
{
	if (attempt_dir_prepare(job->dir, &rec->err) == -1)
		return;
	if (only_tell(&job->ctx)) {
		tell(job, rec, &rec->err);
	} else if (start(job, &rec->err) == 0) {
		supervise(job);
		finish(job);
		struct exec_end end = {.status = job->child.status,
		    .stopped = job->stopped,
		    .killed = job->killed,
		    .err = &job->err};
		exec_verdict(&end, job->dir, &job->ctx, rec);
	}
	capture_close(&job->out);
	capture_close(&job->err);
}

/* The daemon gives us /dev/null for an output, so what cannot be told by a record goes to the attempt's own file. */
static void complain(const char *dir, const struct err *err)
{
	char *path = dir ? fs_join(dir, ATTEMPT_STDERR) : NULL;
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;

	dprintf(fd == -1 ? STDERR_FILENO : fd, "orch-exec: %s\n", err->text);
	if (fd != -1)
		close(fd);
	free(path);
}

static void release(struct job *job, struct exitrec *rec)
{
	exitrec_release(rec);
	exec_plan_release(&job->plan);
	context_release(&job->ctx);
	if (job->signals != -1)
		close(job->signals);
	free(job->dir);
}

int main(int argc, char **argv)
{
	struct job job = {.signals = -1, .out = {.pipe = -1, .file = -1}, .err = {.pipe = -1, .file = -1}};
	struct exitrec rec = {.exit_code = -1, .signal = -1};
	struct err err = ERR_INIT;
	int received, rc = 1;

	if (argc != 2) {
		fputs("usage: orch-exec DIR\n", stderr);
		return 2;
	}
	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_DUMPABLE, 0);
	received = environment_receive(&err);
	job.dir = realpath(argv[1], NULL);
	if (job.dir == NULL) {
		err_errno(&err, "%s", argv[1]);
	} else if (lifeline_announce(job.dir, &err) == 0 && received == 0 &&
	           (job.signals = open_signals(&err)) != -1 && context_load(job.dir, &job.ctx, &err) == 0) {
		rec.attempt = job.ctx.attempt;
		rec.started = clock_now();
		run(&job, &rec);
		rec.ended = clock_now();
		exitrec_usage(&rec, RUSAGE_CHILDREN);
		rc = exitrec_write(job.dir, &rec, &err) == 0 ? 0 : 1;
	}
	if (rc != 0)
		complain(job.dir, &err);
	release(&job, &rec);
	return rc;
}
