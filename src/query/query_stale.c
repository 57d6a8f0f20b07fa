/*
 * query_stale.c: is what was made of an asset still what would be made now, and if not, why.
 *
 * Nothing is stored for it: materializations tell what is newer than what, and a step's identity (engine/handover.h) is
 * computed once more from the configuration as it is now and compared with the one the step had.
 */
#include "config.h"

#include "query/query_priv.h"

#include "base/mem.h"
#include "engine/handover.h"
#include "engine/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The newest materialization of an asset for a partition; id 0: there is none. */
struct made {
	int64_t id, run;
};

/* One partition, looked at asset by asset; what is known is not asked again. */
struct stale {
	const struct query *q;
	char *partition; /* NULL: none yet */
	json_t **reasons; /* by the asset's index; NULL: not looked at yet */
	struct run *run; /* by the definitions there are now; NULL: none yet, or it cannot be made */
	int64_t run_id;
};

static struct made newest(const struct stale *st, const char *asset)
{
	struct made m = {0};
	struct sql_row *row = sql_query(st->q->state->sql,
	    "SELECT id, run_id FROM materialization WHERE asset = ?1 AND partition = ?2 ORDER BY id DESC LIMIT "
	    "1",
	    "ss", asset, st->partition);

	if (sql_next(row))
		m = (struct made){sql_int(row, 0), sql_int(row, 1)};
	sql_end(row);
	return m;
}

static void add(json_t *reasons, const char *code, const char *asset, int64_t run, json_t *text)
{
	json_array_append_new(reasons, json_pack("{s:s, s:s, s:o, s:o}", "code", code, "asset", asset, "run",
	                                   run > 0 ? json_integer(run) : json_null(), "text", text));
}

/* ---- the definition: what would the step's identity be now? ---- */

static int by_index(const void *a, const void *b)
{
	const struct conf_asset *const *x = a, *const *y = b;

	return (*x)->index < (*y)->index ? -1 : (*x)->index > (*y)->index;
}

/* The assets of a stored run as the configuration has them now; 0: one of them is gone. */
static size_t assets_now(const struct conf *conf, const json_t *names, struct conf_asset **out)
{
	const json_t *name;
	size_t i, n = 0;

	json_array_foreach(names, i, name)
	{
		if ((out[n] = conf_asset_find(conf, json_string_value(name))) == NULL)
			return 0;
		n++;
	}
	qsort(out, n, sizeof(*out), by_index);
	return n;
}

static void read_uids(const struct query *q, int64_t id, struct run *run)
{
	struct sql_row *row = sql_query(
	    q->state->sql, "SELECT asset, run_uid, code_version FROM step WHERE run_id = ?1", "i", id);

	while (sql_next(row)) {
		struct run_step *s = run_step_find(run, sql_text(row, 0));

		if (s != NULL && !sql_is_null(row, 1)) {
			snprintf(s->run_uid, sizeof(s->run_uid), "%s", sql_text(row, 1));
			xstrset(&s->code_version, sql_text(row, 2));
		}
	}
	sql_end(row);
}

/* The run as it was asked for, with its assets as they are defined now; NULL: it is forgotten, or an asset is gone. */
static struct run *run_by_definitions_now(const struct query *q, int64_t id)
{
	struct sql_row *row = sql_query(
	    q->state->sql, "SELECT assets, config, partition, generation FROM run WHERE id = ?1", "i", id);
	struct run *run = NULL;

	if (sql_next(row)) {
		json_t *names = column_document(row, 0), *config = column_document(row, 1),
		       *tags = json_object();
		struct conf_asset **assets = xcalloc(json_array_size(names) + 1, sizeof(*assets));
		size_t n = assets_now(q->conf, names, assets);

		if (n > 0) {
			/* The run's reference to the configuration is its own; nothing of it is changed. */
			run = run_new((struct conf *)q->conf, assets, n, config, tags);
			run->id = id;
			xstrset(&run->partition, sql_text(row, 2));
			xstrset(&run->generation, sql_text(row, 3));
		}
		free(assets);
		json_decref(names);
		json_decref(config);
		json_decref(tags);
	}
	sql_end(row);
	if (run != NULL)
		read_uids(q, id, run);
	return run;
}

/* Lent.  Most assets of a partition were made by one run: it is put together once. */
static struct run *run_of(struct stale *st, int64_t run_id)
{
	if (st->run_id != run_id) {
		run_free(st->run);
		st->run = run_by_definitions_now(st->q, run_id);
		st->run_id = run_id;
	}
	return st->run;
}

/* ---- reasons ---- */

/* The newest run that settled it, if that is newer than what there is: it failed, or left it out (a hold, no data). */
static void look_at_newest_run(const struct stale *st, const char *asset, struct made own, json_t *reasons)
{
	struct sql_row *row = sql_query(st->q->state->sql,
	    "SELECT r.id, s.state, coalesce(s.err_text, '') FROM run AS r JOIN step AS s ON s.run_id = r.id"
	    " WHERE r.partition = ?1 AND r.id > ?3 AND r.dry_run = 0 AND s.asset = ?2"
	    " AND s.state IN ('failed', 'skipped', 'succeeded') ORDER BY r.id DESC LIMIT 1",
	    "ssi", st->partition, asset, own.run);

	if (sql_next(row)) {
		const char *state = sql_text(row, 1), *text = sql_text(row, 2);

		if (strcmp(state, "failed") == 0 || (own.id == 0 && strcmp(state, "skipped") == 0))
			add(reasons, state, asset, sql_int(row, 0),
			    json_sprintf("%s in run %" PRId64 "%s%s", state, sql_int(row, 0),
			        text[0] ? ": " : "", text));
	}
	sql_end(row);
}

/* By the code version it had: whether that is still the one is another question. */
static void look_at_definition(const struct run_step *step, json_t *reasons)
{
	char now[65];

	handover_run_uid(step, step->code_version, now);
	if (strcmp(step->run_uid, now) != 0)
		add(reasons, "definition", step->asset, step->run->id,
		    json_sprintf("its options or its dependencies changed since run %" PRId64, step->run->id));
}

static void look_at_code(const struct run_step *step, json_t *reasons)
{
	const char *then = step->code_version ? step->code_version : HANDOVER_CODE_FIRST;
	char *now = handover_code_version(step->conf);

	if (strcmp(then, now) != 0)
		add(reasons, "code", step->asset, step->run->id,
		    json_sprintf(
		        "its code version is %s now, and was %s in run %" PRId64, now, then, step->run->id));
	free(now);
}

static void look_at_identity(struct stale *st, const struct conf_asset *a, struct made own, json_t *reasons)
{
	struct run *run = run_of(st, own.run);
	const struct run_step *step = run ? run_step_find(run, a->name) : NULL;

	if (step == NULL || step->run_uid[0] == '\0')
		return;
	look_at_code(step, reasons);
	look_at_definition(step, reasons);
}

static const json_t *reasons_of(struct stale *st, const struct conf_asset *a);

static void look_at_upstream(struct stale *st, const struct conf_asset *a, struct made own, json_t *reasons)
{
	for (size_t i = 0; i < a->ndep; i++) {
		const struct conf_asset *dep = a->dep[i];
		struct made up = newest(st, dep->name);

		if (up.id > own.id)
			add(reasons, "upstream_newer", dep->name, up.run,
			    json_sprintf("%s was made later, in run %" PRId64, dep->name, up.run));
		else if (up.id > 0 && json_array_size(reasons_of(st, dep)) > 0)
			add(reasons, "upstream_stale", dep->name, 0, json_sprintf("%s is stale", dep->name));
	}
}

/* Lent; empty: it is current.  An asset that was never made of the partition has "missing" first. */
static const json_t *reasons_of(struct stale *st, const struct conf_asset *a)
{
	struct made own;
	json_t *reasons;

	if (st->reasons[a->index] != NULL)
		return st->reasons[a->index];
	st->reasons[a->index] = reasons = json_array();
	own = newest(st, a->name);
	if (own.id == 0)
		add(reasons, "missing", a->name, 0, json_string("it was never made of this partition"));
	look_at_newest_run(st, a->name, own, reasons);
	if (own.id == 0)
		return reasons;
	look_at_upstream(st, a, own, reasons);
	look_at_identity(st, a, own, reasons);
	return reasons;
}

static void forget(struct stale *st)
{
	for (size_t i = 0; i < st->q->conf->nassets; i++) {
		json_decref(st->reasons[i]);
		st->reasons[i] = NULL;
	}
}

json_t *stale_freshness(struct stale *st, const struct conf_asset *a, const char *partition)
{
	const json_t *reasons;
	const char *first;

	if (st->partition == NULL || strcmp(st->partition, partition) != 0) {
		forget(st);
		xstrset(&st->partition, partition);
	}
	reasons = reasons_of(st, a);
	first = json_str(json_array_get(reasons, 0), "code", NULL);
	return json_pack("{s:s, s:O}", "state",
	    first == NULL                   ? "current"
	    : strcmp(first, "missing") == 0 ? "missing"
	                                    : "stale",
	    "reasons", reasons);
}

struct stale *stale_new(const struct query *q)
{
	struct stale *st = xcalloc(1, sizeof(*st));

	st->q = q;
	st->reasons = xcalloc(q->conf->nassets, sizeof(*st->reasons));
	return st;
}

void stale_free(struct stale *st)
{
	forget(st);
	run_free(st->run);
	free(st->reasons);
	free(st->partition);
	free(st);
}
