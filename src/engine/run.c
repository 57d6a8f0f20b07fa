#include "config.h"

#include "engine/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "engine/place.h"
#include "state/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const run_names[] = {
    [RUN_QUEUED] = "queued",
    [RUN_RUNNING] = "running",
    [RUN_SUCCEEDED] = "succeeded",
    [RUN_FAILED] = "failed",
    [RUN_CANCELED] = "canceled",
};
static_assert(NITEMS(run_names) == RUN_NSTATES, "name every run state");

static const char *const step_names[] = {
    [STEP_WAITING] = "waiting",
    [STEP_READY] = "ready",
    [STEP_RUNNING] = "running",
    [STEP_RETRYING] = "retrying",
    [STEP_SUCCEEDED] = "succeeded",
    [STEP_FAILED] = "failed",
    [STEP_SKIPPED] = "skipped",
    [STEP_CANCELED] = "canceled",
};
static_assert(NITEMS(step_names) == STEP_NSTATES, "name every step state");

static const char *const result_names[] = {
    [RESULT_NONE] = NULL,
    [RESULT_OK] = "ok",
    [RESULT_WARNINGS] = "warnings",
    [RESULT_NO_DATA] = "no_data",
};
static_assert(NITEMS(result_names) == RESULT_NKINDS, "name every outcome");

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

const char *run_state_name(enum run_state s)
{
	return run_names[s];
}

const char *step_state_name(enum step_state s)
{
	return step_names[s];
}

const char *result_name(enum result o)
{
	return result_names[o];
}

static int parse(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; name != NULL && i < n; i++)
		if (names[i] != NULL && strcmp(names[i], name) == 0)
			return (int)i;
	return 0;
}

enum result result_parse(const char *name)
{
	return (enum result)parse(result_names, NITEMS(result_names), name);
}

bool run_state_is_end(enum run_state s)
{
	return run_moves[s] == 0;
}

bool step_state_is_end(enum step_state s)
{
	return step_moves[s] == 0;
}

/* The run's steps among the dependencies of asset, also those reached through assets that are not part of the run. */
static void find_deps(const struct run *run, const struct conf_asset *asset, bool *is_dep)
{
	for (size_t i = 0; i < asset->ndep; i++) {
		size_t k = 0;

		while (k < run->nsteps && run->steps[k].conf != asset->dep[i])
			k++;
		if (k < run->nsteps)
			is_dep[k] = true;
		else
			find_deps(run, asset->dep[i], is_dep);
	}
}

static void link_steps(struct run *run)
{
	bool *is_dep = xcalloc(run->nsteps, sizeof(*is_dep));

	for (size_t i = 0; i < run->nsteps; i++) {
		struct run_step *step = &run->steps[i];

		if (step->conf == NULL)
			continue;
		memset(is_dep, 0, run->nsteps * sizeof(*is_dep));
		find_deps(run, step->conf, is_dep);
		step->dep = xcalloc(run->nsteps, sizeof(*step->dep));
		for (size_t k = 0; k < run->nsteps; k++)
			if (is_dep[k])
				step->dep[step->ndep++] = k;
	}
	free(is_dep);
}

static struct run *run_alloc(struct conf *conf, size_t nsteps)
{
	struct run *run = xcalloc(1, sizeof(*run));

	run->conf = conf_ref(conf);
	run->steps = xcalloc(nsteps, sizeof(*run->steps));
	run->nsteps = nsteps;
	for (size_t i = 0; i < nsteps; i++)
		run->steps[i].run = run;
	return run;
}

struct run *run_new(struct conf *conf, struct conf_asset *const *assets, size_t n, json_t *config, json_t *tags)
{
	struct run *run = run_alloc(conf, n);

	run->config = json_incref(config);
	run->tags = json_incref(tags);
	for (size_t i = 0; i < n; i++) {
		run->steps[i].asset = xstrdup(assets[i]->name);
		run->steps[i].conf = assets[i];
	}
	link_steps(run);
	return run;
}

void run_free(struct run *run)
{
	if (run == NULL)
		return;
	for (size_t i = 0; i < run->nsteps; i++) {
		assert(run->steps[i].attempt == NULL);
		free(run->steps[i].asset);
		free(run->steps[i].dep);
		free(run->steps[i].code_version);
		json_decref(run->steps[i].metadata);
	}
	free(run->steps);
	free(run->job);
	free(run->partition);
	free(run->origin);
	free(run->why);
	free(run->sensor);
	free(run->sensor_key);
	free(run->run_key);
	free(run->generation);
	free(run->cancel);
	json_decref(run->config);
	json_decref(run->tags);
	conf_unref(run->conf);
	free(run);
}

static char *asset_list(const struct run *run)
{
	json_t *list = json_array();
	char *text;

	for (size_t i = 0; i < run->nsteps; i++)
		json_array_append_new(list, json_string(run->steps[i].asset));
	text = json_text(list);
	json_decref(list);
	return text;
}

static void insert_step(struct state *st, const struct run_step *step, size_t ord)
{
	char *metadata = step->metadata ? json_text(step->metadata) : NULL;

	sql_do(st->sql,
	    "INSERT INTO step(run_id, asset, ord, state, outcome, ended_at, metadata, run_uid, code_version)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, nullif(?6, 0), ?7, nullif(?8, ''), ?9)",
	    "isississs", step->run->id, step->asset, (int64_t)ord, step_state_name(step->state),
	    result_name(step->outcome), step->ended_at, metadata, step->run_uid, step->code_version);
	free(metadata);
}

void run_insert(struct state *st, struct run *run, tm_ms now)
{
	char *assets = asset_list(run), *config = json_text(run->config), *tags = json_text(run->tags);

	run->created_at = now;
	sql_do(st->sql,
	    "INSERT INTO run(job, assets, partition, state, origin, why, sensor, sensor_key, run_key, "
	    "generation, config,"
	    " tags, dry_run, retry_of, created_at)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, nullif(?14, 0), ?15)",
	    "ssssssssssssiit", run->job, assets, run->partition, run_state_name(run->state), run->origin,
	    run->why, run->sensor, run->sensor_key, run->run_key, run->generation, config, tags,
	    (int64_t)run->dry_run, run->retry_of, now);
	run->id = sql_last_id(st->sql);
	places_insert(st, run->partition, run->id);
	for (size_t i = 0; i < run->nsteps; i++)
		insert_step(st, &run->steps[i], i);
	log_info("run %" PRId64 " state=queued job=%s partition=%s origin=%s: %s", run->id,
	    run->job ? run->job : "-", run->partition[0] ? run->partition : "-", run->origin,
	    run->why ? run->why : "asked for");
	free(assets);
	free(config);
	free(tags);
}

static json_t *parse_or_empty(const char *text)
{
	json_t *j = text ? json_loads(text, 0, NULL) : NULL;

	return j ? j : json_object();
}

static void dup_text(char **where, const struct sql_row *row, int col)
{
	xstrset(where, sql_text(row, col));
}

static void load_error(struct err *err, const char *class, const char *code, const char *text)
{
	if (class != NULL || code != NULL)
		err_code(err, class ? err_class_parse(class) : ERR_NONE, code, "%s", text ? text : "");
}

static void load_steps(struct state *st, struct run *run)
{
	struct sql_row *row = sql_query(st->sql,
	    "SELECT asset, state, outcome, attempts, charged, not_before, started_at, ended_at, err_class, "
	    "err_code,"
	    " err_text, run_uid, metadata, code_version FROM step WHERE run_id = ?1 ORDER BY ord",
	    "i", run->id);

	for (size_t i = 0; i < run->nsteps && sql_next(row); i++) {
		struct run_step *s = &run->steps[i];

		s->asset = xstrdup(sql_text(row, 0));
		s->conf = conf_asset_find(run->conf, s->asset);
		s->state = (enum step_state)parse(step_names, NITEMS(step_names), sql_text(row, 1));
		s->outcome = result_parse(sql_text(row, 2));
		s->attempts = sql_int(row, 3);
		s->charged = sql_int(row, 4);
		s->not_before = sql_int(row, 5);
		s->ready_us = clock_mono_us();
		s->started_at = sql_int(row, 6);
		s->ended_at = sql_int(row, 7);
		load_error(&s->err, sql_text(row, 8), sql_text(row, 9), sql_text(row, 10));
		snprintf(s->run_uid, sizeof(s->run_uid), "%s", sql_text(row, 11) ? sql_text(row, 11) : "");
		s->metadata = sql_is_null(row, 12) ? NULL : parse_or_empty(sql_text(row, 12));
		dup_text(&s->code_version, row, 13);
	}
	sql_end(row);
	link_steps(run);
}

void run_load_active(struct state *st, struct conf *conf, struct run_list *list)
{
	struct sql_row *row = sql_query(st->sql,
	    "SELECT id, state, job, partition, origin, why, sensor, sensor_key, run_key, generation, config, "
	    "tags, dry_run,"
	    " retry_of, cancel, created_at, started_at, (SELECT count(*) FROM step WHERE run_id = run.id)"
	    " FROM run WHERE ended_at IS NULL ORDER BY id",
	    "");

	while (sql_next(row)) {
		struct run *run = run_alloc(conf, (size_t)sql_int(row, 17));
		struct conf_job *job;

		run->id = sql_int(row, 0);
		run->state = (enum run_state)parse(run_names, NITEMS(run_names), sql_text(row, 1));
		dup_text(&run->job, row, 2);
		dup_text(&run->partition, row, 3);
		dup_text(&run->origin, row, 4);
		dup_text(&run->why, row, 5);
		dup_text(&run->sensor, row, 6);
		dup_text(&run->sensor_key, row, 7);
		dup_text(&run->run_key, row, 8);
		dup_text(&run->generation, row, 9);
		run->config = parse_or_empty(sql_text(row, 10));
		run->tags = parse_or_empty(sql_text(row, 11));
		run->dry_run = sql_int(row, 12) != 0;
		run->retry_of = sql_int(row, 13);
		dup_text(&run->cancel, row, 14);
		run->created_at = sql_int(row, 15);
		run->started_at = sql_int(row, 16);
		job = run->job ? conf_job_find(conf, run->job) : NULL;
		run->timeout = job ? job->timeout : 0;
		load_steps(st, run);
		TAILQ_INSERT_TAIL(list, run, link);
	}
	sql_end(row);
}

void run_event(struct state *st, const struct run *run, const char *asset, int64_t attempt, const char *kind,
    tm_ms now, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT(4096);
	va_list ap;

	va_start(ap, fmt);
	if (strbuf_vaddf(&text, fmt, ap) == -1)
		strbuf_addf(&text, "(longer than 4096 bytes)");
	va_end(ap);
	sql_do(st->sql,
	    "INSERT INTO event(at, run_id, asset, attempt, kind, text) VALUES(?1, ?2, ?3, nullif(?4, 0), ?5, "
	    "?6)",
	    "tisiss", now, run->id, asset, attempt, kind, text.buf);
	strbuf_release(&text);
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

struct run_step *run_step_find(struct run *run, const char *asset)
{
	for (size_t i = 0; i < run->nsteps; i++)
		if (strcmp(run->steps[i].asset, asset) == 0)
			return &run->steps[i];
	return NULL;
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
