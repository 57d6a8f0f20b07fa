/*
 * Nights as a matrix, without knowing what a night is: a partition with one component that looks like a date of eight
 * digits is a row (the rest of it) and a column (the date).  Cells are looked up one by one through the index on
 * partitions, so that the cost depends on the size of the matrix alone.
 */
#include "config.h"

#include "web/web_priv.h"

#include "base/mem.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "state/state.h"
#include "step/asset.h"
#include "web/night_name.h"
#include "web/upload_place.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_SEEN 2000 /* newest runs that rows are learned from */
#define KEYS_SEEN 500 /* newest uploads that wait for a run */
#define ROWS_MAX  1000
#define CELLS_MAX 500 /* of one matrix; more days, fewer rows */
#define DAYS_MAX  120

struct nrow {
	char *name; /* before + "/" + after: what people see */
	char *before, *after; /* around the date, with their slashes; NULL: only keys are known by this name */
	bool has_key; /* in key_rows */
	bool shown; /* in this matrix */
	int64_t newest_day; /* with a sign of it, up to the end of the matrix; INT64_MIN: none was met */
	json_t *cells; /* by date */
};

struct upload { /* one that waits for a run */
	struct nrow *row;
	int64_t day;
	char *key, *verdict, *text;
	int64_t present, expected;
};

struct matrix {
	const struct query *q;
	struct nrow *row[ROWS_MAX];
	size_t nrows;
	json_t *names; /* name -> index of its row */
	json_t *key_rows; /* key without its date -> index of the row it belongs to */
	json_t *holds; /* by partition */
	struct upload_places *places; /* of those that wait */
	struct upload waiting[KEYS_SEEN];
	size_t nwaiting;
	size_t first, end; /* the rows of this matrix, once they are in order */
	int64_t first_day, last_day, newest_day, earlier_day;
};

/* ---- rows ---- */

static struct nrow *row_by_name(struct matrix *m, const char *name)
{
	const json_t *known = json_object_get(m->names, name);
	struct nrow *row;

	if (known != NULL)
		return m->row[json_integer_value(known)];
	if (m->nrows == ROWS_MAX)
		return NULL;
	row = xcalloc(1, sizeof(*row));
	*row = (struct nrow){.name = xstrdup(name), .cells = json_object(), .newest_day = INT64_MIN};
	json_object_set_new(m->names, name, json_integer((json_int_t)m->nrows));
	m->row[m->nrows++] = row;
	return row;
}

static struct nrow *row_of_partition(struct matrix *m, const char *partition, int64_t *day)
{
	int at = night_find(partition, day);
	struct nrow *row;
	char *name;

	if (at == -1 || !night_is_component(partition, at))
		return NULL;
	name = night_without(partition, at);
	row = row_by_name(m, name[0] ? name : "all");
	free(name);
	if (row != NULL && row->before == NULL) {
		row->before = xstrndup(partition, (size_t)at);
		row->after = xstrdup(partition + at + NIGHT_DATE_LEN);
	}
	return row;
}

static void learn_key(struct matrix *m, struct nrow *row, const char *key)
{
	int64_t day;
	int at = night_find(key, &day);
	char *bare;

	if (at == -1)
		return;
	bare = night_without(key, at);
	if (json_object_get(m->key_rows, bare) == NULL)
		json_object_set(m->key_rows, bare, json_object_get(m->names, row->name));
	row->has_key = true;
	free(bare);
}

static void learn_rows(struct matrix *m, int64_t cap)
{
	int64_t day;
	struct sql_row *row = sql_query(m->q->state->sql,
	    "SELECT partition, sensor_key FROM run WHERE dry_run = 0"
	    " AND id > (SELECT coalesce(max(id), 0) FROM run) - ?1 ORDER BY id DESC",
	    "i", (int64_t)RUNS_SEEN);

	while (sql_next(row)) {
		struct nrow *r = row_of_partition(m, sql_text(row, 0), &day);

		if (r == NULL)
			continue;
		if (day <= cap) {
			m->newest_day = MAX(m->newest_day, day);
			r->newest_day = MAX(r->newest_day, day);
		}
		if (!r->has_key && !sql_is_null(row, 1))
			learn_key(m, r, sql_text(row, 1));
	}
	sql_end(row);
}

/* Where its run will be; a key that does not tell is a row by its own name. */
static struct nrow *new_row_of_key(struct matrix *m, const char *sensor, const char *key, const char *bare)
{
	char *partition = upload_place(m->places, sensor, key);
	const char *slash = strrchr(bare, '/');
	struct nrow *row = NULL;
	int64_t day;

	if (partition != NULL && (row = row_of_partition(m, partition, &day)) != NULL)
		learn_key(m, row, key);
	free(partition);
	return row != NULL ? row : row_by_name(m, slash ? slash + 1 : bare);
}

static struct nrow *row_of_key(struct matrix *m, const char *sensor, const char *key, int at)
{
	char *bare = night_without(key, at);
	const json_t *known = json_object_get(m->key_rows, bare);
	struct nrow *row = known ? m->row[json_integer_value(known)] : new_row_of_key(m, sensor, key, bare);

	free(bare);
	return row;
}

static char *key_text(const struct sql_row *row)
{
	int64_t present = sql_int(row, 2), expected = sql_int(row, 3);

	if (expected > 0)
		return xasprintf(
		    "%" PRId64 " of %" PRId64 " piece%s", present, expected, expected == 1 ? "" : "s");
	if (present > 0)
		return xasprintf("%" PRId64 " piece%s", present, present == 1 ? "" : "s");
	return sql_is_null(row, 4) ? NULL : xstrdup(sql_text(row, 4));
}

/* Uploads that lie where sensors look and are not in the hands of a run; they may bring rows of their own. */
static void learn_waiting(struct matrix *m, bool newest)
{
	struct sql_row *row = sql_query(m->q->state->sql,
	    "SELECT key, verdict, present, expected, reason, sensor FROM sensor_key INDEXED BY "
	    "sensor_key_waiting"
	    " WHERE gone_at IS NULL AND run_id IS NULL AND verdict <> 'ignored' ORDER BY first_at DESC LIMIT "
	    "?1",
	    "i", (int64_t)KEYS_SEEN);

	while (m->nwaiting < KEYS_SEEN && sql_next(row)) {
		const char *key = sql_text(row, 0);
		struct nrow *r;
		int64_t day;
		int at = night_find(key, &day);

		if (at == -1 || (r = row_of_key(m, sql_text(row, 5), key, at)) == NULL)
			continue;
		if (newest)
			m->newest_day = MAX(m->newest_day, day);
		m->waiting[m->nwaiting++] = (struct upload){.row = r,
		    .day = day,
		    .key = xstrdup(key),
		    .verdict = xstrdup(sql_text(row, 1)),
		    .text = key_text(row),
		    .present = sql_int(row, 2),
		    .expected = sql_int(row, 3)};
	}
	sql_end(row);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct nrow *const *)a)->name, (*(struct nrow *const *)b)->name);
}

/* In order; those after a name, as many as there is room for. */
static void choose_rows(struct matrix *m, const char *after, int64_t days)
{
	size_t most = MAX((size_t)(CELLS_MAX / days), (size_t)1);

	qsort(m->row, m->nrows, sizeof(m->row[0]), by_name);
	while (after != NULL && m->first < m->nrows && strcmp(m->row[m->first]->name, after) <= 0)
		m->first++;
	m->end = MIN(m->first + most, m->nrows);
	for (size_t i = m->first; i < m->end; i++)
		m->row[i]->shown = true;
}

/* ---- cells ---- */

struct cell {
	const char *state, *text, *partition, *raw; /* raw: NULL, "kept", "held" or "deleted" */
	int64_t run; /* 0: none */
	const struct upload *upload; /* NULL: a run has it */
};

static void put_cell(struct nrow *row, const char *date, const struct cell *c)
{
	const struct upload *u = c->upload;
	json_t *obj = json_object();

	json_object_set_new(obj, "state", json_text_new(c->state));
	json_object_set_new(obj, "text", json_text_new(c->text));
	json_object_set_new(obj, "partition", json_text_new(c->partition));
	json_object_set_new(obj, "run", c->run ? json_integer(c->run) : json_null());
	json_object_set_new(obj, "raw", json_text_new(c->raw));
	json_object_set_new(obj, "key", json_text_new(u ? u->key : NULL));
	json_object_set_new(obj, "present", u ? json_integer(u->present) : json_null());
	json_object_set_new(obj, "expected", u && u->expected > 0 ? json_integer(u->expected) : json_null());
	json_object_set_new(row->cells, date, obj);
}

static void place_waiting(struct matrix *m)
{
	for (size_t i = 0; i < m->nwaiting; i++) {
		const struct upload *u = &m->waiting[i];
		char date[16];

		if (u->day < m->first_day)
			m->earlier_day = MAX(m->earlier_day, u->day);
		if (u->day < m->first_day || u->day > m->last_day || !u->row->shown)
			continue;
		night_text(u->day, date);
		put_cell(u->row, date,
		    &(struct cell){.state = u->verdict, .text = u->text, .raw = "kept", .upload = u});
	}
}

/* A hold is on the partition itself or on one that it lies in. */
static bool is_held(const struct matrix *m, const char *partition)
{
	size_t n = strlen(partition);

	for (size_t i = 0; i <= n && json_object_size(m->holds) > 0; i++)
		if ((partition[i] == '/' || partition[i] == '\0') &&
		    json_object_getn(m->holds, partition, i) != NULL)
			return true;
	return false;
}

/* Did a step of the run that deletes what came in do so?  It may succeed and keep everything, and says how many. */
static bool has_deleted(const struct matrix *m, int64_t run)
{
	const struct conf *conf = m->q->conf;

	for (size_t i = 0; i < conf->nassets; i++)
		if ((conf->assets[i].type->flags & ASSET_DELETES) != 0 &&
		    sql_get_int(m->q->state->sql, 0,
		        "SELECT coalesce(json_extract(metadata, '$.deleted'), 0)"
		        " + coalesce(json_extract(metadata, '$.already_absent'), 0) > 0 FROM step"
		        " WHERE run_id = ?1 AND asset = ?2 AND state = 'succeeded'",
		        "is", run, conf->assets[i].name) == 1)
			return true;
	return false;
}

static bool is_there(const struct matrix *m, const char *sensor, const char *key)
{
	return sensor != NULL && key != NULL &&
	       sql_get_int(m->q->state->sql, 0,
	           "SELECT 1 FROM sensor_key WHERE sensor = ?1 AND key = ?2 AND gone_at IS NULL", "ss", sensor,
	           key) == 1;
}

static void run_into_cell(struct matrix *m, struct nrow *r, const char *date, const char *partition)
{
	struct sql_row *row = sql_query(m->q->state->sql,
	    "SELECT id, state, outcome, err_text, sensor, sensor_key FROM run"
	    " WHERE partition = ?1 AND dry_run = 0 ORDER BY id DESC LIMIT 1",
	    "s", partition);

	if (sql_next(row)) {
		const char *state = sql_text(row, 1), *outcome = sql_text(row, 2);
		bool good = strcmp(state, "succeeded") == 0;
		struct cell c = {.state = good && outcome ? outcome : state,
		    .text = good ? NULL : sql_text(row, 3),
		    .partition = partition,
		    .run = sql_int(row, 0)};

		if (is_held(m, partition))
			c.raw = "held";
		else if (has_deleted(m, sql_int(row, 0)))
			c.raw = "deleted";
		else if (is_there(m, sql_text(row, 4), sql_text(row, 5)))
			c.raw = "kept";
		put_cell(r, date, &c);
	}
	sql_end(row);
}

static void fill_row(struct matrix *m, struct nrow *r)
{
	if (r->before == NULL)
		return;
	for (int64_t day = m->first_day; day <= m->last_day; day++) {
		char date[16], *partition;

		night_text(day, date);
		partition = xasprintf("%s%s%s", r->before, date, r->after);
		run_into_cell(m, r, date, partition);
		free(partition);
	}
}

/* The newest date with a run of this row's kind before the matrix, for the link to it. */
static void find_earlier(struct matrix *m, const struct nrow *r)
{
	char date[16], *upper;
	struct sql_row *row;
	int64_t day;

	if (r->before == NULL)
		return;
	night_text(m->first_day, date);
	upper = xasprintf("%s%s", r->before, date);
	row = sql_query(m->q->state->sql,
	    "SELECT partition FROM run WHERE partition < ?1 AND partition >= ?2 ORDER BY partition DESC LIMIT "
	    "1",
	    "ss", upper, r->before);
	if (sql_next(row) && night_find(sql_text(row, 0), &day) == (int)strlen(r->before) && day < m->first_day)
		m->earlier_day = MAX(m->earlier_day, day);
	sql_end(row);
	free(upper);
}

static void read_holds(struct matrix *m)
{
	struct sql_row *row = sql_query(m->q->state->sql, "SELECT partition FROM hold", "");

	m->holds = json_object();
	while (sql_next(row))
		json_object_set_new(m->holds, sql_text(row, 0), json_true());
	sql_end(row);
}

/* ---- the whole ---- */

/* The newest date of a row that anything is known of. */
static json_t *newest_of(const struct nrow *r)
{
	const char *date, *newest = NULL;
	char text[16];
	json_t *cell;

	json_object_foreach(r->cells, date, cell)
	{
		if (newest == NULL || strcmp(date, newest) > 0)
			newest = date;
	}
	if (newest != NULL)
		return json_string(newest);
	if (r->newest_day == INT64_MIN)
		return json_null();
	night_text(r->newest_day, text);
	return json_string(text);
}

/* What the newest night of a row was warned of: its text, where there is one; errors that a run went on after first. */
static void tell_warning(const struct matrix *m, struct nrow *r, const char *newest)
{
	json_t *cell = newest ? json_object_get(r->cells, newest) : NULL;
	struct sql_row *row;

	if (strcmp(json_str(cell, "state", ""), "warnings") != 0)
		return;
	row = sql_query(m->q->state->sql,
	    "SELECT text FROM event WHERE run_id = ?1 AND kind = 'warning' ORDER BY text NOT LIKE 'error:%', "
	    "id LIMIT 1",
	    "i", json_int(cell, "run", 0));
	if (sql_next(row))
		json_object_set_new(cell, "text", json_text_new(sql_text(row, 0)));
	sql_end(row);
}

static json_t *matrix_json(struct matrix *m)
{
	json_t *obj = query_object(), *dates = json_array(), *rows = json_array();
	char date[16];

	for (int64_t day = m->last_day; day >= m->first_day && m->nrows > 0; day--) {
		night_text(day, date);
		json_array_append_new(dates, json_string(date));
	}
	for (size_t i = m->first; i < m->end; i++) {
		json_t *newest = newest_of(m->row[i]);

		tell_warning(m, m->row[i], json_string_value(newest));
		json_array_append_new(rows, json_pack("{s:o, s:o, s:O}", "name", json_text_new(m->row[i]->name),
		                                "newest", newest, "cells", m->row[i]->cells));
	}
	night_text(m->last_day, date);
	json_object_set_new(obj, "until", m->nrows ? json_string(date) : json_null());
	night_text(m->earlier_day, date);
	json_object_set_new(obj, "earlier", m->earlier_day > INT64_MIN ? json_string(date) : json_null());
	json_object_set_new(obj, "dates", dates);
	json_object_set_new(obj, "rows", rows);
	json_object_set_new(
	    obj, "next", m->end < m->nrows ? json_text_new(m->row[m->end - 1]->name) : json_null());
	return obj;
}

static void matrix_free(struct matrix *m)
{
	for (size_t i = 0; i < m->nrows; i++) {
		free(m->row[i]->name);
		free(m->row[i]->before);
		free(m->row[i]->after);
		json_decref(m->row[i]->cells);
		free(m->row[i]);
	}
	json_decref(m->names);
	json_decref(m->key_rows);
	json_decref(m->holds);
	upload_places_free(m->places);
	for (size_t i = 0; i < m->nwaiting; i++) {
		free(m->waiting[i].key);
		free(m->waiting[i].verdict);
		free(m->waiting[i].text);
	}
	free(m);
}

static void fill(struct matrix *m, const struct nights_ask *ask, int64_t until)
{
	int64_t days = MIN(MAX(ask->days, 1), DAYS_MAX);

	learn_rows(m, until);
	learn_waiting(m, ask->until == NULL);
	read_holds(m);
	m->last_day = ask->until ? until : m->newest_day > INT64_MIN ? m->newest_day : 0;
	m->first_day = m->last_day - days + 1;
	choose_rows(m, ask->after, days);
	place_waiting(m);
	for (size_t i = m->first; i < m->end; i++) {
		fill_row(m, m->row[i]);
		find_earlier(m, m->row[i]);
	}
}

json_t *nights_matrix(const struct query *q, const struct nights_ask *ask, struct err *err)
{
	const struct err *failed;
	int64_t until = INT64_MAX;
	json_t *obj = NULL;
	struct matrix *m;
	struct civil c;

	if (ask->until != NULL) {
		if (utctime_parse_yyyymmdd(ask->until, &c) == -1) {
			err_code(err, ERR_USAGE, "bad_date", "until: '%.20s' is not a date of eight digits",
			    ask->until);
			return NULL;
		}
		until = civil_days(c.year, c.month, c.day);
	}
	m = xcalloc(1, sizeof(*m));
	m->q = q;
	m->names = json_object();
	m->key_rows = json_object();
	m->places = upload_places_new(q->conf);
	m->newest_day = m->earlier_day = INT64_MIN;
	fill(m, ask, until);
	if ((failed = sql_error(q->state->sql)) == NULL)
		obj = matrix_json(m);
	else if (err != NULL)
		*err = *failed;
	if (failed != NULL)
		sql_rollback(q->state->sql);
	matrix_free(m);
	return obj;
}
