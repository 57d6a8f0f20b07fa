/* query_audit.c: what audits found. */
#include "config.h"

#include "query/query_priv.h"

#include <inttypes.h>

#define AUDIT_COLUMNS "id, began_at, at, who, narrow, clean, missing, mismatched, extra, leftover, unknown"

static const struct column audit_columns[] = {
    {"id", COLUMN_INT},
    {"began_at", COLUMN_TIME},
    {"at", COLUMN_TIME},
    {"who", COLUMN_TEXT},
    {"narrow", COLUMN_BOOL},
    {"clean", COLUMN_BOOL},
    {"missing", COLUMN_INT},
    {"mismatched", COLUMN_INT},
    {"extra", COLUMN_INT},
    {"leftover", COLUMN_INT},
    {"unknown", COLUMN_INT},
    {0},
};

json_t *query_audit_summary(const struct query *q)
{
	struct sql_row *row = sql_query(
	    q->state->sql, "SELECT " AUDIT_COLUMNS " FROM audit WHERE narrow = 0 ORDER BY id DESC LIMIT 1", "");
	json_t *obj = sql_next(row) ? column_object(row, audit_columns) : json_null();

	sql_end(row);
	return obj;
}

static json_t *one_report(const struct query *q, int64_t id)
{
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT id, who, result FROM audit WHERE ?1 = 0 OR id = ?1 ORDER BY id DESC LIMIT 1", "i", id);
	json_t *obj = json_null();

	if (sql_next(row)) {
		obj = column_document(row, 2);
		json_object_set_new(obj, "id", json_integer(sql_int(row, 0)));
		json_object_set_new(obj, "who", json_text_new(sql_text(row, 1)));
	}
	sql_end(row);
	return obj;
}

json_t *query_audit(const struct query *q, int64_t id, struct err *err)
{
	json_t *obj = query_object(), *report = one_report(q, id);

	json_object_set_new(obj, "audit", report);
	json_object_set_new(obj, "audits",
	    column_list(
	        sql_query(q->state->sql, "SELECT " AUDIT_COLUMNS " FROM audit ORDER BY id DESC LIMIT 50", ""),
	        audit_columns));
	if (id != 0 && json_is_null(report)) {
		err_code(err, ERR_PERMANENT, "not_found", "no audit %" PRId64, id);
		json_decref(obj);
		obj = NULL;
	}
	return query_failed(q, obj, err);
}
