#include "config.h"

#include "engine/attempt_priv.h"

#include "engine/handover.h"
#include "engine/spawn.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "step/asset.h"
#include "step/attempt_dir.h"
#include "step/exitrec.h"
#include "step/journal.h"
#include "step/lifeline.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS       250 /* between two looks at a journal, or at a process we have no descriptor for */
#define SUPERVISOR_MS 2000 /* a command's supervisor has the grace itself; ours is this much longer */

/* ---- the process ---- */

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
	struct attempt *a = arg;

	a->ended = true;
	engine_kick(a->engine);
}

static void watch_process(struct attempt *a)
{
	if (a->pid == 0)
		a->pid = lifeline_read_pid(a->dir);
	if (a->pid == 0 || a->pidfd != -1)
		return;
	a->pidfd = (int)syscall(SYS_pidfd_open, a->pid, 0);
	if (a->pidfd == -1)
		return; /* gone already, or an old kernel: attempt_check looks at the lifeline */
	a->ended_event = event_new(a->engine->base, a->pidfd, EV_READ, on_ended, a);
	event_add(a->ended_event, NULL);
}

static struct attempt *attempt_new(struct engine *e, struct run_step *step, int64_t n)
{
	struct attempt *a = xcalloc(1, sizeof(*a));
	char id[32];

	snprintf(id, sizeof(id), "%" PRId64, step->run->id);
	a->engine = e;
	a->step = step;
	a->n = n;
	a->dir = attempt_dir_path(e->state->dir, id, step->asset, (int)n);
	a->pidfd = -1;
	a->last_sign = clock_mono();
	step->attempt = a;
	return a;
}

void attempt_forget(struct run_step *step)
{
	struct attempt *a = step->attempt;

	if (a == NULL)
		return;
	if (a->ended_event != NULL)
		event_free(a->ended_event);
	if (a->pidfd != -1)
		close(a->pidfd);
	json_decref(a->progress);
	free(a->kill_reason);
	free(a->dir);
	free(a);
	step->attempt = NULL;
}

static int prepare_and_spawn(struct attempt *a, struct err *err)
{
	struct engine *e = a->engine;
	const struct run_step *step = a->step;
	bool command = (step->conf->type->flags & ASSET_COMMAND) != 0;
	char id[32], *step_dir, *ledger;
	char *argv[] = {command ? e->exec_program : e->step_program, a->dir, NULL};
	struct strvec plain = STRVEC_INIT, quiet = STRVEC_INIT;
	int rc;

	snprintf(id, sizeof(id), "%" PRId64, step->run->id);
	step_dir = attempt_dir_step(e->state->dir, id, step->asset);
	ledger = fs_join(step_dir, ATTEMPT_LEDGER);
	rc = attempt_dir_create(a->dir, err);
	if (rc == 0)
		rc = handover_context(step, a->n, a->dir, ledger, e->state, err);
	if (rc == 0 && e->spawner == NULL && (e->spawner = spawner_new()) == NULL)
		rc = err_errno(err, "a thread to start steps from");
	if (rc == 0) {
		handover_environment(step, &plain, &quiet);
		rc = spawn_step(e->spawner, a->dir, argv, &plain, &quiet, command, &a->pid, err);
	}
	strvec_release(&plain);
	strvec_wipe(&quiet);
	free(step_dir);
	free(ledger);
	return rc;
}

/* After the commit that announced it.  The run and step cannot have gone: a running step keeps them. */
static void start_after_commit(const struct err *failed, void *arg)
{
	struct attempt *a = arg;

	if (failed != NULL)
		return; /* memory is about to be dropped */
	if (prepare_and_spawn(a, &a->start_err) == -1) {
		a->ended = true;
		engine_kick(a->engine);
		return;
	}
	a->started = a->child = true;
	metric_observe(
	    METRIC_STEP_START_DELAY, (double)(clock_mono_us() - a->step->ready_us) / 1e6, NULL, NULL);
	watch_process(a);
	if (a->ended_event == NULL)
		engine_kick(a->engine);
}

void attempt_begin(struct engine *e, struct run_step *step)
{
	struct attempt *a;

	step->attempts++;
	if (step->run_uid[0] == '\0') {
		step->code_version = handover_code_version(step->conf);
		handover_run_uid(step, step->code_version, step->run_uid);
	}
	a = attempt_new(e, step, step->attempts);
	a->started_at = e->now;
	sql_do(e->state->sql,
	    "INSERT INTO attempt(run_id, asset, n, epoch, started_at) VALUES(?1, ?2, ?3, ?4, ?5)", "isiit",
	    step->run->id, step->asset, a->n, e->state->epoch, e->now);
	step->err = ERR_INIT;
	step_set_state(e->state, step, STEP_RUNNING, e->now);
	engine_after_commit(e, start_after_commit, a);
}

void attempt_recover(struct engine *e, struct run_step *step, int64_t n, tm_ms started_at,
    int64_t journal_offset, const char *kill_reason)
{
	struct attempt *a = attempt_new(e, step, n);

	a->started_at = started_at;
	a->reader.offset = journal_offset;
	a->kill_reason = kill_reason ? xstrdup(kill_reason) : NULL;
	switch (lifeline_state(a->dir)) {
	case LIFELINE_NONE: a->never_started = a->ended = true; break;
	case LIFELINE_FREE:
		/* Without a "pid" it was killed between the lock and its first act: nothing was begun. */
		a->started = a->ended = true;
		a->never_started = !lifeline_was_announced(a->dir);
		break;
	case LIFELINE_HELD:
		a->started = true;
		watch_process(a);
		log_info("run %" PRId64 " asset=%s attempt=%" PRId64 " adopted pid=%d", step->run->id,
		    step->asset, n, (int)a->pid);
		break;
	}
}

void attempt_reap(struct attempt *a)
{
	siginfo_t si = {0};

	if (a->pid <= 0 || a->has_status)
		return;
	if (waitid(P_PID, (id_t)a->pid, &si, WEXITED | WNOHANG) == 0 && si.si_pid == a->pid) {
		a->has_status = true;
		a->status = si.si_code == CLD_EXITED ? si.si_status << 8 : si.si_status;
	}
}

json_t *attempt_live(const struct run_step *step)
{
	const struct attempt *a = step->attempt;

	return json_pack("{s:I, s:i, s:O?, s:s?}", "attempt", (json_int_t)a->n, "pid", (int)a->pid, "progress",
	    a->progress, "stopping", a->kill_reason);
}

/* ---- stopping it ---- */

static void signal_group(struct attempt *a, int sig)
{
	pid_t pid = a->child && !a->ended ? a->pid : lifeline_read_pid(a->dir);

	/* In its first moment the process has not made its session yet. */
	if (pid > 1 && kill(-pid, sig) == -1 && (errno != ESRCH || kill(pid, sig) == -1) && errno != ESRCH)
		log_warn("run %" PRId64 " asset=%s: kill -%d -%d: %s", a->step->run->id, a->step->asset, sig,
		    (int)pid, strerror(errno));
}

static void term_after_commit(const struct err *failed, void *arg)
{
	if (failed == NULL)
		signal_group(arg, SIGTERM);
}

static void ask_to_stop(struct attempt *a, const char *reason)
{
	const struct conf_asset *ca = a->step->conf;
	tm_ms grace = ca ? ca->grace : 10000;

	if (ca != NULL && (ca->type->flags & ASSET_COMMAND) != 0)
		grace += SUPERVISOR_MS;
	a->kill_reason = xstrdup(reason);
	a->kill_at = clock_mono() + grace;
	sql_do(a->engine->state->sql,
	    "UPDATE attempt SET kill_reason = ?4 WHERE run_id = ?1 AND asset = ?2 AND n = ?3", "isis",
	    a->step->run->id, a->step->asset, a->n, reason);
	log_info("run %" PRId64 " asset=%s attempt=%" PRId64 " stopping: %s", a->step->run->id, a->step->asset,
	    a->n, reason);
	engine_after_commit(a->engine, term_after_commit, a);
}

static const char *stop_reason(const struct attempt *a)
{
	const struct conf_asset *ca = a->step->conf;

	if (a->step->run->cancel != NULL)
		return "cancel";
	if (ca != NULL && ca->timeout > 0 && a->engine->now >= a->started_at + ca->timeout)
		return "timeout";
	if (ca != NULL && ca->stall > 0 && clock_mono() >= a->last_sign + ca->stall)
		return "stalled";
	return NULL;
}

static void escalate(struct attempt *a)
{
	if (a->kill_at == 0) {
		/* Adopted while being stopped: the signal may not have been sent before the crash. */
		a->kill_at = clock_mono() + (a->step->conf ? a->step->conf->grace : 10000);
		signal_group(a, SIGTERM);
	} else if (clock_mono() >= a->kill_at && !a->kill_sent) {
		a->kill_sent = true;
		log_warn("run %" PRId64 " asset=%s does not stop: killed", a->step->run->id, a->step->asset);
		signal_group(a, SIGKILL);
	}
}

tm_ms attempt_check(struct engine *e, struct run_step *step)
{
	struct attempt *a = step->attempt;
	const char *reason;

	if (!a->started || a->ended)
		return TIME_NEVER;
	if (a->pidfd == -1) {
		watch_process(a);
		if (a->pidfd == -1 && lifeline_state(a->dir) != LIFELINE_HELD) {
			a->ended = true;
			engine_kick(e);
			return TIME_NEVER;
		}
	}
	if (clock_mono() >= a->last_look + LOOK_MS)
		attempt_read_journal(a, JOURNAL_SLICE);
	if (a->kill_reason != NULL)
		escalate(a);
	else if ((reason = stop_reason(a)) != NULL)
		ask_to_stop(a, reason);
	return e->now + LOOK_MS;
}
