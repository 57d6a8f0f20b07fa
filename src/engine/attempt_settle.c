/* The verdict: an exit record, or the lack of one, becomes the step's state. */
#include "config.h"

#include "engine/attempt_priv.h"

#include "engine/made.h"
#include "engine/orphans.h"

#include "base/fs.h"
#include "base/log.h"
#include "metric/health.h"
#include "step/asset.h"
#include "step/attempt_dir.h"
#include "step/exitrec.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define OUTAGE_WAIT_MS 60000 /* a place that is back is noticed within this time */
#define AGAIN_MIN_MS   1000 /* a step that asks for a time that is past must not spin */

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
	step->outcome = result_parse(step_outcome_name(rec->outcome));
	step->metadata = rec->metadata ? json_incref(rec->metadata) : json_object();
	step_set_state(e->state, step, STEP_SUCCEEDED, e->now);
	if (!step->run->dry_run)
		made_record(e->state, step, &e->conf->limits, e->now);
}

/*
 * A place that does not answer is no failure of the step: it waits, uncharged, for as long as its asset says.  When to
 * look again, or 0: without a daemon somebody waits for the end of this process, and is told soon.
 */
static tm_ms wait_for_place(const struct engine *e, const struct run_step *step, const struct exitrec *rec)
{
	const struct conf_asset *ca = step->conf;

	if (e->local || ca == NULL || !health_says_away(rec->health) || e->now >= step->started_at + ca->outage)
		return 0;
	return e->now + MIN(backoff(ca, step->attempts), (tm_ms)OUTAGE_WAIT_MS);
}

/* It asked for it, or waits for a place: neither a failure nor charged. */
static void wait_again(struct engine *e, struct run_step *step, tm_ms at)
{
	step->err.class = ERR_NONE;
	snprintf(step->err.code, sizeof(step->err.code), STEP_AGAIN);
	step->not_before = MAX(at, e->now + AGAIN_MIN_MS);
	step_set_state(e->state, step, STEP_RETRYING, e->now);
	prune_agains(e, step);
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
	attempt_reap(a);
	if (a->never_started) {
		err_code(&err, ERR_NONE, "never_started", "never started");
		record_attempt(a, &rec, &err);
		attempt_forget(step);
		step_set_state(e->state, step, STEP_READY, e->now);
		return true;
	}
	while (attempt_read_journal(a, JOURNAL_SLICE) == JOURNAL_SLICE)
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
	if (has_record && a->kill_reason == NULL && err.class == ERR_TRANSIENT && rec.again_at == 0 &&
	    (rec.again_at = wait_for_place(e, step, &rec)) != 0)
		metric_batch_count(&e->counts, METRIC_STEP_RETRIES, step->asset, err_class_name(err.class));
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
