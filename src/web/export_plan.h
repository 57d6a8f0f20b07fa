/* export_plan.h: which of the page's targets an export holds, decided before anything is written. */
#ifndef EXPORT_PLAN_H
#define EXPORT_PLAN_H

#include "base/json.h"
#include "base/strvec.h"
#include "net/httpd_head.h"
#include "query/query.h"

struct export_plan {
	const struct query *query;
	json_t *runs, *partitions; /* sets: of ids as texts, of keys */
	int64_t oldest_run;
	char oldest_night[16]; /* YYYYMMDD */
	json_t *rows; /* set: of names of rows after which a page of the matrix of nights begins */
};

/* days and runs as in web_export_opts. */
int export_plan_make(struct export_plan *, const struct query *, int64_t days, int64_t runs, struct err *err);
void export_plan_release(struct export_plan *);

/* Whether there is a file for exactly this target. */
bool export_plan_has(const struct export_plan *, const struct httpd_head *target);
/* What people and programs would ask for without following a link. */
void export_plan_seeds(const struct export_plan *, struct strvec *targets);

#endif
