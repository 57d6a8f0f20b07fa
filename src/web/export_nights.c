#include "config.h"

#include "web/export_nights.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define ROW_MAX   ((size_t)16 << 20) /* bytes of one row */
#define STUCK_MAX 10000 /* in the document, the newest */

struct nights {
	const struct query *query;
	struct export_file *file;
	int64_t days;
	bool first; /* no row is written yet */
	json_t *dates; /* set */
	json_t *stuck;
	char *until, *earlier; /* NULL: none */
};

static int add_text(struct nights *n, const char *s, struct err *err)
{
	return export_dir_add(n->file, s, strlen(s), err);
}

static int add_json(struct nights *n, const json_t *value, struct err *err)
{
	struct strbuf text = STRBUF_INIT(ROW_MAX);
	int rc;

	json_write(value, &text);
	rc = text.overflowed ? err_set(err, ERR_PERMANENT, "a row of the nights is too large")
	                     : export_dir_add(n->file, text.buf, text.len, err);
	strbuf_release(&text);
	return rc;
}

/* ---- the rows of one page, with all of their nights ---- */

static json_t *row_named(const json_t *rows, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (strcmp(json_str(row, "name", ""), name) == 0)
			return row;
	}
	return NULL;
}

/* Which rows a page has does not depend on its dates. */
static void merge(json_t *page, const json_t *window)
{
	const json_t *row;
	json_t *into;
	size_t i;

	json_array_extend(json_object_get(page, "dates"), json_object_get(window, "dates"));
	json_object_set(page, "earlier", json_object_get(window, "earlier"));
	json_array_foreach(json_object_get(window, "rows"), i, row)
	{
		into = row_named(json_object_get(page, "rows"), json_str(row, "name", ""));
		if (into != NULL)
			json_object_update(json_object_get(into, "cells"), json_object_get(row, "cells"));
	}
}

/* The windows that a reader would turn back through; NULL: err. */
static json_t *page_after(const struct nights *n, const char *after, struct err *err)
{
	struct nights_ask ask = {.after = after, .days = (int)MIN(n->days, (int64_t)NIGHTS_DAYS)};
	json_t *page = nights_matrix(n->query, &ask, err), *window;

	for (int64_t left = n->days - ask.days; page != NULL && left > 0; left -= ask.days) {
		char until[16];

		snprintf(until, sizeof(until), "%s", json_str(page, "earlier", ""));
		if (until[0] == '\0')
			break;
		/* As many rows as the first window has: more days, fewer rows. */
		ask.until = until;
		if ((window = nights_matrix(n->query, &ask, err)) == NULL) {
			json_decref(page);
			return NULL;
		}
		merge(page, window);
		json_decref(window);
	}
	return page;
}

/* ---- the document ---- */

static void keep_later(char **kept, const char *date)
{
	if (date != NULL && (*kept == NULL || strcmp(date, *kept) > 0))
		xstrset(kept, date);
}

static int add_page(struct nights *n, json_t *page, struct err *err)
{
	const json_t *row, *date;
	size_t i;

	standing_add(page, n->query->conf, clock_now());
	keep_later(&n->until, json_str(page, "until", NULL));
	keep_later(&n->earlier, json_str(page, "earlier", NULL));
	json_array_foreach(json_object_get(page, "dates"), i, date)
	    json_object_set_new(n->dates, json_string_value(date), json_true());
	json_array_extend(n->stuck, json_object_get(page, "stuck"));
	json_array_foreach(json_object_get(page, "rows"), i, row)
	{
		if (add_text(n, n->first ? "" : ",", err) == -1 || add_json(n, row, err) == -1)
			return -1;
		n->first = false;
	}
	return 0;
}

static int add_rows(struct nights *n, struct err *err)
{
	char *after = NULL;
	bool more = true;
	int rc = 0;

	while (rc == 0 && more) {
		json_t *page = page_after(n, after, err);

		rc = page != NULL ? add_page(n, page, err) : -1;
		xstrset(&after, json_str(page, "next", NULL));
		more = after != NULL;
		json_decref(page);
	}
	free(after);
	return rc;
}

static int newest_first(const void *a, const void *b)
{
	const json_t *const *x = a, *const *y = b;

	return strcmp(json_str(*y, "date", ""), json_str(*x, "date", ""));
}

static json_t *stuck_of(const struct nights *n)
{
	size_t count = json_array_size(n->stuck);
	const json_t **v = xcalloc(count + 1, sizeof(*v));
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		v[i] = json_array_get(n->stuck, i);
	qsort(v, count, sizeof(*v), newest_first);
	for (size_t i = 0; i < MIN(count, (size_t)STUCK_MAX); i++)
		json_array_append(list, (json_t *)(uintptr_t)v[i]);
	free(v);
	return list;
}

static json_t *dates_of(const struct nights *n)
{
	struct strvec names = STRVEC_INIT;
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach(n->dates, name, value) strvec_push(&names, name);
	strvec_sort(&names);
	for (size_t i = names.n; i > 0; i--)
		json_array_append_new(list, json_string(names.v[i - 1]));
	strvec_release(&names);
	return list;
}

/* What the API has beside the rows, and is known only after the last of them. */
static int add_rest(struct nights *n, struct err *err)
{
	const struct {
		const char *name;
		json_t *value;
	} rest[] = {
	    {"until", json_text_new(n->until)},
	    {"earlier", json_text_new(n->earlier)},
	    {"dates", dates_of(n)},
	    {"next", json_null()},
	    {"stuck", stuck_of(n)},
	};
	int rc = add_text(n, "]", err);

	for (size_t i = 0; i < NITEMS(rest); i++) {
		if (rc == 0 && (add_text(n, ",\"", err) == -1 || add_text(n, rest[i].name, err) == -1 ||
		                   add_text(n, "\":", err) == -1 || add_json(n, rest[i].value, err) == -1))
			rc = -1;
		json_decref(rest[i].value);
	}
	return rc == 0 ? add_text(n, "}\n", err) : -1;
}

int export_nights(
    struct export_dir *dir, const char *name, const struct query *q, int64_t days, struct err *err)
{
	struct nights n = {.query = q,
	    .days = days,
	    .first = true,
	    .dates = json_object(),
	    .stuck = json_array(),
	    .file = export_dir_begin(dir, name, err)};
	int rc = n.file ? 0 : -1;

	if (rc == 0 && (add_text(&n, "{\"schema\":\"" QUERY_SCHEMA "\",\"rows\":[", err) == -1 ||
	                   add_rows(&n, err) == -1 || add_rest(&n, err) == -1))
		rc = -1;
	if (n.file != NULL && export_dir_end(n.file, rc == 0, err) == -1)
		rc = -1;
	json_decref(n.dates);
	json_decref(n.stuck);
	free(n.until);
	free(n.earlier);
	return rc;
}
