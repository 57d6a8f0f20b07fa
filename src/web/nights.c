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

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_SEEN 4000 /* newest runs that rows are learned from */
#define KEYS_SEEN 20000
#define ROWS_MAX  200
#define DAYS_MAX  120
#define DATE_LEN  8

#define SILENT_DAYS 60 /* how far back the last sign of a silent row is looked for */

struct nrow {
	char *name; /* before + "/" + after: what people see */
	char *before, *after; /* around the date, with their slashes; NULL: only keys are known by this name */
	json_t *cells; /* by date */
};

struct matrix {
	const struct query *q;
	struct nrow row[ROWS_MAX];
	size_t nrows;
	json_t *key_rows; /* key without its date -> index of the row it belongs to */
	json_t *holds; /* partitions */
	int64_t first_day, last_day, newest_day, earlier_day;
};

/* ---- dates in names ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The first run of exactly eight digits that is a date (between 1950 and 2199); -1: there is none. */
static int find_date(const char *s, int64_t *day)
{
	for (size_t i = 0; s[i] != '\0'; i++) {
		size_t n = 0;
		struct civil c;
		char text[DATE_LEN + 1];

		while (is_digit(s[i + n]))
			n++;
		if (n == DATE_LEN) {
			memcpy(text, s + i, DATE_LEN);
			text[DATE_LEN] = '\0';
			if (utctime_parse_yyyymmdd(text, &c) == 0 && c.year >= 1950 && c.year < 2200) {
				*day = civil_days(c.year, c.month, c.day);
				return (int)i;
			}
		}
		if (n > 0)
			i += n - 1;
	}
	return -1;
}

static void date_text(int64_t day, char out[16])
{
	struct civil c;

	civil_from_days(day, &c);
	snprintf(out, 16, "%04d%02d%02d", c.year, c.month, c.day);
}

/* s without the date at `at`, and without a separator left double by that. */
static char *without_date(const char *s, int at)
{
	const char *after = s + at + DATE_LEN;
	size_t before = (size_t)at;

	if (before > 0 && strchr("/_-.", s[before - 1]) != NULL &&
	    (*after == '\0' || strchr("/_-.", *after) != NULL))
		before--;
	else if (before == 0 && *after != '\0' && strchr("/_-.", *after) != NULL)
		after++;
	return xasprintf("%.*s%s", (int)before, s, after);
}

/* ---- rows ---- */

static struct nrow *row_by_name(struct matrix *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		if (strcmp(m->row[i].name, name) == 0)
			return &m->row[i];
	if (m->nrows == ROWS_MAX)
		return NULL;
	m->row[m->nrows] = (struct nrow){.name = xstrdup(name), .cells = json_object()};
	return &m->row[m->nrows++];
}

/* Only a date that is a whole component makes a partition of a night. */
static bool is_component(const char *partition, int at)
{
	char after = partition[at + DATE_LEN];

	return (at == 0 || partition[at - 1] == '/') && (after == '\0' || after == '/');
}

static struct nrow *row_of_partition(struct matrix *m, const char *partition, int64_t *day)
{
	int at = find_date(partition, day);
	struct nrow *row;
	char *name;

	if (at == -1 || !is_component(partition, at))
		return NULL;
	name = without_date(partition, at);
	row = row_by_name(m, name[0] ? name : "all");
	free(name);
	if (row != NULL && row->before == NULL) {
		row->before = xstrndup(partition, (size_t)at);
		row->after = xstrdup(partition + at + DATE_LEN);
	}
	return row;
}

static void learn_rows(struct matrix *m, int64_t cap)
{
	int64_t day;
	struct sql_row *row = sql_query(m->q->state->sql,
	    "SELECT partition, sensor_key FROM run WHERE dry_run = 0 ORDER BY id DESC LIMIT ?1", "i",
	    (int64_t)RUNS_SEEN);

	while (sql_next(row)) {
		const char *key = sql_text(row, 1);
		struct nrow *r = row_of_partition(m, sql_text(row, 0), &day);
		int64_t key_day;
		int at;

		if (r == NULL)
			continue;
		if (day <= cap)
			m->newest_day = MAX(m->newest_day, day);
		if (key != NULL && (at = find_date(key, &key_day)) != -1) {
			char *bare = without_date(key, at);

			if (json_object_get(m->key_rows, bare) == NULL)
				json_object_set_new(m->key_rows, bare, json_integer(r - m->row));
			free(bare);
		}
	}
	sql_end(row);
}

/* ---- cells ---- */

static json_t *cell_at(struct nrow *row, int64_t day)
{
	char date[16];
	json_t *cell;

	date_text(day, date);
	if ((cell = json_object_get(row->cells, date)) != NULL)
		return cell;
	cell = json_pack("{s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n}", "state", "text", "partition", "run", "raw",
	    "key", "present", "expected");
	json_object_set_new(row->cells, date, cell);
	return cell;
}

static struct nrow *row_of_key(struct matrix *m, const char *key, int at)
{
	char *bare = without_date(key, at);
	const json_t *known = json_object_get(m->key_rows, bare);
	const char *slash = strrchr(bare, '/');
	struct nrow *row;

	row = known ? &m->row[json_integer_value(known)] : row_by_name(m, slash ? slash + 1 : bare);
	free(bare);
	return row;
}

static void key_into_cell(struct matrix *m, const struct sql_row *row, bool place)
{
	const char *key = sql_text(row, 0), *verdict = sql_text(row, 1);
	int64_t day, present = sql_int(row, 2), expected = sql_int(row, 3);
	int at = find_date(key, &day);
	struct nrow *r;
	json_t *cell;

	if (at == -1 || strcmp(verdict, "ignored") == 0)
		return;
	if (!place) {
		m->newest_day = MAX(m->newest_day, day);
		return;
	}
	if (day < m->first_day) {
		m->earlier_day = MAX(m->earlier_day, day);
		return;
	}
	if (day > m->last_day || (r = row_of_key(m, key, at)) == NULL)
		return;
	cell = cell_at(r, day);
	json_object_set_new(cell, "state", json_text_new(verdict));
	json_object_set_new(cell, "text",
	    expected > 0  ? json_sprintf("%" PRId64 " of %" PRId64 " piece%s", present, expected,
                               expected == 1 ? "" : "s")
	    : present > 0 ? json_sprintf("%" PRId64 " piece%s", present, present == 1 ? "" : "s")
	                  : json_text_new(sql_text(row, 4)));
	json_object_set_new(cell, "raw", json_string("kept"));
	json_object_set_new(cell, "key", json_text_new(key));
	json_object_set_new(cell, "present", json_integer(present));
	json_object_set_new(cell, "expected", expected > 0 ? json_integer(expected) : json_null());
}

/* What still lies where sensors look, first for the newest date (place false), then into the cells. */
static void walk_keys(struct matrix *m, bool place)
{
	struct sql_row *row = sql_query(m->q->state->sql,
	    "SELECT key, verdict, present, expected, reason FROM sensor_key INDEXED BY sensor_key_there WHERE "
	    "gone_at IS NULL LIMIT ?1",
	    "i", (int64_t)KEYS_SEEN);

	while (sql_next(row))
		key_into_cell(m, row, place);
	sql_end(row);
}

static bool is_held(const struct matrix *m, const char *partition)
{
	const json_t *hold;
	size_t i;

	json_array_foreach(m->holds, i, hold)
	{
		const char *outer = json_string_value(hold);
		size_t n = strlen(outer);

		if (strncmp(partition, outer, n) == 0 && (partition[n] == '\0' || partition[n] == '/'))
			return true;
	}
	return false;
}

/* Did a step of the run that deletes what came in do so? */
static bool has_deleted(const struct matrix *m, int64_t run)
{
	bool deleted = false;
	struct sql_row *row = sql_query(m->q->state->sql,
	    "SELECT asset, state, outcome FROM step WHERE run_id = ?1 ORDER BY ord DESC", "i", run);

	while (!deleted && sql_next(row)) {
		const struct conf_asset *a = conf_asset_find(m->q->conf, sql_text(row, 0));

		deleted = a != NULL && (a->type->flags & ASSET_DELETES) != 0 &&
		          strcmp(sql_text(row, 1), "succeeded") == 0;
	}
	sql_end(row);
	return deleted;
}

static void run_into_cell(struct matrix *m, struct nrow *r, int64_t day, const char *partition)
{
	struct sql_row *row = sql_query(m->q->state->sql,
	    "SELECT id, state, outcome, err_text FROM run WHERE partition = ?1 AND dry_run = 0 ORDER BY id "
	    "DESC LIMIT 1",
	    "s", partition);

	if (sql_next(row)) {
		json_t *cell = cell_at(r, day);
		const char *state = sql_text(row, 1), *outcome = sql_text(row, 2);
		bool good = strcmp(state, "succeeded") == 0;

		json_object_set_new(cell, "state", json_text_new(good && outcome ? outcome : state));
		if (!good && !sql_is_null(row, 3))
			json_object_set_new(cell, "text", json_text_new(sql_text(row, 3)));
		json_object_set_new(cell, "partition", json_text_new(partition));
		json_object_set_new(cell, "run", json_integer(sql_int(row, 0)));
		if (is_held(m, partition))
			json_object_set_new(cell, "raw", json_string("held"));
		else if (has_deleted(m, sql_int(row, 0)))
			json_object_set_new(cell, "raw", json_string("deleted"));
	}
	sql_end(row);
}

static void fill_row(struct matrix *m, struct nrow *r)
{
	if (r->before == NULL)
		return;
	for (int64_t day = m->first_day; day <= m->last_day; day++) {
		char date[16], *partition;

		date_text(day, date);
		partition = xasprintf("%s%s%s", r->before, date, r->after);
		run_into_cell(m, r, day, partition);
		free(partition);
	}
}

/* The newest day with a run before a day, among the partitions that begin as the row's do; INT64_MIN: there is none. */
static int64_t day_before(const struct matrix *m, const struct nrow *r, int64_t day)
{
	int64_t found = INT64_MIN;
	char date[16], *upper;
	struct sql_row *row;

	date_text(day, date);
	upper = xasprintf("%s%s", r->before, date);
	row = sql_query(m->q->state->sql,
	    "SELECT partition FROM run WHERE partition < ?1 AND partition >= ?2 ORDER BY partition DESC LIMIT "
	    "1",
	    "ss", upper, r->before);
	if (!sql_next(row) || find_date(sql_text(row, 0), &found) != (int)strlen(r->before) || found >= day)
		found = INT64_MIN;
	sql_end(row);
	free(upper);
	return found;
}

/* The newest date with a run before the matrix, for the link to it. */
static void find_earlier(struct matrix *m)
{
	for (size_t i = 0; i < m->nrows; i++)
		if (m->row[i].before != NULL)
			m->earlier_day = MAX(m->earlier_day, day_before(m, &m->row[i], m->first_day));
}

/* The newest date of a row that anything is known of, up to the end of the matrix. */
static json_t *newest_of(const struct matrix *m, const struct nrow *r)
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
	for (int64_t day = m->first_day; r->before != NULL && (day = day_before(m, r, day)) != INT64_MIN;) {
		char *partition;
		bool own;

		date_text(day, text);
		partition = xasprintf("%s%s%s", r->before, text, r->after);
		own = sql_get_int(m->q->state->sql, 0, "SELECT 1 FROM run WHERE partition = ?1 LIMIT 1", "s",
		          partition) != 0;
		free(partition);
		if (own)
			return json_string(text);
		if (day < m->first_day - SILENT_DAYS)
			break;
	}
	return json_null();
}

static void read_holds(struct matrix *m)
{
	struct sql_row *row = sql_query(m->q->state->sql, "SELECT partition FROM hold", "");

	m->holds = json_array();
	while (sql_next(row))
		json_array_append_new(m->holds, json_text_new(sql_text(row, 0)));
	sql_end(row);
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

/* ---- the whole ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct nrow *)a)->name, ((const struct nrow *)b)->name);
}

static json_t *matrix_json(struct matrix *m)
{
	json_t *obj = query_object(), *dates = json_array(), *rows = json_array();
	char date[16];

	qsort(m->row, m->nrows, sizeof(m->row[0]), by_name);
	for (int64_t day = m->last_day; day >= m->first_day && m->nrows > 0; day--) {
		date_text(day, date);
		json_array_append_new(dates, json_string(date));
	}
	for (size_t i = 0; i < m->nrows; i++) {
		json_t *newest = newest_of(m, &m->row[i]);

		tell_warning(m, &m->row[i], json_string_value(newest));
		json_array_append_new(rows, json_pack("{s:o, s:o, s:O}", "name", json_text_new(m->row[i].name),
		                                "newest", newest, "cells", m->row[i].cells));
	}
	date_text(m->last_day, date);
	json_object_set_new(obj, "until", m->nrows ? json_string(date) : json_null());
	date_text(m->earlier_day, date);
	json_object_set_new(obj, "earlier", m->earlier_day > INT64_MIN ? json_string(date) : json_null());
	json_object_set_new(obj, "dates", dates);
	json_object_set_new(obj, "rows", rows);
	return obj;
}

static void matrix_release(struct matrix *m)
{
	for (size_t i = 0; i < m->nrows; i++) {
		free(m->row[i].name);
		free(m->row[i].before);
		free(m->row[i].after);
		json_decref(m->row[i].cells);
	}
	json_decref(m->key_rows);
	json_decref(m->holds);
}

json_t *nights_matrix(const struct query *q, const char *until, int days, struct err *err)
{
	struct matrix *m = xcalloc(1, sizeof(*m));
	struct civil c;
	const struct err *failed;
	json_t *obj = NULL;

	if (until != NULL && utctime_parse_yyyymmdd(until, &c) == -1) {
		free(m);
		err_code(err, ERR_USAGE, "bad_date", "until: '%.20s' is not a date of eight digits", until);
		return NULL;
	}
	m->q = q;
	m->key_rows = json_object();
	m->newest_day = m->earlier_day = INT64_MIN;
	learn_rows(m, until ? civil_days(c.year, c.month, c.day) : INT64_MAX);
	read_holds(m);
	if (until == NULL)
		walk_keys(m, false);
	m->last_day = until                       ? civil_days(c.year, c.month, c.day)
	              : m->newest_day > INT64_MIN ? m->newest_day
	                                          : 0;
	m->first_day = m->last_day - MIN(MAX(days, 1), DAYS_MAX) + 1;
	walk_keys(m, true);
	for (size_t i = 0; i < m->nrows; i++)
		fill_row(m, &m->row[i]);
	find_earlier(m);
	if ((failed = sql_error(q->state->sql)) == NULL)
		obj = matrix_json(m);
	else if (err != NULL)
		*err = *failed;
	if (failed != NULL)
		sql_rollback(q->state->sql);
	matrix_release(m);
	free(m);
	return obj;
}
