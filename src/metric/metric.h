/*
 * metric.h: what this process counts: counters and histograms, one line where it happens.  Public: steps count too.
 *
 * families.def names every family with its labels; a child is made for each set of label values that is counted, at most
 * METRIC_CHILDREN of a family, and everything beyond them is counted as "other": memory stays bounded whatever the
 * labels say.  Label values are names from the configuration and words of ours, never ids or dates.
 *
 * Counters live as long as the process; those of a step go with its exit record (metric_export) to the daemon, which
 * adds them once the attempt is settled.  Gauges are not kept here: who shows them asks those who know (web/metrics.c).
 */
#ifndef METRIC_H
#define METRIC_H

#include "base/err.h"
#include "base/json.h"

enum metric {
#define METRIC(id, name, kind, unit, label0, label1, flags, help) METRIC_##id,
#include "metric/families.def"
#undef METRIC
	METRIC_COUNT
};

enum metric_kind { METRIC_COUNTER, METRIC_HISTOGRAM };
enum {
	METRIC_OF_STEPS = 1, /* step processes count it too */
	METRIC_NAME_TAKEN =
	    2, /* the name without _total is a gauge's: OpenMetrics has no two families of one name */
};

#define METRIC_CHILDREN 500 /* of one family */
#define METRIC_LABELS   2
#define METRIC_NONE     "(none)" /* where a name of the configuration stands otherwise; never such a name itself */

struct metric_family {
	const char *name; /* without _total */
	const char *unit; /* "seconds", "bytes", or NULL */
	const char *label[METRIC_LABELS]; /* names; NULL: has fewer */
	const char *help;
	enum metric_kind kind;
	unsigned flags;
	const double *bounds; /* of a histogram's buckets, rising */
	size_t nbounds;
};

struct metric_child {
	char *label[METRIC_LABELS]; /* values */
	double sum; /* a counter's value, or the sum of what was observed */
	uint64_t n; /* observations */
	uint64_t *bucket; /* by upper bound, not cumulative; NULL for a counter */
};

/* Label values, as many as the family has labels, the rest NULL; copied. */
void metric_add(enum metric, double n, const char *label0, const char *label1);
void metric_count(enum metric, const char *label0, const char *label1); /* one more */
void metric_observe(enum metric, double value, const char *label0, const char *label1);
/* Let the child be there, with 0: a rate needs a beginning. */
void metric_expect(enum metric, const char *label0, const char *label1);

const struct metric_family *metric_family(enum metric);
/* Lent until the next call that counts. */
const struct metric_child *metric_children(enum metric, size_t *n);

/* Those of steps, as {family name: [[labels.., sum, buckets..], ..]}; for exit records. */
json_t *metric_export(void);
/*
 * Add what metric_export of another process gave.  It comes from outside: families that steps do not count, and whatever
 * else does not fit, are passed over.
 */
void metric_import(const json_t *exported);

/*
 * Counts that hold only once something else is certain (the commit of a turn): kept in order, then applied or dropped.
 */
struct metric_batch {
	struct metric_entry *entry;
	size_t n, cap;
};
void metric_batch_count(struct metric_batch *, enum metric, const char *label0, const char *label1);
void metric_batch_add(struct metric_batch *, enum metric, double n, const char *label0, const char *label1);
void metric_batch_observe(
    struct metric_batch *, enum metric, double value, const char *label0, const char *label1);
void metric_batch_import(struct metric_batch *, json_t *exported); /* takes a reference; NULL is fine */
void metric_batch_apply(struct metric_batch *); /* and empty it */
void metric_batch_drop(struct metric_batch *);

#endif
