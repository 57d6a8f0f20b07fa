/* query_priv.h: columns to JSON, shared by the files of this folder. */
#ifndef QUERY_PRIV_H
#define QUERY_PRIV_H

#include "conf/conf.h"
#include "query/query.h"
#include "state/state.h"

json_t *col_text(const struct sql_row *, int col);
json_t *col_time(const struct sql_row *, int col);
json_t *col_int(const struct sql_row *, int col);
json_t *col_double(const struct sql_row *, int col);
json_t *col_json(const struct sql_row *, int col);
/* Three columns: class, code, text. */
json_t *col_error(const struct sql_row *, int class);
/* obj, or NULL with err when a statement failed on the way (obj is dropped). */
json_t *query_failed(const struct query *, json_t *obj, struct err *err);

/* The run object of a row of RUN_COLUMNS. */
#define RUN_COLUMNS                                                                                        \
	"id, job, assets, partition, state, outcome, origin, why, dry_run, retry_of, cancel, created_at, " \
	"started_at, ended_at,"                                                                            \
	" err_class, err_code, err_text"
json_t *query_run_row(const struct query *, const struct sql_row *);

#define KEY_COLUMNS "key, verdict, reason, present, expected, bytes, newest, first_at, since, gone_at, run_id"
json_t *query_key_row(const struct sql_row *);

/* {"state": "current" | "stale" | "missing", "reasons": [..]} of what was made of an asset for a partition. */
json_t *query_freshness(const struct query *, const struct conf_asset *, const char *partition);

/* The member "audit" of a status. */
json_t *query_audit_summary(const struct query *);
/* The member "outbox" of a status. */
json_t *query_outbox_summary(const struct query *);

#endif
