#include "config.h"

#include "web/export_nights.h"

#include "web/standing.h"
#include "web/web_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

#define ROW_MAX   ((size_t)16 << 20) /* bytes of one row */
#define STUCK_MAX 10000 /* in the document, the newest */

struct document {
	const struct query *query;
	struct export_file *file;
	int64_t days;
	bool first; /* no row is written yet */
	json_t *dates; /* set */
	json_t *stuck;
	char *until, *earlier; /* NULL: none */
};

static int add_text(struct document *d, const char *s, struct err *err)
{
	return export_dir_add(d->file, s, strlen(s), err);
}

static int add_json(struct document *d, const json_t *value, struct err *err)
{
	struct strbuf text = STRBUF_INIT(ROW_MAX);
	int rc;

	json_write(value, &text);
	rc = text.overflowed ? err_set(err, ERR_PERMANENT, "a row of the nights is too large")
	                     : export_dir_add(d->file, text.buf, text.len, err);
	strbuf_release(&text);
	return rc;
}

/* ---- the rows of one page, with all of their nights ---- */

/* The windows that a reader would turn back through, as one; NULL: err. */
static struct nights *page_after(const struct document *d, const char *after, struct err *err)
{
	struct nights_ask ask = {.after = after, .days = (int)MIN(d->days, (int64_t)NIGHTS_DAYS)};
	struct nights *page = nights_read(d->query, &ask, clock_now(), err), *window;

	for (int64_t left = d->days - ask.days; page != NULL && left > 0 && page->earlier[0] != '\0';
	     left -= ask.days) {
		/* As many rows as the first window has: more days, fewer rows. */
		ask.until = page->earlier;
		if ((window = nights_read(d->query, &ask, clock_now(), err)) == NULL) {
			nights_free(page);
			return NULL;
		}
		nights_append(page, window);
		nights_free(window);
	}
	if (page != NULL)
		standing_judge(page, d->query->conf->web.late_after, clock_now());
	return page;
}

/* ---- the document ---- */

static void keep_later(char **kept, const char *date)
{
	if (date != NULL && (*kept == NULL || strcmp(date, *kept) > 0))
		xstrset(kept, date);
}

static int add_page(struct document *d, const json_t *page, struct err *err)
{
	const json_t *row, *date;
	size_t i;

	keep_later(&d->until, json_str(page, "until", NULL));
	keep_later(&d->earlier, json_str(page, "earlier", NULL));
	json_array_foreach(json_object_get(page, "dates"), i, date)
	    json_object_set_new(d->dates, json_string_value(date), json_true());
	json_array_extend(d->stuck, json_object_get(page, "stuck"));
	json_array_foreach(json_object_get(page, "rows"), i, row)
	{
		if (add_text(d, d->first ? "" : ",", err) == -1 || add_json(d, row, err) == -1)
			return -1;
		d->first = false;
	}
	return 0;
}

static int add_rows(struct document *d, struct err *err)
{
	char *after = NULL;
	int rc;

	do {
		struct nights *page = page_after(d, after, err);
		json_t *obj = page ? nights_json(page) : NULL;

		rc = page ? add_page(d, obj, err) : -1;
		xstrset(&after, page ? page->next : NULL);
		nights_free(page);
		json_decref(obj);
	} while (rc == 0 && after != NULL);
	free(after);
	return rc;
}

static int newest_first(const void *a, const void *b)
{
	const json_t *const *x = a, *const *y = b;

	return strcmp(json_str(*y, "date", ""), json_str(*x, "date", ""));
}

static json_t *stuck_of(const struct document *d)
{
	size_t count = json_array_size(d->stuck);
	const json_t **v = xcalloc(count + 1, sizeof(*v));
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		v[i] = json_array_get(d->stuck, i);
	qsort(v, count, sizeof(*v), newest_first);
	for (size_t i = 0; i < MIN(count, (size_t)STUCK_MAX); i++)
		json_array_append(list, (json_t *)(uintptr_t)v[i]);
	free(v);
	return list;
}

static json_t *dates_of(const struct document *d)
{
	struct strvec names = STRVEC_INIT;
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach(d->dates, name, value) strvec_push(&names, name);
	strvec_sort(&names);
	for (size_t i = names.n; i > 0; i--)
		json_array_append_new(list, json_string(names.v[i - 1]));
	strvec_release(&names);
	return list;
}

/* What the API has beside the rows, and is known only after the last of them. */
static int add_rest(struct document *d, struct err *err)
{
	const struct {
		const char *name;
		json_t *value;
	} rest[] = {
	    {"until", json_text_new(d->until)},
	    {"earlier", json_text_new(d->earlier)},
	    {"dates", dates_of(d)},
	    {"next", json_null()},
	    {"stuck", stuck_of(d)},
	};
	int rc = add_text(d, "]", err);

	for (size_t i = 0; i < NITEMS(rest); i++) {
		if (rc == 0 && (add_text(d, ",\"", err) == -1 || add_text(d, rest[i].name, err) == -1 ||
		                   add_text(d, "\":", err) == -1 || add_json(d, rest[i].value, err) == -1))
			rc = -1;
		json_decref(rest[i].value);
	}
	return rc == 0 ? add_text(d, "}\n", err) : -1;
}

int export_nights(
    struct export_dir *dir, const char *name, const struct query *q, int64_t days, struct err *err)
{
	struct document d = {.query = q,
	    .days = days,
	    .first = true,
	    .dates = json_object(),
	    .stuck = json_array(),
	    .file = export_dir_begin(dir, name, err)};
	int rc = d.file ? 0 : -1;

	if (rc == 0 && (add_text(&d, "{\"schema\":\"" QUERY_SCHEMA "\",\"rows\":[", err) == -1 ||
	                   add_rows(&d, err) == -1 || add_rest(&d, err) == -1))
		rc = -1;
	if (d.file != NULL && export_dir_end(d.file, rc == 0, err) == -1)
		rc = -1;
	json_decref(d.dates);
	json_decref(d.stuck);
	free(d.until);
	free(d.earlier);
	return rc;
}
