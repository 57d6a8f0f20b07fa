#include "config.h"

#include "web/nights.h"

#include "query/query.h"

static json_t *number_or_null(bool is, int64_t n)
{
	return is ? json_integer(n) : json_null();
}

static json_t *cell(const struct night *n)
{
	bool upload = n->run == 0;
	json_t *obj = json_object();

	json_object_set_new_nocheck(obj, "state", json_text_new(n->state));
	json_object_set_new_nocheck(obj, "text", json_text_new(n->text));
	json_object_set_new_nocheck(obj, "partition", json_text_new(n->partition));
	json_object_set_new_nocheck(obj, "run", number_or_null(!upload, n->run));
	json_object_set_new_nocheck(obj, "raw", json_text_new(n->raw));
	json_object_set_new_nocheck(obj, "key", json_text_new(n->key));
	json_object_set_new_nocheck(obj, "present", number_or_null(upload, n->present));
	json_object_set_new_nocheck(obj, "expected", number_or_null(upload && n->expected > 0, n->expected));
	return obj;
}

static json_t *date_or_null(const char *date)
{
	return json_text_new(date[0] != '\0' ? date : NULL);
}

static json_t *row(const struct nights *m, const struct night_row *r)
{
	json_t *cells = json_object();

	for (size_t k = 0; k < m->ndates; k++)
		if (r->night[k].state != NULL)
			json_object_set_new_nocheck(cells, m->date[k], cell(&r->night[k]));
	if (r->before.state != NULL)
		json_object_set_new_nocheck(cells, r->newest, cell(&r->before));
	return json_pack("{s:o, s:o, s:o, s:s}", "name", json_text_new(r->name), "newest",
	    date_or_null(r->newest), "cells", cells, "standing", r->standing);
}

static json_t *stuck(const struct nights *m, const struct night_at *at)
{
	const struct night *n = &m->row[at->row].night[at->date];

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "date", m->date[at->date], "row",
	    json_text_new(m->row[at->row].name), "state", json_text_new(n->state), "text",
	    json_text_new(n->text), "partition", json_text_new(n->partition), "key", json_text_new(n->key));
}

json_t *nights_json(const struct nights *m)
{
	json_t *obj = query_object(), *dates = json_array(), *rows = json_array(), *list = json_array();

	for (size_t k = 0; k < m->ndates; k++)
		json_array_append_new(dates, json_string(m->date[k]));
	for (size_t i = 0; i < m->nrows; i++)
		json_array_append_new(rows, row(m, &m->row[i]));
	for (size_t i = 0; i < m->nstuck; i++)
		json_array_append_new(list, stuck(m, &m->stuck[i]));
	json_object_set_new(obj, "until", date_or_null(m->until));
	json_object_set_new(obj, "earlier", date_or_null(m->earlier));
	json_object_set_new(obj, "dates", dates);
	json_object_set_new(obj, "rows", rows);
	json_object_set_new(obj, "next", json_text_new(m->next));
	json_object_set_new(obj, "stuck", list);
	return obj;
}
