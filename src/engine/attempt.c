#include "config.h"

#include "engine/attempt.h"

#include "engine/engine_priv.h"
#include "engine/handover.h"
#include "engine/orphans.h"
#include "engine/spawn.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "metric/health.h"
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
#define JOURNAL_SLICE (1 << 20) /* bytes of a journal read in one turn */
#define EVENTS_KEPT   500 /* of one attempt in the database; the journal itself has them all */
#define AGAIN_MIN_MS  1000 /* a step that asks for a time that is past must not spin */
#define SUPERVISOR_MS 2000 /* a command's supervisor has the grace itself; ours is this much longer */

struct attempt {
	struct engine *engine;
	struct run_step *step;
	int64_t n;
	char *dir;
	tm_ms started_at;
	pid_t pid; /* 0: not started, or not known yet */
	bool child; /* of this process: its status can be read */
	int pidfd;
	struct event *ended_event;
	bool started, ended, never_started;
	struct err start_err;
	int status; /* of waitid, when child and ended */
	bool has_status;

	tm_ms last_look, last_sign; /* monotonic: journal read; sign of life in it */
	struct journal_reader reader;
	int64_t warnings, events;
	json_t *progress;

	char *kill_reason;
	tm_ms kill_at; /* monotonic: when TERM is followed by KILL */
	bool kill_sent;
};

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
	struct strvec env = STRVEC_INIT;
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
		handover_environment(step, &env);
		rc = spawn_step(e->spawner, a->dir, argv, env.v, command, &a->pid, err);
	}
	strvec_wipe(&env);
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
	if (step->run_uid[0] == '\0')
		handover_run_uid(step, step->run_uid);
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

static void reap(struct attempt *a)
{
	siginfo_t si = {0};

	if (a->pid <= 0 || a->has_status)
		return;
	if (waitid(P_PID, (id_t)a->pid, &si, WEXITED | WNOHANG) == 0 && si.si_pid == a->pid) {
		a->has_status = true;
		a->status = si.si_code == CLD_EXITED ? si.si_status << 8 : si.si_status;
	}
}

/* ---- the journal ---- */

static json_t *progress_json(const struct journal_msg *m)
{
	return json_pack("{s:s, s:I, s:I}", "what", m->name ? m->name : "", "done", (json_int_t)m->done,
	    "total", (json_int_t)m->total);
}

static void keep_event(struct attempt *a, const char *kind, const char *fmt, ...) PRINTF(3, 4);
static void keep_event(struct attempt *a, const char *kind, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT(2000);
	va_list ap;

	if (a->events++ >= EVENTS_KEPT)
		return;
	va_start(ap, fmt);
	if (strbuf_vaddf(&text, fmt, ap) == -1)
		strbuf_addstr(&text, "(too long to keep here; see the journal)");
	va_end(ap);
	run_event(a->engine->state, a->step->run, a->step->asset, a->n, kind, a->engine->now, "%s", text.buf);
	strbuf_release(&text);
}

static int on_message(const struct journal_msg *m, void *arg)
{
	struct attempt *a = arg;
	struct engine *e = a->engine;
	int64_t run = a->step->run->id;

	a->last_sign = clock_mono();
	switch (m->kind) {
	case MSG_PROGRESS:
		json_decref(a->progress);
		a->progress = progress_json(m);
		engine_note(e, "progress", run, a->step->asset, json_incref(a->progress));
		break;
	case MSG_WARNING:
		a->warnings++;
		keep_event(a, "warning", "%s: %s", m->name ? m->name : "warning", m->text ? m->text : "");
		engine_note(e, "warning", run, a->step->asset,
		    json_pack("{s:s?, s:s?}", "label", m->name, "text", m->text));
		break;
	case MSG_EFFECT:
		/* What was done stands in the journal and the manifests; what would be done has no other place. */
		if (a->step->run->dry_run)
			keep_event(a, "effect", "%s %s", m->name ? m->name : "", m->text ? m->text : "");
		engine_note(e, "effect", run, a->step->asset,
		    json_pack(
		        "{s:s?, s:s?, s:I}", "verb", m->name, "what", m->text, "size", (json_int_t)m->done));
		break;
	case MSG_CHECK:
		keep_event(a, "check", "%s: %s", m->name ? m->name : "check", m->passed ? "passed" : "failed");
		break;
	case MSG_LOG:
		if (m->level >= LOG_WARN_)
			keep_event(a, "log", "%s", m->text ? m->text : "");
		engine_note(e, "log", run, a->step->asset,
		    json_pack("{s:s, s:s?}", "level", log_level_name(m->level), "text", m->text));
		break;
	default: break;
	}
	return 0;
}

static int64_t read_journal(struct attempt *a, size_t most)
{
	char *path = fs_join(a->dir, ATTEMPT_JOURNAL);
	int64_t n = journal_read(&a->reader, path, most, on_message, a, NULL);

	free(path);
	a->last_look = clock_mono();
	if (n > 0)
		sql_do(a->engine->state->sql,
		    "UPDATE attempt SET journal_offset = ?4, warnings = ?5 WHERE run_id = ?1 AND asset = ?2 "
		    "AND n = ?3",
		    "isiii", a->step->run->id, a->step->asset, a->n, a->reader.offset, a->warnings);
	return n;
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
		read_journal(a, JOURNAL_SLICE);
	if (a->kill_reason != NULL)
		escalate(a);
	else if ((reason = stop_reason(a)) != NULL)
		ask_to_stop(a, reason);
	return e->now + LOOK_MS;
}

/* ---- the verdict ---- */

static const struct {
	const char *reason, *text;
	enum err_class class;
} stop_verdict[] = {
    {"cancel", "stopped because the run was canceled", ERR_CANCELLED},
    {"timeout", "stopped after the asset's timeout", ERR_TRANSIENT},
    {"stalled", "stopped: no sign of progress for the asset's stall time", ERR_TRANSIENT},
};

static void no_record_error(struct attempt *a, struct err *err)
{
	int sig = a->has_status && (a->status & 0xff00) == 0 ? a->status & 0x7f : 0;

	if (a->start_err.class != ERR_NONE)
		*err = a->start_err;
	else if (sig == SIGSEGV || sig == SIGBUS || sig == SIGABRT || sig == SIGILL || sig == SIGFPE)
		err_code(err, ERR_BUG, "crashed", "crashed by signal %d (%s)", sig, strsignal(sig));
	else if (sig != 0)
		err_code(err, ERR_TRANSIENT, "no_record", "killed by signal %d (%s)", sig, strsignal(sig));
	else
		err_code(err, ERR_TRANSIENT, "no_record", "the process ended without leaving a verdict");
}

/* What a command reported by messages: metadata of its materialization, warnings, no data. */
struct reported {
	json_t *metadata;
	bool warned, no_data;
};

static int collect(const struct journal_msg *m, void *arg)
{
	struct reported *r = arg;
	const char *key;
	json_t *value;

	if (m->kind == MSG_WARNING || (m->kind == MSG_CHECK && !m->passed))
		r->warned = true;
	else if (m->kind == MSG_NO_DATA)
		r->no_data = true;
	else if (m->kind == MSG_MATERIALIZATION && m->metadata != NULL)
		json_object_foreach((json_t *)m->metadata, key, value)
		    json_object_set(r->metadata, key, msg_metadata_value(value));
	return 0;
}

static void merge_reported(const struct attempt *a, struct exitrec *rec)
{
	struct reported r = {.metadata = json_object()};
	struct journal_reader reader = {0};
	char *path = fs_join(a->dir, ATTEMPT_JOURNAL);

	journal_read(&reader, path, 16 * JOURNAL_SLICE, collect, &r, NULL);
	free(path);
	if (rec->metadata == NULL)
		rec->metadata = json_object();
	json_object_update_missing(rec->metadata, r.metadata);
	json_decref(r.metadata);
	if (r.no_data)
		rec->outcome = OUTCOME_NO_DATA;
	else if (r.warned && rec->outcome == OUTCOME_OK)
		rec->outcome = OUTCOME_WARNINGS;
}

/* Exponential from the asset's delay, half of it random, so that failures of one cause do not return together. */
static tm_ms backoff(const struct conf_asset *ca, int64_t failures)
{
	tm_ms d = ca->retry_delay;

	for (int64_t i = 1; i < failures && d < ca->retry_max_delay; i++)
		d *= 2;
	d = MIN(d, ca->retry_max_delay);
	return d / 2 + (d > 1 ? (tm_ms)arc4random_uniform((uint32_t)MIN(d / 2, (tm_ms)UINT32_MAX)) : 0);
}

/* It left no verdict, so it did not tidy up either. */
static void clean_up_after(struct attempt *a)
{
	const struct conf_asset *ca = a->step->conf;
	int left = ca == NULL || (ca->type->flags & ASSET_COMMAND) != 0 ? orphans_kill(a->dir) : 0;

	if (left > 0)
		log_warn("run %" PRId64 " asset=%s: killed %d process%s its command left behind",
		    a->step->run->id, a->step->asset, left, left == 1 ? "" : "es");
	attempt_dir_sweep(a->dir);
}

static void record_attempt(struct attempt *a, const struct exitrec *rec, const struct err *err)
{
	bool ok = err->class == ERR_NONE;

	sql_do(a->engine->state->sql,
	    "UPDATE attempt SET ended_at = ?4, outcome = ?5, err_class = ?6, err_code = ?7, err_text = ?8,"
	    " exit_code = nullif(?9, -1), signal = nullif(?10, -1), utime_s = ?11, stime_s = ?12, maxrss_kib = "
	    "?13, warnings = ?14"
	    " WHERE run_id = ?1 AND asset = ?2 AND n = ?3",
	    "isitssssiiddii", a->step->run->id, a->step->asset, a->n, a->engine->now,
	    a->never_started ? "never_started"
	    : ok             ? step_outcome_name(rec->outcome)
	    : rec->again_at  ? STEP_AGAIN
	                     : "failed",
	    ok ? NULL : err_class_name(err->class), ok || !err->code[0] ? NULL : err->code,
	    ok ? NULL : err->text, (int64_t)rec->exit_code, (int64_t)rec->signal, rec->utime_s, rec->stime_s,
	    rec->maxrss_kib, a->warnings);
}

/* Also what the step has counted: once, because an attempt is settled once. */
static void count_attempt(struct attempt *a, const struct exitrec *rec)
{
	struct metric_batch *counts = &a->engine->counts;
	tm_ms took = rec ? rec->ended - rec->started : a->engine->now - a->started_at;

	metric_batch_observe(counts, METRIC_STEP_DURATION, (double)took / 1000, a->step->asset, NULL);
	if (rec == NULL)
		return;
	metric_batch_import(counts, json_incref(rec->counters));
	health_import(rec->health);
}

static void succeed(struct engine *e, struct run_step *step, struct exitrec *rec)
{
	char *metadata;

	step->outcome = result_parse(step_outcome_name(rec->outcome));
	step->metadata = rec->metadata ? json_incref(rec->metadata) : json_object();
	step_set_state(e->state, step, STEP_SUCCEEDED, e->now);
	if (step->run->dry_run)
		return;
	metadata = json_text(step->metadata);
	sql_do(e->state->sql,
	    "INSERT INTO materialization(asset, partition, run_id, at, outcome, metadata) VALUES(?1, ?2, ?3, "
	    "?4, ?5, ?6)",
	    "ssitss", step->asset, step->run->partition, step->run->id, e->now, result_name(step->outcome),
	    metadata);
	free(metadata);
}

/* It asked for it: neither a failure nor charged. */
static void wait_again(struct engine *e, struct run_step *step, tm_ms at)
{
	step->err.class = ERR_NONE;
	snprintf(step->err.code, sizeof(step->err.code), STEP_AGAIN);
	step->not_before = MAX(at, e->now + AGAIN_MIN_MS);
	step_set_state(e->state, step, STEP_RETRYING, e->now);
}

static void fail(struct engine *e, struct run_step *step, const char *kill_reason)
{
	const struct conf_asset *ca = step->conf;

	step->charged++;
	if (kill_reason != NULL && strcmp(kill_reason, "cancel") == 0) {
		step_set_state(e->state, step, STEP_CANCELED, e->now);
	} else if (step->err.class == ERR_TRANSIENT && ca != NULL && step->charged <= ca->retries) {
		metric_batch_count(
		    &e->counts, METRIC_STEP_RETRIES, step->asset, err_class_name(step->err.class));
		step->not_before = e->now + backoff(ca, step->charged);
		step_set_state(e->state, step, STEP_RETRYING, e->now);
	} else {
		step_set_state(e->state, step, STEP_FAILED, e->now);
	}
}

bool attempt_settle(struct engine *e, struct run_step *step)
{
	struct attempt *a = step->attempt;
	struct exitrec rec = {.exit_code = -1, .signal = -1};
	struct err err = ERR_INIT;
	bool has_record;

	if (!a->ended)
		return false;
	reap(a);
	if (a->never_started) {
		err_code(&err, ERR_NONE, "never_started", "never started");
		record_attempt(a, &rec, &err);
		attempt_forget(step);
		step_set_state(e->state, step, STEP_READY, e->now);
		return true;
	}
	while (read_journal(a, JOURNAL_SLICE) == JOURNAL_SLICE)
		;
	has_record = exitrec_read(a->dir, a->n, &rec, &err) == 0;
	if (has_record)
		err = rec.err;
	else if (err_is(&err, "not_found"))
		no_record_error(a, &err);
	if (a->kill_reason != NULL || err.class != ERR_TRANSIENT)
		rec.again_at = 0; /* what stopped it counts */
	if (a->kill_reason != NULL && err.class != ERR_NONE)
		for (size_t i = 0; i < NITEMS(stop_verdict); i++)
			if (strcmp(stop_verdict[i].reason, a->kill_reason) == 0)
				err_code(
				    &err, stop_verdict[i].class, a->kill_reason, "%s", stop_verdict[i].text);
	if (has_record && err.class == ERR_NONE && step->conf != NULL &&
	    (step->conf->type->flags & ASSET_COMMAND) != 0)
		merge_reported(a, &rec);
	record_attempt(a, &rec, &err);
	count_attempt(a, has_record ? &rec : NULL);
	step->err = err;
	if (err.class == ERR_NONE)
		succeed(e, step, &rec);
	else if (rec.again_at != 0)
		wait_again(e, step, rec.again_at);
	else
		fail(e, step, a->kill_reason);
	attempt_dir_settle(a->dir, NULL);
	if (has_record)
		exitrec_release(&rec);
	else
		clean_up_after(a);
	attempt_forget(step);
	return true;
}
