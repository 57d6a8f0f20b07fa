/*
 * Rows are learned from the newest runs and from uploads that wait; the nights of those that are shown are then looked up one by
 * one through the index on partitions, so that the cost depends on the size of the matrix alone.
 */
#include "config.h"

#include "web/nights.h"

#include "base/mem.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "query/query.h"
#include "state/state.h"
#include "web/standing.h"
#include "web/upload_place.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_SEEN  2000 /* newest runs that rows are learned from */
#define KEYS_SEEN  500 /* newest uploads that wait for a run */
#define ROWS_MAX   1000
#define NIGHTS_MAX 500 /* of one matrix; more days, fewer rows */
#define DAYS_MAX   120
#define NAME_BYTES ((size_t)1 << 20)

struct source { /* of nights: what becomes a row */
	char *name; /* before + "/" + after: what people see */
	char *before, *after; /* around the date, with their slashes; NULL: only keys are known by this name */
	bool has_key; /* in by_key */
	int64_t newest_day; /* with a sign of it, up to the end of the matrix; INT64_MIN: none was met */
	struct night_row *row; /* NULL: not in this matrix */
};

struct upload { /* one that waits for a run */
	struct source *source;
	int64_t day;
	struct night night;
};

struct learner {
	struct sql *sql;
	struct source *source[ROWS_MAX];
	size_t nsources;
	json_t *by_name; /* name -> index of its source */
	json_t *by_key; /* key without its date -> index of the source it belongs to */
	struct upload_places *places; /* of those that wait */
	struct upload waiting[KEYS_SEEN];
	size_t nwaiting;
	struct strbuf bare, partition; /* names under construction */
	int64_t first_day, last_day, newest_day, earlier_day;
};

/* ---- rows ---- */

static struct source *source_by_name(struct learner *l, const char *name)
{
	const json_t *known = json_object_get(l->by_name, name);
	struct source *source;

	if (known != NULL)
		return l->source[json_integer_value(known)];
	if (l->nsources == ROWS_MAX)
		return NULL;
	source = xcalloc(1, sizeof(*source));
	*source = (struct source){.name = xstrdup(name), .newest_day = INT64_MIN};
	json_object_set_new(l->by_name, name, json_integer((json_int_t)l->nsources));
	l->source[l->nsources++] = source;
	return source;
}

static struct source *source_of_partition(struct learner *l, const char *partition, int64_t *day)
{
	int at = night_find(partition, day);
	struct source *source;

	if (at == -1 || !night_is_component(partition, at))
		return NULL;
	night_without(&l->bare, partition, at);
	source = source_by_name(l, l->bare.len > 0 ? l->bare.buf : "all");
	if (source != NULL && source->before == NULL) {
		source->before = xstrndup(partition, (size_t)at);
		source->after = xstrdup(partition + at + NIGHT_DATE_LEN);
	}
	return source;
}

static void learn_key(struct learner *l, struct source *source, const char *key)
{
	int64_t day;
	int at = night_find(key, &day);

	if (at == -1)
		return;
	night_without(&l->bare, key, at);
	if (json_object_get(l->by_key, l->bare.buf) == NULL)
		json_object_set(l->by_key, l->bare.buf, json_object_get(l->by_name, source->name));
	source->has_key = true;
}

static void learn_sources(struct learner *l, int64_t cap)
{
	int64_t day;
	struct sql_row *row = sql_query(l->sql,
	    "SELECT partition, sensor_key FROM run WHERE dry_run = 0"
	    " AND id > (SELECT coalesce(max(id), 0) FROM run) - ?1 ORDER BY id DESC",
	    "i", (int64_t)RUNS_SEEN);

	while (sql_next(row)) {
		struct source *source = source_of_partition(l, sql_text(row, 0), &day);

		if (source == NULL)
			continue;
		if (day <= cap) {
			l->newest_day = MAX(l->newest_day, day);
			source->newest_day = MAX(source->newest_day, day);
		}
		if (!source->has_key && !sql_is_null(row, 1))
			learn_key(l, source, sql_text(row, 1));
	}
	sql_end(row);
}

/* Where its run will be; a key that does not tell is a row by its own name. */
static struct source *new_source_of_key(struct learner *l, const char *sensor, const char *key, int at)
{
	char *partition = upload_place(l->places, sensor, key);
	struct source *source = NULL;
	const char *slash;
	int64_t day;

	if (partition != NULL && (source = source_of_partition(l, partition, &day)) != NULL)
		learn_key(l, source, key);
	free(partition);
	if (source != NULL)
		return source;
	night_without(&l->bare, key, at);
	slash = strrchr(l->bare.buf, '/');
	return source_by_name(l, slash ? slash + 1 : l->bare.buf);
}

static struct source *source_of_key(struct learner *l, const char *sensor, const char *key, int at)
{
	const json_t *known;

	night_without(&l->bare, key, at);
	known = json_object_get(l->by_key, l->bare.buf);
	return known ? l->source[json_integer_value(known)] : new_source_of_key(l, sensor, key, at);
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
static void learn_waiting(struct learner *l, bool newest)
{
	struct sql_row *row = sql_query(l->sql,
	    "SELECT key, verdict, present, expected, reason, sensor FROM sensor_key INDEXED BY "
	    "sensor_key_waiting"
	    " WHERE gone_at IS NULL AND run_id IS NULL AND verdict <> 'ignored' ORDER BY first_at DESC LIMIT "
	    "?1",
	    "i", (int64_t)KEYS_SEEN);

	while (l->nwaiting < KEYS_SEEN && sql_next(row)) {
		const char *key = sql_text(row, 0);
		struct source *source;
		int64_t day;
		int at = night_find(key, &day);

		if (at == -1 || (source = source_of_key(l, sql_text(row, 5), key, at)) == NULL)
			continue;
		if (newest)
			l->newest_day = MAX(l->newest_day, day);
		l->waiting[l->nwaiting++] = (struct upload){.source = source,
		    .day = day,
		    .night = {.state = xstrdup(sql_text(row, 1)),
		        .text = key_text(row),
		        .key = xstrdup(key),
		        .raw = "kept",
		        .present = sql_int(row, 2),
		        .expected = sql_int(row, 3)}};
	}
	sql_end(row);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct source *const *)a)->name, (*(struct source *const *)b)->name);
}

/* In order; those after a name, as many as there is room for. */
static void choose_rows(struct learner *l, const char *after, struct nights *m)
{
	size_t most = MAX(NIGHTS_MAX / (size_t)(l->last_day - l->first_day + 1), (size_t)1), first = 0;

	qsort(l->source, l->nsources, sizeof(l->source[0]), by_name);
	while (after != NULL && first < l->nsources && strcmp(l->source[first]->name, after) <= 0)
		first++;
	m->nrows = MIN(l->nsources - first, most);
	m->row = xcalloc(MAX(m->nrows, (size_t)1), sizeof(*m->row));
	for (size_t i = 0; i < m->nrows; i++) {
		struct source *source = l->source[first + i];

		source->row = &m->row[i];
		m->row[i].name = xstrdup(source->name);
		m->row[i].night = xcalloc(m->ndates, sizeof(struct night));
	}
	if (m->nrows > 0 && first + m->nrows < l->nsources)
		m->next = xstrdup(m->row[m->nrows - 1].name);
}

/* ---- nights ---- */

/* Of two uploads of one night the one that was seen first stands. */
static void place_waiting(struct learner *l)
{
	for (size_t i = 0; i < l->nwaiting; i++) {
		struct upload *u = &l->waiting[i];
		struct night *night;

		if (u->day < l->first_day)
			l->earlier_day = MAX(l->earlier_day, u->day);
		if (u->day < l->first_day || u->day > l->last_day || u->source->row == NULL)
			continue;
		night = &u->source->row->night[l->last_day - u->day];
		night_release(night);
		*night = u->night;
		u->night = (struct night){0};
	}
}

static void read_night(struct learner *l, struct night_reader *reader, const struct source *source,
    const char *date, struct night *out)
{
	strbuf_reset(&l->partition);
	strbuf_addstr(&l->partition, source->before);
	strbuf_addstr(&l->partition, date);
	strbuf_addstr(&l->partition, source->after);
	night_read(reader, l->partition.buf, out);
}

static void fill_row(
    struct learner *l, struct night_reader *reader, const struct nights *m, const struct source *source)
{
	for (size_t k = 0; k < m->ndates; k++)
		read_night(l, reader, source, m->date[k], &source->row->night[k]);
}

/* The newest date with a run of this row's kind before the matrix, for the link to it. */
static void find_earlier(struct learner *l, const struct source *source)
{
	char date[NIGHT_DATE_MAX];
	struct sql_row *row;
	int64_t day;

	night_text(l->first_day, date);
	strbuf_reset(&l->partition);
	strbuf_addstr(&l->partition, source->before);
	strbuf_addstr(&l->partition, date);
	row = sql_query(l->sql,
	    "SELECT partition FROM run WHERE partition < ?1 AND partition >= ?2 ORDER BY partition DESC LIMIT "
	    "1",
	    "ss", l->partition.buf, source->before);
	if (sql_next(row) && night_find(sql_text(row, 0), &day) == (int)strlen(source->before) &&
	    day < l->first_day)
		l->earlier_day = MAX(l->earlier_day, day);
	sql_end(row);
}

const struct night *nights_newest(const struct nights *m, const struct night_row *row)
{
	for (size_t k = 0; k < m->ndates; k++)
		if (row->night[k].state != NULL)
			return &row->night[k];
	return row->before.state != NULL ? &row->before : NULL;
}

static void tell_newest(
    struct learner *l, struct night_reader *reader, const struct nights *m, const struct source *source)
{
	struct night_row *row = source->row;
	size_t k = 0;

	while (k < m->ndates && row->night[k].state == NULL)
		k++;
	if (k < m->ndates) {
		memcpy(row->newest, m->date[k], NIGHT_DATE_MAX);
		night_tell_warning(reader, &row->night[k]);
	} else if (source->newest_day > INT64_MIN) {
		night_text(source->newest_day, row->newest);
		if (source->before != NULL)
			read_night(l, reader, source, row->newest, &row->before);
		if (row->before.state != NULL)
			night_tell_warning(reader, &row->before);
	}
}

/* ---- the whole ---- */

static void make_dates(const struct learner *l, struct nights *m)
{
	m->ndates = l->nsources > 0 ? (size_t)(l->last_day - l->first_day + 1) : 0;
	m->date = xcalloc(MAX(m->ndates, (size_t)1), sizeof(*m->date));
	for (size_t k = 0; k < m->ndates; k++)
		night_text(l->last_day - (int64_t)k, m->date[k]);
	if (m->ndates > 0)
		memcpy(m->until, m->date[0], NIGHT_DATE_MAX);
}

static void fill(struct learner *l, struct night_reader *reader, const struct nights_ask *ask, struct nights *m)
{
	make_dates(l, m);
	choose_rows(l, ask->after, m);
	place_waiting(l);
	for (size_t i = 0; i < l->nsources; i++) {
		const struct source *source = l->source[i];

		if (source->row == NULL)
			continue;
		if (source->before != NULL) {
			fill_row(l, reader, m, source);
			find_earlier(l, source);
		}
		tell_newest(l, reader, m, source);
	}
	if (l->earlier_day > INT64_MIN)
		night_text(l->earlier_day, m->earlier);
}

static void learner_free(struct learner *l)
{
	for (size_t i = 0; i < l->nsources; i++) {
		free(l->source[i]->name);
		free(l->source[i]->before);
		free(l->source[i]->after);
		free(l->source[i]);
	}
	for (size_t i = 0; i < l->nwaiting; i++)
		night_release(&l->waiting[i].night);
	json_decref(l->by_name);
	json_decref(l->by_key);
	upload_places_free(l->places);
	strbuf_release(&l->bare);
	strbuf_release(&l->partition);
	free(l);
}

static struct nights *read_until(const struct query *q, const struct nights_ask *ask, int64_t until)
{
	struct learner *l = xcalloc(1, sizeof(*l));
	struct night_reader *reader = night_reader_new(q);
	struct nights *m = xcalloc(1, sizeof(*m));

	l->sql = q->state->sql;
	l->by_name = json_object();
	l->by_key = json_object();
	l->places = upload_places_new(q->conf);
	l->bare = l->partition = STRBUF_INIT(NAME_BYTES);
	l->newest_day = l->earlier_day = INT64_MIN;
	learn_sources(l, until);
	learn_waiting(l, ask->until == NULL);
	l->last_day = ask->until ? until : l->newest_day > INT64_MIN ? l->newest_day : 0;
	l->first_day = l->last_day - MIN(MAX(ask->days, 1), DAYS_MAX) + 1;
	fill(l, reader, ask, m);
	night_reader_free(reader);
	learner_free(l);
	return m;
}

struct nights *nights_read(const struct query *q, const struct nights_ask *ask, tm_ms now, struct err *err)
{
	const struct err *failed;
	int64_t until = INT64_MAX;
	struct nights *m;
	struct civil c;

	if (ask->until != NULL) {
		if (utctime_parse_yyyymmdd(ask->until, &c) == -1) {
			err_code(err, ERR_USAGE, "bad_date", "until: '%.20s' is not a date of eight digits",
			    ask->until);
			return NULL;
		}
		until = civil_days(c.year, c.month, c.day);
	}
	m = read_until(q, ask, until);
	if ((failed = sql_error(q->state->sql)) != NULL) {
		if (err != NULL)
			*err = *failed;
		sql_rollback(q->state->sql);
		nights_free(m);
		return NULL;
	}
	standing_judge(m, q->conf->web.late_after, now);
	return m;
}

static struct night_row *row_named(const struct nights *m, const char *name)
{
	for (size_t i = 0; i < m->nrows; i++)
		if (strcmp(m->row[i].name, name) == 0)
			return &m->row[i];
	return NULL;
}

void nights_append(struct nights *m, struct nights *older)
{
	size_t ndates = m->ndates + older->ndates;

	m->date = xreallocarray(m->date, MAX(ndates, (size_t)1), sizeof(*m->date));
	memcpy(m->date + m->ndates, older->date, older->ndates * sizeof(*m->date));
	for (size_t i = 0; i < m->nrows; i++) {
		struct night_row *row = &m->row[i], *from = row_named(older, row->name);

		row->night = xreallocarray(row->night, MAX(ndates, (size_t)1), sizeof(*row->night));
		for (size_t k = 0; k < older->ndates; k++) {
			row->night[m->ndates + k] = from ? from->night[k] : (struct night){0};
			if (from != NULL)
				from->night[k] = (struct night){0};
		}
	}
	m->ndates = ndates;
	memcpy(m->earlier, older->earlier, sizeof(m->earlier));
}

void nights_free(struct nights *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->nrows; i++) {
		for (size_t k = 0; k < m->ndates; k++)
			night_release(&m->row[i].night[k]);
		night_release(&m->row[i].before);
		free(m->row[i].night);
		free(m->row[i].name);
	}
	free(m->row);
	free(m->date);
	free(m->next);
	free(m->stuck);
	free(m);
}
