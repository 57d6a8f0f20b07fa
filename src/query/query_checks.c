#include "config.h"

#include "query/query_priv.h"

#define CHECKS_SHOWN 500

json_t *query_checks(const struct query *q, int64_t run, const char *asset)
{
	static const struct column columns[] = {
	    {"at", COLUMN_TIME},
	    {"run", COLUMN_INT},
	    {"asset", COLUMN_TEXT},
	    {"attempt", COLUMN_INT},
	    {"check", COLUMN_TEXT},
	    {"passed", COLUMN_BOOL},
	    {"severity", COLUMN_TEXT},
	    {"metadata", COLUMN_JSON},
	    {"metadata_cut", COLUMN_INT},
	    {"text", COLUMN_TEXT},
	    {0},
	};

	return column_list(
	    sql_query(q->state->sql,
	        "SELECT at, run_id, asset, attempt, name, passed, severity, metadata, cut,"
	        " name || CASE WHEN passed THEN ': passed' ELSE ': failed' END FROM asset_check"
	        " WHERE run_id = ?1 AND (?2 IS NULL OR asset = ?2) ORDER BY asset, attempt, n LIMIT ?3",
	        "isi", run, asset, (int64_t)CHECKS_SHOWN),
	    columns);
}
