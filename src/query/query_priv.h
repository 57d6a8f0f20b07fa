/* query_priv.h: what the files of this folder share. */
#ifndef QUERY_PRIV_H
#define QUERY_PRIV_H

#include "conf/conf.h"
#include "query/column.h"
#include "query/query.h"
#include "state/state.h"

/* obj, or NULL with err when a statement failed on the way (obj is dropped). */
json_t *query_failed(const struct query *, json_t *obj, struct err *err);

/* The run object of a row of RUN_COLUMNS. */
#define RUN_COLUMNS                                                                                        \
	"id, job, assets, partition, state, outcome, origin, why, dry_run, retry_of, cancel, created_at, " \
	"started_at, ended_at,"                                                                            \
	" err_class, err_code, err_text"
#define RUN_NCOLUMNS 17
json_t *query_run_row(const struct query *, const struct sql_row *);

#define KEY_COLUMNS "key, verdict, reason, present, expected, bytes, newest, first_at, since, gone_at, run_id"
extern const struct column key_columns[];

#define HOLD_COLUMNS "partition, reason, who, at"
extern const struct column hold_columns[];

/* Looks at assets of partitions; what it knows of a partition serves for the next asset of the same one. */
struct stale *stale_new(const struct query *); /* q is lent */
void stale_free(struct stale *);
/* {"state": "current" | "stale" | "missing", "reasons": [..]} of what was made of an asset for a partition. */
json_t *stale_freshness(struct stale *, const struct conf_asset *, const char *partition);

/* The checks of a run, of one asset or all (NULL), as query_run tells them; [] when they cannot be read. */
json_t *query_checks(const struct query *, int64_t run, const char *asset);

/* The member "audit" of a status. */
json_t *query_audit_summary(const struct query *);
/* The member "outbox" of a status. */
json_t *query_outbox_summary(const struct query *);

#endif
