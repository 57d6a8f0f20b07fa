/* query_audit.c: what audits found. */
#include "config.h"

#include "query/query_priv.h"

#include <inttypes.h>

#define AUDIT_COLUMNS "id, began_at, at, who, narrow, clean, missing, mismatched, extra, leftover, unknown"

static json_t *audit_row(const struct sql_row *row)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "id", col_int(row, 0),
	    "began_at", col_time(row, 1), "at", col_time(row, 2), "who", col_text(row, 3), "narrow",
	    (int)sql_int(row, 4), "clean", (int)sql_int(row, 5), "missing", col_int(row, 6), "mismatched",
	    col_int(row, 7), "extra", col_int(row, 8), "leftover", col_int(row, 9), "unknown",
	    col_int(row, 10));
}

json_t *query_audit_summary(const struct query *q)
{
	struct sql_row *row = sql_query(
	    q->state->sql, "SELECT " AUDIT_COLUMNS " FROM audit WHERE narrow = 0 ORDER BY id DESC LIMIT 1", "");
	json_t *obj = sql_next(row) ? audit_row(row) : json_null();

	sql_end(row);
	return obj;
}

static json_t *one_report(const struct query *q, int64_t id)
{
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT id, who, result FROM audit WHERE ?1 = 0 OR id = ?1 ORDER BY id DESC LIMIT 1", "i", id);
	json_t *obj = json_null();

	if (sql_next(row)) {
		obj = col_json(row, 2);
		json_object_set_new(obj, "id", col_int(row, 0));
		json_object_set_new(obj, "who", col_text(row, 1));
	}
	sql_end(row);
	return obj;
}

json_t *query_audit(const struct query *q, int64_t id, struct err *err)
{
	json_t *obj = query_object(), *list = json_array(), *report = one_report(q, id);
	struct sql_row *row =
	    sql_query(q->state->sql, "SELECT " AUDIT_COLUMNS " FROM audit ORDER BY id DESC LIMIT 50", "");

	while (sql_next(row))
		json_array_append_new(list, audit_row(row));
	sql_end(row);
	json_object_set_new(obj, "audit", report);
	json_object_set_new(obj, "audits", list);
	if (id != 0 && json_is_null(report)) {
		err_code(err, ERR_PERMANENT, "not_found", "no audit %" PRId64, id);
		json_decref(obj);
		obj = NULL;
	}
	return query_failed(q, obj, err);
}
