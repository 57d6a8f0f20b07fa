/* query_outbox.c: what is to be told to whom, and what became of it. */
#include "config.h"

#include "query/query_priv.h"

#include "notify/sink.h"

#include <inttypes.h>

json_t *query_outbox_summary(const struct query *q)
{
	struct sql *sql = q->state->sql;
	json_t *obj = json_object();

	json_object_set_new(obj, "pending",
	    json_integer(sql_get_int(sql, 0, "SELECT count(*) FROM outbox WHERE state = 'pending'", "")));
	json_object_set_new(obj, "retrying",
	    json_integer(sql_get_int(
	        sql, 0, "SELECT count(*) FROM outbox WHERE state = 'pending' AND attempts > 0", "")));
	json_object_set_new(obj, "failed",
	    json_integer(sql_get_int(sql, 0, "SELECT count(*) FROM outbox WHERE state = 'failed'", "")));
	json_object_set_new(obj, "oldest_at",
	    query_time(sql_get_int(sql, 0, "SELECT min(created_at) FROM outbox WHERE state = 'pending'", "")));
	return obj;
}

static json_t *one_notification(const struct query *q, const struct conf_notification *n)
{
	struct sql *sql = q->state->sql;
	json_t *obj = json_object(), *on = json_array();

	for (size_t i = 0; i < n->on.n; i++)
		json_array_append_new(on, json_string(n->on.v[i]));
	json_object_set_new(obj, "name", json_text_new(n->name));
	json_object_set_new(obj, "type", json_string(n->type->name));
	json_object_set_new(obj, "on", on);
	json_object_set_new(obj, "description", json_text_new(n->description));
	json_object_set_new(obj, "pending",
	    json_integer(sql_get_int(
	        sql, 0, "SELECT count(*) FROM outbox WHERE sink = ?1 AND state = 'pending'", "s", n->name)));
	json_object_set_new(obj, "sent",
	    json_integer(sql_get_int(
	        sql, 0, "SELECT count(*) FROM outbox WHERE sink = ?1 AND state = 'sent'", "s", n->name)));
	json_object_set_new(obj, "failed",
	    json_integer(sql_get_int(
	        sql, 0, "SELECT count(*) FROM outbox WHERE sink = ?1 AND state = 'failed'", "s", n->name)));
	/* The first of a sink was written first. */
	json_object_set_new(obj, "oldest_at",
	    query_time(sql_get_int(sql, 0,
	        "SELECT created_at FROM outbox WHERE sink = ?1 AND state = 'pending' ORDER BY id LIMIT 1", "s",
	        n->name)));
	return obj;
}

/* When it is tried next is of no meaning once it has ended. */
#define ROW_COLUMNS                                                                                   \
	"id, sink, kind, subject, state, attempts, created_at, iif(ended_at IS NULL, next_at, NULL)," \
	" ended_at, err_class, err_code, err_text, data"
static const struct column row_columns[] = {
    {"id", COLUMN_INT},
    {"notification", COLUMN_TEXT},
    {"kind", COLUMN_TEXT},
    {"subject", COLUMN_TEXT},
    {"state", COLUMN_TEXT},
    {"attempts", COLUMN_INT},
    {"created_at", COLUMN_TIME},
    {"next_at", COLUMN_TIME},
    {"ended_at", COLUMN_TIME},
    {"error", COLUMN_ERROR},
    {0},
};

static json_t *one_row(const struct query *q, const struct sql_row *row)
{
	json_t *obj = json_object();
	json_t *data = column_document(row, column_members(obj, row, 0, row_columns));
	json_t *labels = json_object_get(data, "labels");

	json_object_set_new(obj, "event", json_sprintf("%s-%" PRId64, q->state->instance, sql_int(row, 0)));
	json_object_set_new(obj, "group", json_text_new(json_str(data, "group", "")));
	json_object_set(obj, "labels", labels ? labels : json_null());
	json_decref(data);
	return obj;
}

json_t *query_outbox(const struct query *q, const char *state, int64_t limit, struct err *err)
{
	json_t *obj, *notifications, *rows;
	struct sql_row *row;

	if (query_need_word("state", state, query_outbox_states, err) == -1)
		return NULL;
	obj = query_object();
	notifications = json_array();
	rows = json_array();
	limit = limit > 0 ? MIN(limit, (int64_t)QUERY_LIMIT_MAX) : INT64_C(50);
	for (size_t i = 0; i < q->conf->nnotifications; i++)
		json_array_append_new(notifications, one_notification(q, &q->conf->notifications[i]));
	/* Two texts, so that each finds its index. */
	if (state == NULL)
		row = sql_query(
		    q->state->sql, "SELECT " ROW_COLUMNS " FROM outbox ORDER BY id DESC LIMIT ?1", "i", limit);
	else
		row = sql_query(q->state->sql,
		    "SELECT " ROW_COLUMNS " FROM outbox WHERE state = ?1 ORDER BY id DESC LIMIT ?2", "si",
		    state, limit);
	while (sql_next(row))
		json_array_append_new(rows, one_row(q, row));
	sql_end(row);
	json_object_set_new(obj, "notifications", notifications);
	json_object_set_new(obj, "rows", rows);
	return query_failed(q, obj, err);
}
