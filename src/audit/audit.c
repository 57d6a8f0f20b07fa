/* The audit as a whole: findings, the places looked at, the order of the parts, and the report. */
#include "config.h"

#include "audit/audit_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/utctime.h"
#include "engine/loop.h"
#include "engine/partition.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX_KEPT 1200

static const char *const found_name[NFOUND] = {
    [FOUND_MISSING] = "missing",
    [FOUND_MISMATCHED] = "mismatched",
    [FOUND_EXTRA] = "extra",
    [FOUND_LEFTOVER] = "leftover",
    [FOUND_UNKNOWN] = "unknown",
};

void audit_progress(struct audit *a, const char *what, int64_t done, int64_t total)
{
	if (a->opts->on_progress != NULL)
		a->opts->on_progress(what, done, total, a->opts->arg);
}

bool audit_stopped(const struct audit *a)
{
	return a->opts->stop != NULL && a->opts->stop(a->opts->arg);
}

/* ---- runs under way */

/* Ended since we began counts too: what was seen before its end was half of its work. */
bool audit_is_under_way(struct audit *a, const char *partition)
{
	bool is = false;
	struct sql_row *row = sql_query(a->state->sql,
	    "SELECT partition FROM run WHERE ended_at IS NULL UNION ALL SELECT partition FROM run WHERE "
	    "ended_at >= "
	    "?1 AND id > (SELECT coalesce(max(id), 0) - 5000 FROM run)",
	    "t", a->started);

	while (!is && sql_next(row)) {
		const char *p = sql_text(row, 0);

		is = partition_excludes(p, partition) || (p[0] == '\0' && partition[0] == '\0');
	}
	sql_end(row);
	return is;
}

/* ---- findings */

static json_t *short_text(const char *s)
{
	char *copy = s ? xstrndup(s, TEXT_MAX_KEPT) : NULL;
	json_t *j = json_text_new(copy);

	free(copy);
	return j;
}

static json_t *finding_json(const struct finding *f)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kind", found_name[f->kind],
	    "what", f->what, "where", short_text(f->where), "key", short_text(f->key), "asset",
	    short_text(f->asset), "partition", short_text(f->partition), "run",
	    f->run ? json_integer(f->run) : json_null(), "expected", short_text(f->expected), "found",
	    short_text(f->found), "next", short_text(f->next));
}

void audit_find(struct audit *a, const struct finding *f)
{
	bool judges = f->kind == FOUND_MISSING || f->kind == FOUND_MISMATCHED;

	if (judges && f->partition != NULL && audit_is_under_way(a, f->partition)) {
		a->n.under_way++;
	} else {
		a->found[f->kind]++;
		if (json_array_size(a->findings) < AUDIT_FINDINGS_MAX)
			json_array_append_new(a->findings, finding_json(f));
		else
			a->cut++;
	}
	free(f->next);
}

void audit_unknown(struct audit *a, const char *what, const char *where, const char *key, const struct err *err)
{
	audit_find(a, &(struct finding){.kind = FOUND_UNKNOWN,
	                  .what = what,
	                  .where = where,
	                  .key = key,
	                  .expected = "an answer",
	                  .found = err->text,
	                  .next = xstrdup("orchctl audit, once it answers again")});
}

/* As one word for a shell. */
static void put_quoted(struct strbuf *out, const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,";

	if (s[0] != '\0' && s[strspn(s, plain)] == '\0') {
		strbuf_addstr(out, s);
		return;
	}
	strbuf_addch(out, '\'');
	for (; *s != '\0'; s++)
		if (*s == '\'')
			strbuf_addstr(out, "'\\''");
		else
			strbuf_addch(out, *s);
	strbuf_addch(out, '\'');
}

static void put_settings(struct audit *a, int64_t run, struct strbuf *out)
{
	struct sql_row *row = sql_query(a->state->sql, "SELECT config FROM run WHERE id = ?1", "i", run);
	json_t *config = sql_next(row) ? json_loads(sql_text(row, 0), 0, NULL) : NULL, *value;
	const char *key;
	char *set;

	sql_end(row);
	json_object_foreach(config, key, value)
	{
		if (!json_is_string(value))
			continue;
		set = xasprintf("%s=%s", key, json_string_value(value));
		strbuf_addstr(out, " --set ");
		put_quoted(out, set);
		free(set);
	}
	json_decref(config);
}

char *audit_again(struct audit *a, const char *asset, const char *partition, int64_t run)
{
	struct strbuf text = STRBUF_INIT(4096);

	strbuf_addstr(&text, "orchctl materialize ");
	put_quoted(&text, asset);
	if (partition[0] != '\0') {
		strbuf_addstr(&text, " --partition ");
		put_quoted(&text, partition);
	}
	put_settings(a, run, &text);
	return strbuf_detach(&text);
}

void audit_tell(struct audit *a, const struct made *m, const char *where, enum found kind, const char *what,
    const char *key, const char *expected, const char *found)
{
	audit_find(a, &(struct finding){.kind = kind,
	                  .what = what,
	                  .where = where,
	                  .key = key,
	                  .asset = m->asset,
	                  .partition = m->partition,
	                  .run = m->run,
	                  .expected = expected,
	                  .found = found,
	                  .next = audit_again(a, m->asset, m->partition, m->run)});
}

/* ---- places */

struct store *audit_store(struct audit *a, const char *name)
{
	struct conf_store *cs = conf_store_find(a->conf, name);
	size_t i = cs ? (size_t)(cs - a->conf->stores) : a->conf->nstores;
	struct err err = ERR_INIT;

	if (a->stores[i] != NULL || a->store_failed[i])
		return a->stores[i];
	if (cs == NULL)
		err_set(&err, ERR_CONFIG, "the configuration has no store '%s' any more", name);
	else
		a->stores[i] = store_open(cs->type, cs->name, cs->opts, a->base, &err);
	if (a->stores[i] == NULL) {
		a->store_failed[i] = true;
		audit_unknown(a, "store", name, name, &err);
	}
	return a->stores[i];
}

struct database *audit_database(struct audit *a, const char *name)
{
	struct conf_database *cd = conf_database_find(a->conf, name);
	size_t i = cd ? (size_t)(cd - a->conf->databases) : a->conf->ndatabases;
	struct err err = ERR_INIT;

	if (a->databases[i] != NULL || a->database_failed[i])
		return a->databases[i];
	if (cd == NULL)
		err_set(&err, ERR_CONFIG, "the configuration has no database '%s' any more", name);
	else
		a->databases[i] = db_open(cd->type, cd->name, cd->opts, &err);
	if (a->databases[i] == NULL) {
		a->database_failed[i] = true;
		audit_unknown(a, "database", name, name, &err);
	}
	return a->databases[i];
}

/* ---- the whole */

static void begin(struct audit *a)
{
	/* One place more than there are: for names that the configuration has lost. */
	a->stores = xcalloc(a->conf->nstores + 1, sizeof(struct store *));
	a->store_failed = xcalloc(a->conf->nstores + 1, sizeof(bool));
	a->databases = xcalloc(a->conf->ndatabases + 1, sizeof(struct database *));
	a->database_failed = xcalloc(a->conf->ndatabases + 1, sizeof(bool));
	a->base = loop_new();
	a->known = keyset_new();
	a->folders = json_object();
	a->tables = json_object();
	a->findings = json_array();
	a->started = clock_now();
}

static void release(struct audit *a)
{
	for (size_t i = 0; i < a->nmade; i++) {
		struct made *m = &a->made[i];

		free(m->store);
		free(m->database);
		free(m->key);
		free(m->sha256);
		free(m->asset);
		free(m->partition);
	}
	free(a->made);
	for (size_t i = 0; i <= a->conf->nstores; i++)
		store_close(a->stores[i]);
	for (size_t i = 0; i <= a->conf->ndatabases; i++)
		db_close(a->databases[i]);
	free(a->stores);
	free(a->store_failed);
	free(a->databases);
	free(a->database_failed);
	event_base_free(a->base);
	keyset_free(a->known);
	json_decref(a->folders);
	json_decref(a->tables);
	json_decref(a->findings);
}

static json_t *time_text(tm_ms t)
{
	char text[UTCTIME_MAX];

	return t == 0 ? json_null() : json_string(utctime_format(t, text));
}

static bool is_whole(const struct audit_opts *o)
{
	return o->partition == NULL && o->asset == NULL && o->since == 0;
}

static json_t *report(const struct audit *a)
{
	json_t *found = json_object(), *checked;

	for (int k = 0; k < NFOUND; k++)
		json_object_set_new(found, found_name[k], json_integer(a->found[k]));
	checked = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "materializations",
	    (json_int_t)a->n.materializations, "manifests", (json_int_t)a->n.manifests, "objects",
	    (json_int_t)a->n.objects, "bytes", (json_int_t)a->n.bytes, "read_back", (json_int_t)a->n.read_back,
	    "effects", (json_int_t)a->n.effects, "tables", (json_int_t)a->n.tables, "keys",
	    (json_int_t)a->n.keys, "deletions", (json_int_t)a->n.deletions, "listed", (json_int_t)a->n.listed,
	    "under_way", (json_int_t)a->n.under_way);
	return json_pack("{s:s, s:o, s:o, s:{s:o, s:o, s:o, s:b, s:b}, s:b, s:o, s:o, s:O, s:I}", "schema",
	    "orchd/1", "started_at", time_text(a->started), "ended_at", time_text(clock_now()), "scope",
	    "partition", json_text_new(a->opts->partition), "asset", json_text_new(a->opts->asset), "since",
	    time_text(a->opts->since), "deep", a->opts->deep, "whole", is_whole(a->opts), "clean",
	    a->found[FOUND_MISSING] + a->found[FOUND_MISMATCHED] + a->found[FOUND_UNKNOWN] == 0, "checked",
	    checked, "found", found, "findings", a->findings, "findings_cut", (json_int_t)a->cut);
}

json_t *audit_run(const struct conf *conf, struct state *state, const struct audit_opts *opts, struct err *err)
{
	struct audit a = {.opts = opts, .conf = conf, .state = state};
	json_t *result = NULL;

	begin(&a);
	/* Extras last: by then everything that is listed anywhere is known. */
	if (audit_records(&a, err) == 0 && audit_objects(&a, err) == 0 && audit_rows(&a, err) == 0 &&
	    audit_keys(&a, err) == 0 && (!is_whole(opts) || audit_extras(&a, err) == 0))
		result = report(&a);
	if (result != NULL && sql_error(state->sql) != NULL) {
		*err = *sql_error(state->sql);
		json_decref(result);
		result = NULL;
	}
	release(&a);
	return result;
}
