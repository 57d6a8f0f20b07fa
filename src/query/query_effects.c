/* query_effects.c: what the steps of a run did to the outside, as their journals tell it. */
#include "config.h"

#include "query/query_priv.h"

#include "base/fs.h"
#include "step/attempt_dir.h"
#include "step/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define EFFECTS_SHOWN 1000
#define JOURNAL_READ  ((size_t)2 << 20) /* of each attempt */

struct gather {
	json_t *list;
	int64_t n, bytes;
};

static int on_message(const struct journal_msg *m, void *arg)
{
	struct gather *g = arg;

	if (m->kind != MSG_EFFECT)
		return 0;
	g->n++;
	g->bytes += m->done;
	if (json_array_size(g->list) < EFFECTS_SHOWN)
		json_array_append_new(g->list, json_pack("{s:o, s:o, s:I, s:o}", "verb", json_text_new(m->name),
		                                   "what", json_text_new(m->text), "size", (json_int_t)m->done,
		                                   "sha256", json_text_new(m->sha256)));
	return 0;
}

static json_t *effects_of_attempt(const struct query *q, int64_t id, const char *asset, int64_t n)
{
	struct gather g = {.list = json_array()};
	struct journal_reader reader = {0};
	struct err err = ERR_INIT;
	char run[32], *dir, *path;

	snprintf(run, sizeof(run), "%" PRId64, id);
	dir = attempt_dir_path(q->state->dir, run, asset, (int)n);
	path = fs_join(dir, ATTEMPT_JOURNAL);
	journal_read(
	    &reader, path, JOURNAL_READ, on_message, &g, &err); /* a journal that is gone has no effects */
	free(path);
	free(dir);
	return json_pack("{s:s, s:I, s:I, s:I, s:o}", "asset", asset, "attempt", (json_int_t)n, "count",
	    (json_int_t)g.n, "bytes", (json_int_t)g.bytes, "effects", g.list);
}

json_t *query_effects(const struct query *q, int64_t id, struct err *err)
{
	json_t *obj = query_object(), *list = json_array();
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT a.asset, a.n FROM attempt AS a JOIN step AS s ON s.run_id = a.run_id AND s.asset = a.asset"
	    " WHERE a.run_id = ?1 ORDER BY s.ord, a.n LIMIT 50",
	    "i", id);

	while (sql_next(row)) {
		json_t *one = effects_of_attempt(q, id, sql_text(row, 0), sql_int(row, 1));

		if (json_int(one, "count", 0) > 0)
			json_array_append(list, one);
		json_decref(one);
	}
	sql_end(row);
	json_object_set_new(obj, "steps", list);
	return query_failed(q, obj, err);
}
