/* From state to state: which moves there are, what makes them, and how each is recorded. */
#include "config.h"

#include "engine/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "state/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TO(state) (1u << (state))
static const unsigned run_moves[RUN_NSTATES] = {
    [RUN_QUEUED] = TO(RUN_RUNNING) | TO(RUN_CANCELED),
    [RUN_RUNNING] = TO(RUN_SUCCEEDED) | TO(RUN_FAILED) | TO(RUN_CANCELED),
};
static const unsigned step_moves[STEP_NSTATES] = {
    [STEP_WAITING] = TO(STEP_READY) | TO(STEP_SKIPPED) | TO(STEP_CANCELED),
    [STEP_READY] = TO(STEP_RUNNING) | TO(STEP_FAILED) | TO(STEP_SKIPPED) | TO(STEP_CANCELED),
    [STEP_RUNNING] =
        TO(STEP_SUCCEEDED) | TO(STEP_RETRYING) | TO(STEP_FAILED) | TO(STEP_CANCELED) | TO(STEP_READY),
    [STEP_RETRYING] = TO(STEP_READY) | TO(STEP_CANCELED),
};

bool run_state_is_end(enum run_state s)
{
	return run_moves[s] == 0;
}

bool step_state_is_end(enum step_state s)
{
	return step_moves[s] == 0;
}

void run_set_state(struct state *st, struct run *run, enum run_state to, tm_ms now)
{
	enum run_state from = run->state;
	const struct err *err = &run->err;
	bool end = run_state_is_end(to), failed = to == RUN_FAILED || to == RUN_CANCELED;

	if ((run_moves[from] & TO(to)) == 0) {
		log_error("run %" PRId64 ": illegal move %s -> %s", run->id, run_state_name(from),
		    run_state_name(to));
		abort();
	}
	run->state = to;
	if (to == RUN_RUNNING)
		run->started_at = now;
	if (end)
		run->ended_at = now;
	sql_do(st->sql,
	    "UPDATE run SET state = ?2, outcome = ?3, started_at = nullif(?4, 0), ended_at = nullif(?5, 0), "
	    "err_class = ?6,"
	    " err_code = ?7, err_text = ?8 WHERE id = ?1",
	    "issttsss", run->id, run_state_name(to), result_name(run->outcome), run->started_at, run->ended_at,
	    failed && err->class ? err_class_name(err->class) : NULL, failed && err->code[0] ? err->code : NULL,
	    failed && err->class ? err->text : NULL);
	run_event(st, run, NULL, 0, "run", now, "%s%s%s%s%s", run_state_name(to), run->outcome ? ", " : "",
	    run->outcome ? result_name(run->outcome) : "", failed ? ": " : "", failed ? err->text : "");
	if (failed)
		log_warn("run %" PRId64 " state=%s partition=%s class=%s: %s", run->id, run_state_name(to),
		    run->partition[0] ? run->partition : "-", err_class_name(err->class), err->text);
	else if (end)
		log_info("run %" PRId64 " state=%s partition=%s outcome=%s ms=%" PRId64, run->id,
		    run_state_name(to), run->partition[0] ? run->partition : "-", result_name(run->outcome),
		    now - run->created_at);
	else
		log_debug("run %" PRId64 " state=%s", run->id, run_state_name(to));
}

void step_set_state(struct state *st, struct run_step *s, enum step_state to, tm_ms now)
{
	enum step_state from = s->state;
	bool has_err = s->err.text[0] != '\0' && to != STEP_SUCCEEDED;
	char *metadata = s->metadata ? json_text(s->metadata) : NULL;

	if ((step_moves[from] & TO(to)) == 0) {
		log_error("run %" PRId64 " asset=%s: illegal move %s -> %s", s->run->id, s->asset,
		    step_state_name(from), step_state_name(to));
		abort();
	}
	s->state = to;
	s->wait_reason = NULL;
	if (to == STEP_READY)
		s->ready_us = clock_mono_us();
	if (to == STEP_RUNNING && s->started_at == 0)
		s->started_at = now;
	if (step_state_is_end(to))
		s->ended_at = now;
	sql_do(st->sql,
	    "UPDATE step SET state = ?3, outcome = ?4, attempts = ?5, charged = ?6, not_before = nullif(?7, 0),"
	    " started_at = nullif(?8, 0), ended_at = nullif(?9, 0), err_class = ?10, err_code = ?11, err_text "
	    "= ?12,"
	    " run_uid = nullif(?13, ''), metadata = ?14, code_version = ?15 WHERE run_id = ?1 AND asset = ?2",
	    "isssiitttssssss", s->run->id, s->asset, step_state_name(to), result_name(s->outcome), s->attempts,
	    s->charged, s->not_before, s->started_at, s->ended_at,
	    has_err && s->err.class ? err_class_name(s->err.class) : NULL,
	    has_err && s->err.code[0] ? s->err.code : NULL, has_err ? s->err.text : NULL, s->run_uid, metadata,
	    s->code_version);
	free(metadata);
	if (to == STEP_SKIPPED) {
		run_event(st, s->run, s->asset, s->attempts, "step", now, "skipped: %s", s->err.text);
		log_info("run %" PRId64 " asset=%s state=skipped: %s", s->run->id, s->asset, s->err.text);
	} else if (step_waits(s)) {
		run_event(st, s->run, s->asset, s->attempts, "step", now, "waits: %s", s->err.text);
		log_info("run %" PRId64 " asset=%s state=retrying: %s", s->run->id, s->asset, s->err.text);
	} else if (to == STEP_FAILED || to == STEP_RETRYING) {
		run_event(st, s->run, s->asset, s->attempts, "step", now, "%s (%s): %s", step_state_name(to),
		    err_class_name(s->err.class), s->err.text);
		log_warn("run %" PRId64 " asset=%s state=%s class=%s: %s", s->run->id, s->asset,
		    step_state_name(to), err_class_name(s->err.class), s->err.text);
	} else if (to == STEP_RUNNING || step_state_is_end(to)) {
		run_event(st, s->run, s->asset, s->attempts, "step", now, "%s%s%s", step_state_name(to),
		    s->outcome ? ", " : "", s->outcome ? result_name(s->outcome) : "");
		log_debug("run %" PRId64 " asset=%s state=%s", s->run->id, s->asset, step_state_name(to));
	}
}

bool step_waits(const struct run_step *s)
{
	return s->state == STEP_RETRYING && s->err.class == ERR_NONE && err_is(&s->err, STEP_AGAIN);
}

bool run_is_parked(const struct run *run)
{
	bool waits = false;

	for (size_t i = 0; run->state == RUN_RUNNING && i < run->nsteps; i++) {
		const struct run_step *s = &run->steps[i];

		if (step_waits(s))
			waits = true;
		else if (!step_state_is_end(s->state) && s->state != STEP_WAITING)
			return false;
	}
	return waits;
}

/* What the ended dependencies make of a waiting step; STEP_WAITING: nothing yet. */
static enum step_state judge_waiting(struct run_step *s)
{
	for (size_t i = 0; i < s->ndep; i++) {
		const struct run_step *d = &s->run->steps[s->dep[i]];

		if (!step_state_is_end(d->state))
			return STEP_WAITING;
	}
	for (size_t i = 0; i < s->ndep; i++) {
		const struct run_step *d = &s->run->steps[s->dep[i]];

		if (d->state == STEP_SUCCEEDED && d->outcome == RESULT_NO_DATA) {
			err_code(&s->err, ERR_NONE, "no_data", "%s had no data", d->asset);
			return STEP_SKIPPED;
		}
		if (d->state == STEP_SKIPPED) {
			err_code(&s->err, ERR_NONE, d->err.code, "%s was skipped: %s", d->asset, d->err.text);
			return STEP_SKIPPED;
		}
		if (d->state != STEP_SUCCEEDED) {
			err_code(&s->err, ERR_NONE, "upstream", "%s %s", d->asset, step_state_name(d->state));
			return STEP_SKIPPED;
		}
	}
	return STEP_READY;
}

static enum run_state judge_run(struct run *run)
{
	enum run_state to = RUN_SUCCEEDED;

	run->outcome = RESULT_OK;
	for (size_t i = 0; i < run->nsteps; i++) {
		const struct run_step *s = &run->steps[i];

		if (s->state == STEP_FAILED && to != RUN_CANCELED) {
			if (to != RUN_FAILED) {
				run->err = s->err;
				err_wrap(&run->err, "%s", s->asset);
			}
			to = RUN_FAILED;
		} else if (s->state == STEP_CANCELED) {
			to = RUN_CANCELED;
		}
		run->outcome = MAX(run->outcome, s->outcome);
	}
	if (run->cancel != NULL && to != RUN_SUCCEEDED) {
		to = RUN_CANCELED;
		err_set(&run->err, ERR_CANCELLED, "canceled by %s", run->cancel);
	}
	if (to != RUN_SUCCEEDED)
		run->outcome = RESULT_NONE;
	return to;
}

bool run_advance(struct state *st, struct run *run, tm_ms now)
{
	bool changed = false, ended = true;

	if (run->state != RUN_RUNNING)
		return false;
	for (size_t i = 0; i < run->nsteps; i++) {
		struct run_step *s = &run->steps[i];
		enum step_state to = s->state;

		if (s->state == STEP_WAITING)
			to = run->cancel != NULL ? STEP_CANCELED : judge_waiting(s);
		else if ((s->state == STEP_READY || s->state == STEP_RETRYING) && run->cancel != NULL)
			to = STEP_CANCELED;
		else if (s->state == STEP_RETRYING && s->not_before <= now)
			to = STEP_READY;
		if (to != s->state) {
			step_set_state(st, s, to, now);
			changed = true;
		}
		ended &= step_state_is_end(s->state);
	}
	if (ended) {
		run_set_state(st, run, judge_run(run), now);
		changed = true;
	}
	return changed;
}
