/* A run as rows of the state. */
#include "config.h"

#include "engine/run_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "engine/place.h"
#include "state/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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
		s->state = step_state_parse(sql_text(row, 1));
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
	run_link_steps(run);
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
		run->state = run_state_parse(sql_text(row, 1));
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
